"""That a form was taken is told on the page that follows, once and to whoever sent it."""

from __future__ import annotations

import re

import pytest

from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import Office

TOLD = re.compile(r'id="told" role="status">([^<]*)<')


async def told(browser: Browser, page: str) -> str:
    found = TOLD.search(await browser.text(page))
    return found[1] if found else ""


SENT = [
    ("/campaigns/1/calendar", {"day": "2026-06-15", "what": "off", "reason": "Переезд"}, "Сохранено"),
    ("/campaigns/1/candidates", {"name": "Новикова Ольга"}, "Сохранено"),
    ("/plan/away", {"person": "1", "from": "2026-05-14", "until": "2026-05-15"}, "Сохранено"),
    ("/plan/build", {"campaign": "1"}, "Сделано"),
]


@pytest.mark.parametrize(("action", "fields", "word"), SENT)
async def test_the_page_that_follows_says_it_once(
    signed_in: SignIn, office: Office, action: str, fields: dict[str, str], word: str
) -> None:
    maria = await signed_in("maria")
    answer = await maria.post_form(action, **fields)
    assert answer.status == 303, await answer.text()
    page = answer.headers["Location"].partition("#")[0]
    assert await told(maria, page) == word
    assert await told(maria, page) == "", "it goes with the next step"


async def test_it_stands_on_no_other_page_and_is_told_to_nobody_else(signed_in: SignIn, office: Office) -> None:
    maria, admin = await signed_in("maria"), await signed_in("admin")
    await maria.post_form("/campaigns/1/candidates", name="Новикова Ольга")
    assert await told(admin, "/campaigns/1/setup") == ""
    assert await told(maria, "/campaigns/1") == ""
    assert await told(maria, "/campaigns/1/setup") == "Сохранено"


async def test_what_was_refused_or_says_itself_what_became_of_it_is_not_called_saved(
    signed_in: SignIn, office: Office
) -> None:
    maria = await signed_in("maria")
    refused = await maria.post_form("/campaigns/1/candidates", page="/campaigns/1/setup", name=" ")
    assert (refused.status, refused.headers["Location"]) == (303, "/campaigns/1/setup")
    assert await told(maria, "/campaigns/1/setup") == ""
    await maria.post_form("/language", language="en", back="/plan")
    assert await told(maria, "/plan") == ""
    await maria.post_form("/campaigns/1/candidates", name="Новикова Ольга")
    assert await told(maria, "/campaigns/1/setup") == "Saved"
