"""Reading and writing SIP messages: aiosipua's parser behind guards, since it lets through what RFC 3261 forbids.

Guarded here: SIP version, status code range, request line, repeated single headers, Content-Length (repeated, negative,
longer than the body), CSeq (range, method), Max-Forwards, Via (folded white space, port range), addresses, quotes.
"""

from __future__ import annotations

import logging
import re
import secrets
from dataclasses import dataclass

from aiosipua.message import SipMessage, SipRequest, SipResponse

from dialer.sip.address import bracketed, read_name_address, read_parameters, split_outside_quotes
from dialer.sip.errors import Malformed, Unreadable
from dialer.sip.events import Hop, Transport

# aiosipua warns of every body that is not as long as it says: anybody could fill our log.
logging.getLogger("aiosipua.message").setLevel(logging.ERROR)

BRANCH_COOKIE = "z9hG4bK"
MAX_FORWARDS = "70"

Headers = list[tuple[str, str]]

_TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
_METHOD = re.compile(_TOKEN)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"]+")
_CSEQ = re.compile(rf"([0-9]{{1,10}})\s+({_TOKEN})")
_CODE_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?")
_VIA = re.compile(
    rf"SIP\s*/\s*2\.0\s*/\s*({_TOKEN})\s+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.\-_]+)(?:\s*:\s*([0-9]+))?\s*(?:;(.*))?",
    re.DOTALL,
)
_SINGLE = ("from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type", "expires")
_NEEDED = ("from", "to", "call-id", "cseq", "via")


