"""Dispositions as the office and a campaign decide them, and that what they require is enforced on save."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.audit import DISPOSITION_SET, AuditEntry
from crm.base.phone_numbers import NumberState, numbers_of
from crm.calls.attempts import Result
from crm.calls.disposition_sets import dispositions_of, own_labels, set_disposition
from crm.clientele.clients import get_client
from crm.errors import Conflict, CrmError
from crm.group import Group
from crm.plan.callbacks import open_callback
from crm.plan.dispositions import DISPOSITIONS, Ask, possible
from crm.plan.plan_entries import EntryKind, active_entries
from crm.preparation.campaigns import add_campaign
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World
from tests.crm.overlap import Work, overlap

AFTER = NOON + timedelta(minutes=5)
OFFER: dict[str, Any] = {"like": "callback", "label_ru": "Отправить КП", "label_en": "Send the offer"}


async def decide(world: World, key: str, *, office: bool = False, **changes: Any) -> None:
    async with world.transaction() as session:
        whose = None if office else world.campaign_id
        await set_disposition(session, campaign_id=whose, key=key, now=NOON, **changes)


async def refused(world: World, attempt_id: str, form: OutcomeForm, operator: int) -> str:
    with pytest.raises(CrmError) as error:
        await world.outcome(attempt_id, form, operator, at=AFTER)
    return error.value.code


async def test_the_usual_ten_without_any_row(world: World) -> None:
    async with world.database.reading() as session:
        assert await dispositions_of(session, world.campaign_id) == DISPOSITIONS
        assert list(await dispositions_of(session, None)) == list(DISPOSITIONS)


async def test_a_campaign_weighs_more_than_the_office_and_that_more_than_what_is_usual(world: World) -> None:
    await decide(world, "cold", office=True, label_ru="Отказ", label_en="Refusal")
    await decide(world, "cold", label_ru="Не интересно", label_en="Not interested")
    async with world.transaction() as session:
        other = await add_campaign(session, name="Другая", now=NOON)
        here, there = await dispositions_of(session, world.campaign_id), await dispositions_of(session, other.id)
        assert (here["cold"].labels[0], there["cold"].labels[0]) == ("Не интересно", "Отказ")
        assert here["cold"].required == {Ask.REASON}, "what was not named stays"
        assert await own_labels(session, "en") == {"cold": "Refusal"}


async def test_one_of_ones_own_acts_like_a_usual_one(world: World) -> None:
    await decide(world, "send_offer", **OFFER, digit="", group=Group.WARM)
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator)
    assert await refused(world, attempt_id, OutcomeForm("send_offer"), operator) == "outcome.callback_needs_time"
    await world.outcome(attempt_id, OutcomeForm("send_offer", callback_words="завтра в 11"), operator, at=AFTER)
    async with world.database.reading() as session:
        promise = await open_callback(session, client_id)
        client = await get_client(session, client_id)
        assert await own_labels(session, "ru") == {"send_offer": "Отправить КП"}
    assert promise is not None
    assert client.group is Group.WARM


async def test_its_effects_are_taken_back_by_a_correction(world: World) -> None:
    await decide(world, "closed", like="nonexistent", label_ru="Закрылись", label_en="Closed down")
    await decide(world, "later", like="no_contact", label_ru="Позже", label_en="Later")
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator, result=Result.BUSY)
    first = await world.outcome(attempt_id, OutcomeForm("closed"), operator, at=AFTER)
    assert (await world.get_client(client_id)).group is Group.NONEXISTENT
    await world.outcome(attempt_id, OutcomeForm("later"), operator, at=AFTER, corrects=first.id)
    async with world.database.reading() as session:
        client = await get_client(session, client_id)
        assert [number.state for number in await numbers_of(session, client.organisation_id)] == [NumberState.OK]
    assert client.group is Group.NEW
    again = await world.client("Другая")
    await world.outcome(
        await world.call(again, operator, result=Result.BUSY, at=AFTER), OutcomeForm("later"), operator,
        at=AFTER + timedelta(minutes=1),
    )  # fmt: skip
    async with world.database.reading() as session:
        assert [entry.kind for entry in await active_entries(session, again)] == [EntryKind.RETRY]


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (Ask.PERSON, "outcome.needs_full_name"),
        (Ask.SUMMARY, "outcome.needs_summary"),
        (Ask.NEXT_CONTACT, "outcome.callback_needs_time"),
        (Ask.WHEN, "outcome.callback_needs_time"),
        (Ask.COMPETITOR, "outcome.needs_competitor"),
        (Ask.REASON, "outcome.needs_reason"),
        (Ask.ASKED_BY, "outcome.needs_asked_by"),
    ],
)
async def test_whatever_it_requires_is_enforced_on_save(world: World, ask: Ask, code: str) -> None:
    await decide(world, "warm", required=[ask])
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator)
    assert await refused(world, attempt_id, OutcomeForm("warm"), operator) == code
    whole = OutcomeForm(
        "warm", person_name="Сидоров Олег", summary="Готов смотреть предложение", reason="сами нашли",
        competitor="Ветер", callback_words="завтра в 11", asked_by="Олег",
    )  # fmt: skip
    await world.outcome(attempt_id, whole, operator, at=AFTER)


async def test_nobody_is_asked_who_did_not_answer(world: World) -> None:
    await decide(world, "callback", required=[Ask.WHEN, Ask.PERSON, Ask.SUMMARY, Ask.ASKED_BY])
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator, result=Result.NO_ANSWER)
    await world.outcome(attempt_id, OutcomeForm("callback", callback_words="завтра в 11"), operator, at=AFTER)


async def test_one_that_is_switched_off_is_offered_and_taken_no_more(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator)
    await decide(world, "competitor", active=False)
    form = OutcomeForm("competitor", competitor="Ветер")
    assert await refused(world, attempt_id, form, operator) == "outcome.unknown_disposition"
    async with world.database.reading() as session:
        known = await dispositions_of(session, world.campaign_id)
    assert "competitor" not in {each.key for each in possible(answered=True, of=known)}
    await decide(world, "competitor", active=True)
    await world.outcome(attempt_id, form, operator, at=AFTER)


@pytest.mark.parametrize(
    ("key", "changes", "code"),
    [
        ("Плохо", OFFER, "disposition.key"),
        ("undone", OFFER, "disposition.key"),
        ("mine", {**OFFER, "like": "nothing"}, "disposition.like"),
        ("mine", {**OFFER, "label_en": " "}, "disposition.labels"),
        ("mine", {**OFFER, "digit": "4"}, "disposition.digit_taken"),
        ("mine", {**OFFER, "digit": "x"}, "disposition.digit"),
        ("mine", {**OFFER, "required": [Ask.NUMBER_ONLY]}, "disposition.required"),
        ("mine", {**OFFER, "group": Group.NEW}, "disposition.group"),
        ("no_contact", {"group": Group.HOT}, "disposition.group"),
    ],
)
async def test_what_cannot_be_is_refused(world: World, key: str, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(CrmError) as error:
        await decide(world, key, **changes)
    assert error.value.code == code


async def test_something_is_left_to_choose(world: World) -> None:
    for key in ("no_contact", "nonexistent", "callback"):
        await decide(world, key, active=False)
    with pytest.raises(CrmError) as error:
        await decide(world, "do_not_call", active=False)
    assert error.value.code == "disposition.last"


async def test_two_who_change_one_at_once_lose_nothing_and_all_is_audited(world: World) -> None:
    await decide(world, "cold", version=0, label_ru="Отказ")
    with pytest.raises(Conflict) as error:
        await decide(world, "cold", version=0, label_ru="Нет")
    assert error.value.code == "disposition.changed_meanwhile"
    await decide(world, "cold", version=1, label_en="Refusal")
    async with world.database.reading() as session:
        entries = select(AuditEntry).where(AuditEntry.action == DISPOSITION_SET).order_by(AuditEntry.id)
        noted = list(await session.scalars(entries))
    assert [each.details["now"]["labels"] for each in noted] == [["Отказ", ""], ["Отказ", "Refusal"]]
    assert noted[0].subject == f"campaign:{world.campaign_id}"


async def test_one_row_for_each_in_plain_sql(world: World) -> None:
    await decide(world, "cold", office=True, label_ru="Отказ")
    with pytest.raises(DBAPIError, match=r"(?i)unique"):
        async with world.database.engine.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO dispositions (key, acts_like, label_ru, label_en, digit, required, active, version)"
                    " SELECT key, acts_like, label_ru, label_en, digit, required, active, 1 FROM dispositions"
                )
            )


@pytest.mark.parametrize("office", [True, False])
async def test_two_at_once_do_not_get_the_same_digit(world: World, office: bool) -> None:
    await decide(world, "warm", office=office, active=False)

    def taking(key: str) -> Work:
        async def take(session: AsyncSession) -> None:
            whose = None if office else world.campaign_id
            await set_disposition(session, campaign_id=whose, key=key, now=NOON, digit="2", **OFFER)

        return take

    _, second = await overlap(world.database, taking("first"), taking("second"))
    assert getattr(second, "code", "") == "disposition.digit_taken"
