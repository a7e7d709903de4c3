"""The operator's page in a real browser, with the keyboard alone, in both languages."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect
from sqlalchemy import select

from crm.preparation.campaigns import get_campaign
from crm.preparation.results import Result
from crm.preparation.scripts import change_script
from crm.wrap_up.outcomes import Outcome
from dialer.calls.view import CallState
from tests.browser.conftest import OpenPage, RunningConsole, sign_in
from tests.dialer.console.seed import NOW

pytestmark = pytest.mark.browser

CARD = "[data-region=card]"
STATE = ".call-state b"


async def at_work(open_page: OpenPage, console: RunningConsole) -> Page:
    """Anna has signed in and pressed Enter: the first card is in front."""
    page = await open_page(f"{console.url}/sign-in")
    await sign_in(page, "anna")
    await expect(page.locator(".primary")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page.locator(f"{CARD} h1")).to_have_text("ООО «Северный ветер»")
    return page


async def settled(page: Page) -> None:
    """A new card takes no Enter for 0.4 s."""
    await expect(page.locator("body")).not_to_have_attribute("data-new-card", "")


async def in_a_talk(page: Page, console: RunningConsole) -> None:
    await settled(page)
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-do=hang-up]")).to_be_visible()
    await console.desk.answer(console.office.users["anna"])
    await expect(page.locator(".pad")).to_be_visible()


async def test_a_call_from_ready_to_the_next_card(open_page: OpenPage, console: RunningConsole, language: str) -> None:
    page = await at_work(open_page, console)
    anna = console.office.users["anna"]
    await in_a_talk(page, console)
    words = {"ru": "Разговор", "en": "Talking"}[language]
    await expect(page.locator(STATE)).to_have_text(words)
    await expect(page.locator("#spoken")).to_have_text(words)

    await page.keyboard.press("5")
    await page.keyboard.press("Numpad3")
    await expect(page.locator("#tones")).to_have_text("53")
    assert await page.locator("input[name=disposition]:checked").count() == 0, "in a talk a digit is a tone"
    await expect(page.locator(".disposition kbd").first).to_be_hidden()

    await page.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()
    await expect(page.locator(".disposition kbd").first).to_be_visible()
    await expect(page.locator(".outcome .trouble")).to_be_hidden()
    await page.keyboard.press("Enter")
    await expect(page.locator(".outcome .trouble")).to_be_visible()
    await page.keyboard.press("8")
    await expect(page.locator(".outcome .trouble")).to_be_hidden()
    await page.keyboard.type("чт 1530" if language == "ru" else "thu 1530")
    echo = {
        "ru": "= чт 14 мая 15:30 (Екатеринбург), 13:30 у вас",
        "en": "= Thu 14 May 15:30 (Yekaterinburg), 13:30 for you",
    }
    await expect(page.locator("#when-echo")).to_have_text(echo[language])
    await page.keyboard.press("Enter")

    await expect(page.locator(f"{CARD} h1")).not_to_have_text("ООО «Северный ветер»")
    async with console.database.reading() as session:
        outcome = await session.scalar(select(Outcome).order_by(Outcome.id.desc()).limit(1))
    assert outcome is not None
    assert outcome.disposition == "callback"
    assert outcome.callback_at_local is not None
    assert outcome.callback_at_local.isoformat() == "2026-05-14T15:30:00"
    clicks = [click for click in console.desk.clicks if click[1] == anna]
    # A hang-up does not wait for tones that are on their way.
    assert [click[0] for click in clicks if click[0] != "digits"] == ["ready", "dial", "hang up", "outcome"]
    assert [click[2] for click in clicks if click[0] == "digits"] == ["5", "3"]


async def test_an_unanswered_call_takes_one_key(open_page: OpenPage, console: RunningConsole) -> None:
    page = await at_work(open_page, console)
    await settled(page)
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-do=hang-up]")).to_be_visible()
    await console.desk.end(console.office.users["anna"], Result.NO_ANSWER)
    await expect(page.locator("input[value=no_contact]")).to_be_checked()
    await expect(page.locator("input[value=no_contact]")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(f"{CARD} h1")).not_to_have_text("ООО «Северный ветер»")
    assert [form.disposition for form in console.desk.saved] == ["no_contact"]


async def test_an_enter_that_comes_too_early_or_repeats_does_not_dial(
    open_page: OpenPage, console: RunningConsole
) -> None:
    page = await at_work(open_page, console)
    press = """repeat => document.body.dispatchEvent(
        new KeyboardEvent("keydown", {code: "Enter", key: "Enter", repeat, bubbles: true, cancelable: true}))"""
    await settled(page)
    await page.evaluate(press, True)
    await page.evaluate("document.body.dataset.newCard = ''")
    await page.evaluate(press, False)
    await page.evaluate("delete document.body.dataset.newCard")
    assert [click[0] for click in console.desk.clicks] == ["ready"]
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-do=hang-up]")).to_be_visible()
    assert [click[0] for click in console.desk.clicks] == ["ready", "dial"]


async def test_a_new_card_is_marked_new_for_a_moment(open_page: OpenPage, console: RunningConsole) -> None:
    page = await at_work(open_page, console)
    await settled(page)
    await page.evaluate(
        """() => {
            const seen = [];
            new MutationObserver(() => {
                seen.push("newCard" in document.body.dataset ? "new" : "old");
                document.title = seen.join(", then ");
            }).observe(document.body, {attributes: true, attributeFilter: ["data-new-card"]});
        }"""
    )
    await console.desk.skip(console.office.users["anna"], client_id=console.office.clients[0], reason="дубль")
    await expect(page).to_have_title("new, then old")


async def test_keys_work_in_a_cyrillic_layout_and_digits_in_a_field_are_text(
    open_page: OpenPage, console: RunningConsole
) -> None:
    page = await at_work(open_page, console)
    await in_a_talk(page, console)
    await page.locator("#note").focus()
    await page.keyboard.type("12 штук")
    await page.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()
    await expect(page.locator("#note")).to_be_focused()
    await page.keyboard.press("4")
    await expect(page.locator("#note")).to_have_value("12 штук4")
    assert await page.locator("input[name=disposition]:checked").count() == 0
    await page.keyboard.press("Escape")
    # In the Russian layout the physical key 4 with another character: what counts is where the key is.
    await page.evaluate(
        """() => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", {code: "Digit4", key: ";", bubbles: true, cancelable: true}))"""
    )
    await expect(page.locator("input[value=cold]")).to_be_checked()
    await expect(page.locator("input[name=reason]")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await page.keyboard.press("Enter")
    await expect(page.locator(f"{CARD} h1")).not_to_have_text("ООО «Северный ветер»")
    form = console.desk.saved[0]
    assert (form.disposition, form.note) == ("cold", "12 штук4")
    assert form.reason


async def test_a_digit_right_after_the_hang_up_is_not_lost(open_page: OpenPage, console: RunningConsole) -> None:
    page = await at_work(open_page, console)
    await in_a_talk(page, console)
    anna = console.office.users["anna"]
    console.desk.change(anna, call=CallState.HANGING_UP)
    await expect(page.locator("body")).to_have_attribute("data-call", "hanging_up")
    await page.keyboard.press("8")
    await page.keyboard.type("завтра в 11")
    await console.desk.end(anna)
    await expect(page.locator("[data-save]")).to_be_visible()
    await expect(page.locator("input[value=callback]")).to_be_checked()
    await expect(page.locator("input[name=when]")).to_have_value("завтра в 11")
    await expect(page.locator("input[name=when]")).to_be_focused()
    await expect(page.locator("#when-echo")).not_to_be_empty()
    await page.keyboard.press("Enter")
    await expect(page.locator(f"{CARD} h1")).not_to_have_text("ООО «Северный ветер»")
    assert [form.callback_words for form in console.desk.saved] == ["завтра в 11"]


async def test_a_reload_in_the_middle_brings_back_the_call_and_what_was_typed(
    open_page: OpenPage, console: RunningConsole
) -> None:
    page = await at_work(open_page, console)
    await in_a_talk(page, console)
    await page.locator("#note").fill("Ворота синие, звонить дважды")
    await page.keyboard.press("Escape")
    await page.reload()  # at once: the page keeps what was typed while it goes
    await expect(page.locator("[data-do=hang-up]")).to_be_visible()
    await expect(page.locator("#note")).to_have_value("Ворота синие, звонить дважды")
    await page.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()


async def test_what_is_kept_while_the_page_comes_anew_is_on_it(open_page: OpenPage, console: RunningConsole) -> None:
    """A busy service: the page was written before the draft came, and arrives after the draft was kept."""
    page = await at_work(open_page, console)
    await in_a_talk(page, console)
    kept = asyncio.Event()
    page.on("response", lambda response: kept.set() if response.url.endswith("/operator/draft") else None)

    async def late(route: Route) -> None:
        written = await route.fetch()
        await kept.wait()
        await route.fulfill(response=written)

    await page.route("**/operator", late)
    await page.locator("#note").fill("Ворота синие, звонить дважды")
    await page.reload()
    await expect(page.locator("#note")).to_have_value("Ворота синие, звонить дважды")


SCRIPT = """# Приветствие
Добрый день!
> Подходит -> Предложение
> Не сейчас -> Возражение
# Предложение
Пришлём?
> Да
# Возражение
Когда удобно?
"""
STEP = "#script .step:visible"


async def test_the_script_leads_on_with_the_keyboard_while_digits_stay_tones(
    open_page: OpenPage, console: RunningConsole
) -> None:
    async with console.database.transaction() as session:
        campaign = await get_campaign(session, console.office.campaign_id)
        await change_script(session, campaign=campaign, script=SCRIPT, now=NOW)
    page = await at_work(open_page, console)
    await in_a_talk(page, console)
    await page.keyboard.press("F3")
    await expect(page.locator(f"{STEP} button").first).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("7")
    await expect(page.locator("#tones")).to_have_text("7")
    await page.keyboard.press("Enter")
    await expect(page.locator(STEP)).to_contain_text("Когда удобно?")
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator(STEP)).to_contain_text("Добрый день!")
    await page.keyboard.press("Enter")
    await expect(page.locator(STEP)).to_contain_text("Пришлём?")
    await page.reload()
    await expect(page.locator(STEP)).to_contain_text("Пришлём?")
    await page.keyboard.press("F3")
    await page.keyboard.press("Enter")
    await expect(page.locator("#script [data-step=end]")).to_be_visible()
    await expect(page.locator("[data-script=back]")).to_be_focused()
    await page.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()
    await page.keyboard.press("4")
    await expect(page.locator("input[value=cold]")).to_be_checked()
    await page.locator("input[name=reason]").fill("дорого")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(f"{CARD} h1")).not_to_have_text("ООО «Северный ветер»")
    await expect(page.locator(STEP)).to_contain_text("Добрый день!")


