"""Questionnaires on their pages: written in a form or as text, changed by two, answered, counted and exported."""

from __future__ import annotations

import io
import re

import pytest
from python_calamine import CalamineWorkbook

from crm.database import Database
from crm.questionnaires.marking import fill_some, set_for_reports
from crm.questionnaires.questionnaires import newest_version
from crm.questionnaires.questions import Kind
from crm.questionnaires.sheets import write_sheet
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import NOW, Office

PAGE = "/questionnaires"
FORMULA, SCRIPT = '=HYPERLINK("http://x")', "<script>alert(1)</script>"
ROWS = {
    "q1.label": "Покупают у других? | Do they buy elsewhere?", "q1.kind": "yes_no", "q1.required": "yes",
    "q1.reports": "yes", "q1.place": "2",
    "q2.label": "Сколько штук", "q2.kind": "number", "q2.reports": "yes", "q2.place": "1", "q2.key": "pieces",
    "q3.label": "Чей товар", "q3.kind": "choice", "q3.choices": "Daikin\nlg = LG", "q3.when": "q1 = yes",
    "q4.label": "Что сказали", "q4.kind": "text", "q5.label": " ",
}  # fmt: skip


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


async def written(maria: Browser) -> None:
    answer = await maria.post_form(PAGE, name="О клиенте", purpose="client", campaign="1", **ROWS)
    assert (answer.status, answer.headers["Location"]) == (303, f"{PAGE}/1"), await answer.text()


async def answered(database: Database, client_id: int, **typed: str) -> None:
    async with database.transaction() as session:
        await write_sheet(session, client_id=client_id, questionnaire_id=1, typed=typed, now=NOW)


async def test_a_questionnaire_is_written_in_a_form(maria: Browser, database: Database) -> None:
    await written(maria)
    async with database.reading() as session:
        questions = (await newest_version(session, 1)).questions
    assert [(each.key, each.kind) for each in questions] == [
        ("pieces", Kind.NUMBER), ("q1", Kind.YES_NO), ("q2", Kind.CHOICE), ("q3", Kind.TEXT),
    ]  # fmt: skip
    assert [each.code for each in questions[2].choices] == ["c1", "lg"]
    page = await maria.text(f"{PAGE}/1")
    for told in ("Сколько штук", "Покупают у других?", "q1 = yes", "только если Покупают у других?: да", "версия 1"):
        assert told in page, told
    assert "О клиенте" in await maria.text(f"{PAGE}?campaign=1")


async def test_what_cannot_be_comes_back_with_what_was_typed(maria: Browser) -> None:
    refused = await maria.post_form(
        PAGE, page=f"{PAGE}/new", name="О клиенте", purpose="client", campaign="1", **{**ROWS, "q3.when": "q9 = yes"}
    )
    assert (refused.status, refused.headers["Location"]) == (303, f"{PAGE}/new")
    page = await maria.text(f"{PAGE}/new")
    assert "выше неё нет вопроса «q9»" in page
    assert "Daikin" in page


async def test_the_second_of_two_is_told_and_the_text_is_another_way(maria: Browser, signed_in: SignIn) -> None:
    await written(maria)
    version = re.search(r'name="version" value="(\d+)"', await maria.text(f"{PAGE}/1"))
    assert version is not None
    first = await maria.post_form(f"{PAGE}/1", version=version[1], text="# Одно\nkey: one\n# Другое")
    assert first.status == 303
    konst = await signed_in("konst")
    second = await konst.post_form(f"{PAGE}/1", page=f"{PAGE}/1", version=version[1], name="Моё", **ROWS)
    assert second.status == 303
    page = await konst.text(f"{PAGE}/1")
    assert "Кто-то изменил эту анкету" in page
    assert "# Одно" in page
    assert "Моё" in page


async def test_answers_of_both_versions_are_found_counted_and_exported(
    maria: Browser, database: Database, office: Office
) -> None:
    await written(maria)
    one, other = office.clients[:2]
    await answered(database, one, q1="да", q2="lg", q3=FORMULA, pieces="12,5")
    version = re.search(r'name="version" value="(\d+)"', await maria.text(f"{PAGE}/1"))
    assert version is not None
    text = "# Покупают у других?\nkey: q1\nkind: yes_no\nreports: yes\n# Новое\nkey: fresh\n"
    assert (await maria.post_form(f"{PAGE}/1", version=version[1], text=text)).status == 303
    await answered(database, other, q1="нет", fresh=SCRIPT)
    page = await maria.text(f"{PAGE}/1/answers")
    assert "&lt;script&gt;" in page
    assert SCRIPT not in page
    assert "версия 1" in page
    assert "версия 2" in page
    found = await maria.text(f"{PAGE}/1/answers?key1=q1&is1=%3D&value1=%D0%B4%D0%B0")
    assert f"/clients/{one}" in found
    assert f"/clients/{other}" not in found
    assert "как это было" not in await maria.text(f"{PAGE}/1/versions/1")
    assert "Что сказали" in await maria.text(f"{PAGE}/1/versions/1")
    told = (await (await maria.get(f"{PAGE}/1/answers.csv")).read()).decode("utf-8-sig")
    heading, first, second = told.strip().split("\r\n")
    assert heading.endswith("Новое;Сколько штук;Чей товар;Что сказали")
    assert "'=HYPERLINK" in first
    assert second.split(";")[4:7] == ["2", "нет", SCRIPT]
    book = await (await maria.get(f"{PAGE}/1/answers.xlsx")).read()
    cells = CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_index(0).to_python()
    assert cells[1][-1] == FORMULA
    assert b"<f>" not in book


async def test_a_place_without_its_value_is_the_first_page(maria: Browser, database: Database) -> None:
    await written(maria)
    assert await maria.text(f"{PAGE}/1/answers?key1=pieces&is1=%3E&value1=1&id=5")


async def test_how_far_it_is_stands_there_until_all_is_ready(
    maria: Browser, database: Database, office: Office
) -> None:
    await written(maria)
    for client_id in office.clients[:4]:
        await answered(database, client_id, q1="да", q2="lg")
    async with database.transaction() as session:
        await set_for_reports(session, questionnaire_id=1, keys=["q1", "q2"], now=NOW, at_once=1)
    told = "Прежние ответы готовятся для отчётов: 25 %."
    for address in (f"{PAGE}/1", f"{PAGE}/1/answers"):
        assert told in await maria.text(address)
    assert '<option value="q1">' in await maria.text(f"{PAGE}/1/answers")
    assert '<option value="q2">' not in await maria.text(f"{PAGE}/1/answers")
    async with database.transaction() as session:
        await fill_some(session, 1)
    page = await maria.text(f"{PAGE}/1/answers")
    assert told not in page
    assert '<option value="q2">' in page


async def test_a_condition_that_is_none_is_told(maria: Browser) -> None:
    await written(maria)
    assert (await maria.get(f"{PAGE}/1/answers?key1=q9&value1=1")).status == 422
    assert (await maria.get(f"{PAGE}/7")).status == 404
    assert (await maria.post_form(f"{PAGE}/1", version="x", active="no")).status == 400


async def test_it_is_switched_off(maria: Browser) -> None:
    await written(maria)
    version = re.search(r'name="version" value="(\d+)"', await maria.text(f"{PAGE}/1"))
    assert version is not None
    assert (await maria.post_form(f"{PAGE}/1", version=version[1], active="no")).status == 303
    assert "По ней не спрашивают." in await maria.text(f"{PAGE}/1")
