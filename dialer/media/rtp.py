"""RTP packets (RFC 3550): header, sequence numbers over the wrap, loss and jitter. Pure: time is handed in.

The relay's inner loop reads and writes fixed headers with `HEADER` itself; everything unusual (contributing sources,
extension, padding) goes through `parse`.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

CLOCK_RATE_HZ = 8000
FRAME_SAMPLES = 160
FRAME_S = FRAME_SAMPLES / CLOCK_RATE_HZ

HEADER = struct.Struct("!BBHII")
"""First byte (version, padding, extension, CSRC count), marker and payload type, sequence, timestamp, SSRC."""

VERSION_2 = 0x80
MARKER = 0x80

_CSRC_COUNT = 0x0F
_EXTENSION = 0x10
_PADDING = 0x20
_MAX_DROPOUT = 3000  # RFC 3550 A.1: a larger step forward is a restarted sender, not loss
_MAX_MISORDER = 100


class RtpError(ValueError):
    """These bytes are not an RTP packet."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One packet. `payload` is without padding, contributing sources and extension."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False


def parse(datagram: bytes | bytearray | memoryview) -> RtpPacket:
    """Read one packet (RFC 3550 section 5.1). Raises `RtpError` for anything that is not whole."""
    length = len(datagram)
    if length < HEADER.size:
        raise RtpError(f"{length} bytes are too few for an RTP header")
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(datagram)
    if first >> 6 != 2:
        raise RtpError(f"RTP version {first >> 6} is not 2")
    if 200 <= second <= 211:
        raise RtpError("this is RTCP (RFC 5761 section 4)")
    start = HEADER.size + 4 * (first & _CSRC_COUNT)
    if first & _EXTENSION:
        if length < start + 4:
            raise RtpError("the header extension is cut off")
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    end = length
    if first & _PADDING:
        padding = datagram[-1]
        if padding == 0:
            raise RtpError("padding of length 0")
        end -= padding
    if end < start:
        raise RtpError("the header says more than the packet holds")
    return RtpPacket(
        payload_type=second & 0x7F,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=bytes(datagram[start:end]),
        marker=second >= MARKER,
    )


def build(packet: RtpPacket) -> bytes:
    """The bytes of `packet`: no padding, no extension."""
    second = packet.payload_type | (MARKER if packet.marker else 0)
    return HEADER.pack(VERSION_2, second, packet.sequence, packet.timestamp, packet.ssrc) + packet.payload


class Reception:
    """What arrived from one synchronisation source: counts, loss and jitter (RFC 3550 A.1, A.3, A.8).

    The counts go on over a change of source or a sender that restarts, so they are those of the leg.
    """

    __slots__ = ("_base", "_cycles", "_earlier_expected", "highest", "jitter", "received", "transit")

    def __init__(self) -> None:
        self.received = 0
        self.highest = -1  # highest sequence number seen, 16 bits; -1: nothing yet
        self._cycles = 0
        self._base = 0
        self._earlier_expected = 0
        self.transit: float = math.nan  # of the last packet, in samples; not a number before it
        self.jitter = 0.0  # in samples

    def note(self, sequence: int, timestamp: int, arrived_samples: float) -> bool:
        """Count one packet. `arrived_samples`: local time in RTP clock units.

        Returns whether it is the newest so far (False: late, reordered or doubled).
        """
        self.received += 1
        newest = self._step(sequence)
        transit = arrived_samples - timestamp
        difference = abs(transit - self.transit)
        if difference < CLOCK_RATE_HZ:  # a jump of the timestamp, or its wrap, is no jitter
            self.jitter += (difference - self.jitter) / 16
        self.transit = transit
        return newest

    def _step(self, sequence: int) -> bool:
        """RFC 3550 A.1, without the probation: the source's address is pinned."""
        if self.highest < 0:
            self._base = self.highest = sequence
            return True
        step = (sequence - self.highest) & 0xFFFF
        if 0 < step < _MAX_DROPOUT:
            if sequence < self.highest:
                self._cycles += 0x10000
            self.highest = sequence
            return True
        if step == 0 or step >= 0x10000 - _MAX_MISORDER:
            return False
        self.restart()
        self._base = self.highest = sequence
        return True

    def absorb(self, count: int, highest: int, transit: float, jitter: float) -> None:
        """`count` (under 65,536) packets came besides, each the next in sequence, up to `highest`."""
        self.received += count
        if highest < self.highest:
            self._cycles += 0x10000
        self.highest, self.transit, self.jitter = highest, transit, jitter

    def restart(self) -> None:
        """The sender began anew (another SSRC, or a jump of its sequence): what it owes so far is settled."""
        if self.highest >= 0:
            self._earlier_expected = self.expected
        self.highest = -1
        self._cycles = 0
        self.transit = math.nan

    @property
    def extended_highest(self) -> int:
        """The highest sequence number with the count of wraps above it (RFC 3550 section 6.4.1), -1 before any."""
        return self._cycles + self.highest if self.highest >= 0 else -1

    @property
    def expected(self) -> int:
        if self.highest < 0:
            return self._earlier_expected
        return self._earlier_expected + self.extended_highest - self._base + 1

    @property
    def lost(self) -> int:
        """Packets that were expected and did not come; duplicates may hide a loss, as in RFC 3550 A.3."""
        return max(0, self.expected - self.received)

    @property
    def jitter_ms(self) -> float:
        return self.jitter * 1000 / CLOCK_RATE_HZ


def follows(newer: int, older: int, bits: int = 16) -> bool:
    """Whether `newer` comes after `older` in a counter of `bits` bits that wraps."""
    distance = (newer - older) & ((1 << bits) - 1)
    return 0 < distance < 1 << (bits - 1)
