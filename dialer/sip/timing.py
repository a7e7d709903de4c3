"""Timer values of RFC 3261 (section 17, table 4), in seconds, and an agenda of who wants to be woken when."""

from __future__ import annotations

import heapq
import itertools
from typing import Protocol

T1 = 0.5  # estimate of the round trip
T2 = 4.0  # longest interval between retransmissions
T4 = 5.0  # longest time a message stays in the network
PATIENCE = 64 * T1  # timers B, F, H, J, L, M
TIMER_D = 32.0


class Timed(Protocol):
    """Something with deadlines of its own."""

    def next_timer(self) -> float | None: ...

    def handle_timers(self, now: float) -> None: ...


class Agenda:
    """Knows the earliest deadline of many `Timed` things without asking all of them.

    A heap with lazy correction: an entry may be older than its owner's present wish; it is then put back or forgotten
    when it comes to the top.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timed]] = []
        self._planned: dict[int, float] = {}
        self._order = itertools.count()

    def watch(self, item: Timed) -> None:
        """To be called after anything that may have brought a deadline of `item` forward."""
        deadline = item.next_timer()
        if deadline is None:
            return
        planned = self._planned.get(id(item))
        if planned is None or deadline < planned:
            self._planned[id(item)] = deadline
            heapq.heappush(self._heap, (deadline, next(self._order), item))

    def next_timer(self) -> float | None:
        self._correct()
        return self._heap[0][0] if self._heap else None

    def handle_timers(self, now: float) -> None:
        """Wake everything that is due at `now`, each until it wants nothing more before `now`."""
        while (deadline := self.next_timer()) is not None and deadline <= now:
            _, _, item = heapq.heappop(self._heap)
            del self._planned[id(item)]
            item.handle_timers(now)
            self.watch(item)

    def _correct(self) -> None:
        while self._heap:
            planned, _, item = self._heap[0]
            if self._planned.get(id(item)) != planned:
                heapq.heappop(self._heap)  # a later wish replaced this entry
                continue
            deadline = item.next_timer()
            if deadline == planned:
                return
            heapq.heappop(self._heap)
            del self._planned[id(item)]
            self.watch(item)
