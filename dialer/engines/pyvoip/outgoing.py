"""Calls that we place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialer.engines.pyvoip.alarms import Alarm
from dialer.engines.pyvoip.call import Call, Dialog, OnEvent, Stage, unheeded
from dialer.engines.pyvoip.library import SIP, VoIP
from dialer.engines.pyvoip.message import Address, Message
from dialer.engines.pyvoip.text import MessageText
from dialer.sip.events import CallAnswered, CallEndCause, CallProgress
from dialer.sip.timing import PATIENCE

if TYPE_CHECKING:
    from dialer.engines.pyvoip.phone import Phone


class OutgoingCall(Call):
    """From our INVITE on."""

    def __init__(
        self, phone: Phone, invite: MessageText, target: Address, with_password: bool, on_event: OnEvent
    ) -> None:
        super().__init__(phone, Message(invite.encode()), Stage.CALLING, on_event)
        self._invite = invite
        self._target = target
        self._acks: dict[str, tuple[bytes, Address]] = {}
        self._with_password = self._may_authorise = with_password
        self._cancelled = False
        self._cancel_limit: Alarm | None = None
        self._sequence = invite.sequence
        self.local_sdp = invite.body

    @property
    def _first_target(self) -> str:
        return self._invite.uri

    def send_invite(self) -> None:
        self._client.requests.send(self._invite, self._target, self._response, self._failed)

    # --- responses to INVITE ---------------------------------------------------------------------------------------

    def _response(self, response: Message) -> None:
        if response.code < 200:
            self._provisional(response)
        elif response.code < 300:
            self.answered(response)
        else:
            self._client.transmit(self._client.gen_ack(response).encode(), self._target)
            if response.text.sequence == self._invite.sequence and self._stage is not Stage.OVER:
                self._refused(response)

    def _provisional(self, response: Message) -> None:
        if self._stage is Stage.CALLING:
            self._stage = Stage.PROCEEDING
        if self._stage is Stage.CANCELLING:
            self._cancel_once()
        elif self._stage is Stage.PROCEEDING and response.code > 100:
            self._on_event(CallProgress(self.call_id, response.code, response.sdp))

    def answered(self, request: SIP.SIPMessage) -> None:
        """A 2xx: acknowledge it each time it comes. One that crossed our CANCEL, or a second one of a forking proxy,
        is hung up again."""
        assert isinstance(request, Message)
        known = self._acks.get(request.to_tag)
        if known is not None:
            self._client.transmit(*known)
            return
        dialog = Dialog.made_by_response(request)
        ack = MessageText.written(self._client.gen_ack(request))
        self._inside(ack, "ACK", dialog)
        self._acks[request.to_tag] = (ack.encode(), dialog.address)
        self._client.transmit(*self._acks[request.to_tag])
        if self._stage in (Stage.CALLING, Stage.PROCEEDING):
            self._stage = Stage.TALKING
            self.state = VoIP.CallState.ANSWERED
            self._dialog = dialog
            self._on_event(CallAnswered(self.call_id, request.sdp))
            return
        self._send_bye(dialog)
        if self._stage is Stage.CANCELLING:
            self._end()

    def _refused(self, response: Message) -> None:
        if self._stage is Stage.CANCELLING:
            self._end()
        elif response.code not in (401, 407) or not self._try_again(response):
            self._over(CallEndCause.REFUSED, response)

    def _try_again(self, challenge: Message) -> bool:
        """The same INVITE with our digest, once."""
        if not self._may_authorise or challenge.source[0] != self._target[0]:
            return False
        self._may_authorise = False
        again = MessageText(self._invite.start, list(self._invite.headers), self._invite.body)
        if not self._client.authorise(again, challenge):
            return False
        self._sequence += 1
        again.put("Via", self._client.via())
        again.put("CSeq", f"{self._sequence} INVITE")
        self._invite = self._client.invites[self.call_id] = again
        self.request = Message(again.encode())
        self.send_invite()
        return True

    def _may_hear_password(self, challenge: Message) -> bool:
        return self._with_password and challenge.source[0] == self._target[0]

    def _failed(self, cause: CallEndCause) -> None:
        """Timer B, or nobody there."""
        if self._stage is Stage.CANCELLING:
            self._end()
        elif self._stage is not Stage.OVER:
            self._over(cause)

    # --- the end ---------------------------------------------------------------------------------------------------

    def hangup(self) -> None:
        """CANCEL or BYE."""
        if self._stage is Stage.TALKING and self._dialog is not None:
            self._send_bye(self._dialog)
            self._over(CallEndCause.LOCAL_BYE)
        elif self._stage in (Stage.CALLING, Stage.PROCEEDING):
            may_cancel = self._stage is Stage.PROCEEDING  # RFC 3261 section 9.1: not before a provisional response
            self._stage = Stage.CANCELLING
            if may_cancel:
                self._cancel_once()
            self._cancel_limit = self._client.alarms.after(PATIENCE, self._end)
            self._tell_end(CallEndCause.LOCAL_CANCEL)

    def _cancel_once(self) -> None:
        if self._cancelled:
            return
        self._cancelled = True
        self._client.requests.send(self._client.draft_cancel(self.call_id), self._target, unheeded, unheeded)

    def _end(self) -> None:
        if self._cancel_limit is not None:
            self._cancel_limit.cancel()
        super()._end()
