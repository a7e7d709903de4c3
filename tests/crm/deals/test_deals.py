"""Deals of clients: opened, changed, moved from stage to stage, won and lost."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from crm.audit import AuditEntry
from crm.clientele.clients import get_client
from crm.clientele.groups import moves_of
from crm.deals.deal_stages import OPEN, STAGE_MOVES, DealStage
from crm.deals.deals import Deal, change_deal, deals_of, get_deal, moves_of_deals, open_deal
from crm.deals.moving import Step, group_before, move_deal
from crm.errors import Conflict, CrmError, NotFound, Refused
from crm.group import Group
from crm.office.users import Role, get_user, set_active
from crm.preparation.campaign_setup import change_setup
from crm.preparation.campaigns import change_campaign, get_campaign
from tests.crm.builders import NOON, World

RUBLES = Decimal("125000.50")


@pytest.fixture
async def selling(world: World) -> World:
    """The campaign sells by deals."""
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, sells_by_deals=True, now=NOON)
    return world


async def opened(world: World, client_id: int, author_id: int, **fields: Any) -> Deal:
    async with world.transaction() as session:
        return await open_deal(session, client_id=client_id, author_id=author_id, now=NOON, **fields)


async def moved(world: World, deal_id: int, to: DealStage, *, version: int | None = None, **step: Any) -> Deal:
    async with world.transaction() as session:
        return await move_deal(session, deal_id=deal_id, step=Step(to, **step), version=version, now=NOON)


async def test_a_deal_has_the_campaigns_product_and_the_clients_owner(selling: World) -> None:
    expert, client_id = await selling.operator(role=Role.EXPERT), await selling.client()
    async with selling.transaction() as session:
        campaign = await get_campaign(session, selling.campaign_id)
        await change_setup(session, campaign=campaign, now=NOON, product="Вентиляция под ключ")
    deal = await opened(selling, client_id, expert, amount=RUBLES, expected_on=date(2026, 12, 20))
    assert (deal.product, deal.owner_id, deal.amount_minor, deal.currency) == (
        "Вентиляция под ключ", expert, 12_500_050, "RUB",
    )  # fmt: skip
    assert deal.amount == RUBLES
    async with selling.database.reading() as session:
        first = (await moves_of_deals(session, [deal.id]))[0]
        assert (first.from_stage, first.to_stage, first.author_id) == (None, DealStage.INTEREST, expert)
        told = await session.scalar(select(AuditEntry).where(AuditEntry.action == "deal.opened"))
        assert told is not None
        assert told.details["amount_minor"] == 12_500_050


async def test_a_campaign_that_sells_otherwise_has_none(world: World) -> None:
    client_id, expert = await world.client(), await world.operator()
    with pytest.raises(Refused) as refused:
        await opened(world, client_id, expert)
    assert refused.value.code == "deal.campaign_without"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": Decimal("1.005")}, "deal.amount"),
        ({"amount": Decimal("-1")}, "deal.amount"),
        ({"amount": Decimal(10**13)}, "deal.amount"),
        ({"currency": "рубль"}, "deal.currency"),
        ({"product": "т" * 501}, "deal.product_too_long"),
        ({"stage": DealStage.CONTRACT}, "deal.begins_open"),
        ({"stage": DealStage.LOST}, "deal.begins_open"),
        ({"owner_id": 999}, "deal.needs_owner"),
        ({"person_id": 999}, "person.unknown"),
        ({"note": "а" * 2001}, "deal.note_too_long"),
    ],
)
async def test_what_a_deal_cannot_be(selling: World, fields: dict[str, Any], code: str) -> None:
    client_id, expert = await selling.client(), await selling.operator()
    with pytest.raises(CrmError) as refused:
        await opened(selling, client_id, expert, **fields)
    assert refused.value.code == code
    async with selling.database.reading() as session:
        assert await deals_of(session, client_id) == []


async def test_a_deal_is_of_somebody_who_sells(selling: World) -> None:
    client_id, manager = await selling.client(), await selling.operator(role=Role.MANAGER)
    for owner_id, code in ((None, "deal.needs_owner"), (manager, "deal.cannot_own")):
        with pytest.raises(Refused) as refused:
            await opened(selling, client_id, manager, owner_id=owner_id)
        assert refused.value.code == code


async def test_where_the_clients_owner_has_left_a_deal_is_its_authors(selling: World) -> None:
    gone, expert = await selling.operator("Ушёл", Role.EXPERT), await selling.operator("Вера", Role.EXPERT)
    client_id = await selling.client()
    async with selling.transaction() as session:
        (await get_client(session, client_id)).owner_id = gone
    assert (await opened(selling, client_id, expert)).owner_id == gone
    async with selling.transaction() as session:
        await set_active(session, user=await get_user(session, gone), active=False, now=NOON)
    assert (await opened(selling, client_id, expert)).owner_id == expert


async def in_stage(world: World, stage: DealStage) -> Deal:
    deal = await opened(world, await world.client(), await world.operator(), amount=RUBLES)
    if stage is DealStage.INTEREST:
        return deal
    return await moved(world, deal.id, stage, reason="price" if stage is DealStage.LOST else "")


async def test_every_step_that_the_table_allows_and_no_other(selling: World) -> None:
    for was in DealStage:
        for to in DealStage:
            deal = await in_stage(selling, was)
            step: dict[str, Any] = {"reason": "price" if to is DealStage.LOST else "", "group_then": Group.WARM}
            if to in STAGE_MOVES[was]:
                assert (await moved(selling, deal.id, to, **step)).stage is to
            else:
                with pytest.raises(Refused) as refused:
                    await moved(selling, deal.id, to, **step)
                assert refused.value.code == "deal.no_such_step"


async def test_a_contract_needs_its_sum_and_makes_hot(selling: World) -> None:
    client_id, expert = await selling.client(group=Group.WARM), await selling.operator()
    deal = await opened(selling, client_id, expert)
    with pytest.raises(Refused) as refused:
        await moved(selling, deal.id, DealStage.CONTRACT)
    assert refused.value.code == "deal.needs_sum"
    with pytest.raises(Refused) as refused:
        await moved(selling, deal.id, DealStage.CONTRACT, amount=RUBLES, contract_on=date(2026, 11, 24))
    assert refused.value.code == "deal.day_to_come"
    won = await moved(selling, deal.id, DealStage.CONTRACT, amount=RUBLES)
    assert (won.contract_on, won.amount_minor, won.stage_since) == (date(2026, 11, 23), 12_500_050, NOON)
    assert (await selling.get_client(client_id)).group is Group.HOT
    async with selling.database.reading() as session:
        group_move = (await moves_of(session, client_id))[-1]
        last = (await moves_of_deals(session, [deal.id]))[-1]
        assert last.group_move_id == group_move.id
        assert await group_before(session, deal.id) is Group.WARM


async def test_a_contract_taken_back_asks_for_the_group(selling: World) -> None:
    client_id, expert = await selling.client(group=Group.WARM), await selling.operator()
    deal = await opened(selling, client_id, expert, amount=RUBLES)
    await moved(selling, deal.id, DealStage.CONTRACT)
    with pytest.raises(Refused) as refused:
        await moved(selling, deal.id, DealStage.NEGOTIATION)
    assert refused.value.code == "deal.needs_group"
    back = await moved(selling, deal.id, DealStage.NEGOTIATION, group_then=Group.WARM)
    assert (back.stage, back.contract_on) == (DealStage.NEGOTIATION, None)
    assert (await selling.get_client(client_id)).group is Group.WARM
    await moved(selling, deal.id, DealStage.CONTRACT)
    await moved(selling, deal.id, DealStage.LOST, reason="no_money", group_then=Group.HOT)
    assert (await selling.get_client(client_id)).group is Group.HOT


async def test_nobody_is_asked_while_another_contract_stands(selling: World) -> None:
    client_id, expert = await selling.client(), await selling.operator()
    deals = [await opened(selling, client_id, expert, amount=RUBLES) for _ in range(2)]
    for deal in deals:
        await moved(selling, deal.id, DealStage.CONTRACT)
    await moved(selling, deals[0].id, DealStage.OFFER)
    assert (await selling.get_client(client_id)).group is Group.HOT


@pytest.mark.parametrize(
    ("reason", "note", "code"),
    [
        ("", "", "deal.needs_reason"),
        ("weather", "", "deal.unknown_reason"),
        ("mistake", "", "deal.unknown_reason"),
        ("other", " ", "deal.needs_words"),
    ],
)
async def test_what_is_lost_has_a_reason(selling: World, reason: str, note: str, code: str) -> None:
    deal = await in_stage(selling, DealStage.OFFER)
    with pytest.raises(Refused) as refused:
        await moved(selling, deal.id, DealStage.LOST, reason=reason, note=note)
    assert refused.value.code == code
    lost = await moved(selling, deal.id, DealStage.LOST, reason="other", note="Закрыли направление")
    assert lost.lost_reason == "other"
    assert (await moved(selling, deal.id, DealStage.OFFER)).lost_reason == ""


async def test_whoever_saves_second_is_told(selling: World) -> None:
    deal = await in_stage(selling, DealStage.INTEREST)
    await moved(selling, deal.id, DealStage.OFFER, version=deal.version)
    with pytest.raises(Conflict) as refused:
        await moved(selling, deal.id, DealStage.NEGOTIATION, version=deal.version)
    assert refused.value.code == "deal.changed_meanwhile"
    async with selling.transaction() as session:
        with pytest.raises(Conflict):
            await change_deal(session, deal_id=deal.id, version=deal.version, product="Другое", now=NOON)
        with pytest.raises(NotFound) as unknown:
            await change_deal(session, deal_id=999, product="Другое", now=NOON)
        assert unknown.value.code == "deal.unknown"


async def test_a_change_is_audited_with_what_was(selling: World) -> None:
    deal, other = await in_stage(selling, DealStage.CONTRACT), await selling.operator()
    async with selling.transaction() as session:
        changed = await change_deal(
            session, deal_id=deal.id, now=NOON, amount=Decimal("99.90"), currency="eur", owner_id=other,
            paid_on=date(2026, 11, 20), note="  Предоплата  ",
        )  # fmt: skip
        assert (changed.amount_minor, changed.currency, changed.note) == (9990, "EUR", "Предоплата")
    async with selling.database.reading() as session:
        told = await session.scalar(select(AuditEntry).where(AuditEntry.action == "deal.changed"))
        assert told is not None
        assert told.details["amount_minor"] == [12_500_050, 9990]
        assert told.details["paid_on"] == [None, "2026-11-20"]


@pytest.mark.parametrize(
    ("stage", "changes", "code"),
    [
        (DealStage.CONTRACT, {"amount": None}, "deal.needs_sum"),
        (DealStage.CONTRACT, {"contract_on": None}, "deal.contract_day"),
        (DealStage.OFFER, {"contract_on": date(2026, 11, 1)}, "deal.no_contract"),
        (DealStage.CONTRACT, {"paid_on": date(2027, 1, 1)}, "deal.day_to_come"),
        (DealStage.OFFER, {"owner_id": 999}, "deal.needs_owner"),
    ],
)
async def test_what_a_change_cannot_make(selling: World, stage: DealStage, changes: dict[str, Any], code: str) -> None:
    deal = await in_stage(selling, stage)
    async with selling.transaction() as session:
        with pytest.raises(Refused) as refused:
            await change_deal(session, deal_id=deal.id, now=NOON + timedelta(hours=1), **changes)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE deals SET stage = 'offer'",
        "UPDATE deals SET stage = 'lost', lost_reason = 'price'",
        "DELETE FROM deals",
        "UPDATE deal_moves SET to_stage = 'offer'",
        "UPDATE deal_moves SET note = 'changed'",
        "DELETE FROM deal_moves",
        "INSERT INTO deal_moves (deal_id, from_stage, to_stage, at, cause, currency, reason, note)"
        " SELECT id, 'offer', 'negotiation', opened_at, 'user', 'RUB', '', '' FROM deals",
        "INSERT INTO deal_moves (deal_id, from_stage, to_stage, at, cause, currency, reason, note)"
        " SELECT id, NULL, 'interest', opened_at, 'user', 'RUB', '', '' FROM deals",
        "INSERT INTO deal_moves (deal_id, from_stage, to_stage, at, cause, currency, reason, note, amount_minor)"
        " SELECT id, 'interest', 'contract', opened_at, 'user', 'RUB', '', '', 100 FROM deals",
        "UPDATE deals SET amount_minor = -1",
        "UPDATE deals SET contract_on = '2026-11-23'",
    ],
)
async def test_the_database_itself_refuses(selling: World, statement: str) -> None:
    client_id, expert = await selling.client(), await selling.operator()
    deal = await opened(selling, client_id, expert)

    async def change() -> None:
        async with selling.transaction() as session:
            await session.execute(text(statement))

    with pytest.raises(DBAPIError):
        await change()
    async with selling.database.reading() as session:
        assert (await get_deal(session, deal.id)).stage in OPEN
