"""The questionnaire on the operator's page in a real browser, with the keyboard alone."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from crm.calls.disposition_sets import set_disposition
from crm.plan.dispositions import Ask
from crm.questionnaires.questionnaires import Purpose, add_questionnaire
from crm.questionnaires.shipped import add_shipped
from crm.questionnaires.wording import parse
from tests.browser.conftest import OpenPage, RunningConsole, sign_in
from tests.browser.test_operator_page import CARD, at_work, in_a_talk
from tests.dialer.console.seed import NOW

pytestmark = pytest.mark.browser

TEXT = """# Покупают у других?
key: buys
kind: yes_no
required: yes
# Сколько штук в год
key: pieces
kind: number
required: yes
when: buys = yes
# Что сказали
key: said
"""


async def test_it_is_filled_in_kept_and_demanded(open_page: OpenPage, console: RunningConsole) -> None:
    campaign_id = console.office.campaign_id
    async with console.database.transaction() as session:
        await add_questionnaire(
            session, name="О клиенте", purpose=Purpose.CLIENT, questions=parse(TEXT).questions, now=NOW,
            campaign_id=campaign_id,
        )  # fmt: skip
        needed = {Ask.REASON, Ask.QUESTIONNAIRE}
        await set_disposition(session, campaign_id=campaign_id, key="cold", required=needed, now=NOW)
    page = await at_work(open_page, console)
    await in_a_talk(page, console)
    buys, pieces, said = (page.locator(f"[data-question={key}]") for key in ("buys", "pieces", "said"))
    counted = page.locator("[data-counted]")
    await expect(counted).to_have_text("0/2")
    await expect(pieces).to_be_hidden()
    await page.keyboard.press("F1")
    await expect(buys.locator("select")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(counted).to_have_text("1/3")
    await page.keyboard.press("Enter")
    await expect(pieces.locator("input")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.type("Звонить летом")
    await page.reload()
    await expect(said.locator("textarea")).to_have_value("Звонить летом")
    await expect(buys.locator("select")).to_have_value("yes")
    await page.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()
    await page.keyboard.press("4")
    await page.locator("input[name=reason]").fill("дорого")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#outcome-form .trouble")).to_contain_text("Сколько штук в год")
    await expect(pieces.locator("input")).to_be_focused()
    await page.keyboard.type("12")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(f"{CARD} h1")).not_to_have_text("ООО «Северный ветер»")


async def test_a_correction_asks_what_the_chosen_outcome_and_the_answers_before_ask(
    open_page: OpenPage, console: RunningConsole
) -> None:
    async with console.database.transaction() as session:
        await add_questionnaire(
            session, name="О клиенте", purpose=Purpose.CLIENT, questions=parse(TEXT).questions, now=NOW,
            campaign_id=console.office.campaign_id,
        )  # fmt: skip
        await add_shipped(session, purpose=Purpose.COMPETITOR, language="ru", now=NOW)
    page = await open_page(f"{console.url}/sign-in")
    await sign_in(page, "maria")
    await page.goto(f"{console.url}/calls/{console.office.played}")
    form = page.locator("#correct-form")
    outcome, competitor = form.locator("select[name=disposition]"), form.locator("input[name=competitor]")
    sheet = form.locator("[data-only-with=competitor]")
    await outcome.select_option("competitor")
    for each in (competitor, sheet, form.locator("[name=person_id]")):
        await expect(each).to_be_visible()
    for name in ("when", "asked_by", "number_only"):
        await expect(form.locator(f"[name={name}]")).to_be_hidden()
    await outcome.select_option("callback")
    await expect(competitor).to_be_hidden()
    await expect(sheet).to_be_hidden()
    await expect(form.locator("[name=when]")).to_be_visible()
    await form.locator("[name=person_id]").select_option("")
    await expect(form.locator("[name=person_name]")).to_be_visible()
    buys, pieces = (form.locator(f"[data-question={key}]") for key in ("buys", "pieces"))
    await expect(pieces).to_be_hidden()
    await buys.locator("select").select_option("yes")
    await expect(pieces).to_be_visible()
