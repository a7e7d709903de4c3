"""The operator's page: what it shows, what it sends while it is open, and what it keeps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import time, timedelta
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType
from sqlalchemy import select

from crm.base.organisations import Organisation
from crm.database import Database
from crm.errors import Finding
from crm.office.users import end_sessions_of
from crm.preparation.campaign_setup import change_setup
from crm.preparation.campaigns import Campaign, add_campaign, get_campaign
from crm.preparation.results import Result
from crm.preparation.scripts import change_script
from crm.wrap_up.outcomes import Outcome, load_draft
from dialer.calls.view import CallState, LineState, Message, RecordingState
from dialer.reasons import Reason
from tests.dialer.console.conftest import Browser, Clock, SignIn
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import NOW, Office


@asynccontextmanager
async def live(browser: Browser, have: dict[str, str] | None = None) -> AsyncIterator[ClientWebSocketResponse]:
    async with browser.client.ws_connect("/operator/live", headers={"Origin": browser.origin}) as socket:
        await socket.send_json({"have": have or {}})
        yield socket


async def next_one(socket: ClientWebSocketResponse) -> dict[str, Any]:
    snapshot: dict[str, Any] = await socket.receive_json(timeout=10)
    return snapshot


async def dialled(browser: Browser, desk: FakeDesk, office: Office) -> str:
    """Anna's first client is being called."""
    await browser.act("ready")
    response = await browser.act("dial", client_id=office.clients[0])
    assert response.status == 200, await response.text()
    return str((await response.json())["attempt_id"])


async def test_the_card_says_whom_why_when_and_where(signed_in: SignIn, office: Office) -> None:
    browser = await signed_in("anna")
    await browser.act("ready")
    page = await browser.text("/operator")
    for text in (
        "ООО «Северный ветер»",
        "Обещали позвонить: 11:00 · Петрова Анна Сергеевна",
        "просрочено на 2 минуты",
        'data-clock="Asia/Yekaterinburg"',
        "+7 342 000-00-04",
        "доб. 12",
        "Петрова Анна Сергеевна",
        "Тёплый",
    ):
        assert text in page, text


async def test_why_a_client_is_not_called_now_is_on_the_card(
    signed_in: SignIn, office: Office, desk: FakeDesk, database: Database, clock: Clock
) -> None:
    browser = await signed_in("anna")
    await browser.act("ready")
    async with database.transaction() as session:
        organisation = await session.get_one(Organisation, office.organisations[0])
        organisation.time_zone = "Asia/Kamchatka"
    clock.move(hours=2)
    page = await browser.text("/operator")
    assert "Сейчас звонить нельзя." in page
    assert "У клиента 22:02; звонить можно с 09:00 до 18:00." in page
    assert "data-primary disabled" in page


async def test_the_page_is_told_of_every_change_and_only_of_what_changed(
    signed_in: SignIn, office: Office, desk: FakeDesk
) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    async with live(browser) as socket:
        first = await next_one(socket)
        assert set(first["regions"]) == {
            *("line", "banner", "day", "card", "script", "questionnaire", "note", "history", "call", "outcome", "undo")
        }
        await browser.act("ready")
        await next_one(socket)
        shown = await next_one(socket)
        assert "ООО «Северный ветер»" in shown["regions"]["card"]["html"]
        assert "line" not in shown["regions"]
        desk.change(anna, operator_dbov=-20.0, client_dbov=-60.0)
        levels = await next_one(socket)
        assert levels["levels"] == {"operator": -20.0, "client": -60.0}
        assert levels["regions"] == {}


async def test_the_script_of_the_clients_campaign_is_on_the_card(
    signed_in: SignIn, office: Office, database: Database
) -> None:
    text = "# Приветствие\nДобрый день, <b>это мы</b>!\n> Да -> Предложение\n> Нет\n# Предложение\nПришлём?"
    async with database.transaction() as session:
        campaign = await get_campaign(session, office.campaign_id)
        await change_script(session, campaign=campaign, script=text, now=NOW)
    browser = await signed_in("anna")
    assert 'id="script"' not in await browser.text("/operator"), "nobody is in front yet"
    await browser.act("ready")
    page = await browser.text("/operator")
    assert "Добрый день, &lt;b&gt;это мы&lt;/b&gt;!" in page
    assert re.findall(r'data-leads="(\w+)">([^<]*)<', page) == [("1", "Да"), ("end", "Нет")]
    steps = re.findall(r'data-step="(\w+)"( hidden)?>', page)
    assert steps == [("0", ""), ("1", " hidden"), ("end", " hidden")]


