"""The plan of the days as it would have been: the clients and their past are a world's, whom it holds and in which
order is decided by `crm.day.order_rules`."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import count
from typing import Final

from crm.calls.refusals import Leaves
from crm.day.claims import MOST_TRIES
from crm.day.order_rules import (
    LOOKED_AT,
    NO_SHARE,
    REST_DAYS,
    Turn,
    Wanted,
    deal_out,
    in_plan_order,
    mixed_turns,
    place_of,
    rested_since,
    room_left,
    share_of,
    shares_in,
)
from crm.group import Group
from crm.preparation.calling_hours import Window
from crm.preparation.campaigns import Campaign
from crm.preparation.plan_rules import SharesBy, order_of
from crm.time_zones import instant, local
from crm.what_if.candidates import alike
from crm.what_if.facts import Facts, Known
from crm.what_if.worlds import World

_AT_ONCE: Final = 500
_Place = tuple[int, datetime, datetime]
_Entry = tuple[int, int]  # number in the plan, client


def most_wanted(rules: Campaign, calls: int, people: int) -> int:
    """How many of those that are alike can come up while so many calls are made by so many people."""
    return calls + MOST_TRIES + LOOKED_AT * (rules.calls_a_day or 0) * people


class Turns:
    """The plan of one day after the other. `begin` a day first."""

    def __init__(self, facts: Facts, world: World) -> None:
        self._facts, self._world, self._rules = facts, world, world.rules.campaign
        called = {one.client_id for one in facts.tries}
        # Who had no call yet and was never moved: of those that are alike the first ones alone can come up.
        self._fresh: defaultdict[Hashable, list[Known]] = defaultdict(list)
        self._others: dict[int, Known] = {}
        for client_id in sorted(facts.clients):
            known = facts.clients[client_id]
            if client_id in called:
                self._others[client_id] = known
            else:
                self._fresh[alike(known, facts)].append(known)
        self._calls = Counter(self._day_of(one.opened_at) for one in facts.tries)
        self._day: date | None = None
        self._places: dict[_Place, defaultdict[int | None, list[_Entry]]] = {}
        self._waiting: dict[int, tuple[int, int | None]] = {}
        self._taken: tuple[int, tuple[int, int | None]] = (0, (0, None))
        self._seen: set[int] = set()
        self._made: Counter[int] = Counter()
        self._numbers = count()

    def _day_of(self, moment: datetime) -> date:
        return local(moment, self._rules.time_zone).date()

    def touch(self, client_id: int) -> None:
        """Something happened to the client."""
        if client_id in self._facts.clients:
            self._others.setdefault(client_id, self._facts.clients[client_id])

    def leaves(self, client_id: int) -> None:
        """The client is called, or not wanted: its turn of the day is over."""
        self.touch(client_id)
        self._seen.add(client_id)
        self._waiting.pop(client_id, None)

    def called(self, operator_id: int) -> None:
        """Somebody has made a call."""
        self._made[operator_id] += 1

    # Building

    def begin(self, moment: datetime) -> Iterator[None]:
        """The plan of the day, made at its midnight, a step at a time; once."""
        day = self._day_of(moment)
        if self._day == day:
            return
        self._day, self._places = day, {}
        self._waiting.clear()
        self._seen.clear()
        self._made.clear()
        yield from self.build(instant(datetime.combine(day, time()), self._rules.time_zone))

    def build(self, now: datetime) -> Iterator[None]:
        """Adds who is not in the plan of the day yet."""
        day = self._day
        if day is None or not self._rules.calls_on(day):
            return
        turns: list[Turn] = []
        since = {days: rested_since(self._rules, day, days) for days in set(REST_DAYS.values())}
        groups = order_of(self._rules.group_order)
        for number, known in enumerate(self._known(day)):
            if number % _AT_ONCE == 0:
                yield
            group = self._world.group(known)
            if group in groups and self._is_in_turn(known, since[REST_DAYS[group]], day, now):
                turns.append(Turn(known.id, group, known.stored_zone, self._share(known)))
        if self._rules.calls_a_day is None:
            self._plan_all(turns, day, now)
        else:
            self._deal(turns, day, now)

    def _known(self, day: date) -> list[Known]:
        people = len(self._facts.people)
        most, some = most_wanted(self._rules, self._calls[day], people), list(self._others.values())
        for key, these in self._fresh.items():
            self._fresh[key] = left = [known for known in these if known.id not in self._others]
            some += left[:most]
        return sorted(some, key=lambda known: known.id)

    def _is_in_turn(self, known: Known, since: datetime, day: date, now: datetime) -> bool:
        called_at = self._world.called_last(known)
        return (
            known.id not in self._seen
            and (called_at is None or called_at < since)
            and self._world.can_come_up(known)
            and (known.created_at is None or known.created_at <= now)
            and self._world.retry_day(known.id) != day
            and self._world.promise_of(known.id, now) is None
        )

    def _share(self, known: Known) -> str:
        return known.source if self._rules.shares_by is SharesBy.SOURCE else known.industry

    def _keeper(self, turn: Turn, now: datetime) -> int | None:
        return self._world.keeper(self._facts.clients[turn.client_id], now)

    def _plan_all(self, turns: Sequence[Turn], day: date, now: datetime) -> None:
        alike_ones: defaultdict[tuple[Group, str], list[Turn]] = defaultdict(list)
        for turn in turns:
            alike_ones[turn.group, turn.stored_zone].append(turn)
        for (group, stored_zone), these in sorted(alike_ones.items()):
            window, rank = place_of(self._rules, group, stored_zone, day)
            for turn in mixed_turns(these, shares_in(self._rules)):
                self._put(window, rank, turn.client_id, self._keeper(turn, now))

    def _deal(self, turns: Sequence[Turn], day: date, now: datetime) -> None:
        people = self._world.at_work(day, now)
        next_midnight = instant(datetime.combine(day + timedelta(days=1), time()), self._rules.time_zone)
        waiting = Counter(operator_id for _, operator_id in self._waiting.values())
        taken = [*self._made.items(), *waiting.items(), *self._world.taken(day, now, next_midnight)]
        room = room_left((person.id for person in people), self._rules.calls_a_day or 0, taken)
        kept: dict[int, list[Turn]] = {user_id: [] for user_id in sorted(room)}
        others: defaultdict[Group, list[Turn]] = defaultdict(list)
        for turn in turns:
            keeper = self._keeper(turn, now)
            if keeper is None:
                others[turn.group].append(turn)
            elif keeper in kept:
                kept[keeper].append(turn)
        dealing = deal_out(self._rules, kept, room, [person.id for person in people if person.operator])
        try:
            wanted = next(dealing)
            while True:
                wanted = dealing.send(self._answer(wanted, others))
        except StopIteration as end:
            for window, rank, user_id, turn in in_plan_order(self._rules, end.value, day):
                self._put(window, rank, turn.client_id, user_id)

    def _answer(self, wanted: Wanted, others: Mapping[Group, Sequence[Turn]]) -> list[Turn]:
        shares = shares_in(self._rules)
        found = others.get(wanted.group, ())
        if wanted.share == NO_SHARE:
            return [turn for turn in found if share_of(shares, turn.share) == NO_SHARE][: wanted.most]
        return [turn for turn in found if wanted.share is None or turn.share == wanted.share][: wanted.most]

    def _put(self, window: Window, rank: int, client_id: int, operator_id: int | None) -> None:
        queues = self._places.setdefault((rank, window.opens_at, window.closes_at), defaultdict(list))
        number = next(self._numbers)
        heapq.heappush(queues[operator_id], (number, client_id))
        self._waiting[client_id] = number, operator_id
        self._seen.add(client_id)

    # Taking turns

    def choose(self, operator_id: int, now: datetime) -> Iterator[int | None]:
        """Whom this operator is given, as `crm.day.claims.claim_next` goes on: yields `None` while it looks, and at the
        end the client's id, if there is one."""
        built = False
        passed_over = set[int]()
        for _ in range(MOST_TRIES):
            client_id = self._first(operator_id, now, passed_over)
            if client_id is None and not built and self._rules.calls_a_day is not None:
                built = True  # whoever was given fewer clients than one calls a day is given others
                yield from self.build(now)
                client_id = self._first(operator_id, now, passed_over)
            if client_id is None:
                return
            known = self._facts.clients[client_id]
            if self._world.promise_of(client_id, now) is not None:
                self.leaves(client_id)
                continue
            keeper = self._world.keeper(known, now)
            if keeper is not None and keeper != operator_id:
                self._give(client_id, keeper)
                continue
            verdict = self._world.verdict(known, known.number, now)
            if verdict.allowed:
                self._taken = client_id, self._waiting[client_id]
                self.leaves(client_id)
                yield client_id
                return
            passed_over.add(client_id)
            if verdict.refusal is not None and verdict.refusal.leaves is Leaves.ENTRY:
                self.leaves(client_id)

    def put_back(self) -> None:
        """Whoever was chosen last was not called: they go on waiting."""
        client_id, entry = self._taken
        self._waiting[client_id] = entry

    def _give(self, client_id: int, operator_id: int) -> None:
        number, was = self._waiting[client_id]
        queues = next(queues for queues in self._places.values() if (number, client_id) in queues[was])
        heapq.heappush(queues[operator_id], (number, client_id))
        self._waiting[client_id] = number, operator_id

    def _first(self, operator_id: int, now: datetime, passed_over: set[int]) -> int | None:
        for (_, opens_at, closes_at), queues in sorted(self._places.items(), key=lambda each: each[0]):
            if not opens_at <= now < closes_at:
                continue
            heads = [self._head(queues, whose, passed_over) for whose in (None, operator_id)]
            found = min((head for head in heads if head is not None), default=None)
            if found is not None:
                return found[1]
        return None

    def _head(
        self, queues: Mapping[int | None, list[_Entry]], whose: int | None, passed_over: set[int]
    ) -> _Entry | None:
        queue, kept, found = queues.get(whose, []), list[_Entry](), None
        while queue and found is None:
            number, client_id = queue[0]
            if self._waiting.get(client_id) != (number, whose):
                heapq.heappop(queue)
            elif client_id in passed_over:
                kept.append(heapq.heappop(queue))
            else:
                found = queue[0]
        for entry in kept:
            heapq.heappush(queue, entry)
        return found
