"""Abandoned clients are found by a rule, listed, and moved."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from crm.audit import ABANDONED_MOVED, AuditEntry
from crm.base.past_deals import add_deal, add_former_owner
from crm.care.abandoned import AbandonedRow, AbandonedRule, Reason, abandoned_clients, move_abandoned
from crm.clientele.clients import get_client
from crm.clientele.groups import MoveCause, move, moves_of
from crm.deals.deal_stages import DealStage
from crm.deals.deals import Deal, open_deal
from crm.deals.moving import Step, move_deal
from crm.errors import Refused
from crm.group import Group
from crm.office.users import User
from crm.plan.callbacks import agree
from crm.preparation.campaigns import change_campaign, get_campaign
from crm.wrap_up.contacts import Spoken, add_contact
from tests.crm.builders import NOON, World, wall

TODAY = NOON.date()
LONG_AGO, LATELY = date(2025, 3, 1), date(2026, 9, 1)
WORDS = {reason: reason.value.replace("_", " ") for reason in Reason}


async def bought(world: World, client_id: int, *days: date) -> None:
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        for day in days:
            await add_deal(session, organisation_id=client.organisation_id, made_on=day, now=NOON)


async def given(world: World, client_id: int, owner_id: int | None) -> None:
    async with world.transaction() as session:
        (await get_client(session, client_id)).owner_id = owner_id


async def spoken(world: World, client_id: int, days_ago: int) -> None:
    async with world.transaction() as session:
        await add_contact(
            session, client=await get_client(session, client_id), author_id=None, at=NOON - timedelta(days=days_ago),
            spoken=Spoken(full_name="Петрова Анна", summary="Ничего не нужно"), imported=True,
        )  # fmt: skip


async def found(world: World, *reasons: Reason, months: int = 12) -> dict[str, tuple[Reason, ...]]:
    rule = AbandonedRule(frozenset(reasons or Reason), months)
    return {row.organisation: row.reasons for row in await listed(world, rule)}


async def listed(world: World, rule: AbandonedRule) -> list[AbandonedRow]:
    async with world.database.reading() as session:
        return await abandoned_clients(session, campaign_id=world.campaign_id, rule=rule, today=TODAY)


async def test_a_contract_of_the_sales_book_counts_as_a_deal(world: World) -> None:
    operator = await world.operator()
    once, again = await world.client("Раз"), await world.client("Снова")
    await bought(world, again, LONG_AGO)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, sells_by_deals=True, now=NOON)
        for client_id, day in ((once, LONG_AGO), (again, LATELY)):
            deal = await open_deal(session, client_id=client_id, owner_id=operator, amount=Decimal(100), now=NOON)
            await move_deal(session, deal_id=deal.id, step=Step(DealStage.CONTRACT, contract_on=day), now=NOON)
            client = await get_client(session, client_id)
            await move(session, client=client, to=Group.WARM, at=NOON, cause=MoveCause.USER, author_id=None)
    assert await found(world, Reason.BOUGHT_ONCE) == {"Раз": (Reason.BOUGHT_ONCE,)}
    rows = {row.organisation: (row.deals, row.last_deal) for row in await listed(world, AbandonedRule())}
    assert rows == {"Раз": (1, LONG_AGO), "Снова": (2, LATELY)}
    async with world.transaction() as session:
        await session.execute(update(Deal).values(contract_on=LONG_AGO))
    assert set(await found(world, Reason.SILENT)) == {"Раз", "Снова"}


async def test_each_reason_finds_its_own(world: World) -> None:
    operator, gone = await world.operator(), await world.operator("Уволенный")
    async with world.transaction() as session:
        await session.execute(update(User).where(User.id == gone).values(active=False))
    once, twice, lately, left, handed, nobodys, stranger = [
        await world.client(name) for name in ("Раз", "Два", "Недавно", "Ушёл", "Передан", "Ничей", "Чужой")
    ]
    for client_id, days in (
        (once, (LONG_AGO,)), (twice, (LONG_AGO, LONG_AGO)), (lately, (LATELY,)), (left, (LATELY, LATELY)),
        (handed, (LATELY, LATELY)), (nobodys, (LATELY, LATELY)),
    ):  # fmt: skip
        await bought(world, client_id, *days)
        await given(world, client_id, operator)
    await given(world, left, gone)
    await given(world, nobodys, None)
    async with world.transaction() as session:
        await add_former_owner(session, client_id=handed, user_id=gone, now=NOON)
        await add_former_owner(session, client_id=stranger, name="Иванов", now=NOON)
    assert await found(world, Reason.BOUGHT_ONCE) == {"Раз": (Reason.BOUGHT_ONCE,)}
    assert await found(world, Reason.SILENT) == {"Раз": (Reason.SILENT,), "Два": (Reason.SILENT,)}
    assert await found(world, Reason.OWNER_LEFT) == {"Ушёл": (Reason.OWNER_LEFT,), "Чужой": (Reason.OWNER_LEFT,)}
    assert await found(world, Reason.NO_OWNER) == {"Ничей": (Reason.NO_OWNER,)}
    assert (await found(world))["Раз"] == (Reason.BOUGHT_ONCE, Reason.SILENT)
    assert await found(world, Reason.SILENT, months=36) == {}
    (row,) = [row for row in await listed(world, AbandonedRule()) if row.organisation == "Два"]
    assert (row.deals, row.last_deal, row.owner, row.group) == (2, LONG_AGO, "Анна", Group.NEW)
    (row,) = [row for row in await listed(world, AbandonedRule()) if row.organisation == "Чужой"]
    assert (row.owner, row.former_owner) == ("", "Иванов")


async def test_who_was_spoken_to_lately_is_not_silent(world: World) -> None:
    lately, long_ago = await world.client("Недавно"), await world.client("Давно")
    await spoken(world, lately, 30)
    await spoken(world, long_ago, 400)
    assert await found(world, Reason.SILENT) == {"Давно": (Reason.SILENT,)}
    called = await world.client("Звонили")
    await spoken(world, called, 400)
    await world.call(called, await world.operator())
    assert "Звонили" not in await found(world, Reason.SILENT)


async def test_whom_somebody_has_in_mind_is_left_alone(world: World) -> None:
    for name, group in (("Горячий", Group.HOT), ("Нет его", Group.NONEXISTENT), ("Уже", Group.ABANDONED)):
        await bought(world, await world.client(name, group=group), LONG_AGO)
    promised, off = await world.client("Обещали"), await world.client("Снят")
    operator = await world.operator()
    await bought(world, promised, LONG_AGO)
    await bought(world, off, LONG_AGO)
    async with world.transaction() as session:
        client = await get_client(session, promised)
        await agree(session, client=client, owner_id=operator, local_at=wall("2026-11-24 12:00"), now=NOON)
        (await get_client(session, off)).off_list_reason = "тест"
    assert await found(world) == {}


async def test_they_are_moved_by_the_rule_with_its_words(world: World) -> None:
    first, second, fresh = await world.client("Раз"), await world.client("Два"), await world.client("Свежий")
    for client_id in (first, second):
        await bought(world, client_id, LONG_AGO)
    manager = await world.operator("Рук")
    rule = AbandonedRule(frozenset({Reason.BOUGHT_ONCE, Reason.NO_OWNER}))
    for only in ([first, fresh], None):
        async with world.transaction() as session:
            moved = await move_abandoned(
                session, campaign_id=world.campaign_id, rule=rule, today=TODAY, now=NOON, words=WORDS, only=only,
                author_id=manager,
            )  # fmt: skip
        assert moved == ([first] if only else [second])
    async with world.database.reading() as session:
        (made,) = await moves_of(session, first)
        assert (made.to_group, made.cause, made.author_id) == (Group.ABANDONED, MoveCause.RULE, manager)
        assert made.note == "bought once, no owner"
        assert await moves_of(session, fresh) == []
        noted = await session.scalars(select(AuditEntry.details).where(AuditEntry.action == ABANDONED_MOVED))
        assert [each["clients"] for each in noted] == [[first], [second]]


def test_a_rule_finds_somebody_and_not_everybody() -> None:
    with pytest.raises(Refused) as nobody:
        AbandonedRule(frozenset())
    assert nobody.value.code == "abandoned.needs_reason"
    with pytest.raises(Refused) as everybody:
        AbandonedRule(months=0)
    assert everybody.value.code == "abandoned.months"


@pytest.mark.parametrize(
    ("today", "months", "since"),
    [
        (date(2026, 3, 31), 1, date(2026, 2, 28)),
        (date(2024, 3, 31), 1, date(2024, 2, 29)),
        (date(2026, 1, 15), 12, date(2025, 1, 15)),
        (date(2026, 1, 31), 2, date(2025, 11, 30)),
    ],
)
def test_months_are_counted_by_the_calendar(today: date, months: int, since: date) -> None:
    assert AbandonedRule(months=months).since(today) == since