async def test_a_page_that_comes_back_gets_only_what_it_lacks(signed_in: SignIn, office: Office) -> None:
    browser = await signed_in("anna")
    async with live(browser) as socket:
        first = await next_one(socket)
    have = {name: part["key"] for name, part in first["regions"].items()}
    async with live(browser, {**have, "call": "another"}) as socket:
        again = await next_one(socket)
    assert set(again["regions"]) == {"call"}


async def test_nobody_watches_when_the_page_has_gone(signed_in: SignIn, office: Office, desk: FakeDesk) -> None:
    browser = await signed_in("anna")
    async with live(browser) as socket:
        await next_one(socket)
        assert desk.watching == 1
    # The connection's end is seen when the server has handled it; the next request is answered after that.
    for _ in range(100):
        await browser.get("/healthz")
        if desk.watching == 0:
            break
    assert desk.watching == 0


async def test_clicking_twice_dials_once(signed_in: SignIn, office: Office, desk: FakeDesk) -> None:
    browser = await signed_in("anna")
    attempt_id = await dialled(browser, desk, office)
    again = await browser.act("dial", client_id=office.clients[0])
    assert await again.json() == {"attempt_id": attempt_id}


async def test_a_client_who_gave_way_is_told_of_beside_the_next_card_alone(
    signed_in: SignIn, office: Office, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def left(*_who: object, **_whom: object) -> None:
        """The client left; the next card is there."""

    monkeypatch.setattr(desk, "dial", left)
    response = await (await signed_in("anna")).act("dial", client_id=office.clients[0])
    assert (response.status, await response.json()) == (200, {})


async def test_a_stale_tab_neither_dials_nor_hangs_up_nor_writes(
    signed_in: SignIn, office: Office, desk: FakeDesk
) -> None:
    browser = await signed_in("anna")
    await dialled(browser, desk, office)
    before = list(desk.clicks)
    stale = "0" * 32
    for action, content in (
        ("hang-up", {"attempt_id": stale}),
        ("digits", {"attempt_id": stale, "digits": "1"}),
        ("draft", {"attempt_id": stale, "fields": {}}),
        ("skip", {"client_id": office.clients[3], "reason": "дубль"}),
    ):
        response = await browser.act(action, **content)
        assert response.status == 409, action
        assert "устарела" in (await response.json())["error"]
    response = await browser.act("dial", client_id=office.clients[3])
    assert response.status == 409
    assert desk.clicks[: len(before)] == before
    assert all(click[0] == "dial" for click in desk.clicks[len(before) :])


async def test_what_is_typed_survives_a_reload(
    signed_in: SignIn, office: Office, desk: FakeDesk, database: Database
) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    attempt_id = await dialled(browser, desk, office)
    await desk.answer(anna)
    fields = {"disposition": "cold", "reason": "Дорого", "note": "Ворота синие", "person_id": ""}
    response = await browser.act("draft", attempt_id=attempt_id, fields=fields)
    assert response.status == 200, await response.text()
    await desk.end(anna)
    page = await browser.text("/operator")
    assert 'value="Дорого"' in page
    assert "Ворота синие</textarea>" in page
    assert 'value="cold" data-digit="4"' in page
    chosen = page[page.index('value="cold"') : page.index('value="abandoned"')]
    assert " checked>" in chosen
    async with database.reading() as session:
        assert (await load_draft(session, attempt_id=attempt_id))["reason"] == "Дорого"


async def test_typing_and_levels_do_not_swap_the_form_away(signed_in: SignIn, office: Office, desk: FakeDesk) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    attempt_id = await dialled(browser, desk, office)
    await desk.answer(anna)
    async with live(browser) as socket:
        await next_one(socket)
        await browser.act("draft", attempt_id=attempt_id, fields={"reason": "Дорого", "note": "Ворота"})
        desk.change(anna, client_dbov=-20.0)
        assert (await next_one(socket))["regions"] == {}
        await desk.end(anna)
        ended = await next_one(socket)
    assert ended["call"] == "wrap_up"
    assert "outcome" not in ended["regions"], "the form of the talk is the form of the wrap-up"
    assert "note" not in ended["regions"]


async def test_the_networks_proposal_is_chosen(signed_in: SignIn, office: Office, desk: FakeDesk) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    await dialled(browser, desk, office)
    await desk.end(anna, Result.BUSY)
    page = await browser.text("/operator")
    chosen = page[page.index('value="no_contact"') : page.index('value="nonexistent"')]
    assert " checked>" in chosen
    assert "занято" in page
    assert 'value="hot"' not in page, "nobody answered: nobody can be hot"


@pytest.mark.parametrize(
    ("typed", "echo"),
    [
        ("чт 1530", "= чт 14 мая 15:30 (Екатеринбург), 13:30 у вас"),
        ("завтра в 11", "= пт 15 мая 11:00 (Екатеринбург), 09:00 у вас"),
        ("tomorrow 0:30", "= пт 15 мая 00:30 (Екатеринбург), 22:30 у вас"),
    ],
)
async def test_a_spoken_time_is_echoed_on_both_clocks(
    signed_in: SignIn, office: Office, desk: FakeDesk, typed: str, echo: str
) -> None:
    browser = await signed_in("anna")
    attempt_id = await dialled(browser, desk, office)
    response = await browser.get("/operator/when", params={"text": typed, "attempt_id": attempt_id})
    assert (await response.json())["echo"] == echo


OUTSIDE = "Вне часов звонков (09:00–18:00). Звонок всё равно будет предложен."
DAY_OFF = "Там выходной день. Звонок всё равно будет предложен."


@pytest.mark.parametrize(
    ("typed", "warning"),
    [
        ("завтра в 11", ""),
        ("завтра в 17:59", ""),
        ("завтра в 20:00", OUTSIDE),
        ("завтра в 18:00", OUTSIDE),
        ("завтра в 8", OUTSIDE),
        ("через 12 часов", OUTSIDE),
        ("в субботу в 11", DAY_OFF),
        ("в субботу в 20:00", DAY_OFF),
        ("12.06 11:00", DAY_OFF),
    ],
)
async def test_a_time_at_which_there_are_no_calls_is_warned_of(
    signed_in: SignIn, office: Office, desk: FakeDesk, database: Database, typed: str, warning: str
) -> None:
    async with database.transaction() as session:
        campaign = (await session.scalars(select(Campaign))).one()
        campaign.calls_from, campaign.calls_until = time(9), time(18)
    browser = await signed_in("anna")
    attempt_id = await dialled(browser, desk, office)
    response = await browser.get("/operator/when", params={"text": typed, "attempt_id": attempt_id})
    assert (await response.json())["warning"] == warning


async def test_a_time_that_is_not_understood_is_told_in_words(
    signed_in: SignIn, office: Office, desk: FakeDesk
) -> None:
    browser = await signed_in("anna")
    attempt_id = await dialled(browser, desk, office)
    headers = {"Accept": "application/json"}
    response = await browser.get(
        "/operator/when", params={"text": "потом как-нибудь", "attempt_id": attempt_id}, headers=headers
    )
    assert response.status == 422
    assert (await response.json())["error"].startswith("«потом как-нибудь» не понятно как")


async def test_a_callback_is_saved_and_the_next_card_comes(
    signed_in: SignIn, office: Office, desk: FakeDesk, database: Database
) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    attempt_id = await dialled(browser, desk, office)
    await desk.answer(anna)
    await desk.end(anna)
    fields = {"disposition": "callback", "when": "чт 1530", "asked_by": "секретарь", "note": "позже"}
    response = await browser.act("outcome", attempt_id=attempt_id, fields=fields)
    assert response.status == 200, await response.text()
    async with database.reading() as session:
        outcome = await session.scalar(select(Outcome).where(Outcome.attempt_id == attempt_id))
    assert outcome is not None
    assert outcome.callback_at_local is not None
    assert outcome.callback_at_local.isoformat() == "2026-05-14T15:30:00"
    assert (outcome.note, outcome.disposition) == ("позже", "callback")
    assert (await desk.view(anna)).client_id not in (None, office.clients[0])


async def test_what_is_missing_is_told_in_words_with_its_code(
    signed_in: SignIn, office: Office, desk: FakeDesk
) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    attempt_id = await dialled(browser, desk, office)
    await desk.answer(anna)
    await desk.end(anna)
    for fields, code, words in (
        ({"disposition": "cold"}, "outcome.needs_reason", "Укажите причину."),
        ({"disposition": "callback"}, "outcome.callback_needs_time", "Укажите, когда перезвонить."),
        ({}, "outcome.unknown_disposition", "Выберите итог"),
    ):
        response = await browser.act("outcome", attempt_id=attempt_id, fields=fields)
        assert response.status == 422
        told = await response.json()
        assert told["code"] == code
        assert words in told["error"]
    assert (await desk.view(anna)).call is CallState.WRAP_UP


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"headset_registered": False}, "Гарнитура: нет"),
        ({"trunk_ready": False, "trunk_detail": "403"}, "Нет связи с оператором связи: 403"),
        (
            {"trunk_ready": False, "trunk_detail": Reason("trunk.not_set_up")},
            "Линия оператора связи не настроена, звонить нельзя. Скажите администратору.",
        ),
        ({"dialling_stopped": True}, "Руководитель остановил все звонки."),
        ({"recording": RecordingState.FAILED}, "запись прервалась"),
        ({"silent": "operator"}, "Клиент вас не слышит"),
        ({"silent": "client"}, "От клиента ничего не слышно"),
        (
            {"message": Message("desk.client_left", {"name": "Альфа", "reason": Finding("dial.do_not_call")})},
            "Альфа: сейчас не звоним. Клиент просил не звонить. Следующий клиент появится сам.",
        ),
        ({"message": Message("desk.media_lost")}, "Звук разговора пропал внутри службы."),
        ({"message": Message("desk.interrupted")}, "Во время этого звонка служба перезапустилась."),
    ],
)
async def test_trouble_is_told_in_words(
    signed_in: SignIn, office: Office, desk: FakeDesk, changes: dict[str, object], words: str
) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    await dialled(browser, desk, office)
    await desk.answer(anna)
    desk.change(anna, **changes)
    assert words in await browser.text("/operator")


