"""A machine that plays sales days at random: plan, claims, attempts, outcomes, corrections, callbacks, and crashes of
the service between any two steps and within them.

It keeps a little book of its own (who was promised a call for when, who was called and not written down) and holds it
against the database after every step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.attempts import Attempt, Result, finish, mark_answered, mark_invited, open_attempt, recover
from crm.clientele.clients import Client
from crm.clientele.groups import GroupMove
from crm.database import Database
from crm.day import day_plan
from crm.errors import CrmError
from crm.group import Group
from crm.office.users import Role
from crm.plan.callbacks import Callback, CallbackState, bring_due
from crm.plan.plan_entries import EntryState, PlanEntry
from crm.plan.reachable import reachable
from crm.preparation.results import OF_THE_CLIENT
from crm.time_zones import instant
from crm.wrap_up.contacts import Contact
from crm.wrap_up.outcomes import Outcome, OutcomeForm, current_outcome, possible, record, superseded
from tests.crm.builders import LEASE_S, NOON, World, build_world

OPERATORS = 3
GROUPS = (Group.NEW, Group.NEW, Group.HOT, Group.WARM, Group.ABANDONED, Group.COLD)
ZONES = ("Europe/Moscow", "Asia/Novosibirsk", "Europe/Kaliningrad")
NOT_ANSWERED = sorted(set(Result) - {Result.ANSWERED, Result.INTERRUPTED, Result.UNCERTAIN})


@dataclass(frozen=True)
class Ending:
    """How a call ends, and what is then written down."""

    result: Result
    seconds: int
    choice: int
    in_hours: int


operators = st.integers(0, OPERATORS - 1)
endings = st.builds(
    Ending,
    result=st.sampled_from([*[Result.ANSWERED] * len(NOT_ANSWERED), *NOT_ANSWERED]),
    seconds=st.integers(0, 600),
    choice=st.integers(0, 9),
    in_hours=st.integers(1, 60),
)
torn = st.sampled_from((False, False, False, True))


class Torn(Exception):
    """The power went while a transaction was under way."""


@dataclass
class Promise:
    """What the machine's own book says of a client: a call at `due_at`, by the outcome of `attempt_id`. `ended_by`: the
    attempt whose outcome put it off or withdrew it, "" while it holds."""

    id: int
    due_at: datetime
    attempt_id: str
    ended_by: str = ""


class SalesDays(RuleBasedStateMachine):
    """`new_database` gives the URL of a migrated, empty database, and removes it at the end."""

    new_database: ClassVar[Callable[[], AbstractAsyncContextManager[str]]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.opened = type(self).new_database()
        self.url = self.run(self.opened.__aenter__())
        self.now = NOON
        self.book: dict[int, list[Promise]] = {}
        # Attempts that were opened and not written down, with client and operator; of these, those that have not ended.
        self.to_write: dict[str, tuple[int, int]] = {}
        self.running: list[str] = []
        self.written: list[str] = []
        self.calls = 0

    @property
    def promised(self) -> dict[int, Promise]:
        """What holds, by client."""
        return {client_id: each for client_id, made in self.book.items() for each in made if not each.ended_by}

    @property
    def clients_to_write(self) -> set[int]:
        return {client_id for client_id, _ in self.to_write.values()}

    def run(self, work: Awaitable[Any]) -> Any:
        async def waited() -> Any:
            return await work

        return self.runner.run(waited())

    def teardown(self) -> None:
        if hasattr(self, "database"):  # not yet, where an example ends before the office opens
            self.run(self.database.dispose())
        self.run(self.opened.__aexit__(None, None, None))
        self.runner.close()

    @initialize(morning=st.lists(st.tuples(endings, st.integers(1, 5)), min_size=OPERATORS, max_size=OPERATORS))
    def open_the_office(self, morning: list[tuple[Ending, int]]) -> None:
        """Every operator begins, so that no example is of people who sit about."""
        self.run(self._furnish())
        for operator_id, (ending, steps) in zip(self.operators, morning, strict=True):
            for _ in range(steps):
                self._go_on(operator_id, ending, tear=False)

    async def _furnish(self) -> None:
        self.database = Database(self.url)
        world = World(self.database, 0, 0)
        built = await build_world(self.database)
        world.campaign_id, world.call_list_id = built.campaign_id, built.call_list_id
        self.campaign_id = world.campaign_id
        self.operators = [await world.operator(f"Оператор {number}") for number in range(OPERATORS)]
        self.manager = await world.operator("Руководитель", Role.MANAGER)
        self.clients = [
            await world.client(f"Клиент {number}", group=group, time_zone=ZONES[number % 3], phones=1 + number % 2)
            for number, group in enumerate(GROUPS)
        ]
        for client_id in self.clients:
            await world.person(client_id)
        await self._plan()

    async def _plan(self) -> None:
        async with self.database.transaction() as session:
            await day_plan.build(session, campaign_id=self.campaign_id, day=self.now.date(), now=self.now)
        await self._poll()

    async def _poll(self) -> None:
        """As the service does every few seconds."""
        async with self.database.transaction() as session:
            await day_plan.free_expired(session, now=self.now)
        async with self.database.transaction() as session:
            await bring_due(session, now=self.now)

    def write(self, work: Callable[[AsyncSession], Awaitable[Any]], *, tear: bool) -> Any:
        """One transaction, torn or refused by a rule: then `None`, and nothing may have changed."""

        async def transaction() -> Any:
            try:
                async with self.database.transaction() as session:
                    done = await work(session)
                    if tear:
                        raise Torn
                    return done
            except (CrmError, Torn):
                return None

        return self.run(transaction())

    @rule(hours=st.sampled_from((0.1, 0.4, 2.2, None)))
    def time_passes(self, hours: float | None) -> None:
        """Some hours, or until tomorrow's noon."""
        noon = self.now.replace(hour=NOON.hour, minute=0) + timedelta(days=1)
        self.now = noon if hours is None else self.now + timedelta(hours=hours)
        self.run(self._plan())

    @precondition(lambda self: self.promised)
    @rule(late_h=st.sampled_from((0, 0.2, 5, 30)))
    def a_promise_falls_due(self, late_h: float) -> None:
        """And the service comes back `late_h` hours after its minute."""
        due_at = min(promise.due_at for promise in self.promised.values())
        self.now = max(self.now, due_at + timedelta(hours=late_h))
        self.run(self._plan())

    @rule()
    def the_service_crashes(self) -> None:
        """What was in memory is gone; the calls that were on end as a restart ends them."""

        async def restart() -> None:
            await self.database.dispose()
            self.database = Database(self.url)
            async with self.database.transaction() as session:
                await recover(session, now=self.now)
            await self._plan()

        self.run(restart())
        self.running.clear()

    @rule(operator=operators, client=st.integers(0, len(GROUPS) - 1), tear=torn)
    def this_client(self, operator: int, client: int, tear: bool) -> None:
        self.write(
            lambda session: day_plan.claim_client(
                session,
                client_id=self.clients[client],
                operator_id=self.operators[operator],
                now=self.now,
                lease_s=LEASE_S,
            ),
            tear=tear,
        )

    @rule(operator=operators, tear=torn)
    def skip_the_client(self, operator: int, tear: bool) -> None:
        async def skip(session: AsyncSession) -> None:
            entry = await self._claimed(session, self.operators[operator])
            if entry is not None:
                await day_plan.skip(
                    session, entry_id=entry.id, operator_id=self.operators[operator], reason="позже", now=self.now
                )

        self.write(skip, tear=tear)

    @staticmethod
    async def _claimed(session: AsyncSession, operator_id: int) -> PlanEntry | None:
        return await session.scalar(
            select(PlanEntry).where(PlanEntry.claimed_by == operator_id, PlanEntry.state == EntryState.CLAIMED)
        )

    @rule(operator=operators, steps=st.integers(1, 8), ending=endings, tear=torn)
    def an_operator_goes_on(self, operator: int, steps: int, ending: Ending, tear: bool) -> None:
        """Takes a client, dials, ends the call, writes the outcome down, takes the next: `steps` from wherever it is;
        the last of them may be torn."""
        for step in range(1, steps + 1):
            self._go_on(self.operators[operator], ending, tear=tear and step == steps)

    def _go_on(self, operator_id: int, ending: Ending, *, tear: bool) -> None:
        on = [attempt_id for attempt_id, (_, owner) in self.to_write.items() if owner == operator_id]
        if not on:
            entry = self.run(self._claimed_of(operator_id))
            self._dial(entry.id, operator_id, tear=tear) if entry else self._take_next(operator_id, tear=tear)
        elif on[0] in self.running:
            self._end(on[0], ending, tear=tear)
        else:
            self._record(on[0], ending, corrects=False, tear=tear)

    async def _claimed_of(self, operator_id: int) -> PlanEntry | None:
        async with self.database.reading() as session:
            return await self._claimed(session, operator_id)

    def _take_next(self, operator_id: int, *, tear: bool) -> None:
        self.write(
            lambda session: day_plan.claim_next(session, operator_id=operator_id, now=self.now, lease_s=LEASE_S),
            tear=tear,
        )

    def _dial(self, entry_id: int, operator_id: int, *, tear: bool) -> None:
        async def dial(session: AsyncSession) -> tuple[str, int]:
            attempt = await open_attempt(
                session, plan_entry_id=entry_id, phone_number_id=None, operator_id=operator_id, now=self.now
            )
            return attempt.id, attempt.client_id

        opened = self.write(dial, tear=tear)
        if opened is not None:
            attempt_id, client_id = opened
            assert client_id not in self.clients_to_write, "dialled again before the last call was written down"
            self.to_write[attempt_id] = (client_id, operator_id)
            self.running.append(attempt_id)
            self.calls += 1

    def _end(self, attempt_id: str, ending: Ending, *, tear: bool) -> None:
        async def end(session: AsyncSession) -> bool:
            await mark_invited(session, attempt_id=attempt_id, now=self.now)
            if ending.result is Result.ANSWERED:
                await mark_answered(session, attempt_id=attempt_id, now=self.now)
            ended = self.now + timedelta(seconds=ending.seconds)
            await finish(session, attempt_id=attempt_id, result=ending.result, now=ended)
            return True

        if self.write(end, tear=tear):
            self.running.remove(attempt_id)

    @precondition(lambda self: self.written)
    @rule(which=st.integers(0, 20), ending=endings, tear=torn)
    def an_outcome_is_corrected(self, which: int, ending: Ending, tear: bool) -> None:
        self._record(self.written[which % len(self.written)], ending, corrects=True, tear=tear)

    def _record(self, attempt_id: str, ending: Ending, *, corrects: bool, tear: bool) -> None:
        self.now += timedelta(milliseconds=1)  # no two outcomes are written down at once

        async def write_down(session: AsyncSession) -> tuple[Attempt, OutcomeForm]:
            attempt = await session.get_one(Attempt, attempt_id)
            previous = await current_outcome(session, attempt_id)
            form = self._form(ending, answered=attempt.answered_at is not None)
            await record(
                session,
                attempt_id=attempt_id,
                form=form,
                author_id=self.manager if corrects else attempt.operator_id,
                now=self.now,
                corrects=previous.id if previous else None,
            )
            return attempt, form

        done = self.write(write_down, tear=tear)
        if done is None:
            return
        attempt, form = done
        if not corrects:
            del self.to_write[attempt_id]
            self.written.append(attempt_id)
        self._note_promise(attempt, form)

    def _form(self, ending: Ending, *, answered: bool) -> OutcomeForm:
        offered = possible(answered=answered)
        return OutcomeForm(
            disposition=offered[ending.choice % len(offered)].key,
            person_name="Сидоров Олег Иванович",
            summary="Решает директор, он в отпуске",
            reason="так сказали",
            competitor="Ветродуй",
            callback_at_local=(self.now + timedelta(hours=ending.in_hours + 8)).replace(tzinfo=None),
        )

    def _note_promise(self, attempt: Attempt, form: OutcomeForm) -> None:
        """The book. A correction takes back what its outcome promised, and what that had put off or withdrawn holds
        again. A call that reached the client keeps the promise it was made for. A new promise takes the place of the
        old, and who is not to be called is promised nothing."""
        made = self.book.setdefault(attempt.client_id, [])
        made[:] = [each for each in made if each.attempt_id != attempt.id]
        asked_off = self.run(self._is_asked_off(attempt.client_id))
        ended = [each for each in made if each.ended_by == attempt.id]
        made[:] = [each for each in made if each not in ended]
        if ended and not asked_off and attempt.client_id not in self.promised:
            made.append(replace(ended[-1], ended_by=""))
        if self._reached(attempt):
            made[:] = [each for each in made if each.ended_by or each.id != attempt.callback_id]
        promise = self.run(self._read_promise(attempt, form))
        if promise is not None or form.disposition == "do_not_call":
            for each in made:
                each.ended_by = each.ended_by or attempt.id
        if promise is not None:
            made.append(promise)

    async def _read_promise(self, attempt: Attempt, form: OutcomeForm) -> Promise | None:
        if form.disposition not in ("hot", "warm", "callback") or form.callback_at_local is None:
            return None
        async with self.database.reading() as session:
            promise = await session.scalar(
                select(Callback).where(Callback.made_by_attempt_id == attempt.id, Callback.state == CallbackState.OPEN)
            )
        if promise is None:
            assert await self._is_asked_off(attempt.client_id), "a promise was typed and is not kept"
            return None
        assert promise.due_at == instant(form.callback_at_local, promise.time_zone)
        return Promise(promise.id, promise.due_at, attempt.id)

    async def _is_asked_off(self, client_id: int) -> bool:
        async with self.database.reading() as session:
            return await session.scalar(select(Client.id).where(Client.id == client_id, *reachable()[:1])) is None

    @staticmethod
    def _reached(attempt: Attempt) -> bool:
        return attempt.answered_at is not None or attempt.result in OF_THE_CLIENT

    @invariant()
    def everything_agrees(self) -> None:
        if not hasattr(self, "database"):
            return
        if self.run(self._unseen()):
            self.run(self._poll())  # a call for it was broken off and has been written down since
        self.run(self._look())

    async def _look(self) -> None:
        async with self.database.reading() as session:
            await self._no_client_twice(session)
            await self._no_promise_lost(session)
            await self._sums_agree(session)
        assert not await self._unseen(), "a promise fell due and nobody sees it"

    async def _no_client_twice(self, session: AsyncSession) -> None:
        pending = select(Attempt.id, Attempt.client_id, Attempt.operator_id).where(Attempt.wrapped_up_at.is_(None))
        found = {attempt.id: (attempt.client_id, attempt.operator_id) for attempt in await session.execute(pending)}
        assert found == self.to_write
        claimed = list(await session.scalars(select(PlanEntry).where(PlanEntry.state == EntryState.CLAIMED)))
        assert (
            len({entry.client_id for entry in claimed}) == len({entry.claimed_by for entry in claimed}) == len(claimed)
        )
        assert self.clients_to_write <= {entry.client_id for entry in claimed}

    async def _no_promise_lost(self, session: AsyncSession) -> None:
        open_ones = list(await session.scalars(select(Callback).where(Callback.state == CallbackState.OPEN)))
        assert {each.client_id: each.due_at for each in open_ones} == {
            client_id: promise.due_at for client_id, promise in self.promised.items()
        }

    async def _unseen(self) -> set[int]:
        """Clients whose promise fell due and who could be called, but whom the plan gives to nobody."""
        due = select(Callback.client_id).where(Callback.state == CallbackState.OPEN, Callback.due_at <= self.now)
        in_the_plan = select(PlanEntry.client_id).where(
            (PlanEntry.state == EntryState.CLAIMED)
            | ((PlanEntry.state == EntryState.WAITING) & (PlanEntry.closes_at > self.now))
        )
        these = select(Client.id).where(Client.id.in_(due), Client.id.not_in(in_the_plan), *reachable())
        async with self.database.reading() as session:
            return set(await session.scalars(these))

    async def _sums_agree(self, session: AsyncSession) -> None:
        async def count(counting: Any) -> int:
            return await session.scalar(counting) or 0

        attempts = select(func.count()).select_from(Attempt)
        assert await count(attempts) == self.calls
        assert await count(select(func.count()).select_from(Outcome).where(~superseded())) == len(self.written)
        talked = select(func.count()).select_from(Attempt).where(Attempt.talked)
        assert await count(select(func.count()).select_from(Contact)) <= await count(talked)
        newest = select(func.max(GroupMove.id)).group_by(GroupMove.client_id)
        moved = select(GroupMove.client_id, GroupMove.to_group).where(GroupMove.id.in_(newest))
        last = dict((await session.execute(moved)).all())
        groups = dict((await session.execute(select(Client.id, Client.group))).all())
        assert groups == {client_id: last.get(client_id, Group.NEW) for client_id in groups}
