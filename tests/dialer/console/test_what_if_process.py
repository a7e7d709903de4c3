"""Trying rules in a process of its own: what it says, and that it ends."""

from __future__ import annotations

import signal
from random import Random

import pytest

from crm.database import Database
from crm.preparation.campaigns import get_campaign
from crm.what_if.drafts import Draft
from crm.what_if.facts import Period
from crm.what_if.outcome import Outcome
from crm.what_if.trying import try_rules
from dialer.console.campaigns.what_if_process import BrokenOff, beside
from tests.crm.builders import NOON, World, build_world
from tests.crm.what_if.history import furnish, play

DRAFT = Draft({"attempts_a_day": 1, "group_order": "no_contact,new"})


async def a_period(world: World) -> Period:
    async with world.database.reading() as session:
        campaign = await get_campaign(session, world.campaign_id)
        return Period.of(campaign, NOON.date(), NOON.date().replace(day=30))


async def test_it_finds_what_is_found_here(database: Database) -> None:
    stage = await furnish(await build_world(database))
    await play(stage, Random(1), 4)
    period = await a_period(stage.world)
    here, there = list[Outcome | None](), list[Outcome | None]()
    async with database.reading() as session:
        campaign = await get_campaign(session, stage.world.campaign_id)
        here += [each async for each in try_rules(session, campaign, DRAFT, period)]
    async with beside(database, stage.world.campaign_id, DRAFT, period) as trial:
        there += [each async for each in trial.steps()]
    assert here[-1] == there[-1]
    assert here[-1] is not None
    assert here[-1].total.before.attempts == 4


async def test_it_ends_with_whoever_asked(database: Database) -> None:
    world = await build_world(database)
    async with beside(database, world.campaign_id, DRAFT, await a_period(world)) as trial:
        assert trial.process.returncode is None
    assert trial.process.returncode == -signal.SIGKILL


async def test_an_end_without_an_answer_is_told(database: Database) -> None:
    world = await build_world(database)
    async with beside(database, world.campaign_id, DRAFT, await a_period(world)) as trial:
        trial.process.kill()
        with pytest.raises(BrokenOff):
            [each async for each in trial.steps()]
