"""Sales days that are played at random by the real functions, and once more under other rules as a replay decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.phone_numbers import PhoneNumber
from crm.calls.attempts import Attempt, finish, mark_answered, mark_invited, open_attempt
from crm.calls.dial_rules import Verdict, may_dial
from crm.calls.retry_rules import set_rules
from crm.clientele.clients import Client
from crm.day.day_plan import claim_client
from crm.errors import CrmError
from crm.plan.callbacks import bring_due
from crm.plan.plan_entries import EntryKind, EntryState, PlanEntry, active_entries
from crm.preparation.campaigns import Campaign, change_campaign, get_campaign
from crm.preparation.results import Result
from crm.what_if.clock import Decision
from crm.what_if.drafts import Draft
from crm.wrap_up.outcomes import OutcomeForm, record
from tests.crm.builders import LEASE_S, NOON, World

ZONES = ("Europe/Moscow", "Asia/Novosibirsk", "Europe/Kaliningrad")
RESULTS = (
    Result.ANSWERED, Result.ANSWERED, Result.NO_ANSWER, Result.NO_ANSWER, Result.BUSY, Result.BUSY, Result.DECLINED,
    Result.UNAVAILABLE, Result.TRUNK_FAILURE,
)  # fmt: skip


@dataclass
class Stage:
    """A campaign with clients and callers, on which history is played. `calls`: ids of the attempts by those of another
    stage, `numbers`: of the clients' first numbers."""

    world: World
    callers: list[int]
    clients: list[int]
    numbers: dict[int, str] = field(default_factory=dict)


async def furnish(world: World, draft: Draft | None = None) -> Stage:
    """The same stage every time; with the draft its rules hold from the beginning."""
    callers = [await world.operator(f"Оператор {number}") for number in range(6)]
    clients = [await world.client(f"Клиент {number}", time_zone=zone) for number, zone in enumerate(ZONES * 2)]
    for client_id in clients:
        await world.person(client_id)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id, lock=True)
        await change_campaign(session, campaign=campaign, now=NOON, owner_keeps_days=0)
        if draft is not None:
            await switch_on(session, campaign, draft)
        found = await session.execute(
            select(Client.id, PhoneNumber.e164).join(PhoneNumber, PhoneNumber.organisation_id == Client.organisation_id)
        )
        numbers = dict(found.all())
    return Stage(world, callers, clients, numbers)


async def switch_on(session: AsyncSession, campaign: Campaign, draft: Draft) -> None:
    """As saving the rules does."""
    await change_campaign(session, campaign=campaign, now=NOON, **draft.columns)
    await set_rules(session, campaign=campaign, rules=draft.retries, now=NOON)


async def play(stage: Stage, random: Random, calls: int) -> None:
    """So many calls, one after the other, mostly at moments at which something is due."""
    now, made, tried = NOON.replace(hour=5), 0, 0
    while made < calls and tried < 40 * calls:
        tried += 1
        now = await _later(stage, random, now)
        client_id = await _due_client(stage, now) if random.random() < 0.7 else None
        made += await _call(stage, client_id or random.choice(stage.clients), random, now)


async def _later(stage: Stage, random: Random, now: datetime) -> datetime:
    if random.random() < 0.6:
        async with stage.world.database.reading() as session:
            waiting = select(PlanEntry.opens_at).where(PlanEntry.state == EntryState.WAITING, PlanEntry.opens_at > now)
            soonest = await session.scalar(waiting.order_by(PlanEntry.opens_at).limit(1))
        if soonest is not None and soonest < now + timedelta(hours=6):
            return soonest + timedelta(minutes=random.choice((0, 0, 7)))
    return now + timedelta(minutes=random.choice((4, 11, 35, 150)))


async def _due_client(stage: Stage, now: datetime) -> int | None:
    async with stage.world.transaction() as session:
        await bring_due(session, now=now)
        waiting = select(PlanEntry.client_id).where(PlanEntry.state == EntryState.WAITING, PlanEntry.opens_at <= now)
        return await session.scalar(waiting.order_by(PlanEntry.rank, PlanEntry.opens_at, PlanEntry.id).limit(1))


