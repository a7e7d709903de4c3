"""The practice network's processes, for whoever starts them: the demo and the tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from dialer.practice import call_log
from dialer.practice.call_log import LoggedCall

Event = dict[str, Any]

START_PATIENCE_S: Final = 20.0
_STOP_PATIENCE_S: Final = 6.0


class PracticeError(Exception):
    """A process of the practice network failed."""


class NotStarted(PracticeError):
    """It ended, or said why it cannot start, before it was ready."""


class PracticeProcess:
    """One process, from `start` to `stop`. It also ends when this process dies, since its standard input ends then."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.host = ""
        self.port = 0
        self.events: list[Event] = []
        self._arguments = list(arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._grew = asyncio.Condition()
        self._over = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def address(self) -> tuple[str, int]:
        """Where it speaks SIP."""
        return self.host, self.port

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Returns once it is ready. Raises `NotStarted` with its own words."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "dialer.practice", *self._arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read(self._process), name="practice events")
        try:
            first = await self.until(lambda event: "ready" in event, patience_s=START_PATIENCE_S)
        except (PracticeError, TimeoutError) as error:
            await self.stop()
            raise NotStarted(f"the practice {self._arguments[0]} did not start: {error}") from error
        if not first["ready"]:
            await self.stop()
            raise NotStarted(f"the practice {self._arguments[0]} did not start: {first['reason']}")
        self.host, self.port = first["host"], first["sip_port"]

    async def stop(self) -> int | None:
        """Let it hang up and end; SIGKILL if it does not. Safe to call twice. Returns its exit code."""
        process = self._process
        if process is None:
            return None
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(_STOP_PATIENCE_S):
                    await process.wait()
            except TimeoutError:
                self.kill()
        code = await process.wait()
        if self._reader is not None:
            await self._reader
        return code

    def kill(self) -> None:
        """SIGKILL, as a crash would be; `stop` still has to follow."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # not Process.send_signal: it polls, and so takes the exit code away from asyncio if the process has just ended
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def until(self, wanted: Callable[[Event], bool], *, patience_s: float = 15.0) -> Event:
        """The first event, past or coming, that is `wanted`. Raises `PracticeError` if the process ends before it,
        `TimeoutError`."""
        seen = 0
        async with asyncio.timeout(patience_s), self._grew:
            while True:
                for event in self.events[seen:]:
                    if wanted(event):
                        return event
                seen = len(self.events)
                if self._over:
                    raise PracticeError("it has ended")
                await self._grew.wait()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            async with self._grew:
                self.events.append(json.loads(line))
                self._grew.notify_all()
        async with self._grew:
            self._over = True
            self._grew.notify_all()

    async def tell(self, command: Event) -> None:
        """Write one JSON line to its standard input."""
        assert self._process is not None, "not started"
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps(command) + "\n").encode())
        await self._process.stdin.drain()


class PracticeCarrier(PracticeProcess):
    """The carrier. `ring_s`/`talk_s` speed its clients up; with `user` it wants digest and accepts REGISTER."""

    def __init__(
        self,
        *,
        log: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        ring_s: float | None = None,
        talk_s: float | None = None,
        user: str = "",
        password: str = "",
    ) -> None:
        arguments = ["carrier", "--host", host, "--port", str(port), "--log", str(log)]
        arguments += ["--ring-s", str(ring_s)] if ring_s is not None else []
        arguments += ["--talk-s", str(talk_s)] if talk_s is not None else []
        arguments += ["--user", user, "--password", password] if user else []
        super().__init__(arguments)
        self.log = log

    def calls(self) -> list[LoggedCall]:
        """The calls that have ended."""
        return call_log.read(self.log)

    async def logged(self, call_id: str, *, patience_s: float = 10.0) -> LoggedCall:
        """The carrier's account of a call, once it is over there. Raises `TimeoutError`."""
        return await self._logged(lambda call: call.call_id == call_id, patience_s)

    async def logged_number(self, number: str, *, patience_s: float = 10.0) -> LoggedCall:
        """As `logged`, of the first call to `number`."""
        return await self._logged(lambda call: call.number == number, patience_s)

    async def _logged(self, wanted: Callable[[LoggedCall], bool], patience_s: float) -> LoggedCall:
        async with asyncio.timeout(patience_s):
            while True:
                for call in self.calls():
                    if wanted(call):
                        return call
                await asyncio.sleep(0.02)


class PracticeHeadset(PracticeProcess):
    """A headset that registers at `registrar` as soon as it runs. `tone_hz` instead of its voice."""

    def __init__(
        self,
        *,
        registrar: tuple[str, int],
        user: str,
        password: str,
        host: str = "127.0.0.1",
        port: int = 0,
        domain: str = "",
        tone_hz: float | None = None,
        expires_s: int = 60,
    ) -> None:
        arguments = ["headset", "--registrar", f"{registrar[0]}:{registrar[1]}", "--user", user]
        arguments += ["--password", password, "--host", host, "--port", str(port), "--domain", domain]
        arguments += ["--expires", str(expires_s)]
        arguments += ["--tone", str(tone_hz)] if tone_hz is not None else []
        super().__init__(arguments)

    async def registered(self, *, patience_s: float = 15.0) -> Event:
        """Returns once the registrar has accepted it."""
        return await self.happened("registered", patience_s=patience_s)

    async def happened(self, event: str, *, call_id: str | None = None, patience_s: float = 15.0) -> Event:
        """The first `event` ("registered", "registration_failed", "call", "answered", "declined", "digit", "ended",
        "done", "error"), of `call_id` if given."""

        def is_it(told: Event) -> bool:
            return told.get("event") == event and (call_id is None or told.get("call_id") == call_id)

        return await self.until(is_it, patience_s=patience_s)

    async def hang_up(self) -> None:
        await self.tell({"do": "hang_up"})

    async def mute(self) -> None:
        await self.tell({"do": "mute"})

    async def unmute(self) -> None:
        await self.tell({"do": "unmute"})

    async def decline_next(self) -> None:
        await self.tell({"do": "decline_next"})
