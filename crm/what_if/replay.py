"""A period's calls once more: as they were, then under changed rules.

What the rules of today refuse although it happened (they were others then, or somebody knew better) is no difference: a
call differs only where the changed rules decide otherwise than those of today.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any, Final

from crm.calls.next_try import Due
from crm.calls.time_rules import Verdict
from crm.day.order_rules import REST_DAYS
from crm.plan.plan_entries import EntryKind
from crm.preparation.calling_hours import window_at_or_after
from crm.preparation.plan_rules import order_of
from crm.preparation.results import Result
from crm.time_zones import instant, local
from crm.what_if.drafts import Rules
from crm.what_if.facts import Elsewhere, Facts, Known, RecordedTry
from crm.what_if.outcome import Change, Difference, Outcome, Why
from crm.what_if.tallies import Rates, Tally
from crm.what_if.worlds import World

STEP: Final = 100
"""Events between two chances to break off: some milliseconds."""
_PUT_AT_ONCE: Final = 10 * STEP  # which takes less time than deciding about an event
NEAR: Final = timedelta(hours=1)
"""A call so near in time says of the client what another one would have."""
_RINGS: Final = timedelta(seconds=30)
_WRITTEN: Final = timedelta(minutes=1)
_NOBODY_REACHED: Final = "no_contact"
_WAITS: Final = datetime.max.replace(tzinfo=UTC)


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
class Written:
    """That the outcome of a call is written down."""

    one: RecordedTry
    gain: Gain | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules said, for whoever compares: of a `call` (was it to be made now?), or of what is `due` after it."""

    at: datetime
    one: RecordedTry
    verdict: Verdict | None = None
    due: Due | None = None


Event = RecordedTry | Elsewhere | Gain | Written
_RANKS: Final[Mapping[type, int]] = {Written: 0, Elsewhere: 1, RecordedTry: 2, Gain: 3}


class _Clock:
    """Events in the order of time."""

    def __init__(self) -> None:
        self._waiting: list[tuple[datetime, int, int, Event]] = []
        self._numbers = count()

    def put(self, at: datetime, what: Event) -> None:
        heapq.heappush(self._waiting, (at, _RANKS[type(what)], next(self._numbers), what))

    def events(self) -> Iterator[tuple[datetime, Event]]:
        while self._waiting:
            at, _, _, what = heapq.heappop(self._waiting)
            yield at, what


@dataclass(slots=True)
class AsItWas:
    """What the rules of today say of what happened: which calls they allow, and what was due after each."""

    allowed: set[str] = field(default_factory=set)
    due: dict[str, Due | None] = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)


def look_back(facts: Facts, before: Rules, found: AsItWas) -> Iterator[None]:
    """Fills `found`, a step at a time."""
    world, clock = World(facts, before), _Clock()
    yield from _begin(facts, clock)
    for number, (at, what) in enumerate(clock.events()):
        if number % STEP == 0:
            yield
        match what:
            case Elsewhere():
                world.had_elsewhere(what)
            case RecordedTry():
                client = facts.clients[what.client_id]
                if world.verdict(client, what.number, at).allowed:
                    found.allowed.add(what.id)
                found.rates.note(what, client, len(world.tries_in_vain(client.id)))
                world.had(what)
                clock.put(what.written_at, Written(what))
            case Written(one):
                found.due[one.id] = world.due(one, facts.clients[one.client_id], at)


def _begin(facts: Facts, clock: _Clock) -> Iterator[None]:
    """Puts all that happened into the clock, a step at a time."""
    happened: list[RecordedTry | Elsewhere] = [*facts.tries, *facts.elsewhere]
    for number, one in enumerate(happened):
        if number % _PUT_AT_ONCE == 0:
            yield
        clock.put(one.opened_at, one)


