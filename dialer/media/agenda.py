"""What a worker does at certain times: frames to send, recordings to write, figures to report."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable

Task = Callable[[float, float], float | None]
"""Called with the time at which it was due and the present; returns when it is due again, None for never."""


class Agenda:
    """Tasks by due time. Times are seconds of one monotonic clock that the caller reads."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Task]] = []
        self._order = itertools.count()  # so that tasks are never compared

    def add(self, due: float, task: Task) -> None:
        heapq.heappush(self._heap, (due, next(self._order), task))

    @property
    def next_due(self) -> float:
        """`inf` when there is nothing to do."""
        return self._heap[0][0] if self._heap else math.inf

    def run_next(self, now: float) -> None:
        """Run the task that is due next."""
        due, _, task = heapq.heappop(self._heap)
        again = task(due, now)
        if again is not None:
            self.add(again, task)