async def test_an_interrupted_call_asks_for_its_outcome_although_the_line_is_down(
    signed_in: SignIn, office: Office, desk: FakeDesk
) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    await dialled(browser, desk, office)
    await desk.answer(anna)
    await desk.end(anna, Result.INTERRUPTED)
    desk.change(anna, line=LineState.OFFLINE, message=Message("desk.interrupted"))
    page = await browser.text("/operator")
    assert "прерван перезапуском" in page
    assert 'id="outcome-form"' in page


async def test_names_that_are_markup_are_only_names(
    signed_in: SignIn, office: Office, desk: FakeDesk, database: Database
) -> None:
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
    async with database.transaction() as session:
        organisation = await session.get_one(Organisation, office.organisations[0])
        organisation.name, organisation.note, organisation.city = evil, evil, evil
    browser = await signed_in("anna")
    await browser.act("ready")
    page = await browser.text("/operator")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    async with live(browser) as socket:
        snapshot = await next_one(socket)
    assert "<script>" not in snapshot["regions"]["card"]["html"]
    assert "<img src=x" not in snapshot["regions"]["day"]["html"]


async def test_tones_are_tones(signed_in: SignIn, office: Office, desk: FakeDesk) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    attempt_id = await dialled(browser, desk, office)
    await desk.answer(anna)
    assert (await browser.act("digits", attempt_id=attempt_id, digits="1*#")).status == 200
    assert (await browser.act("digits", attempt_id=attempt_id, digits="1;x")).status == 400
    assert [click for click in desk.clicks if click[0] == "digits"] == [("digits", anna, "1*#")]


