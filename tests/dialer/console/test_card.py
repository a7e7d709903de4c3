"""The card beside what may be dialled: the number that it proposes is the one that the rules pick."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from crm.base.phone_numbers import NumberState, PhoneNumber
from crm.base.whom import Whom
from crm.calls.attempts import Result
from crm.calls.dial_rules import may_dial
from crm.clientele.consents import give
from crm.database import Database
from crm.preparation.campaigns import change_campaign, get_campaign
from crm.wrap_up.outcomes import OutcomeForm
from dialer.shown.card import Card, read_card
from dialer.words import words
from tests.crm.builders import NOON, World, build_world


@pytest.fixture
async def world(database: Database) -> World:
    return await build_world(database)


async def card_of(world: World, client_id: int, operator_id: int, now: datetime = NOON) -> Card:
    """As it is read; every number that it proposes may be dialled."""
    async with world.database.reading() as session:
        card = await read_card(
            session, words("en"), UTC, client_id=client_id, operator_id=operator_id, now=now, attempt_id=None
        )
        for number in card.phones:
            if number.first:
                verdict = await may_dial(
                    session, client_id=client_id, operator_id=operator_id, now=now, phone_number_id=number.id
                )
                assert verdict.allowed
    return card


async def test_where_one_number_has_agreed_that_one_is_proposed(world: World) -> None:
    anna, client_id = await world.operator(), await world.client(phones=3)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id, lock=True)
        await change_campaign(session, campaign=campaign, now=NOON, consent="required")
        numbers = list(await session.scalars(select(PhoneNumber).order_by(PhoneNumber.id)))
        await give(session, whom=Whom.NUMBER, target=numbers[1].e164, evidence="анкета", now=NOON)
    card = await card_of(world, client_id, anna)
    assert card.refusal == ""
    assert [(number.first, number.dead, number.digit) for number in card.phones] == [
        (False, True, ""), (True, False, "1"), (False, True, ""),
    ]  # fmt: skip
    assert "agreed" in card.phones[0].why
    assert card.phones[1].why == ""


async def test_a_number_that_was_just_tried_says_from_when_it_may_be_again(world: World) -> None:
    anna, client_id = await world.operator(), await world.client(phones=2)
    attempt_id = await world.call(client_id, anna, result=Result.NO_ANSWER)
    soon = NOON + timedelta(minutes=1)
    await world.outcome(attempt_id, OutcomeForm("no_contact"), anna, at=soon)
    tried, free = (await card_of(world, client_id, anna, soon)).phones
    assert (tried.first, tried.dead, free.first, free.why) == (False, False, True, "")
    assert "It may be called from" in tried.why
    assert (tried.digit, free.digit) == ("1", "2")


async def test_nothing_is_proposed_where_nothing_may_be_dialled(world: World) -> None:
    anna, client_id = await world.operator(), await world.client(phones=2)
    async with world.transaction() as session:
        await session.execute(update(PhoneNumber).where(PhoneNumber.rank == 0).values(state=NumberState.DEAD))
    night = NOON + timedelta(hours=10)
    card = await card_of(world, client_id, anna, night)
    assert card.refusal
    assert [(number.first, number.dead, number.why) for number in card.phones] == [
        (False, True, "does not work"), (False, False, ""),
    ]  # fmt: skip
    async with world.database.reading() as session:
        in_call = await read_card(
            session, words("en"), UTC, client_id=client_id, operator_id=anna, now=night, attempt_id="a-call"
        )
    assert in_call.refusal == ""
