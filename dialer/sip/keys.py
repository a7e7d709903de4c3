"""Keys by SIP INFO, for far ends that take no telephone events: one request after the other. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from dialer.sip.errand import OnOver
from dialer.sip.timing import Timed

KEY_TYPE = "application/dtmf-relay"
PAUSE_S = 0.08
"""Between two keys, as between those in the sound; exchanges want at least 65 ms (Q.24)."""


class Clock(Protocol):
    """Wakes `item` when it wants to be."""

    def watch(self, item: Timed) -> None: ...


Send = Callable[[bytes, OnOver, float], None]


class KeysByInfo:
    """The next key goes out when the last one is answered, and has been heard to its end.

    With several on the way the far end refuses one that a lost packet made late, since its CSeq number is lower than
    that of the next (RFC 3261 section 12.2.2): the key would be missing, or stand in the wrong place.
    """

    def __init__(self, clock: Clock, send: Send) -> None:
        """`send(body, on_over, now)` calls `on_over` once there is an answer, or none can come."""
        self._clock = clock
        self._send = send
        self._waiting: deque[tuple[str, int]] = deque()
        self._on_the_way = False
        self._free_at = 0.0  # when the key that went out last has been heard
        self._timer: float | None = None

    def press(self, digit: str, duration_ms: int, now: float) -> None:
        self._waiting.append((digit, duration_ms))
        self._go_on(now)

    def next_timer(self) -> float | None:
        return self._timer

    def handle_timers(self, now: float) -> None:
        if self._timer is not None and self._timer <= now:
            self._timer = None
            self._go_on(now)

    def _go_on(self, now: float) -> None:
        if self._on_the_way or not self._waiting:
            return
        if now < self._free_at:
            self._timer = self._free_at
            self._clock.watch(self)
            return
        digit, duration_ms = self._waiting.popleft()
        self._on_the_way = True
        self._free_at = now + duration_ms / 1000 + PAUSE_S
        self._send(f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode(), self._answered, now)

    def _answered(self, now: float) -> None:
        self._on_the_way = False
        self._go_on(now)
