"""The parent's side of the media workers: starts the processes, speaks to them over socket pairs, restarts the dead."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from dialer.media.wire import LENGTH, LONGEST, Message, WireError, pack, unpack

_log = structlog.get_logger("dialer.media")

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 10.0
_FIRST_PAUSE_S = 0.05
_REPLACE_PATIENCE_S = 3.0
_LONGEST_PAUSE_S = 5.0
_STEADY_S = 10.0


class MediaError(Exception):
    """The media part could not do what was asked."""


class NoPortFree(MediaError):
    """No RTP port of the configured range is free."""


class FarEndUnreachable(MediaError):
    """Where the far end wants its sound, nothing can be sent to from here."""


_ERRORS = {"no_port": NoPortFree, "remote": FarEndUnreachable}


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """`host` is the address bound for RTP, `first_port`..`last_port` the range (0, 0: any free port)."""

    host: str = "127.0.0.1"
    first_port: int = 0
    last_port: int = 0
    workers: int = 1


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Where a leg receives: goes into our SDP."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class RemoteMedia:
    """What the far end's SDP said. `payload_type` and `dtmf_payload_type` are the numbers it wants to receive;
    `we_send`/`we_receive` from the direction attribute (a leg that does not send still receives)."""

    host: str
    port: int
    codec: str  # "PCMA" | "PCMU"
    payload_type: int
    dtmf_payload_type: int | None
    we_send: bool = True
    we_receive: bool = True
    signalled_from: str = ""  # the IP address that its SIP comes from: with `host` the only one that may show itself


@dataclass(frozen=True, slots=True)
class DigitReceived:
    leg: str
    digit: str


@dataclass(frozen=True, slots=True)
class LegMeasured:
    """Once a second for each connected leg; the fields as in `dialer.telephony.LegLevels`."""

    leg: str
    level_dbov: float
    received: int
    lost: int
    jitter_ms: float
    dropped: int = 0  # packets from strangers, malformed ones, and errors of the network


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """A recording ended by itself: disk full, I/O error. The legs stay bridged."""

    leg: str
    path: Path
    frames: int
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker process died; its legs are gone. A new worker has been started."""

    legs: tuple[str, ...]


MediaEvent = DigitReceived | LegMeasured | RecordingStopped | WorkerDied


@dataclass(frozen=True, slots=True)
class RecordingSummary:
    path: Path
    frames: int
    failure: str = ""


