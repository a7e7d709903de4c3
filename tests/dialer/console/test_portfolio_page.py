"""Everything that somebody has, looked at and handed over on a page."""

from __future__ import annotations

from sqlalchemy import select, update

from crm.clientele.clients import Client
from crm.database import Database
from crm.office.users import get_user
from tests.dialer.console.conftest import SignIn
from tests.dialer.console.seed import Office


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
    said = await admin.post_form(address, to=str(oleg), by="load", reason=" ")
    assert said.status == 422
    assert (await admin.post_form(address, to=str(oleg), by="load", reason="в отпуск")).status == 303
    page = await admin.text(address)
    assert "Клиентов и дел по ним нет" in page
    assert "в отпуск" in page
    async with database.reading() as session:
        owners = set(await session.scalars(select(Client.owner_id).where(Client.id.in_(office.clients[:3]))))
    assert owners == {oleg}


async def test_whoever_has_something_is_switched_off_with_whoever_takes_it(
    signed_in: SignIn, office: Office, database: Database
) -> None:
    admin, anna, oleg = await signed_in("admin"), office.users["anna"], office.users["oleg"]
    assert f'href="/users/{anna}/portfolio"' in await admin.text("/users")
    assert (await admin.post_form(f"/users/{anna}/active", active="no", to="")).status == 422
    assert (await admin.post_form(f"/users/{anna}/active", active="no", to=str(oleg))).status == 303
    async with database.reading() as session:
        assert not (await get_user(session, anna)).active
