"""The manager's pages: calls with filters and pages, the plan, the big switch."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest

from crm.database import Database
from crm.preparation.results import Result
from crm.wrap_up.outcomes import OutcomeForm
from dialer.console.calls import call_pages
from dialer.console.web import alarms
from dialer.reasons import Reason
from dialer.telephony import TrunkStatus
from recordings.store import LocalStore
from tests.dialer.console.conftest import Browser, Clock, SignIn
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import NOW, Office, seed_call


@pytest.fixture
async def calls(office: Office, database: Database) -> list[str]:
    """Three calls: Anna's warm one today, Oleg's cold one yesterday, Anna's busy one two days ago."""
    warm = OutcomeForm(
        disposition="warm", person_name="Петров Пётр", person_decides=True, summary="Готов смотреть предложение"
    )
    return [
        await seed_call(database, office, client=3, at=NOW - timedelta(hours=1), form=warm),
        await seed_call(
            database,
            office,
            client=4,
            login="oleg",
            at=NOW - timedelta(days=1),
            form=OutcomeForm(disposition="cold", reason="Нет денег"),
        ),
        await seed_call(
            database,
            office,
            client=5,
            at=NOW - timedelta(days=2),
            result=Result.BUSY,
            form=OutcomeForm(disposition="no_contact"),
        ),
    ]


async def listed(browser: Browser, path: str) -> list[str]:
    page = await browser.text(path)
    found = re.findall(r'class="name" href="/calls/([0-9a-f]{32})"', page)
    return list(found)


async def test_the_newest_call_comes_first(signed_in: SignIn, calls: list[str]) -> None:
    assert await listed(await signed_in("maria"), "/calls") == calls


async def test_filters(signed_in: SignIn, calls: list[str], office: Office) -> None:
    browser = await signed_in("maria")
    warm, cold, busy = calls
    for query, expected in (
        (f"operator={office.users['anna']}", [warm, busy]),
        ("group=cold", [cold]),
        ("disposition=warm", [warm]),
        ("result=busy", [busy]),
        ("from=2026-05-13", [warm, cold]),
        ("to=2026-05-13", [cold, busy]),
        ("from=2026-05-13&to=2026-05-13", [cold]),
        ("disposition=warm&result=busy", []),
    ):
        assert await listed(browser, f"/calls?{query}") == expected, query


@pytest.mark.parametrize(
    "query",
    [
        "operator=x",
        "operator=99999999999999999999",
        "group=x",
        "result=x",
        "from=x",
        "before=x",
        "before=-1-2",
        "from=0001-01-01",
        "to=9999-12-31",
    ],
)
async def test_nonsense_in_the_address_is_left_out(signed_in: SignIn, calls: list[str], query: str) -> None:
    assert await listed(await signed_in("maria"), f"/calls?{query}") == calls


async def test_pages_neither_repeat_nor_lose_a_call(
    signed_in: SignIn, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_pages, "PAGE_ROWS", 2)
    browser = await signed_in("maria")
    first = await browser.text("/calls?from=2026-05-01")
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    address = older[1].replace("&amp;", "&")
    assert "from=2026-05-01" in address
    assert await listed(browser, "/calls") + await listed(browser, address) == calls
    assert 'rel="next"' not in await browser.text(address)


async def test_a_call_shows_what_was_written_down(signed_in: SignIn, calls: list[str]) -> None:
    page = await (await signed_in("maria")).text(f"/calls/{calls[0]}")
    for text in ("Гамма-Холод", "Иванова Анна", "07:48", "Петров Пётр", "Готов смотреть предложение"):
        assert text in page
    assert "Главный контакт" in page


async def test_the_plan_shows_done_against_planned(signed_in: SignIn, calls: list[str]) -> None:
    page = await (await signed_in("maria")).text("/plan")
    row = page[page.index("Иванова Анна") : page.index("Сидоров Олег")]
    numbers = re.findall(r'class="number[^"]*">(\d+)<', row)
    done, own, shared, contacts, main_contacts, promised, overdue = map(int, numbers)
    assert (done, contacts, main_contacts) == (1, 1, 1)
    assert own + shared > done
    assert (promised, overdue) == (2, 1)


