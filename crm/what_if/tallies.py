"""Counts of tries and of what came of them, certain or expected, and the rates at which it did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, Self

from crm.calls.retry_rules import part_of_day
from crm.group import Group
from crm.preparation.results import Result
from crm.what_if.facts import Known, RecordedTry

ENOUGH: Final = 20
"""Tries without which no rate is taken for one: then that of a wider kind is."""
_MOST_TRIES_APART: Final = 4


@dataclass(slots=True)
class Tally:
    """How many tries, and of them how many were answered, became a contact, a main contact, and promised a call. Whole
    numbers of what happened, fractions of what is expected."""

    attempts: float = 0.0
    answered: float = 0.0
    contacts: float = 0.0
    mains: float = 0.0
    callbacks: float = 0.0

    @classmethod
    def of(cls, one: RecordedTry) -> Self:
        """A single try."""
        answered = one.result is Result.ANSWERED
        return cls(1.0, float(answered), float(one.contact), float(one.main), float(one.promised))

    def add(self, other: Tally, times: float = 1.0) -> None:
        """So many times another one."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + times * getattr(other, each.name))

    def times(self, factor: float) -> Tally:
        """The same, so many times."""
        product = Tally()
        product.add(self, factor)
        return product


class Rates:
    """What came of tries on the average, by how many had been in vain right before, by the part of the client's day,
    and by its group. Of fewer than `ENOUGH` the rate says nothing, and that of a wider kind is taken."""

    def __init__(self) -> None:
        self._seen: defaultdict[tuple[object, ...], Tally] = defaultdict(Tally)

    def note(self, one: RecordedTry, client: Known, in_vain: int) -> None:
        """Learn from what happened."""
        tally = Tally.of(one)
        for kind in _kinds(client, one.opened_at, in_vain):
            self._seen[kind].add(tally)

    def expected(self, client: Known, moment: datetime, in_vain: int) -> Tally:
        """What one try at that moment comes to on the average."""
        tally = Tally(1.0)
        for kind in _kinds(client, moment, in_vain):
            tally = self._seen[kind]
            if tally.attempts >= ENOUGH:
                break
        return tally.times(1 / tally.attempts) if tally.attempts else Tally(1.0)


def _kinds(client: Known, moment: datetime, in_vain: int) -> Iterator[tuple[object, ...]]:
    """From the narrowest to the widest."""
    tries, part = min(in_vain, _MOST_TRIES_APART - 1), part_of_day(moment, client.zone)
    group: Group = client.group_at(moment)
    yield tries, part, group
    yield tries, part
    yield (part,)
    yield ()
