"""What outgoing and incoming calls have in common: the states, the established dialog, the end."""

from __future__ import annotations

import enum
import re
from abc import ABC, abstractmethod
from collections.abc import Callable

import structlog

from dialer.sip.auth import DigestClient
from dialer.sip.core import Core
from dialer.sip.dialog import Dialog
from dialer.sip.errand import Errand, OnOver
from dialer.sip.errors import IllegalStep
from dialer.sip.events import CallEndCause, CallEnded
from dialer.sip.keys import KEY_TYPE, KeysByInfo
from dialer.sip.message import ReceivedRequest
from dialer.sip.server_transaction import ServerTransaction
from dialer.sip.timing import PATIENCE, T1, T2

log = structlog.get_logger("dialer.sip")


class CallState(enum.Enum):
    INVITING = "inviting"  # no provisional response yet: CANCEL is not allowed (section 9.1)
    RINGING = "ringing"
    GIVING_UP = "giving_up"  # hung up while INVITING
    CANCELLING = "cancelling"
    OFFERED = "offered"  # an incoming call
    ANSWERED = "answered"  # our 2xx waits for its ACK
    LEAVING = "leaving"  # hung up while ANSWERED: BYE has to wait for the ACK (section 15)
    TALKING = "talking"
    ENDED = "ended"


class CallInput(enum.Enum):
    PROVISIONAL = "1xx"
    CHALLENGE = "challenge"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    FAULT = "fault"  # time-out or transport
    ANSWER = "answer"
    REJECT = "reject"
    HANG_UP = "hang_up"
    CANCEL = "cancel"
    ACK = "ack"
    NO_ACK = "no_ack"
    BYE = "bye"


_S, _I = CallState, CallInput

_STEPS: dict[CallState, dict[CallInput, CallState]] = {
    _S.INVITING: {
        _I.PROVISIONAL: _S.RINGING, _I.CHALLENGE: _S.INVITING, _I.SUCCESS: _S.TALKING, _I.FAILURE: _S.ENDED,
        _I.FAULT: _S.ENDED, _I.HANG_UP: _S.GIVING_UP,
    },
    _S.RINGING: {
        _I.PROVISIONAL: _S.RINGING, _I.CHALLENGE: _S.INVITING, _I.SUCCESS: _S.TALKING, _I.FAILURE: _S.ENDED,
        _I.FAULT: _S.ENDED, _I.HANG_UP: _S.CANCELLING,
    },
    _S.GIVING_UP: {
        _I.PROVISIONAL: _S.CANCELLING, _I.SUCCESS: _S.ENDED, _I.FAILURE: _S.ENDED, _I.FAULT: _S.ENDED,
    },
    _S.CANCELLING: {
        _I.PROVISIONAL: _S.CANCELLING, _I.SUCCESS: _S.ENDED, _I.FAILURE: _S.ENDED, _I.FAULT: _S.ENDED,
    },
    _S.OFFERED: {
        _I.ANSWER: _S.ANSWERED, _I.REJECT: _S.ENDED, _I.HANG_UP: _S.ENDED, _I.CANCEL: _S.ENDED, _I.BYE: _S.ENDED,
    },
    _S.ANSWERED: {_I.ACK: _S.TALKING, _I.NO_ACK: _S.ENDED, _I.HANG_UP: _S.LEAVING, _I.BYE: _S.ENDED},
    _S.LEAVING: {_I.ACK: _S.ENDED, _I.NO_ACK: _S.ENDED, _I.BYE: _S.ENDED},
    _S.TALKING: {_I.HANG_UP: _S.ENDED, _I.BYE: _S.ENDED, _I.NO_ACK: _S.ENDED, _I.FAULT: _S.ENDED},
    _S.ENDED: {_I.SUCCESS: _S.ENDED, _I.FAILURE: _S.ENDED, _I.FAULT: _S.ENDED, _I.PROVISIONAL: _S.ENDED},
}  # fmt: skip


OnAck = Callable[[ReceivedRequest], None]


class UnconfirmedAnswer:
    """A 2xx of ours to an INVITE, repeated until its ACK comes (section 13.3.1.4). `on_ack` is handed the first."""

    def __init__(self, transaction: ServerTransaction, wire: bytes, now: float, on_ack: OnAck | None) -> None:
        self.transaction = transaction
        self.wire = wire
        self.on_ack = on_ack
        self.deadline = now + PATIENCE
        self.next_at = now + T1
        self._interval = T1

    def repeat(self, core: Core, now: float) -> None:
        core.layer.respond(self.transaction, self.wire, 200, now)
        self._interval = min(2 * self._interval, T2)
        self.next_at = now + self._interval


