"""The sales book, the page of a deal, and the deals of a client on its page."""

from __future__ import annotations

import io
import re
from datetime import date
from decimal import Decimal

import pytest
from python_calamine import CalamineWorkbook

from crm.base.past_deals import add_deal
from crm.clientele.clients import get_client
from crm.database import Database
from crm.deals.deal_stages import DealStage
from crm.deals.deals import Deal, deals_of, get_deal, open_deal
from crm.deals.moving import Step, move_deal
from crm.group import Group
from crm.preparation.campaigns import change_campaign, get_campaign
from crm.reading import sales_book
from tests.dialer.console.conftest import SignIn
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import NOW, Office

NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture
async def selling(database: Database, office: Office) -> Office:
    """The campaign sells by deals."""
    async with database.transaction() as session:
        campaign = await get_campaign(session, office.campaign_id)
        await change_campaign(session, campaign=campaign, sells_by_deals=True, now=NOW)
    return office


async def opened(database: Database, office: Office, client: int, login: str = "egor", amount: str = "100.10") -> Deal:
    async with database.transaction() as session:
        return await open_deal(
            session, client_id=office.clients[client], owner_id=office.users[login], amount=Decimal(amount),
            product="Монтаж", now=NOW,
        )  # fmt: skip


async def test_a_campaign_without_deals_never_speaks_of_them(signed_in: SignIn, office: Office, desk: FakeDesk) -> None:
    maria = await signed_in("maria")
    for path in (f"/clients/{office.clients[0]}", f"/campaigns/{office.campaign_id}", "/clients"):
        page = await maria.text(path)
        assert "Книга продаж" not in page
        assert "Новая сделка" not in page
        assert "Почему теряются" not in page
    assert "договор" not in (await maria.text(f"/campaigns/{office.campaign_id}/dispositions")).lower()
    anna = await signed_in("anna")
    await anna.act("ready")
    answer = await anna.act("dial", client_id=office.clients[0])
    await desk.answer(office.users["anna"])
    await desk.end(office.users["anna"])
    page = await anna.text("/operator")
    assert "сделк" not in page.lower()
    assert 'name="contract_deal"' not in page
    call = (await answer.json())["attempt_id"]
    assert (
        await anna.act("outcome", attempt_id=call, fields={"disposition": "cold", "reason": "дорого"})
    ).status == 200
    assert "Договор" not in await maria.text(f"/calls/{call}")


@pytest.mark.parametrize("left", [{"contract_amount": "12,500"}, {"contract_on": "вчера"}])
async def test_what_stands_in_a_hidden_contract_holds_no_outcome_up(
    selling: Office, signed_in: SignIn, desk: FakeDesk, left: dict[str, str]
) -> None:
    """Typed under "hot", and left there: a browser sends the fields that nobody sees, too."""
    anna = await signed_in("anna")
    await anna.act("ready")
    call = (await (await anna.act("dial", client_id=selling.clients[0])).json())["attempt_id"]
    await desk.answer(selling.users["anna"])
    await desk.end(selling.users["anna"])
    typed = {"disposition": "cold", "reason": "дорого", "contract_deal": "new"} | left
    assert (await anna.act("outcome", attempt_id=call, fields=typed)).status == 200


async def test_a_deal_is_begun_on_the_clients_page_and_signed_on_its_own(
    database: Database, selling: Office, signed_in: SignIn
) -> None:
    client_id = selling.clients[0]
    async with database.transaction() as session:
        client = await get_client(session, client_id)
        await add_deal(session, organisation_id=client.organisation_id, made_on=date(2024, 3, 1), what="Вентилятор",
                       now=NOW)  # fmt: skip
    maria = await signed_in("maria")
    page = await maria.text(f"/clients/{client_id}")
    assert "Новая сделка" in page
    assert "Вентилятор" in page
    said = await maria.post_form(
        f"/clients/{client_id}/deals", product="Ремонт", amount="12 500,50", currency="RUB", stage="offer",
        owner_id=str(selling.users["egor"]), person_id="", expected_on="2026-06-01", note="",
    )  # fmt: skip
    assert said.headers["Location"] == "/deals/1"
    page = await maria.text("/deals/1")
    assert f"12{NBSP}500,50{NBSP}₽" in page
    said = await maria.post_form(
        "/deals/1/move", to="contract", version="1", amount="12000", contract_on="2026-05-13", page="/deals/1"
    )
    assert said.status == 303
    page = await maria.text("/deals/1")
    assert "Предложение → <strong>Договор</strong>" in page
    async with database.reading() as session:
        assert (await get_client(session, client_id)).group is Group.HOT
        deal = await get_deal(session, 1)
        assert (deal.amount_minor, deal.contract_on) == (1_200_000, date(2026, 5, 13))
    # Taken back, it asks for the group, and proposes the one before.
    assert re.search(r'<option value="warm" selected>', page)
    await maria.post_form("/deals/1/move", to="negotiation", version=str(deal.version), group_then="warm")
    async with database.reading() as session:
        assert (await get_client(session, client_id)).group is Group.WARM