async def test_two_tabs_show_the_same_call(open_page: OpenPage, console: RunningConsole) -> None:
    page = await at_work(open_page, console)
    second = await page.context.new_page()
    await second.goto(f"{console.url}/operator")
    await in_a_talk(page, console)
    await expect(second.locator(".pad")).to_be_visible()
    await second.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()


async def test_the_other_number_is_chosen_by_its_digit(open_page: OpenPage, console: RunningConsole) -> None:
    page = await at_work(open_page, console)
    await settled(page)
    await page.keyboard.press("2")
    await page.keyboard.press("Enter")
    await expect(page.locator(".call-state")).to_contain_text("+7 342 000-00-14")


async def test_skipping_asks_why(open_page: OpenPage, console: RunningConsole) -> None:
    page = await at_work(open_page, console)
    await page.keyboard.press("F7")
    await page.keyboard.type("дубль")
    await page.keyboard.press("Enter")
    await expect(page.locator(f"{CARD} h1")).not_to_have_text("ООО «Северный ветер»")
    assert console.desk.clicks[-1] == ("skip", console.office.users["anna"], "дубль")


async def test_under_a_dialog_the_desks_keys_rest_and_escape_closes_it(
    open_page: OpenPage, console: RunningConsole
) -> None:
    page = await at_work(open_page, console)
    await page.keyboard.press("F6")
    await expect(page.locator("#letter input[name=note]")).to_be_focused()
    clicks = list(console.desk.clicks)
    for key in ("F4", "F10"):
        await page.keyboard.press(key)
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog#letter")).to_be_hidden()
    assert console.desk.clicks == clicks
    async with page.expect_response("**/operator/pause"):
        await page.keyboard.press("F4")
    assert console.desk.clicks[len(clicks) :] == [("pause", console.office.users["anna"])]


