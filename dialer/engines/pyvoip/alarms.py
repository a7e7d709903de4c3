"""Timers without a clock: the owner says what time it is and when it looks again."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Alarm:
    """One action at one time, unless it is cancelled before."""

    at: float
    action: Callable[[], object]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class Alarms:
    """What is to be done when; `now` is the time that the owner last said, in seconds of any monotonic clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Alarm]] = []
        self._order = itertools.count()

    def after(self, seconds: float, action: Callable[[], object]) -> Alarm:
        alarm = Alarm(self.now + seconds, action)
        heapq.heappush(self._heap, (alarm.at, next(self._order), alarm))
        return alarm

    def next_timer(self) -> float | None:
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def handle_timers(self, now: float) -> None:
        """Do everything that is due at `now`."""
        self.now = now
        while (at := self.next_timer()) is not None and at <= now:
            heapq.heappop(self._heap)[2].action()
