"""Dispositions on their pages, and on the operator's form."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from crm.calls.disposition_sets import dispositions_of, versions_of_rows
from crm.database import Database
from crm.group import Group
from crm.plan.dispositions import DISPOSITIONS, Ask
from dialer.console.desk.outcome_form import choices
from dialer.words import words
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import Office

PAGE = "/campaigns/1/dispositions"
COLD = {"key": "cold", "version": "0", "label_ru": "Отказ", "label_en": "Refusal", "digit": "4", "group": "cold"}
OWN = {"key": "send_offer", "like": "callback", "label_ru": "Отправить КП", "label_en": "Send the offer", "digit": ""}


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


async def test_one_is_renamed_and_one_added_and_the_operator_finds_them(
    maria: Browser, signed_in: SignIn, office: Office, desk: FakeDesk, database: Database
) -> None:
    assert (await maria.post_form(PAGE, **COLD, active="yes", required="reason")).status == 303
    assert (await maria.post_form(PAGE, **OWN)).status == 303
    async with database.reading() as session:
        found = await dispositions_of(session, 1)
    assert found["cold"].labels == ("Отказ", "Refusal")
    assert found["cold"].required == {Ask.REASON}
    assert (found["send_offer"].like, found["send_offer"].group) == ("callback", None)
    page = await maria.text(PAGE)
    assert "действует как «Перезвонить»" in page
    anna = await signed_in("anna")
    await anna.act("ready")
    answer = await anna.act("dial", client_id=office.clients[0])
    attempt_id = (await answer.json())["attempt_id"]
    await desk.answer(office.users["anna"])
    await desk.end(office.users["anna"])
    form = await anna.text("/operator")
    assert re.search(r'value="cold" data-digit="4".*?<span>Отказ</span>', form, re.DOTALL)
    assert re.search(r'value="send_offer" data-digit="" data-asks="when [^"]*" data-needs="when"', form)
    fields = {"disposition": "send_offer", "when": "чт 1530"}
    assert (await anna.act("outcome", attempt_id=attempt_id, fields=fields)).status == 200
    assert "Отправить КП" in await maria.text("/calls")
    assert "Отправить КП" in await maria.text(f"/calls/{attempt_id}")


@pytest.mark.parametrize(("like", "decides"), [("not_main", False), ("callback", True)])
def test_for_an_outcome_like_not_the_main_one_another_person_is_proposed(like: str, *, decides: bool) -> None:
    own = replace(DISPOSITIONS[like], key="secretary", like=like, labels=("Секретарь", "Secretary"))
    [choice] = choices(words("ru"), {own.key: own}, answered=True, was_abandoned=False)
    assert choice.decides is decides


async def test_the_offices_holds_in_every_campaign_that_does_not_decide_otherwise(
    maria: Browser, database: Database
) -> None:
    assert (await maria.post_form("/dispositions", **COLD, active="yes")).status == 303
    async with database.reading() as session:
        assert (await dispositions_of(session, 1))["cold"].labels[0] == "Отказ"
    assert 'value="Отказ"' in await maria.text(PAGE)
    off = {**COLD, "group": "competitor"}
    assert (await maria.post_form(PAGE, **off)).status == 303
    async with database.reading() as session:
        here = (await dispositions_of(session, 1))["cold"]
        assert (here.active, here.group) == (False, Group.COMPETITOR)
        assert (await dispositions_of(session, None))["cold"].active


@pytest.mark.parametrize(
    ("fields", "code", "told"),
    [
        ({**COLD, "digit": "1"}, 422, "Клавиша 1 занята другим итогом."),
        ({**COLD, "version": "7"}, 409, "Пока вы смотрели, этот итог изменили."),
        ({**COLD, "group": "burnt"}, 400, ""),
        ({**COLD, "version": "x"}, 400, ""),
        ({**OWN, "key": "КП"}, 422, "Короткое имя итога"),
    ],
)
async def test_what_cannot_be_is_told(maria: Browser, fields: dict[str, str], code: int, told: str) -> None:
    answer = await maria.post_form(PAGE, **fields, active="yes")
    assert answer.status == code
    assert told in await answer.text()


async def test_who_may_only_look_finds_nothing_to_press(signed_in: SignIn, office: Office) -> None:
    page = await (await signed_in("audit")).text(PAGE)
    assert "Холодный" in page
    assert re.search(r'<fieldset class="grid"[^>]* disabled>', page)
    assert 'aria-label="Ещё один итог"' not in page


async def post_all(maria: Browser, **changes: str) -> int:
    """Send the form of all dispositions as a browser would, with these fields changed; returns the answer's code."""
    found = re.search(r'<form class="rules" method="post"[^>]*>(.*?)</form>', await maria.text(PAGE), re.DOTALL)
    assert found
    form = found[1]
    fields = re.findall(r'<input(?: type="hidden")? name="([^"]+)" value="([^"]*)"', form)
    fields += re.findall(r'<input type="checkbox" name="([^"]+)" value="([^"]*)" checked', form)
    for name, options in re.findall(r'<select name="([^"]+)">(.*?)</select>', form, re.DOTALL):
        fields.append((name, (re.findall(r'value="([^"]*)" selected', options) or [""])[0]))
    sent = [(name, value) for name, value in fields if name not in changes] + list(changes.items())
    answer = await maria.client.post(PAGE, data=sent, headers={"Origin": maria.origin}, allow_redirects=False)
    return answer.status


async def test_all_are_saved_at_once_and_two_exchange_their_keys(maria: Browser, database: Database) -> None:
    async with database.reading() as session:
        before = await dispositions_of(session, 1)
    changes = {"cold.digit": before["warm"].digit, "warm.digit": before["cold"].digit}
    assert await post_all(maria, **changes, **{"hot.label_ru": "Горячо", "hot.label_en": "Very hot"}) == 303
    async with database.reading() as session:
        after = await dispositions_of(session, 1)
        changed = await versions_of_rows(session, 1)
    assert (after["cold"].digit, after["warm"].digit) == (before["warm"].digit, before["cold"].digit)
    assert after["hot"].labels == ("Горячо", "Very hot")
    assert set(changed) == {"cold", "warm", "hot"}, "what stays as it is is not written"


async def test_of_a_form_that_is_refused_nothing_is_saved(maria: Browser, database: Database) -> None:
    assert await post_all(maria, **{"hot.label_ru": "Горячо", "cold.digit": "1"}) == 422
    assert await post_all(maria, **{"hot.label_ru": "Горячо", "hot.version": "5"}) == 409
    assert await post_all(maria, **{"hot.label_ru": "Горячо", "nobody.version": "0"}) == 422
    async with database.reading() as session:
        assert await versions_of_rows(session, 1) == {}
