"""What a company, a number and a client have had so far, and what some rules say of the next try: the facts are kept
here, the deciding is that of `crm.calls.time_rules` and `crm.calls.next_try`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final

from crm.calls.next_try import MOST_LOOKED_AT, Due, OpenPromise, due_again, is_tried_again
from crm.calls.owners import keeps
from crm.calls.retry_rules import rule_among
from crm.calls.time_rules import NumberTry, Verdict, midnight, of_the_hours, of_the_tries
from crm.group import Group
from crm.plan.dispositions import Disposition
from crm.preparation.results import OF_THE_CLIENT, Result
from crm.time_zones import local
from crm.what_if.drafts import Rules
from crm.what_if.facts import Elsewhere, Facts, Known, Person, Promised, RecordedTry
from crm.wrap_up.group_rules import becomes_owner, group_after

_SAME_NUMBER: Final = 0


class World:
    """The facts as they come about under `rules`. What is told comes in the order of time."""

    def __init__(self, facts: Facts, rules: Rules) -> None:
        self.rules = rules
        self._clients = facts.clients
        self._promises = facts.promises
        self._of_company: defaultdict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
        self._of_number: defaultdict[str, list[tuple[datetime, NumberTry]]] = defaultdict(list)
        self._in_vain = {client_id: list(moments) for client_id, moments in facts.earlier.items()}
        self._last_at: dict[int, datetime] = {}
        # Calls whose outcome was written down later by so much than it was, or (`None`) never.
        self._late: dict[str, timedelta | None] = {}
        self._groups: dict[int, Group] = {}
        self._owners: dict[int, tuple[int | None, datetime | None]] = {}
        self._spoke: dict[tuple[int, int], datetime] = {}
        # Clients whom a rule brings again: on which day, and whose they are then.
        self._retries: dict[int, tuple[date, int | None]] = {}
        self._left = Counter(one.client_id for one in facts.tries)
        self._callers = {person.id: person for person in facts.people}
        self._last_calls = {one.operator_id: one.opened_at for one in facts.tries}
        self._facts = facts

    def had(self, one: RecordedTry) -> None:
        """The client was called."""
        self._last_at[one.client_id] = one.opened_at
        self._retries.pop(one.client_id, None)
        self._left[one.client_id] -= bool(one.id)
        if one.talked:
            self._spoke[one.client_id, one.operator_id] = one.opened_at
        if one.result not in OF_THE_CLIENT:
            return
        self._of_company[self._clients[one.client_id].company].append((one.opened_at, one.ended_at))
        self._of_number[one.number].append((one.opened_at, NumberTry(one.ended_at, one.answered_at)))
        in_vain = self._in_vain.setdefault(one.client_id, [])
        if one.result is Result.ANSWERED:
            in_vain.clear()
        else:
            in_vain.append(one.opened_at)

    def had_elsewhere(self, each: Elsewhere) -> None:
        """Another campaign called, or somebody wrote."""
        self._of_company[each.company].append((each.opened_at, each.ended_at))
        if each.number:
            self._of_number[each.number].append((each.opened_at, NumberTry(each.ended_at, each.answered_at)))

    def never_happened(self, call_id: str) -> None:
        """What the call promised or kept is not promised, or not kept."""
        self._late[call_id] = None

    def is_gone(self, one: RecordedTry) -> None:
        """It will not be made."""
        self.never_happened(one.id)
        self._left[one.client_id] -= 1

    def happened_later(self, call_id: str, by: timedelta) -> None:
        """So is what the call promised and kept."""
        self._late[call_id] = by

    def last_at(self, client_id: int) -> datetime | None:
        """When the client was called last in the period."""
        return self._last_at.get(client_id)

    def tries_in_vain(self, client_id: int) -> list[datetime]:
        """The newest first."""
        return self._in_vain.get(client_id, [])[: -MOST_LOOKED_AT - 1 : -1]

    def promise_of(self, client_id: int, now: datetime) -> Promised | None:
        """The call that is promised to the client at that moment."""
        for promise in self._promises.get(client_id, ()):
            made, ended = self._late.get(promise.made_by or "", timedelta()), promise.settled_at
            if made is None or promise.created_at + made > now:
                continue
            if ended is not None:
                later = self._late.get(promise.settled_by or "", timedelta())
                ended = None if later is None else ended + later
            if ended is None or ended > now:
                return promise
        return None

    def promised_by(self, promise_id: int | None, client_id: int) -> str | None:
        """The call that made the promise for which another one was made."""
        promises = self._promises.get(client_id, ())
        return next((each.made_by for each in promises if each.id == promise_id), None)

    def verdict(self, client: Known, number: str, now: datetime) -> Verdict:
        """Whether this number of the client's may be dialled now, as far as the hours and the day's tries decide."""
        rules, promise = self.rules.campaign, self.promise_of(client.id, now)
        promised_at = promise.due_at if promise is not None and promise.due_at <= now else None
        verdict = of_the_hours(rules, client.zone, promised_at=promised_at, now=now)
        if verdict is not None:
            return verdict
        tries = {_SAME_NUMBER: self._tries_at(number, now)}
        return of_the_tries(rules, client.zone, company=self._today(client.company, now), numbers=tries, now=now)

    def due(self, one: RecordedTry, client: Known, now: datetime) -> Due | None:
        """When the client is tried again after this try, whose outcome is written down now."""
        disposition = self._disposition(one)
        if not is_tried_again(disposition, one.result):
            return None
        rule, promise = rule_among(self.rules.own, one.result, one.disposition), self.promise_of(client.id, now)
        return due_again(
            self.rules.campaign,
            client.zone,
            rule=rule,
            result=one.result,
            another_number=disposition.number_is_dead,
            promise=OpenPromise(promise.due_at, promise.zone, promise.id == one.callback_id) if promise else None,
            tried_today=self._today(client.company, now),
            in_vain=self.tries_in_vain(client.id) if rule.other_part else (),
            opened_at=one.opened_at,
            ended_at=one.ended_at,
            now=now,
        )

    # What follows from an outcome

    def decided_group(self, one: RecordedTry, client: Known) -> Group:
        """Where the client is after this try, by the rules."""
        return group_after(
            self.rules.campaign,
            self._disposition(one),
            self.group(client),
            result=one.result,
            answered=one.answered_at is not None,
            in_vain=len(self.tries_in_vain(client.id)),
            has_number=self._facts.moved_to.get(one.id) is not Group.NONEXISTENT,
        )

    def written(self, one: RecordedTry, client: Known, now: datetime, group: Group) -> Due | None:
        """The outcome of the try is written down now, and the client is in this group; returns when it is tried
        again."""
        self._groups[client.id] = group
        self._own(one, client, now)
        due = self.due(one, client, now)
        if due is not None and not due.of_promise:
            day = local(due.window.opens_at, self.rules.campaign.time_zone).date()
            self._retries[client.id] = day, self.keeper(client, now)
        return due

    def _own(self, one: RecordedTry, client: Known, now: datetime) -> None:
        if not becomes_owner(self._disposition(one), talked=one.talked):
            return
        owner_id, _ = self._owner(client)
        keeps_none = self.rules.campaign.owner_keeps_days == 0
        if owner_id is None or not (keeps_none or self.keeper(client, now) is not None):
            self._owners[client.id] = one.operator_id, one.opened_at

    def _disposition(self, one: RecordedTry) -> Disposition:
        return self.rules.dispositions.get(one.disposition) or Disposition(one.disposition, "", None)

    # Whose turn it is

    def group(self, client: Known) -> Group:
        """The client's group by now."""
        return self._groups.get(client.id) or client.group_at(self._facts.period.begins_at)

    def moved(self, client_id: int, group: Group) -> None:
        """Somebody has put the client into the group."""
        self._groups[client_id] = group

    def can_come_up(self, client: Known) -> bool:
        """Who may not be called today had the calls that are left, and no others."""
        return client.reachable or self._left[client.id] > 0

    def called_last(self, client: Known) -> datetime | None:
        """In the period or before it."""
        return self._last_at.get(client.id) or client.called_before

    def retry_day(self, client_id: int) -> date | None:
        """The day for which a rule has put the client into the plan."""
        return self._retries[client_id][0] if client_id in self._retries else None

    def _owner(self, client: Known) -> tuple[int | None, datetime | None]:
        if client.id in self._owners:
            return self._owners[client.id]
        since, begins_at = client.owned_since, self._facts.period.begins_at
        return (client.owner_id, since) if since is None or since < begins_at else (None, None)

    def keeper(self, client: Known, now: datetime) -> int | None:
        """Who alone may call the client."""
        owner_id, since = self._owner(client)
        rules = self.rules.campaign
        if owner_id is None or not self._works(owner_id, now):
            return None
        spoke_at = self._spoke.get((client.id, owner_id)) or client.spoke.get(owner_id)
        away = self._facts.is_away(owner_id, local(now, rules.time_zone).date())
        return owner_id if keeps(rules, away=away, owned_since=since, spoke_at=spoke_at, now=now) else None

    def _works(self, user_id: int, now: datetime) -> bool:
        """At a desk today, or until a later call."""
        person, last_call = self._callers.get(user_id), self._last_calls.get(user_id)
        return person is not None and (person.active or (last_call is not None and last_call >= now))

    def at_work(self, day: date, now: datetime) -> list[Person]:
        """Who is given clients that day."""
        return [
            person for person in self._facts.people
            if self._works(person.id, now) and not self._facts.is_away(person.id, day)
        ]  # fmt: skip

    def taken(self, day: date, now: datetime, next_midnight: datetime) -> Iterator[tuple[int | None, int]]:
        """For whom next tries wait on that day, and promised calls."""
        yield from ((operator_id, 1) for of_day, operator_id in self._retries.values() if of_day == day)
        for client_id in self._promises:
            promise = self.promise_of(client_id, now)
            if promise is not None and promise.due_at < next_midnight:
                yield promise.owner_id, 1

    def _today(self, company: int, now: datetime) -> int:
        since, count = midnight(self.rules.campaign, now), 0
        for opened_at, ended_at in reversed(self._of_company[company]):
            if opened_at < since:
                break
            count += ended_at <= now
        return count

    def _tries_at(self, number: str, now: datetime) -> list[NumberTry]:
        since, tries = midnight(self.rules.campaign, now), list[NumberTry]()
        for opened_at, tried in reversed(self._of_number[number]):
            if opened_at < since:
                break
            if tried.ended_at is not None and tried.ended_at <= now:
                tries.append(tried)
        return tries
