"""What the customer's own base tells of an organisation: addresses, competitors, past deals, who looked after it."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from crm.audit import ADDRESS_SET, COMPETITOR_CHANGED, AuditEntry
from crm.base.addresses import AddressKind, add_address, address_at, addresses_of, change_address
from crm.base.competitors import (
    Satisfaction,
    change_competitor,
    competitor_named,
    get_competitor,
    list_competitors,
    used_by,
    uses,
)
from crm.base.past_deals import add_deal, add_former_owner, deals_of, former_owners_of, read_amount
from crm.errors import Conflict, CrmError, NotFound, Refused
from crm.group import Group
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World


@pytest.fixture
async def client_id(world: World) -> int:
    return await world.client()


async def audited(world: World, action: str) -> list[dict[str, object]]:
    async with world.database.reading() as session:
        found = select(AuditEntry.details).where(AuditEntry.action == action).order_by(AuditEntry.id)
        return list(await session.scalars(found))


async def test_addresses_are_added_changed_and_taken_away(world: World, client_id: int) -> None:
    async with world.transaction() as session:
        written = " 614000,  Пермь\r\n\r\nа/я  1 "
        address = await add_address(
            session, organisation_id=client_id, kind=AddressKind.POSTAL, written=written, now=NOON
        )
        assert address.written == "614000, Пермь\nа/я 1"
        with pytest.raises(Conflict) as meanwhile:
            await change_address(session, address=address, kind=AddressKind.LEGAL, written="Омск", version=7, now=NOON)
        assert meanwhile.value.code == "record.changed_meanwhile"
        await change_address(session, address=address, kind=AddressKind.LEGAL, written="Омск", version=1, now=NOON)
        assert [(each.kind, each.written) for each in await addresses_of(session, client_id)] == [("legal", "Омск")]
        with pytest.raises(NotFound) as others:
            await address_at(session, organisation_id=99, address_id=address.id)
        assert others.value.code == "address.unknown"
        with pytest.raises(Refused) as empty:
            await add_address(session, organisation_id=client_id, kind=AddressKind.OTHER, written=" \n", now=NOON)
        assert empty.value.code == "address.empty"
        await change_address(session, address=address, kind=AddressKind.LEGAL, written="", version=2, now=NOON)
        assert await addresses_of(session, client_id) == []
    assert [each["written"] for each in await audited(world, ADDRESS_SET)] == [
        [None, "614000, Пермь\nа/я 1"], ["614000, Пермь\nа/я 1", "Омск"], ["Омск", None],
    ]  # fmt: skip


async def test_a_competitor_is_one_record_however_it_is_written(world: World, client_id: int) -> None:
    async with world.transaction() as session:
        first, _ = await competitor_named(session, "Климат-Ёж", now=NOON)
        assert (await competitor_named(session, " климат-еж ", now=NOON))[0].id == first.id
        await change_competitor(session, competitor=first, version=1, product="Кондиционеры", terms="скидка", now=NOON)
        other, _ = await competitor_named(session, "Ветерок", now=NOON)
        for name, code in (("", "competitor.needs_name"), ("КЛИМАТ-ЕЖ", "competitor.exists")):
            with pytest.raises(CrmError) as refused:
                await change_competitor(session, competitor=other, name=name, now=NOON)
            assert refused.value.code == code
        with pytest.raises(Conflict) as meanwhile:
            await change_competitor(session, competitor=first, version=1, terms="без скидки", now=NOON)
        assert meanwhile.value.code == "record.changed_meanwhile"
        with pytest.raises(Refused) as nameless:
            await competitor_named(session, " ", now=NOON)
        assert nameless.value.code == "competitor.needs_name"
        with pytest.raises(NotFound) as unknown:
            await get_competitor(session, 99)
        assert unknown.value.code == "competitor.unknown"
        await uses(session, organisation_id=client_id, competitor=first, satisfaction=Satisfaction.PARTLY, now=NOON)
        await uses(session, organisation_id=client_id, competitor=first, note="до весны", now=NOON)
        ((use, competitor),) = await used_by(session, client_id)
        assert (use.satisfaction, use.note, competitor.product) == (Satisfaction.PARTLY, "до весны", "Кондиционеры")
        assert [(each.name, count) for each, count in await list_competitors(session)] == [
            ("Ветерок", 0), ("Климат-Ёж", 1),
        ]  # fmt: skip
    assert await audited(world, COMPETITOR_CHANGED) == [{"product": ["", "Кондиционеры"], "terms": ["", "скидка"]}]


async def test_whose_product_they_use_becomes_a_record_with_the_outcome(world: World, client_id: int) -> None:
    operator = await world.operator()
    attempt_id = await world.call(client_id, operator)
    person_id = await world.person(client_id)
    form = OutcomeForm("competitor", person_id=person_id, competitor=" Климат Плюс ", reason="Довольны")
    await world.outcome(attempt_id, form, operator, at=NOON + timedelta(minutes=5))
    client = await world.get_client(client_id)
    assert client.group is Group.COMPETITOR
    async with world.database.reading() as session:
        ((use, competitor),) = await used_by(session, client.organisation_id)
        assert (competitor.name, use.satisfaction) == ("Климат Плюс", Satisfaction.UNKNOWN)


async def test_past_deals_and_who_sold(world: World, client_id: int) -> None:
    async with world.transaction() as session:
        await add_deal(session, organisation_id=client_id, made_on=date(2023, 1, 9), what="Фильтры", now=NOON)
        await add_deal(
            session, organisation_id=client_id, made_on=date(2024, 5, 1), amount=read_amount("12 500,50"),
            currency="eur", seller="Иванов", now=NOON,
        )  # fmt: skip
        deals = await deals_of(session, client_id)
        assert [(deal.amount, deal.currency, deal.seller, deal.what) for deal in deals] == [
            (Decimal("12500.50"), "EUR", "Иванов", ""), (None, "RUB", "", "Фильтры"),
        ]  # fmt: skip
        with pytest.raises(Refused) as refused:
            await add_deal(session, organisation_id=client_id, made_on=date(2024, 5, 1), currency="рубль", now=NOON)
        assert refused.value.code == "deal.currency"
        with pytest.raises(Refused) as refused:
            await add_deal(session, organisation_id=client_id, made_on=NOON.date() + timedelta(days=1), now=NOON)
        assert refused.value.code == "deal.in_the_future"
        await add_former_owner(session, client_id=client_id, name="Иванов", left_on=date(2025, 1, 1), now=NOON)
        with pytest.raises(Refused) as nobody:
            await add_former_owner(session, client_id=client_id, now=NOON)
        assert nobody.value.code == "former_owner.needs_name"
        assert [each.name for each in await former_owners_of(session, client_id)] == ["Иванов"]


@pytest.mark.parametrize(
    "written",
    [
        "много",
        "-1",
        "1e99",
        "1e999999",
        "1.00000000000000000000000000000009",
        "9" * 5_000,
        "NaN",
        "Infinity",
        "12,500",
        "12.500",
        "1,25,000",
    ],
)
def test_what_is_no_amount(written: str) -> None:
    with pytest.raises(Refused) as refused:
        read_amount(written)
    assert refused.value.code == "deal.amount"
    assert read_amount(" ") is None


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("12 500,50", "12500.50"), ("12500,5", "12500.5"), ("12,500.50", "12500.50"), ("1,250,000", "1250000"),
        ("0.05", "0.05"), ("0,125", "0.125"), ("1250.000", "1250"),
    ],
)  # fmt: skip
def test_amounts_are_read_as_both_languages_write_them(written: str, amount: str) -> None:
    assert read_amount(written) == Decimal(amount)