class Replay:
    """The period under changed rules. `told`: hears every decision."""

    def __init__(
        self,
        facts: Facts,
        after: Rules,
        was: AsItWas,
        *,
        told: Callable[[Decision], None] | None = None,
    ) -> None:
        self.outcome = Outcome(facts.period)
        self._facts, self._was, self._told = facts, was, told
        self._rules, self._world, self._clock = after.campaign, World(facts, after), _Clock()
        self._of_client: defaultdict[int, list[RecordedTry]] = defaultdict(list)
        self._place: dict[str, int] = {}
        # When each call is to be made that is not made when it was; those that are made no more.
        self._when: dict[str, datetime] = {}
        self._why: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._gone: set[str] = set()
        self._room: Counter[date] = Counter()
        self._made: Counter[date] = Counter()

    def run(self) -> Iterator[None]:
        """A step at a time; `outcome` has the whole once it is over."""
        for number, one in enumerate(self._facts.tries):
            if number % _PUT_AT_ONCE == 0:
                yield
            self._place[one.id] = len(self._of_client[one.client_id])
            self._of_client[one.client_id].append(one)
            day = self._day(one.opened_at)
            self._room[day] += 1
            self.outcome.line(day).before.add(Tally.of(one))
        yield from _begin(self._facts, self._clock)
        for number, (at, what) in enumerate(self._clock.events()):
            if number % STEP == 0:
                yield
            self._take(at, what)
        for day, room in self._room.items():
            self.outcome.line(day).free = max(0, room - self._made[day])

    def _take(self, at: datetime, what: Event) -> None:
        match what:
            case Elsewhere():
                self._world.had_elsewhere(what)
            case RecordedTry():
                if what.id not in self._gone and at == self._when.get(what.id, what.opened_at):
                    self._try(what, at)
            case Gain():
                self._gain(what, at)
            case Written(one, gain):
                self._written(one, gain, at)

    def _day(self, moment: datetime) -> date:
        return local(moment, self._rules.time_zone).date()

    def _client(self, one: RecordedTry) -> Known:
        return self._facts.clients[one.client_id]

    # A call that was made

    def _try(self, one: RecordedTry, at: datetime) -> None:
        day = self._day(at)
        if not self._is_promised(one):
            self._drop(one, Why.PROMISE)
        elif one.kind is EntryKind.GROUP and self._made[day] >= self._room[day]:
            self._drop(one, *self._why.get(one.id, (Why.NO_ROOM, {})))
        else:
            verdict = self._world.verdict(self._client(one), one.number, at)
            self._tell(Decision(at, one, verdict=verdict))
            as_it_was = at == one.opened_at and one.id not in self._was.allowed
            if verdict.allowed or as_it_was:
                self._make(one, at)
            else:
                self._put_off(one, verdict.next_at, verdict.code, verdict.params)

    def _is_promised(self, one: RecordedTry) -> bool:
        """Whether the promise for which it was made would have been made, at about that time."""
        promised_by = self._world.promised_by(one.callback_id, one.client_id)
        maker = next((each for each in self._of_client[one.client_id] if each.id == promised_by), None)
        if maker is None:
            return True  # before the period, or by hand
        return maker.id not in self._gone and self._when.get(maker.id, maker.opened_at) - maker.opened_at <= NEAR

    def _make(self, one: RecordedTry, at: datetime) -> None:
        later = at - one.opened_at
        made = one
        if later:
            self._world.happened_later(one.id, later)
            answered_at = one.answered_at + later if one.answered_at else None
            made = replace(one, opened_at=at, ended_at=one.ended_at + later, answered_at=answered_at,
                           written_at=one.written_at + later)  # fmt: skip
            self._note_moved(one, at)
        else:
            self.outcome.line(self._day(at)).stays.add(Tally.of(one))
        self._made[self._day(at)] += 1
        self._world.had(made)
        self._clock.put(made.written_at, Written(made))

    def _note_moved(self, one: RecordedTry, at: datetime) -> None:
        had = Tally.of(one)
        expected = had if abs(at - one.opened_at) <= NEAR else self._expected(self._client(one), at)
        self.outcome.line(self._day(at)).expected.add(expected)
        reason, params = self._why[one.id]
        self.outcome.differences.append(
            Difference(Change.MOVED, one.client_id, reason, params, one.id, one.opened_at, at, had, expected)
        )

    def _expected(self, client: Known, at: datetime) -> Tally:
        return self._was.rates.expected(client, at, len(self._world.tries_in_vain(client.id)))

    def _drop(self, one: RecordedTry, reason: str, params: Mapping[str, Any] | None = None) -> None:
        """The call is not made, nor are those that followed from it."""
        while True:
            self._gone.add(one.id)
            self._world.never_happened(one.id)
            self.outcome.differences.append(
                Difference(Change.LOST, one.client_id, reason, params or {}, one.id, one.opened_at, had=Tally.of(one))
            )
            following = self._after(one)
            if following is None or not self._brought_by(following, one):
                return
            one, reason, params = following, Why.BEFORE, None

    def _put_off(
        self, one: RecordedTry, to: datetime | None, reason: str, params: Mapping[str, Any] | None = None
    ) -> None:
        """Make the call then, or never: after the period, or when the client was called without it."""
        following = self._after(one)
        if following is not None and self._brought_by(following, one):
            self._when[following.id] = _WAITS  # until this one is written down
        to = self._when_somebody_works(self._client(one), to)
        independent = self._independent(one)
        if to is None or to >= self._facts.period.ends_at or (independent and self._comes_first(independent, to)):
            self._drop(one, reason, params)
            return
        promise = self._world.promise_of(one.client_id, to)
        if promise is not None and promise.id != one.callback_id and promise.due_at <= to:
            self._drop(one, reason, params)  # the promised call takes its place
            return
        self._when[one.id] = to
        self._why.setdefault(one.id, (reason, params or {}))
        self._world.happened_later(one.id, to - one.opened_at)
        self._clock.put(to, one)

    def _when_somebody_works(self, client: Known, to: datetime | None) -> datetime | None:
        """Then, or when the client may be called on the next day on which anybody called."""
        while to is not None and to < self._facts.period.ends_at and not self._room[self._day(to)]:
            to = self._next_day(client, to)
        return to

    def _next_day(self, client: Known, now: datetime) -> datetime:
        midnight = datetime.combine(self._day(now) + timedelta(days=1), time())
        return window_at_or_after(self._rules, client.zone, instant(midnight, self._rules.time_zone)).opens_at

    def _comes_first(self, following: RecordedTry, to: datetime) -> bool:
        """On another day the client has one place in the plan; on the same one, whatever comes first."""
        at = self._when.get(following.id, following.opened_at)
        return at <= to or (self._day(at) == self._day(to) and following.kind is not EntryKind.CALLBACK)

    def _brought_by(self, following: RecordedTry, one: RecordedTry) -> bool:
        return _was_brought(following, self._was.due.get(one.id), self._day)

    def _after(self, one: RecordedTry) -> RecordedTry | None:
        """The client's next call that was made and is not gone."""
        return next(self._all_after(one), None)

    def _independent(self, one: RecordedTry) -> RecordedTry | None:
        """The client's next call that would have been made without this one."""
        from_it = {one.id}
        before = one
        for following in self._all_after(one):
            promised_by = self._world.promised_by(following.callback_id, following.client_id)
            if promised_by not in from_it and not (before.id in from_it and self._brought_by(following, before)):
                return following
            from_it.add(following.id)
            before = following
        return None

    def _all_after(self, one: RecordedTry) -> Iterator[RecordedTry]:
        made = self._of_client[one.client_id]
        return (each for each in made[self._place[one.id] + 1 :] if each.id not in self._gone)

    # What is due after a call

    def _written(self, one: RecordedTry, gain: Gain | None, at: datetime) -> None:
        due = self._world.due(one, self._client(one), at)
        self._tell(Decision(at, one, due=due))
        if gain is not None:
            if due is not None:
                self._offer(one, gain.weight * (1 - self._rate(one)), due, self._next_after(one))
            return
        was, following = self._was.due[one.id], self._after(one)
        if due == was:
            return
        if following is not None and _was_brought(following, was, self._day):
            self._move(following, was, due, at)
        elif due is not None and not due.of_promise:
            self._bring(one, was, due, following)

    def _move(self, following: RecordedTry, was: Due | None, due: Due | None, now: datetime) -> None:
        """The rules had brought this call; they bring it at another time, or leave it to the day's plan."""
        assert was is not None  # it was brought
        if due is None:
            self._put_off(following, self._by_the_plan(following, now), Why.NO_RETRY)
            return
        later = due.window.opens_at - was.window.opens_at
        in_time = due.window.holds(following.opened_at) and later >= timedelta()
        if following.id in self._when or (later and not in_time):
            self._put_off(following, following.opened_at + later, Why.RETRY)

    def _by_the_plan(self, one: RecordedTry, now: datetime) -> datetime | None:
        """When the day's plan brings a client again that was called today; `None`: not soon."""
        client = self._client(one)
        group = client.group_at(now)
        if group not in order_of(self._rules.group_order) or REST_DAYS[group] > 1:
            return None
        return self._next_day(client, now)

    def _bring(self, one: RecordedTry, was: Due | None, due: Due, following: RecordedTry | None) -> None:
        """The rules bring a call that they had not, or had on another day on which nobody made it."""
        opens_at = due.window.opens_at
        if was is not None and self._day(was.window.opens_at) == self._day(opens_at):
            return
        if following is not None and self._day(following.opened_at) == self._day(opens_at):
            if following.kind is EntryKind.GROUP and following.opened_at > opens_at:
                self._put_off(following, opens_at, Why.RETRY)
            return
        self._offer(one, 1.0, due, following)

    def _offer(self, one: RecordedTry, weight: float, due: Due, following: RecordedTry | None) -> None:
        opens_at = due.window.opens_at
        if opens_at >= self._facts.period.ends_at or not self._client(one).reachable:
            return
        if following is not None and following.opened_at <= opens_at:
            return
        gain = Gain(one.client_id, one.number, due.window.closes_at, one.opened_at, weight)
        self._clock.put(opens_at, gain)

    # A call that nobody made

    def _gain(self, gain: Gain, at: datetime) -> None:
        client, last_at, day = self._facts.clients[gain.client_id], self._world.last_at(gain.client_id), self._day(at)
        if (last_at is not None and last_at > gain.since) or self._world.promise_of(client.id, at) is not None:
            return
        verdict = self._world.verdict(client, gain.number, at)
        if not verdict.allowed:
            if verdict.next_at is not None and at < verdict.next_at < gain.closes_at:
                self._clock.put(verdict.next_at, gain)
            return
        if self._made[day] >= self._room[day]:
            self.outcome.line(day).turned_away += 1
            return
        expected = self._expected_gain(client, at).times(gain.weight)
        self._made[day] += 1
        self.outcome.line(day).expected.add(expected)
        self.outcome.differences.append(Difference(Change.GAINED, client.id, Why.RETRY, new_at=at, expected=expected))
        made = RecordedTry(
            "", client.id, gain.number, EntryKind.RETRY, at, None, at + _RINGS, at + _WRITTEN, Result.NO_ANSWER,
            _NOBODY_REACHED, None, contact=False, main=False, promised=False,
        )  # fmt: skip
        self._tell(Decision(at, made, verdict=verdict))
        self._world.had(made)
        self._clock.put(made.written_at, Written(made, gain))

    def _expected_gain(self, client: Known, at: datetime) -> Tally:
        near = min(self._of_client[client.id], key=lambda one: abs(one.opened_at - at), default=None)
        if near is not None and abs(near.opened_at - at) <= NEAR:
            return Tally.of(near)
        return self._expected(client, at)

    def _rate(self, one: RecordedTry) -> float:
        return self._expected_gain(self._client(one), one.opened_at).answered

    def _next_after(self, one: RecordedTry) -> RecordedTry | None:
        made = self._of_client[one.client_id]
        later = made[bisect_right(made, one.opened_at, key=lambda each: each.opened_at) :]
        return next((each for each in later if each.id not in self._gone), None)

    def _tell(self, decision: Decision) -> None:
        if self._told is not None:
            self._told(decision)


def _was_brought(following: RecordedTry, was: Due | None, day_of: Callable[[datetime], date]) -> bool:
    """Whether the call was made because the rules had put the client into the plan of that day."""
    if was is None or following.opened_at < was.window.opens_at:
        return False
    kind = EntryKind.CALLBACK if was.of_promise else EntryKind.RETRY
    return following.kind is kind and day_of(following.opened_at) == day_of(was.window.opens_at)