@pytest.mark.parametrize("body", ["", "[]", "{", '"text"', '{"client_id": "1"}', '{"client_id": true}'])
async def test_nonsense_is_refused_in_words(signed_in: SignIn, office: Office, body: str) -> None:
    browser = await signed_in("anna")
    headers = {"Origin": browser.origin, "X-CSRF-Token": browser.csrf, "Accept": "application/json"}
    response = await browser.client.post("/operator/dial", data=body, headers=headers)
    assert response.status == 400
    assert (await response.json())["error"] == "Запрос не удалось прочесть."


async def test_who_is_signed_out_sees_no_more_of_a_call_that_goes_on(
    signed_in: SignIn, desk: FakeDesk, office: Office, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialer.console.desk.live.BEAT_S", 0.3)
    browser = await signed_in("anna")
    async with live(browser) as socket, asyncio.timeout(10):
        await next_one(socket)
        async with database.transaction() as session:
            await end_sessions_of(session, user_id=office.users["anna"])
        answer = None
        while answer is None or answer.type is WSMsgType.TEXT:
            desk.change(office.users["anna"], operator_dbov=-20.0)  # there is always something new
            answer = await socket.receive()
        assert socket.close_code == 4401
    # A browser that connects again must be told so too: of a connection that is refused it tells the page nothing.
    async with live(browser) as socket, asyncio.timeout(10):
        assert (await socket.receive()).type is WSMsgType.CLOSE
        assert socket.close_code == 4401


@pytest.mark.parametrize("when", ["0", "вчера в 10", "когда-нибудь", "завтра в 11"])
async def test_a_time_that_another_choice_left_behind_hinders_nobody_and_promises_nothing(
    signed_in: SignIn, office: Office, desk: FakeDesk, when: str
) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    attempt_id = await dialled(browser, desk, office)
    await desk.answer(anna)
    await desk.end(anna)
    said = await browser.act("outcome", attempt_id=attempt_id, fields={"disposition": "no_contact", "when": when})
    assert said.status == 200, await said.text()
    assert desk.saved[-1].callback_at_local is None


async def test_what_was_just_saved_can_be_undone_and_is_on_the_form_again(
    signed_in: SignIn, office: Office, desk: FakeDesk, database: Database, clock: Clock
) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    attempt_id = await dialled(browser, desk, office)
    await desk.answer(anna)
    await desk.end(anna)
    fields = {"disposition": "cold", "reason": "Слишком дорого"}
    assert (await browser.act("outcome", attempt_id=attempt_id, fields=fields)).status == 200
    page = await browser.text("/operator")
    assert "Записано: ООО «Северный ветер», Холодный" in page
    assert f'data-undo="{attempt_id}"' in page
    clock.move(seconds=9)
    assert (await browser.act("undo", attempt_id=attempt_id)).status == 200
    page = await browser.text("/operator")
    assert 'value="Слишком дорого"' in page
    assert "data-undo" not in page
    assert f"/calls/{attempt_id}#correct" not in page, "the client is in hand again, and nothing is done yet"
    again = await browser.act("undo", attempt_id=attempt_id)
    assert again.status == 409
    assert (await browser.act("outcome", attempt_id=attempt_id, fields=fields)).status == 200
    clock.move(seconds=10)
    assert "data-undo" not in await browser.text("/operator")
    late = await browser.act("undo", attempt_id=attempt_id)
    assert (await late.json())["code"] == "outcome.undo_too_late"


async def test_a_promise_that_was_handed_over_leaves_the_desk_of_whoever_pauses(
    signed_in: SignIn, office: Office, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The headset stays on the line meanwhile, so its level comes every second."""
    monkeypatch.setattr("dialer.console.desk.live.BEAT_S", 0.2)
    anna, admin = await signed_in("anna"), await signed_in("admin")
    await anna.act("ready")
    await anna.act("pause")
    async with live(anna) as socket:
        assert "Северный ветер" in (await next_one(socket))["regions"]["day"]["html"]
        to = str(office.users["oleg"])
        assert (await admin.post_form(f"/users/{office.users['anna']}/hand-over", to=to)).status == 303
        async with asyncio.timeout(10):
            day: dict[str, str] | None = None
            while day is None:
                desk.change(office.users["anna"], operator_dbov=-24.0)
                day = (await next_one(socket))["regions"].get("day")
        assert "Северный ветер" not in day["html"]


async def test_the_form_of_a_skip_names_its_client_and_goes_with_it(
    signed_in: SignIn, office: Office, desk: FakeDesk
) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    await browser.act("ready")
    assert f'<details id="skip" data-client="{office.clients[0]}">' in await browser.text("/operator")
    async with live(browser) as socket:
        await next_one(socket)
        await browser.act("skip", client_id=office.clients[0], reason="дубль")
        shown = await next_one(socket)
    following = (await desk.view(anna)).client_id
    assert f'<details id="skip" data-client="{following}">' in shown["regions"]["call"]["html"], "or it stays open"


async def test_a_skip_is_taken_back_as_long_as_it_is_offered(
    signed_in: SignIn, office: Office, desk: FakeDesk, clock: Clock
) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    await browser.act("ready")
    before = await desk.view(anna)
    await browser.act("skip", client_id=office.clients[0], reason="дубль")
    page = await browser.text("/operator")
    assert "Пропущен: ООО «Северный ветер»" in page
    assert f'data-do="undo-skip" data-undo="{before.entry_id}"' in page
    response = await browser.act("undo-skip", entry_id=before.entry_id)
    assert response.status == 200, await response.text()
    assert (await desk.view(anna)).client_id == office.clients[0]
    assert "Пропущен:" not in await browser.text("/operator")
    await browser.act("skip", client_id=office.clients[0], reason="дубль")
    clock.move(seconds=10)
    assert "Пропущен:" not in await browser.text("/operator")
    response = await browser.act("undo-skip", entry_id=before.entry_id)
    assert response.status == 409
    assert "Вернуть пропущенного можно за 10 с" in (await response.json())["error"]


async def test_the_card_says_for_whom_and_about_what_the_call_is(
    signed_in: SignIn, office: Office, database: Database
) -> None:
    name = "Длинное название кампании, " * 7
    async with database.transaction() as session:
        campaign = await get_campaign(session, office.campaign_id)
        campaign.name = name
        await change_setup(session, campaign=campaign, now=NOW, customer="ООО «Климат»", product="клапаны")
        await add_campaign(session, name="Пожарная сигнализация", now=NOW + timedelta(days=1))
    browser = await signed_in("anna")
    assert "Пожарная сигнализация" not in await browser.text("/operator"), "nobody is in front yet"
    await browser.act("ready")
    page = await browser.text("/operator")
    assert f'<p class="for-whom">{name} · ООО «Климат» · клапаны</p>' in page
    assert "Пожарная сигнализация" not in page


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (CallState.NONE, "Пока это так, никому не звонят"),
        (CallState.TALKING, "Разговор продолжается"),
        (CallState.WRAP_UP, "Всё о разговоре хранится в памяти"),
    ],
)
async def test_trouble_with_the_database_says_what_it_means_now_and_what_to_do(
    signed_in: SignIn, office: Office, desk: FakeDesk, call: CallState, told: str
) -> None:
    """It outlasts the call that it began in."""
    browser, anna = await signed_in("anna"), office.users["anna"]
    attempt_id = await dialled(browser, desk, office)
    message = Message("desk.database_trouble", {"reason": Reason("database.full")})
    desk.change(anna, call=call, attempt_id=attempt_id if call is not CallState.NONE else None, message=message)
    page = await browser.text("/operator")
    assert "Не удаётся писать в базу данных: её диск заполнен." in page
    assert told in page
    assert "Скажите администратору." in page
    assert ("Разговор продолжается" in page) is (call is CallState.TALKING)


async def test_between_two_cards_the_page_says_that_one_is_coming(
    signed_in: SignIn, office: Office, desk: FakeDesk
) -> None:
    browser, anna = await signed_in("anna"), office.users["anna"]
    async with live(browser) as socket:
        await next_one(socket)
        desk.change(anna, line=LineState.READY)
        card = (await next_one(socket))["regions"]["card"]["html"]
        assert "Сейчас будет следующий клиент" in card
        assert "звонить некому" not in card
        desk.change(anna, message=Message("desk.nothing_to_call"))
        assert "Сейчас звонить некому" in (await next_one(socket))["regions"]["card"]["html"]
        desk.change(anna, message=Message("desk.database_trouble", {"reason": "нет места"}))
        assert "Клиента выдать не удалось" in (await next_one(socket))["regions"]["card"]["html"]
