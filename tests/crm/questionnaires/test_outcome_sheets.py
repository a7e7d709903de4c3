"""Questionnaires at wrap-up: what an outcome asks for, why an abandoned client left, who buys of a competitor."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from crm.base.competitors import Satisfaction, used_by
from crm.calls.disposition_sets import set_disposition
from crm.errors import Refused
from crm.group import Group
from crm.plan.dispositions import Ask
from crm.questionnaires.questionnaires import Purpose, add_questionnaire
from crm.questionnaires.shipped import SHIPPED, add_shipped
from crm.questionnaires.wording import parse
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World
from tests.crm.questionnaires.test_sheets import answer, questionnaire, read


async def shipped(world: World, purpose: Purpose) -> int:
    async with world.transaction() as session:
        return (await add_shipped(session, purpose=purpose, language="ru", now=NOON)).questionnaire.id


async def wrap_up(
    world: World, client_id: int, disposition: str, sheets: Mapping[int, Mapping[str, str]] | None = None, **fields: str
) -> str:
    """Returns the reason that the outcome was given."""
    operator = await world.operator()
    attempt_id = await world.call(client_id, operator)
    form = OutcomeForm(disposition, sheets=sheets or {}, **fields)  # type: ignore[arg-type]
    return (await world.outcome(attempt_id, form, operator, at=NOON)).reason


async def demand(world: World, key: str) -> None:
    async with world.transaction() as session:
        await set_disposition(
            session, campaign_id=world.campaign_id, key=key, required={Ask.REASON, Ask.QUESTIONNAIRE}, now=NOON
        )


async def test_what_comes_along_can_be_asked() -> None:
    for each in SHIPPED.values():
        assert parse(each.text).for_reports


async def test_answers_of_the_call_are_written_with_its_outcome(world: World) -> None:
    number, client_id = await questionnaire(world), await world.client()
    await wrap_up(world, client_id, "cold", {number: {"buys": "нет", "gone": "что"}}, reason="Дорого")
    (sheet,) = await read(world, client_id)
    assert sheet.answers == {"buys": False}
    assert sheet.attempt_id is not None


async def test_an_outcome_that_requires_the_questionnaire_is_refused_without_it(world: World) -> None:
    number, client_id = await questionnaire(world), await world.client()
    await demand(world, "cold")
    with pytest.raises(Refused) as refusal:
        await wrap_up(world, client_id, "cold", {number: {"pieces": "5"}}, reason="Дорого")
    assert refusal.value.code == "sheet.needs_answer"
    assert await read(world, client_id) == []


async def test_who_has_answered_before_is_not_asked_again(world: World) -> None:
    number, client_id = await questionnaire(world), await world.client()
    await demand(world, "cold")
    await answer(world, client_id, number, {"buys": "нет"})
    await wrap_up(world, client_id, "cold", reason="Дорого")
    assert len(await read(world, client_id, all_states=True)) == 1


async def test_what_no_outcome_requires_may_stay_unfinished(world: World) -> None:
    number, client_id = await questionnaire(world), await world.client()
    await wrap_up(world, client_id, "cold", {number: {"pieces": "5"}}, reason="Дорого")
    (sheet,) = await read(world, client_id)
    assert not sheet.complete


async def test_an_abandoned_client_is_asked_in_the_survey_and_not_twice(world: World) -> None:
    number, client_id = await shipped(world, Purpose.ABANDONED), await world.client(group=Group.ABANDONED)
    answers = {"why_left": "price", "details": "Подняли\nвдвое"}
    reason = await wrap_up(world, client_id, "abandoned", {number: answers})
    assert reason == "Цена: Подняли вдвое"


async def test_the_survey_is_needed_whichever_key(world: World) -> None:
    number, client_id = await shipped(world, Purpose.ABANDONED), await world.client(group=Group.ABANDONED)
    with pytest.raises(Refused):
        await wrap_up(world, client_id, "cold", {number: {}}, reason="Дорого")


async def test_a_reason_is_not_enough_wherever_the_outcome_is_written(world: World) -> None:
    number = await shipped(world, Purpose.ABANDONED)
    client_id, operator = await world.client(group=Group.ABANDONED), await world.operator()
    attempt_id = await world.call(client_id, operator)
    form = OutcomeForm("abandoned", reason="Не звонили")
    with pytest.raises(Refused) as refusal:
        await world.outcome(attempt_id, form, operator, at=NOON)
    assert refusal.value.code == "sheet.needs_answer"
    await answer(world, client_id, number, {"why_left": "price"})
    assert (await world.outcome(attempt_id, form, operator, at=NOON)).reason == "Не звонили"


async def test_whose_it_is_may_be_a_choice_whatever_firm_the_outcome_names(world: World) -> None:
    given = parse("# Чей?\nkey: whose\nkind: choice\n- daikin = Daikin\n- other = Other\n# Что?\nkey: product\n")
    async with world.transaction() as session:
        made = await add_questionnaire(
            session, name="Конкурент", purpose=Purpose.COMPETITOR, questions=given.questions, now=NOON
        )
    number, client_id = made.questionnaire.id, await world.client()
    sheets = {number: {"product": "Сплит"}}
    await wrap_up(world, client_id, "competitor", sheets, competitor="Mitsubishi", reason="Договор")
    async with world.database.reading() as session:
        used = await used_by(session, (await world.get_client(client_id)).organisation_id)
    assert [competitor.name for _, competitor in used] == ["Mitsubishi"]
    assert [sheet.answers for sheet in await read(world, client_id)] == [{"product": "Сплит"}]


async def test_the_competitors_sheet_feeds_who_buys_where(world: World) -> None:
    number, client_id = await shipped(world, Purpose.COMPETITOR), await world.client()
    answers = {"product": "Сплит-системы", "terms": "отсрочка 30 дней", "satisfied": "partly"}
    await wrap_up(world, client_id, "competitor", {number: answers}, competitor="Daikin", reason="Договор")
    async with world.database.reading() as session:
        ((use, competitor),) = await used_by(session, (await world.get_client(client_id)).organisation_id)
    assert (competitor.name, use.satisfaction) == ("Daikin", Satisfaction.PARTLY)
    assert use.note == "Сплит-системы; отсрочка 30 дней"
    (sheet,) = await read(world, client_id)
    assert sheet.answers["whose"] == "Daikin"