async def test_the_big_switch(signed_in: SignIn, desk: FakeDesk, office: Office) -> None:
    maria, anna = await signed_in("maria"), await signed_in("anna")
    assert (await maria.post_form("/stop-dialling", stopped="yes")).status == 303
    assert "Все звонки остановлены." in await maria.text("/calls")
    assert "Руководитель остановил все звонки." in await anna.text("/operator")
    for back, leads_to in (("/plan", "/plan"), ("https://elsewhere.example/", "/calls"), ("/operator", "/calls")):
        answer = await maria.post_form("/stop-dialling", stopped="no", back=back)
        assert answer.headers["Location"] == leads_to
    assert "Все звонки остановлены." not in await maria.text("/calls")
    assert [click[2] for click in desk.clicks if click[0] == "stop all"] == [True, False, False, False]


async def test_who_may_not_stop_sees_no_button(signed_in: SignIn) -> None:
    assert "/stop-dialling" in await (await signed_in("maria")).text("/calls")
    assert "/stop-dialling" not in await (await signed_in("audit")).text("/calls")


async def test_whoever_answers_for_the_office_sees_that_the_trunk_is_dead(signed_in: SignIn, desk: FakeDesk) -> None:
    maria, admin, expert = await signed_in("maria"), await signed_in("admin"), await signed_in("konst")
    told = "Звонить нельзя: нет связи с оператором связи (sip.example не отвечает)."
    assert told not in await maria.text("/plan")
    desk.lines = TrunkStatus(ready=False, detail=Reason("trunk.no_answer", address="sip.example"))
    for_manager, for_administrator = await maria.text("/plan"), await admin.text("/calls")
    for page in (for_manager, for_administrator):
        assert f"{told} Верно ли имя, работает ли сеть" in page
    assert "скажите администратору" in for_manager
    assert "скажите администратору" not in for_administrator, "it is the administrator who reads it"
    assert told not in await expert.text("/calls")


async def test_whoever_answers_for_the_office_sees_that_a_disk_is_nearly_full(
    signed_in: SignIn, database: Database, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await signed_in("admin")
    assert "Освободите" not in await admin.text("/users")
    monkeypatch.setattr(database, "free_bytes", lambda: 12 * 2**20)
    monkeypatch.setattr(store, "free_bytes", lambda: 34 * 2**20)
    page = await admin.text("/users")
    written = (
        "Скоро ничего нельзя будет записать. Диск базы данных почти заполнен: свободно 12 МБ. Освободите там место."
    )
    assert written in page
    recorded = "Разговоры не записываются. Диск записей почти заполнен: свободно 34 МБ, в запасе держится 200 МБ."
    assert recorded in page


async def test_a_disk_that_hangs_is_told_and_takes_one_thread(
    signed_in: SignIn, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await signed_in("admin")
    asked, answers = [], threading.Event()

    def hang() -> int:
        asked.append(1)
        answers.wait()
        return 2**40

    monkeypatch.setattr(store, "free_bytes", hang)
    monkeypatch.setattr(alarms, "PATIENCE_S", 0)
    try:
        for _ in range(3):
            assert "Разговоры не записываются. Диск записей не отвечает." in await admin.text("/users")
        assert len(asked) == 1
    finally:
        answers.set()


async def test_overdue_promises_rise_to_the_manager(signed_in: SignIn, office: Office, clock: Clock) -> None:
    """The promise of the first client fell due two minutes ago; it may wait for a quarter of an hour."""
    maria = await signed_in("maria")
    assert "Просроченные обещания" not in await maria.text("/plan")
    assert "просрочено" not in await maria.text("/clients")
    clock.move(minutes=13)
    page = await maria.text("/plan")
    overdue = page.split("Просроченные обещания")[1].split("</table>")[0]
    assert "Северный ветер" in overdue
    assert "чт 14 мая 13:00" in overdue
    assert "просрочено на 15 минут" in overdue
    assert "Иванова Анна" in overdue
    assert "просрочено 1 обещание" in await maria.text("/clients"), "on every page of hers"
    assert "просрочено 1 обещание" not in await (await signed_in("konst")).text("/clients")