class Call(ABC):
    """One call, from its INVITE until 32 s after its end: late messages still have to be answered."""

    def __init__(
        self, core: Core, call_id: str, state: CallState, local_tag: str, forget: Callable[[Call], None]
    ) -> None:
        self.core = core
        self.call_id = call_id
        self.state = state
        self.local_tag = local_tag
        self.local_sdp = b""
        self.dialog: Dialog | None = None
        self.answers: dict[int, UnconfirmedAnswer] = {}  # by CSeq number
        self.reoffers = 0  # descriptions of ours after the first one
        self.told_end = False
        self._keys = KeysByInfo(core.agenda, self._send_key)
        self._forget = forget
        self._forget_at: float | None = None

    @property
    @abstractmethod
    def digest(self) -> DigestClient: ...

    @abstractmethod
    def hang_up(self, now: float) -> None: ...

    def find_dialog(self, request: ReceivedRequest) -> Dialog | None:
        """The dialog of this call that a request belongs to."""
        dialog = self.dialog
        if dialog is None or request.to_tag != self.local_tag or request.from_tag != dialog.remote_tag:
            return None
        return dialog

    def takes_early_bye(self, request: ReceivedRequest) -> bool:
        """True for a BYE that overtook the 2xx it belongs to; it only has to be answered."""
        return False

    # --- state

    def step(self, on: CallInput, now: float) -> None:
        target = _STEPS[self.state].get(on)
        if target is None:
            raise IllegalStep(f"call {self.call_id}", self.state, on)
        was, self.state = self.state, target
        if was is target:
            return
        log.info("call", call=self.call_id, was=was.value, on=on.value, now=target.value)
        if target is CallState.ENDED:
            self.answers.clear()
            self._forget_at = now + PATIENCE
        self.core.agenda.watch(self)

    def tell_end(self, event: CallEnded) -> None:
        """`CallEnded` goes out exactly once."""
        if not self.told_end:
            self.told_end = True
            self.core.emit(event)

    # --- timers

    def next_timer(self) -> float | None:
        deadlines = [min(answer.next_at, answer.deadline) for answer in self.answers.values()]
        if self._forget_at is not None:
            deadlines.append(self._forget_at)
        return min(deadlines, default=None)

    def handle_timers(self, now: float) -> None:
        for cseq, answer in list(self.answers.items()):
            if answer.deadline <= now:
                del self.answers[cseq]
                self._no_ack(now)
                break
            if answer.next_at <= now:
                answer.repeat(self.core, now)
        if self._forget_at is not None and self._forget_at <= now:
            self._forget_at = None
            self._forget(self)

    def await_ack(self, transaction: ServerTransaction, wire: bytes, now: float, on_ack: OnAck | None = None) -> None:
        self.answers[transaction.request.cseq] = UnconfirmedAnswer(transaction, wire, now, on_ack)
        self.core.agenda.watch(self)

    def _no_ack(self, now: float) -> None:
        """Section 13.3.1.4: no ACK within 64*T1 ends the call with BYE."""
        self.step(CallInput.NO_ACK, now)
        self.send_bye(now)
        self.tell_end(CallEnded(self.call_id, CallEndCause.TIMEOUT))

    # --- requests of ours inside the dialog

    def send_bye(self, now: float, dialog: Dialog | None = None) -> None:
        dialog = dialog or self.dialog
        if dialog is not None:
            Errand(self.core, dialog, self.digest, "BYE").send(now)

    def press(self, digit: str, duration_ms: int, now: float) -> None:
        """A key, by SIP INFO; after those that wait already."""
        if self.state is CallState.TALKING:
            self._keys.press(digit, duration_ms, now)

    def _send_key(self, body: bytes, on_over: OnOver, now: float) -> None:
        if self.dialog is not None and self.state is CallState.TALKING:
            Errand(
                self.core, self.dialog, self.digest, "INFO", KEY_TYPE, body,
                on_dialog_lost=self._dialog_lost, on_over=on_over,
            ).send(now)  # fmt: skip

    def _dialog_lost(self, code: int, now: float) -> None:
        """The far end knows nothing of the dialog any more (section 12.2.1.2)."""
        if self.state is CallState.TALKING:
            self.step(CallInput.FAULT, now)
            self.send_bye(now)
            self.tell_end(CallEnded(self.call_id, CallEndCause.TIMEOUT, code))

    # --- theirs

    def receive_ack(self, request: ReceivedRequest, now: float) -> bool:
        """True when it was the first ACK to a 2xx of ours."""
        answer = self.answers.pop(request.cseq, None)
        if answer is None:
            return False
        if answer.on_ack is not None:
            answer.on_ack(request)
        return True

    def receive_bye(self, request: ReceivedRequest, now: float) -> None:
        """Already answered with 200."""
        self.step(CallInput.BYE, now)
        q850 = read_q850(request.header_values("reason"))
        self.tell_end(CallEnded(self.call_id, CallEndCause.REMOTE_BYE, q850=q850))


def read_q850(values: list[str]) -> int | None:
    """The cause of `Reason: Q.850;cause=17` (RFC 3326), if one of the reasons has it."""
    for reason in ",".join(values).split(","):
        protocol, *parameters = (part.strip() for part in reason.split(";"))
        if protocol.upper() != "Q.850":
            continue
        for parameter in parameters:
            name, _, cause = (part.strip() for part in parameter.partition("="))
            if name.lower() == "cause" and re.fullmatch("[0-9]{1,3}", cause):
                return int(cause)
    return None


def read_seconds(value: str) -> int | None:
    """Retry-After: `120 (in a meeting);duration=3600` -> 120."""
    match = re.match(r"\s*([0-9]{1,9})(?![0-9])", value)
    return int(match[1]) if match else None
