"""Clients on their pages: found, read, taken off the list, called never again."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from crm.base.do_not_call import requests
from crm.clientele.clients import get_client
from crm.clientele.consents import consents_of
from crm.database import Database
from crm.reading import client_list
from crm.wrap_up.outcomes import OutcomeForm
from dialer.console.clients import client_pages
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import NOW, Office, seed_call


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


async def names(browser: Browser, path: str) -> list[str]:
    found = re.findall(r'class="name" href="/clients/\d+">([^<]*)<', await browser.text(path))
    return list(found)


async def test_clients_are_listed_by_name_and_found(maria: Browser) -> None:
    assert await names(maria, "/clients") == [
        "Альфа-Климат", "Вектор", "Гамма-Холод", "Дельта", "Завод «Эпсилон»", "ООО «Северный ветер»",
    ]  # fmt: skip
    assert await names(maria, "/clients?text=ВЕТЕР") == ["ООО «Северный ветер»"]
    assert await names(maria, "/clients?text=Сидоров&group=hot") != []
    assert "Подходящих клиентов нет." in await maria.text("/clients?text=вьюга")
    for nonsense in ("group=burnt", "campaign=²", "campaign=" + "9" * 30, "id=x&after=y"):
        assert len(await names(maria, f"/clients?{nonsense}")) == 6


async def test_the_list_is_turned_page_by_page(maria: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_pages, "PAGE_ROWS", 4)
    page = await maria.text("/clients")
    further = re.search(r'rel="next" href="([^"]+)"', page)
    assert further
    rest = await names(maria, further[1].replace("&amp;", "&"))
    assert rest == ["Завод «Эпсилон»", "ООО «Северный ветер»"]


async def test_what_many_hold_is_listed_as_it_came_in(maria: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_pages, "PAGE_ROWS", 2)
    monkeypatch.setattr(client_list, "MOST_BY_NAME", 2)
    page = await maria.text("/clients?text=342")
    assert "в том порядке, в каком появились" in page
    further = re.search(r'rel="next" href="([^"]+)"', page)
    assert further
    again = await names(maria, further[1].replace("&amp;", "&"))
    assert again
    assert not set(again) & set(await names(maria, "/clients?text=342"))


async def test_a_client_is_read_with_the_history(maria: Browser, office: Office, database: Database) -> None:
    form = OutcomeForm(disposition="cold", reason="Дорого", person_name="Петров Пётр")
    attempt_id = await seed_call(database, office, client=3, at=NOW - timedelta(hours=1), form=form)
    page = await maria.text(f"/clients/{office.clients[3]}")
    history = page.split('id="card-history"')[1]
    assert f'<a href="/calls/{attempt_id}" target="_blank" rel="noopener">Холодный, Петров Пётр</a>' in history
    assert f'<h1><a href="/clients/{office.clients[3]}">' in await maria.text(f"/calls/{attempt_id}")
    for told in ("Гамма-Холод", "Холодный", "Петров Пётр", "Вентиляция-2", "Сидоров Олег"):
        assert told in page, told
    assert (await maria.get("/clients/999")).status == 404


async def test_where_a_client_came_from_stays_known(maria: Browser, office: Office, database: Database) -> None:
    address = f"/clients/{office.clients[2]}"
    assert "был брошенным" not in await maria.text(address), "it still is"
    form = OutcomeForm(disposition="cold", reason="Ушли к другим", person_name="Петров Пётр")
    attempt_id = await seed_call(database, office, client=2, at=NOW - timedelta(hours=1), form=form)
    page = await maria.text(address)
    assert "был брошенным" in page
    assert f'<a href="/calls/{attempt_id}">по звонку</a>' in page
    assert "при загрузке" in page


async def test_a_client_is_taken_off_the_list_and_put_back(maria: Browser, office: Office, database: Database) -> None:
    address = f"/clients/{office.clients[1]}"
    assert (await maria.post_form(f"{address}/list", reason=" ")).status == 422
    assert (await maria.post_form(f"{address}/list", reason="Не наш сегмент")).status == 303
    assert "Не наш сегмент" in await maria.text(address)
    assert "снят со списка: Не наш сегмент" in await maria.text("/clients")
    await maria.post_form(f"{address}/list", back="yes")
    async with database.reading() as session:
        assert (await get_client(session, office.clients[1])).off_list_reason == ""


async def test_a_company_asks_not_to_be_called(maria: Browser, office: Office, database: Database) -> None:
    address = f"/clients/{office.clients[1]}"
    assert (await maria.post_form(f"{address}/do-not-call", evidence="")).status == 422
    assert (await maria.post_form(f"{address}/do-not-call", evidence="Письмо от 1 мая")).status == 303
    async with database.reading() as session:
        (request,) = await requests(session)
    assert (request.evidence, request.author_id) == ("Письмо от 1 мая", office.users["maria"])
    page = await maria.text(address)
    assert "просил" in page
    assert "Больше никогда не звонить" not in page
    lifted = {"lift": str(request.id), "reason": "Передумали"}
    assert (await maria.post_form(f"{address}/do-not-call", **lifted | {"reason": " "})).status == 422
    assert (await maria.post_form(f"{address}/do-not-call", **lifted)).status == 303
    assert (await maria.post_form(f"{address}/do-not-call", **lifted)).status == 409
    assert "Больше никогда не звонить" in await maria.text(address)
    async with database.reading() as session:
        assert list(await requests(session)) == []


async def test_who_may_only_look_finds_nothing_to_press(signed_in: SignIn, office: Office) -> None:
    page = await (await signed_in("audit")).text(f"/clients/{office.clients[1]}")
    assert 'action="/clients' not in page


async def test_filters_are_saved_and_removed(maria: Browser, signed_in: SignIn, office: Office) -> None:
    await maria.post_form("/clients/filters", name="Горячие", group="hot", shared="yes")
    await maria.post_form("/clients/filters", name="Мой ветер", text="ветер")
    assert (await maria.post_form("/clients/filters", name="горячие", group="hot")).status == 409
    page = await maria.text("/clients")
    assert await names(maria, addresses(page)["Мой ветер"]) == ["ООО «Северный ветер»"]
    egor = await signed_in("egor")
    page = await egor.text("/clients")
    assert set(addresses(page)) == {"Горячие"}
    assert "/clients/filters/1/remove" in page
    assert "Удалить фильтр" not in page
    assert (await egor.post_form("/clients/filters/1/remove")).status == 403
    assert (await egor.post_form("/clients/filters", name="Х", group="hot", shared="yes")).status == 403
    await maria.post_form("/clients/filters/1/remove")
    assert set(addresses(await maria.text("/clients"))) == {"Мой ветер"}


def addresses(page: str) -> dict[str, str]:
    """The saved filters, by name."""
    found = re.findall(r'<a class="button" href="(/clients\?[^"]*)">([^<]*)</a>', page)
    return {name: address.replace("&amp;", "&") for address, name in found}


async def test_all_clients_of_a_filter_are_changed_and_changed_back(maria: Browser, database: Database) -> None:
    sought = "/clients/bulk?text=ветер&kind=group&value=cold"
    shown = await maria.text(sought)
    assert "Будет изменён 1 клиент" in shown
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', shown))
    stale = await maria.post_form("/clients/bulk", **fields | {"seen": "another"})
    assert stale.status == 409
    assert "что-то изменилось" in await stale.text()
    done = await maria.post_form("/clients/bulk", **fields)
    assert done.status == 303
    page = await maria.text(done.headers["Location"])
    for told in ("Изменён 1 клиент", "ООО «Северный ветер»", "Холодный", "Отменить для 1 клиента"):
        assert told in page, told
    assert "Группа: Холодный" in await maria.text("/bulk-actions")
    assert (await maria.post_form(f"{done.headers['Location']}/undo")).status == 303
    assert "Отменено" in await maria.text(done.headers["Location"])
    assert (await maria.post_form(f"{done.headers['Location']}/undo")).status == 409


@pytest.mark.parametrize(
    "query", ["kind=group&value=cold", "text=а&kind=burn&value=", "text=а&kind=do_not_call&value="]
)
async def test_what_cannot_be_changed_at_once_is_said(maria: Browser, query: str) -> None:
    assert (await maria.get(f"/clients/bulk?{query}")).status in (400, 422)


async def test_a_person_asks_off_and_a_company_agrees(maria: Browser, office: Office, database: Database) -> None:
    address = f"/clients/{office.clients[1]}"
    page = await maria.text(address)
    people = re.findall(r'<option value="(person:\d+)">', page)
    assert (await maria.post_form(f"{address}/do-not-call", whom=people[0], evidence="Звонок")).status == 303
    assert (await maria.post_form(f"{address}/do-not-call", whom="person:99", evidence="Звонок")).status == 404
    async with database.reading() as session:
        (request,) = await requests(session)
    assert f"person:{request.person_id}" == people[0]
    assert (await maria.post_form(f"{address}/consents", evidence=" ")).status == 422
    assert (await maria.post_form(f"{address}/consents", evidence="Письмо от 3 мая")).status == 303
    assert "Письмо от 3 мая" in await maria.text(address)
    assert (await maria.post_form(f"{address}/consents", withdraw="1", reason="Передумали")).status == 303
    assert "Письмо от 3 мая" not in await maria.text(address)


async def test_a_number_asks_off_and_another_agrees(maria: Browser, office: Office, database: Database) -> None:
    address = f"/clients/{office.clients[0]}"
    first, second = re.findall(r'<option value="(number:\d+)">', (await maria.text(address)).split("do-not-call")[1])
    assert (await maria.post_form(f"{address}/do-not-call", whom=first, evidence="Звонок")).status == 303
    assert (await maria.post_form(f"{address}/consents", whom=second, evidence="Письмо от 4 мая")).status == 303
    elsewhere = f"/clients/{office.clients[1]}"
    assert (await maria.post_form(f"{elsewhere}/do-not-call", whom=first, evidence="Звонок")).status == 404
    async with database.reading() as session:
        (request,) = await requests(session)
        (given,) = await consents_of(session, office.organisations[0])
        assert await consents_of(session, office.organisations[1]) == []
    assert (request.e164, given.e164) == ("+73420000004", "+73420000014")
    page = await maria.text(address)
    assert "<strong>+7 342 000-00-04</strong> · просил не звонить · Звонок" in page
    assert "<strong>+7 342 000-00-14</strong> · Письмо от 4 мая" in page
    assert "просил не звонить" not in await maria.text(elsewhere)
    for form, field, number in (("do-not-call", "lift", request.id), ("consents", "withdraw", given.id)):
        ending = {field: str(number), "reason": "ошибка"}
        assert (await maria.post_form(f"{elsewhere}/{form}", **ending)).status == 404, "of another client"
        assert (await maria.post_form(f"{address}/{form}", **ending)).status == 303
        assert (await maria.post_form(f"{address}/{form}", **ending)).status == 409, "a second time"
