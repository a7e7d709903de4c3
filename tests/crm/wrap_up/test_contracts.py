"""A contract that is written down with the outcome of a call, in one transaction, and goes with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from crm.calls.attempts import Result
from crm.calls.disposition_sets import set_disposition
from crm.clientele.groups import moves_of
from crm.deals.deal_stages import DealStage, MoveCause
from crm.deals.deals import Deal, deals_of, moves_of_deals, open_deal
from crm.deals.lost_reasons import MISTAKE
from crm.deals.moving import Step, move_deal
from crm.errors import CrmError
from crm.group import Group
from crm.office.users import Role
from crm.plan.dispositions import Ask
from crm.preparation.campaigns import change_campaign, get_campaign
from crm.reading import sales_book
from crm.reading.sales_book import BookFilters
from crm.wrap_up.contracts import Signed
from crm.wrap_up.correcting import as_it_stands
from crm.wrap_up.outcomes import Outcome, OutcomeForm, load_draft
from crm.wrap_up.undo import undo
from tests.crm.builders import LEASE_S, NOON, World

SAVED = NOON + timedelta(minutes=5)
LATER = NOON + timedelta(hours=3)
SUM = Decimal("12500.50")
NEW = Signed(product="Монтаж", amount=SUM, on=date(2026, 11, 20))
HOT = OutcomeForm("hot", signed=NEW)


@pytest.fixture
async def selling(world: World) -> World:
    """The campaign sells by deals; its outcome "signed" acts like "hot" and requires a contract."""
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, sells_by_deals=True, now=NOON)
        await set_disposition(
            session, campaign_id=world.campaign_id, key="signed", like="hot", label_ru="Договор",
            label_en="Contract", required=[Ask.CONTRACT], now=NOON,
        )  # fmt: skip
    return world


async def deals(world: World, client_id: int) -> list[Deal]:
    async with world.database.reading() as session:
        return await deals_of(session, client_id)


async def steps(world: World, deal: Deal) -> list[tuple[DealStage, MoveCause]]:
    async with world.database.reading() as session:
        return [(move.to_stage, move.cause) for move in await moves_of_deals(session, [deal.id])]


async def begun(world: World, client_id: int, owner_id: int) -> Deal:
    async with world.transaction() as session:
        return await open_deal(
            session, client_id=client_id, author_id=owner_id, owner_id=owner_id, amount=Decimal(100), now=NOON
        )


async def saved(world: World, form: OutcomeForm, client_id: int, caller: int) -> Outcome:
    attempt_id = await world.call(client_id, caller)
    return await world.outcome(attempt_id, form, caller, at=SAVED)


async def test_an_expert_writes_a_contract_down_with_the_outcome(selling: World) -> None:
    egor, client_id = await selling.operator(role=Role.EXPERT), await selling.client(group=Group.WARM)
    deal = await begun(selling, client_id, egor)
    await saved(selling, replace(HOT, signed=Signed(deal.id, amount=SUM)), client_id, egor)
    (signed,) = await deals(selling, client_id)
    assert (signed.stage, signed.amount, signed.contract_on) == (DealStage.CONTRACT, SUM, NOON.date())
    assert await steps(selling, deal) == [
        (DealStage.INTEREST, MoveCause.USER), (DealStage.CONTRACT, MoveCause.CALL),
    ]  # fmt: skip
    async with selling.database.reading() as session:
        made = [(move.from_group, move.to_group) for move in await moves_of(session, client_id)]
    assert made[1:] == [(Group.WARM, Group.HOT)]


async def test_undoing_takes_it_back_and_keeps_what_was_typed(selling: World) -> None:
    egor, client_id = await selling.operator(role=Role.EXPERT), await selling.client(group=Group.WARM)
    deal = await begun(selling, client_id, egor)
    outcome = await saved(selling, replace(HOT, signed=Signed(deal.id, amount=SUM)), client_id, egor)
    async with selling.transaction() as session:
        await undo(session, attempt_id=outcome.attempt_id, operator_id=egor, now=SAVED, lease_s=LEASE_S)
    (back,) = await deals(selling, client_id)
    assert (back.stage, back.contract_on) == (DealStage.INTEREST, None)
    assert (await steps(selling, deal))[-1] == (DealStage.INTEREST, MoveCause.CORRECTION)
    assert (await selling.get_client(client_id)).group is Group.WARM
    async with selling.database.reading() as session:
        draft = await load_draft(session, attempt_id=outcome.attempt_id)
    assert draft["contract_deal"] == str(deal.id)
    assert Decimal(draft["contract_amount"]) == SUM
    # Saved once more, it is signed once more.
    await selling.outcome(outcome.attempt_id, replace(HOT, signed=Signed(deal.id)), egor, at=SAVED)
    (again,) = await deals(selling, client_id)
    assert (again.stage, again.amount) == (DealStage.CONTRACT, SUM)


async def test_a_correction_goes_on_with_the_deal_that_the_outcome_began_or_takes_it_back(selling: World) -> None:
    egor, client_id = await selling.operator(role=Role.EXPERT), await selling.client()
    outcome = await saved(selling, HOT, client_id, egor)
    async with selling.database.reading() as session:
        form = await as_it_stands(session, outcome)
    (deal,) = await deals(selling, client_id)
    assert form.signed == Signed(deal.id, "Монтаж", SUM, date(2026, 11, 20))
    assert form.signed is not None
    cheaper = replace(form, signed=replace(form.signed, amount=Decimal("0.05")))
    second = await selling.outcome(outcome.attempt_id, cheaper, egor, at=LATER, corrects=outcome.id)
    (deal,) = await deals(selling, client_id)
    assert (deal.stage, deal.amount_minor, deal.contract_on) == (DealStage.CONTRACT, 5, date(2026, 11, 20))
    await selling.outcome(outcome.attempt_id, OutcomeForm("warm"), egor, at=LATER, corrects=second.id)
    (deal,) = await deals(selling, client_id)
    assert (deal.stage, deal.lost_reason) == (DealStage.LOST, "mistake")
    assert (await selling.get_client(client_id)).group is Group.WARM


async def test_a_deal_that_was_moved_since_is_left_alone(selling: World) -> None:
    egor, client_id = await selling.operator(role=Role.EXPERT), await selling.client()
    outcome = await saved(selling, HOT, client_id, egor)
    (deal,) = await deals(selling, client_id)
    async with selling.transaction() as session:
        step = Step(DealStage.OFFER, group_then=Group.HOT)
        await move_deal(session, deal_id=deal.id, step=step, now=SAVED, author_id=egor)
    async with selling.database.reading() as session:
        assert (await as_it_stands(session, outcome)).signed is None
    await selling.outcome(outcome.attempt_id, OutcomeForm("warm"), egor, at=LATER, corrects=outcome.id)
    (deal,) = await deals(selling, client_id)
    assert deal.stage is DealStage.OFFER


async def test_operators_sign_where_the_campaign_has_an_outcome_for_it(selling: World) -> None:
    anna, first, second = await selling.operator(), await selling.client("А"), await selling.client("Б")
    await saved(selling, HOT, first, anna)
    assert await deals(selling, first) == []
    await saved(selling, replace(HOT, disposition="signed"), second, anna)
    (deal,) = await deals(selling, second)
    assert (deal.stage, deal.owner_id, deal.product) == (DealStage.CONTRACT, anna, "Монтаж")


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (OutcomeForm("signed"), "outcome.needs_contract"),
        (OutcomeForm("signed", signed=Signed()), "deal.needs_sum"),
        (OutcomeForm("signed", signed=replace(NEW, on=date(2099, 1, 1))), "deal.day_to_come"),
        (OutcomeForm("signed", signed=replace(NEW, amount=Decimal("1.005"))), "deal.amount"),
        (OutcomeForm("signed", signed=Signed(1, amount=SUM)), "deal.unknown"),
    ],
)
async def test_what_is_missing_is_refused_and_nothing_is_written(selling: World, form: OutcomeForm, code: str) -> None:
    egor, client_id = await selling.operator(role=Role.EXPERT), await selling.client()
    await begun(selling, await selling.client("Другая"), egor)
    attempt_id = await selling.call(client_id, egor)
    with pytest.raises(CrmError) as refused:
        await selling.outcome(attempt_id, form, egor, at=SAVED)
    assert refused.value.code == code
    assert (await selling.get_client(client_id)).group is Group.NEW
    assert await deals(selling, client_id) == []


async def test_where_the_campaign_sells_otherwise_or_nobody_answered_nothing_is_asked(selling: World) -> None:
    egor, client_id = await selling.operator(role=Role.EXPERT), await selling.client()
    attempt_id = await selling.call(client_id, egor, result=Result.NO_ANSWER)
    await selling.outcome(attempt_id, OutcomeForm("no_contact", signed=NEW), egor, at=SAVED)
    async with selling.transaction() as session:
        campaign = await get_campaign(session, selling.campaign_id)
        await change_campaign(session, campaign=campaign, sells_by_deals=False, now=NOON)
    other = await selling.client("Другая")
    await saved(selling, OutcomeForm("signed", signed=NEW), other, egor)
    assert (await selling.get_client(other)).group is Group.HOT
    assert [*await deals(selling, client_id), *await deals(selling, other)] == []


@pytest.mark.parametrize("undone", [False, True])
async def test_a_contract_is_taken_back_after_the_campaign_has_begun_to_sell_otherwise(
    selling: World, undone: bool
) -> None:
    egor, client_id = await selling.operator(role=Role.EXPERT), await selling.client(group=Group.WARM)
    outcome = await saved(selling, HOT, client_id, egor)
    async with selling.transaction() as session:
        campaign = await get_campaign(session, selling.campaign_id)
        await change_campaign(session, campaign=campaign, sells_by_deals=False, now=NOON)
    if undone:
        async with selling.transaction() as session:
            await undo(session, attempt_id=outcome.attempt_id, operator_id=egor, now=SAVED, lease_s=LEASE_S)
    else:
        cold = OutcomeForm("cold", person_name="Петрова Анна", reason="передумали", signed=NEW)
        await selling.outcome(outcome.attempt_id, cold, egor, at=LATER, corrects=outcome.id)
    (deal,) = await deals(selling, client_id)
    assert (deal.stage, deal.lost_reason) == (DealStage.LOST, MISTAKE)
    assert (await selling.get_client(client_id)).group is (Group.WARM if undone else Group.COLD)
    with pytest.raises(CrmError) as refused:
        async with selling.transaction() as session:
            await move_deal(session, deal_id=deal.id, step=Step(DealStage.OFFER), now=LATER)
    assert refused.value.code == "deal.campaign_without"


async def test_a_corrected_note_leaves_the_contract_of_a_campaign_that_sells_otherwise_by_now(selling: World) -> None:
    egor, client_id = await selling.operator(role=Role.EXPERT), await selling.client(group=Group.WARM)
    outcome = await saved(selling, HOT, client_id, egor)
    async with selling.transaction() as session:
        campaign = await get_campaign(session, selling.campaign_id)
        await change_campaign(session, campaign=campaign, sells_by_deals=False, now=NOON)
    async with selling.database.reading() as session:
        stands = await as_it_stands(session, outcome)
    form = replace(stands, note="верно", signed=None)  # as the page has it, which does not ask for contracts any more
    second = await selling.outcome(outcome.attempt_id, form, egor, at=LATER, corrects=outcome.id)
    (deal,) = await deals(selling, client_id)
    assert (deal.stage, deal.amount) == (DealStage.CONTRACT, SUM)
    cold = OutcomeForm("cold", reason="передумали")
    await selling.outcome(outcome.attempt_id, cold, egor, at=LATER + timedelta(minutes=1), corrects=second.id)
    (deal,) = await deals(selling, client_id)
    assert (deal.stage, deal.lost_reason) == (DealStage.LOST, MISTAKE)


async def test_what_was_opened_by_mistake_is_no_lost_money(selling: World) -> None:
    egor, client_id = await selling.operator(role=Role.EXPERT), await selling.client(group=Group.WARM)
    outcome = await saved(selling, HOT, client_id, egor)
    async with selling.transaction() as session:
        await undo(session, attempt_id=outcome.attempt_id, operator_id=egor, now=SAVED, lease_s=LEASE_S)
    lost = await begun(selling, client_id, egor)
    async with selling.transaction() as session:
        step = Step(DealStage.LOST, reason="price")
        await move_deal(session, deal_id=lost.id, step=step, author_id=egor, now=LATER)
    async with selling.database.reading() as session:
        sums = await sales_book.sums(session, filters=BookFilters())
        reasons = await sales_book.lost_by_reason(session, filters=BookFilters())
    assert [(each.stage, each.deals, each.amount_minor) for each in sums] == [(DealStage.LOST, 1, 10_000)]
    assert [(each.reason, each.deals, each.amount_minor) for each in reasons] == [("price", 1, 10_000)]
