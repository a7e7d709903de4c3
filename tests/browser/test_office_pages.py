"""The manager's pages in a real browser, with the keyboard alone, in both languages."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPage, RunningConsole, sign_in, until

pytestmark = pytest.mark.browser


async def test_a_recording_is_played_with_the_keyboard(
    open_page: OpenPage, console: RunningConsole, language: str
) -> None:
    page = await open_page(f"{console.url}/sign-in")
    await sign_in(page, "maria")
    await page.locator("table a").first.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/calls/*")
    await expect(page.locator("svg .wave")).to_have_count(2)
    await page.keyboard.press("Space")
    await until(page, "playing")
    await page.keyboard.press("k")
    await until(page, "paused")
    await page.keyboard.press("End")
    await expect(page.locator("#now")).to_have_text("00:10")
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("#now")).to_have_text("00:05")
    await page.keyboard.press("j")
    await expect(page.locator("#now")).to_have_text("00:00")
    await page.keyboard.press("Shift+Period")
    await expect(page.locator("#speed")).to_have_text({"ru": "1,25", "en": "1.25"}[language])
    await page.keyboard.press("s")
    await expect(page.locator("#skip-silence")).to_be_checked()


async def test_a_link_leads_to_its_second(open_page: OpenPage, console: RunningConsole) -> None:
    page = await open_page(f"{console.url}/sign-in")
    await sign_in(page, "maria")
    await page.goto(f"{console.url}/calls/{console.office.played}#t=00:07")
    await expect(page.locator("#now")).to_have_text("00:07")
    await page.keyboard.press("Space")
    await until(page, "past_7")


async def test_the_language_is_changed_from_the_bar(
    open_page: OpenPage, console: RunningConsole, language: str
) -> None:
    page = await open_page(f"{console.url}/sign-in")
    await sign_in(page, "maria")
    headings = {"ru": "Звонки", "en": "Calls"}
    await expect(page.locator("h1")).to_have_text(headings[language])
    other = "en" if language == "ru" else "ru"
    await page.locator("button[name=language]").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text(headings[other])


async def test_what_was_saved_is_said_where_it_is_seen_until_something_is_typed(
    open_page: OpenPage, console: RunningConsole, language: str
) -> None:
    page = await open_page(f"{console.url}/sign-in")
    await sign_in(page, "maria")
    await page.goto(f"{console.url}/campaigns/1")
    reason = page.locator("form[action$='/calendar'] input[name=reason]")
    await page.locator("input[name=day]").fill("2026-06-15")
    await reason.fill("1234")
    await reason.press("Enter")
    said = page.get_by_role("status")
    await expect(said).to_have_text({"ru": "Сохранено", "en": "Saved"}[language])
    await expect(said).to_be_in_viewport(ratio=1)
    await reason.press("5")
    await expect(said).to_have_count(0)


KEYLESS = "button, a.button, summary.button"
# A tone's key stands on it; a phrase fills in what can be typed; what looks like a link is none; the rows of a table
# are walked through with Tab, and Enter presses what a row offers.
EXCUSED = "[data-digit], [data-phrase], .link, td button"


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_every_button_shows_its_key(open_page: OpenPage, console: RunningConsole, colours: str) -> None:
    page = await open_page(f"{console.url}/sign-in", colours=colours)
    seen = 0
    for address in (
        "",
        "/calls",
        "/calls?disposition=hot",
        f"/calls/{console.office.played}",
        "/plan",
        "/campaigns",
        "/campaigns/1",
        "/campaigns/1/setup",
        "/campaigns/1/script",
        "/campaigns/1/materials",
        "/clients?text=a",
        "/clients/1",
        "/nowhere",
    ):
        if address == "/calls":
            await sign_in(page, "maria")
        if address:
            await page.goto(f"{console.url}{address}")
        for button in await page.locator(KEYLESS).all():
            if await button.is_visible() and not await button.evaluate("(it, excused) => it.matches(excused)", EXCUSED):
                seen += 1
                assert await button.locator("kbd").count() == 1, await button.inner_text()
    assert seen > 12


async def test_no_rule_of_a_campaign_lies_over_its_neighbour(open_page: OpenPage, console: RunningConsole) -> None:
    page = await open_page(f"{console.url}/sign-in")
    await page.set_viewport_size({"width": 1280, "height": 800})
    await sign_in(page, "maria")
    await page.goto(f"{console.url}/campaigns/1")
    too_wide = await page.locator(".rules .tick, .rules .field").evaluate_all(
        "all => all.filter(it => it.scrollWidth > it.clientWidth).map(it => it.innerText)"
    )
    assert too_wide == []


async def test_the_keys_do_what_they_say(open_page: OpenPage, console: RunningConsole) -> None:
    page = await open_page(f"{console.url}/sign-in")
    await sign_in(page, "maria")
    await page.goto(f"{console.url}/plan")
    for stopped in (1, 0):  # what concerns everybody takes two presses
        await page.keyboard.press("F9")
        await expect(page.locator("[data-key=F9]")).to_be_focused()
        await expect(page.locator(".banner.bad")).to_have_count(1 - stopped)
        await page.keyboard.press("F9")
        await expect(page.locator(".banner.bad")).to_have_count(stopped)
    await page.wait_for_url("**/plan")
    await page.goto(f"{console.url}/calls?disposition=hot")
    await page.locator("select[name=result]").focus()
    await page.keyboard.press("Escape")
    await page.locator("h1").click()
    await page.keyboard.press("Escape")
    await page.wait_for_url("**/calls")


@pytest.mark.parametrize("language", ["ru"])
async def test_what_was_typed_is_not_left_by_one_key(open_page: OpenPage, console: RunningConsole) -> None:
    page = await open_page(f"{console.url}/sign-in")
    await sign_in(page, "maria")
    await page.goto(f"{console.url}/questionnaires/new")
    await page.locator("input[name=name]").fill("О клиенте")
    await page.locator("input[type=checkbox]").first.focus()
    await page.keyboard.press("Escape")
    await expect(page.locator("[data-key=Escape]")).to_be_focused()
    assert page.url.endswith("/questionnaires/new")
    await page.keyboard.press("Escape")
    await page.wait_for_url("**/questionnaires")


@pytest.mark.parametrize("language", ["ru"])
async def test_a_refused_form_is_filled_in_as_it_was_typed(open_page: OpenPage, console: RunningConsole) -> None:
    page = await open_page(f"{console.url}/sign-in?next=/plan")
    await sign_in(page, "maria")
    form = page.locator("form[action='/plan/away']")
    await form.locator("[name=person]").select_option(str(console.office.users["oleg"]))
    await form.locator("[name=from]").fill("2026-05-20")
    await form.locator("[name=until]").fill("2026-05-18")
    await form.locator("[name=reason]").fill("отпуск")
    await form.locator("button").click()
    await expect(page.locator("#refused + form[action='/plan/away']")).to_be_visible()
    await expect(form.locator("[name=person]")).to_have_value(str(console.office.users["oleg"]))
    await expect(form.locator("[name=until]")).to_have_value("2026-05-18")
    await expect(form.locator("[name=reason]")).to_have_value("отпуск")
    await expect(form.locator("[name=person]")).to_be_focused()
