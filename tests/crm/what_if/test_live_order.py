"""Whom the plan would have brought is whom it brings where the rules are switched on: days are played at random by the
plan, tried under other rules of its order, and played once more for real under those, choice by choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import select

from crm.base.organisations import Organisation
from crm.calls.attempts import mark_invited, open_attempt
from crm.calls.retry_rules import DEFAULTS, Rule, set_rules
from crm.clientele.clients import Client
from crm.database import Database
from crm.day.day_plan import build, claim_next
from crm.group import Group
from crm.plan.outcome_chain import Outcome
from crm.preparation.campaigns import change_campaign, get_campaign
from crm.preparation.plan_rules import SharesBy
from crm.preparation.results import Result
from crm.what_if.as_it_was import AsItWas, look_back
from crm.what_if.clock import Choice, Decision
from crm.what_if.drafts import Draft, drafted, present
from crm.what_if.facts import Facts, Period
from crm.what_if.replay import Replay
from crm.what_if.trying import read_all
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import LEASE_S, NOON, World, build_world
from tests.crm.test_sales_day import IN_SOAK
from tests.crm.what_if.history import Stage, end, write

CALLS = 14
CALLS_IN_SOAK = 200
DAYS = 3
FIRST = NOON + timedelta(days=1)  # clients come into their groups at noon
GROUPS = (Group.NEW, Group.NEW, Group.NEW, Group.WARM, Group.COLD, Group.NO_CONTACT)
ZONES = ("Europe/Moscow", "Asia/Yekaterinburg", "")
INDUSTRIES = ("Торговля", "Транспорт", "")
OTHER_ORDER = "no_contact,cold,new,abandoned,warm,hot"
# What holds, and what is tried.
TRIALS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({}, {"group_order": OTHER_ORDER}),
    ({}, {"shares_by": SharesBy.INDUSTRY, "shares": "Торговля 30; Транспорт 60", "group_order": "new,cold,warm"}),
    ({}, {"calls_a_day": 2, "tries_to_no_contact": 1}),
    ({"calls_a_day": 3}, {"shares_by": SharesBy.INDUSTRY, "shares": "Транспорт 100", "group_order": OTHER_ORDER}),
    ({"calls_a_day": 4, "tries_to_no_contact": 1}, {"calls_a_day": None, "tries_to_no_contact": 2}),
    ({}, {"owner_keeps_days": 0, "group_order": "warm,no_contact,new", "calls_from": time(11), "attempts_a_day": 1}),
)


async def furnish(world: World, columns: dict[str, Any], *, clients: int) -> Stage:
    """The same clients every time, and no next tries by rule, which would come before those of the groups."""
    callers = [await world.operator(f"Оператор {number}") for number in range(3)]
    made = []
    for number in range(clients):
        client_id = await world.client(
            f"Клиент {number}", group=GROUPS[number % len(GROUPS)], time_zone=ZONES[number // 2 % len(ZONES)]
        )
        await world.person(client_id)
        made.append(client_id)
    async with world.transaction() as session:
        for number, client_id in enumerate(made):
            client = await session.get_one(Client, client_id)
            client.created_at = NOON - timedelta(days=9)
            organisation = await session.get_one(Organisation, client.organisation_id)
            organisation.industry = INDUSTRIES[number % len(INDUSTRIES)]
        campaign = await get_campaign(session, world.campaign_id, lock=True)
        await change_campaign(session, campaign=campaign, now=NOON, **columns)
        never = {(result, ""): Rule(None) for result in DEFAULTS}
        await set_rules(session, campaign=campaign, rules=never, now=NOON)
    return Stage(world, callers, made)


async def planned(stage: Stage, at: datetime) -> None:
    """As the scheduler does after midnight."""
    async with stage.world.transaction() as session:
        midnight = (at + timedelta(hours=3)).replace(hour=0, minute=0) - timedelta(hours=3)
        await build(session, campaign_id=stage.world.campaign_id, day=(at + timedelta(hours=3)).date(), now=midnight)


async def claimed(stage: Stage, caller: int, now: datetime) -> tuple[int, int] | None:
    """Entry and client that the plan gives to the caller; as in the service, what the plan lacks comes in."""
    for _ in range(2):
        async with stage.world.transaction() as session:
            entry = await claim_next(session, operator_id=caller, now=now, lease_s=LEASE_S)
            if entry is not None:
                return entry.id, entry.client_id
            await build(session, campaign_id=stage.world.campaign_id, day=(now + timedelta(hours=3)).date(), now=now)
    return None


async def dial(stage: Stage, entry_id: int, caller: int, now: datetime) -> str:
    async with stage.world.transaction() as session:
        attempt = await open_attempt(session, plan_entry_id=entry_id, phone_number_id=None, operator_id=caller, now=now)
        await mark_invited(session, attempt_id=attempt.id, now=now)
        return attempt.id


async def play(stage: Stage, random: Random, calls: int) -> int:
    """So many calls on some days, each of whom the plan gives; returns how many there were."""
    made = 0
    for day in range(DAYS):
        now = FIRST.replace(hour=5) + timedelta(days=day)
        await planned(stage, now)
        for _ in range(calls // DAYS + 1):
            now += timedelta(minutes=random.choice((11, 17, 60)))
            caller = random.choice(stage.callers)
            found = await claimed(stage, caller, now)
            if found is not None:
                await _call(stage, found[0], caller, random, now)
                made += 1
    return made


async def _call(stage: Stage, entry_id: int, caller: int, random: Random, now: datetime) -> None:
    attempt_id = await dial(stage, entry_id, caller, now)
    result = random.choice((Result.ANSWERED, Result.NO_ANSWER, Result.BUSY, Result.TRUNK_FAILURE))
    ended_at = now + timedelta(seconds=random.choice((15, 200)))
    await end(stage, attempt_id, result, ended_at, answered=result is Result.ANSWERED)
    form = OutcomeForm("no_contact")
    if result is Result.ANSWERED:
        far = (NOON + timedelta(days=30)).replace(tzinfo=None)
        form = random.choice(
            (
                OutcomeForm("cold", reason="дорого"),
                OutcomeForm("not_main", person_name="Сидоров Олег Иванович", summary="Решает директор, он в отпуске"),
                OutcomeForm("callback", callback_at_local=far),
                OutcomeForm("no_contact"),
            )
        )
    await write(stage, attempt_id, form, ended_at + timedelta(seconds=5))


async def tried(stage: Stage, columns: dict[str, Any]) -> tuple[Replay, list[Decision | Choice], int]:
    """What other rules would have made of it, every choice and decision, and how many clients came up in turn."""
    told: list[Decision | Choice] = []
    async with stage.world.database.reading() as session:
        campaign = await get_campaign(session, stage.world.campaign_id)
        facts = Facts(Period.of(campaign, FIRST.date(), FIRST.date() + timedelta(days=DAYS - 1)))
        before, after = await present(session, campaign), await drafted(session, campaign, Draft(columns))
        async for _ in read_all(session, facts, before, after, with_order=True):
            pass
        was = AsItWas()
        for _ in look_back(facts, before, was, with_order=True):
            pass
        replay = Replay(facts, after, was, with_order=True, told=told.append, chose=told.append)
        for _ in replay.run():
            pass
    return replay, told, len(was.in_turn)


@dataclass
class Again:
    """The stage on which the changed rules hold. `forms`: what was written down, by attempts of the first stage;
    `other`: its clients, by those of the first one."""

    stage: Stage
    forms: dict[str, OutcomeForm]
    other: dict[int, int]
    callers: dict[int, int]
    days: set[object] = field(default_factory=set)
    held: dict[int, tuple[int, int]] = field(default_factory=dict)
    called: dict[int, str] = field(default_factory=dict)

    async def choice(self, told: Choice) -> None:
        """The plan gives the same client."""
        if told.at.date() not in self.days:
            self.days.add(told.at.date())
            await planned(self.stage, told.at)
        caller = self.callers[told.operator_id]
        found = await claimed(self.stage, caller, told.at)
        expected = self.other[told.client_id] if told.client_id is not None else None
        assert (found[1] if found else None) == expected, told
        if found is not None and told.client_id is not None:
            self.held[told.client_id] = found[0], caller

    async def decision(self, told: Decision) -> None:
        """The call is made, or written down, and the client is in the same group."""
        client_id, one = told.one.client_id, told.one
        if told.verdict is not None:
            assert told.verdict.allowed
            entry_id, caller = self.held.pop(client_id)
            attempt_id = self.called[client_id] = await dial(self.stage, entry_id, caller, told.at)
            ended_at = told.at + (one.ended_at - one.opened_at)
            await end(self.stage, attempt_id, one.result, ended_at, answered=one.answered_at is not None)
            return
        form = self.forms.get(one.id, OutcomeForm("no_contact"))
        await write(self.stage, self.called.pop(client_id), form, told.at)
        async with self.stage.world.database.reading() as session:
            group = await session.scalar(select(Client.group).where(Client.id == self.other[client_id]))
        assert group == told.group, told


@pytest.mark.parametrize("number", range(len(TRIALS)))
async def test_the_plan_brings_whom_a_replay_says(database: Database, number: int, other: Database) -> None:
    columns, changed = TRIALS[number]
    calls = CALLS_IN_SOAK if settings.get_current_profile_name() == IN_SOAK else CALLS
    stage = await furnish(await build_world(database), columns, clients=calls)
    made = await play(stage, Random(number), calls)
    replay, told, in_turn = await tried(stage, changed)
    assert in_turn == made
    there = await furnish(await build_world(other), columns | changed, clients=calls)
    async with database.reading() as session:
        forms = {
            each.attempt_id: OutcomeForm(
                each.disposition, callback_at_local=each.callback_at_local, person_name=each.full_name,
                summary=each.summary, reason=each.reason,
            )
            for each in await session.scalars(select(Outcome))
        }  # fmt: skip
    again = Again(
        there, forms, dict(zip(stage.clients, there.clients, strict=True)),
        dict(zip(stage.callers, there.callers, strict=True)),
    )  # fmt: skip
    for each in told:
        await (again.choice(each) if isinstance(each, Choice) else again.decision(each))
    assert len([each for each in told if isinstance(each, Choice)]) == made
    assert replay.outcome.differences
