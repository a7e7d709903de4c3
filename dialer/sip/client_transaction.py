"""Client transactions: RFC 3261 section 17.1 with the Accepted state of RFC 6026. No I/O, no clock."""

from __future__ import annotations

import enum

import structlog
from aiosipua.message import SipRequest

from dialer.sip.errors import IllegalStep
from dialer.sip.events import Hop, Transport
from dialer.sip.message import MAX_FORWARDS, ReceivedResponse
from dialer.sip.timing import PATIENCE, T1, T2, T4, TIMER_D

log = structlog.get_logger("dialer.sip")


class ClientState(enum.Enum):
    """Figures 5 (INVITE) and 6 (others); ACCEPTED is RFC 6026."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class ClientInput(enum.Enum):
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    RETRANSMIT = "retransmit"  # timers A, E
    GIVE_UP = "give_up"  # timers B, F
    LINGERED = "lingered"  # timers D, K, M
    BROKEN = "transport_error"


class ClientFault(enum.Enum):
    """Told to the transaction's user instead of a final response."""

    TIMEOUT = "timeout"
    TRANSPORT = "transport"


class _Do(enum.Enum):
    SEND = "send"
    ACK = "ack"
    DELIVER = "deliver"
    TIMED_OUT = "timed_out"
    FAILED = "failed"


Output = bytes | ReceivedResponse | ClientFault  # to be sent | for the user | for the user

_Table = dict[tuple[ClientState, ClientInput], tuple[ClientState, tuple[_Do, ...]]]
_S, _I = ClientState, ClientInput

_INVITE: _Table = {
    (_S.CALLING, _I.PROVISIONAL): (_S.PROCEEDING, (_Do.DELIVER,)),
    (_S.CALLING, _I.SUCCESS): (_S.ACCEPTED, (_Do.DELIVER,)),
    (_S.CALLING, _I.FAILURE): (_S.COMPLETED, (_Do.ACK, _Do.DELIVER)),
    (_S.CALLING, _I.RETRANSMIT): (_S.CALLING, (_Do.SEND,)),
    (_S.CALLING, _I.GIVE_UP): (_S.TERMINATED, (_Do.TIMED_OUT,)),
    (_S.CALLING, _I.BROKEN): (_S.TERMINATED, (_Do.FAILED,)),
    (_S.PROCEEDING, _I.PROVISIONAL): (_S.PROCEEDING, (_Do.DELIVER,)),
    (_S.PROCEEDING, _I.SUCCESS): (_S.ACCEPTED, (_Do.DELIVER,)),
    (_S.PROCEEDING, _I.FAILURE): (_S.COMPLETED, (_Do.ACK, _Do.DELIVER)),
    (_S.PROCEEDING, _I.GIVE_UP): (_S.TERMINATED, (_Do.TIMED_OUT,)),  # only after CANCEL, section 9.1
    (_S.PROCEEDING, _I.BROKEN): (_S.PROCEEDING, ()),  # it is the far end's turn; an error concerns something else
    (_S.ACCEPTED, _I.PROVISIONAL): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _I.SUCCESS): (_S.ACCEPTED, (_Do.DELIVER,)),
    (_S.ACCEPTED, _I.FAILURE): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _I.BROKEN): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _I.LINGERED): (_S.TERMINATED, ()),
    (_S.COMPLETED, _I.PROVISIONAL): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.SUCCESS): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.FAILURE): (_S.COMPLETED, (_Do.ACK,)),
    (_S.COMPLETED, _I.BROKEN): (_S.TERMINATED, ()),
    (_S.COMPLETED, _I.LINGERED): (_S.TERMINATED, ()),
}

_OTHER: _Table = {
    (_S.TRYING, _I.PROVISIONAL): (_S.PROCEEDING, (_Do.DELIVER,)),
    (_S.TRYING, _I.SUCCESS): (_S.COMPLETED, (_Do.DELIVER,)),
    (_S.TRYING, _I.FAILURE): (_S.COMPLETED, (_Do.DELIVER,)),
    (_S.TRYING, _I.RETRANSMIT): (_S.TRYING, (_Do.SEND,)),
    (_S.TRYING, _I.GIVE_UP): (_S.TERMINATED, (_Do.TIMED_OUT,)),
    (_S.TRYING, _I.BROKEN): (_S.TERMINATED, (_Do.FAILED,)),
    (_S.PROCEEDING, _I.PROVISIONAL): (_S.PROCEEDING, (_Do.DELIVER,)),
    (_S.PROCEEDING, _I.SUCCESS): (_S.COMPLETED, (_Do.DELIVER,)),
    (_S.PROCEEDING, _I.FAILURE): (_S.COMPLETED, (_Do.DELIVER,)),
    (_S.PROCEEDING, _I.RETRANSMIT): (_S.PROCEEDING, (_Do.SEND,)),
    (_S.PROCEEDING, _I.GIVE_UP): (_S.TERMINATED, (_Do.TIMED_OUT,)),
    (_S.PROCEEDING, _I.BROKEN): (_S.TERMINATED, (_Do.FAILED,)),
    (_S.COMPLETED, _I.PROVISIONAL): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.SUCCESS): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.FAILURE): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.BROKEN): (_S.TERMINATED, ()),
    (_S.COMPLETED, _I.LINGERED): (_S.TERMINATED, ()),
}


