"""What a request is refused for before anything is done with it: the order of RFC 3261 section 8.2."""

from __future__ import annotations

from dataclasses import dataclass, field

from dialer.sip.bodies import SDP_TYPE, find_sdp
from dialer.sip.core import ALLOW
from dialer.sip.message import Headers, ReceivedRequest

ACCEPT: Headers = [("Accept", SDP_TYPE)]
_DONE_HERE = frozenset({"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "REGISTER"})
_KNOWN = frozenset({"MESSAGE", "NOTIFY", "PRACK", "PUBLISH", "REFER", "SUBSCRIBE"})  # known, and not done


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer; an empty phrase is the usual one of the code."""

    code: int
    phrase: str = ""
    headers: Headers = field(default_factory=list)


def refuse_method(request: ReceivedRequest) -> Refusal | None:
    """405 for a method that we know and do not do, 501 for one that we do not know (sections 21.4.6, 21.5.2)."""
    if request.method in _DONE_HERE:
        return None
    if request.method in _KNOWN:
        return Refusal(405, headers=[("Allow", f"{ALLOW}, REGISTER")])
    return Refusal(501)


def refuse_scheme(request: ReceivedRequest) -> Refusal | None:
    """Only sip: is spoken here; sips: would promise TLS (section 8.2.2.1)."""
    return None if request.uri.lower().startswith("sip:") else Refusal(416)


def refuse_extensions(request: ReceivedRequest) -> Refusal | None:
    """We support no extension that can be required (section 8.2.2.3)."""
    required = [option for value in request.header_values("require") if (option := value.strip())]
    if not required or request.method in ("ACK", "CANCEL"):
        return None
    return Refusal(420, headers=[("Unsupported", ", ".join(required))])


def refuse_content(request: ReceivedRequest) -> Refusal | None:
    """A body that INVITE cannot be understood without (section 8.2.3)."""
    if request.method != "INVITE" or not request.body:
        return None
    encoding = request.header("content-encoding").strip().lower()
    if encoding not in ("", "identity"):
        return Refusal(415, headers=[("Accept-Encoding", "identity")])
    if not find_sdp(request.header("content-type"), request.body):
        return Refusal(415, headers=ACCEPT)
    return None


def screen(request: ReceivedRequest) -> Refusal | None:
    """The first reason to refuse a request outside dialogs."""
    for check in (refuse_method, refuse_scheme, refuse_extensions, refuse_content):
        refusal = check(request)
        if refusal is not None:
            return refusal
    return None
