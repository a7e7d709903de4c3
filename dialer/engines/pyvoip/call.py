"""What calls that we place and calls that come in have in common: the dialog, requests inside it, the end.

pyVoIP's call is the base; what it left out of a call's life is added, and its RTP never runs. A call tells what happens
in the words of `dialer.sip.events`, as the other engine's endpoint does.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dialer.engines.pyvoip.alarms import Alarms
from dialer.engines.pyvoip.library import SIP, VoIP
from dialer.engines.pyvoip.message import Address, Message
from dialer.engines.pyvoip.text import MessageText, parse_uri, uri_of
from dialer.sip.call import read_q850
from dialer.sip.errand import OnOver
from dialer.sip.errors import NotAcceptable
from dialer.sip.events import (
    CallAnswered,
    CallConfirmed,
    CallEndCause,
    CallEnded,
    CallIncoming,
    CallProgress,
    CallReoffered,
    InfoDigit,
)
from dialer.sip.keys import KEY_TYPE, KeysByInfo
from dialer.sip.sdp import build_answer, build_later_offer
from dialer.sip.timing import Timed

if TYPE_CHECKING:
    from dialer.engines.pyvoip.phone import Phone

CallEvent = CallIncoming | CallProgress | CallAnswered | CallConfirmed | CallEnded | CallReoffered | InfoDigit
OnEvent = Callable[[CallEvent], None]

_LONGEST_DIGIT = 256  # bytes
_DIGIT = re.compile(rb"^(?:Signal\s*=\s*)?([0-9*#A-D])\s*$", re.IGNORECASE | re.MULTILINE)


class Stage(enum.Enum):
    """Where a call is."""

    CALLING = "calling"  # ours: nothing came back yet
    PROCEEDING = "proceeding"  # ours: a provisional response came
    CANCELLING = "cancelling"  # ours: we gave up, and said so; the final response is awaited
    OFFERED = "offered"  # theirs: it rings here
    ANSWERED = "answered"  # theirs: our 200 waits for its ACK
    LEAVING = "leaving"  # theirs: hung up while ANSWERED, BYE has to wait for the ACK (RFC 3261 section 15)
    TALKING = "talking"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Dialog:
    """What requests inside a call need (RFC 3261 sections 12.1.1 and 12.1.2). `ours` and `theirs` are the From and To
    of our requests."""

    remote_target: str
    remote_tag: str
    ours: str
    theirs: str
    routes: tuple[str, ...]
    address: Address

    @classmethod
    def made_by_response(cls, response: Message) -> Dialog:
        """Of a call that we placed: its Contact, its To, its Record-Route backwards."""
        text = response.text
        routes = tuple(reversed(text.all("Record-Route")))
        return cls._made(response, response.to_tag, text.first("From"), text.first("To"), routes)

    @classmethod
    def made_by_request(cls, request: Message, ours: str) -> Dialog:
        """Of a call that came in: its Contact, its From, its Record-Route."""
        text = request.text
        return cls._made(request, request.from_tag, ours, text.first("From"), tuple(text.all("Record-Route")))

    @classmethod
    def _made(cls, by: Message, remote_tag: str, ours: str, theirs: str, routes: tuple[str, ...]) -> Dialog:
        contacts = by.text.all("Contact")
        target = uri_of(contacts[0]) if contacts else ""
        next_hop = uri_of(routes[0]) if routes else target
        return cls(target, remote_tag, ours, theirs, routes, address_of(next_hop) or by.source)


def address_of(uri: str) -> Address | None:
    """Where a URI points if it names an IPv4 address; a name is not looked up, the message's source serves."""
    parts = parse_uri(uri)
    try:
        host = str(ipaddress.IPv4Address(parts.host)) if parts else ""
    except ValueError:
        return None
    port = (parts.port or 5060) if parts else 0
    return (host, port) if 0 < port < 65536 else None


def unheeded(_answer: object) -> None:
    """Of a request whose answer changes nothing."""


