"""Calls that come in (RFC 3261 section 13.3)."""

from __future__ import annotations

from collections.abc import Callable

from dialer.sip.auth import DigestClient
from dialer.sip.bodies import SDP_TYPE
from dialer.sip.call import Call, CallInput, CallState
from dialer.sip.core import ALLOW, Core, sdp_of
from dialer.sip.dialog import Dialog
from dialer.sip.events import CallConfirmed, CallEndCause, CallEnded
from dialer.sip.message import Headers, ReceivedRequest, new_tag
from dialer.sip.server_transaction import ServerTransaction


class IncomingCall(Call):
    """From their INVITE on."""

    def __init__(self, core: Core, transaction: ServerTransaction, forget: Callable[[Call], None]) -> None:
        request = transaction.request
        super().__init__(core, request.call_id, CallState.OFFERED, new_tag(), forget)
        self._transaction = transaction
        self._digest = DigestClient(None, "")
        self.dialog = Dialog.from_request(request, self.local_tag, pinned=False)

    @property
    def digest(self) -> DigestClient:
        return self._digest

    def ring(self, sdp: bytes, now: float) -> None:
        if self.state is CallState.OFFERED:
            self._reply(183 if sdp else 180, now, body=sdp)

    def answer(self, sdp: bytes, now: float) -> None:
        if self.state is not CallState.OFFERED:
            return
        self.local_sdp = sdp
        wire = self._reply(200, now, body=sdp)
        self.step(CallInput.ANSWER, now)
        self.await_ack(self._transaction, wire, now)

    def reject(self, code: int, phrase: str, contact: str, now: float) -> None:
        """The owner refuses: its `CallEnded` says LOCAL_CANCEL."""
        if self.state is CallState.OFFERED:
            headers: Headers = [("Contact", f"<{contact}>")] if contact else []
            self.core.reply(self._transaction, code, now, phrase=phrase, to_tag=self.local_tag, headers=headers)
            self.step(CallInput.REJECT, now)
            self.tell_end(CallEnded(self.call_id, CallEndCause.LOCAL_CANCEL, code, phrase))

    def hang_up(self, now: float) -> None:
        if self.state is CallState.OFFERED:
            self.reject(603, "Decline", "", now)
        elif self.state is CallState.TALKING:
            self.step(CallInput.HANG_UP, now)
            self.send_bye(now)
            self.tell_end(CallEnded(self.call_id, CallEndCause.LOCAL_BYE))
        elif self.state is CallState.ANSWERED:
            self.step(CallInput.HANG_UP, now)
            self.tell_end(CallEnded(self.call_id, CallEndCause.LOCAL_BYE))

    def receive_cancel(self, now: float) -> None:
        if self.state is CallState.OFFERED:
            self._reply(487, now)
            self.step(CallInput.CANCEL, now)
            self.tell_end(CallEnded(self.call_id, CallEndCause.REMOTE_CANCEL))

    def receive_ack(self, request: ReceivedRequest, now: float) -> bool:
        if not super().receive_ack(request, now):
            return False
        if self.state is CallState.ANSWERED:
            self.step(CallInput.ACK, now)
            self.core.emit(CallConfirmed(self.call_id, sdp_of(request)))
        elif self.state is CallState.LEAVING:
            self.step(CallInput.ACK, now)
            self.send_bye(now)
        return True

    def receive_bye(self, request: ReceivedRequest, now: float) -> None:
        """BYE on an early dialog also ends the INVITE (section 15.1.2)."""
        if self.state is CallState.OFFERED:
            self._reply(487, now)
        super().receive_bye(request, now)

    def _reply(self, code: int, now: float, body: bytes = b"") -> bytes:
        headers: Headers = [
            ("Record-Route", value) for value in self._transaction.request.header_values("record-route")
        ]
        headers.append(("Contact", self.core.contact(self._transaction.hop)))
        headers.append(("Allow", ALLOW))
        if body:
            headers.append(("Content-Type", SDP_TYPE))
        return self.core.reply(self._transaction, code, now, to_tag=self.local_tag, headers=headers, body=body)
