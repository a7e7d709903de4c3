"""What all parts of an endpoint share: the way out, the transactions, the agenda, and how we present ourselves."""

from __future__ import annotations

from collections.abc import Callable

from aiosipua.message import SipRequest

from dialer.sip.address import bracketed
from dialer.sip.bodies import find_sdp
from dialer.sip.client_transaction import ClientFault, ClientTransaction
from dialer.sip.config import EndpointConfig
from dialer.sip.events import Hop, SipEvent, Transmission, Transport
from dialer.sip.message import (
    MAX_FORWARDS,
    Headers,
    ReceivedRequest,
    ReceivedResponse,
    build_response,
    new_tag,
    via_value,
)
from dialer.sip.server_transaction import ServerTransaction
from dialer.sip.timing import Agenda
from dialer.sip.transactions import TransactionLayer

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"

Trace = Callable[[bytes, str, Hop, float], None]
"""Message bytes, "in" or "out", the other side's hop, now."""

PHRASES = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 302: "Moved Temporarily", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    410: "Gone", 413: "Request Entity Too Large", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme",
    420: "Bad Extension", 423: "Interval Too Brief", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 484: "Address Incomplete", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error",
    501: "Not Implemented", 503: "Service Unavailable", 600: "Busy Everywhere", 603: "Decline",
}  # fmt: skip


class Core:
    """Shared by calls, registrar, registrations and the endpoint itself."""

    def __init__(self, config: EndpointConfig, on_trace: Trace | None = None) -> None:
        self.config = config
        self.port = config.port
        self.agenda = Agenda()
        self.layer = TransactionLayer(self.send, self.agenda)
        self.on_trace = on_trace
        self._transmissions: list[Transmission] = []
        self._events: list[SipEvent] = []

    def send(self, wire: bytes, hop: Hop, now: float) -> None:
        if self.on_trace is not None:
            self.on_trace(wire, "out", hop, now)
        self._transmissions.append(Transmission(wire, hop))

    def keep_open(self, hop: Hop) -> None:
        self._transmissions.append(Transmission(b"\r\n\r\n", hop))

    def emit(self, event: SipEvent) -> None:
        self._events.append(event)

    def take_transmissions(self) -> list[Transmission]:
        taken, self._transmissions = self._transmissions, []
        return taken

    def take_events(self) -> list[SipEvent]:
        taken, self._events = self._events, []
        return taken

    def via(self, hop: Hop) -> str:
        return via_value(hop.transport, self.config.host, self.port)

    def contact(self, hop: Hop) -> str:
        """Where we can be reached by the transport of `hop`, as a Contact value."""
        transport = ";transport=tcp" if hop.transport is Transport.TCP else ""
        return f"<sip:dialer@{bracketed(self.config.host)}:{self.port}{transport}>"

    def request(
        self, method: str, uri: str, hop: Hop, *, from_value: str, to_value: str, call_id: str, cseq: int
    ) -> SipRequest:
        """A request outside dialogs (section 8.1.1)."""
        request = SipRequest(method=method, uri=uri)
        request.headers.append("Via", self.via(hop))
        request.headers.set_single("Max-Forwards", MAX_FORWARDS)
        request.headers.set_single("From", from_value)
        request.headers.set_single("To", to_value)
        request.headers.set_single("Call-ID", call_id)
        request.headers.set_single("CSeq", f"{cseq} {method}")
        request.headers.set_single("User-Agent", self.config.user_agent)
        return request

    def reply(
        self,
        transaction: ServerTransaction,
        code: int,
        now: float,
        *,
        phrase: str = "",
        to_tag: str = "",
        headers: Headers | None = None,
        body: bytes = b"",
        once: bool = False,
    ) -> bytes:
        """Answer; returns the bytes for whoever has to repeat them. Without `to_tag` a tag is made up (8.2.6.2).

        `once` is for strangers: nothing is remembered, so that a flood fills nothing and shuts nobody out, and nothing
        is repeated to an address that may be forged.
        """
        tag = to_tag or (new_tag() if code > 100 else "")
        response = build_response(
            transaction.request, code, phrase or PHRASES.get(code, "Answer"), to_tag=tag, headers=headers, body=body
        )
        response.headers.set_single("Server", self.config.user_agent)
        wire = bytes(response)
        if once:
            self.layer.respond_once(transaction, wire, now)
        else:
            self.layer.respond(transaction, wire, code, now)
        return wire


class Unheeded:
    """The user of a request whose answer changes nothing (CANCEL)."""

    def on_response(self, transaction: ClientTransaction, response: ReceivedResponse, now: float) -> None:
        """The INVITE's own answer tells what became of it."""

    def on_fault(self, transaction: ClientTransaction, fault: ClientFault, now: float) -> None:
        """As above."""


def sdp_of(message: ReceivedResponse | ReceivedRequest) -> bytes:
    """The session description in the body, b"" when there is none."""
    return find_sdp(message.header("content-type"), message.body)
