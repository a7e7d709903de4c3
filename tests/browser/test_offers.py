"""An offer from the card and from the client's page to a real mail server, and one to many clients, by keyboard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import update

from config.sections import MailSettings
from crm.base.organisations import Organisation
from crm.base.whom import Whom
from crm.clientele.clients import get_client
from crm.clientele.consents import give
from crm.offers.sending import Lane
from crm.offers.templates import Language, add_template, write_text
from dialer.mailing.batch_writer import BatchWriter
from dialer.mailing.offer_sender import OfferSender
from tests.browser.conftest import OpenPage, RunningConsole, sign_in
from tests.browser.test_operator_page import at_work
from tests.dialer.console.seed import NOW
from tests.dialer.mailing.conftest import Letterbox, mail_server, settings_for
from tests.foreign_words import latin_words
from tests.pdf import text_of

pytestmark = pytest.mark.browser

NORTH = "ООО «Северный ветер»"
ADDRESS = "sever@example.ru"
CONSENT = "согласились по телефону 10 ноября"
WORDS = {
    "ru": {"on its way": "отправляется", "withdrawn": "отозвано", "sent": "отправлено", "goes": "Уйдёт 2 клиентам",
           "waiting": "очередь ещё не подошла", "stopped": "остановлена"},
    "en": {"on its way": "on its way", "withdrawn": "withdrawn", "sent": "sent", "goes": "It goes to 2 clients",
           "waiting": "its turn has not come", "stopped": "stopped"},
}  # fmt: skip


@dataclass
class PostOffice:
    """A console whose service sends to `box`, when it is told that time has passed."""

    console: RunningConsole
    mail: MailSettings
    box: Letterbox

    async def later(self, **passed: float) -> None:
        self.console.clock.move(**passed)
        writer = BatchWriter(self.console.database, self.mail, clock=self.console.clock)
        await writer.look()
        for lane in Lane:
            await OfferSender(
                self.console.database, self.mail, node="main", materials=Path("none"), clock=self.console.clock,
                lane=lane,
            ).look()  # fmt: skip

    @property
    def letters(self) -> list[EmailMessage]:
        return self.box.letters


@pytest.fixture
async def box() -> AsyncIterator[tuple[Letterbox, MailSettings]]:
    async with AsyncExitStack() as stack:
        letters = Letterbox()
        yield letters, settings_for(await stack.enter_async_context(mail_server(letters)))


@pytest.fixture
def console_mail(box: tuple[Letterbox, MailSettings]) -> MailSettings:
    return box[1]


@pytest.fixture
async def post_office(console: RunningConsole, box: tuple[Letterbox, MailSettings], language: str) -> PostOffice:
    """Two clients have an address, the first of them has agreed to be called."""
    async with console.database.transaction() as session:
        made = await add_template(session, campaign_id=console.office.campaign_id, name="Вентиляция", now=NOW)
        await write_text(
            session, template=made, language=Language(language), subject="Для {client.name}",
            body="Добрый день, {person.full_name|коллеги}!\n\nПишет {sender.name}.", now=NOW,
        )  # fmt: skip
        for client_id, address in zip(console.office.clients, (ADDRESS, "second@example.ru"), strict=False):
            client = await get_client(session, client_id)
            organisation = update(Organisation).where(Organisation.id == client.organisation_id)
            await session.execute(organisation.values(email=address))
        first = await get_client(session, console.office.clients[0])
        await give(session, whom=Whom.ORGANISATION, target=first.organisation_id, evidence=CONSENT, now=NOW)
    return PostOffice(console, box[1], box[0])


async def looked_at_and_sent(page: Page, pages: list[str]) -> None:
    """From the page of offers: the first person, the company's address as it stands there."""
    address = page.locator("input[name=address][required]")
    await expect(address).to_have_value(ADDRESS)
    await page.locator("select[name=person]").select_option(index=1)
    await address.focus()
    await page.keyboard.press("Enter")
    shown = page.locator("section[aria-labelledby=looked]")
    await expect(shown).to_contain_text(f"Для {NORTH}")
    await expect(shown).to_contain_text(CONSENT)
    pages.append(await page.content())
    await page.keyboard.press("F2")


async def test_an_operators_offer_goes_with_its_pdf(
    open_page: OpenPage, post_office: PostOffice, language: str
) -> None:
    words, pages = WORDS[language], list[str]()
    desk = await at_work(open_page, post_office.console)
    async with desk.expect_popup() as opened:
        await desk.keyboard.press("Shift+F6")
    page = await opened.value
    await looked_at_and_sent(page, pages)
    state = page.locator("table.sheet").first
    await expect(state).to_contain_text(words["on its way"])
    await post_office.later(seconds=5)
    assert post_office.letters == []
    await page.locator("form input[name=step] ~ button").focus()
    await page.keyboard.press("Enter")
    await expect(state).to_contain_text(words["withdrawn"])
    pages.append(await page.content())
    await post_office.later(minutes=1)
    assert post_office.letters == [], "it was taken back in time"

    await page.goto(f"{post_office.console.url}/clients/{post_office.console.office.clients[0]}")
    await page.keyboard.press("F3")
    await looked_at_and_sent(page, pages)
    await expect(state.locator("tbody tr")).to_have_count(2)
    await post_office.later(minutes=1)
    await page.reload()
    await expect(state.locator("tbody tr").first).to_contain_text(words["sent"])
    pages.append(await page.content())
    (letter,) = post_office.letters
    assert (letter["To"], letter["Subject"]) == (ADDRESS, f"Для {NORTH}")
    (file,) = letter.iter_attachments()
    assert file.get_filename() == "Вентиляция.pdf"
    told = text_of(file.get_content()).replace("\n", " ")
    assert "Петрова Анна Сергеевна" in told
    assert "Пишет Иванова Анна" in told
    if language == "ru":
        assert latin_words(pages) <= {"sever", "example", "ru"}


async def test_an_offer_to_many_is_looked_at_begun_stopped_and_gone_on_with(
    open_page: OpenPage, post_office: PostOffice, language: str
) -> None:
    words, pages = WORDS[language], list[str]()
    page = await open_page(f"{post_office.console.url}/sign-in")
    await sign_in(page, "maria")
    await page.goto(f"{post_office.console.url}/clients?campaign={post_office.console.office.campaign_id}")
    pages.append(await page.content())
    await page.locator("select[name=offer]").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_contain_text(words["goes"])
    pages.append(await page.content())
    for _ in range(2):
        await page.keyboard.press("F2")
    await page.wait_for_url("**/offer-batches/1")
    await expect(page.locator("main")).to_contain_text(words["waiting"])
    pages.append(await page.content())
    await post_office.later(minutes=1)
    assert len(post_office.letters) == 1
    await page.reload()
    await page.keyboard.press("F2")
    await expect(page.locator("main")).to_contain_text(words["stopped"])
    pages.append(await page.content())
    await post_office.later(hours=1)
    assert len(post_office.letters) == 1
    await page.keyboard.press("F2")
    await expect(page.locator("main")).not_to_contain_text(words["stopped"])
    await post_office.later(minutes=1)
    assert {letter["To"] for letter in post_office.letters} == {ADDRESS, "second@example.ru"}
    assert len(post_office.letters) == 2
    if language == "ru":
        assert latin_words(pages) <= {"sever", "second", "example", "ru"}
