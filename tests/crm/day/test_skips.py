"""A skip of just now is taken back, whole or not at all."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select

from crm import audit
from crm.audit import AuditEntry
from crm.clientele.clients import get_client
from crm.day.day_plan import build, claim_client, claim_next, skip
from crm.day.skips import skipped_just_now, undo_skip
from crm.errors import Conflict
from crm.plan import callbacks
from crm.plan.plan_entries import EntryState, PlanEntry
from tests.crm.builders import LEASE_S, NOON, World

DAY = date(2026, 11, 23)
SOON = NOON + timedelta(seconds=9)


async def skipped_entry(world: World, operator_id: int, now: datetime = NOON) -> int:
    async with world.transaction() as session:
        entry = await claim_next(session, operator_id=operator_id, now=now, lease_s=LEASE_S)
        assert entry is not None
        await skip(session, entry_id=entry.id, operator_id=operator_id, reason="дубль", now=now)
        return entry.id


async def undone(world: World, entry_id: int, operator_id: int, now: datetime) -> PlanEntry:
    async with world.transaction() as session:
        return await undo_skip(session, entry_id=entry_id, operator_id=operator_id, now=now, lease_s=LEASE_S)


async def plan(world: World) -> None:
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=DAY, now=NOON)


async def test_a_skipped_client_is_the_operators_again_and_both_are_on_record(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await plan(world)
    entry_id = await skipped_entry(world, anna)
    async with world.transaction() as session:
        offered = await skipped_just_now(session, operator_id=anna, now=SOON)
    assert offered is not None
    assert (offered.entry_id, offered.organisation) == (entry_id, "Северный ветер")
    entry = await undone(world, entry_id, anna, SOON)
    assert (entry.state, entry.claimed_by, entry.client_id) == (EntryState.CLAIMED, anna, client_id)
    assert (entry.reason, entry.done_at) == ("", None)
    async with world.transaction() as session:
        assert await skipped_just_now(session, operator_id=anna, now=SOON) is None
        noted = await session.scalars(
            select(AuditEntry.action).where(AuditEntry.subject == f"plan_entry:{entry_id}").order_by(AuditEntry.id)
        )
        assert list(noted) == [audit.PLAN_SKIPPED, audit.PLAN_SKIP_UNDONE]


async def test_a_skipped_promise_comes_back_at_its_own_minute(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    async with world.transaction() as session:
        await callbacks.agree(
            session,
            client=await get_client(session, client_id),
            owner_id=anna,
            local_at=datetime(2026, 11, 23, 14, 30),  # noqa: DTZ001 - the client's clock
            now=NOON,
        )
    due = NOON + timedelta(minutes=31)
    async with world.transaction() as session:
        await callbacks.bring_due(session, now=due)
        entry = await claim_next(session, operator_id=anna, now=due, lease_s=LEASE_S)
        assert entry is not None
        hours = entry.opens_at, entry.closes_at
    entry_id = await skipped_entry(world, anna, due)
    entry = await undone(world, entry_id, anna, due + timedelta(seconds=5))
    assert (entry.opens_at, entry.closes_at) == hours
    assert entry.claimed_by == anna


async def test_after_ten_seconds_or_by_another_it_stays_skipped(world: World) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    await world.client()
    await plan(world)
    entry_id = await skipped_entry(world, anna)
    for operator_id, now in ((anna, NOON + timedelta(seconds=10)), (boris, SOON)):
        with pytest.raises(Conflict) as conflict:
            await undone(world, entry_id, operator_id, now)
        assert conflict.value.code == "plan.skip_stays"


async def test_nobody_is_robbed_of_a_client_by_an_undo(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await plan(world)
    entry_id = await skipped_entry(world, anna)
    async with world.transaction() as session:
        await claim_client(session, client_id=client_id, operator_id=boris, now=NOON, lease_s=LEASE_S)
    with pytest.raises(Conflict) as conflict:
        await undone(world, entry_id, anna, SOON)
    assert conflict.value.code == "plan.changed_meanwhile"
