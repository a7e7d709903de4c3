"""A change of many that meets another transaction about the same clients."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm.care.bulk_actions import BulkAction, BulkKind, Wanted, carry_out
from crm.day.day_plan import build
from crm.errors import CrmError
from crm.office.users import get_user
from crm.plan.handovers import switch_off
from crm.plan.plan_entries import EntryState, PlanEntry
from crm.reading.client_list import ClientFilters
from tests.crm.builders import NOON, World
from tests.crm.overlap import overlap

SOUGHT = ClientFilters(text="фирма")


async def test_each_waiting_for_the_other_both_come_to_their_end(world: World) -> None:
    """Somebody goes through the plan in another order than the change does: one of the two is ended and begun anew."""
    first, second = await world.client("Фирма А"), await world.client("Фирма Б")
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)

    async def through_the_plan(session: AsyncSession, client_id: int = second) -> None:
        await session.execute(update(PlanEntry).where(PlanEntry.client_id == client_id).values(reason="иначе"))

    async def further(session: AsyncSession) -> None:
        await through_the_plan(session, first)

    async def silence(session: AsyncSession) -> BulkAction:
        wanted = Wanted(BulkKind.DO_NOT_CALL, "письмо")
        return await carry_out(session, filters=SOUGHT, wanted=wanted, seen=None, now=NOON)

    _, action = await overlap(world.database, through_the_plan, silence, then=further, anew=True)
    assert action.changed == 2
    assert await world.is_silent(first)
    assert await world.is_silent(second)
    async with world.database.reading() as session:
        assert list(await session.scalars(select(PlanEntry.state))) == [EntryState.DROPPED] * 2


async def test_nobody_is_given_to_who_is_switched_off_at_that_moment(world: World) -> None:
    anna, client_id = await world.operator(), await world.client("Фирма А")

    async def off(session: AsyncSession) -> None:
        await switch_off(session, user=await get_user(session, anna), hand_over_to=None, now=NOON)

    async def give(session: AsyncSession) -> BulkAction:
        wanted = Wanted(BulkKind.OWNER, str(anna))
        return await carry_out(session, filters=SOUGHT, wanted=wanted, seen=None, now=NOON)

    _, refused = await overlap(world.database, off, give)
    assert isinstance(refused, CrmError)
    assert refused.code == "bulk.not_an_owner"
    assert (await world.get_client(client_id)).owner_id is None
