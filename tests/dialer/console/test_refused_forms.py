"""A form that is refused: its page comes again, with what is wrong and what was typed."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from crm.database import Database
from crm.preparation.campaigns import get_campaign
from crm.preparation.candidates import add_candidate
from dialer.console.web.next_look import MOST, NextLook
from tests.dialer.console.conftest import SignIn
from tests.dialer.console.seed import NOW, Office

NOTICE = re.compile(r'id="refused" role="alert">([^<]*)<')
TYPED = re.compile(r'id="typed">(.*?)</script>', re.DOTALL)

REFUSED = [
    ("/campaigns/1", "/campaigns/1/lists/1", {"to": "approved", "remarks": "без трёх"}, "не может"),
    ("/campaigns/1/setup", "/campaigns/1/candidates/1", {"state": "trained", "score": "101", "remarks": "хороша",
     "version": "1"}, ""),
    ("/campaigns/1/dispositions", "/campaigns/1/dispositions", {"key": "cold", "version": "0", "label_ru": "Отказ",
     "label_en": "No", "digit": "1", "active": "yes"}, "Клавиша 1 занята другим итогом."),
    ("/plan", "/plan/away", {"person": "1", "from": "2026-05-20", "until": "2026-05-18", "reason": "отпуск"}, ""),
    ("/campaigns", "/campaigns", {"name": "Вентиляция-2"}, "есть"),
    ("/clients/1", "/clients/1/erase", {"name": "не то", "what": "organisation"}, ""),
]  # fmt: skip


def shown(page: str) -> tuple[str, dict[str, Any]]:
    notice, typed = NOTICE.search(page), TYPED.search(page)
    assert notice, page
    assert typed
    return html.unescape(notice[1]), json.loads(typed[1])


@pytest.mark.parametrize(("page", "action", "fields", "told"), REFUSED)
async def test_the_page_says_what_is_wrong_and_has_what_was_typed(
    signed_in: SignIn, office: Office, database: Database, page: str, action: str, fields: dict[str, str], told: str
) -> None:
    async with database.transaction() as session:
        campaign = await get_campaign(session, office.campaign_id)
        await add_candidate(session, campaign=campaign, name="Новикова Ольга", now=NOW)
    admin = await signed_in("admin")
    answer = await admin.post_form(action, page=page, **fields)
    assert (answer.status, answer.headers.get("Location")) == (303, page), await answer.text()
    sentence, typed = shown(await admin.text(page))
    assert sentence
    assert told in sentence
    assert typed["action"] == action
    assert dict(typed["typed"]) == fields
    assert NOTICE.search(await admin.text(page)) is None, "it is told once"


async def test_nobody_else_sees_it_and_no_secret_is_kept(signed_in: SignIn, office: Office) -> None:
    admin, maria = await signed_in("admin"), await signed_in("maria")
    fields = {"to": "approved", "remarks": "Ещё одна </script>", "new_password": "тайное слово"}
    answer = await maria.post_form("/campaigns/1/lists/1", page="/campaigns/1?from=a", **fields)
    assert answer.headers["Location"] == "/campaigns/1?from=a"
    assert NOTICE.search(await admin.text("/campaigns/1?from=a")) is None
    page = await maria.text("/campaigns/1?from=a")
    assert "тайное" not in page
    assert dict(shown(page)[1]["typed"]) == {name: fields[name] for name in ("to", "remarks")}


async def test_without_a_page_of_ours_it_is_told_by_itself(signed_in: SignIn, office: Office) -> None:
    maria = await signed_in("maria")
    await maria.post_form("/campaigns/1/lists/1", to="returned", remarks="Три конкурента")
    await maria.post_form("/campaigns/1/lists/1", to="submitted")
    for elsewhere in ({}, {"Referer": "http://elsewhere.example/campaigns/1"}, {"Referer": "http://["}):
        answer = await maria.client.post(
            "/campaigns/1/lists/1",
            data={"csrf": maria.csrf, "to": "approved"},
            headers={"Origin": maria.origin, **elsewhere},
            allow_redirects=False,
        )
        assert answer.status == 422, elsewhere
        assert "Напишите, кто согласовал список." in await answer.text()


async def test_a_form_that_comes_from_elsewhere_leaves_nothing_behind(signed_in: SignIn, office: Office) -> None:
    maria = await signed_in("maria")
    maria.csrf, real = "forged", maria.csrf
    answer = await maria.post_form("/campaigns/1/lists/1", page="/campaigns/1", to="approved")
    assert answer.status == 403
    maria.csrf = real
    assert NOTICE.search(await maria.text("/campaigns/1")) is None


def test_only_so_many_are_kept() -> None:
    kept = NextLook[str]()
    for number in range(MOST + 5):
        kept.keep("session", f"/campaigns/{number}", "")
    assert len(kept._kept) == MOST


async def test_who_signs_must_be_named_for_an_approval_alone(signed_in: SignIn, office: Office) -> None:
    maria = await signed_in("maria")
    await maria.post_form("/campaigns/1/lists/1", to="returned", remarks="Три конкурента")
    await maria.post_form("/campaigns/1/lists/1", to="submitted")
    page = await maria.text("/campaigns/1")
    forms = re.findall(r'<form class="row" method="post" action="/campaigns/1/lists/1">(.*?)</form>', page, re.DOTALL)
    named = {re.search(r'name="to" value="(\w+)"', form)[1]: 'name="by" required' in form for form in forms}  # type: ignore[index]  # each form has one
    assert named == {"approved": True, "returned": False}
