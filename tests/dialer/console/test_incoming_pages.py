"""What came back to offers: on the client's page, its page of offers, the card, and the page of the mail."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from config.settings import ConsoleSettings, ServiceSettings, Settings
from crm.calls.letters import Channel
from crm.database import Database
from crm.offers import incoming
from crm.offers.incoming import Arrived, IncomingKind
from crm.offers.offers import Offer
from crm.offers.sending import claim_due, mark_handing_over, mark_sent, prepare, queue_offer, whither
from crm.offers.templates import Language, add_template, write_text
from tests.dialer.console.conftest import SignIn
from tests.dialer.console.seed import NOW, Office
from tests.dialer.mailing.conftest import settings_for
from tests.dialer.mailing.returned_mails import KEY

ADDRESS = "klient@example.ru"
HOSTILE = "<script>alert(1)</script>{{7*7}}"


@pytest.fixture
def settings(console_settings: ConsoleSettings, tmp_path: Path) -> Settings:
    service = ServiceSettings(data_dir=str(tmp_path / "data"))
    return Settings().model_copy(update={"console": console_settings, "service": service, "mail": settings_for(25)})


@pytest.fixture
async def offer(office: Office, database: Database) -> Offer:
    """Sent to the first client."""
    async with database.transaction() as session:
        made = await add_template(session, campaign_id=office.campaign_id, name="Вентиляция", now=NOW)
        text = await write_text(
            session, template=made, language=Language.RU, subject="Вентиляция", body="Добрый день!", now=NOW
        )
        to = whither(office.clients[0], channel=Channel.EMAIL, address=ADDRESS, region="RU")
        looked = await prepare(session, to, text_id=text.id, now=NOW)
        queued = await queue_offer(session, looked, pdf=b"%PDF", key=KEY, now=NOW)
        later, lease = NOW + timedelta(minutes=1), timedelta(minutes=1)
        assert await claim_due(session, now=later, node="main", lease=lease)
        await mark_handing_over(session, offer_id=queued.id, node="main", now=later, lease=lease)
        await mark_sent(session, offer_id=queued.id, now=later)
        await incoming.begin_at(session, mailbox="m", uid_validity=1, last_uid=0)
        return queued


async def came(database: Database, kind: IncomingKind, *, uid: int, body: str = "Звоните в понедельник.") -> None:
    arrived = Arrived(
        kind=kind, keys=(KEY,), faxed_to=(), digest=f"{uid:064}", sender="Иван <ivan@example.ru>",
        subject=f"Re: {HOSTILE}", body=body, came_at=NOW + timedelta(minutes=uid),
    )  # fmt: skip
    async with database.transaction() as session:
        await incoming.take_in(session, arrived, mailbox="m", uid_validity=1, uid=uid, now=NOW)


async def test_an_answer_stands_wherever_one_looks_for_what_happened(
    offer: Offer, office: Office, database: Database, signed_in: SignIn
) -> None:
    await came(database, IncomingKind.REPLY, uid=1, body=f"Звоните в понедельник. {HOSTILE}\n> Добрый день!")
    anna, maria = await signed_in("anna"), await signed_in("maria")
    await anna.act("ready")
    for page in (await anna.text("/operator"), await maria.text(f"/clients/{office.clients[0]}")):
        assert "Ответ по почте" in page
        assert "Звоните в понедельник." in page
        assert f'href="/clients/{office.clients[0]}/offers#came-1"' in page
        assert "<script>alert" not in page
        assert "&gt; Добрый" not in page, "what is quoted is no news"
    page = await anna.text(f"/clients/{office.clients[0]}/offers")
    assert 'id="came-1"' in page
    assert "Иван &lt;ivan@example.ru&gt;" in page
    assert HOSTILE not in page
    page = await maria.text("/mail")
    assert "Ответ по почте" in page
    assert page.count(f'href="/clients/{office.clients[0]}/offers"') == 2, "the offer, and what came back"


async def test_the_next_letter_to_an_address_from_which_one_came_back_says_so(
    offer: Offer, office: Office, database: Database, signed_in: SignIn
) -> None:
    anna = await signed_in("anna")
    address = f"/clients/{office.clients[0]}/offers?text=1&asked=yes&address={ADDRESS.upper()}"
    assert "вернулось" not in await anna.text(address)
    await came(database, IncomingKind.BOUNCED, uid=1)
    page = await anna.text(address)
    assert "Последнее письмо на этот адрес вернулось" in page
    assert 'data-key="F2"' in page, "it may go all the same"
    assert "не дошло: отказано или вернулось" in page
