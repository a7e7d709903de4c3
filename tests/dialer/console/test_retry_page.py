"""The rules for the next tries on their page."""

from __future__ import annotations

import re

import pytest

from crm.calls.retry_rules import Rule, own_rules
from crm.database import Database
from crm.preparation.campaigns import get_campaign
from crm.preparation.results import Result
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import Office

PAGE = "/campaigns/1/retries"


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


def form_in(page: str) -> dict[str, str]:
    """What a browser would send of this page."""
    fields = dict(re.findall(r'<input (?:type="hidden" )?name="(\S+?)" value="([^"]*)"', page))
    ticks = re.findall(r'<input type="checkbox" name="(\S+?)" value="yes" checked', page)
    return {name: value for name, value in fields.items() if name != "csrf"} | dict.fromkeys(ticks, "yes")


async def test_rules_are_changed_added_and_forgotten(maria: Browser, database: Database, office: Office) -> None:
    form = form_in(await maria.text(PAGE))
    assert (form["after.busy."], form["after.answered."], form["tries"]) == ("10", "", "3")
    assert "other.no_answer." in form
    del form["other.no_answer."]
    form |= {
        "after.busy.": "15",
        "tries": "5",
        "new_result": "busy",
        "new_disposition": "no_contact",
        "new_after": "20",
    }
    assert (await maria.post_form(PAGE, **form)).status == 303
    async with database.reading() as session:
        assert await own_rules(session, 1) == {
            (Result.BUSY, ""): Rule(15),
            (Result.BUSY, "no_contact"): Rule(20),
            (Result.NO_ANSWER, ""): Rule(120),
        }
        assert (await get_campaign(session, 1)).tries_to_no_contact == 5
    form = form_in(await maria.text(PAGE)) | {"forget.busy.no_contact": "yes", "after.busy.": ""}
    assert form["after.busy.no_contact"] == "20"
    assert (await maria.post_form(PAGE, **form)).status == 303
    async with database.reading() as session:
        assert await own_rules(session, 1) == {(Result.BUSY, ""): Rule(None), (Result.NO_ANSWER, ""): Rule(120)}


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("after.busy.", "скоро", "«скоро» — не число."),
        ("after.busy.", "0", "Следующая попытка — через 1–43200 минут или не сама."),
        ("tries", "", "«» — не число."),
        ("tries", "0", "нужна хотя бы одна попытка"),
    ],
)
async def test_what_cannot_be_is_told_and_what_was_typed_is_kept(
    maria: Browser, database: Database, field: str, typed: str, told: str
) -> None:
    form = form_in(await maria.text(PAGE)) | {"after.declined.": "77", field: typed}
    answer = await maria.post_form(PAGE, **form)
    page = await answer.text()
    assert answer.status == 422
    assert told in page
    assert form_in(page)["after.declined."] == "77"
    async with database.reading() as session:
        assert await own_rules(session, 1) == {}


async def test_two_who_change_them_at_once_lose_nothing(maria: Browser, signed_in: SignIn, database: Database) -> None:
    konst = await signed_in("konst")
    form = form_in(await maria.text(PAGE))
    assert (await konst.post_form(PAGE, **form | {"after.busy.": "12"})).status == 303
    answer = await maria.post_form(PAGE, **form | {"after.busy.": "14"})
    page = await answer.text()
    assert answer.status == 409
    assert "Пока вы смотрели, кампанию изменили." in page
    assert "сейчас: 12" in page
    assert (await maria.post_form(PAGE, **form_in(page))).status == 303
    async with database.reading() as session:
        assert await own_rules(session, 1) == {(Result.BUSY, ""): Rule(14)}


async def test_who_may_only_look_finds_nothing_to_press(signed_in: SignIn, office: Office) -> None:
    page = await (await signed_in("audit")).text(PAGE)
    assert "<fieldset disabled>" in page
    assert '<button class="primary">' not in page
