"""The reports of one leg: every five seconds or so to the port above the far end's (RFC 3550 sections 6.2 and 11).

A far end sees by them what it loses on the way to us, and that we are still there while a call is on hold (RFC 3264
section 8.4). Its own are read for the time that they took, no further.
"""

from __future__ import annotations

import random
import secrets
import socket
import struct
import time

from dialer.media import rtcp
from dialer.media.leg import Leg
from dialer.media.rtp import CLOCK_RATE_HZ

INTERVAL_S = 5.0
_MOST_AT_ONCE = 16
_LONGEST = 2048
_LAST_PORT = 65535  # no port is above it
_TIMESTAMP = 35  # SO_TIMESTAMPNS, asm-generic/socket.h; the socket module does not name it
_TIMESPEC = struct.Struct("@qq")


def next_interval_s(*, first: bool = False) -> float:
    """Section 6.3.1: spread, so that many do not report at once; the first comes in half the time."""
    return INTERVAL_S * (0.5 if first else 1.0) * random.uniform(0.5, 1.5)


class Reports:
    """Nothing is sent where the port above the leg's own is somebody else's."""

    def __init__(self, leg: Leg) -> None:
        self._leg = leg
        self._cname = secrets.token_urlsafe(12)  # RFC 7022 section 4.2
        self._sock = _bind_above(leg.sock)
        self._sent = 0
        self._expected = self._received = 0
        self._last: tuple[int, int, float] | None = None  # of their last report: SSRC, time in it, when it came
        self._began = False

    def send(self, now: float) -> None:
        self._read()
        self._transmit(now, leaving=False)

    def close(self, now: float) -> None:
        """BYE, if anything was reported before (section 6.3.7)."""
        if self._began:
            self._transmit(now, leaving=True)
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _transmit(self, now: float, *, leaving: bool) -> None:
        leg = self._leg
        target = leg.learned or leg.address
        if self._sock is None or target is None or target[1] == _LAST_PORT:
            return
        out = leg.board.outgoing[leg.row]
        packet = rtcp.report(
            int(out["ssrc"]), self._cname, self._what_was_sent(now), self._what_was_heard(), leaving=leaving
        )
        try:
            self._sock.sendto(packet, (target[0], target[1] + 1))
            self._began = True
        except OSError:
            pass  # nobody listens there, which many do not; it is tried again

    def _what_was_sent(self, now: float) -> rtcp.Sent | None:
        out = self._leg.board.outgoing[self._leg.row]
        packets = int(out["packets"])
        if packets == self._sent:
            return None
        self._sent = packets
        timestamp = int(out["timestamp"]) + round((now - float(out["at"])) * CLOCK_RATE_HZ)
        return rtcp.Sent(rtcp.ntp(time.time()), timestamp, packets, int(out["octets"]))

    def _what_was_heard(self) -> rtcp.Heard | None:
        leg = self._leg
        leg.settle_reception()
        reception = leg.reception
        if reception.highest < 0:
            return None
        expected, received = reception.expected - self._expected, reception.received - self._received
        self._expected, self._received = reception.expected, reception.received
        lost = expected - received
        fraction = min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0
        last_report = delay = 0
        if self._last is not None and self._last[0] == leg.source_ssrc:
            last_report, delay = self._last[1], round((time.time() - self._last[2]) * 65536)
        return rtcp.Heard(
            leg.source_ssrc, fraction, reception.expected - reception.received, reception.extended_highest,
            round(reception.jitter), last_report, max(0, delay),
        )  # fmt: skip

    def _read(self) -> None:
        if self._sock is None:
            return
        for _ in range(_MOST_AT_ONCE):
            try:
                datagram, ancillary, _, source = self._sock.recvmsg(_LONGEST, 64)
            except OSError:  # none is left, or an ICMP error about what was sent
                return
            target = self._leg.learned or self._leg.address
            read = rtcp.read_sender_report(datagram)
            if read is not None and target is not None and source[0] == target[0]:
                self._last = (*read, _arrived_at(ancillary))


def _arrived_at(ancillary: list[tuple[int, int, bytes]]) -> float:
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _TIMESTAMP) and len(content) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(content)
            return float(seconds + nanoseconds / 1e9)
    return time.time()


def _bind_above(sound: socket.socket) -> socket.socket | None:
    host, port = sound.getsockname()[:2]
    bound = socket.socket(sound.family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)
        bound.bind((host, port + 1))
    except (OSError, OverflowError):
        bound.close()
        return None
    return bound