async def _call(stage: Stage, client_id: int, random: Random, now: datetime) -> bool:
    """Whether there was one: the rules may refuse it."""
    result, seconds = random.choice(RESULTS), random.choice((15, 40, 200))
    try:
        attempt_id = await dial(stage, client_id, stage.callers[0], now)
    except CrmError:
        return False
    ended_at = now + timedelta(seconds=seconds)
    await end(stage, attempt_id, result, ended_at, answered=result is Result.ANSWERED)
    written_at = ended_at + timedelta(seconds=random.choice((5, 70)))
    form = OutcomeForm("no_contact")
    if random.random() < 0.3:
        local_at = (written_at + timedelta(hours=random.choice((50, 60, 75)))).replace(tzinfo=None)
        form = OutcomeForm("callback", callback_at_local=local_at + timedelta(hours=7))
    elif result is Result.ANSWERED and random.random() < 0.5:
        form = OutcomeForm("not_main", person_name="Сидоров Олег Иванович", summary="Решает директор, он в отпуске")
    await write(stage, attempt_id, form, written_at)
    return True


async def dial(stage: Stage, client_id: int, caller: int, now: datetime) -> str:
    async with stage.world.transaction() as session:
        await bring_due(session, now=now)
        entry = await claim_client(session, client_id=client_id, operator_id=caller, now=now, lease_s=LEASE_S)
        attempt = await open_attempt(session, plan_entry_id=entry.id, phone_number_id=None, operator_id=caller, now=now)
        await mark_invited(session, attempt_id=attempt.id, now=now)
        return attempt.id


async def end(stage: Stage, attempt_id: str, result: Result, ended_at: datetime, *, answered: bool) -> None:
    async with stage.world.transaction() as session:
        if answered:
            await mark_answered(session, attempt_id=attempt_id, now=ended_at - timedelta(seconds=10))
        await finish(session, attempt_id=attempt_id, result=result, now=ended_at)


async def write(stage: Stage, attempt_id: str, form: OutcomeForm, at: datetime) -> None:
    async with stage.world.transaction() as session:
        attempt = await session.get_one(Attempt, attempt_id)
        await record(session, attempt_id=attempt_id, form=form, author_id=attempt.operator_id, now=at)


@dataclass
class Again:
    """The stage on which decisions of a replay are carried out for real, and what the real functions say to each."""

    stage: Stage
    forms: dict[str, OutcomeForm]
    other: dict[int, int]
    free: list[int] = field(default_factory=list)
    busy: dict[tuple[int, datetime], tuple[str, int]] = field(default_factory=dict)

    async def verdict(self, told: Decision) -> Verdict:
        """What `may_dial` says at that moment."""
        client_id = self.other[told.one.client_id]
        async with self.stage.world.database.reading() as session:
            return await may_dial(session, client_id=client_id, operator_id=self.free[-1], now=told.at)

    async def carry_out(self, told: Decision) -> None:
        """Dial, if it is allowed."""
        client_id, caller = self.other[told.one.client_id], self.free.pop()
        later = told.at - told.one.opened_at
        attempt_id = await dial(self.stage, client_id, caller, told.at)
        self.busy[told.one.client_id, told.one.written_at + later] = attempt_id, caller
        await end(
            self.stage, attempt_id, told.one.result, told.one.ended_at + later,
            answered=told.one.answered_at is not None,
        )  # fmt: skip

    async def due(self, told: Decision) -> tuple[Any, ...] | None:
        """Write the outcome down, and read what the plan has of it: kind, opening and closing."""
        attempt_id, caller = self.busy.pop((told.one.client_id, told.at))
        self.free.append(caller)
        form = self.forms.get(told.one.id, OutcomeForm("no_contact"))
        await write(self.stage, attempt_id, form, told.at)
        async with self.stage.world.database.reading() as session:
            found = await active_entries(session, self.other[told.one.client_id])
        rows = [(each.kind, each.opens_at, each.closes_at) for each in found if each.kind is not EntryKind.HANDPICKED]
        assert len(rows) <= 1
        return rows[0] if rows else None
