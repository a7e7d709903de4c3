"""A warm client from the operator's digit key to the expert's first call, by keyboard alone, in both languages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from crm.office.users import get_user
from crm.preparation.campaign_setup import set_expert
from crm.preparation.campaigns import get_campaign
from crm.reports.first_contacts import FirstContact, first_contacts
from tests.browser.conftest import OpenPage, RunningConsole, sign_in
from tests.dialer.console.seed import NOW
from tests.foreign_words import latin_words

pytestmark = pytest.mark.browser

CARD_NAME = "[data-region=card] h1"
NORTH = "ООО «Северный ветер»"
WORDS = {
    "ru": {
        "proposed": "По правилу: Экспертов Егор",
        "handed": "Вам передан 1 клиент",
        "accepted": "Приняты, разговора",
    },
    "en": {"proposed": "By the rule: Экспертов Егор", "handed": "1 client has been", "accepted": "Accepted, and not"},
}


async def named_expert(console: RunningConsole) -> int:
    """Egor is an expert of the campaign."""
    expert_id = console.office.users["egor"]
    async with console.database.transaction() as session:
        campaign = await get_campaign(session, console.office.campaign_id)
        user = await get_user(session, expert_id)
        await set_expert(session, campaign=campaign, user=user, belongs=True, now=NOW)
    return expert_id


async def in_a_talk(page: Page, console: RunningConsole, user_id: int) -> None:
    """From the card in front."""
    await expect(page.locator("body")).not_to_have_attribute("data-new-card", "")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-do=hang-up]")).to_be_visible()
    await console.desk.answer(user_id)
    await expect(page.locator(".pad")).to_be_visible()


async def waited(console: RunningConsole) -> list[FirstContact]:
    async with console.database.reading() as session:
        return await first_contacts(session, since=NOW - timedelta(days=1), now=NOW)


async def test_from_the_operators_digit_to_the_experts_first_call(
    open_page: OpenPage, console: RunningConsole, language: str
) -> None:
    words, expert_id = WORDS[language], await named_expert(console)
    operator = await open_page(f"{console.url}/sign-in")
    await sign_in(operator, "anna")
    await expect(operator.locator(".primary")).to_be_visible()
    await operator.keyboard.press("Enter")
    await expect(operator.locator(CARD_NAME)).to_have_text(NORTH)
    await in_a_talk(operator, console, console.office.users["anna"])
    await operator.keyboard.press("F8")
    await expect(operator.locator("[data-save]")).to_be_visible()
    await operator.keyboard.press("2")
    await expect(operator.locator("select[name=expert_id] option:checked")).to_contain_text(words["proposed"])
    pages = [await operator.content()]
    await operator.keyboard.press("Enter")
    await expect(operator.locator(CARD_NAME)).not_to_have_text(NORTH)

    expert = await open_page(f"{console.url}/sign-in")
    await sign_in(expert, "egor")
    await expect(expert.locator(".primary")).to_be_visible()
    await expert.keyboard.press("Enter")
    handed = expert.locator("[data-region=day] a[href='/referrals']")
    await expect(handed).to_contain_text(words["handed"])
    await handed.focus()
    await expert.keyboard.press("Enter")
    await expect(expert.locator("table.sheet .name")).to_have_text(NORTH)
    pages.append(await expert.content())
    await expert.keyboard.press("1")
    await expect(expert.locator("h2")).to_contain_text(words["accepted"])
    pages.append(await expert.content())
    assert [(each.waits, each.expert) for each in await waited(console)] == [(True, "Экспертов Егор")]

    await expert.locator("form[action$='/call'] button").focus()
    await expert.keyboard.press("Enter")
    await expect(expert.locator(CARD_NAME)).to_have_text(NORTH)
    await in_a_talk(expert, console, expert_id)
    await expert.keyboard.press("F8")
    await expect(expert.locator("[data-save]")).to_be_visible()
    pages.append(await expert.content())
    await expert.keyboard.press("1")
    await expert.keyboard.press("Enter")
    await expect(expert.locator(CARD_NAME)).not_to_have_text(NORTH)
    (contact,) = await waited(console)
    assert (contact.waits, contact.expert) == (False, "Экспертов Егор")
    if language == "ru":
        assert latin_words(pages) == set()
