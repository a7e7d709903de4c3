"""Other rules, tried on the page, read, taken away as a file, and switched on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import time, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from crm.audit import AuditEntry
from crm.calls.retry_rules import Rule, own_rules
from crm.database import Database
from crm.preparation.campaigns import get_campaign
from crm.preparation.results import Result
from crm.what_if.outcome import Outcome
from crm.wrap_up.outcomes import OutcomeForm
from dialer.console.campaigns import what_if_pages
from tests.dialer.console import test_retry_page
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import NOW, Office, seed_call

PAGE = "/campaigns/1/what-if"
TUESDAY = NOW - timedelta(days=2)


def form_in(page: str) -> dict[str, str]:
    """What a browser would send of this page, but the ends of the lists to choose from."""
    form = test_retry_page.form_in(page)
    for name, options in re.findall(r'<select name="(\S+?)"[^>]*>(.*?)</select>', page):
        chosen = re.findall(r'<option value="([^"]*)" selected', options)
        form[name] = ",".join(value for value in (form.get(name, ""), *chosen) if value)
    return form


@pytest.fixture
async def maria(signed_in: SignIn, office: Office, database: Database) -> Browser:
    """On Tuesday a client was called in vain at 11:02 and an hour later, another one in between."""
    for client, hours, result in ((3, 0, Result.BUSY), (1, 0.5, Result.BUSY), (3, 1, Result.DECLINED)):
        await seed_call(
            database, office, client=client, at=TUESDAY + timedelta(hours=hours), form=OutcomeForm("no_contact"),
            result=result, talk_seconds=30,
        )  # fmt: skip
    return await signed_in("maria")


async def test_rules_are_tried_and_nothing_is_saved(maria: Browser, database: Database) -> None:
    async def noted() -> int | None:
        async with database.reading() as session:
            return await session.scalar(select(func.count()).select_from(AuditEntry))

    before = await noted()
    form = form_in(await maria.text(PAGE))
    assert (form["calls_until"], form["attempts_a_day"], form["after.busy."]) == ("18:00", "3", "10")
    assert "Всё было бы так же." in await (await maria.post_form(PAGE, **form)).text()
    answer = await maria.post_form(PAGE, **form | {"calls_until": "12:00"})
    page = await answer.text()
    assert answer.status == 200
    assert "Отличается 1 клиент" in page
    assert "Вне часов звонков." in page
    assert "Гамма-Холод" in page
    assert "Альфа-Климат" not in page
    assert form_in(page)["calls_until"] == "12:00"
    # Enter in a field presses the first button of its form.
    assert page.index("Попробовать на этих днях") < page.index('name="as"')
    assert await noted() == before


async def test_one_trial_at_a_time(maria: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several at once took every connection, and half of the time that pages have."""
    form = form_in(await maria.text(PAGE))
    begun, goes_on, tried = asyncio.Event(), asyncio.Event(), what_if_pages._tried

    async def waiting(*given: Any) -> Outcome:
        begun.set()
        await goes_on.wait()
        return await tried(*given)

    monkeypatch.setattr(what_if_pages, "_tried", waiting)
    first = asyncio.create_task(maria.post_form(PAGE, **form))
    await begun.wait()
    second = await maria.post_form(PAGE, **form | {"calls_until": "12:00"})
    assert second.status == 409
    page = await second.text()
    assert "Сейчас кто-то уже пробует правила." in page
    assert form_in(page)["calls_until"] == "12:00"
    goes_on.set()
    assert (await first).status == 200
    assert (await maria.post_form(PAGE, **form)).status == 200


