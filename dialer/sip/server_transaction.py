"""Server transactions: RFC 3261 section 17.2 with the Accepted state of RFC 6026. No I/O, no clock."""

from __future__ import annotations

import enum

import structlog

from dialer.sip.errors import IllegalStep
from dialer.sip.events import Hop, Transport
from dialer.sip.message import BRANCH_COOKIE, ReceivedRequest
from dialer.sip.timing import PATIENCE, T1, T2, T4

log = structlog.get_logger("dialer.sip")


class ServerState(enum.Enum):
    """Figures 7 (INVITE) and 8 (others); ACCEPTED is RFC 6026."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class ServerInput(enum.Enum):
    REPEATED = "request_again"
    ACK = "ack"
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    RETRANSMIT = "retransmit"  # timer G
    GIVE_UP = "give_up"  # timer H
    LINGERED = "lingered"  # timers I, J, L
    BROKEN = "transport_error"


class _Do(enum.Enum):
    NOTHING = "nothing"
    SEND = "send"  # the response just given, or the last one


_Table = dict[tuple[ServerState, ServerInput], tuple[ServerState, _Do]]
_S, _I = ServerState, ServerInput

_INVITE: _Table = {
    (_S.PROCEEDING, _I.REPEATED): (_S.PROCEEDING, _Do.SEND),
    (_S.PROCEEDING, _I.PROVISIONAL): (_S.PROCEEDING, _Do.SEND),
    (_S.PROCEEDING, _I.SUCCESS): (_S.ACCEPTED, _Do.SEND),
    (_S.PROCEEDING, _I.FAILURE): (_S.COMPLETED, _Do.SEND),
    (_S.PROCEEDING, _I.ACK): (_S.PROCEEDING, _Do.NOTHING),
    (_S.PROCEEDING, _I.BROKEN): (_S.PROCEEDING, _Do.NOTHING),
    (_S.ACCEPTED, _I.REPEATED): (_S.ACCEPTED, _Do.NOTHING),
    (_S.ACCEPTED, _I.SUCCESS): (_S.ACCEPTED, _Do.SEND),
    (_S.ACCEPTED, _I.ACK): (_S.ACCEPTED, _Do.NOTHING),
    (_S.ACCEPTED, _I.BROKEN): (_S.ACCEPTED, _Do.NOTHING),
    (_S.ACCEPTED, _I.LINGERED): (_S.TERMINATED, _Do.NOTHING),
    (_S.COMPLETED, _I.REPEATED): (_S.COMPLETED, _Do.SEND),
    (_S.COMPLETED, _I.RETRANSMIT): (_S.COMPLETED, _Do.SEND),
    (_S.COMPLETED, _I.ACK): (_S.CONFIRMED, _Do.NOTHING),
    (_S.COMPLETED, _I.GIVE_UP): (_S.TERMINATED, _Do.NOTHING),
    (_S.COMPLETED, _I.BROKEN): (_S.TERMINATED, _Do.NOTHING),
    (_S.CONFIRMED, _I.REPEATED): (_S.CONFIRMED, _Do.NOTHING),
    (_S.CONFIRMED, _I.ACK): (_S.CONFIRMED, _Do.NOTHING),
    (_S.CONFIRMED, _I.BROKEN): (_S.TERMINATED, _Do.NOTHING),
    (_S.CONFIRMED, _I.LINGERED): (_S.TERMINATED, _Do.NOTHING),
}

_OTHER: _Table = {
    (_S.TRYING, _I.REPEATED): (_S.TRYING, _Do.NOTHING),
    (_S.TRYING, _I.PROVISIONAL): (_S.PROCEEDING, _Do.SEND),
    (_S.TRYING, _I.SUCCESS): (_S.COMPLETED, _Do.SEND),
    (_S.TRYING, _I.FAILURE): (_S.COMPLETED, _Do.SEND),
    (_S.TRYING, _I.BROKEN): (_S.TERMINATED, _Do.NOTHING),
    (_S.PROCEEDING, _I.REPEATED): (_S.PROCEEDING, _Do.SEND),
    (_S.PROCEEDING, _I.PROVISIONAL): (_S.PROCEEDING, _Do.SEND),
    (_S.PROCEEDING, _I.SUCCESS): (_S.COMPLETED, _Do.SEND),
    (_S.PROCEEDING, _I.FAILURE): (_S.COMPLETED, _Do.SEND),
    (_S.PROCEEDING, _I.BROKEN): (_S.TERMINATED, _Do.NOTHING),
    (_S.COMPLETED, _I.REPEATED): (_S.COMPLETED, _Do.SEND),
    (_S.COMPLETED, _I.BROKEN): (_S.TERMINATED, _Do.NOTHING),
    (_S.COMPLETED, _I.LINGERED): (_S.TERMINATED, _Do.NOTHING),
}

ServerKey = tuple[str, ...]


def server_key(request: ReceivedRequest, method: str = "") -> ServerKey:
    """What repeated requests, ACK and CANCEL are matched by (section 17.2.3), with the rules of RFC 2543 for branches
    without the magic cookie. `method` replaces the request's own (INVITE for ACK and CANCEL)."""
    method = method or request.method
    if request.via.branch.startswith(BRANCH_COOKIE) and len(request.via.branch) > len(BRANCH_COOKIE):
        return request.via.branch, request.via.host.lower(), str(request.via.port or 5060), method
    return "2543", request.uri, request.from_tag, request.call_id, str(request.cseq), request.via.text(), method


