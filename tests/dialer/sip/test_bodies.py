"""Where the description is in a message's body (RFC 5621, RFC 2046 section 5.1)."""

from __future__ import annotations

import pytest

from dialer.sip.bodies import find_sdp

SDP = b"v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
ISUP = b"Content-Type: application/ISUP;version=itu-t92+;base=itu-t92+\r\nContent-Disposition: signal;handling=optional"


def parts(*each: bytes, boundary: bytes = b"unique-1", end: bytes = b"--") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in each) + b"--" + boundary + end + b"\r\n"


DESCRIBED = b"Content-Type: application/sdp\r\n\r\n" + SDP.removesuffix(b"\r\n")
SIGNAL = ISUP + b"\r\n\r\n\x09\x01\x10\x00\r\n\r\n\x0a"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/sdp", SDP),
        ("Application/SDP ; charset=utf-8", SDP),
        ("multipart/mixed;boundary=unique-1", parts(DESCRIBED, SIGNAL)),
        ('multipart/mixed; boundary="unique-1"', b"a preamble\r\n" + parts(SIGNAL, DESCRIBED)),
        ("multipart/mixed;boundary=unique-1", parts(SIGNAL, b"content-type:application/sdp;x=y" + DESCRIBED[29:])),
    ],
)
def test_it_is_found(kind: str, body: bytes) -> None:
    assert find_sdp(kind, body) == SDP


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("", SDP),
        ("text/plain", SDP),
        ('multipart/mixed;boundary="unique-1', parts(DESCRIBED)),
        ("multipart/mixed", parts(DESCRIBED)),
        ("multipart/mixed;boundary=", parts(DESCRIBED)),
        ("multipart/mixed;boundary=other", parts(DESCRIBED)),
        ("multipart/mixed;boundary=unique-1", parts(SIGNAL)),
        ("multipart/mixed;boundary=unique-1", parts(end=b"--") + DESCRIBED),
        ("multipart/mixed;boundary=unique-1", parts(b"\r\n" + DESCRIBED)),
        ("multipart/mixed;boundary=unique-1", b""),
    ],
)
def test_there_is_none(kind: str, body: bytes) -> None:
    assert find_sdp(kind, body) == b""
