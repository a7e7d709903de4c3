"""The templates of a campaign's offers, on their pages."""

from __future__ import annotations

import pytest

from crm.database import Database
from crm.offers.templates import Language, newest_text
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import Office
from tests.pdf import text_of

HOSTILE = '<script>alert(1)</script> =1+1 "&amp; {client.name}'


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


async def add(maria: Browser, name: str = "Вентиляция") -> str:
    said = await maria.post_form("/campaigns/1/offers", name=name)
    assert said.status == 303
    return said.headers["Location"]


async def test_a_template_is_written_looked_at_and_saved(maria: Browser, database: Database) -> None:
    assert "Шаблонов ещё нет" in await maria.text("/campaigns/1/offers")
    page = await add(maria)
    said = {"language": "ru", "subject": "Для {client.name}", "body": f"Добрый день!\n{HOSTILE}", "seen": "0"}
    looked = await maria.post_form(page, look="yes", **said)
    shown = await looked.text()
    assert "Для ООО «Северный ветер»" in shown
    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    async with database.reading() as session:
        assert await newest_text(session, 1, Language.RU) is None, "a look saves nothing"
    assert (await maria.post_form(page, **said)).status == 303
    assert "Для ООО «Северный ветер»" in await maria.text(f"{page}?language=ru")
    assert "Для {client.name}" in await maria.text("/campaigns/1/offers")
    made = await maria.get(f"{page}/offer.pdf")
    read = text_of(await made.read())
    assert made.headers["Content-Disposition"].startswith("attachment;")
    assert '<script>alert(1)</script> =1+1 "&amp; ООО «Северный ветер»' in read
    assert (await maria.get(f"{page}/offer.pdf?language=en")).status == 404


async def test_what_cannot_be_is_told_above_what_was_typed(maria: Browser) -> None:
    page = await add(maria)
    said = {"language": "ru", "subject": "Для {client.nmae}", "body": "Добрый день", "seen": "0"}
    for look in ({}, {"look": "yes"}):
        refused = await maria.post_form(page, **said, **look)
        shown = await refused.text()
        assert refused.status == 422
        assert "Поля «{client.nmae}» нет" in shown
        assert "Добрый день" in shown
    for wrong in ({"language": "de"}, {"seen": "x"}):
        assert (await maria.post_form(page, **(said | wrong))).status == 400
    assert (await maria.post_form("/campaigns/1/offers/99", **(said | {"subject": "x"}))).status == 404


async def test_who_saves_second_sees_what_the_first_has_written(maria: Browser, signed_in: SignIn) -> None:
    page = await add(maria)
    said = {"language": "en", "subject": "Offer", "seen": "0"}
    assert (await maria.post_form(page, body="Hers", **said)).status == 303
    konst = await signed_in("konst")
    second = await konst.post_form(page, body="His", **said)
    shown = await second.text()
    assert second.status == 409
    assert ">His</textarea>" in shown
    assert "Hers" in shown


async def test_out_of_use_and_back(maria: Browser, signed_in: SignIn) -> None:
    page = await add(maria)
    assert (await maria.post_form(f"{page}/retire")).status == 303
    assert "не используется" in await maria.text("/campaigns/1/offers")
    auditor = await signed_in("audit")
    assert f'action="{page}/retire"' not in await auditor.text("/campaigns/1/offers")
    assert (await maria.post_form(f"{page}/retire", back="yes")).status == 303
    assert "не используется" not in await maria.text("/campaigns/1/offers")
