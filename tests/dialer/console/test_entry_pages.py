"""A client is entered on a page, and who looks alike is seen before."""

from __future__ import annotations

import pytest

from crm.base.organisations import get_organisation
from crm.base.people import people_at
from crm.clientele.clients import get_client
from crm.database import Database
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import Office

TYPED = {
    "campaign": "1", "list_name": "Основной", "name": "ЗАО «Ромашка»", "city": "Пермь", "phones": "8 342 200-77-77",
    "site": "romashka.ru", "person": "Петров Пётр", "decides": "yes",
}  # fmt: skip


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


async def test_a_client_is_entered(maria: Browser, database: Database) -> None:
    assert 'href="/clients/new"' in await maria.text("/clients")
    assert "Основной" in await maria.text("/clients/new")
    entered = await maria.post_form("/clients", **TYPED)
    assert entered.status == 303, await entered.text()
    address = entered.headers["Location"]
    assert "ЗАО «Ромашка»" in await maria.text(address)
    async with database.reading() as session:
        client = await get_client(session, int(address.rpartition("/")[2]))
        assert (await get_organisation(session, client.organisation_id)).domain_key == "romashka.ru"
        assert [person.decides for person in await people_at(session, client.organisation_id)] == [True]


async def test_who_looks_alike_is_shown_while_one_types(maria: Browser, office: Office) -> None:
    told = await maria.text("/clients/similar?name=северный+ветир&city=Пермь")
    assert "ООО «Северный ветер»" in told
    assert "похожее название" in told
    assert f'href="/clients/{office.clients[0]}"' in told
    assert "<html" not in told
    assert "тот же номер" in await maria.text("/clients/similar?phones=8+342+000-00-04")
    assert (await maria.text("/clients/similar?name=вьюга&phones=—")).strip() == ""


async def test_what_is_in_common_stops_the_entry_until_it_is_meant(maria: Browser, database: Database) -> None:
    await maria.post_form("/clients", **TYPED)
    other = {**TYPED, "name": "Лютик <b>", "phones": ""}
    stopped = await maria.post_form("/clients", **other)
    page = await stopped.text()
    assert stopped.status == 409
    assert "Похожие уже есть: ЗАО «Ромашка»." in page
    assert 'value="Лютик &lt;b&gt;"' in page, "what was typed is kept"
    assert (await maria.post_form("/clients", **other, though_alike="yes")).status == 303


async def test_an_organisation_that_is_known_is_taken_into_another_campaign(
    maria: Browser, database: Database, office: Office
) -> None:
    await maria.post_form("/campaigns", name="Осень")
    taken = await maria.post_form(
        "/clients", campaign="2", list_name="Новый", organisation=str(office.organisations[0]), name=""
    )
    assert taken.status == 303
    async with database.reading() as session:
        client = await get_client(session, int(taken.headers["Location"].rpartition("/")[2]))
    assert (client.campaign_id, client.organisation_id) == (2, office.organisations[0])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": " "}, "Организации нужно название."),
        ({"list_name": ""}, "Укажите, в каком списке стоит клиент."),
        ({"phones": "нет"}, "нет"),
    ],
)
async def test_what_is_missing_is_told_beside_the_rest(maria: Browser, changed: dict[str, str], told: str) -> None:
    answer = await maria.post_form("/clients", **{**TYPED, **changed})
    page = await answer.text()
    assert answer.status == 422
    assert told in page
    assert 'value="romashka.ru"' in page
    assert (await maria.post_form("/clients", **{**TYPED, "campaign": "99"})).status == 404
