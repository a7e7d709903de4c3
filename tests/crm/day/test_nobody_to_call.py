"""Why an operator is given no client."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crm.clientele.clients import get_client
from crm.database import Database
from crm.day.day_plan import build
from crm.day.nobody_to_call import why_nobody
from crm.plan.callbacks import agree, bring_due
from crm.preparation.call_lists import ListState, set_list_state
from crm.preparation.campaigns import get_campaign, set_calendar_day
from tests.crm.builders import NOON, World, build_world, wall

SUNDAY = NOON - timedelta(days=1)


async def reason(world: World, operator_id: int, now: datetime = NOON) -> tuple[str, datetime | None]:
    async with world.database.reading() as session:
        verdict = await why_nobody(session, operator_id=operator_id, now=now)
    assert not verdict.allowed
    return verdict.code, verdict.next_at


async def plan(world: World, now: datetime = NOON) -> None:
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=now.date(), now=now)


async def test_nobody_has_been_brought_in(world: World) -> None:
    assert await reason(world, await world.operator()) == ("nobody.no_clients", None)


async def test_no_list_has_been_approved(database: Database) -> None:
    world = await build_world(database, lists_need_approval=True)
    operator = await world.operator()
    await world.client()
    await plan(world)
    assert await reason(world, operator) == ("nobody.not_approved", None)
    async with world.transaction() as session:
        await set_list_state(session, call_list_id=world.call_list_id, to=ListState.SUBMITTED, now=NOON)
        await set_list_state(session, call_list_id=world.call_list_id, to=ListState.APPROVED, now=NOON, by="Орлова")
    assert await reason(world, operator) == ("nobody.all_done", None)


async def test_it_is_too_early_where_they_are(world: World) -> None:
    operator = await world.operator()
    await world.client(time_zone="Europe/Moscow")
    before_work = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)  # 7:30 in Moscow
    await plan(world, before_work)
    assert await reason(world, operator, before_work) == ("nobody.yet", datetime(2026, 11, 23, 6, tzinfo=UTC))


async def test_another_operators_promise_is_no_reason_to_wait(world: World) -> None:
    operator, other = await world.operator(), await world.operator()
    client_id = await world.client()
    at = NOON + timedelta(hours=1)
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        await agree(session, client=client, owner_id=operator, local_at=wall("2026-11-23 15:00"), now=NOON)
    async with world.transaction() as session:
        await bring_due(session, now=at)
    # Brought to the front for its owner; for the others it is not there until it is overdue.
    assert (await reason(world, other, at))[0] == "nobody.all_done"


async def test_a_day_off(world: World) -> None:
    operator = await world.operator()
    await world.client()
    await plan(world, SUNDAY)
    monday_nine = datetime(2026, 11, 23, 6, tzinfo=UTC)
    assert await reason(world, operator, SUNDAY) == ("nobody.day_off", monday_nine)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await set_calendar_day(session, campaign=campaign, day=SUNDAY.date(), works=True, reason="выставка", now=SUNDAY)
    assert (await reason(world, operator, SUNDAY))[0] == "nobody.all_done"