async def test_a_trial_ends_when_its_page_is_closed(maria: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    form, begun, over = form_in(await maria.text(PAGE)), asyncio.Event(), asyncio.Event()

    class Endless:
        async def steps(self) -> AsyncIterator[Outcome | None]:
            while True:
                begun.set()
                yield None
                await asyncio.sleep(0)

    @asynccontextmanager
    async def endless(*_: Any) -> AsyncIterator[Endless]:
        try:
            yield Endless()
        finally:
            over.set()

    monkeypatch.setattr(what_if_pages, "beside", endless)
    waiting = asyncio.create_task(maria.post_form(PAGE, **form))
    await begun.wait()
    waiting.cancel()
    await over.wait()
    monkeypatch.undo()
    assert (await maria.post_form(PAGE, **form)).status == 200


async def test_the_order_of_the_plan_is_tried(maria: Browser) -> None:
    """Whom it brings: `tests/dialer/cli/test_what_if.py`."""
    form = form_in(await maria.text(PAGE))
    assert form["group_order"].startswith("hot,warm,abandoned,new")
    changed = {"group_order": "cold,new", "calls_a_day": "5", "shares_by": "industry", "shares": "Торговля 50"}
    answer = await maria.post_form(PAGE, **form | changed)
    page = await answer.text()
    assert answer.status == 200
    assert form_in(page) | changed == form_in(page)
    assert "<h2 id=" in page


async def test_promised_calls_that_differ_are_told_by_kind(maria: Browser, office: Office, database: Database) -> None:
    promise = OutcomeForm(
        "callback", callback_words="завтра 15:00", person_name="Петрова", asked_by="Петрова", reason="дорого"
    )
    await seed_call(database, office, client=1, at=TUESDAY + timedelta(hours=2), talk_seconds=30, form=promise)
    form = form_in(await maria.text(PAGE)) | {"calls_until": "12:00"}
    page = await (await maria.post_form(PAGE, **form)).text()
    promised = page[page.index("<h2>Обещанные звонки</h2>") : page.index("<h2>По дням</h2>")]
    assert f'href="/clients/{office.clients[1]}"' in promised
    assert "не был бы обещан" in promised


async def test_the_calls_that_differ_are_a_file_for_a_spreadsheet(maria: Browser) -> None:
    form = form_in(await maria.text(PAGE)) | {"calls_until": "12:00"}
    answer = await maria.post_form(PAGE, **form, **{"as": "csv"})
    lines = (await answer.read()).decode("utf-8-sig").splitlines()
    assert len(lines) == 2
    assert "Гамма-Холод" in lines[1]
    assert (await (await maria.post_form(PAGE, **form, **{"as": "xlsx"})).read()).startswith(b"PK")


async def test_they_are_switched_on_as_on_their_own_pages(maria: Browser, database: Database) -> None:
    form = form_in(await maria.text(PAGE)) | {"calls_until": "12:00", "after.busy.": "25"}
    assert (await maria.post_form(f"{PAGE}/switch-on", **form)).status == 303
    async with database.reading() as session:
        assert (await get_campaign(session, 1)).calls_until == time(12)
        assert await own_rules(session, 1) == {(Result.BUSY, ""): Rule(25)}


async def test_what_somebody_else_has_changed_meanwhile_is_told(maria: Browser, signed_in: SignIn) -> None:
    konst = await signed_in("konst")
    form = form_in(await maria.text(PAGE))
    assert (await konst.post_form(f"{PAGE}/switch-on", **form | {"attempts_a_day": "5"})).status == 303
    answer = await maria.post_form(f"{PAGE}/switch-on", **form | {"attempts_a_day": "4"})
    page = await answer.text()
    assert answer.status == 409
    assert "Пока вы смотрели, кампанию изменили." in page
    assert "сейчас: 5" in page
    assert (await maria.post_form(f"{PAGE}/switch-on", **form_in(page))).status == 303


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("calls_until", "вечер", "«вечер»"),
        ("after.busy.", "скоро", "«скоро» — не число."),
        ("attempts_a_day", "0", "хотя бы раз в день"),
        ("last", "2026-05-14", "только на прошедших днях"),
        ("first", "2025-05-14", "не больше 92 дней"),
    ],
)
async def test_what_cannot_be_is_told_and_what_was_typed_is_kept(
    maria: Browser, field: str, typed: str, told: str
) -> None:
    form = form_in(await maria.text(PAGE)) | {"gap_min": "7", field: typed}
    answer = await maria.post_form(PAGE, **form)
    page = await answer.text()
    assert answer.status == 422
    assert told in page
    assert form_in(page)["gap_min"] == "7"


async def test_who_may_only_look_finds_nothing_to_press(signed_in: SignIn, office: Office) -> None:
    page = await (await signed_in("audit")).text(PAGE)
    assert "<fieldset disabled>" in page
    assert '<button class="primary">' not in page
