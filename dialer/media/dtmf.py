"""Touch tones as RTP telephone events (RFC 4733). Pure: the sender is stepped once each 20 ms."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from dialer.media.rtp import FRAME_SAMPLES, follows

DIGITS = "0123456789*#ABCD"
"""In the order of the event codes 0-15 (RFC 4733 section 3.2)."""

DIGIT_FRAMES = 5
"""A digit lasts 100 ms: exchanges want at least 40 (Q.24), people's keys give about this."""

GAP_FRAMES = 4
"""80 ms of nothing between digits."""

END_PACKETS = 3
"""The last packet is sent three times (RFC 4733 section 2.5.1.4)."""

_EVENT = struct.Struct("!BBH")
_END = 0x80
_VOLUME_DBM0 = 10  # -10 dBm0
_LONGEST_DURATION = 0xFFFF


@dataclass(frozen=True, slots=True)
class EventPacket:
    """What one packet of an event carries. `marker`: the first of its event, whose timestamp all others bear."""

    payload: bytes
    marker: bool


class DigitSender:
    """Turns digits into packets: one `step` for each 20 ms."""

    def __init__(self) -> None:
        self._waiting: deque[int] = deque()
        self._event: int | None = None
        self._frame = 0

    def queue(self, digits: str) -> None:
        """Raises `ValueError` for anything but `0-9*#A-D`; then nothing is queued."""
        unknown = sorted(set(digits) - set(DIGITS))
        if unknown:
            raise ValueError(f"not a touch tone: {' '.join(unknown)}")
        self._waiting.extend(DIGITS.index(digit) for digit in digits)

    @property
    def idle(self) -> bool:
        return self._event is None and not self._waiting

    def step(self) -> EventPacket | None:
        """The packet for this 20 ms, None between digits and when `idle`."""
        if self._event is None:
            if not self._waiting:
                return None
            self._event = self._waiting.popleft()
            self._frame = 0
        self._frame += 1
        if self._frame <= DIGIT_FRAMES:
            return self._packet(self._event, self._frame, end=False)
        if self._frame <= DIGIT_FRAMES + END_PACKETS:
            return self._packet(self._event, DIGIT_FRAMES, end=True)
        if self._frame == DIGIT_FRAMES + GAP_FRAMES + END_PACKETS:
            self._event = None
        return None

    def _packet(self, event: int, frames: int, *, end: bool) -> EventPacket:
        payload = _EVENT.pack(event, (_END if end else 0) | _VOLUME_DBM0, frames * FRAME_SAMPLES)
        return EventPacket(payload, marker=self._frame == 1)


class DigitReceiver:
    """Finds each press once, among updates, repeated ends, lost and reordered packets.

    Packets of one event share a timestamp. A digit is told when its first packet arrives, whichever that is.
    """

    def __init__(self) -> None:
        self._timestamp: int | None = None
        self._event = -1
        self._ended = False

    def packet(self, payload: bytes, timestamp: int) -> str | None:
        """The digit that begins with this packet, None if it was told before or is none (flash, tones, garbage)."""
        if len(payload) < _EVENT.size:
            return None
        event, flags, _duration = _EVENT.unpack_from(payload)
        known = self._timestamp
        if known is not None and timestamp != known and not follows(timestamp, known, 32):
            return None  # a late packet of an earlier event
        again = timestamp == known or self._continues(event, timestamp)
        self._timestamp, self._event = timestamp, event
        self._ended = bool(flags & _END) or (timestamp == known and self._ended)
        if again or event >= len(DIGITS):
            return None
        return DIGITS[event]

    def _continues(self, event: int, timestamp: int) -> bool:
        """Whether this is the next segment of a key held longer than 8.19 s (RFC 4733 section 2.5.1.3)."""
        if self._timestamp is None or self._ended or event != self._event:
            return False
        return (timestamp - self._timestamp) & 0xFFFFFFFF == _LONGEST_DURATION

    def restart(self) -> None:
        """The sender's timestamps began anew."""
        self._timestamp = None
        self._ended = False
