"""The sums of the sales book, against an independent count of the same deals in plain Python."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal

import pytest

from crm.clientele.clients import get_client
from crm.deals.deal_stages import OPEN, STAGE_MOVES, DealStage
from crm.deals.deals import change_deal, open_deal
from crm.deals.lost_reasons import USUAL
from crm.deals.moving import Step, move_deal
from crm.errors import NotFound
from crm.group import Group
from crm.office.users import Role
from crm.preparation.campaigns import change_campaign, get_campaign
from crm.reading import sales_book
from crm.reading.sales_book import BookFilters, DealDay
from crm.reading.scope import Scope
from tests.crm.builders import NOON, World

DEALS, MOVES = 60, 150
TODAY = NOON.date()


@pytest.fixture
async def told(world: World) -> dict[int, dict[str, object]]:
    """Deals and moves at random; what each should be now, as this function counted along."""
    chance, facts = random.Random(20261123), dict[int, dict[str, object]]()
    owners = [await world.operator(f"Продавец {number}", Role.EXPERT) for number in range(3)]
    clients = await world.clients(12)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, sells_by_deals=True, now=NOON)
        for client_id in clients:
            (await get_client(session, client_id)).owner_id = chance.choice(owners)
        for number in range(DEALS):
            amount = None if number % 7 == 0 else Decimal(chance.randrange(10**9)) / 100
            fact: dict[str, object] = {
                "client_id": chance.choice(clients), "owner_id": chance.choice(owners), "stage": chance.choice(OPEN),
                "amount": amount, "currency": chance.choice(("RUB", "RUB", "EUR")), "product": f"Товар {number % 3}",
                "expected_on": TODAY + timedelta(days=chance.randrange(-40, 40)),
            }  # fmt: skip
            deal = await open_deal(session, now=NOON - timedelta(days=number), **fact)  # type: ignore[arg-type]
            facts[deal.id] = {**fact, "reason": "", "contract_on": None, "opened": (NOON - timedelta(number)).date()}
        for _ in range(MOVES):
            deal_id = chance.choice(list(facts))
            fact = facts[deal_id]
            was = fact["stage"]
            assert isinstance(was, DealStage)
            to = chance.choice(sorted(STAGE_MOVES[was]))
            reason = chance.choice([key for key in USUAL if key != "other"]) if to is DealStage.LOST else ""
            if to is DealStage.CONTRACT and fact["amount"] is None:
                fact["amount"] = Decimal("77.77")
                await change_deal(session, deal_id=deal_id, amount=Decimal("77.77"), now=NOON)
            signed = TODAY - timedelta(days=chance.randrange(90)) if to is DealStage.CONTRACT else None
            step = Step(to, reason=reason, contract_on=signed, group_then=Group.WARM)
            await move_deal(session, deal_id=deal_id, step=step, now=NOON)
            fact.update(stage=to, reason=reason, contract_on=signed)
    return facts


def minor(fact: dict[str, object]) -> int:
    return int((fact["amount"] or Decimal(0)) * 100)  # type: ignore[operator]


async def test_every_sum_is_that_of_its_rows(world: World, told: dict[int, dict[str, object]]) -> None:
    owner = next(iter(told.values()))["owner_id"]
    assert isinstance(owner, int)
    whole = list(told.values())
    async with world.database.reading() as session:
        for filters, mine in (
            (BookFilters(), whole),
            (BookFilters(owner_id=owner), [fact for fact in whole if fact["owner_id"] == owner]),
            (BookFilters(product="Товар 1"), [fact for fact in whole if fact["product"] == "Товар 1"]),
            (BookFilters(stages=frozenset(OPEN)), [fact for fact in whole if fact["stage"] in OPEN]),
        ):
            rows = await sales_book.book_rows(session, filters=filters)
            assert sorted((row.stage, row.amount_minor or 0, row.lost_reason) for row in rows) == sorted(
                (fact["stage"], minor(fact), fact["reason"]) for fact in mine
            )
            deals, amounts, unknown = Counter[object](), Counter[object](), Counter[object]()
            for fact in mine:
                place = (fact["currency"], fact["stage"])
                deals[place] += 1
                amounts[place] += minor(fact)
                unknown[place] += fact["amount"] is None
            sums = await sales_book.sums(session, filters=filters)
            assert {(each.currency, each.stage): (each.deals, each.amount_minor, each.unknown) for each in sums} == {
                place: (deals[place], amounts[place], unknown[place]) for place in deals
            }


async def test_what_was_won_and_lost(world: World, told: dict[int, dict[str, object]]) -> None:
    won, lost = defaultdict[object, list[int]](list), defaultdict[object, list[int]](list)
    for fact in told.values():
        day = fact["contract_on"]
        if isinstance(day, date):
            won[day.year, day.month, fact["currency"]].append(minor(fact))
        if fact["stage"] is DealStage.LOST:
            lost[fact["reason"], fact["currency"]].append(minor(fact))
    assert len(won) > 2, "the deals at random have something to count"
    assert len(lost) > 4
    async with world.database.reading() as session:
        months = await sales_book.won_by_month(session, filters=BookFilters(), today=TODAY)
        campaign = await get_campaign(session, world.campaign_id)
        assert {(each.year, each.month, each.currency): (each.deals, each.amount_minor) for each in months} == {
            month: (len(amounts), sum(amounts)) for month, amounts in won.items()
        }
        this_month = next(each for each in months if each.month == TODAY.month)
        assert this_month.working_days == campaign.working_days(TODAY.replace(day=1), TODAY)
        reasons = await sales_book.lost_by_reason(session, filters=BookFilters())
        assert {(each.reason, each.currency): (each.deals, each.amount_minor) for each in reasons} == {
            key: (len(amounts), sum(amounts)) for key, amounts in lost.items()
        }


@pytest.mark.parametrize(
    ("by", "column"),
    [(DealDay.OPENED, "opened"), (DealDay.EXPECTED, "expected_on"), (DealDay.CONTRACT, "contract_on")],
)
async def test_a_period_is_of_the_day_that_was_asked_for(
    world: World, told: dict[int, dict[str, object]], by: DealDay, column: str
) -> None:
    first, last = TODAY - timedelta(days=20), TODAY - timedelta(days=3)
    within = {
        deal_id for deal_id, fact in told.items() if isinstance(day := fact[column], date) and first <= day <= last
    }
    assert within
    filters = BookFilters(by=by, first=first, last=last, time_zone="Europe/Moscow")
    async with world.database.reading() as session:
        assert {row.id for row in await sales_book.book_rows(session, filters=filters)} == within


@pytest.mark.parametrize("by", list(DealDay))
async def test_pages_hold_each_deal_once_in_the_order_of_the_file(
    world: World, told: dict[int, dict[str, object]], by: DealDay
) -> None:
    filters, seen, after = BookFilters(by=by), list[int](), None
    async with world.database.reading() as session:
        while True:
            page = await sales_book.book_page(session, filters=filters, after=after, limit=7)
            seen += [row.id for row in page.rows]
            after = page.next_after
            if after is None:
                break
        assert seen == [row.id for row in await sales_book.book_rows(session, filters=filters)]
    assert sorted(seen) == sorted(told)


async def test_a_caller_reads_the_own_deals_and_those_of_own_clients(
    world: World, told: dict[int, dict[str, object]]
) -> None:
    owner = next(iter(told.values()))["owner_id"]
    assert isinstance(owner, int)
    scope = Scope(owner, Role.EXPERT)
    async with world.database.reading() as session:
        owned = {client_id: (await get_client(session, client_id)).owner_id for client_id in range(1, 13)}
        theirs = {
            deal_id
            for deal_id, fact in told.items()
            if fact["owner_id"] == owner or owned[fact["client_id"]] == owner  # type: ignore[index]
        }
        assert {row.id for row in await sales_book.book_rows(session, filters=BookFilters(), scope=scope)} == theirs
        other = next(iter(set(told) - theirs))
        with pytest.raises(NotFound):
            await sales_book.deal_row(session, other, scope=scope)
        assert (await sales_book.deal_row(session, min(theirs), scope=scope)).id == min(theirs)
