"""Offers to a client on its page: looked at, sent, withdrawn, settled, and wanted no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiohttp import ClientSession
from sqlalchemy import update

from config.settings import ConsoleSettings, ServiceSettings, Settings
from crm.base.organisations import Organisation
from crm.base.whom import Whom
from crm.care.merging import merge
from crm.clientele.clients import Client, get_client
from crm.clientele.consents import give, withdraw_consent
from crm.database import Database
from crm.offers.offers import Offer, OfferState, kept_file, offers_of
from crm.offers.opt_outs import OptsOut, opt_out
from crm.offers.sending import claim_due, mark_handing_over, mark_tried
from crm.offers.templates import Language, add_template, write_text
from crm.plan.plan_entries import PlanEntry
from tests.dialer.console.conftest import Browser, Clock, SignIn
from tests.dialer.console.seed import NOW, Office
from tests.dialer.mailing.conftest import settings_for
from tests.pdf import text_of

ADDRESS = "klient@example.ru"


@pytest.fixture
def settings(console_settings: ConsoleSettings, tmp_path: Path) -> Settings:
    service = ServiceSettings(data_dir=str(tmp_path / "data"))
    mail = settings_for(25, fax_address="{number}@fax.example.ru")
    return Settings().model_copy(update={"console": console_settings, "service": service, "mail": mail})


@pytest.fixture
async def anna(signed_in: SignIn, office: Office, database: Database) -> Browser:
    async with database.transaction() as session:
        made = await add_template(session, campaign_id=office.campaign_id, name="Вентиляция", now=NOW)
        await write_text(
            session, template=made, language=Language.RU, subject="Для {client.name}",
            body="Добрый день, {person.full_name|коллеги}! <b>{sender.name}</b>", now=NOW,
        )  # fmt: skip
    return await signed_in("anna")


async def look(anna: Browser, client_id: int, **fields: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in ({"text": "1", "address": ADDRESS} | fields).items())
    return await anna.text(f"/clients/{client_id}/offers?{query}")


def hidden(page: str) -> dict[str, str]:
    """What stands on the form that sends."""
    (form,) = [part for part in page.split("<form") if 'name="digest"' in part]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


async def sent(anna: Browser, client_id: int, **fields: str) -> None:
    said = await anna.post_form(f"/clients/{client_id}/offers", **hidden(await look(anna, client_id, **fields)))
    assert said.status == 303, await said.text()


async def offers(database: Database, client_id: int) -> list[Offer]:
    async with database.reading() as session:
        return [row.offer for row in await offers_of(session, client_id)]


async def test_whoever_may_stop_all_dialling_has_another_key_for_sending(
    anna: Browser, office: Office, signed_in: SignIn
) -> None:
    page = await look(await signed_in("maria"), office.clients[0])
    assert 'data-key="F2"' in page
    assert "data-twice" in page


async def test_it_is_looked_at_and_sent_once(anna: Browser, office: Office, database: Database) -> None:
    client_id = office.clients[0]
    assert f'href="/clients/{client_id}/offers"' in await anna.text(f"/clients/{client_id}")
    page = await look(anna, client_id, person="1")
    for told in ("Для ООО «Северный ветер»", "Добрый день, Петрова Анна Сергеевна! &lt;b&gt;Иванова Анна", "Согласие:"):
        assert told in page, told
    assert await offers(database, client_id) == []
    fields = hidden(page)
    for _ in range(2):
        assert (await anna.post_form(f"/clients/{client_id}/offers", **fields)).status == 303
    (offer,) = await offers(database, client_id)
    assert (offer.address, offer.state, offer.author_id) == (ADDRESS, OfferState.WAITING, office.users["anna"])
    file = await anna.get(f"/clients/{client_id}/offers/{offer.id}.pdf")
    assert "Добрый день, Петрова Анна Сергеевна! <b>Иванова Анна</b>" in text_of(await file.read()).replace("\n", " ")
    assert "отправляется" in await anna.text(f"/clients/{client_id}/offers")


async def test_what_looks_otherwise_now_is_shown_again(anna: Browser, office: Office, database: Database) -> None:
    client_id = office.clients[0]
    fields = hidden(await look(anna, client_id))
    said = await anna.post_form(f"/clients/{client_id}/offers", **(fields | {"address": "other@example.ru"}))
    assert said.status == 422
    assert "выглядело бы иначе" in await said.text()
    assert await offers(database, client_id) == []


async def test_nothing_goes_past_the_consent_that_is_shown(anna: Browser, office: Office, database: Database) -> None:
    """Looked at for one person: neither for nobody, nor as something that was asked for, nor once the consent that
    stood there is withdrawn."""
    client_id = office.clients[0]
    async with database.transaction() as session:
        given = await give(session, whom=Whom.PERSON, target=1, evidence="сказала сама 12 мая", now=NOW)
        await give(session, whom=Whom.PERSON, target=2, evidence="согласие другого", now=NOW)
    page = await look(anna, client_id, person="1")
    assert "Согласие: сказала сама 12 мая." in page
    assert "Согласие: нет." in await look(anna, client_id)
    fields = hidden(page)
    for changed in ({"person": ""}, {"asked": "yes"}, {"person": "2"}):
        said = await anna.post_form(f"/clients/{client_id}/offers", **(fields | changed))
        assert said.status == 422, changed
        assert "выглядело бы иначе" in await said.text()
    async with database.transaction() as session:
        await withdraw_consent(session, consent_id=given.id, reason="передумала", now=NOW)
    assert (await anna.post_form(f"/clients/{client_id}/offers", **fields)).status == 422
    assert await offers(database, client_id) == []


async def test_only_a_tick_says_that_it_was_asked_for(anna: Browser, office: Office, database: Database) -> None:
    client_id = office.clients[0]
    fields = hidden(await look(anna, client_id))
    assert (await anna.post_form(f"/clients/{client_id}/offers", **(fields | {"asked": "1"}))).status == 303
    (offer,) = await offers(database, client_id)
    assert not offer.asked_for


async def test_who_wants_no_letters_is_not_reached_by_naming_nobody(
    anna: Browser, office: Office, database: Database
) -> None:
    client_id = office.clients[0]
    await sent(anna, client_id, person="1")
    async with database.transaction() as session:
        await opt_out(session, whom=OptsOut.PERSON, target=1, evidence="сказала по телефону", now=NOW)
    page = await look(anna, client_id, asked="yes")
    assert "Отправить нельзя." in page
    assert 'name="digest"' not in page


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"address": "nobody"}, "не адрес электронной почты"),
        ({"address": "a@b"}, "a@b"),
        ({"address": "112"}, "не один телефонный номер"),
    ],
)
async def test_an_address_that_is_none_is_told(
    anna: Browser, office: Office, fields: dict[str, str], told: str
) -> None:
    query = "&".join(f"{name}={value}" for name, value in ({"text": "1"} | fields).items())
    said = await anna.get(f"/clients/{office.clients[0]}/offers?{query}")
    assert said.status == 422
    assert told in await said.text()


async def test_a_fax_number_is_normalised(anna: Browser, office: Office, database: Database) -> None:
    await sent(anna, office.clients[0], address="8 342 200-12-34", asked="yes")
    (offer,) = await offers(database, office.clients[0])
    assert (offer.channel.value, offer.address) == ("fax", "+73422001234")


async def test_it_is_withdrawn_in_time(anna: Browser, office: Office, database: Database) -> None:
    client_id = office.clients[0]
    await sent(anna, client_id)
    assert (await anna.post_form(f"/clients/{client_id}/offers/1", step="withdraw")).status == 303
    assert (await anna.post_form(f"/clients/{client_id}/offers/1", step="withdraw")).status == 409
    assert (await anna.post_form(f"/clients/{client_id}/offers/1", step="fly")).status == 400
    (offer,) = await offers(database, client_id)
    assert offer.state is OfferState.WITHDRAWN


@pytest.mark.parametrize(("step", "state"), [("arrived", OfferState.SENT), ("again", OfferState.WAITING)])
async def test_a_doubt_is_settled(
    anna: Browser, signed_in: SignIn, office: Office, database: Database, clock: Clock, step: str, state: OfferState
) -> None:
    client_id, told = office.clients[0], "1 предложение под вопросом"
    maria = await signed_in("maria")
    await sent(anna, client_id)
    clock.move(seconds=20)
    async with database.transaction() as session:
        lease = clock.now - NOW
        assert await claim_due(session, now=clock.now, node="main", lease=lease)
        await mark_handing_over(session, offer_id=1, node="main", now=clock.now, lease=lease)
        await mark_tried(session, offer_id=1, reason="lost", now=clock.now, in_doubt=True)
    assert "под вопросом" in await anna.text(f"/clients/{client_id}/offers")
    assert told in await maria.text("/calls"), "whoever answers for the result sees it on every page"
    assert (await anna.post_form(f"/clients/{client_id}/offers/1", step=step)).status == 303
    assert told not in await maria.text("/calls")
    (offer,) = await offers(database, client_id)
    assert offer.state is state


async def test_who_wants_no_letters(anna: Browser, signed_in: SignIn, office: Office) -> None:
    client_id = office.clients[0]
    address = f"/clients/{client_id}/opt-outs"
    assert (await anna.post_form(address, evidence="сказала по телефону")).status == 303
    page = await look(anna, client_id)
    assert "Отправить нельзя." in page
    assert 'name="digest"' not in page
    assert 'name="lift"' not in await anna.text(f"/clients/{client_id}/offers")
    assert (await anna.post_form(address, lift="1", reason="x")).status == 403
    maria = await signed_in("maria")
    assert (await maria.post_form(address, lift="99", reason="x")).status == 404
    assert (await maria.post_form(address, lift="1", reason="передумали")).status == 303
    assert 'name="digest"' in await look(anna, client_id)


async def test_a_request_is_shown_whatever_address_it_names_and_what_is_none_is_refused(
    anna: Browser, office: Office
) -> None:
    client_id = office.clients[0]
    address = f"/clients/{client_id}/opt-outs"
    refused = await anna.post_form(address, address="ivan at example", evidence="по телефону")
    assert refused.status == 422
    page = await refused.text()
    assert 'value="ivan at example"' in page
    assert 'value="по телефону"' in page
    assert (await anna.post_form(address, address="8 (812) 123-45-67", evidence="по телефону")).status == 303
    assert "+7 812 123-45-67: по телефону" in await anna.text(f"/clients/{client_id}/offers")


async def test_a_client_that_was_merged_is_whose_it_became(anna: Browser, office: Office, database: Database) -> None:
    """A page looked whose the merged record was, and then did its work with the one that stands for it."""
    olegs, nobodys = office.clients[3], office.clients[4]
    await sent(anna, nobodys)
    async with database.transaction() as session:
        await session.execute(update(Client).where(Client.id == olegs).values(owner_id=office.users["oleg"]))
        await session.execute(update(PlanEntry).values(operator_id=office.users["oleg"]))
        survivor = (await get_client(session, olegs)).organisation_id
        duplicate = (await get_client(session, nobodys)).organisation_id
        await merge(session, survivor_id=survivor, duplicate_id=duplicate, now=NOW)
    for path in ("", "/offers", "/offers/1.pdf"):
        assert (await anna.get(f"/clients/{nobodys}{path}")).status == 404, path
    for path, fields in (
        ("/offers", {"text": "1", "address": ADDRESS, "digest": "x", "key": "a" * 32}),
        ("/offers/1", {"step": "withdraw"}),
        ("/opt-outs", {"evidence": "x"}),
        ("/letters", {"channel": "email"}),
        ("/deals", {"product": "x"}),
        ("/plan", {"day": f"{NOW.date()}"}),
        ("/sheets/1", {"version": "0"}),
    ):
        assert (await anna.post_form(f"/clients/{nobodys}{path}", **fields)).status == 404, path


async def test_only_of_clients_that_are_theirs_to_see(anna: Browser, office: Office, database: Database) -> None:
    client_id, other = office.clients[3], office.clients[0]
    await sent(anna, client_id)
    async with database.transaction() as session:
        await session.execute(update(Client).where(Client.id == client_id).values(owner_id=office.users["oleg"]))
        await session.execute(update(PlanEntry).values(operator_id=office.users["oleg"]))
    for path in ("offers", "offers/1.pdf"):
        assert (await anna.get(f"/clients/{client_id}/{path}")).status == 404
        if path != "offers":
            assert (await anna.get(f"/clients/{other}/{path}")).status == 404
    assert (await anna.post_form(f"/clients/{client_id}/offers/1", step="withdraw")).status == 404
    assert (await anna.post_form(f"/clients/{client_id}/opt-outs", evidence="x")).status == 404


async def test_the_very_file_is_opened_by_whoever_may_see_the_client(
    anna: Browser, signed_in: SignIn, office: Office, database: Database
) -> None:
    client_id = office.clients[0]
    await sent(anna, client_id)
    async with database.reading() as session:
        went = (await kept_file(session, 1)).content
    path = f"/clients/{client_id}/offers/1.pdf"
    for login in ("anna", "maria", "konst", "audit"):
        reader = await signed_in(login)
        assert path in await reader.text(f"/clients/{client_id}/offers")
        file = await reader.get(path)
        assert await file.read() == went, login
        assert file.headers["Content-Disposition"].startswith("attachment; filename=")
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in file.headers["Content-Security-Policy"]
    assert (await (await signed_in("audit")).post_form(path.removesuffix(".pdf"), step="withdraw")).status == 403
    async with ClientSession() as stranger, stranger.get(anna.client.make_url(path), allow_redirects=False) as said:
        assert said.status == 303


async def test_hostile_words_stay_words_on_the_page(anna: Browser, office: Office, database: Database) -> None:
    client_id = office.clients[0]
    hostile = "<script>alert(1)</script>\u202e{{7*7}} %s {client.name.__class__}\r\nBcc: x@example.ru"
    async with database.transaction() as session:
        client = await session.get_one(Client, client_id)
        (await session.get_one(Organisation, client.organisation_id)).name = hostile
    page = await look(anna, client_id)
    assert "<script>alert" not in page
    assert "\u202e" not in page.partition('name="digest"')[2]
    await sent(anna, client_id)
    (offer,) = await offers(database, client_id)
    assert offer.subject == ("Для <script>alert(1)</script> {{7*7}} %s {client.name.__class__} Bcc: x@example.ru")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{7*7}}" in await anna.text(f"/clients/{client_id}/offers")


async def test_a_megabyte_in_a_field_is_refused(anna: Browser, office: Office, database: Database) -> None:
    client_id = office.clients[0]
    fields = hidden(await look(anna, client_id))
    for name in ("address", "text", "digest", "key"):
        said = await anna.post_form(f"/clients/{client_id}/offers", **(fields | {name: "9" * 10**6}))
        assert said.status in (413, 422), name
    assert await offers(database, client_id) == []
