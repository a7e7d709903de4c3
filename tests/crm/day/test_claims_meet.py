"""A claim that meets another transaction about the same client: it is stepped past, or the other one sees the claim."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.do_not_call import ask
from crm.base.organisations import Organisation
from crm.base.whom import Whom
from crm.care.merging import merge
from crm.clientele.clients import Client, hold_clients_of
from crm.day.day_plan import build, claim_next
from crm.errors import CrmError
from crm.group import Group
from crm.plan.plan_entries import PlanEntry
from tests.crm.builders import LEASE_S, NOON, World
from tests.crm.overlap import overlap

FIRST, SECOND = 1, 2  # organisations, and their clients


async def _asked_off(session: AsyncSession) -> None:
    """As far as it gets before it looks at the plan."""
    await hold_clients_of(session, [FIRST])
    await ask(session, whom=Whom.ORGANISATION, target=FIRST, evidence="письмо", now=NOON)


async def _being_merged(session: AsyncSession) -> None:
    await session.get(Organisation, FIRST, with_for_update=True)
    await session.execute(update(Client).where(Client.id == FIRST).values(off_list_reason="= Альфа"))


@pytest.fixture
async def operator(world: World) -> int:
    """Who is to be given the first of two clients."""
    operator = await world.operator()
    await world.client("Первая", group=Group.HOT)
    await world.client("Вторая", group=Group.COLD)
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
    return operator


@pytest.mark.parametrize("decide", [_asked_off, _being_merged])
async def test_whom_somebody_is_deciding_about_is_stepped_past(
    world: World, operator: int, decide: Callable[[AsyncSession], Awaitable[None]]
) -> None:
    async def claim(session: AsyncSession) -> PlanEntry | None:
        return await claim_next(session, operator_id=operator, now=NOON, lease_s=LEASE_S)

    _, entry = await overlap(world.database, decide, claim)
    assert entry is not None
    assert entry.client_id == SECOND


async def test_a_merge_sees_the_claim_of_that_moment(world: World, operator: int) -> None:
    async def claim(session: AsyncSession) -> PlanEntry | None:
        return await claim_next(session, operator_id=operator, now=NOON, lease_s=LEASE_S)

    async def merged(session: AsyncSession) -> object:
        return await merge(session, survivor_id=SECOND, duplicate_id=FIRST, now=NOON)

    entry, refused = await overlap(world.database, claim, merged)
    assert entry.client_id == FIRST
    assert isinstance(refused, CrmError)
    assert refused.code == "merge.being_called"
