"""pyVoIP's SIP client: its messages amended, its socket and its threads left out.

What pyVoIP writes is read back as `MessageText` and the faulty headers are set right; each method says which. pyVoIP
reads its socket in a thread that polls a hundred times a second and in further ones that wait for an answer and take
the next datagram for it; here datagrams are handed in and out, and no thread is started.
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiosipua.auth import SipDigestAuth, build_credentials
from aiosipua.headers import stringify_auth

from dialer.engines.pyvoip.alarms import Alarms
from dialer.engines.pyvoip.library import RTP, SIP
from dialer.engines.pyvoip.message import METHODS, Address, Message
from dialer.engines.pyvoip.requests import Requests
from dialer.engines.pyvoip.text import MessageText
from dialer.sip.auth import strongest_challenges

if TYPE_CHECKING:
    from dialer.engines.pyvoip.phone import Phone

_REPLIES_KEPT = 512
_RECEIVED = re.compile(r";\s*(?:received|rport)\s*=[^;]*", re.IGNORECASE)
_RPORT = re.compile(r";\s*rport\s*(?=;|$)", re.IGNORECASE)


class Client(SIP.SIPClient):
    """Speaks for one address. `send` takes each datagram; what comes goes to `parse_message`."""

    def __init__(
        self,
        phone: Phone,
        *,
        alarms: Alarms,
        address: Address,
        domain: str,
        username: str,
        password: str,
        send: Callable[[bytes, Address], None],
    ) -> None:
        super().__init__(
            domain, 0, username, password, phone, myIP=address[0], myPort=address[1], callCallback=phone.callback
        )
        self.transmit = send
        self.alarms = alarms
        self.requests = Requests(alarms, self.transmit)
        self.invites: dict[str, MessageText] = {}
        self._replies: OrderedDict[tuple[str, str], tuple[bytes, Address]] = OrderedDict()

    def start(self) -> None:
        """Nothing to bind, no thread."""
        self.NSD = True

    def stop(self) -> None:
        self.NSD = False

    def parse_message(self, message: SIP.SIPMessage) -> None:
        """A response goes to its request, a repeated request gets its reply again."""
        assert isinstance(message, Message)
        if message.code:
            self.requests.response(message)
            return
        known = self._replies.get((message.text.branch, message.text.method))
        if known and message.text.branch:
            self.transmit(*known)
        elif self.callCallback is not None:
            self.callCallback(message)

    # --- names that never repeat -----------------------------------------------------------------------------------

    def gen_call_id(self) -> str:
        """pyVoIP hashes a counter, so that every start used the same Call-IDs again."""
        return uuid.uuid4().hex

    def gen_tag(self) -> str:
        """pyVoIP keeps every tag for ever to compare with."""
        return secrets.token_hex(8)

    def via(self) -> str:
        """A Via of ours with a new branch; `rport` so that answers find their way back (RFC 3581)."""
        return f"SIP/2.0/UDP {self.myIP}:{self.myPort};branch={self.gen_branch()};rport"

    def contact(self) -> str:
        return f"<sip:{self.username or 'dialer'}@{self.myIP}:{self.myPort}>"

    # --- requests --------------------------------------------------------------------------------------------------

    def draft_invite(self, *, call_id: str, target_uri: str, from_uri: str, sdp: bytes) -> MessageText:
        """pyVoIP's INVITE, to any URI (it knows only numbers at its server), with the SDP that is handed in."""
        written = self.gen_invite("", "0", {}, RTP.TransmitType.SENDRECV, self.gen_branch(), call_id)
        text = MessageText.written(written)
        text.start = f"INVITE {target_uri} SIP/2.0"
        text.put("Via", self.via())
        text.put("To", f"<{target_uri}>")
        text.put("From", f"<{from_uri}>;tag={self.tagLibrary[call_id]}")
        text.put("Contact", self.contact())
        text.put("Allow", ", ".join(METHODS))
        text.body = sdp
        self.invites[call_id] = text
        return text

    def gen_ack(self, request: SIP.SIPMessage) -> str:
        """The ACK to a final response of INVITE. pyVoIP gives it a To tag of its own invention (a real peer then
        repeats its 200 and drops the call after 32 s), the INVITE's branch even for a 2xx, and no Route."""
        assert isinstance(request, Message)
        text = MessageText.written(super().gen_ack(request))
        invite = self.invites[request.call_id]
        text.put("To", request.text.first("To"))
        text.put("From", invite.first("From"))
        if request.code >= 300:  # RFC 3261 section 17.1.1.3: of the transaction that is refused
            text.start = f"ACK {invite.uri} SIP/2.0"
            text.put("Via", _RECEIVED.sub("", request.text.all("Via")[0]))
        else:
            text.put("Via", self.via())
        return text.encode().decode()

    def draft_cancel(self, call_id: str) -> MessageText:
        """pyVoIP has no CANCEL. RFC 3261 section 9.1: the INVITE's branch, Request-URI, tags and number."""
        invite = self.invites[call_id]
        text = MessageText(f"CANCEL {invite.uri} SIP/2.0")
        for name in ("Via", "Max-Forwards", "To", "From", "Call-ID", "User-Agent"):
            text.put(name, invite.first(name))
        text.put("CSeq", f"{invite.sequence} CANCEL")
        return text

    def draft_register(self, challenge: Message | None, *, call_id: str, expires_s: int) -> MessageText:
        """pyVoIP's REGISTER, all of one registration under one Call-ID (RFC 3261 section 10.2)."""
        text = MessageText.written(self.gen_first_response(deregister=not expires_s))
        text.put("Via", self.via())
        text.put("Call-ID", call_id)
        text.put("Contact", self.contact())
        text.put("Expires", str(expires_s))
        text.put("Allow", ", ".join(METHODS))
        text.put("Allow-Events")
        if challenge is not None:
            self.authorise(text, challenge)
        return text

    def authorise(self, text: MessageText, challenge: Message) -> bool:
        """Answer a 401 or 407; False if it cannot be. pyVoIP's digest names another URI than the request's, knows
        neither `qop` nor SHA-256, and does not see a 407."""
        asked, answered = (
            ("WWW-Authenticate", "Authorization")
            if challenge.code == 401
            else ("Proxy-Authenticate", "Proxy-Authorization")
        )
        account = SipDigestAuth(self.username, self.password)
        values = [value for name, value in challenge.text.headers if name == asked]
        for asks in strongest_challenges(values, "").values() if self.username else ():
            credentials = build_credentials(account, asks, text.method, text.uri)
            if credentials is not None:
                text.put(answered, stringify_auth(credentials))
                return True
        return False

    # --- responses -------------------------------------------------------------------------------------------------

    def reply(self, request: Message, code: int, phrase: str, *, tag: str = "", sdp: bytes = b"") -> bytes:
        """Answer a request; what was sent. pyVoIP's 200 gives every answer inside a call another To tag."""
        text = MessageText.written(self.gen_ok(request))
        text.start = f"SIP/2.0 {code} {phrase}"
        if code < 300 and request.text.method in ("INVITE", "UPDATE"):  # RFC 3311 section 5.2: with or without SDP
            text.put("Contact", self.contact())
        if sdp:
            text.put("Content-Type", "application/sdp")
            text.body = sdp
        return self._respond(text, request, tag or self.gen_tag())

    def ring(self, invite: Message, tag: str) -> None:
        """pyVoIP's 180 names the caller's Contact as ours, and takes a new tag for the call."""
        text = MessageText.written(self.gen_ringing(invite))
        self.tagLibrary[invite.call_id] = tag
        self._respond(self._making_dialog(text, invite), invite, tag)

    def accept(self, invite: Message, tag: str, sdp: bytes) -> bytes:
        """pyVoIP's 200 to INVITE, with the SDP that is handed in and the Record-Route that it leaves out; what was
        sent."""
        self.tagLibrary[invite.call_id] = tag
        text = MessageText.written(self.gen_answer(invite, "0", {}, RTP.TransmitType.SENDRECV))
        text.body = sdp
        return self._respond(self._making_dialog(text, invite), invite, tag)

    def _making_dialog(self, text: MessageText, invite: Message) -> MessageText:
        text.put("Record-Route", *invite.text.all("Record-Route"))
        text.put("Contact", self.contact())
        return text

    def _respond(self, text: MessageText, request: Message, tag: str) -> bytes:
        """Where the request came from (pyVoIP: always to its server), and again whenever it is repeated."""
        to = request.text.first("To")
        text.put("To", to if request.to_tag else f"{to};tag={tag}")
        text.put("From", request.text.first("From"))
        text.put("Allow", ", ".join(METHODS))
        payload = text.encode()
        self._replies[(request.text.branch, request.text.method)] = (payload, request.source)
        if len(self._replies) > _REPLIES_KEPT:
            self._replies.popitem(last=False)
        self.transmit(payload, request.source)
        return payload

    def _gen_response_via_header(self, request: SIP.SIPMessage) -> str:
        """The Vias as they came, the topmost with where it came from (pyVoIP loses every other parameter)."""
        assert isinstance(request, Message)
        top, *others = request.text.all("Via")
        host, port = request.source
        top = _RPORT.sub(f";rport={port};received={host}", top)
        return "".join(f"Via: {via}\r\n" for via in (top, *others))
