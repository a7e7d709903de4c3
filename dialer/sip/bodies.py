"""The session description in a message's body: alone, or one part of several (RFC 5621).

Gateways to the public network put ISUP beside it (RFC 3372, Q.1912.5). We never ask for that, but an answered call is
not to be lost for it.
"""

from __future__ import annotations

import re

from dialer.sip.address import read_parameters, split_outside_quotes
from dialer.sip.errors import Malformed

SDP_TYPE = "application/sdp"
_IS_SDP = re.compile(rb"^content-type[ \t]*:[ \t]*application/sdp[ \t]*(?:;|\r?$)", re.IGNORECASE | re.MULTILINE)


def find_sdp(content_type: str, body: bytes) -> bytes:
    """b"" when there is none."""
    try:
        kind, *parameters = split_outside_quotes(content_type, ";")
    except Malformed:
        return b""
    kind = kind.strip().lower()
    if kind == SDP_TYPE:
        return body
    if not kind.startswith("multipart/"):
        return b""
    boundary = (read_parameters(parameters).get("boundary") or "").strip('"')
    return _sdp_part(body, boundary.encode()) if boundary else b""


def _sdp_part(body: bytes, boundary: bytes) -> bytes:
    """RFC 2046 section 5.1.1: the line end before a delimiter belongs to it."""
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        if part.startswith(b"--"):
            break
        head, blank, content = part.partition(b"\r\n\r\n")
        if blank and _IS_SDP.search(head):
            return content + b"\r\n"
    return b""