@dataclass(frozen=True, slots=True)
class Via:
    """One Via value. `port` is what the sender wrote, `None` if nothing."""

    transport: str
    host: str
    port: int | None
    parameters: dict[str, str | None]

    @property
    def branch(self) -> str:
        return self.parameters.get("branch") or ""

    def text(self) -> str:
        port = f":{self.port}" if self.port is not None else ""
        parameters = "".join(f";{n}" if v is None else f";{n}={v}" for n, v in self.parameters.items())
        return f"SIP/2.0/{self.transport} {self.host}{port}{parameters}"


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request that passed the guards; the parts that are needed again and again are read once."""

    message: SipRequest
    method: str
    uri: str
    via: Via  # the topmost
    call_id: str
    cseq: int
    from_uri: str
    from_tag: str
    to_uri: str
    to_tag: str
    source: Hop

    @property
    def body(self) -> bytes:
        return self.message.body

    def header(self, name: str) -> str:
        return self.message.headers.get_first(name) or ""

    def header_values(self, name: str) -> list[str]:
        return self.message.headers.get(name)


@dataclass(frozen=True, slots=True)
class ReceivedResponse:
    """A response that passed the guards."""

    message: SipResponse
    code: int
    phrase: str
    branch: str
    call_id: str
    cseq: int
    cseq_method: str
    from_tag: str
    to_tag: str
    source: Hop

    @property
    def body(self) -> bytes:
        return self.message.body

    def header(self, name: str) -> str:
        return self.message.headers.get_first(name) or ""

    def header_values(self, name: str) -> list[str]:
        return self.message.headers.get(name)


@dataclass(frozen=True, slots=True)
class BrokenRequest:
    """A request that is to be refused, statelessly, with `fault`."""

    message: SipRequest
    fault: Malformed
    source: Hop


def new_branch() -> str:
    return BRANCH_COOKIE + secrets.token_hex(12)


def new_tag() -> str:
    return secrets.token_hex(8)


def read_message(payload: bytes, source: Hop) -> ReceivedRequest | ReceivedResponse | BrokenRequest:
    """Raises `Unreadable` for what cannot even be refused."""
    payload = payload.lstrip(b"\r\n")
    first_line = payload.split(b"\n", 1)[0].decode("utf-8", errors="replace").rstrip("\r")
    if not first_line.strip():
        raise Unreadable("empty")
    try:
        message = SipMessage.parse(payload)
    except (ValueError, IndexError) as error:
        raise Unreadable(str(error)) from error
    if isinstance(message, SipResponse):
        return _read_response(message, first_line, payload, source)
    _check_speaks_sip(first_line)
    try:
        return _read_request(message, first_line, payload, source)
    except Malformed as fault:
        if not message.headers.get("via") or message.method == "ACK":
            raise Unreadable(str(fault)) from fault
        return BrokenRequest(message, fault, source)


def _check_speaks_sip(first_line: str) -> None:
    if not re.search(r"SIP/[0-9.]+\s*$", first_line):
        raise Unreadable("not a SIP request line")


def _read_response(message: SipResponse, first_line: str, payload: bytes, source: Hop) -> ReceivedResponse:
    match = _CODE_LINE.fullmatch(first_line)
    if match is None:
        raise Unreadable("bad response line")
    try:
        _check_single_headers(message)
        _check_length(message, payload)
        cseq, cseq_method = _read_cseq(message)
        # RFC 3261 section 8.1.3.3: a response with more than one Via was misrouted.
        (via_text,) = _values(message, "via", exactly=1)
        from_tag = read_name_address(message.headers.get("from")[0]).tag
        to_tag = read_name_address(message.headers.get("to")[0]).tag
        branch = read_via(via_text).branch
    except Malformed as fault:
        raise Unreadable(str(fault)) from fault
    call_id = message.headers.get("call-id")[0]
    code, phrase = int(match[1]), (match[2] or "").strip()
    return ReceivedResponse(message, code, phrase, branch, call_id, cseq, cseq_method, from_tag, to_tag, source)


def _read_request(message: SipRequest, first_line: str, payload: bytes, source: Hop) -> ReceivedRequest:
    parts = first_line.rstrip().split(" ")
    if parts[-1] != "SIP/2.0":
        raise Malformed(505, "Version Not Supported")
    if len(parts) != 3 or not _METHOD.fullmatch(parts[0]) or not _URI.fullmatch(parts[1]):
        raise Malformed(400, "Bad Request Line")
    _check_single_headers(message)
    _check_length(message, payload)
    _check_max_forwards(message)
    vias = [read_via(value) for value in message.headers.get("via")]
    cseq, cseq_method = _read_cseq(message)
    if cseq_method != message.method:
        raise Malformed(400, "CSeq Method Differs")
    from_address = read_name_address(message.headers.get("from")[0])
    to_address = read_name_address(message.headers.get("to")[0])
    return ReceivedRequest(
        message, message.method, message.uri, vias[0], message.headers.get("call-id")[0], cseq,
        from_address.uri, from_address.tag, to_address.uri, to_address.tag, source,
    )  # fmt: skip


def _values(message: SipMessage, name: str, *, exactly: int) -> list[str]:
    values = message.headers.get(name)
    if len(values) != exactly:
        raise Malformed(400, f"{exactly} {name} expected")
    return values


def _check_single_headers(message: SipMessage) -> None:
    for name in _NEEDED:
        if not any(value.strip() for value in message.headers.get(name)):
            raise Malformed(400, f"Missing {name}")
    for name in _SINGLE:
        if len(message.headers.get(name)) > 1:
            raise Malformed(400, f"More than one {name}")


def _check_length(message: SipMessage, payload: bytes) -> None:
    declared = message.headers.get_first("content-length")
    if declared is None:
        return
    if not re.fullmatch(r"[0-9]{1,9}", declared):
        raise Malformed(400, "Bad Content-Length")
    if len(message.body) < int(declared):
        raise Malformed(400, "Body shorter than Content-Length")


def _check_max_forwards(message: SipMessage) -> None:
    value = message.headers.get_first("max-forwards")
    if value is not None and (not re.fullmatch(r"[0-9]{1,9}", value) or int(value) > 255):
        raise Malformed(400, "Bad Max-Forwards")


def _read_cseq(message: SipMessage) -> tuple[int, str]:
    match = _CSEQ.fullmatch(message.headers.get("cseq")[0])
    if match is None or int(match[1]) >= 2**31:  # RFC 3261 section 8.1.1.5
        raise Malformed(400, "Bad CSeq")
    return int(match[1]), match[2]


def read_via(value: str) -> Via:
    """Raises `Malformed`; also for a port that no socket can send to."""
    match = _VIA.fullmatch(value.strip())
    if match is None:
        raise Malformed(400, "Bad Via")
    port = int(match[3]) if match[3] and len(match[3]) < 9 else None
    if match[3] and (port is None or not 0 < port < 65536):
        raise Malformed(400, "Bad Via Port")
    parameters = read_parameters(split_outside_quotes(match[4] or "", ";"))
    return Via(match[1].upper(), match[2], port, parameters)


def stamped_via(via: Via, source: Hop) -> Via:
    """`received` and `rport` filled in (RFC 3261 section 18.2.1, RFC 3581 section 4)."""
    parameters = dict(via.parameters)
    if "rport" in parameters:
        parameters["rport"] = str(source.port)
        parameters["received"] = source.host
    elif via.host.strip("[]") != source.host:
        parameters["received"] = source.host
    return Via(via.transport, via.host, via.port, parameters)


def response_hop(via: Via, source: Hop) -> Hop:
    """Where a response goes (RFC 3261 section 18.2.2). Always to the address that the request came from: neither
    `maddr` nor a forged sent-by makes us send elsewhere."""
    if source.transport is Transport.TCP or "rport" in via.parameters:
        return source
    return Hop(source.transport, source.host, via.port or 5060)


def build_response(
    request: ReceivedRequest,
    code: int,
    phrase: str,
    *,
    to_tag: str = "",
    headers: Headers | None = None,
    body: bytes = b"",
) -> SipResponse:
    """A response with the headers that section 8.2.6 wants copied; `to_tag` is added where To has none."""
    response = SipResponse(status_code=code, reason_phrase=phrase)
    first, *others = request.header_values("via")
    del first
    response.headers.append("Via", stamped_via(request.via, request.source).text())
    for value in others:
        response.headers.append("Via", value)
    to = request.header("to")
    response.headers.set_single("From", request.header("from"))
    response.headers.set_single("To", to if request.to_tag or not to_tag else f"{to};tag={to_tag}")
    response.headers.set_single("Call-ID", request.call_id)
    response.headers.set_single("CSeq", request.header("cseq"))
    for name, value in headers or []:
        response.headers.append(name, value)
    response.body = body
    return response


def build_refusal(broken: BrokenRequest, user_agent: str) -> SipResponse:
    """The answer to a request that could not be read: what is there is copied as it is."""
    response = SipResponse(status_code=broken.fault.sip_code, reason_phrase=broken.fault.phrase)
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        for value in broken.message.headers.get(name):
            response.headers.append(name, value)
    if len(broken.message.headers.get("to")) == 1 and "tag=" not in broken.message.headers.get("to")[0]:
        response.headers.set_single("To", f"{broken.message.headers.get('to')[0]};tag={new_tag()}")
    response.headers.set_single("Server", user_agent)
    return response


def via_value(transport: Transport, host: str, port: int) -> str:
    """Our Via, with a fresh branch and a request for `rport` (RFC 3581)."""
    return f"SIP/2.0/{transport.name} {bracketed(host)}:{port};branch={new_branch()};rport"


def check_uri(uri: str) -> None:
    """Raises `ValueError` for what may not stand in a request line."""
    if not _URI.fullmatch(uri):
        raise ValueError(f"not a URI: {uri!r}")


def copy_request(message: SipRequest) -> SipRequest:
    return SipRequest(headers=message.headers.copy(), body=message.body, method=message.method, uri=message.uri)
