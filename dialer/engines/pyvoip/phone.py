"""pyVoIP's phone and call: what it left out of a call's life is added, and its RTP never runs.

A call tells what happens in the words of `dialer.sip.events`, as the other engine's endpoint does.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from dialer.engines.pyvoip.alarms import Alarm, Alarms
from dialer.engines.pyvoip.client import Client
from dialer.engines.pyvoip.library import SIP, VoIP
from dialer.engines.pyvoip.message import Address, Message
from dialer.engines.pyvoip.text import MessageText, parse_uri, uri_of
from dialer.sip.errors import NotAcceptable
from dialer.sip.events import (
    CallAnswered,
    CallEndCause,
    CallEnded,
    CallProgress,
    CallReoffered,
    InfoDigit,
)
from dialer.sip.sdp import build_answer
from dialer.sip.timing import PATIENCE

CallEvent = CallProgress | CallAnswered | CallEnded | CallReoffered | InfoDigit

_DIGIT = re.compile(rb"^(?:Signal\s*=\s*)?([0-9*#A-D])\s*$", re.IGNORECASE | re.MULTILINE)
_CAUSE = re.compile(r"Q\.850\s*;.*?cause\s*=\s*(\d{1,3})", re.IGNORECASE)


class Stage(enum.Enum):
    """Where a call of ours is."""

    CALLING = "calling"  # nothing came back yet
    PROCEEDING = "proceeding"  # a provisional response came
    CANCELLING = "cancelling"  # we gave up, and said so; the final response is awaited
    TALKING = "talking"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Dialog:
    """What requests inside a call need (RFC 3261 section 12.1.2)."""

    remote_target: str
    remote_tag: str
    to: str
    routes: tuple[str, ...]
    address: Address

    @classmethod
    def made_by(cls, response: Message) -> Dialog:
        """From the response that made it: its Contact, its To, its Record-Route backwards."""
        text = response.text
        contacts = text.all("Contact")
        target = uri_of(contacts[0]) if contacts else ""
        routes = tuple(reversed(text.all("Record-Route")))
        next_hop = uri_of(routes[0]) if routes else target
        return cls(target, response.to_tag, text.first("To"), routes, _address(next_hop) or response.source)


def _unheeded(_answer: object) -> None:
    """Of a request whose answer changes nothing."""


def _address(uri: str) -> Address | None:
    """Where a URI points if it names an IPv4 address; a name is not looked up, the response's source serves."""
    parts = parse_uri(uri)
    try:
        host = str(ipaddress.IPv4Address(parts.host)) if parts else ""
    except ValueError:
        return None
    port = (parts.port or 5060) if parts else 0
    return (host, port) if 0 < port < 65536 else None


