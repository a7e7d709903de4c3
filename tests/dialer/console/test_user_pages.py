"""The users' page: nobody leaves with promises."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from crm.audit import CALLBACKS_HANDED_OVER, USER_CHANGED, AuditEntry
from crm.database import Database
from crm.day.standing_in import set_away
from crm.office.users import get_user
from crm.plan.callbacks import open_callback
from tests.dialer.console.conftest import SignIn
from tests.dialer.console.seed import NOW, Office


async def test_who_leaves_hands_the_promises_over(signed_in: SignIn, office: Office, database: Database) -> None:
    admin, anna, oleg = await signed_in("admin"), office.users["anna"], office.users["oleg"]
    page = await admin.text("/users")
    assert "Иванова Анна" in page
    refused = await admin.post_form(f"/users/{anna}/active", active="no")
    assert refused.status == 422
    assert "За «anna» ещё числятся клиенты, обещания, сделки или места в плане (2)." in await refused.text()
    assert (await admin.post_form(f"/users/{anna}/active", active="no", to=str(oleg))).status == 303
    async with database.reading() as session:
        assert not (await get_user(session, anna)).active
        for client_id in office.clients[:2]:
            promise = await open_callback(session, client_id)
            assert promise is not None
            assert promise.owner_id == oleg
        noted = await session.scalars(
            select(AuditEntry.user_id).where(AuditEntry.action.in_((CALLBACKS_HANDED_OVER, USER_CHANGED)))
        )
        assert set(noted) == {office.users["admin"]}
    page = await (await signed_in("maria")).text(f"/clients/{office.clients[0]}")
    assert "Иванова Анна → Сидоров Олег" in page
    assert (await admin.post_form(f"/users/{anna}/active", active="yes")).status == 303
    async with database.reading() as session:
        assert (await get_user(session, anna)).active


async def test_who_is_away_hands_them_over_and_stays(signed_in: SignIn, office: Office, database: Database) -> None:
    admin, anna, egor = await signed_in("admin"), office.users["anna"], office.users["egor"]
    assert (await admin.post_form(f"/users/{anna}/hand-over", to=str(egor))).status == 303
    async with database.reading() as session:
        assert (await get_user(session, anna)).active
    for to in ("", "x", "999999"):
        assert (await admin.post_form(f"/users/{egor}/hand-over", to=to)).status == 404
    to_nobody = await admin.post_form(f"/users/{egor}/hand-over", to=str(office.users["maria"]))
    assert to_nobody.status == 422


async def test_the_page_says_how_a_user_is_added(signed_in: SignIn) -> None:
    assert "dialer users add" in await (await signed_in("admin")).text("/users")


async def test_who_is_away_today_is_named_so_where_somebody_is_to_be_chosen(
    signed_in: SignIn, office: Office, database: Database
) -> None:
    admin, anna, oleg = await signed_in("admin"), office.users["anna"], office.users["oleg"]
    today = NOW.date()
    async with database.transaction() as session:
        user = await get_user(session, oleg)
        await set_away(session, user=user, first_day=today, last_day=today, now=NOW)
    named = "Сидоров Олег (сегодня отсутствует)</option>"
    for path in ("/users", "/plan", f"/clients/{office.clients[3]}"):
        assert named in await admin.text(path), path
    for client_id, day, offered in (
        (office.clients[3], today, False),
        (office.clients[4], today + timedelta(days=1), True),
    ):
        picked = await admin.post_form(f"/clients/{client_id}/plan", day=day.isoformat(), person=str(anna))
        assert picked.status == 303
        page = await admin.text(f"/plan/{anna}?day={day.isoformat()}")
        assert ("Сидоров Олег</option>" in page) is offered, "whoever is away that day would be refused"


async def test_a_clients_promises_are_shown_with_what_became_of_them(signed_in: SignIn, office: Office) -> None:
    page = await (await signed_in("maria")).text(f"/clients/{office.clients[0]}")
    assert "Обещанные перезвоны" in page
    assert "чт 14 мая 13:00" in page
    assert "Петрова Анна Сергеевна" in page