class _WorkerLine:
    """One worker process and the socket pair to it."""

    def __init__(self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.process = process
        self.legs: set[str] = set()
        self.gone = False
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count()
        self._answers: dict[int, asyncio.Future[Message]] = {}

    @classmethod
    async def start(cls, config: MediaConfig) -> _WorkerLine:
        """Raises `OSError`."""
        ours, theirs = socket.socketpair()
        arguments = json.dumps({"host": config.host, "first_port": config.first_port, "last_port": config.last_port})
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "dialer.media.worker",
                    str(theirs.fileno()),
                    arguments,
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                )
            except OSError:
                ours.close()
                raise
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, reader, writer)

    async def ask(
        self, do: str, *, timeout_s: float = _ANSWER_TIMEOUT_S, about: Message | None = None
    ) -> Message | None:
        """The worker's answer. Raises `MediaError` with its reason, or when it dies or does not answer."""
        if self.gone:
            raise MediaError("the media worker died")
        number = next(self._numbers)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._writer.write(pack({"id": number, "do": do} | (about or {})))
        try:
            async with asyncio.timeout(timeout_s):
                message = await answer
        except TimeoutError:
            raise MediaError("the media worker does not answer") from None
        finally:
            del self._answers[number]
        if "error" in message:
            raise _ERRORS.get(message["kind"], MediaError)(message["error"])
        ok: Message | None = message["ok"]
        return ok

    async def read_until_gone(self, on_event: Callable[[Message], None]) -> None:
        """Hand out answers and events until the worker closes its end, then reap the process."""
        try:
            while True:
                (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
                if length > LONGEST:
                    raise WireError(f"a message of {length} bytes")
                message = unpack(await self._reader.readexactly(length))
                if "event" in message:
                    on_event(message)
                elif (answer := self._answers.get(message["re"])) is not None and not answer.done():
                    answer.set_result(message)  # one that nobody waits for any more was cancelled
        except (asyncio.IncompleteReadError, ConnectionError, WireError):
            pass
        await self._end()

    async def _end(self) -> None:
        self.gone = True
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(MediaError("the media worker died"))
        self._writer.close()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


class MediaController:
    """Owner of the worker processes. All methods run in the event loop; unknown or closed legs are ignored."""

    def __init__(self, config: MediaConfig, on_event: Callable[[MediaEvent], None]) -> None:
        self._config = config
        self._on_event = on_event
        self._lines: list[_WorkerLine | None] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._by_leg: dict[str, _WorkerLine] = {}
        self._replaced = asyncio.Event()  # a worker took a dead one's place
        self._stopping = False

    async def start(self) -> None:
        """Raises `MediaError` when the workers do not come up."""
        try:
            for place in range(self._config.workers):
                line = await _WorkerLine.start(self._config)
                self._lines.append(line)
                self._keepers.append(asyncio.create_task(self._keep(place, line)))
            await asyncio.gather(*(line.ask("ping", timeout_s=_START_TIMEOUT_S) for line in self._living()))
        except (MediaError, OSError) as error:
            await self.stop()
            raise MediaError(f"the media workers could not be started: {error}") from error

    async def stop(self) -> None:
        """Closes recordings properly, ends the workers. Safe to call twice."""
        self._stopping = True
        await asyncio.gather(*(self._stop_line(line) for line in self._living()))
        keepers, self._keepers = self._keepers, []
        for keeper, line in zip(keepers, self._lines, strict=True):
            if line is None:  # it waits to start another worker
                keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
        self._lines = []
        self._by_leg.clear()

    @staticmethod
    async def _stop_line(line: _WorkerLine) -> None:
        try:
            await line.ask("stop", timeout_s=_STOP_TIMEOUT_S)
        except MediaError as error:
            _log.warning("media worker does not stop", pid=line.process.pid, reason=str(error))
            with contextlib.suppress(ProcessLookupError):
                line.process.kill()

    @property
    def worker_pids(self) -> tuple[int, ...]:
        return tuple(line.process.pid for line in self._living())

    def _living(self) -> list[_WorkerLine]:
        return [line for line in self._lines if line is not None and not line.gone]

    async def _await_living(self) -> list[_WorkerLine]:
        """A worker that died is being replaced. Raises `MediaError` when that takes too long."""
        self._replaced.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REPLACE_PATIENCE_S):
                await self._replaced.wait()
        living = self._living()
        if not living:
            raise MediaError("no media worker is running")
        return living

    async def _keep(self, place: int, line: _WorkerLine) -> None:
        """Keep a worker running in `place` until `stop`."""
        pause_s = _FIRST_PAUSE_S
        while True:
            began = asyncio.get_running_loop().time()
            await line.read_until_gone(self._take_event)
            self._lines[place] = None
            if self._stopping:
                return
            _log.error("media worker died", pid=line.process.pid, code=line.process.returncode, legs=len(line.legs))
            if asyncio.get_running_loop().time() - began > _STEADY_S:
                pause_s = _FIRST_PAUSE_S
            line, pause_s = await self._replace(line, pause_s)
            self._lines[place] = line
            self._replaced.set()

    async def _replace(self, dead: _WorkerLine, pause_s: float) -> tuple[_WorkerLine, float]:
        """A new worker, and the pause to make should it die at once."""
        legs = tuple(dead.legs)
        for leg in legs:
            del self._by_leg[leg]
        self._tell(WorkerDied(legs))
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                return await _WorkerLine.start(self._config), pause_s
            except OSError as error:
                _log.error("media worker cannot be started", reason=str(error))

    def _tell(self, event: MediaEvent) -> None:
        """Through the loop, so that a listener's fault does not end the reading."""
        asyncio.get_running_loop().call_soon(self._on_event, event)

    def _take_event(self, message: Message) -> None:
        match message["event"]:
            case "digit":
                self._tell(DigitReceived(message["leg"], message["digit"]))
            case "measured":
                for row in message["legs"]:
                    self._tell(LegMeasured(*row))
            case "recording_stopped":
                leg, reason = message["leg"], message["failure"]
                _log.error("recording stopped", leg=leg, frames=message["frames"], reason=reason)
                self._tell(RecordingStopped(leg, Path(message["path"]), message["frames"], reason))

    async def open_leg(self, leg: str, *, beside: str | None = None) -> LocalMedia:
        """Give `leg` a port, on the worker of leg `beside` if given. Raises `NoPortFree`, `MediaError`."""
        line = self._by_leg.get(beside) if beside is not None else None
        if line is None:
            living = self._living() or await self._await_living()
            line = min(living, key=lambda each: len(each.legs))
        if leg in self._by_leg:
            raise MediaError(f"there is a leg {leg} already")
        self._by_leg[leg] = line
        line.legs.add(leg)
        try:
            answer = await line.ask("open", about={"leg": leg})
        except MediaError:
            self._forget(leg)
            raise
        assert answer is not None
        return LocalMedia(answer["host"], answer["port"])

    def _forget(self, leg: str) -> None:
        line = self._by_leg.pop(leg, None)
        if line is not None:
            line.legs.discard(leg)

    async def _ask(self, leg: str, do: str, **fields: str | Message) -> Message | None:
        line = self._by_leg.get(leg)
        return await line.ask(do, about={"leg": leg} | fields) if line is not None else None

    def _beside(self, left: str, right: str) -> bool:
        """Whether both legs are there. Raises `MediaError` when they are not on the same worker."""
        lines = self._by_leg.get(left), self._by_leg.get(right)
        if None in lines:
            return False
        if lines[0] is not lines[1]:
            raise MediaError(f"the legs {left} and {right} are on different workers")
        return True

    async def connect_leg(self, leg: str, remote: RemoteMedia) -> None:
        """Tell the worker where `leg` sends to; may be called again (early media, re-INVITE).

        Raises `MediaError` for an address that cannot be sent to.
        """
        await self._ask(leg, "connect", remote=asdict(remote))

    async def bridge(self, left: str, right: str) -> None:
        """Let both hear each other; each leaves the bridge that it was in."""
        if self._beside(left, right):
            await self._ask(left, "bridge", left=left, right=right)

    async def unbridge(self, leg: str) -> None:
        """Part `leg` from its peer; both hear silence."""
        await self._ask(leg, "unbridge")

    async def start_recording(self, left: str, right: str, path: Path) -> None:
        """Two channels: what arrives from `left` and from `right`. Raises `MediaError` with the reason in words."""
        if not self._beside(left, right):
            raise MediaError("one of the legs has ended")
        await self._ask(left, "record", left=left, right=right, path=str(path))

    async def stop_recording(self, leg: str) -> RecordingSummary | None:
        """Close the recording that `leg` is part of; also tells, once, of one that ended before (the other leg closed,
        disk full). None if there was none."""
        answer = await self._ask(leg, "stop_recording")
        if answer is None:
            return None
        return RecordingSummary(Path(answer["path"]), answer["frames"], answer["failure"])

    async def play(self, leg: str, sound: str) -> None:
        """`sound`: a value of `dialer.telephony.Sound`, or the path of an 8 kHz mono 16-bit WAV played once.

        Raises `MediaError` when there is no such sound.
        """
        await self._ask(leg, "play", sound=sound)

    async def stop_playing(self, leg: str) -> None:
        await self._ask(leg, "stop_playing")

    async def send_digits(self, leg: str, digits: str) -> None:
        """Raises `MediaError` when the far end takes no telephone events, or for anything but `0-9*#A-D`."""
        await self._ask(leg, "digits", digits=digits)

    async def close_leg(self, leg: str) -> None:
        """Stops a recording of its bridge, frees the port."""
        try:
            await self._ask(leg, "close")
        finally:
            self._forget(leg)