async def test_who_is_about_to_call_sees_the_open_deals(database: Database, selling: Office, signed_in: SignIn) -> None:
    await opened(database, selling, 0)
    lost = await opened(database, selling, 0, amount="99.99")
    async with database.transaction() as session:
        await move_deal(session, deal_id=lost.id, step=Step(DealStage.LOST, reason="price"), now=NOW)
    anna = await signed_in("anna")
    await anna.act("ready")
    page = await anna.text("/operator")
    assert "Открытые сделки" in page
    assert f"<strong>100,10{NBSP}₽</strong>" in page
    assert f"<strong>99,99{NBSP}₽</strong>" not in page  # it stands in the history alone


async def test_moves_of_deals_stand_in_the_clients_history(
    database: Database, selling: Office, signed_in: SignIn
) -> None:
    deal = await opened(database, selling, 0)
    async with database.transaction() as session:
        step = Step(DealStage.LOST, reason="price", note="на треть")
        await move_deal(session, deal_id=deal.id, step=step, now=NOW, author_id=selling.users["egor"])
    maria, anna = await signed_in("maria"), await signed_in("anna")
    await anna.act("ready")
    for page in (await maria.text(f"/clients/{selling.clients[0]}"), await anna.text("/operator")):
        lines = re.findall(r'<p><a href="(/deals/\d+)"[^>]*>(.*?)</a>(.*?)</p>(?:<p class="muted">(.*?)</p>)?', page)
        assert [(address, what) for address, what, _, _ in lines] == [
            ("/deals/1", f"Сделка «Монтаж»: Интерес → Потеряна, 100,10{NBSP}₽"),
            ("/deals/1", f"Сделка «Монтаж»: Интерес, 100,10{NBSP}₽"),
        ]
        assert "Экспертов Егор" in lines[0][2]
        assert lines[0][3] == "вручную · Дорого · на треть"
    async with database.transaction() as session:
        campaign = await get_campaign(session, selling.campaign_id)
        await change_campaign(session, campaign=campaign, sells_by_deals=False, now=NOW)
    assert "Сделка «" not in await maria.text(f"/clients/{selling.clients[0]}")


async def test_a_deal_of_the_client_in_front_is_moved_on_and_of_nobody_else(
    database: Database, selling: Office, signed_in: SignIn
) -> None:
    theirs, of_others = await opened(database, selling, 0), await opened(database, selling, 1)
    anna, client_id = await signed_in("anna"), selling.clients[0]
    await anna.act("ready")

    async def moved(deal: Deal, version: int = 1, **fields: str) -> tuple[int, str]:
        fields = {"deal": f"{deal.id}.{version}", "to": "negotiation", "amount": "", **fields}
        said = await anna.act("deal", client_id=client_id, fields=fields)
        return said.status, (await said.json()).get("code", "")

    assert await moved(of_others) == (404, "deal.unknown")
    assert (await moved(theirs, to="lost"))[0] == 400
    assert await moved(theirs, amount="1,005") == (422, "deal.amount")
    assert await moved(theirs, amount="99,90") == (200, "")
    assert await moved(theirs, to="offer") == (409, "deal.changed_meanwhile")
    async with database.reading() as session:
        deal = await get_deal(session, theirs.id)
        assert (deal.stage, deal.amount_minor) == (DealStage.NEGOTIATION, 9990)


async def test_what_somebody_else_has_changed_is_not_overwritten(
    database: Database, selling: Office, signed_in: SignIn
) -> None:
    await opened(database, selling, 0)
    maria, form = await signed_in("maria"), {"product": "Другое", "amount": "5", "currency": "RUB", "version": "1"}
    assert (await maria.post_form("/deals/1", page="/deals/1", **form)).status == 303
    said = await maria.post_form("/deals/1", page="/deals/1", **{**form, "product": "Третье"})
    assert said.headers["Location"].startswith("/deals/1")
    page = await maria.text(said.headers["Location"])
    assert "Пока вы смотрели, кто-то изменил эту сделку." in page
    async with database.reading() as session:
        assert (await get_deal(session, 1)).product == "Другое"


