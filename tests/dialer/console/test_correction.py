"""An outcome is corrected on the call's page, and both versions are kept."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.clientele.clients import get_client
from crm.clientele.groups import MoveCause, move
from crm.database import Database
from crm.group import Group
from crm.plan.callbacks import Callback, CallbackState, open_callback
from crm.plan.outcome_chain import versions_of
from crm.questionnaires.questionnaires import Purpose
from crm.questionnaires.sheets import sheets_of
from crm.questionnaires.shipped import add_shipped
from crm.wrap_up.outcomes import OutcomeForm
from tests.dialer.console.conftest import Browser, Clock, SignIn
from tests.dialer.console.seed import NOW, Office, seed_call


@pytest.fixture
async def attempt_id(office: Office, database: Database) -> str:
    """Anna's call of an hour ago; they talked, and she wrote down that the client is cold."""
    form = OutcomeForm(disposition="cold", reason="Дорого", note="строгий секретарь")
    return await seed_call(database, office, client=3, at=NOW - timedelta(hours=1), form=form)


async def form_in(browser: Browser, attempt_id: str) -> dict[str, str]:
    page = await browser.text(f"/calls/{attempt_id}")
    form = page.split('id="correct"')[1]
    fields = dict(re.findall(r'<input (?:type="hidden" )?name="(\w+)" value="([^"]*)"', form))
    chosen = re.search(r'<option value="(\w+)"[^>]* selected>', form)
    assert chosen
    return {name: text for name, text in fields.items() if name != "csrf"} | {"disposition": chosen[1]}


@pytest.mark.parametrize("who", ["anna", "maria"])
async def test_it_is_corrected_and_both_versions_are_shown(
    signed_in: SignIn, office: Office, database: Database, attempt_id: str, who: str
) -> None:
    browser = await signed_in(who)
    form = await form_in(browser, attempt_id)
    assert (form["disposition"], form["reason"], form["note"]) == ("cold", "Дорого", "строгий секретарь")
    assert "Версии итога" not in await browser.text(f"/calls/{attempt_id}")
    changed = {**form, "disposition": "warm", "when": "завтра 11", "summary": "Готов смотреть"}
    answer = await browser.post_form(f"/calls/{attempt_id}/outcome", **changed)
    assert answer.status == 303, await answer.text()
    page = await browser.text(f"/calls/{attempt_id}")
    versions = page.split("Версии итога")[1].split("</table>")[0]
    assert re.findall(r"<td>(Тёплый|Холодный)</td>", versions) == ["Тёплый", "Холодный"]
    assert "Иванова Анна" in versions
    assert ("Руководова Мария" in versions) == (who == "maria")
    async with database.reading() as session:
        assert (await get_client(session, office.clients[3])).group is Group.WARM
        chain = await versions_of(session, attempt_id)
        promise = await open_callback(session, office.clients[3])
    assert [(each.disposition, each.reason) for each in chain] == [("cold", "Дорого"), ("warm", "")]
    assert promise is not None
    assert promise.owner_id == office.users["anna"], "whoever called keeps it"


async def test_an_open_promise_is_kept_at_its_day_whatever_its_words_mean_now(
    signed_in: SignIn, office: Office, database: Database, clock: Clock
) -> None:
    made = OutcomeForm(disposition="callback", callback_words="завтра 11")
    attempt_id = await seed_call(database, office, client=3, at=NOW - timedelta(hours=1), form=made)
    clock.move(hours=20)
    maria = await signed_in("maria")
    form = await form_in(maria, attempt_id)
    assert form["when"] == "15.05.2026 11:00"
    assert (await maria.post_form(f"/calls/{attempt_id}/outcome", **{**form, "note": "исправлено"})).status == 303
    async with database.reading() as session:
        found = await session.scalars(select(Callback).where(Callback.client_id == office.clients[3]))
        states = {each.local_at.isoformat(): each.state for each in found}
    assert states == {"2026-05-15T11:00:00": CallbackState.OPEN}