async def test_an_offer_that_goes_out_in_a_talk_is_noted_with_the_keyboard(
    open_page: OpenPage, console: RunningConsole
) -> None:
    page = await at_work(open_page, console)
    await in_a_talk(page, console)
    await page.keyboard.press("F6")
    await expect(page.locator("#letter input[name=note]")).to_be_focused()
    await page.keyboard.press("F6")
    await page.keyboard.type("прайс")
    await page.keyboard.press("Enter")
    await expect(page.locator("dialog#letter")).to_be_hidden()
    await expect(page.locator("[data-region=history]")).to_contain_text("прайс")
    await page.keyboard.press("5")
    await expect(page.locator("#tones")).to_have_text("5")


async def test_what_is_missing_is_asked_for(open_page: OpenPage, console: RunningConsole) -> None:
    page = await at_work(open_page, console)
    await in_a_talk(page, console)
    await page.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()
    await page.keyboard.press("9")
    await expect(page.locator("select[name=person_id] option:checked")).to_have_text(re.compile("Сидоров Олег"))
    await expect(page.locator("input[name=summary]")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(".outcome .trouble")).to_be_visible()
    await page.keyboard.type("мало")
    await page.keyboard.press("Enter")
    await expect(page.locator("input[name=summary]")).to_have_attribute("aria-invalid", "true")
    assert console.desk.saved == []