async def test_the_book_narrows_sums_and_exports(database: Database, selling: Office, signed_in: SignIn) -> None:
    for client, amount in ((0, "100.10"), (1, "200.20"), (2, "0.05")):
        await opened(database, selling, client, amount=amount)
    async with database.transaction() as session:
        await move_deal(session, deal_id=2, step=Step(DealStage.CONTRACT, contract_on=date(2026, 5, 6)), now=NOW)
        await move_deal(session, deal_id=3, step=Step(DealStage.LOST, reason="price"), now=NOW)
    maria = await signed_in("maria")
    page = await maria.text("/deals")
    assert page.count('<a class="name" href="/deals/') == 1
    assert f"100,10{NBSP}₽" in page
    assert f"рабочих дней: 8, по 25,03{NBSP}₽" in page  # 4 to 14 May without the 9th to the 11th
    assert "Дорого" in page
    assert "stage=interest" in page, "in work"
    assert not {"stage=contract", "stage=lost"} & set(re.findall(r"stage=\w+", page)), "a contract is no work any more"
    page = await maria.text("/deals?stage=all&by=contract&first=2026-05-06&last=2026-05-31")
    assert f"рабочих дней: 6, по 33,37{NBSP}₽" in page, "of the period that was asked for, until today"
    assert "stage=contract" in page
    page = await maria.text("/deals?stage=all&by=contract&first=2026-05-01&last=2026-05-31")
    assert re.findall(r'class="name" href="/deals/(\d+)"', page) == ["2"]
    said = await maria.get("/deals.csv?stage=all")
    text = (await said.read()).decode("utf-8-sig")
    assert ";100,10;RUB;Интерес;" in text
    said = await maria.get("/deals.xlsx?stage=all")
    rows = CalamineWorkbook.from_filelike(io.BytesIO(await said.read())).get_sheet_by_index(0).to_python()
    assert sum(Decimal(str(row[4])) for row in rows[1:]) == Decimal("300.35")


async def test_callers_see_and_move_what_is_theirs(database: Database, selling: Office, signed_in: SignIn) -> None:
    await opened(database, selling, 0)
    egor, anna = await signed_in("egor"), await signed_in("anna")
    assert "Северный ветер" in await egor.text("/deals?by=opened")
    assert "Северный ветер" not in await anna.text("/deals?by=opened")
    assert (await anna.get("/deals/1")).status == 404
    for address, fields in (("/deals/1/move", {"to": "offer"}), ("/deals/1", {"product": "x"})):
        said = await anna.post_form(address, version="1", **fields)
        assert said.status == 404
        assert (await egor.post_form(address, version="1", **fields)).status in (303, 409)
    async with database.reading() as session:
        (deal,) = await deals_of(session, selling.clients[0])
        assert deal.stage is DealStage.OFFER


async def test_the_book_goes_on_where_the_page_ends(
    database: Database, selling: Office, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        await opened(database, selling, 0)
    monkeypatch.setattr("dialer.console.deals.book_page.PAGE_ROWS", 2)
    maria = await signed_in("maria")
    for by in sales_book.DealDay:
        seen, address = [], f"/deals?by={by}"
        while address:
            page = await maria.text(address)
            seen += re.findall(r'class="name" href="/deals/(\d+)"', page)
            further = re.search(r'rel="next" href="([^"]+)"', page)
            address = further[1].replace("&amp;", "&") if further else ""
        assert sorted(seen) == ["1", "2", "3", "4", "5"], by


@pytest.mark.parametrize(
    "address",
    ["/deals?stage=x&by=y&owner=z&campaign=-1&first=32.13.", "/deals?by=opened&after=2026-01-01&id=1",
     "/deals?after=nonsense&id=7", "/deals?product=%00"],
)  # fmt: skip
async def test_nonsense_in_an_address_is_nothing(selling: Office, signed_in: SignIn, address: str) -> None:
    assert "Книга продаж" in await (await signed_in("maria")).text(address)


@pytest.mark.parametrize(
    "fields", [{"to": "nowhere"}, {"to": "contract", "contract_on": "x"}, {"to": "offer", "group_then": "new"}]
)
async def test_a_form_that_no_page_sends_is_refused(
    database: Database, selling: Office, signed_in: SignIn, fields: dict[str, str]
) -> None:
    await opened(database, selling, 0)
    assert (await (await signed_in("maria")).post_form("/deals/1/move", version="1", **fields)).status == 400


async def test_reasons_are_renamed_and_added_on_their_page(selling: Office, signed_in: SignIn) -> None:
    maria, page = await signed_in("maria"), f"/campaigns/{selling.campaign_id}/lost-reasons"
    assert "Почему теряются сделки" in await maria.text(f"/campaigns/{selling.campaign_id}")
    said = await maria.post_form(page, key="late", label_ru="Опоздали", label_en="Late", active="yes", version="0")
    assert said.status == 303
    await maria.post_form(page, key="silent", label_ru="", label_en="", version="0")
    text = await maria.text(page)
    assert "Опоздали" in text
    assert text.count(" checked") == 7
