"""What a replay finds: the days before and after, and every call that differs."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from crm.plan.plan_entries import EntryKind
from crm.what_if.facts import Period
from crm.what_if.tallies import Tally


class Change(enum.StrEnum):
    """What becomes of a call."""

    LOST = "lost"
    MOVED = "moved"
    GAINED = "gained"


class Promise(enum.StrEnum):
    """What becomes of a promised call, or of the promise."""

    NOT_PROMISED = "not_promised"
    PROMISED_LATER = "promised_later"
    MAY_BE_PROMISED = "may_be_promised"
    NOT_MADE = "not_made"
    MADE_LATER = "made_later"


class Why(enum.StrEnum):
    """Why, beside the refusals of `crm.calls.refusals`."""

    RETRY = "retry"  # the rules for next tries have another time
    NO_RETRY = "no_retry"  # the rules leave the client to the day's plan
    PROMISE = "promise"  # the call that promised it would not have been made
    BEFORE = "before"  # the call from which it followed would not have been made
    NO_ROOM = "no_room"  # calls that go first have taken the day's places
    ORDER = "order"  # the rules of the plan's order bring the client then, or bring others before it


@dataclass(frozen=True, slots=True)
class Difference:
    """A call that would not have been made (`at` alone), or at another time, or that nobody made (`new_at` alone).
    `reason`: a `Why`, or the code of a refusal with its `params`. `had`: what came of it; `expected`: what would be,
    on the average; `kind`: why the client was, or would be, in the plan."""

    change: Change
    client_id: int
    reason: str
    params: Mapping[str, Any] = field(default_factory=dict)
    attempt_id: str = ""
    at: datetime | None = None
    new_at: datetime | None = None
    had: Tally = field(default_factory=Tally)
    expected: Tally = field(default_factory=Tally)
    kind: EntryKind = EntryKind.GROUP

    @property
    def promise(self) -> Promise | None:
        """What becomes of a promised call; of one that may be promised `expected` says how probable that is."""
        if self.kind is EntryKind.CALLBACK and self.change is not Change.GAINED:
            return Promise.NOT_MADE if self.change is Change.LOST else Promise.MADE_LATER
        if self.had.callbacks:
            return Promise.NOT_PROMISED if self.change is Change.LOST else Promise.PROMISED_LATER
        return Promise.MAY_BE_PROMISED if self.expected.callbacks else None

    @property
    def moment(self) -> datetime:
        """When it was, else when it would be."""
        found = self.at or self.new_at
        assert found is not None  # one of them is given
        return found


@dataclass(slots=True)
class DayLine:
    """A day: what was; what stays as it was, which is certain; what would be beside it, which is expected. `free`:
    calls that people made that day and that would have been free for others; `turned_away`: calls that would have been
    due and that nobody had time for."""

    before: Tally = field(default_factory=Tally)
    stays: Tally = field(default_factory=Tally)
    expected: Tally = field(default_factory=Tally)
    free: float = 0.0
    turned_away: int = 0

    @property
    def after(self) -> Tally:
        """What stays and what is expected together."""
        total = Tally()
        total.add(self.stays)
        total.add(self.expected)
        return total


@dataclass(slots=True)
class Outcome:
    """What a replay found. `days`: those with calls, before or after."""

    period: Period
    days: dict[date, DayLine] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def line(self, day: date) -> DayLine:
        """The day's line."""
        return self.days.setdefault(day, DayLine())

    @property
    def total(self) -> DayLine:
        """All days together."""
        total = DayLine()
        for line in self.days.values():
            total.before.add(line.before)
            total.stays.add(line.stays)
            total.expected.add(line.expected)
            total.free += line.free
            total.turned_away += line.turned_away
        return total

    def promises(self) -> list[Difference]:
        """Those by which a promised call is lost, moved or gained, in the order in which `by_client` tells them."""
        return [each for _, differences in self.by_client() for each in differences if each.promise is not None]

    def by_client(self) -> Iterator[tuple[int, list[Difference]]]:
        """The clients that differ, each with what differs, in the order of time."""
        found: dict[int, list[Difference]] = {}
        for each in sorted(self.differences, key=lambda each: (each.moment, each.client_id)):
            found.setdefault(each.client_id, []).append(each)
        yield from found.items()
