"""E-mails and faxes to a client, noted and withdrawn on its page."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from crm.calls.letters import Channel, LetterRow, letters_of
from crm.clientele.clients import Client
from crm.database import Database
from crm.plan.plan_entries import PlanEntry
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import NOW, Office


@pytest.fixture
async def anna(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("anna")


async def noted(database: Database, client_id: int) -> list[LetterRow]:
    async with database.reading() as session:
        return await letters_of(session, client_id)


async def test_an_operator_notes_what_went_out(anna: Browser, office: Office, database: Database) -> None:
    client_id = office.clients[0]
    address = f"/clients/{client_id}"
    assert "Письма и факсы" not in await anna.text(address)
    assert (await anna.post_form(f"{address}/letters", channel="email", note="Прайс", sent_at="")).status == 303
    earlier = {"channel": "fax", "note": "", "sent_at": "2026-05-14T10:30"}
    assert (await anna.post_form(f"{address}/letters", **earlier)).status == 303
    just_now, before = await noted(database, client_id)
    assert (just_now.channel, just_now.sent_at, just_now.note) == (Channel.EMAIL, NOW, "Прайс")
    assert (before.channel, before.sent_at, before.sender) == (
        Channel.FAX, NOW.replace(hour=7, minute=30), "Иванова Анна",
    )  # fmt: skip
    page = await anna.text(address)
    for told in ("Письма и факсы", "14 мая 2026, 11:02", "по эл. почте", "Прайс", "14 мая 2026, 10:30", "по факсу"):
        assert told in page, told


async def test_three_of_them_and_the_card_says_why_nobody_calls(anna: Browser, office: Office) -> None:
    address = f"/clients/{office.clients[1]}"
    for _ in range(3):
        await anna.post_form(f"{address}/letters", channel="email")
    assert "Этому клиенту сегодня звонили или писали раз: 3; больше 3 нельзя." in await anna.text(address)
    assert (await anna.post_form(f"{address}/letters", withdraw="3", reason="Не ушло")).status == 303
    page = await anna.text(address)
    assert "больше 3 нельзя" not in page
    assert "отозвано, Иванова Анна: Не ушло" in page


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"channel": "pigeon"}, 400),
        ({}, 400),
        ({"channel": "fax", "sent_at": "вчера"}, 400),
        ({"channel": "fax", "sent_at": "0001-01-01T00:00"}, 400),
        ({"channel": "fax", "sent_at": "2026-05-14T10:30+03:00"}, 400),
        ({"channel": "fax", "sent_at": "2026-05-14T11:03"}, 422),
        ({"channel": "fax", "note": "п" * 501}, 422),
        ({"withdraw": "99", "reason": "x"}, 404),
        ({"withdraw": "²", "reason": "x"}, 404),
        ({"withdraw": "1", "reason": " "}, 422),
    ],
)
async def test_what_cannot_be_noted_is_said(
    anna: Browser, office: Office, database: Database, fields: dict[str, str], status: int
) -> None:
    address = f"/clients/{office.clients[0]}/letters"
    await anna.post_form(address, channel="fax")
    assert (await anna.post_form(address, **fields)).status == status
    (row,) = await noted(database, office.clients[0])
    assert row.withdrawn_at is None


async def test_only_of_clients_that_are_theirs_to_see(
    anna: Browser, signed_in: SignIn, office: Office, database: Database
) -> None:
    hidden, shown = office.clients[3], office.clients[0]
    maria = await signed_in("maria")
    assert (await maria.post_form(f"/clients/{hidden}/letters", channel="fax", note="прайс")).status == 303
    async with database.transaction() as session:
        await session.execute(update(Client).where(Client.id == hidden).values(owner_id=office.users["oleg"]))
        await session.execute(update(PlanEntry).values(operator_id=office.users["oleg"]))
    assert (await anna.post_form(f"/clients/{hidden}/letters", channel="fax")).status == 404
    assert (await anna.post_form(f"/clients/{hidden}/letters", withdraw="1", reason="x")).status == 404
    assert (await anna.post_form(f"/clients/{shown}/letters", withdraw="1", reason="x")).status == 404
    (row,) = await noted(database, hidden)
    assert (row.note, row.withdrawn_at) == ("прайс", None)


async def test_withdrawn_twice_is_told(anna: Browser, office: Office, database: Database) -> None:
    address = f"/clients/{office.clients[0]}"
    await anna.post_form(f"{address}/letters", channel="fax")
    mistaken = {"withdraw": "1", "reason": "Не тому"}
    assert (await anna.post_form(f"{address}/letters", **mistaken)).status == 303
    assert (await anna.post_form(f"{address}/letters", **mistaken)).status == 409
    (row,) = await noted(database, office.clients[0])
    assert (row.withdrawn_at, row.withdraw_reason) == (NOW, "Не тому")


async def test_an_auditor_reads_and_notes_nothing(anna: Browser, signed_in: SignIn, office: Office) -> None:
    address = f"/clients/{office.clients[0]}"
    await anna.post_form(f"{address}/letters", channel="fax", note="Прайс")
    page = await (await signed_in("audit")).text(address)
    assert "Прайс" in page
    assert f'action="{address}/letters"' not in page


async def test_it_is_noted_at_the_desk_in_mid_call(
    anna: Browser, office: Office, desk: FakeDesk, database: Database
) -> None:
    operator_id = office.users["anna"]
    await anna.act("ready")
    client_id = desk.views[operator_id].client_id
    assert client_id is not None
    await anna.act("dial", client_id=client_id)
    await desk.answer(operator_id)
    said = {"client_id": client_id, "attempt_id": desk.views[operator_id].attempt_id}
    sent = {"channel": "fax", "note": "Прайс"}
    assert (await anna.act("letter", **said | {"client_id": 99}, fields=sent)).status == 409
    assert (await anna.act("letter", **said, fields={"channel": "pigeon"})).status == 400
    assert (await anna.act("letter", **said, fields=sent | {"note": "п" * 501})).status == 422
    assert (await anna.act("letter", **said, fields=sent)).status == 200
    assert ("look again", operator_id) in desk.clicks
    (row,) = await noted(database, client_id)
    assert (row.channel, row.sender, row.note) == (Channel.FAX, "Иванова Анна", "Прайс")
    assert "Отправлен факс" in await anna.text("/operator"), "the card's history has it"