class Phone(VoIP.VoIPPhone):
    """pyVoIP's phone with our client and our calls."""

    def __init__(
        self,
        alarms: Alarms,
        send: Callable[[bytes, Address], None],
        *,
        address: Address,
        domain: str,
        username: str = "",
        password: str = "",
    ) -> None:
        """`address` is what we call ourselves; `domain`, `username` and `password` are the trunk's."""
        super().__init__(domain, 0, username, password, myIP=address[0], sipPort=address[1])
        self.sip: Client = Client(
            self,
            alarms=alarms,
            address=address,
            domain=domain,
            username=username,
            password=password,
            send=send,
        )

    def release_ports(self, call: VoIP.VoIPCall | None = None) -> None:
        """pyVoIP gives RTP ports out; here the media workers do."""

    def place(
        self,
        *,
        call_id: str,
        target_uri: str,
        from_uri: str,
        target: Address,
        sdp: bytes,
        with_password: bool,
        on_event: OnEvent,
    ) -> Call:
        """Send INVITE. `on_event` is told everything, `CallEnded` last and once. `with_password`: a challenge
        is answered with the trunk's password, if `target` itself sent it."""
        invite = self.sip.draft_invite(call_id=call_id, target_uri=target_uri, from_uri=from_uri, sdp=sdp)
        call = Call(self, invite, target, with_password, on_event)
        self.calls[call_id] = call
        call.send_invite()
        return call

    def find(self, call_id: str) -> Call | None:
        call = self.calls.get(call_id)
        return call if isinstance(call, Call) else None

    def forget_later(self, call: Call) -> None:
        """A call that is over still answers a late or repeated 200 for as long as one may come."""
        self.sip.alarms.after(PATIENCE, lambda: self._forget(call.call_id))

    def _forget(self, call_id: str) -> None:
        self.sip.requests.forget(self.sip.invites[call_id])
        for kept in (self.calls, self.sip.invites, self.sip.tagLibrary):
            kept.pop(call_id, None)

    def callback(self, request: SIP.SIPMessage) -> None:
        """Every request that comes in (pyVoIP: INVITE and BYE only, and those of any tag)."""
        assert isinstance(request, Message)
        method = request.text.method
        if method == "ACK":
            return
        call = self.find(request.call_id)
        if call is None or not call.owns(request):
            self.sip.reply(request, 481, "Call/Transaction Does Not Exist")
        elif method == "BYE":
            self.sip.reply(request, 200, "OK")
            call.bye(request)
        elif method in ("INVITE", "UPDATE"):
            call.renegotiate(request)
        elif method == "INFO":
            self.sip.reply(request, 200, "OK")
            call.info(request)
        else:
            self.sip.reply(request, 501, "Not Implemented")


