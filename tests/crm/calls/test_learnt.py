"""A number or a person learnt in mid-call is added, and called next."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from crm.audit import CLIENT_LEARNT, AuditEntry
from crm.base.people import people_at
from crm.base.phone_numbers import NumberState, PhoneNumber, numbers_of
from crm.calls.attempts import Result, finish, mark_answered, mark_invited, open_attempt
from crm.calls.learnt import Learnt, learn
from crm.day.day_plan import build, claim_next
from crm.errors import CrmError
from crm.plan.plan_entries import PlanEntry
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import LEASE_S, NOON, World, open_call

MOBILE = Learnt(phone="8 912 000-12-34", person_name="Петров Пётр Ильич", position="директор", decides=True)
NOT_MAIN = OutcomeForm("not_main", person_name="Сидорова Ольга", summary="Директора нет, дала его мобильный")


async def told(world: World, client_id: int, operator_id: int, learnt: Learnt, attempt_id: str | None = None) -> int:
    async with world.transaction() as session:
        number = await learn(
            session, client_id=client_id, learnt=learnt, now=NOON, author_id=operator_id, attempt_id=attempt_id
        )
        return number.id if number else 0


async def talking(world: World, client_id: int, operator_id: int, at: datetime = NOON) -> str:
    async with world.transaction() as session:
        attempt = await open_call(session, client_id, operator_id, at=at)
        await mark_invited(session, attempt_id=attempt.id, now=at)
        await mark_answered(session, attempt_id=attempt.id, now=at)
        return attempt.id


async def hung_up(world: World, attempt_id: str, at: datetime = NOON) -> None:
    async with world.transaction() as session:
        await finish(session, attempt_id=attempt_id, result=Result.ANSWERED, now=at, talk_seconds=40.0)


async def next_of(world: World, operator_id: int) -> PlanEntry | None:
    async with world.transaction() as session:
        return await claim_next(session, operator_id=operator_id, now=NOON, lease_s=LEASE_S)


async def test_the_mobile_that_the_secretary_gave_is_dialled_next(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    for name in ("Вторая", "Третья"):
        await world.client(name)
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
    attempt_id = await talking(world, client_id, anna)
    number_id = await told(world, client_id, anna, MOBILE, attempt_id)
    await hung_up(world, attempt_id)
    await world.outcome(attempt_id, NOT_MAIN, anna, at=NOON)
    other = await next_of(world, boris)
    assert other is not None
    assert other.client_id != client_id
    entry = await next_of(world, anna)
    assert entry is not None
    assert entry.client_id == client_id
    async with world.transaction() as session:
        attempt = await open_attempt(session, plan_entry_id=entry.id, phone_number_id=None, operator_id=anna, now=NOON)
        number = await session.get_one(PhoneNumber, number_id)
        assert (attempt.phone_number_id, attempt.dialled) == (number_id, "+79120001234")
        people = await people_at(session, number.organisation_id)
        assert [(person.full_name, person.decides, person.id == number.person_id) for person in people] == [
            ("Петров Пётр Ильич", True, True), ("Сидорова Ольга", False, False),
        ]  # fmt: skip
        noted = (await session.scalars(select(AuditEntry).where(AuditEntry.action == CLIENT_LEARNT))).one()
        assert (noted.user_id, noted.details["call"]) == (anna, attempt_id)


@pytest.mark.parametrize(
    "form",
    [
        OutcomeForm("callback", callback_words="через час"),
        OutcomeForm("do_not_call", reason="просили"),
    ],
)
async def test_a_promise_or_a_request_not_to_be_called_weighs_more(world: World, form: OutcomeForm) -> None:
    anna, client_id = await world.operator(), await world.client()
    attempt_id = await talking(world, client_id, anna)
    await told(world, client_id, anna, MOBILE, attempt_id)
    await hung_up(world, attempt_id)
    await world.outcome(attempt_id, form, anna, at=NOON)
    assert await next_of(world, anna) is None


async def test_a_number_that_is_kept_for_later_stands_last_and_is_not_called_next(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    attempt_id = await talking(world, client_id, anna)
    number_id = await told(world, client_id, anna, Learnt(phone="+7 912 000 12 34", call_next=False), attempt_id)
    await hung_up(world, attempt_id)
    await world.outcome(attempt_id, NOT_MAIN, anna, at=NOON)
    assert await next_of(world, anna) is None
    organisation_id = (await world.get_client(client_id)).organisation_id
    async with world.database.reading() as session:
        assert [number.id for number in await numbers_of(session, organisation_id)][-1] == number_id


async def test_who_and_what_is_known_is_not_added_twice(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    first = await told(world, client_id, anna, MOBILE)
    async with world.transaction() as session:
        (await session.get_one(PhoneNumber, first)).state = NumberState.DEAD
    again = Learnt(phone="+79120001234", person_name="петров петр ильич")
    assert await told(world, client_id, anna, again) == first
    assert await told(world, client_id, anna, Learnt(person_name="Новый Человек")) == 0
    async with world.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(PhoneNumber)) == 2
        assert (await session.get_one(PhoneNumber, first)).state is NumberState.OK
        names = [person.full_name for person in await people_at(session, 1)]
    assert names == ["Петров Пётр Ильич", "Новый Человек"]


async def test_what_cannot_be(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    other = await world.client("Другая")
    attempt_id = await talking(world, client_id, anna)
    for learnt, client, who, code in (
        (Learnt(phone=" ", person_name=" "), client_id, anna, "learnt.nothing"),
        (Learnt(phone="12"), client_id, anna, "phone.no_digits"),
        (MOBILE, client_id, boris, "learnt.other_call"),
        (MOBILE, other, anna, "learnt.other_call"),
        (MOBILE, 99, anna, "client.unknown"),
    ):
        with pytest.raises(CrmError) as refused:
            await told(world, client, who, learnt, attempt_id)
        assert refused.value.code == code or code == "phone.no_digits"
    await hung_up(world, attempt_id)
    await world.outcome(attempt_id, NOT_MAIN, anna, at=NOON + timedelta(minutes=1))
    with pytest.raises(CrmError) as refused:
        await told(world, client_id, anna, MOBILE, attempt_id)
    assert refused.value.code == "learnt.other_call"
