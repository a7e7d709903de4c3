"""Deals at the desk in a real browser, with the keyboard alone: moved on by one key, signed in the wrap-up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from playwright.async_api import expect

from crm.calls.disposition_sets import set_disposition
from crm.deals.deal_stages import DealStage
from crm.deals.deals import Deal, get_deal, open_deal
from crm.plan.dispositions import Ask
from crm.preparation.campaigns import change_campaign, get_campaign
from tests.browser.conftest import OpenPage, RunningConsole
from tests.browser.test_operator_page import CARD, at_work, in_a_talk
from tests.dialer.console.seed import NOW
from tests.foreign_words import latin_words

pytestmark = pytest.mark.browser


async def begun(console: RunningConsole) -> int:
    """A deal of the client in front, of a campaign in which "hot" requires a contract."""
    office = console.office
    async with console.database.transaction() as session:
        campaign = await get_campaign(session, office.campaign_id)
        await change_campaign(session, campaign=campaign, sells_by_deals=True, now=NOW)
        await set_disposition(session, campaign_id=office.campaign_id, key="hot", required={Ask.CONTRACT}, now=NOW)
        deal = await open_deal(
            session, client_id=office.clients[0], owner_id=office.users["egor"], amount=Decimal("100.10"),
            product="Монтаж", now=NOW,
        )  # fmt: skip
        return deal.id


async def read(console: RunningConsole, deal_id: int) -> Deal:
    async with console.database.reading() as session:
        return await get_deal(session, deal_id)


async def test_a_deal_is_moved_on_and_signed_by_keyboard(
    open_page: OpenPage, console: RunningConsole, language: str
) -> None:
    deal_id = await begun(console)
    page = await at_work(open_page, console)
    await page.keyboard.press("Shift+F3")
    dialog = page.locator("dialog#deal")
    await expect(dialog.locator("select[name=to]")).to_be_focused()
    await expect(dialog.locator("select[name=to]")).to_have_value("offer")
    if language == "ru":
        assert latin_words([await page.content()]) == set()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Control+a")
    await page.keyboard.type("250,50")
    await page.keyboard.press("Enter")
    await expect(dialog).to_be_hidden()
    await expect(page.locator("#card-deals ~ ul strong")).to_contain_text("250,50" if language == "ru" else "250.50")
    moved = await read(console, deal_id)
    assert (moved.stage, moved.amount) == (DealStage.OFFER, Decimal("250.50"))

    await in_a_talk(page, console)
    await page.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()
    deal, amount = page.locator("select[name=contract_deal]"), page.locator("input[name=contract_amount]")
    await page.keyboard.press("4")
    await expect(deal).to_be_hidden()
    await page.keyboard.press("Escape")
    await page.keyboard.press("1")
    await expect(deal).to_have_value(str(deal_id))
    await expect(amount).to_have_value("250,50" if language == "ru" else "250.50")
    await amount.fill("12 500,5")
    await page.reload()
    await expect(amount).to_have_value("12 500,5")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(f"{CARD} h1")).not_to_have_text("ООО «Северный ветер»")
    signed = await read(console, deal_id)
    assert (signed.stage, signed.amount) == (DealStage.CONTRACT, Decimal("12500.50"))
    await page.keyboard.press("Control+z")
    await expect(amount).to_have_value("12500.50")
    assert (await read(console, deal_id)).stage is DealStage.OFFER
