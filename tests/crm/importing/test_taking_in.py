"""Clients taken in while others take in, or approve, at the same moment: by hand, by files, by a bulk action."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.care.bulk_actions import BulkKind, Wanted, carry_out
from crm.clientele.clients import Client
from crm.errors import CrmError
from crm.importing.clients import import_clients
from crm.importing.entering import Entry, enter_client
from crm.importing.mapping import guess_mapping
from crm.importing.tables import read_table
from crm.preparation.call_lists import CallList, ListState, list_named, set_list_state
from crm.preparation.campaigns import Campaign, add_campaign, get_campaign
from crm.reading.client_list import ClientFilters
from tests.crm.builders import NOON, World
from tests.crm.overlap import overlap


@pytest.fixture
async def world(world: World) -> World:
    """Its campaign calls only approved lists."""
    async with world.transaction() as session:
        await session.execute(update(Campaign).values(lists_need_approval=True))
    return world


async def enter(session: AsyncSession, campaign_id: int) -> int:
    campaign = await get_campaign(session, campaign_id)
    entry = Entry(name="Ромашка", list_name="Первый", tax_number="5902183094", phones="+7 342 200-12-34")
    return (await enter_client(session, campaign=campaign, entry=entry, now=NOON)).client.id


async def take_file(session: AsyncSession, campaign_id: int) -> list[str]:
    """Import one company; the codes of what was refused."""
    table = read_table("list;code;name;phone\nПервый;1;Ромашка;+7 342 200-12-34".encode(), delimiter=";")
    campaign = await get_campaign(session, campaign_id)
    report = await import_clients(
        session, campaign=campaign, table=table, mapping=guess_mapping(table.header), now=NOON
    )
    return [problem.code for row in report.refused for problem in row.problems]


async def approve(session: AsyncSession, call_list_id: int) -> None:
    await set_list_state(session, call_list_id=call_list_id, to=ListState.APPROVED, by="Заказчик", now=NOON)


async def clients_on(world: World, call_list_id: int) -> int:
    async with world.database.reading() as session:
        return await session.scalar(select(func.count()).where(Client.call_list_id == call_list_id)) or 0


async def organisations(world: World) -> int:
    async with world.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(Organisation)) or 0


async def test_nobody_is_entered_on_a_list_that_is_approved_at_this_moment(world: World) -> None:
    _, refused = await overlap(
        world.database,
        lambda session: approve(session, world.call_list_id),
        lambda session: enter(session, world.campaign_id),
    )
    assert isinstance(refused, CrmError)
    assert refused.code == "client.list_closed"
    assert await clients_on(world, world.call_list_id) == 0


async def test_nor_by_a_file(world: World) -> None:
    _, refused = await overlap(
        world.database,
        lambda session: approve(session, world.call_list_id),
        lambda session: take_file(session, world.campaign_id),
    )
    assert refused == ["row.list_closed"]
    assert await clients_on(world, world.call_list_id) == 0


async def test_nor_by_a_bulk_action(world: World) -> None:
    await world.client()
    async with world.transaction() as session:
        second = (await list_named(session, campaign_id=world.campaign_id, name="Второй")).id

    async def put_on_it(session: AsyncSession) -> None:
        filters, wanted = ClientFilters(campaign_id=world.campaign_id), Wanted(BulkKind.LIST, str(second))
        await carry_out(session, filters=filters, wanted=wanted, seen=None, now=NOON)

    _, refused = await overlap(world.database, lambda session: approve(session, second), put_on_it)
    assert isinstance(refused, CrmError)
    assert refused.code == "bulk.list_closed"
    assert await clients_on(world, second) == 0


async def test_a_list_is_approved_with_whom_is_entered_on_it_at_this_moment(world: World) -> None:
    """The customer's signature waits for them, and stands for what is then on the list."""
    client_id, approved = await overlap(
        world.database,
        lambda session: enter(session, world.campaign_id),
        lambda session: approve(session, world.call_list_id),
    )
    assert isinstance(client_id, int)
    assert approved is None
    assert await clients_on(world, world.call_list_id) == 1


async def test_of_two_decisions_about_a_list_the_second_sees_the_first(world: World) -> None:
    async with world.transaction() as session:
        await set_list_state(session, call_list_id=world.call_list_id, to=ListState.SUBMITTED, now=NOON)

    async def give_back(session: AsyncSession) -> None:
        await set_list_state(session, call_list_id=world.call_list_id, to=ListState.RETURNED, remarks="не те", now=NOON)

    _, refused = await overlap(world.database, give_back, lambda session: approve(session, world.call_list_id))
    assert isinstance(refused, CrmError)
    assert refused.code == "list.wrong_state"
    async with world.database.reading() as session:
        assert (await session.get_one(CallList, world.call_list_id)).state is ListState.RETURNED


async def test_two_clicks_enter_one_client(world: World) -> None:
    client_id, refused = await overlap(
        world.database,
        lambda session: enter(session, world.campaign_id),
        lambda session: enter(session, world.campaign_id),
    )
    assert isinstance(client_id, int)
    assert isinstance(refused, CrmError)
    assert refused.code == "client.alike"
    assert await organisations(world) == 1


async def test_two_files_for_two_campaigns_make_one_organisation(world: World) -> None:
    async with world.transaction() as session:
        second = (await add_campaign(session, name="Вторая", now=NOON)).id
    ends = await overlap(
        world.database,
        lambda session: take_file(session, world.campaign_id),
        lambda session: take_file(session, second),
    )
    assert ends == ([], [])
    assert await organisations(world) == 1
    async with world.database.reading() as session:
        assert set(await session.scalars(select(Client.campaign_id))) == {world.campaign_id, second}
