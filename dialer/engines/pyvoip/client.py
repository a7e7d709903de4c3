"""pyVoIP's SIP client: its messages amended, its receive thread replaced by one that ends and survives anything.

What pyVoIP writes is read back as `MessageText` and the faulty headers are set right; each method says which.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import select
import socket
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
from aiosipua.auth import SipDigestAuth, build_credentials
from aiosipua.headers import stringify_auth

from dialer.engines.pyvoip.library import RTP, SIP
from dialer.engines.pyvoip.message import METHODS, Message
from dialer.engines.pyvoip.requests import Address, Requests
from dialer.engines.pyvoip.text import Malformed, MessageText
from dialer.sip.auth import strongest_challenges

if TYPE_CHECKING:
    from dialer.engines.pyvoip.phone import Phone

log = structlog.get_logger("dialer.pyvoip")

_REPLIES_KEPT = 512
_LARGEST_DATAGRAM = 65535
_RECEIVED = re.compile(r";\s*(?:received|rport)\s*=[^;]*", re.IGNORECASE)
_OPTIONS_CSEQ = re.compile(rb"\r\nCSeq\s*:\s*\d+\s+OPTIONS\s*\r\n", re.IGNORECASE)


class Client(SIP.SIPClient):
    """One UDP socket. `received_elsewhere` gets the datagrams that are not pyVoIP's (REGISTER and OPTIONS)."""

    def __init__(
        self,
        phone: Phone,
        *,
        domain: str,
        username: str,
        password: str,
        bind: Address,
        advertised_host: str,
        received_elsewhere: Callable[[bytes, Address], None],
    ) -> None:
        super().__init__(
            domain, 0, username, password, phone, myIP=advertised_host, myPort=bind[1], callCallback=phone.callback
        )
        self._bind = bind
        self._received_elsewhere = received_elsewhere
        self._thread: threading.Thread | None = None
        self._replies: OrderedDict[tuple[str, str], tuple[bytes, Address]] = OrderedDict()
        self.invites: dict[str, MessageText] = {}
        self.requests = Requests(self.transmit)

    # --- socket and thread ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bind and start to receive; registering is somebody else's. Raises `OSError`."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.bind(self._bind)
        except OSError:
            sock.close()
            raise
        sock.setblocking(False)
        self.s = self.out = sock
        self.myPort = sock.getsockname()[1]
        self._loop = asyncio.get_running_loop()
        self._waker, self._woken = socket.socketpair()
        self.NSD = True
        self._thread = threading.Thread(target=self.recv_loop, name="pyvoip-receive")
        self._thread.start()

    @property
    def address(self) -> Address:
        """Host and port that are bound."""
        return self._bind[0], self.myPort

    def stop(self) -> None:
        """End the thread and close the socket."""
        if self._thread is None:
            return
        self.NSD = False
        self._waker.send(b"x")
        self._thread.join()
        self._thread = None
        self.requests.close()
        for sock in (self._waker, self._woken, self.s):
            sock.close()

    def recv_loop(self) -> None:
        """The thread: sleeps until something comes (pyVoIP woke a hundred times a second, holding a lock)."""
        while self.NSD:
            readable, _, _ = select.select([self.s, self._woken], [], [])
            if self.s in readable:
                self.recv()

    def recv(self) -> None:
        """Read one datagram and hand it to the event loop. Nothing that can be sent here ends the thread."""
        try:
            payload, source = self.s.recvfrom(_LARGEST_DATAGRAM)
        except OSError as error:  # an ICMP error of an earlier datagram, on systems that report it here
            log.debug("sip receive", error=str(error))
            return
        if _is_elsewhere(payload):
            self._in_loop(self._received_elsewhere, payload, source)
            return
        try:
            message = Message(payload, source)
        except Malformed as error:
            if payload.strip(b"\r\n\0 "):  # else a keep-alive
                log.debug("sip message not read", source=source[0], reason=str(error))
            return
        self._in_loop(self.parse_message, message)

    def _in_loop(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop was closed without stop(): nobody is left to tell
            self.NSD = False

    def transmit(self, payload: bytes, target: Address) -> bool:
        """Send one datagram; False when the system refuses it (no route, a port that cannot be)."""
        try:
            self.out.sendto(payload, target)
        except (OSError, OverflowError) as error:
            log.debug("sip send", target=target[0], error=str(error))
            return False
        return True

    def parse_message(self, message: SIP.SIPMessage) -> None:
        """In the event loop: a response goes to its request, a repeated request gets its reply again."""
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
        text = MessageText.parse(written.encode())
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
        text = MessageText.parse(super().gen_ack(request).encode())
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
        text = MessageText.parse(self.gen_first_response(deregister=not expires_s).encode())
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

    def reply(self, request: Message, code: int, phrase: str, *, tag: str = "", sdp: bytes = b"") -> None:
        """Answer a request where it came from (pyVoIP: always to its server), and again whenever it is repeated.
        pyVoIP's 200 gives every answer inside a call another To tag."""
        text = MessageText.parse(self.gen_ok(request).encode())
        text.start = f"SIP/2.0 {code} {phrase}"
        to = request.text.first("To")
        text.put("To", to if request.to_tag else f"{to};tag={tag or self.gen_tag()}")
        text.put("From", request.text.first("From"))
        text.put("Allow", ", ".join(METHODS))
        if sdp:
            text.put("Contact", self.contact())
            text.put("Content-Type", "application/sdp")
            text.body = sdp
        payload = text.encode()
        self._replies[(request.text.branch, request.text.method)] = (payload, request.source)
        if len(self._replies) > _REPLIES_KEPT:
            self._replies.popitem(last=False)
        self.transmit(payload, request.source)

    def _gen_response_via_header(self, request: SIP.SIPMessage) -> str:
        """The Vias as they came, the topmost with where it came from (pyVoIP loses every other parameter)."""
        assert isinstance(request, Message)
        top, *others = request.text.all("Via")
        host, port = request.source
        if re.search(r";\s*rport\s*(;|$)", top, re.IGNORECASE):
            top = re.sub(r";\s*rport\s*(?=;|$)", f";rport={port};received={host}", top, flags=re.IGNORECASE)
        return "".join(f"Via: {via}\r\n" for via in (top, *others))


def _is_elsewhere(payload: bytes) -> bool:
    """REGISTER and OPTIONS from others, and what answers our OPTIONS."""
    if payload.startswith((b"REGISTER ", b"OPTIONS ")):
        return True
    return payload.startswith(b"SIP/2.0 ") and bool(_OPTIONS_CSEQ.search(payload))
