"""Calls that come in (RFC 3261 section 13.3): pyVoIP's `answer` and `deny`, with all that they leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialer.engines.pyvoip.alarms import Alarm
from dialer.engines.pyvoip.call import Call, Dialog, OnEvent, Stage
from dialer.engines.pyvoip.library import SIP, VoIP
from dialer.engines.pyvoip.message import Message
from dialer.engines.pyvoip.text import uri_of
from dialer.sip.events import CallConfirmed, CallEndCause, CallIncoming, Hop, Transport
from dialer.sip.timing import PATIENCE, T1, T2

if TYPE_CHECKING:
    from dialer.engines.pyvoip.phone import Phone


class IncomingCall(Call):
    """From their INVITE on."""

    def __init__(self, phone: Phone, invite: Message, on_event: OnEvent) -> None:
        super().__init__(phone, invite, Stage.OFFERED, on_event)
        self.state = VoIP.CallState.RINGING
        self._invite = invite
        self._tag = self._client.tagLibrary[self.call_id] = self._client.gen_tag()
        self._dialog = Dialog.made_by_request(invite, f"{invite.text.first('To')};tag={self._tag}")
        self._final = b""  # our final response
        self._repeat: Alarm | None = None
        self._give_up: Alarm | None = None

    @property
    def _first_target(self) -> str:
        return uri_of(self._invite.text.first("From"))

    def offer(self) -> None:
        """Say that the INVITE is here, on the wire and to our own."""
        self._client.reply(self._invite, 100, "Trying")
        text, (host, port) = self._invite.text, self._invite.source
        self._on_event(
            CallIncoming(
                self.call_id,
                uri_of(text.first("From")),
                uri_of(text.first("To")),
                text.uri,
                self._invite.sdp,
                Hop(Transport.UDP, host, port),
            )
        )

    @property
    def waits_for_ack(self) -> bool:
        return self._stage in (Stage.ANSWERED, Stage.LEAVING)

    # --- ours ------------------------------------------------------------------------------------------------------

    def ring(self) -> None:
        """180, which pyVoIP sends to every INVITE at once."""
        if self._stage is Stage.OFFERED:
            self._client.ring(self._invite, self._tag)

    def answer_with(self, sdp: bytes) -> None:
        """200 with our description, repeated until its ACK comes (pyVoIP sends it once)."""
        self.local_sdp = sdp
        self.answer()

    def answer(self) -> None:
        if self._stage is not Stage.OFFERED:
            return
        self._stage = Stage.ANSWERED
        self.state = VoIP.CallState.ANSWERED
        self._final = self._client.accept(self._invite, self._tag, self.local_sdp)
        self._repeat_until_acknowledged()

    def refuse(self, code: int, phrase: str) -> None:
        """Any final code (pyVoIP's `deny` knows 486 alone)."""
        if self._stage is Stage.OFFERED:
            self._refuse(code, phrase)
            self._tell_end(CallEndCause.LOCAL_CANCEL)

    def deny(self) -> None:
        self.refuse(486, "Busy Here")

    def _refuse(self, code: int, phrase: str) -> None:
        self._final = self._client.reply(self._invite, code, phrase, tag=self._tag)
        self._end()
        self._repeat_until_acknowledged()

    def _repeat_until_acknowledged(self, waited_s: float = T1) -> None:
        """RFC 3261 sections 13.3.1.4 (2xx) and 17.2.1 (timers G and H)."""
        if self._give_up is None:
            self._give_up = self._client.alarms.after(PATIENCE, self._unacknowledged)

        def again() -> None:
            self._client.transmit(self._final, self._invite.source)
            self._repeat_until_acknowledged(min(2 * waited_s, T2))

        self._repeat = self._client.alarms.after(waited_s, again)

    def _stop_repeating(self) -> None:
        for alarm in (self._repeat, self._give_up):
            if alarm is not None:
                alarm.cancel()

    def _unacknowledged(self) -> None:
        self._stop_repeating()
        was = self._stage
        if was in (Stage.ANSWERED, Stage.LEAVING):
            self._hang_up_dialog()
            self._end()
        if was is Stage.ANSWERED:
            self._tell_end(CallEndCause.TIMEOUT)

    def hangup(self) -> None:
        """603 or BYE; a BYE waits for the ACK."""
        if self._stage is Stage.OFFERED:
            self.refuse(603, "Decline")
        elif self._stage is Stage.ANSWERED:
            self._stage = Stage.LEAVING
            self._tell_end(CallEndCause.LOCAL_BYE)
        elif self._stage is Stage.TALKING:
            self._hang_up_dialog()
            self._over(CallEndCause.LOCAL_BYE)

    def _hang_up_dialog(self) -> None:
        if self._dialog is not None:
            self._send_bye(self._dialog)

    # --- theirs ----------------------------------------------------------------------------------------------------

    def acknowledged(self, ack: Message) -> None:
        """The ACK of a 2xx makes the call; that of a refusal only ends the repeating."""
        if ack.text.sequence != self._invite.text.sequence:
            super().acknowledged(ack)
            return
        self._stop_repeating()
        if self._stage is Stage.ANSWERED:
            self._stage = Stage.TALKING
            self._on_event(CallConfirmed(self.call_id, ack.sdp))
        elif self._stage is Stage.LEAVING:
            self._hang_up_dialog()
            self._end()

    def is_cancelled_by(self, cancel: Message) -> bool:
        """RFC 3261 section 9.2: the INVITE's own branch, from where it came."""
        same_branch = cancel.text.branch == self._invite.text.branch
        return same_branch and cancel.source[0] == self._invite.source[0]

    def cancelled(self) -> None:
        if self._stage is Stage.OFFERED:
            self._refuse(487, "Request Terminated")
            self._tell_end(CallEndCause.REMOTE_CANCEL)

    def bye(self, request: SIP.SIPMessage | None = None) -> None:
        by = request if isinstance(request, Message) else None
        if self._stage is Stage.OFFERED:  # RFC 3261 section 15.1.2: it ends the INVITE as well
            self._refuse(487, "Request Terminated")
            self._tell_end(CallEndCause.REMOTE_BYE, by)
        elif self._stage is Stage.LEAVING:
            self._stop_repeating()
            self._end()
        elif self._stage is Stage.ANSWERED:  # the ACK was lost
            self._stop_repeating()
            self._over(CallEndCause.REMOTE_BYE, by)
        else:
            super().bye(request)
