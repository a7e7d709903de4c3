"""Duplicates, abandoned clients and competitors on their pages."""

from __future__ import annotations

import re
from datetime import date

import pytest

from crm.base.organisations import get_organisation
from crm.base.past_deals import add_deal
from crm.clientele.clients import get_client
from crm.database import Database
from crm.group import Group
from tests.dialer.console.conftest import Browser, Clock, SignIn
from tests.dialer.console.seed import NOW, Office


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


async def doubled(maria: Browser, name: str) -> str:
    """Enter a client once more; the address of its page."""
    typed = {"campaign": "1", "list_name": "Основной", "name": name, "site": "veter.ru"}
    entered = await maria.post_form("/clients", **typed)
    assert entered.status == 303, await entered.text()
    return entered.headers["Location"]


async def test_a_pair_is_found_compared_merged_and_parted(maria: Browser, database: Database, office: Office) -> None:
    doubled_at = await doubled(maria, "Северный Ветер")
    assert (await maria.post_form("/duplicates")).status == 303
    queue = await maria.text("/duplicates")
    found = re.search(r'href="(/duplicates/\d+)">ООО «Северный ветер»', queue)
    assert found
    page = await maria.text(found[1])
    for told in ("veter.ru", "Вентиляция-2 (Тёплый)", "Петрова Анна Сергеевна", "похожее название"):
        assert told in page, told
    assert re.search(r'name="site" value="other" checked', page), "the older one has no site"
    chosen = {"what": "merge", "site": "other", "name": "other", "group": "one"}
    assert (await maria.post_form(found[1], **chosen)).headers["Location"] == "/duplicates"
    async with database.reading() as session:
        organisation = await get_organisation(session, office.organisations[0])
        assert (organisation.name, organisation.site) == ("Северный Ветер", "veter.ru")
    moved_on = await maria.get(doubled_at)
    assert (moved_on.status, moved_on.headers["Location"]) == (303, f"/clients/{office.clients[0]}")
    assert (await maria.get(found[1])).status == 404
    queue = await maria.text("/duplicates")
    assert "Решать нечего." in queue
    async with database.transaction() as session:
        (await get_organisation(session, office.organisations[0])).name = "Западный ветер"
    parted = await maria.post_form("/duplicates/merges/1")
    assert parted.headers["Location"] == "/duplicates?left=1"
    assert "1 значение с тех пор изменено" in await maria.text("/duplicates?left=1")
    assert "Северный Ветер" in await maria.text(doubled_at)


async def test_a_pair_says_which_firm_it_is_also_where_both_are_named_alike(
    maria: Browser, database: Database, office: Office
) -> None:
    async with database.transaction() as session:
        (await get_organisation(session, office.organisations[0])).city = "Пермь"
        name = (await get_organisation(session, office.organisations[0])).name
    typed = {"campaign": "1", "list_name": "Основной", "name": name, "city": "Пермь"}
    assert (await maria.post_form("/clients", **typed)).status == 303
    await maria.post_form("/duplicates")
    page = await maria.text("/duplicates/1")
    for label, value in (("Название организации", name), ("Город", "Пермь")):
        assert re.search(rf'<th scope="row">{label}</th><td>{value}</td><td>{value}</td>', page), label
    assert 'name="city"' not in page, "there is nothing to choose"
    assert "не сделано" not in page
    assert len(re.findall(r">Открыть её страницу</a>", page)) == 2


async def test_what_nobody_has_compared_yet_is_not_called_decided(maria: Browser, clock: Clock) -> None:
    page = await maria.text("/duplicates")
    assert "Базу ещё никто не просматривал." in page
    assert "Решать нечего." not in page
    await maria.post_form("/duplicates")
    assert "Решать нечего." in await maria.text("/duplicates")
    clock.move(minutes=5)
    await doubled(maria, "Северный Ветер")
    page = await maria.text("/duplicates")
    assert "С тех пор пришла 1 организация." in page
    assert "Решать нечего." not in page
    await maria.post_form("/duplicates")
    assert "С тех пор" not in await maria.text("/duplicates")


async def test_two_that_are_two_are_not_asked_about_again(maria: Browser) -> None:
    await doubled(maria, "Северный Ветер")
    await maria.post_form("/duplicates")
    assert (await maria.post_form("/duplicates/1", what="perhaps")).status == 400
    assert (await maria.post_form("/duplicates/1", what="two")).status == 303
    await maria.post_form("/duplicates")
    assert "Решать нечего." in await maria.text("/duplicates")


async def test_abandoned_clients_are_shown_before_those_ticked_are_moved(
    maria: Browser, database: Database, office: Office
) -> None:
    async with database.transaction() as session:
        for number in (3, 4):
            await add_deal(session, organisation_id=office.organisations[number], made_on=date(2020, 5, 1), now=NOW)
    page = await maria.text("/abandoned?campaign=1&months=24&reason=bought_once")
    for told in ("Гамма-Холод", "Дельта", "купили один раз, давно", "1 мая 2020"):
        assert told in page, told
    assert "Вектор" not in page, "it is in the group already"
    assert "Правило никого не находит." in await maria.text("/abandoned?campaign=1&months=300&reason=silent")
    ticked = {"campaign": "1", "months": "24", "reason": "bought_once", "client": str(office.clients[3])}
    moved = await maria.post_form("/abandoned", **ticked)
    assert moved.headers["Location"] == "/abandoned?campaign=1&moved=1"
    assert "1 клиент теперь в группе «Брошенные»." in await maria.text(moved.headers["Location"])
    async with database.reading() as session:
        groups = [(await get_client(session, office.clients[number])).group for number in (3, 4)]
    assert groups == [Group.ABANDONED, Group.COLD]
    for nonsense in ("months=0", "months=вечность", "months=9999"):
        refused = await maria.get(f"/abandoned?{nonsense}")
        assert (refused.status, "Укажите от 1 до 600 месяцев." in await refused.text()) == (422, True)
    assert (await maria.post_form("/abandoned", campaign="1", months="24")).status == 422


async def test_two_who_change_a_competitor_at_once_lose_nothing(maria: Browser, signed_in: SignIn) -> None:
    added = await maria.post_form("/competitors", name=" Климат ")
    address = added.headers["Location"]
    konst = await signed_in("konst")
    typed = {"name": "Климат", "product": "Кондиционеры", "terms": "скидка", "note": ""}
    assert (await konst.post_form(address, **typed, version="1")).status == 303
    second = await maria.post_form(address, **{**typed, "terms": "рассрочка"}, version="1")
    page = await second.text()
    assert second.status == 409
    assert "рассрочка" in page
    assert re.findall(r"сейчас: ([^<]*)<", page) == ["скидка"]
    again = {**typed, "terms": "рассрочка"}
    assert (await maria.post_form(address, **again, version="2")).status == 303
    assert "рассрочка" in await maria.text("/competitors")
    assert (await maria.post_form(address, **{**typed, "name": " "}, version="3")).status == 422
    assert (await maria.post_form("/competitors", name="")).status == 422


async def test_who_may_only_look_finds_nothing_to_press(signed_in: SignIn, office: Office) -> None:
    audit = await signed_in("audit")
    for path in ("/duplicates", "/abandoned", "/competitors"):
        page = await audit.text(path)
        assert not re.search(r'method="post" action="/(duplicates|abandoned|competitors)', page)
