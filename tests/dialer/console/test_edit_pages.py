"""A client is changed on its page: each record a form, and two who change one at once see both."""

from __future__ import annotations

import re

import pytest

from crm.base.organisations import get_organisation
from crm.base.people import people_at
from crm.base.phone_numbers import NumberState, numbers_of
from crm.database import Database
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import Office

ORGANISATION = {
    "record": "organisation", "id": "", "version": "1", "name": "ООО «Северный ветер»", "city": "Пермь",
    "time_zone": "Asia/Yekaterinburg", "industry": "Вентиляция", "headcount": "41", "note": "",
}  # fmt: skip


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


async def test_two_who_change_an_organisation_at_once_see_both(
    maria: Browser, signed_in: SignIn, database: Database, office: Office
) -> None:
    address = f"/clients/{office.clients[0]}/edit"
    assert f'href="{address}"' in await maria.text(f"/clients/{office.clients[0]}")
    assert 'value="Вентиляция, монтаж"' in await maria.text(address)
    konst = await signed_in("konst")
    first = await konst.post_form(address, **{**ORGANISATION, "industry": "Монтаж", "site": "veter.ru"})
    assert first.status == 303, await first.text()
    second = await maria.post_form(address, **ORGANISATION, email="a@veter.ru")
    page = await second.text()
    assert second.status == 409
    assert "Пока вы смотрели, запись изменили." in page
    assert re.findall(r"сейчас: ([^<]*)<", page) == ["Монтаж", "veter.ru", "пусто"]
    assert 'value="a@veter.ru"' in page
    async with database.reading() as session:
        organisation = await get_organisation(session, office.organisations[0])
        assert (organisation.industry, organisation.domain_key, organisation.email) == ("Монтаж", "veter.ru", "")
    again = {**ORGANISATION, "version": "2", "email": "a@veter.ru", "site": "veter.ru"}
    assert (await maria.post_form(address, **again)).status == 303
    async with database.reading() as session:
        organisation = await get_organisation(session, office.organisations[0])
        assert (organisation.industry, organisation.headcount, organisation.email) == ("Вентиляция", 41, "a@veter.ru")


async def test_people_and_numbers_are_added_and_changed(maria: Browser, database: Database, office: Office) -> None:
    address, organisation_id = f"/clients/{office.clients[1]}/edit", office.organisations[1]
    async with database.reading() as session:
        person, number = (await people_at(session, organisation_id))[0], (await numbers_of(session, organisation_id))[0]
    changed = {"record": "person", "id": str(person.id), "full_name": "Новиков Пётр", "position": "владелец"}
    assert (await maria.post_form(address, **changed, decides="yes", version="1")).status == 303
    stale = await maria.post_form(address, **{**changed, "position": "директор"}, version="1")
    assert (stale.status, "сейчас: владелец" in await stale.text()) == (409, True)
    assert (await maria.post_form(address, record="person", full_name="Иванова Анна", version="0")).status == 303
    dead = {"record": "number", "id": str(number.id), "rank": "0", "state": "dead", "version": "1"}
    assert (await maria.post_form(address, **dead)).status == 303
    assert (await maria.post_form(address, record="numbers", written="8 342 200-77-77")).status == 303
    async with database.reading() as session:
        names = {each.full_name: each.decides for each in await people_at(session, organisation_id)}
        assert names == {"Новиков Пётр": True, "Сидоров Олег": False, "Иванова Анна": False}
        assert [each.state for each in await numbers_of(session, organisation_id)] == [NumberState.DEAD, NumberState.OK]


async def test_what_the_customers_base_tells_is_written_down(maria: Browser, office: Office) -> None:
    address = f"/clients/{office.clients[2]}/edit"
    for typed in (
        {"record": "address", "kind": "legal", "written": "Самара,\r\nул. Мира, 1"},
        {"record": "competitor", "name": "Климат", "satisfaction": "partly", "note": "до весны"},
        {"record": "deal", "made_on": "2024-05-01", "amount": "12 500", "currency": "RUB", "what": "Фильтры"},
        {"record": "former-owner", "name": "Бывший Иван", "left_on": "2025-01-31"},
    ):
        assert (await maria.post_form(address, **typed)).status == 303, typed
    page = await maria.text(address)
    for told in (
        "ул. Мира, 1",
        "Климат, довольны отчасти, до весны",
        "12500 RUB, Фильтры",
        "Бывший Иван, 31 янв. 2025",
    ):
        assert told in page, told


@pytest.mark.parametrize(
    ("typed", "code", "told"),
    [
        ({"record": "deal", "made_on": "вчера", "currency": "RUB"}, 422, "«вчера» не читается."),
        ({"record": "deal", "made_on": "2024-05-01", "amount": "много", "currency": "RUB"}, 422, "не сумма"),
        ({"record": "numbers", "written": "нет"}, 422, 'value="нет"'),
        ({"record": "address", "kind": "moon", "written": "Луна"}, 422, "не читается"),
        ({"record": "person", "id": "999", "version": "1", "full_name": "Кто-то"}, 404, "человека"),
        ({"record": "everything"}, 400, ""),
        ({"record": "person", "id": "x"}, 400, ""),
    ],
)
async def test_what_cannot_be_is_told_beside_what_was_typed(
    maria: Browser, office: Office, typed: dict[str, str], code: int, told: str
) -> None:
    answer = await maria.post_form(f"/clients/{office.clients[2]}/edit", **typed)
    assert (answer.status, told in await answer.text()) == (code, True)