async def test_what_was_refused_is_told_until_it_is_being_put_right(
    open_page: OpenPage, console: RunningConsole
) -> None:
    page = await at_work(open_page, console)
    await in_a_talk(page, console)
    await page.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()
    await page.locator("label:has(input[value=callback])").click()
    await page.locator("input[name=when]").fill("позавчера в обед")
    await page.keyboard.press("Control+Enter")
    trouble = page.locator(".outcome .trouble")
    await expect(trouble).to_be_visible()
    await page.locator("input[name=when]").fill("пн 10")
    await expect(page.locator("#when-echo")).to_contain_text("18 ")
    await expect(trouble).to_be_hidden()


async def test_that_the_service_is_away_is_told_until_it_is_back(open_page: OpenPage, console: RunningConsole) -> None:
    page = await at_work(open_page, console)
    await in_a_talk(page, console)
    await page.keyboard.press("F8")
    await page.locator("label:has(input[value=cold])").click()
    await page.context.set_offline(True)
    await page.locator("input[name=reason]").fill("Нет денег")
    trouble = page.locator(".outcome .trouble")
    await expect(trouble).to_contain_text(re.compile("Служба не отвечает|The service cannot be reached"))
    await page.context.set_offline(False)
    await expect(trouble).to_be_hidden()
    await expect(page.locator("input[name=reason]")).to_have_value("Нет денег")


async def test_the_key_that_saves_stands_on_the_button(open_page: OpenPage, console: RunningConsole) -> None:
    page = await at_work(open_page, console)
    await in_a_talk(page, console)
    await page.keyboard.press("F8")
    key = page.locator("[data-save] span:visible")
    await expect(key).to_have_text("Enter")
    await page.locator("label:has(input[value=warm])").click()
    await expect(key).to_have_text("Ctrl Enter")  # an Enter would go on to the next contact
    await page.locator("input[name=when]").focus()
    await expect(key).to_have_text("Enter")  # the last question, and it may stay empty
    await page.locator("#note").focus()
    await expect(key).to_have_text("Ctrl Enter")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(f"{CARD} h1")).not_to_have_text("ООО «Северный ветер»")
    assert [form.disposition for form in console.desk.saved] == ["warm"]


async def test_the_manager_stops_and_the_operator_sees_it(
    open_page: OpenPage, console: RunningConsole, language: str
) -> None:
    page = await at_work(open_page, console)
    await console.desk.stop_all_dialling(console.office.users["maria"], stopped=True)
    words = {"ru": "Руководитель остановил все звонки.", "en": "The manager has stopped all dialling."}[language]
    await expect(page.locator(".banner.bad:visible")).to_contain_text(words)
    await expect(page.locator("[data-do=dial]")).to_be_disabled()


