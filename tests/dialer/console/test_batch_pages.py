"""An offer to all clients of a filter, on the pages: looked at, begun once, watched, stopped and gone on with."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from config.settings import ConsoleSettings, ServiceSettings, Settings
from crm.base.organisations import Organisation
from crm.database import Database
from crm.offers.batches import OfferBatch
from crm.offers.opt_outs import OptsOut, opt_out
from crm.offers.templates import Language, add_template, write_text
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import NOW, Office
from tests.dialer.mailing.conftest import settings_for

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def settings(console_settings: ConsoleSettings, tmp_path: Path) -> Settings:
    service = ServiceSettings(data_dir=str(tmp_path / "data"))
    return Settings().model_copy(update={"console": console_settings, "service": service, "mail": settings_for(25)})


@pytest.fixture
async def maria(signed_in: SignIn, office: Office, database: Database) -> Browser:
    """A manager. All but the last two clients have an address; the last but one has none, the last one opted out."""
    async with database.transaction() as session:
        made = await add_template(session, campaign_id=office.campaign_id, name="Вентиляция", now=NOW)
        await write_text(
            session, template=made, language=Language.RU, subject="Для {client.name}", body=f"{HOSTILE} {{day}}",
            now=NOW,
        )  # fmt: skip
        ids = list(await session.scalars(select(Organisation.id).order_by(Organisation.id)))
        for each in ids:
            address = f"c{each}@example.ru" if each != ids[-2] else ""
            await session.execute(update(Organisation).where(Organisation.id == each).values(email=address))
        await opt_out(session, whom=OptsOut.ADDRESS, target=f"c{ids[-1]}@example.ru", evidence="письмо", now=NOW)
    return await signed_in("maria")


def query(office: Office, **more: str) -> str:
    asked = {"campaign": str(office.campaign_id), "offer": "1", "per_hour": "60", "not_within": "30"} | more
    return "&".join(f"{name}={value}" for name, value in asked.items())


def hidden(page: str) -> dict[str, str]:
    """What stands on the form that begins it."""
    (form,) = [part for part in page.split("<form") if 'name="seen"' in part]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


async def count(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(OfferBatch)) or 0


async def test_looked_at_begun_once_stopped_and_gone_on_with(
    maria: Browser, office: Office, database: Database
) -> None:
    listed = await maria.text(f"/clients?campaign={office.campaign_id}")
    assert 'action="/clients/offers"' in listed
    page = await maria.text(f"/clients/offers?{query(office)}")
    for told in ("Вентиляция, по-русски", "Адрес электронной почты компании неизвестен.", "не присылать писем"):
        assert told in page, told
    assert '<html lang="ru"' in page
    assert HOSTILE not in page
    assert html.escape(HOSTILE) in page
    fields = hidden(page)
    for _ in range(2):
        said = await maria.post_form("/clients/offers", **fields)
        assert (said.status, said.headers["Location"]) == (303, "/offer-batches/1")
    assert await count(database) == 1
    shown = await maria.text("/offer-batches/1")
    assert "очередь ещё не подошла" in shown
    assert "Остановить" in shown
    assert (await maria.post_form("/offer-batches/1", step="stop")).status == 303
    assert (await maria.post_form("/offer-batches/1", step="stop")).status == 409
    assert "Остановить" not in await maria.text("/offer-batches/1")
    assert (await maria.post_form("/offer-batches/1", step="fly")).status == 400
    assert (await maria.post_form("/offer-batches/1", step="go_on")).status == 303
    assert "Вентиляция" in await maria.text("/offer-batches")


async def test_what_looks_otherwise_now_is_shown_anew(maria: Browser, office: Office, database: Database) -> None:
    fields = hidden(await maria.text(f"/clients/offers?{query(office)}"))
    said = await maria.post_form("/clients/offers", **(fields | {"not_within": "0"}))
    assert said.status == 409
    assert "изменил" in await said.text()
    assert await count(database) == 0


async def test_without_templates_nobody_sees_it(signed_in: SignIn, office: Office) -> None:
    page = await (await signed_in("maria")).text(f"/clients?campaign={office.campaign_id}")
    assert "/clients/offers" not in page
    assert "/offer-batches" not in page


async def test_an_auditor_looks_and_stops_nothing(maria: Browser, office: Office, signed_in: SignIn) -> None:
    fields = hidden(await maria.text(f"/clients/offers?{query(office)}"))
    assert (await maria.post_form("/clients/offers", **fields)).status == 303
    page = await (await signed_in("audit")).text("/offer-batches/1")
    assert "Остановить" not in page
