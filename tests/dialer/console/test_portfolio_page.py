"""Everything that somebody has, looked at and handed over on a page."""

from __future__ import annotations

import re

from sqlalchemy import func, select, update

from crm.care.portfolios import PortfolioMove
from crm.clientele.clients import Client
from crm.database import Database
from crm.deals.deals import open_deal
from crm.office.users import get_user
from crm.preparation.campaigns import change_campaign, get_campaign
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import NOW, Office


def hidden(page: str) -> dict[str, str]:
    """What stands on the form that hands over."""
    (form,) = [part for part in page.split("<form") if 'name="digest"' in part]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


async def shown(admin: Browser, address: str, to: int) -> dict[str, str]:
    """The fields with which everything would pass to this user."""
    return hidden(await admin.text(f"{address}?to={to}&by=load")) | {"reason": "в отпуск"}


async def test_it_is_shown_who_takes_what_and_then_done(signed_in: SignIn, office: Office, database: Database) -> None:
    """Anna has two promises, and the clients of them in the plan; three clients are hers."""
    admin = await signed_in("admin")
    anna, oleg = office.users["anna"], office.users["oleg"]
    async with database.transaction() as session:
        await session.execute(update(Client).where(Client.id.in_(office.clients[:3])).values(owner_id=anna))
    address = f"/users/{anna}/portfolio"
    page = await admin.text(address)
    assert "клиенты: 3, обещанные звонки: 2" in page
    assert "Северный ветер" in page
    assert "Передать всё" not in page
    assert "Передать всё" in await admin.text(f"{address}?to={oleg}&by=industry")
    fields = await shown(admin, address, oleg)
    assert (await admin.post_form(address, **(fields | {"reason": " "}))).status == 422
    assert (await admin.post_form(address, **fields)).status == 303
    page = await admin.text(address)
    assert "Клиентов и дел по ним нет" in page
    assert "в отпуск" in page
    async with database.reading() as session:
        owners = set(await session.scalars(select(Client.owner_id).where(Client.id.in_(office.clients[:3]))))
    assert owners == {oleg}


async def test_what_is_no_longer_what_was_shown_is_shown_again(
    signed_in: SignIn, office: Office, database: Database
) -> None:
    """A client more, a client fewer, another colleague, or nothing looked at: nothing passes."""
    admin = await signed_in("admin")
    anna, oleg, egor = office.users["anna"], office.users["oleg"], office.users["egor"]
    address = f"/users/{anna}/portfolio"
    fields = await shown(admin, address, oleg)
    for changed in ({"to": str(egor)}, {"digest": ""}, {"digest": "9" * 10_000}):
        assert (await admin.post_form(address, **(fields | changed))).status == 422, changed
    for owner in (anna, None):
        async with database.transaction() as session:
            await session.execute(update(Client).where(Client.id == office.clients[4]).values(owner_id=owner))
        if owner is not None:
            said = await admin.post_form(address, **fields)
            assert said.status == 422
            page = await said.text()
            assert "не то, что было показано" in page
            assert 'value="в отпуск"' in page
            fields = hidden(page) | {"reason": "в отпуск"}
    assert (await admin.post_form(address, **fields)).status == 422
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(PortfolioMove)) == 0
    assert (await admin.post_form(address, **await shown(admin, address, oleg))).status == 303


async def test_whoever_has_something_is_switched_off_with_whoever_takes_it(
    signed_in: SignIn, office: Office, database: Database
) -> None:
    admin, anna, oleg = await signed_in("admin"), office.users["anna"], office.users["oleg"]
    assert f'href="/users/{anna}/portfolio"' in await admin.text("/users")
    assert (await admin.post_form(f"/users/{anna}/active", active="no", to="")).status == 422
    assert (await admin.post_form(f"/users/{anna}/active", active="no", to=str(oleg))).status == 303
    async with database.reading() as session:
        assert not (await get_user(session, anna)).active


async def test_it_stands_in_the_clients_history_and_on_the_page_of_the_deal(
    signed_in: SignIn, office: Office, database: Database
) -> None:
    """From whom, to whom, what, by whom; not why, which is said of a colleague and no business of all who call."""
    admin, anna, oleg = await signed_in("admin"), office.users["anna"], office.users["oleg"]
    client_id, other = office.clients[0], office.clients[5]
    async with database.transaction() as session:
        campaign = await get_campaign(session, office.campaign_id)
        await change_campaign(session, campaign=campaign, sells_by_deals=True, now=NOW)
        await session.execute(update(Client).where(Client.id.in_([client_id, other])).values(owner_id=anna))
        deal = await open_deal(session, client_id=client_id, owner_id=anna, now=NOW)
    address = f"/users/{anna}/portfolio"
    fields = await shown(admin, address, oleg) | {"reason": "уволена за прогулы"}
    said = await admin.post_form(address, **fields)
    assert said.status == 303
    page = await admin.text(f"/clients/{client_id}")
    (line,) = re.findall(r"<li>(?:(?!</li>).)*Передано: (?:(?!</li>).)*</li>", page, re.DOTALL)
    assert "Иванова Анна → Сидоров Олег" in line
    assert ">клиент, обещанный звонок, сделка<" in line
    assert "Админов Антон" in line
    assert "прогулы" not in page
    page = await admin.text(f"/deals/{deal.id}")
    assert "Передано: Иванова Анна → Сидоров Олег" in page
    assert "прогулы" not in page
    page = await admin.text(f"/clients/{other}")
    assert "Передано: " in page
    assert ", сделка" not in page
    async with database.transaction() as session:
        campaign = await get_campaign(session, office.campaign_id)
        await change_campaign(session, campaign=campaign, sells_by_deals=False, now=NOW)
    assert "сделка" not in await admin.text(f"/clients/{client_id}")