@pytest.mark.parametrize("height", [768, 640])
async def test_only_the_middle_column_scrolls(open_page: OpenPage, console: RunningConsole, height: int) -> None:
    page = await at_work(open_page, console)
    await page.set_viewport_size({"width": 1366, "height": height})
    await in_a_talk(page, console)
    await page.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()
    for digit in "1234567890":
        await page.keyboard.press("Escape")
        await page.keyboard.press(digit)
        assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight"), digit
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), digit
        box = await page.locator("[data-save]").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height, "the button to save is always in sight"


async def test_a_lost_connection_is_said_and_comes_back(open_page: OpenPage, console: RunningConsole) -> None:
    page = await at_work(open_page, console)
    await page.context.set_offline(True)
    await expect(page.locator("#lost")).to_be_visible()
    await page.context.set_offline(False)
    await expect(page.locator("#lost")).to_be_hidden()


async def test_ctrl_z_takes_back_what_was_just_saved(open_page: OpenPage, console: RunningConsole) -> None:
    page = await at_work(open_page, console)
    await settled(page)
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-do=hang-up]")).to_be_visible()
    await console.desk.end(console.office.users["anna"], Result.NO_ANSWER)
    await expect(page.locator("input[value=no_contact]")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(f"{CARD} h1")).not_to_have_text("ООО «Северный ветер»")
    await expect(page.locator("[data-left]")).to_have_text(re.compile(r"^(?:10|[1-9])$"))
    await page.keyboard.press("Control+KeyZ")
    await expect(page.locator(f"{CARD} h1")).to_have_text("ООО «Северный ветер»")
    await expect(page.locator("input[value=no_contact]")).to_be_checked()
    await expect(page.locator("[data-undo]")).to_have_count(0)
    await page.keyboard.press("7")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-undo]")).to_be_visible()
    assert [form.disposition for form in console.desk.saved] == ["no_contact", "nonexistent"]


@pytest.mark.parametrize("language", ["ru"])
async def test_a_skip_closes_its_form_and_the_next_enter_calls_the_next_client(
    open_page: OpenPage, console: RunningConsole
) -> None:
    page = await at_work(open_page, console)
    await settled(page)
    await page.keyboard.press("F7")
    await page.keyboard.type("дубль")
    await page.keyboard.press("Enter")
    await expect(page.locator(f"{CARD} h1")).not_to_have_text("ООО «Северный ветер»")
    await expect(page.locator("#skip")).not_to_have_attribute("open", "")
    await expect(page.locator("#skip input")).to_have_value("")
    await settled(page)
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-do=hang-up]")).to_be_visible()
    assert [click[0] for click in console.desk.clicks] == ["ready", "skip", "dial"]


@pytest.mark.parametrize("language", ["ru"])
async def test_a_skip_is_taken_back_with_a_key(open_page: OpenPage, console: RunningConsole) -> None:
    page = await at_work(open_page, console)
    await settled(page)
    await page.keyboard.press("F7")
    await page.keyboard.type("не тот")
    await page.keyboard.press("Enter")
    await expect(page.locator(f"{CARD} h1")).not_to_have_text("ООО «Северный ветер»")
    await page.keyboard.press("Control+KeyZ")
    await expect(page.locator(f"{CARD} h1")).to_have_text("ООО «Северный ветер»")


@pytest.mark.parametrize("language", ["ru"])
async def test_an_enter_pressed_before_the_next_card_is_kept_for_it(
    open_page: OpenPage, console: RunningConsole
) -> None:
    page = await at_work(open_page, console)
    anna = console.office.users["anna"]
    front = await console.desk.view(anna)
    console.desk.change(anna, client_id=None, entry_id=None)
    await expect(page.locator("[data-coming]")).to_be_visible()
    await settled(page)
    await page.keyboard.press("Enter")
    console.desk.change(anna, client_id=front.client_id, entry_id=front.entry_id)
    await expect(page.locator("[data-do=hang-up]")).to_be_visible()
    assert [click[0] for click in console.desk.clicks] == ["ready", "dial"]


@pytest.mark.parametrize("language", ["ru"])
async def test_the_call_column_stays_on_the_screen_whatever_the_campaign_is_called(
    open_page: OpenPage, console: RunningConsole
) -> None:
    async with console.database.transaction() as session:
        campaign = await get_campaign(session, console.office.campaign_id)
        campaign.name = "Ж" * 200
    page = await at_work(open_page, console)
    column = await page.locator(".call-column").bounding_box()
    assert column is not None
    assert column["x"] + column["width"] <= 1366