class ServerTransaction:
    """One request of theirs until our final response has surely arrived."""

    def __init__(self, request: ReceivedRequest, hop: Hop) -> None:
        self.request = request
        self.hop = hop
        self.key = server_key(request)
        self.is_invite = request.method == "INVITE"
        self.state = _S.PROCEEDING if self.is_invite else _S.TRYING
        self._table = _INVITE if self.is_invite else _OTHER
        self._timers: dict[ServerInput, float] = {}
        self._interval = T1
        self._last = b""

    @property
    def answered(self) -> bool:
        """A final response was given."""
        return self.state not in (_S.TRYING, _S.PROCEEDING)

    @property
    def _reliable(self) -> bool:
        return self.hop.transport is Transport.TCP

    def respond(self, wire: bytes, code: int, now: float) -> list[bytes]:
        """Raises `IllegalStep` for a second final response (a repeated 2xx to INVITE is none: section 13.3.1.4)."""
        on = _I.PROVISIONAL if code < 200 else _I.SUCCESS if code < 300 else _I.FAILURE
        if self.is_invite and on is _I.SUCCESS and self.state is _S.TERMINATED:
            return []
        self._last = wire
        return self._step(on, now)

    def receive_again(self, now: float) -> list[bytes]:
        return self._step(_I.REPEATED, now) if self.state is not _S.TERMINATED else []

    def receive_ack(self, now: float) -> None:
        if self.state is not _S.TERMINATED:
            self._step(_I.ACK, now)

    def transport_failed(self, now: float) -> None:
        if self.state is not _S.TERMINATED:
            self._step(_I.BROKEN, now)

    def next_timer(self) -> float | None:
        return min(self._timers.values(), default=None)

    def handle_timers(self, now: float) -> list[bytes]:
        outputs: list[bytes] = []
        while self._timers:
            on, deadline = min(self._timers.items(), key=lambda timer: timer[1])
            if deadline > now:
                break
            del self._timers[on]
            outputs += self._step(on, now)
        return outputs

    def _step(self, on: ServerInput, now: float) -> list[bytes]:
        step = self._table.get((self.state, on))
        if step is None:
            raise IllegalStep(f"server transaction {self.request.method}", self.state, on)
        was, (self.state, doing) = self.state, step
        if on is _I.RETRANSMIT or was is not self.state:
            self._set_timers(on, now)
        if was is not self.state:
            log.debug(
                "server transaction", method=self.request.method, branch=self.request.via.branch,
                was=was.value, on=on.value, now=self.state.value,
            )  # fmt: skip
        return [self._last] if doing is _Do.SEND and self._last else []

    def _set_timers(self, on: ServerInput, now: float) -> None:
        if on is _I.RETRANSMIT:
            self._interval = min(self._interval * 2, T2)
            self._timers[_I.RETRANSMIT] = now + self._interval
        elif self.state is _S.ACCEPTED:
            self._timers = {_I.LINGERED: now + PATIENCE}  # timer L
        elif self.state is _S.COMPLETED and self.is_invite:
            self._timers = {_I.GIVE_UP: now + PATIENCE}  # timer H
            if not self._reliable:
                self._timers[_I.RETRANSMIT] = now + T1  # timer G
        elif self.state is _S.COMPLETED:
            self._timers = {_I.LINGERED: now if self._reliable else now + PATIENCE}  # timer J
        elif self.state is _S.CONFIRMED:
            self._timers = {_I.LINGERED: now if self._reliable else now + T4}  # timer I
        elif self.state is _S.TERMINATED:
            self._timers.clear()
