"""Overdue promises rise to whoever answers for the result, and none is dropped."""

from __future__ import annotations

from datetime import datetime, timedelta

from crm.clientele.clients import get_client
from crm.day.overdue import OverdueRow, overdue_count, overdue_promises
from crm.plan.callbacks import agree, bring_due
from crm.plan.silence import off_list
from crm.preparation.campaigns import add_campaign, change_campaign, get_campaign
from tests.crm.builders import NOON, World, wall

DUE = NOON + timedelta(hours=1)
OVERDUE = DUE + timedelta(minutes=15)


async def promise(world: World, client_id: int, owner_id: int) -> None:
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        await agree(session, client=client, owner_id=owner_id, local_at=wall("2026-11-23T15:00"), now=NOON)


async def shown(world: World, now: datetime) -> tuple[OverdueRow, ...]:
    async with world.database.reading() as session:
        rows = await overdue_promises(session, now=now)
        assert await overdue_count(session, now=now) == len(rows)
    return rows


async def test_after_the_campaigns_minutes_and_not_before(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    await promise(world, client_id, operator)
    assert await shown(world, OVERDUE - timedelta(seconds=1)) == ()
    (row,) = await shown(world, OVERDUE)
    assert (row.client_id, row.organisation, row.owner) == (client_id, "Северный ветер", "Анна")
    assert (row.local_at, row.due_at, row.verdict.allowed) == (wall("2026-11-23T15:00"), DUE, True)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NOON, overdue_to_all_min=60)
        await add_campaign(session, name="Другая", now=NOON, overdue_to_all_min=1)
    assert await shown(world, OVERDUE) == ()
    assert len(await shown(world, DUE + timedelta(minutes=60))) == 1


async def test_one_whose_client_cannot_be_called_is_in_no_plan_and_is_shown_with_the_reason(world: World) -> None:
    operator, silent, closed = await world.operator(), await world.client(), await world.client("Ночная")
    for client_id in (silent, closed):
        await promise(world, client_id, operator)
    await world.silence(silent)
    async with world.transaction() as session:
        assert len(await bring_due(session, now=OVERDUE)) == 1
    reasons = {row.client_id: row.verdict.code for row in await shown(world, OVERDUE)}
    assert reasons == {silent: "dial.do_not_call", closed: ""}
    night = datetime.fromisoformat("2026-11-24T03:00+05:00")
    assert {row.client_id: row.verdict.code for row in await shown(world, night)}[closed] == "dial.hours"


async def test_one_that_was_withdrawn_is_shown_no_more(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    await promise(world, client_id, operator)
    async with world.transaction() as session:
        await off_list(session, client=await get_client(session, client_id), reason="конкурент", now=OVERDUE)
    assert await shown(world, OVERDUE) == ()


async def test_the_oldest_come_first_and_all_are_counted(world: World) -> None:
    operator = await world.operator()
    clients = [await world.client(f"Клиент {number}") for number in range(3)]
    for client_id in clients:
        await promise(world, client_id, operator)
    async with world.database.reading() as session:
        rows = await overdue_promises(session, now=OVERDUE, limit=2)
        assert [row.client_id for row in rows] == clients[:2]
        assert await overdue_count(session, now=OVERDUE) == 3
