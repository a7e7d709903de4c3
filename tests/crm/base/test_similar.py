"""Who looks alike, and a client entered by hand after that question."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from crm.audit import CLIENT_ENTERED, AuditEntry
from crm.base.organisations import get_organisation
from crm.base.people import people_at
from crm.base.phone_numbers import numbers_of
from crm.base.similar import Ground, Similar, Sought, similar_to
from crm.errors import Conflict, Refused
from crm.importing.clients import import_clients
from crm.importing.entering import Entered, Entry, enter_client, sought_of, take_in
from crm.importing.mapping import guess_mapping
from crm.importing.tables import read_table
from crm.preparation.call_lists import ListState, set_list_state
from crm.preparation.campaigns import get_campaign
from tests.crm.builders import NOON, World

ROMASHKA = Entry(
    name="ООО «Ромашка»", list_name="Первый", city="Пермь", tax_number="5904123456", site="https://www.romashka.ru",
    email="info@romashka.ru", phones="8 (342) 200-12-34, 200-12-35 доб. 7", person="Петрова Анна", position="директор",
    decides=True, source="Газета",
)  # fmt: skip


async def enter(world: World, entry: Entry, *, though_alike: bool = False) -> Entered:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        return await enter_client(session, campaign=campaign, entry=entry, now=NOON, though_alike=though_alike)


async def alike(world: World, sought: Sought) -> list[Similar]:
    async with world.database.reading() as session:
        return await similar_to(session, sought)


async def test_a_client_is_entered_by_hand(world: World) -> None:
    entered = await enter(world, ROMASHKA)
    async with world.database.reading() as session:
        organisation = await get_organisation(session, entered.organisation.id)
        assert (organisation.time_zone, organisation.tax_key) == ("Asia/Yekaterinburg", "5904123456")
        (person,) = await people_at(session, organisation.id)
        assert (person.full_name, person.position, person.decides) == ("Петрова Анна", "директор", True)
        numbers = [
            (number.e164, number.extension, number.rank) for number in await numbers_of(session, organisation.id)
        ]
        assert numbers == [("+73422001234", "", 0), ("+73422001235", "7", 1)]
        entries = await session.scalars(select(AuditEntry.action))
        assert list(entries).count(CLIENT_ENTERED) == 1
    assert (entered.client.call_list_id, entered.alike) == (world.call_list_id, [])


@pytest.mark.parametrize(
    ("sought", "grounds"),
    [
        (Sought(phones=("+73422001235",)), [Ground.PHONE]),
        (Sought(tax_number="5904-123456"), [Ground.TAX_NUMBER]),
        (Sought(site="romashka.ru/contacts"), [Ground.DOMAIN]),
        (Sought(email="INFO@romashka.ru"), [Ground.EMAIL]),
        (Sought(name="РОМАШКА, ООО"), [Ground.NAME]),
        (Sought(name="Рамашка"), [Ground.NAME]),
        (Sought(name="Ром"), [Ground.NAME]),  # somebody is still typing
        (
            Sought(name="Ромашка", site="romashka.ru", tax_number="5904123456"),
            [Ground.TAX_NUMBER, Ground.DOMAIN, Ground.NAME],
        ),
        (Sought(name="Ромул и братья"), []),
        (Sought(name="Лютик", tax_number="нет", site="-", email="нет"), []),
        (Sought(), []),
    ],
)
async def test_who_looks_alike_is_found(world: World, sought: Sought, grounds: list[Ground]) -> None:
    await enter(world, ROMASHKA)
    found = await alike(world, sought)
    assert [each.grounds for each in found] == ([grounds] if grounds else [])


async def test_those_with_something_in_common_come_first_then_the_same_city(world: World) -> None:
    for city in ("Омск", "Пермь", "Томск"):
        await enter(world, Entry(name="Ромашка", list_name="Первый", city=city))
    await enter(world, Entry(name="Лютик", list_name="Первый", tax_number="5904123456"))
    found = await alike(world, Sought(name="Ромашка", city="Пермь", tax_number="5904123456"))
    assert [(each.name, each.city) for each in found[:2]] == [("Лютик", ""), ("Ромашка", "Пермь")]
    assert len(found) == 4


async def test_what_is_in_common_stops_the_entry_until_it_is_meant(world: World) -> None:
    await enter(world, ROMASHKA)
    other = Entry(name="Лютик", list_name="Первый", phones="+7 342 200-12-34")
    with pytest.raises(Conflict) as refused:
        await enter(world, other)
    assert (refused.value.code, refused.value.params) == ("client.alike", {"names": "ООО «Ромашка»"})
    entered = await enter(world, other, though_alike=True)
    assert [each.name for each in entered.alike] == ["ООО «Ромашка»"]


async def test_a_name_alone_stops_nobody(world: World) -> None:
    await enter(world, Entry(name="Ромашка", list_name="Первый"))
    assert [each.grounds for each in (await enter(world, Entry(name="ООО Ромашка", list_name="Первый"))).alike] == [
        [Ground.NAME]
    ]


async def test_what_is_missing_is_refused(world: World) -> None:
    with pytest.raises(Refused) as refused:
        await enter(world, Entry(name="Ромашка", list_name=" "))
    assert refused.value.code == "client.needs_list"
    with pytest.raises(Refused) as refused:
        await enter(world, Entry(name="  ", list_name="Первый"))
    assert refused.value.code == "organisation.needs_name"


async def test_nobody_is_added_to_a_list_that_was_handed_in(world: World) -> None:
    async with world.transaction() as session:
        (await get_campaign(session, world.campaign_id)).lists_need_approval = True
        await set_list_state(session, call_list_id=world.call_list_id, to=ListState.SUBMITTED, now=NOON)
    with pytest.raises(Refused) as refused:
        await enter(world, ROMASHKA)
    assert (refused.value.code, refused.value.params) == ("client.list_closed", {"list": "Первый"})


async def test_an_organisation_that_is_known_is_taken_in(world: World) -> None:
    entered = await enter(world, ROMASHKA)
    with pytest.raises(Conflict) as refused:
        async with world.transaction() as session:
            await take_in(
                session, campaign=await get_campaign(session, world.campaign_id),
                organisation=await get_organisation(session, entered.organisation.id), list_name="Второй", now=NOON,
            )  # fmt: skip
    assert refused.value.code == "client.exists"
    async with world.database.reading() as session:
        assert (
            await similar_to(
                session, await sought_of(session, entered.organisation.id), except_id=entered.organisation.id
            )
            == []
        )


async def test_an_import_writes_the_keys_too(world: World) -> None:
    for cells in ("Ромашка;8 342 200-12-34;;", "Ромашка;8 342 200-12-34;romashka.ru;5904123456"):
        table = read_table(f"название;телефон;сайт;инн\n{cells}\n".encode())
        async with world.transaction() as session:
            campaign = await get_campaign(session, world.campaign_id)
            await import_clients(
                session,
                campaign=campaign,
                table=table,
                mapping=guess_mapping(table.header),
                list_name="Первый",
                now=NOON,
            )
    (found,) = await alike(world, Sought(name="ромашка", site="romashka.ru", tax_number="5904123456"))
    assert found.grounds == [Ground.TAX_NUMBER, Ground.DOMAIN, Ground.NAME]
