"""A client's sheet on its pages, and the questionnaire on the operator's page."""

from __future__ import annotations

import pytest

from crm.clientele.clients import get_client
from crm.clientele.groups import MoveCause, move
from crm.database import Database
from crm.group import Group
from crm.questionnaires.questionnaires import Purpose, add_questionnaire
from crm.questionnaires.sheets import sheets_of
from crm.questionnaires.wording import parse
from dialer.console.desk.questionnaire import AskedNow, shown_sheets, typed_sheets
from dialer.words import words
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import NOW, Office

TEXT = """# Покупают у других?
key: buys
kind: yes_no
required: yes
# Что важно
key: matters
kind: several
when: buys = yes
- price = Цена
- term = Срок
# Что сказали
key: said
"""


@pytest.fixture
async def anna(signed_in: SignIn, office: Office, database: Database) -> Browser:
    async with database.transaction() as session:
        await add_questionnaire(
            session, name="О клиенте", purpose=Purpose.CLIENT, questions=parse(TEXT).questions, now=NOW, campaign_id=1
        )
    return await signed_in("anna")


async def test_a_sheet_is_filled_in_corrected_and_read(anna: Browser, office: Office, database: Database) -> None:
    client_id = office.clients[0]
    address = f"/clients/{client_id}/sheets/1"
    assert f'href="{address}"' in await anna.text(f"/clients/{client_id}")
    assert "Ответов ещё нет." in await anna.text(address)
    fields = {"sheet.1.buys": "yes", "sheet.1.matters.term": "yes", "sheet.1.said": "<script>alert(1)</script>"}
    assert (await anna.post_form(address, page=address, version="0", **fields)).status == 303
    page = await anna.text(f"/clients/{client_id}")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert (await anna.post_form(address, page=address, version="1", **{"sheet.1.buys": "no"})).status == 303
    stale = await anna.post_form(address, page=address, version="1", **{"sheet.1.buys": "yes"})
    assert stale.status == 303
    assert "Кто-то изменил эту анкету клиента" in await anna.text(address)
    missing = await anna.post_form(address, page=address, version="2", **{"sheet.1.said": "Ничего"})
    assert missing.status == 303
    assert "Нужен ответ на вопрос «Покупают у других?»." in await anna.text(address)
    async with database.reading() as session:
        states = await sheets_of(session, client_id, all_states=True)
    assert [each.answers for each in states] == [
        {"buys": False}, {"buys": True, "matters": ["term"], "said": "<script>alert(1)</script>"},
    ]  # fmt: skip
    page = await anna.text(address)
    assert page.count("версия 1") == 2


async def test_what_comes_with_the_program_is_taken_once(signed_in: SignIn, office: Office) -> None:
    maria = await signed_in("maria")
    assert (await maria.post_form("/questionnaires/shipped", purpose="abandoned")).status == 303
    page = await maria.text("/questionnaires")
    assert "Почему ушли" in page
    assert 'value="abandoned"' not in page
    assert 'value="competitor"' in page
    assert (await maria.post_form("/questionnaires/shipped", purpose="client")).status == 400


async def test_only_those_whom_it_concerns_are_asked(signed_in: SignIn, office: Office, database: Database) -> None:
    maria, client_id = await signed_in("maria"), office.clients[0]
    async with database.transaction() as session:
        asked = await add_questionnaire(
            session, name="Почему ушли", purpose=Purpose.ABANDONED, questions=parse(TEXT).questions, now=NOW
        )
    link = f'href="/clients/{client_id}/sheets/{asked.questionnaire.id}"'
    assert link not in await maria.text(f"/clients/{client_id}")
    async with database.transaction() as session:
        client = await get_client(session, client_id, lock=True)
        await move(session, client=client, to=Group.ABANDONED, cause=MoveCause.USER, at=NOW, author_id=None)
        await move(session, client=client, to=Group.HOT, cause=MoveCause.USER, at=NOW, author_id=None)
    assert link in await maria.text(f"/clients/{client_id}")


async def test_what_was_typed_stands_in_the_fields_again(database: Database, office: Office) -> None:
    async with database.transaction() as session:
        asked = await add_questionnaire(
            session, name="О клиенте", purpose=Purpose.CLIENT, questions=parse(TEXT).questions, now=NOW
        )
    typed = {"sheet.1.buys": "yes", "sheet.1.matters.price": "yes", "sheet.1.matters.term": "yes", "note": "x"}
    assert typed_sheets(typed) == {1: {"buys": "yes", "matters": "price,term"}}
    (sheet,) = shown_sheets(words("ru"), (AskedNow(asked, {"buys": False, "said": "Раньше"}),), typed)
    assert [each.value for each in sheet.questions] == ["yes", "price,term", ""]
    (sheet,) = shown_sheets(words("ru"), (AskedNow(asked, {"buys": False, "said": "Раньше"}),), {"note": "x"})
    assert [each.value for each in sheet.questions] == ["no", "", "Раньше"]
    assert sheet.questions[1].when_value == "yes"
