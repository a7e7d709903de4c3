"""A period's calls once more: as they were, then under changed rules.

What the rules of today refuse although it happened (they were others then, or somebody knew better) is no difference: a
call differs only where the changed rules decide otherwise than those of today.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from crm.calls.next_try import Due
from crm.calls.retry_rules import part_of_day
from crm.calls.time_rules import ALLOWED
from crm.day.order_rules import REST_DAYS
from crm.plan.plan_entries import EntryKind
from crm.preparation.calling_hours import window_at_or_after
from crm.preparation.plan_rules import order_of
from crm.time_zones import instant, local
from crm.what_if.as_it_was import AsItWas, pass_by, was_brought
from crm.what_if.clock import (
    OF_A_DAY,
    PUT_AT_ONCE,
    STEP,
    Choice,
    Clock,
    Decision,
    Event,
    Gain,
    InTurn,
    Slot,
    Written,
    in_vain,
    put_facts,
)
from crm.what_if.drafts import Rules
from crm.what_if.facts import Elsewhere, Facts, Known, Moved, RecordedTry, Skipped
from crm.what_if.outcome import Change, Difference, Outcome, Why
from crm.what_if.tallies import Tally
from crm.what_if.turns import Turns
from crm.what_if.worlds import World

NEAR: Final = timedelta(hours=1)
"""A call so near in time says of the client what another one would have."""
_WAITS: Final = datetime.max.replace(tzinfo=UTC)


class Replay:
    """The period under changed rules. `told`: hears every decision on a call, `chose` whom the plan gives to whom.
    `with_order`: the rules of the plan's order differ, so that every client who came up in its turn is chosen anew."""

    def __init__(
        self,
        facts: Facts,
        after: Rules,
        was: AsItWas,
        *,
        with_order: bool = False,
        told: Callable[[Decision], None] | None = None,
        chose: Callable[[Choice], None] | None = None,
    ) -> None:
        self.outcome = Outcome(facts.period)
        self._facts, self._was, self._told, self._chose = facts, was, told, chose
        self._rules, self._world, self._clock = after.campaign, World(facts, after), Clock()
        self._turns = Turns(facts, self._world) if with_order else None
        # Whose calls the plan's order has given to others, until it brings them; and who makes those that it brings.
        self._displaced: set[str] = set()
        self._callers: dict[str, int] = {}
        self._brought: set[tuple[int, date]] = set()
        self._done: set[str] = set()
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
            if number % PUT_AT_ONCE == 0:
                yield
            self._place[one.id] = len(self._of_client[one.client_id])
            self._of_client[one.client_id].append(one)
            day = self._day(one.opened_at)
            self._room[day] += 1
            self.outcome.line(day).before.add(Tally.of(one))
        yield from put_facts(self._facts, self._clock, with_order=self._turns is not None)
        for number, (at, what) in enumerate(self._clock.events()):
            if number % STEP == 0:
                yield
            if self._turns is not None and isinstance(what, OF_A_DAY):
                yield from self._turns.begin(at)
            if isinstance(what, Slot):
                yield from self._fill(what.one, at)
            else:
                self._take(at, what)
        self._end()
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
            case InTurn():
                self._gain_in_turn(what, at)
            case Skipped() | Moved():
                pass_by(what, self._world, self._turns)
            case Written(one, gain):
                self._written(one, gain, at)

    def _day(self, moment: datetime) -> date:
        return local(moment, self._rules.time_zone).date()

    def _client(self, one: RecordedTry) -> Known:
        return self._facts.clients[one.client_id]

    def _end(self) -> None:
        """Whom nothing has brought again is not called."""
        for one in self._facts.tries:
            if self._when.get(one.id) == _WAITS and one.id not in self._gone and one.id not in self._done:
                self._drop(one, *(self._why[one.id] if one.id in self._displaced else (Why.BEFORE, {})))

    # Who is called in the place of whom

    def _fill(self, one: RecordedTry, at: datetime) -> Iterator[None]:
        """Somebody is given a client. Where it was not the one whose turn it was by the rules of then, people knew
        better, and do so again."""
        assert self._turns is not None  # there are such events with it alone
        day = self._day(at)
        has_room, waits = self._made[day] < self._room[day], one.id in self._gone or one.id in self._when
        is_there = has_room and not waits and (one.client_id, day) not in self._brought
        if is_there and one.id not in self._was.in_turn:
            self._turns.leaves(one.client_id)
            return
        chosen = None
        if has_room:
            for chosen in self._turns.choose(one.operator_id, at):
                if chosen is None:
                    yield
        if self._chose is not None:
            self._chose(Choice(at, one.operator_id, chosen))
        if chosen == one.client_id and is_there:
            return
        if not waits:
            self._displace(one, Why.ORDER if has_room else Why.NO_ROOM)
        if chosen is not None:
            self._brought.add((chosen, day))
            self._bring_in_turn(chosen, one)

    def _displace(self, one: RecordedTry, why: Why) -> None:
        """The call waits until its client's turn comes, and so do those that followed from it."""
        self._displaced.add(one.id)
        self._why[one.id] = (why, {})
        following: RecordedTry | None = one
        while following is not None:
            self._when[following.id] = _WAITS
            self._world.never_happened(following.id)
            before, following = following, self._after(following)
            if following is not None and not self._brought_by(following, before):
                return

    def _bring_in_turn(self, client_id: int, instead_of: RecordedTry) -> None:
        """The client's call that waits, or that would come later, is made in the place of this one; otherwise one that
        nobody made."""
        at = instead_of.opened_at
        for own in self._of_client[client_id]:
            waits = own.id in self._displaced and self._when.get(own.id) == _WAITS
            comes = own.id not in self._when and own.opened_at >= at
            if own.kind is EntryKind.GROUP and own.id not in self._gone and (waits or comes):
                self._displace(own, Why.ORDER)
                self._when[own.id] = at
                self._callers[own.id] = instead_of.operator_id
                self._world.happened_later(own.id, at - own.opened_at)
                self._clock.put(at, own)
                return
        self._clock.put(at, InTurn(client_id, instead_of.operator_id))

    # A call that was made

    def _try(self, one: RecordedTry, at: datetime) -> None:
        day = self._day(at)
        if not self._is_promised(one):
            self._drop(one, Why.PROMISE)
        elif one.kind is EntryKind.GROUP and self._turns is None and self._made[day] >= self._room[day]:
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
        if (operator_id := self._callers.get(one.id)) is not None:
            made = replace(made, operator_id=operator_id)
        if later and not self._is_alike(one, at):
            self._note_moved(one, at)
        else:
            self.outcome.line(self._day(at)).stays.add(Tally.of(one))
        self._done.add(one.id)
        self._made[self._day(at)] += 1
        self._out_of_plan(made)
        self._world.had(made)
        self._clock.put(made.written_at, Written(made))

    def _is_alike(self, one: RecordedTry, at: datetime) -> bool:
        """Whether the order of the plan brings it on the same day in the same part of it."""
        if one.id not in self._displaced or self._day(one.opened_at) != self._day(at):
            return False
        zone = self._client(one).zone
        return part_of_day(one.opened_at, zone) == part_of_day(at, zone)

    def _out_of_plan(self, made: RecordedTry) -> None:
        if self._turns is not None:
            self._turns.leaves(made.client_id)
            self._turns.called(made.operator_id)

    def _note_moved(self, one: RecordedTry, at: datetime) -> None:
        had = Tally.of(one)
        expected = had if abs(at - one.opened_at) <= NEAR else self._expected(self._client(one), at)
        self.outcome.line(self._day(at)).expected.add(expected)
        reason, params = self._why[one.id]
        self.outcome.differences.append(
            Difference(Change.MOVED, one.client_id, reason, params, one.id, one.opened_at, at, had, expected, one.kind)
        )

    def _expected(self, client: Known, at: datetime) -> Tally:
        return self._was.rates.expected(client, at, len(self._world.tries_in_vain(client.id)))

    def _drop(self, one: RecordedTry, reason: str, params: Mapping[str, Any] | None = None) -> None:
        """The call is not made, nor are those that followed from it."""
        while True:
            self._gone.add(one.id)
            self._world.is_gone(one)
            had, why = Tally.of(one), params or {}
            lost = Difference(Change.LOST, one.client_id, reason, why, one.id, one.opened_at, had=had, kind=one.kind)
            self.outcome.differences.append(lost)
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
        return was_brought(following, self._was.due.get(one.id), self._day)

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
        later = made[self._place[one.id] + 1 :]
        return (each for each in later if each.id not in self._gone and each.id not in self._done)

    # What is due after a call

    def _written(self, one: RecordedTry, gain: Gain | None, at: datetime) -> None:
        client = self._client(one)
        group = self._world.decided_group(one, client)
        was_decided, was = self._was.groups.get(one.id, (None, group))
        if group == was_decided:
            group = was
        due = self._world.written(one, client, at, group)
        self._tell(Decision(at, one, due=due, group=group))
        if gain is not None:
            if due is not None:
                self._offer(one, gain.weight * (1 - self._rate(one)), due, self._next_after(one))
            return
        was_due, following = self._was.due[one.id], self._after(one)
        if due == was_due:
            if following is not None and self._when.get(following.id) == _WAITS and self._brought_by(following, one):
                self._put_off(following, max(following.opened_at, at), Why.RETRY)
            return
        if following is not None and was_brought(following, was_due, self._day):
            self._move(following, was_due, due, at)
        elif due is not None and not due.of_promise:
            self._bring(one, was_due, due, following)

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
        self.outcome.differences.append(
            Difference(Change.GAINED, client.id, Why.RETRY, new_at=at, expected=expected, kind=EntryKind.RETRY)
        )
        made = in_vain(client.id, gain.number, EntryKind.RETRY, at, 0)
        self._tell(Decision(at, made, verdict=verdict))
        self._world.had(made)
        self._out_of_plan(made)
        self._clock.put(made.written_at, Written(made, gain))

    def _gain_in_turn(self, turn: InTurn, at: datetime) -> None:
        """Somebody else's turn would not have been this client's."""
        client, day = self._facts.clients[turn.client_id], self._day(at)
        expected = self._expected_gain(client, at)
        self._made[day] += 1
        self.outcome.line(day).expected.add(expected)
        self.outcome.differences.append(Difference(Change.GAINED, client.id, Why.ORDER, new_at=at, expected=expected))
        made = in_vain(client.id, client.number, EntryKind.GROUP, at, turn.operator_id)
        self._tell(Decision(at, made, verdict=ALLOWED))
        self._world.had(made)
        self._out_of_plan(made)
        self._clock.put(made.written_at, Written(made, Gain(client.id, client.number, at, at)))

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
