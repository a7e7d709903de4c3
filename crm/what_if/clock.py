"""What happens in a period that is walked once more, in the order of time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from crm.calls.next_try import Due
from crm.calls.time_rules import Verdict
from crm.group import Group
from crm.plan.plan_entries import EntryKind
from crm.preparation.results import Result
from crm.what_if.facts import Elsewhere, Facts, Moved, RecordedTry, Skipped

STEP: Final = 100
"""Events between two chances to break off: some milliseconds."""
_RINGS: Final = timedelta(seconds=30)
_WRITTEN: Final = timedelta(minutes=1)
_NOBODY_REACHED: Final = "no_contact"
PUT_AT_ONCE: Final = 10 * STEP  # which takes less time than deciding about an event


@dataclass(frozen=True, slots=True)
class Gain:
    """A call that nobody made and that would be due; until `closes_at`, unless the client was called since `since`.
    `weight`: how probable it is that it would be needed, as one before it might have been answered."""

    client_id: int
    number: str
    closes_at: datetime
    since: datetime
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class InTurn:
    """A call that nobody made, of a client whose turn it would be; by this person."""

    client_id: int
    operator_id: int


@dataclass(frozen=True, slots=True)
class Slot:
    """That somebody is given a client by the plan: then it was that of `one`."""

    one: RecordedTry


@dataclass(frozen=True, slots=True)
class Written:
    """That the outcome of a call is written down."""

    one: RecordedTry
    gain: Gain | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules said, for whoever compares: of a call (was it to be made now?), or of what is `due` after it, and
    of the client's `group`."""

    at: datetime
    one: RecordedTry
    verdict: Verdict | None = None
    due: Due | None = None
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom somebody was given by the plan, for whoever compares."""

    at: datetime
    operator_id: int
    client_id: int | None


Event = RecordedTry | Elsewhere | Gain | InTurn | Written | Slot | Skipped | Moved
OF_A_DAY: Final = (RecordedTry, Gain, InTurn, Slot, Skipped)
"""What happens to clients of a day's plan, which is there before."""
_RANKS: Final[Mapping[type, int]] = {
    Moved: 0, Written: 1, Elsewhere: 2, Skipped: 3, Slot: 4, RecordedTry: 5, InTurn: 6, Gain: 7,
}  # fmt: skip


class Clock:
    """Events in the order of time."""

    def __init__(self) -> None:
        self._waiting: list[tuple[datetime, int, int, Event]] = []
        self._numbers = count()

    def put(self, at: datetime, what: Event) -> None:
        """It happens then."""
        heapq.heappush(self._waiting, (at, _RANKS[type(what)], next(self._numbers), what))

    def events(self) -> Iterator[tuple[datetime, Event]]:
        """Until nothing is left, with those that are put in meanwhile."""
        while self._waiting:
            at, _, _, what = heapq.heappop(self._waiting)
            yield at, what


def put_facts(facts: Facts, clock: Clock, *, with_order: bool) -> Iterator[None]:
    """Puts all that happened into the clock, a step at a time."""
    happened: list[tuple[datetime, Event]] = [(one.opened_at, one) for one in facts.tries]
    happened += [(each.opened_at, each) for each in facts.elsewhere]
    if with_order:
        happened += [(one.came_up_at, Slot(one)) for one in facts.tries if one.kind is EntryKind.GROUP]
        happened += [(each.at, each) for each in facts.skipped]
        happened += [(each.at, each) for each in facts.moves]
    for number, (at, what) in enumerate(happened):
        if number % PUT_AT_ONCE == 0:
            yield
        clock.put(at, what)


def in_vain(client_id: int, number: str, kind: EntryKind, at: datetime, operator_id: int) -> RecordedTry:
    """As a call is taken that nobody made."""
    return RecordedTry(
        "", client_id, number, kind, at, None, at + _RINGS, at + _WRITTEN, Result.NO_ANSWER, _NOBODY_REACHED, None,
        contact=False, main=False, promised=False, operator_id=operator_id,
    )  # fmt: skip