async def test_what_is_refused_is_told_and_what_was_typed_is_kept(
    signed_in: SignIn, database: Database, attempt_id: str
) -> None:
    maria = await signed_in("maria")
    form = await form_in(maria, attempt_id)
    answer = await maria.post_form(f"/calls/{attempt_id}/outcome", **{**form, "reason": "", "note": "другое"})
    page = await answer.text()
    assert answer.status == 422
    assert "Укажите причину." in page
    assert 'name="note" value="другое"' in page
    garbled = await maria.post_form(f"/calls/{attempt_id}/outcome", **{**form, "corrects": "x"})
    assert garbled.status == 400
    async with database.reading() as session:
        assert len(await versions_of(session, attempt_id)) == 1


async def test_of_two_who_correct_at_once_the_second_is_told(signed_in: SignIn, attempt_id: str) -> None:
    maria, anna = await signed_in("maria"), await signed_in("anna")
    form = await form_in(maria, attempt_id)
    assert (await anna.post_form(f"/calls/{attempt_id}/outcome", **{**form, "reason": "Далеко"})).status == 303
    answer = await maria.post_form(f"/calls/{attempt_id}/outcome", **{**form, "reason": "Рано"})
    assert answer.status == 409
    assert "Итог этого звонка уже записан." in await answer.text()


async def test_who_may_not_finds_no_form(signed_in: SignIn, attempt_id: str) -> None:
    for who in ("konst", "audit"):
        assert "Исправить итог" not in await (await signed_in(who)).text(f"/calls/{attempt_id}")


async def test_the_operators_day_leads_there(signed_in: SignIn, attempt_id: str) -> None:
    assert f'href="/calls/{attempt_id}#correct"' in await (await signed_in("anna")).text("/operator")


async def test_a_correction_needs_the_survey_as_the_desk_does(
    signed_in: SignIn, office: Office, database: Database
) -> None:
    client_id = office.clients[3]
    async with database.transaction() as session:
        client = await get_client(session, client_id, lock=True)
        await move(
            session, client=client, to=Group.ABANDONED, at=NOW - timedelta(hours=3), cause=MoveCause.RULE,
            author_id=None, note="заброшен",
        )  # fmt: skip
    form = OutcomeForm(disposition="cold", reason="Дорого")
    attempt_id = await seed_call(database, office, client=3, at=NOW - timedelta(hours=1), form=form)
    async with database.transaction() as session:
        made = await add_shipped(session, purpose=Purpose.ABANDONED, language="ru", now=NOW)
    field = f"sheet.{made.questionnaire.id}.why_left"
    maria = await signed_in("maria")
    assert f'name="{field}"' in await maria.text(f"/calls/{attempt_id}")
    fields = {**await form_in(maria, attempt_id), "note": "исправлено"}
    answer = await maria.post_form(f"/calls/{attempt_id}/outcome", **fields, **{field: ""})
    assert answer.status == 422
    assert "Нужен ответ на вопрос «Почему перестали работать с нами»." in await answer.text()
    assert (await maria.post_form(f"/calls/{attempt_id}/outcome", **fields, **{field: "price"})).status == 303
    async with database.reading() as session:
        (sheet,) = await sheets_of(session, client_id)
    assert (sheet.answers, sheet.attempt_id) == ({"why_left": "price"}, attempt_id)


async def test_a_note_is_corrected_when_the_promised_time_has_passed(
    signed_in: SignIn, office: Office, database: Database, clock: Clock
) -> None:
    form = OutcomeForm(disposition="callback", callback_words="завтра в 11", asked_by="Пётр", note="опечатка")
    attempt_id = await seed_call(database, office, client=3, at=NOW - timedelta(hours=1), form=form)
    clock.move(days=3)
    maria = await signed_in("maria")
    typed = {**await form_in(maria, attempt_id), "note": "верно"}
    answer = await maria.post_form(f"/calls/{attempt_id}/outcome", **typed)
    assert answer.status == 303, await answer.text()
    async with database.reading() as session:
        (promise,) = await session.scalars(select(Callback).where(Callback.made_by_attempt_id == attempt_id))
    assert promise.state is CallbackState.OPEN
