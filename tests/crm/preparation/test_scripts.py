"""The script: how it is written, what cannot be, and that nobody overwrites another's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from crm.audit import SCRIPT_CHANGED, AuditEntry
from crm.errors import Conflict, Refused
from crm.preparation.campaigns import get_campaign
from crm.preparation.scripts import LONGEST_TEXT, Answer, Step, change_script, parse, script_of
from tests.crm.builders import NOON, World

SCRIPT = """
# Приветствие
Добрый день! Вы решаете, чем вентилировать цех?

Подождать ответа.
> Да, я -> предложение
> Нет → Секретарь
> Не сейчас

# Секретарь
> Соединяю -> Предложение
#  Предложение
Мы делаем вентиляторы.
> Интересно
> Не нужно - есть свои -> приветствие
"""


def test_steps_and_answers_are_read_as_people_write_them() -> None:
    assert parse(SCRIPT) == (
        Step(
            "Приветствие",
            "Добрый день! Вы решаете, чем вентилировать цех?\n\nПодождать ответа.",
            (Answer("Да, я", 2), Answer("Нет", 1), Answer("Не сейчас", None)),
        ),
        Step("Секретарь", "", (Answer("Соединяю", 2),)),
        Step("Предложение", "Мы делаем вентиляторы.", (Answer("Интересно", None), Answer("Не нужно - есть свои", 0))),
    )
    assert parse(" \n") == ()


@pytest.mark.parametrize(
    ("script", "code", "line"),
    [
        ("Добрый день\n# А", "script.before_steps", 1),
        ("# А\n#  ", "script.step_unnamed", 2),
        ("# А\n> -> А", "script.answer_empty", 2),
        ("# А\n> да -> Б", "script.step_unknown", 2),
        ("# А\n> да -> А\n# а", "script.step_twice", 3),
        ("# А\n> да\n# Б", "script.step_unreached", 3),
        ("# А\n# Б\n> да -> В\n# В\n> да -> Б", "script.step_unreached", 2),
        ("\n# А\n" + "> да\n" * 10, "script.answers", 2),
    ],
)
def test_what_cannot_be_is_told_with_its_line(script: str, code: str, line: int) -> None:
    with pytest.raises(Refused) as refused:
        parse(script)
    assert (refused.value.code, refused.value.params["line"]) == (code, line)


def test_a_script_is_no_book() -> None:
    parse("# А\n" + "я" * (LONGEST_TEXT - 4))
    with pytest.raises(Refused) as refused:
        parse("# А\n" + "я" * (LONGEST_TEXT - 3))
    assert refused.value.code == "script.long"


@given(st.text(alphabet="#>- \nАб→", max_size=60))
def test_whatever_is_typed_is_a_script_or_refused(script: str) -> None:
    try:
        steps = parse(script)
    except Refused:
        return
    leads = [answer.leads_to for step in steps for answer in step.answers if answer.leads_to is not None]
    assert set(leads) <= set(range(len(steps)))
    assert set(range(1, len(steps))) <= set(leads), "every step but the first follows from an answer"


async def test_it_is_replaced_whole_and_the_one_before_is_kept(world: World) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        assert await script_of(session, campaign.id) is None
        await change_script(session, campaign=campaign, script="# А\r\nпривет  \r\n", now=NOON, version=0)
        with pytest.raises(Conflict) as refused:
            await change_script(session, campaign=campaign, script="# Б", now=NOON, version=0)
        assert refused.value.code == "script.changed_meanwhile"
        await change_script(session, campaign=campaign, script="# Б", now=NOON, version=1)
        await change_script(session, campaign=campaign, script="# Б", now=NOON)
        with pytest.raises(Refused):
            await change_script(session, campaign=campaign, script="без шага", now=NOON)
    async with world.database.reading() as session:
        stored = await script_of(session, world.campaign_id)
        assert stored is not None
        assert (stored.script, stored.version) == ("# Б", 2)
        entries = select(AuditEntry.details).where(AuditEntry.action == SCRIPT_CHANGED).order_by(AuditEntry.id)
        assert list(await session.scalars(entries)) == [{"was": ""}, {"was": "# А\nпривет"}]
