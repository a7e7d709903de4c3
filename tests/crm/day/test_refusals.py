"""What a refusal means for the plan: who goes out of it, who comes back, and that a promise keeps the plan out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.phone_numbers import NumberState, PhoneNumber
from crm.calls.refusals import REFUSALS
from crm.care.editing import add_numbers
from crm.clientele.clients import Client, get_client
from crm.clientele.groups import MoveCause, move
from crm.database import Database
from crm.day import day_plan
from crm.errors import ERRORS, Finding, Refused
from crm.group import Group
from crm.plan.callbacks import agree
from crm.plan.plan_entries import EntryState, PlanEntry
from tests.crm.builders import LEASE_S, NOON, World, wall

DAY = NOON.date()
IN_FOUR_DAYS = wall("2026-11-27T15:00")
Step = Callable[[AsyncSession, Client], Awaitable[object]]


async def build(world: World) -> int:
    async with world.transaction() as session:
        return await day_plan.build(session, campaign_id=world.campaign_id, day=DAY, now=NOON)


async def claimed(world: World, operator_id: int) -> int | None:
    async with world.transaction() as session:
        entry = await day_plan.claim_next(session, operator_id=operator_id, now=NOON, lease_s=LEASE_S)
        return entry.client_id if entry else None


def test_the_table_knows_every_refusal() -> None:
    assert set(REFUSALS) == {code for code in ERRORS if code.startswith("dial.")}


async def no_number(session: AsyncSession, client: Client) -> None:
    await session.execute(update(PhoneNumber).values(state=NumberState.DEAD))


async def another_number(session: AsyncSession, client: Client) -> None:
    await add_numbers(session, organisation_id=client.organisation_id, written="+7 342 200-77-77", now=NOON)


async def into(session: AsyncSession, client: Client, group: Group) -> None:
    await move(session, client=client, to=group, at=NOON, cause=MoveCause.USER, author_id=None)


async def nonexistent(session: AsyncSession, client: Client) -> None:
    await into(session, client, Group.NONEXISTENT)


async def warm(session: AsyncSession, client: Client) -> None:
    await into(session, client, Group.WARM)


@pytest.mark.parametrize(
    ("code", "broken", "mended"),
    [("dial.no_number", no_number, another_number), ("dial.nonexistent", nonexistent, warm)],
)
async def test_who_went_out_of_the_plan_comes_back_once_the_reason_is_gone(
    world: World, code: str, broken: Step, mended: Step
) -> None:
    anna, client_id = await world.operator(), await world.client()
    assert await build(world) == 1
    async with world.transaction() as session:
        await broken(session, await get_client(session, client_id))
    assert await claimed(world, anna) is None
    async with world.database.reading() as session:
        (left,) = await session.scalars(select(PlanEntry))
    assert (left.state, left.reason) == (EntryState.DROPPED, code)
    assert await build(world) == 0
    async with world.transaction() as session:
        seen = await day_plan.recent_changes(session, now=NOON)
        await mended(session, await get_client(session, client_id))
    assert await build(world) == 1
    assert await claimed(world, anna) == client_id
    if code == "dial.no_number":  # a new number brings the client in soon, without waiting for the plan's next round
        async with world.database.reading() as session:
            assert await day_plan.recent_changes(session, now=NOON) > seen


async def test_a_promise_keeps_out_a_plan_that_was_built_while_it_was_made(world: World, database_url: str) -> None:
    anna, client_id = await world.operator(), await world.client()
    other = Database(database_url)
    async with other.transaction() as session:
        client = await get_client(session, client_id, lock=True)
        await agree(session, client=client, owner_id=anna, local_at=IN_FOUR_DAYS, now=NOON)
        building = asyncio.create_task(build(world))
        if other.engine.dialect.name == "postgresql":  # SQLite has one writer: the plan waits for the promise
            assert await building == 1
    await building
    await other.dispose()
    assert await claimed(world, anna) is None
    async with world.database.reading() as session:
        assert list(await session.scalars(select(PlanEntry).where(PlanEntry.state != EntryState.DROPPED))) == []


@pytest.mark.parametrize(("step", "goes"), [(None, False), (nonexistent, True)])
async def test_a_client_picked_by_hand_stays_on_the_card_for_what_only_has_to_wait(
    world: World, step: Step | None, goes: bool
) -> None:
    operator, client_id, at_night = await world.operator(), await world.client(), NOON.replace(hour=20)
    async with world.transaction() as session:
        entry = await day_plan.claim_client(
            session, client_id=client_id, operator_id=operator, now=at_night, lease_s=LEASE_S
        )
        if step is not None:
            await step(session, await get_client(session, client_id))
        given_up = await day_plan.give_up_refused(session, entry_id=entry.id, operator_id=operator, now=at_night)
        assert (given_up, entry.state) == (goes, EntryState.WAITING if goes else EntryState.CLAIMED)


async def test_who_is_to_be_called_at_once_and_cannot_be_is_refused_by_name_with_the_reason(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    async with world.transaction() as session:
        await day_plan.assert_callable(session, client_id=client_id, operator_id=operator, now=NOON)
    for at, step, why in ((NOON.replace(hour=20), None, "dial.hours"), (NOON, nonexistent, "dial.nonexistent")):
        async with world.transaction() as session:
            client = await get_client(session, client_id)
            if step is not None:
                await step(session, client)
            with pytest.raises(Refused) as refused:
                await day_plan.assert_callable(session, client_id=client_id, operator_id=operator, now=at)
        reason = refused.value.params["reason"]
        assert isinstance(reason, Finding)
        assert (refused.value.code, reason.code) == ("plan.not_now", why)
        assert str(refused.value.params["name"])