class Call(VoIP.VoIPCall):
    """One call that we place. `hangup` may be called at any time."""

    def __init__(
        self, phone: Phone, invite: MessageText, target: Address, with_password: bool, on_event: OnEvent
    ) -> None:
        super().__init__(phone, VoIP.CallState.DIALING, Message(invite.encode()), 0, phone.myIP, ms={})
        self._client = phone.sip
        self._phone = phone
        self._invite = invite
        self._target = target
        self._on_event = on_event
        self._stage = Stage.CALLING
        self._dialog: Dialog | None = None
        self._acks: dict[str, tuple[bytes, Address]] = {}
        self._with_password = self._may_authorise = with_password
        self._cancelled = False
        self._cancel_limit: Alarm | None = None
        self._sequence = invite.sequence
        self.local_sdp = invite.body

    def send_invite(self) -> None:
        self._client.requests.send(self._invite, self._target, self._response, self._failed)

    def owns(self, request: Message) -> bool:
        """Whether a request belongs to this call's dialog."""
        tag = self._client.tagLibrary.get(self.call_id)
        return self._dialog is not None and (request.to_tag, request.from_tag) == (tag, self._dialog.remote_tag)

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
        dialog = Dialog.made_by(request)
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

    def _failed(self, cause: CallEndCause) -> None:
        """Timer B, or nobody there."""
        if self._stage is Stage.CANCELLING:
            self._end()
        elif self._stage is not Stage.OVER:
            self._over(cause)

    # --- the end ---------------------------------------------------------------------------------------------------

    def hangup(self) -> None:
        """CANCEL or BYE, as the stage asks for (pyVoIP raises unless the call was answered)."""
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

    def bye(self, request: SIP.SIPMessage | None = None) -> None:
        """The far end hung up."""
        if self._stage is Stage.TALKING:
            self._over(CallEndCause.REMOTE_BYE, request if isinstance(request, Message) else None)

    def _cancel_once(self) -> None:
        if self._cancelled:
            return
        self._cancelled = True
        self._client.requests.send(self._client.draft_cancel(self.call_id), self._target, _unheeded, _unheeded)

    def _send_bye(self, dialog: Dialog) -> None:
        self.request.headers["Contact"] = f"<{dialog.remote_target}>"
        self.request.headers["To"]["tag"] = dialog.remote_tag
        bye = MessageText.written(self._client.gen_bye(self.request))
        self._sequence += 1
        bye.put("CSeq", f"{self._sequence} BYE")
        bye.put("Via", self._client.via())
        bye.put("Contact")
        self._inside(bye, "BYE", dialog)

        def challenged(response: Message) -> None:
            answered = bye.first("Authorization") or bye.first("Proxy-Authorization")
            if response.code not in (401, 407) or answered or response.source[0] != self._target[0]:
                return
            if self._with_password and self._client.authorise(bye, response):
                self._sequence += 1
                bye.put("CSeq", f"{self._sequence} BYE")
                bye.put("Via", self._client.via())
                self._client.requests.send(bye, dialog.address, challenged, _unheeded)

        self._client.requests.send(bye, dialog.address, challenged, _unheeded)

    def _inside(self, text: MessageText, method: str, dialog: Dialog) -> None:
        """Aim a request at the dialog: remote target and route set (pyVoIP knows no Route)."""
        text.start = f"{method} {dialog.remote_target or self._invite.uri} SIP/2.0"
        text.put("From", self._invite.first("From"))
        text.put("To", dialog.to)
        text.put("Route", *dialog.routes)

    def _over(self, cause: CallEndCause, by: Message | None = None) -> None:
        self._end()
        self._tell_end(cause, by)

    def _end(self) -> None:
        """Nothing is awaited any more but a late or repeated answer."""
        if self._stage is Stage.OVER:
            return
        if self._cancel_limit is not None:
            self._cancel_limit.cancel()
        self._stage = Stage.OVER
        self.state = VoIP.CallState.ENDED
        self._phone.forget_later(self)

    def _tell_end(self, cause: CallEndCause, by: Message | None = None) -> None:
        retry_after = by.text.first("Retry-After") if by else ""
        digits = re.match(r"\d{1,9}", retry_after)
        reason = _CAUSE.search(by.text.first("Reason")) if by else None
        contacts = by.text.all("Contact") if by and 300 <= by.code < 400 else []
        self._on_event(
            CallEnded(
                self.call_id,
                cause,
                sip_code=by.code if by else 0,
                phrase=by.text.phrase if by else "",
                q850=int(reason.group(1)) if reason else None,
                retry_after_s=int(digits.group()) if digits else None,
                contact_uri=uri_of(contacts[0]) if contacts else "",
            )
        )

    # --- requests inside the call ----------------------------------------------------------------------------------

    def renegotiate(self, request: SIP.SIPMessage) -> None:
        """A re-INVITE or UPDATE is answered with the session that stands (pyVoIP writes a new one each time)."""
        assert isinstance(request, Message)
        contacts = request.text.all("Contact")
        if contacts and self._dialog is not None:  # RFC 3261 section 12.2.2: the remote target moves
            target = uri_of(contacts[0])
            old = self._dialog
            address = old.address if old.routes else _address(target) or request.source
            self._dialog = Dialog(target, old.remote_tag, old.to, old.routes, address)
        if not request.sdp:  # without an offer: ours for INVITE, none for UPDATE (RFC 3261 section 14.2)
            self._client.reply(request, 200, "OK", sdp=self.local_sdp if request.text.method == "INVITE" else b"")
            return
        try:
            answer = build_answer(request.sdp, self.local_sdp)
        except NotAcceptable:
            self._client.reply(request, 488, "Not Acceptable Here")  # the call goes on as it was
            return
        self._client.reply(request, 200, "OK", sdp=answer)
        self._on_event(CallReoffered(self.call_id, request.sdp, answer))

    def info(self, request: Message) -> None:
        """A key by SIP INFO (application/dtmf-relay or application/dtmf)."""
        if request.text.first("Content-Type").lower().startswith("application/dtmf"):
            found = _DIGIT.search(request.text.body)
            if found:
                self._on_event(InfoDigit(self.call_id, found.group(1).decode().upper(), 160))


OnEvent = Callable[[CallEvent], None]
