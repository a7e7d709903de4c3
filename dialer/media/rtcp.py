"""RTCP packets (RFC 3550 section 6): what we report of a stream, and what is read of others' reports. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
BYE = 203

_HEADER = struct.Struct("!BBHI")  # version, padding and count; type; length in words less one; SSRC
_SENDER = struct.Struct("!QIII")  # NTP time, RTP timestamp, packets, octets
_BLOCK = struct.Struct("!IIIIII")
_VERSION_2 = 0x80
_CNAME = 1
_MASK_24 = 0xFFFFFF
_MASK_32 = 0xFFFFFFFF
_NTP_EPOCH = 2_208_988_800  # 1 January 1970 in seconds since 1900


@dataclass(frozen=True, slots=True)
class Sent:
    """Of the stream that we send: `timestamp` is what it would have at `ntp`."""

    ntp: int
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Heard:
    """Of the source that we hear (section 6.4.1). `fraction` is of 256; `delay` in 1/65536 s since `last_report`."""

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    last_report: int = 0
    delay: int = 0


def report(ssrc: int, cname: str, sent: Sent | None, heard: Heard | None, *, leaving: bool = False) -> bytes:
    """A compound packet (section 6.1): a sender's report if anything was `sent` since the last one, else a receiver's,
    then who we are, and BYE when `leaving`."""
    block = b"" if heard is None else _block(heard)
    if sent is None:
        first = _packet(RECEIVER_REPORT, int(bool(block)), ssrc, block)
    else:
        body = _SENDER.pack(sent.ntp, sent.timestamp & _MASK_32, sent.packets & _MASK_32, sent.octets & _MASK_32)
        first = _packet(SENDER_REPORT, int(bool(block)), ssrc, body + block)
    name = cname.encode()
    item = bytes([_CNAME, len(name)]) + name
    item += bytes(4 - len(item) % 4)  # at least one zero ends the list
    described = first + _packet(SOURCE_DESCRIPTION, 1, ssrc, item)
    return described + _packet(BYE, 1, ssrc, b"") if leaving else described


def ntp(seconds: float) -> int:
    """Unix time as an NTP timestamp of 64 bits (section 4)."""
    return int((seconds + _NTP_EPOCH) * 2**32) & 0xFFFFFFFFFFFFFFFF


def read_sender_report(datagram: bytes) -> tuple[int, int] | None:
    """Whose report it is, and the middle 32 bits of its NTP timestamp; None for anything else."""
    if len(datagram) < _HEADER.size + _SENDER.size:
        return None
    first, kind, _, ssrc = _HEADER.unpack_from(datagram)
    if first >> 6 != 2 or kind != SENDER_REPORT:
        return None
    return ssrc, _SENDER.unpack_from(datagram, _HEADER.size)[0] >> 16 & _MASK_32


def _packet(kind: int, count: int, ssrc: int, body: bytes) -> bytes:
    return _HEADER.pack(_VERSION_2 | count, kind, 1 + len(body) // 4, ssrc) + body


def _block(heard: Heard) -> bytes:
    lost = max(-0x800000, min(0x7FFFFF, heard.lost)) & _MASK_24
    return _BLOCK.pack(
        heard.ssrc, heard.fraction << 24 | lost, heard.highest & _MASK_32, heard.jitter & _MASK_32,
        heard.last_report, heard.delay & _MASK_32,
    )  # fmt: skip
