"""What a replay says would have been is what the real functions do where the rules are switched on: days are played at
random, tried under other rules, and played once more for real under those, decision by decision."""

from __future__ import annotations

from datetime import time
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import select

from crm.calls.retry_rules import Rule
from crm.database import Database
from crm.plan.outcome_chain import Outcome
from crm.plan.plan_entries import EntryKind
from crm.preparation.campaigns import get_campaign
from crm.preparation.results import Result
from crm.what_if.as_it_was import AsItWas, look_back
from crm.what_if.clock import Decision
from crm.what_if.drafts import Draft, drafted, present
from crm.what_if.facts import Facts, Period
from crm.what_if.outcome import Outcome as Found
from crm.what_if.replay import Replay
from crm.what_if.trying import read_all
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, build_world
from tests.crm.test_sales_day import IN_SOAK
from tests.crm.what_if.history import Again, Stage, furnish, play

CALLS = 10
CALLS_IN_SOAK = 200
DRAFTS = (
    Draft({"attempts_a_day": 2, "gap_min": 20}, {(Result.BUSY, ""): Rule(25), (Result.NO_ANSWER, ""): Rule(45)}),
    Draft(
        {"calls_from": time(10), "calls_until": time(15), "number_attempts_a_day": 2, "calls_on_days_off": True},
        {(Result.BUSY, ""): Rule(None), (Result.ANSWERED, "no_contact"): Rule(90)},
    ),
    Draft(
        {"attempts_a_day": 5, "number_attempts_a_day": 4, "gap_min": 1, "calls_until": time(20)},
        {(Result.NO_ANSWER, ""): Rule(15), (Result.DECLINED, ""): Rule(30, other_part=True)},
    ),
)


async def tried(stage: Stage, draft: Draft) -> tuple[Found, list[Decision], Facts]:
    """What the draft would have made of the days that were played."""
    decisions: list[Decision] = []
    async with stage.world.database.reading() as session:
        campaign = await get_campaign(session, stage.world.campaign_id)
        facts = Facts(Period.of(campaign, NOON.date(), NOON.date().replace(day=30)))
        before, after = await present(session, campaign), await drafted(session, campaign, draft)
        async for _ in read_all(session, facts, before, after, with_order=False):
            pass
        was = AsItWas()
        for _ in look_back(facts, before, was):
            pass
        assert was.allowed == {one.id for one in facts.tries}
        replay = Replay(facts, after, was, told=decisions.append)
        for _ in replay.run():
            pass
    return replay.outcome, decisions, facts


async def forms_of(stage: Stage) -> dict[str, OutcomeForm]:
    async with stage.world.database.reading() as session:
        return {
            each.attempt_id: OutcomeForm(
                each.disposition, callback_at_local=each.callback_at_local, person_name=each.full_name,
                summary=each.summary,
            )
            for each in await session.scalars(select(Outcome))
        }  # fmt: skip


def as_planned(told: Decision) -> tuple[Any, ...] | None:
    if told.due is None:
        return None
    kind = EntryKind.CALLBACK if told.due.of_promise else EntryKind.RETRY
    return kind, told.due.window.opens_at, told.due.window.closes_at


@pytest.mark.parametrize("number", range(len(DRAFTS)))
async def test_a_replay_decides_as_the_real_functions_do(database: Database, number: int, other: Database) -> None:
    draft, stage = DRAFTS[number], await furnish(await build_world(database))
    calls = CALLS_IN_SOAK if settings.get_current_profile_name() == IN_SOAK else CALLS
    await play(stage, Random(number), calls)
    found, decisions, facts = await tried(stage, draft)
    assert len(facts.tries) == calls
    there = await furnish(await build_world(other), draft)
    again = Again(there, await forms_of(stage), dict(zip(stage.clients, there.clients, strict=True)))
    again.free = list(there.callers)
    refused = 0
    for told in decisions:
        if told.verdict is None:
            assert await again.due(told) == as_planned(told), told
            continue
        said = await again.verdict(told)
        assert (said.allowed, said.code, said.next_at) == (
            told.verdict.allowed,
            told.verdict.code,
            told.verdict.next_at,
        )
        if said.allowed:
            await again.carry_out(told)
        refused += not said.allowed
    assert refused or found.differences