class _Clock:
    """The alarms, as `KeysByInfo` wants them."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms

    def watch(self, item: Timed) -> None:
        at = item.next_timer()
        if at is not None:
            self._alarms.after(at - self._alarms.now, lambda: item.handle_timers(self._alarms.now))


class Call(VoIP.VoIPCall, ABC):
    """From its INVITE until late messages can come no more. `hangup` may be called at any time."""

    def __init__(self, phone: Phone, request: Message, stage: Stage, on_event: OnEvent) -> None:
        # Whatever pyVoIP's state is in the end: "dialing" is the one in which it opens no sound of its own.
        super().__init__(phone, VoIP.CallState.DIALING, request, 0, phone.myIP, ms={})
        self._client = phone.sip
        self._phone = phone
        self._on_event = on_event
        self._stage = stage
        self._dialog: Dialog | None = None
        self._sequence = 0
        self.local_sdp = b""
        self._reoffers = 0  # descriptions of ours after the first one
        self._offered: tuple[int, bytes] | None = None  # CSeq number of a re-INVITE, our offer in its 200
        self._keys = KeysByInfo(_Clock(phone.sip.alarms), self._send_key)

    def owns(self, request: Message) -> bool:
        """Whether a request belongs to this call's dialog."""
        tag = self._client.tagLibrary.get(self.call_id)
        return self._dialog is not None and (request.to_tag, request.from_tag) == (tag, self._dialog.remote_tag)

    @abstractmethod
    def hangup(self) -> None:
        """Whatever the stage asks for (pyVoIP raises unless the call was answered)."""

    # --- the end ---------------------------------------------------------------------------------------------------

    def bye(self, request: SIP.SIPMessage | None = None) -> None:
        """The far end hung up."""
        if self._stage is Stage.TALKING:
            self._over(CallEndCause.REMOTE_BYE, request if isinstance(request, Message) else None)

    def _send_bye(self, dialog: Dialog) -> None:
        self._ask(self._draft("BYE", dialog), dialog, unheeded)

    def _draft(self, method: str, dialog: Dialog) -> MessageText:
        """A request inside the dialog; pyVoIP knows BYE alone."""
        self.request.headers["Contact"] = f"<{dialog.remote_target}>"
        self.request.headers["To"]["tag"] = dialog.remote_tag
        text = MessageText.written(self._client.gen_bye(self.request))
        self._sequence += 1
        text.put("CSeq", f"{self._sequence} {method}")
        text.put("Via", self._client.via())
        text.put("Contact")
        self._inside(text, method, dialog)
        return text

    def _ask(self, text: MessageText, dialog: Dialog, on_over: Callable[[Message | None], None]) -> None:
        """Send it, and again with our digest where that is wanted. `on_over` is handed the final answer, or None."""

        def answered(response: Message) -> None:
            if response.code < 200:
                return
            again = text.first("Authorization") or text.first("Proxy-Authorization")
            asked = response.code in (401, 407) and not again and self._may_hear_password(response)
            if asked and self._client.authorise(text, response):
                self._sequence += 1
                text.put("CSeq", f"{self._sequence} {text.method}")
                text.put("Via", self._client.via())
                self._client.requests.send(text, dialog.address, answered, failed)
            else:
                on_over(response)

        def failed(_cause: CallEndCause) -> None:
            on_over(None)

        self._client.requests.send(text, dialog.address, answered, failed)

    def press(self, digit: str, duration_ms: int) -> None:
        """A key by SIP INFO, which pyVoIP does not know; after those that wait already."""
        if self._stage is Stage.TALKING:
            self._keys.press(digit, duration_ms, self._client.alarms.now)

    def _send_key(self, body: bytes, on_over: OnOver, now: float) -> None:
        dialog = self._dialog
        if dialog is None or self._stage is not Stage.TALKING:
            return
        info = self._draft("INFO", dialog)
        info.put("Content-Type", KEY_TYPE)
        info.body = body
        self._ask(info, dialog, lambda _answer: on_over(self._client.alarms.now))

    def _may_hear_password(self, challenge: Message) -> bool:
        """Whether this challenge is answered with the trunk's password."""
        return False

    def _inside(self, text: MessageText, method: str, dialog: Dialog) -> None:
        """Aim a request at the dialog: remote target and route set (pyVoIP knows no Route)."""
        text.start = f"{method} {dialog.remote_target or self._first_target} SIP/2.0"
        text.put("From", dialog.ours)
        text.put("To", dialog.theirs)
        text.put("Route", *dialog.routes)

    @property
    @abstractmethod
    def _first_target(self) -> str:
        """Where requests go of a far end that named no Contact."""

    def _over(self, cause: CallEndCause, by: Message | None = None) -> None:
        self._end()
        self._tell_end(cause, by)

    def _end(self) -> None:
        """Nothing is awaited any more but a late or repeated message."""
        if self._stage is Stage.OVER:
            return
        self._stage = Stage.OVER
        self.state = VoIP.CallState.ENDED
        self._phone.forget_later(self)

    def _tell_end(self, cause: CallEndCause, by: Message | None = None) -> None:
        retry_after = by.text.first("Retry-After") if by else ""
        digits = re.match(r"\d{1,9}", retry_after)
        contacts = by.text.all("Contact") if by and 300 <= by.code < 400 else []
        self._on_event(
            CallEnded(
                self.call_id,
                cause,
                sip_code=by.code if by else 0,
                phrase=by.text.phrase if by else "",
                q850=read_q850(by.text.all("Reason")) if by else None,
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
            address = old.address if old.routes else address_of(target) or request.source
            self._dialog = Dialog(target, old.remote_tag, old.ours, old.theirs, old.routes, address)
        if not request.sdp:  # without an offer: ours for INVITE, none for UPDATE (RFC 3261 section 14.2)
            offer = b""
            if request.text.method == "INVITE" and self.local_sdp:
                self._reoffers += 1
                offer = build_later_offer(self.local_sdp, version_step=self._reoffers)
                self._offered = request.text.sequence, offer
            self._client.reply(request, 200, "OK", sdp=offer)
            return
        try:
            answer = build_answer(request.sdp, self.local_sdp, version_step=self._reoffers + 1)
        except NotAcceptable:
            self._client.reply(request, 488, "Not Acceptable Here")  # the call goes on as it was
            return
        self._reoffers += 1
        self._client.reply(request, 200, "OK", sdp=answer)
        self._on_event(CallReoffered(self.call_id, request.sdp, answer))

    def acknowledged(self, ack: Message) -> None:
        """The ACK of a re-INVITE without an offer answers ours (RFC 3261 section 13.2.1)."""
        if self._offered is not None and self._offered[0] == ack.text.sequence:
            offer = self._offered[1]
            self._offered = None
            if ack.sdp:
                self._on_event(CallReoffered(self.call_id, ack.sdp, offer))

    def info(self, request: Message) -> None:
        """A key by SIP INFO (application/dtmf-relay or application/dtmf)."""
        body = request.text.body
        if len(body) <= _LONGEST_DIGIT and request.text.first("Content-Type").lower().startswith("application/dtmf"):
            found = _DIGIT.search(body)
            if found:
                self._on_event(InfoDigit(self.call_id, found.group(1).decode().upper(), 160))