class ClientTransaction:
    """One request of ours until its final response has been seen and its echoes have died away."""

    def __init__(self, request: SipRequest, branch: str, hop: Hop, now: float) -> None:
        self.request = request
        self.branch = branch
        self.hop = hop
        self.is_invite = request.method == "INVITE"
        self._wire = bytes(request)
        self._table = _INVITE if self.is_invite else _OTHER
        self._timers: dict[ClientInput, float] = {}
        self._interval = T1
        self._ack = b""
        self.state = _S.CALLING if self.is_invite else _S.TRYING
        self._timers[_I.GIVE_UP] = now + PATIENCE
        if not self._reliable:
            self._timers[_I.RETRANSMIT] = now + T1

    @property
    def key(self) -> tuple[str, str]:
        """What responses are matched by (section 17.1.3)."""
        return self.branch, self.request.method

    @property
    def _reliable(self) -> bool:
        return self.hop.transport is Transport.TCP

    def start(self) -> list[Output]:
        """What is to be sent first."""
        return [self._wire]

    def receive(self, response: ReceivedResponse, now: float) -> list[Output]:
        on = _I.PROVISIONAL if response.code < 200 else _I.SUCCESS if response.code < 300 else _I.FAILURE
        if self.state is _S.TERMINATED:
            return []
        return self._step(on, now, response)

    def transport_failed(self, now: float) -> list[Output]:
        return [] if self.state is _S.TERMINATED else self._step(_I.BROKEN, now)

    def limit(self, now: float) -> None:
        """The INVITE was cancelled: wait for its final response no longer than 64*T1 (section 9.1)."""
        if self.state is _S.PROCEEDING:
            self._timers[_I.GIVE_UP] = now + PATIENCE

    def next_timer(self) -> float | None:
        return min(self._timers.values(), default=None)

    def handle_timers(self, now: float) -> list[Output]:
        outputs: list[Output] = []
        while self._timers:
            on, deadline = min(self._timers.items(), key=lambda timer: timer[1])
            if deadline > now:
                break
            del self._timers[on]
            outputs += self._step(on, now)
        return outputs

    def _step(self, on: ClientInput, now: float, response: ReceivedResponse | None = None) -> list[Output]:
        step = self._table.get((self.state, on))
        if step is None:
            raise IllegalStep(f"client transaction {self.request.method}", self.state, on)
        was, (self.state, doings) = self.state, step
        if on is _I.RETRANSMIT or was is not self.state:
            self._set_timers(was, on, now)
        if was is not self.state:
            log.debug(
                "client transaction", method=self.request.method, branch=self.branch,
                was=was.value, on=on.value, now=self.state.value,
            )  # fmt: skip
        return [output for doing in doings for output in self._do(doing, response)]

    def _do(self, doing: _Do, response: ReceivedResponse | None) -> list[Output]:
        if doing is _Do.SEND:
            return [self._wire]
        if doing is _Do.TIMED_OUT:
            return [ClientFault.TIMEOUT]
        if doing is _Do.FAILED:
            return [ClientFault.TRANSPORT]
        assert response is not None  # DELIVER and ACK stand only beside responses in the tables
        if doing is _Do.ACK:
            self._ack = self._ack or bytes(build_ack_for_failure(self.request, response))
            return [self._ack]
        return [response]

    def _set_timers(self, was: ClientState, on: ClientInput, now: float) -> None:
        """Entering a state stops and starts timers; a retransmission doubles its interval (A freely, E up to T2)."""
        if on is _I.RETRANSMIT:
            doubled = self._interval * 2
            self._interval = doubled if self.is_invite else min(doubled, T2)
            if self.state is _S.PROCEEDING:
                self._interval = T2
            self._timers[_I.RETRANSMIT] = now + self._interval
        elif self.state is _S.PROCEEDING and self.is_invite:
            self._timers.clear()
        elif self.state is _S.ACCEPTED:
            self._timers = {_I.LINGERED: now + PATIENCE}  # timer M
        elif self.state is _S.COMPLETED:
            lingering = TIMER_D if self.is_invite else T4  # timers D, K
            self._timers = {_I.LINGERED: now if self._reliable else now + lingering}
        elif self.state is _S.TERMINATED:
            self._timers.clear()


def build_ack_for_failure(invite: SipRequest, response: ReceivedResponse) -> SipRequest:
    """Section 17.1.1.3: same branch, Request-URI, Route and CSeq number; To from the response."""
    ack = SipRequest(method="ACK", uri=invite.uri)
    ack.headers.append("Via", invite.headers.get("via")[0])
    for route in invite.headers.get("route"):
        ack.headers.append("Route", route)
    ack.headers.set_single("Max-Forwards", MAX_FORWARDS)
    ack.headers.set_single("From", invite.headers.get("from")[0])
    ack.headers.set_single("To", response.header("to"))
    ack.headers.set_single("Call-ID", invite.headers.get("call-id")[0])
    ack.headers.set_single("CSeq", invite.headers.get("cseq")[0].replace("INVITE", "ACK"))
    return ack
