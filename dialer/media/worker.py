"""The media worker process: `python -m dialer.media.worker FD CONFIG`, started by `dialer.media.controller`.

FD is the inherited end of a socket pair; when the parent dies it reads end-of-file there, closes its recordings and
goes. CONFIG is a JSON object with `host`, `first_port`, `last_port`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

from dialer.media import sounds, tones
from dialer.media.leg import BadRemote, Leg, Remote
from dialer.media.ports import NoPort, Ports
from dialer.media.relay import Measured, Relay, Told
from dialer.media.taps import AlreadyRecorded, Summary
from dialer.media.wire import Inbox, Message, WireError, pack
from recordings.errors import RecordingError

_NICENESS = -10
_RECEIVE_BYTES = 1 << 16
_BACKLOG_BYTES = 1 << 22  # a parent that does not read gets no more figures, but still every answer


class Refused(Exception):
    """What the parent asked for cannot be done; `kind` tells programs why."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class ParentLine:
    """The worker's end of the socket pair."""

    def __init__(self, sock: socket.socket, relay_watch: Callable[[int, Callable[[int], None], int], None]) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._watch = relay_watch
        self._inbox = Inbox()
        self._unsent = bytearray()
        self._blocked = False
        self.on_messages: Callable[[list[Message]], None] = lambda messages: None
        self.on_end: Callable[[], None] = lambda: None
        self._watch(sock.fileno(), self._ready, select.EPOLLIN)

    @property
    def crowded(self) -> bool:
        return len(self._unsent) > _BACKLOG_BYTES

    def tell(self, message: Message) -> None:
        waiting = bool(self._unsent)
        self._unsent += pack(message)
        if not waiting:
            self._flush()

    def _flush(self) -> None:
        try:
            del self._unsent[: self._sock.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()
            self.on_end()
            return
        if bool(self._unsent) != self._blocked:
            self._blocked = not self._blocked
            mask = select.EPOLLIN | (select.EPOLLOUT if self._blocked else 0)
            self._watch(self._sock.fileno(), self._ready, mask)

    def _ready(self, mask: int) -> None:
        if mask & select.EPOLLOUT:
            self._flush()
        if not mask & ~select.EPOLLOUT:
            return
        try:
            received = self._sock.recv(_RECEIVE_BYTES)
            messages = self._inbox.feed(received)
        except BlockingIOError:
            return
        except (OSError, WireError):
            received, messages = b"", []
        if messages:
            self.on_messages(messages)
        if not received:
            self.on_end()


class Worker:
    """Does what the parent asks for; every request is answered."""

    def __init__(self, sock: socket.socket, ports: Ports) -> None:
        self._ports = ports
        self._legs: dict[str, Leg] = {}
        self.relay = Relay(Told(self._tell_digit, self._tell_measured, self._tell_recording_stopped))
        self._line = ParentLine(sock, self.relay.watch)
        self._line.on_messages = self._answer_all
        self._line.on_end = self.relay.stop
        self._requests: dict[str, Callable[[Message, float], Message | None]] = {
            "ping": lambda asked, now: None,
            "open": self._open,
            "connect": self._connect,
            "bridge": self._bridge,
            "unbridge": self._unbridge,
            "record": self._record,
            "stop_recording": self._stop_recording,
            "play": self._play,
            "stop_playing": self._stop_playing,
            "digits": self._digits,
            "close": self._close,
            "stop": self._stop,
        }

    def _answer_all(self, messages: list[Message]) -> None:
        for message in messages:
            answer: Message = {"re": message["id"]}
            try:
                answer["ok"] = self._requests[message["do"]](message, time.monotonic())
            except Refused as refused:
                answer |= {"error": str(refused), "kind": refused.kind}
            self._line.tell(answer)

    # Events.

    def _tell_digit(self, leg: str, digit: str) -> None:
        self._line.tell({"event": "digit", "leg": leg, "digit": digit})

    def _tell_measured(self, measured: list[Measured]) -> None:
        if self._line.crowded:
            return
        rows = [
            [each.leg, round(each.level_dbov, 1), each.received, each.lost, round(each.jitter_ms, 2), each.dropped]
            for each in measured
        ]
        self._line.tell({"event": "measured", "legs": rows})

    def _tell_recording_stopped(self, leg: str, summary: Summary) -> None:
        self._line.tell({"event": "recording_stopped", "leg": leg} | _as_message(summary))

    # Requests. A leg that is not there (closed meanwhile) is ignored.

    def _open(self, asked: Message, now: float) -> Message:
        name = asked["leg"]
        if name in self._legs:
            raise Refused("taken", f"there is a leg {name} already")
        try:
            sock = self._ports.bind()
        except NoPort as error:
            raise Refused("no_port", error.strerror or str(error)) from error
        except OSError as error:
            raise Refused("bind", f"the media address cannot be bound: {error.strerror or error}") from error
        self._legs[name] = self.relay.open(name, sock)
        host, port = sock.getsockname()[:2]
        return {"host": host, "port": port}

    def _connect(self, asked: Message, now: float) -> None:
        leg = self._legs.get(asked["leg"])
        if leg is None:
            return
        try:
            self.relay.connect(leg, Remote(**asked["remote"]), now)
        except BadRemote as error:
            raise Refused("remote", str(error)) from error
        except OSError as error:
            raise Refused("remote", f"the far end cannot be reached: {error.strerror or error}") from error

    def _pair(self, asked: Message) -> tuple[Leg, Leg] | None:
        left, right = self._legs.get(asked["left"]), self._legs.get(asked["right"])
        if left is None or right is None or left is right:
            return None
        return left, right

    def _bridge(self, asked: Message, now: float) -> None:
        pair = self._pair(asked)
        if pair is not None:
            self.relay.bridge(*pair, now)

    def _unbridge(self, asked: Message, now: float) -> None:
        leg = self._legs.get(asked["leg"])
        if leg is not None:
            self.relay.unbridge(leg, now)

    def _record(self, asked: Message, now: float) -> None:
        pair = self._pair(asked)
        if pair is None:
            raise Refused("no_leg", "one of the legs has ended")
        try:
            self.relay.taps.start(*pair, asked["path"], now)
        except RecordingError as error:
            raise Refused("recording", str(error.params.get("reason", error))) from error
        except AlreadyRecorded as error:
            raise Refused("recording", str(error)) from error

    def _stop_recording(self, asked: Message, now: float) -> Message | None:
        leg = self._legs.get(asked["leg"])
        summary = self.relay.taps.stop(leg, now) if leg is not None else None
        return _as_message(summary) if summary is not None else None

    def _play(self, asked: Message, now: float) -> None:
        leg = self._legs.get(asked["leg"])
        if leg is None:
            return
        try:
            sound = sounds.load(asked["sound"], leg.codec_out)
        except (tones.UnknownSound, sounds.UnusableSound) as error:
            raise Refused("sound", str(error)) from error
        self.relay.play(leg, sound, now)

    def _stop_playing(self, asked: Message, now: float) -> None:
        leg = self._legs.get(asked["leg"])
        if leg is not None:
            self.relay.stop_playing(leg, now)

    def _digits(self, asked: Message, now: float) -> None:
        leg = self._legs.get(asked["leg"])
        if leg is None:
            return
        if leg.remote is None or leg.remote.dtmf_payload_type is None:
            raise Refused("digits", "the far end takes no telephone events")
        try:
            self.relay.send_digits(leg, asked["digits"], now)
        except ValueError as error:
            raise Refused("value", str(error)) from error

    def _close(self, asked: Message, now: float) -> None:
        leg = self._legs.pop(asked["leg"], None)
        if leg is not None:
            self.relay.close_leg(leg, now)
        if not self._legs:
            gc.collect()  # nobody hears the pause

    def _stop(self, asked: Message, now: float) -> None:
        self.relay.taps.close_all(now)
        self.relay.stop()


def _as_message(summary: Summary) -> Message:
    return {"path": summary.path, "frames": summary.frames, "failure": summary.failure}


def _end_on_sigterm(relay: Relay) -> None:
    """SIGTERM ends the loop; SIGINT is the parent's: at a terminal it goes to the whole group, and the parent stops
    its workers in its own time."""
    woken, wakes = socket.socketpair()
    woken.setblocking(False)
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda number, frame: relay.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    relay.watch(woken.detach(), lambda mask: None)


def _allow_many_sockets() -> None:
    """As many as the system lets us have: one for each leg, and a file for each recording."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(arguments: list[str]) -> int:
    config = json.loads(arguments[1])
    line = socket.socket(fileno=int(arguments[0]))
    with contextlib.suppress(OSError):  # allowed to root and to services with LimitNICE only
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    _allow_many_sockets()
    worker = Worker(line, Ports(config["host"], config["first_port"], config["last_port"]))
    _end_on_sigterm(worker.relay)
    # A collection would hold up every call for its length, and the loop makes no cycles: legs are unlinked when they
    # close. What is there now is kept out of the collection that is made when no leg is left.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        worker.relay.run()
    finally:
        worker.relay.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
