"""A whole day's turn in a real browser, at the real service, over real SIP and sound, with the keyboard alone.

The service is a process (`dialer serve`); the practice carrier and the practice headset are two more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Response, WebSocketRoute, expect
from sqlalchemy import func, select

from crm.calls.attempts import Attempt, Result
from crm.calls.recording_facts import RecordingState
from crm.plan.callbacks import Callback
from crm.wrap_up.outcomes import Outcome
from dialer.demo import seed
from dialer.practice.processes import PracticeHeadset
from tests.browser.conftest import OpenPage, sign_in, until
from tests.foreign_words import latin_words
from tests.scenarios.office import LOOK_EVERY_S, PATIENCE_S, World, office

pytestmark = pytest.mark.browser

CARD_NAME = "[data-region=card] h1"
CALL_STATE = ".call-state b"
CLOCK = ".call-state .clock"
PATIENCE_MS = PATIENCE_S * 1000

WORDS = {
    "ru": {
        "talking": "Разговор",
        "when": "завтра в 11",
        "echo": "11:00",
        "note": "Ворота синие, звонить дважды",
        "stopped": "Руководитель остановил все звонки",
        "stale": "Страница устарела",
    },
    "en": {
        "talking": "Talking",
        "when": "tomorrow 11",
        "echo": "11:00",
        "note": "The gate is blue, ring twice",
        "stopped": "The manager has stopped all dialling",
        "stale": "This page was out of date",
    },
}


@pytest.fixture
async def world(tmp_path: Path, either_database_url: str) -> AsyncIterator[World]:
    async with office(tmp_path, database_url=either_database_url) as running:
        yield running


@pytest.fixture
async def headset(world: World) -> AsyncIterator[PracticeHeadset]:
    async with world.headset() as running:
        await running.registered()
        yield running


async def tab_to(page: Page, selector: str) -> None:
    """Tab until the element has the focus, as somebody without a mouse does."""
    for _ in range(80):
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {selector}")


async def come_in(open_page: OpenPage, world: World, login: str, language: str) -> Page:
    """Signed in, and in `language`, without a mouse."""
    page = await open_page(f"{world.service.url}/sign-in")
    await sign_in(page, login, seed.PASSWORD)
    if await page.locator("html").get_attribute("lang") != language:
        await tab_to(page, "button[name=language]")
        await page.keyboard.press("Enter")
    await expect(page.locator("html")).to_have_attribute("lang", language)
    await page.wait_for_load_state()  # before its scripts run a page hears no key
    return page


async def at_work(open_page: OpenPage, world: World, language: str = "ru") -> Page:
    """Anna has pressed Ready, her headset is on the line, and the first card is in front."""
    page = await come_in(open_page, world, seed.OPERATOR, language)
    await expect(page.locator("[data-do=ready]")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-do=dial]")).to_be_enabled(timeout=PATIENCE_MS)
    await settled(page)
    return page


async def settled(page: Page) -> None:
    """A new card takes no Enter for 0.4 s."""
    await expect(page.locator("body")).not_to_have_attribute("data-new-card", "")


async def in_a_talk(page: Page) -> None:
    await page.keyboard.press("Enter")
    await expect(page.locator(".pad")).to_be_visible(timeout=PATIENCE_MS)


async def attempts(world: World) -> list[Attempt]:
    async def read(session: Any) -> list[Attempt]:
        return list(await session.scalars(select(Attempt).order_by(Attempt.opened_at)))

    return await world.stored(read)


async def meters_that_move(page: Page) -> None:
    """Each side's meter shows two different levels above nothing."""
    await page.evaluate(
        """patience => new Promise((resolve, reject) => {
            const seen = {operator: new Set(), client: new Set()};
            const end = performance.now() + patience;
            const look = () => {
                for (const [side, levels] of Object.entries(seen)) {
                    const bar = document.querySelector(`[data-meter=${side}] i`);
                    const length = bar?.style.transform ?? "";
                    if (length && length !== "scaleX(0)") levels.add(length);
                }
                if (Object.values(seen).every((levels) => levels.size >= 2)) resolve();
                else if (performance.now() > end) reject(new Error("a meter stands still"));
                else requestAnimationFrame(look);
            };
            look();
        })""",
        PATIENCE_MS,
    )


async def recorded(world: World, attempt_id: str) -> None:
    """The recording has been checked; another process writes that down, so it is looked for."""
    for _ in range(int(PATIENCE_S / LOOK_EVERY_S)):
        recording = await world.recording(attempt_id)
        if recording is not None and recording.state is RecordingState.READY:
            return
        await asyncio.sleep(LOOK_EVERY_S)
    raise AssertionError("the recording is not ready")


class Gallery:
    """Pages as they were at each step, for what is to be said of all of them."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._pages: list[str] = []

    async def keep(self, page: Page) -> None:
        self._pages.append(await page.content())

    def assert_in_its_language(self) -> None:
        if self.language == "ru":
            assert latin_words(self._pages) == set()


async def make_the_call(page: Page, world: World, gallery: Gallery) -> Attempt:
    """From the card to the talk, a tone, and the end."""
    words = WORDS[gallery.language]
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-do=hang-up]")).to_be_visible()
    await gallery.keep(page)
    await expect(page.locator(CALL_STATE)).to_have_text(words["talking"], timeout=PATIENCE_MS)
    await expect(page.locator("#spoken")).to_have_text(words["talking"])
    await meters_that_move(page)
    await expect(page.locator(CLOCK)).to_have_text("00:04", timeout=PATIENCE_MS)
    await expect(page.locator(CLOCK)).to_have_text("00:05")
    await page.keyboard.press("5")
    await expect(page.locator("#tones")).to_have_text("5")
    await gallery.keep(page)
    (attempt,) = await attempts(world)
    await page.keyboard.press("F8")
    far_end = await world.carrier.logged(attempt.id)
    assert (far_end.digits, far_end.ended_by) == ("5", "caller")
    return attempt


async def write_it_down(page: Page, gallery: Gallery) -> None:
    """A callback in the words that people use, and on to the next."""
    words = WORDS[gallery.language]
    await expect(page.locator("[data-save]")).to_be_visible()
    called = await page.locator(CARD_NAME).inner_text()
    await gallery.keep(page)
    await page.keyboard.press("8")
    await page.keyboard.type(words["when"])
    await expect(page.locator("#when-echo")).to_contain_text(words["echo"])
    await gallery.keep(page)
    await page.keyboard.press("Enter")
    await expect(page.locator(CARD_NAME)).not_to_have_text(called)
    await expect(page.locator("[data-do=dial]")).to_be_visible()
    await gallery.keep(page)


async def is_stored(world: World, attempt_id: str, words: dict[str, str]) -> None:
    async def read(session: Any) -> tuple[Attempt, Outcome, Callback]:
        outcome = await session.scalar(select(Outcome).where(Outcome.attempt_id == attempt_id))
        callback = await session.scalar(select(Callback).where(Callback.made_by_attempt_id == attempt_id))
        return await session.get_one(Attempt, attempt_id), outcome, callback

    attempt, outcome, callback = await world.stored(read)
    assert (attempt.result, outcome.disposition) == (Result.ANSWERED, "callback")
    assert attempt.talk_seconds is not None
    assert attempt.talk_seconds >= 4
    assert callback.words == words["when"]
    assert (callback.local_at.hour, callback.local_at.minute) == (11, 0)


async def listen_to_it(page: Page, attempt_id: str, gallery: Gallery) -> None:
    """The manager, from the list to the sound."""
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - playwright marks the handler
    await tab_to(page, f'td a[href="/calls/{attempt_id}"]')
    await gallery.keep(page)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/calls/{attempt_id}")
    await expect(page.locator("svg .wave")).to_have_count(2)
    for side in (0, 1):
        shape = await page.locator(f'svg[data-channel="{side}"] .wave').get_attribute("d")
        assert shape is not None
        assert len(set(shape.replace("L", " ").split())) > 20, "a flat line is no sound"
    await page.keyboard.press("Space")
    await until(page, "playing")
    await page.keyboard.press("Space")
    await until(page, "paused")
    await gallery.keep(page)
    sounds = [answer.status for answer in answers if answer.url.endswith(f"/recordings/{attempt_id}.wav")]
    assert sounds
    assert set(sounds) == {206}


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_a_client_is_called_written_down_and_heard(
    world: World, open_page: OpenPage, headset: PracticeHeadset, language: str
) -> None:
    gallery = Gallery(language)
    front = await open_page(f"{world.service.url}/sign-in")
    await gallery.keep(front)

    page = await at_work(open_page, world, language)
    await gallery.keep(page)
    attempt = await make_the_call(page, world, gallery)
    await write_it_down(page, gallery)
    await is_stored(world, attempt.id, WORDS[language])
    await recorded(world, attempt.id)

    office_page = await come_in(open_page, world, seed.MANAGER, language)
    await listen_to_it(office_page, attempt.id, gallery)
    for path in ("/plan", "/calls?disposition=hot", "/nowhere", "/operator"):
        await office_page.goto(f"{world.service.url}{path}")
        await gallery.keep(office_page)
    gallery.assert_in_its_language()


async def test_a_reload_in_mid_call_comes_back_to_it_with_what_was_typed(
    world: World, open_page: OpenPage, headset: PracticeHeadset
) -> None:
    page = await at_work(open_page, world)
    await in_a_talk(page)
    called = await page.locator(CARD_NAME).inner_text()
    await tab_to(page, "#note")
    await page.keyboard.type(WORDS["ru"]["note"])
    await page.keyboard.press("Escape")
    await page.reload()
    await expect(page.locator(CARD_NAME)).to_have_text(called)
    await expect(page.locator("#note")).to_have_value(WORDS["ru"]["note"])
    await expect(page.locator(CALL_STATE)).to_have_text(WORDS["ru"]["talking"])
    await meters_that_move(page)  # both sides are still connected
    (attempt,) = await attempts(world)
    assert attempt.ended_at is None
    assert not [event for event in headset.events if event.get("event") == "ended"]
    await page.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()
    await page.keyboard.press("6")
    await page.keyboard.press("Enter")
    await expect(page.locator(CARD_NAME)).not_to_have_text(called)

    async def read(session: Any) -> str:
        return str(await session.scalar(select(Outcome.note)))

    assert await world.stored(read) == WORDS["ru"]["note"]


async def test_a_second_tab_is_the_same_desk(world: World, open_page: OpenPage, headset: PracticeHeadset) -> None:
    page = await at_work(open_page, world)
    second = await page.context.new_page()
    await second.goto(f"{world.service.url}/operator")
    await in_a_talk(page)
    await expect(second.locator(CALL_STATE)).to_have_text(WORDS["ru"]["talking"])
    await expect(second.locator(CARD_NAME)).to_have_text(await page.locator(CARD_NAME).inner_text())
    await second.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()


async def test_enter_twice_and_in_two_tabs_is_one_attempt_and_one_invite(
    world: World, open_page: OpenPage, headset: PracticeHeadset
) -> None:
    page = await at_work(open_page, world)
    second = await page.context.new_page()
    await second.goto(f"{world.service.url}/operator")
    await expect(second.locator("[data-do=dial]")).to_be_enabled()
    await settled(second)
    dials: list[str] = []
    page.context.on("request", lambda request: dials.append(request.url) if request.url.endswith("/dial") else None)
    twice = """() => { for (let i = 0; i < 2; i++) document.body.dispatchEvent(
        new KeyboardEvent("keydown", {code: "Enter", key: "Enter", bubbles: true, cancelable: true})); }"""
    await asyncio.gather(page.evaluate(twice), second.evaluate(twice))
    for tab in (page, second):
        await expect(tab.locator(CALL_STATE)).to_have_text(WORDS["ru"]["talking"], timeout=PATIENCE_MS)
    await page.keyboard.press("F8")
    await expect(second.locator("[data-save]")).to_be_visible()
    (attempt,) = await attempts(world)
    await world.carrier.logged(attempt.id)
    assert len(world.carrier.calls()) == 1
    assert len(dials) == 2, "each tab asked once"


async def test_a_tab_that_slept_says_so_and_does_nothing(
    world: World, open_page: OpenPage, headset: PracticeHeadset
) -> None:
    """What the service says to the second tab is held back, as by a laptop whose lid was closed."""
    page = await at_work(open_page, world)
    await in_a_talk(page)
    asleep = asyncio.Event()

    def hold_back(socket: WebSocketRoute) -> None:
        service = socket.connect_to_server()
        service.on_message(lambda message: None if asleep.is_set() else socket.send(message))

    slept = await page.context.new_page()
    await slept.route_web_socket("**/operator/live", hold_back)
    await slept.goto(f"{world.service.url}/operator")
    await expect(slept.locator(CALL_STATE)).to_have_text(WORDS["ru"]["talking"])
    await meters_that_move(slept)  # it lives
    asleep.set()

    await page.keyboard.press("F8")
    await expect(page.locator("[data-save]")).to_be_visible()
    await page.keyboard.press("6")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-do=dial]")).to_be_enabled()
    await settled(page)
    await in_a_talk(page)  # the next client's call

    await slept.keyboard.press("F8")
    await expect(slept.locator("#refused")).to_contain_text(WORDS["ru"]["stale"])
    await expect(page.locator(CALL_STATE)).to_have_text(WORDS["ru"]["talking"])  # and nothing was hung up
    assert latin_words([await slept.content()]) == set()


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_the_manager_stops_all_dialling_and_the_operators_page_shows_it(
    world: World, open_page: OpenPage, headset: PracticeHeadset, language: str
) -> None:
    page = await at_work(open_page, world, language)
    manager = await come_in(open_page, world, seed.MANAGER, language)
    await tab_to(manager, "form[action='/stop-dialling'] button")
    await manager.keyboard.press("Enter")
    await expect(page.locator(".banner.bad:visible")).to_contain_text(WORDS[language]["stopped"])
    await expect(page.locator("[data-do=dial]")).to_be_disabled()
    await page.keyboard.press("Enter")
    if language == "ru":
        assert latin_words([await page.content(), await manager.content()]) == set()
    await tab_to(manager, "form[action='/stop-dialling'] button")
    await manager.keyboard.press("Enter")
    await expect(page.locator("[data-do=dial]")).to_be_enabled()

    async def read(session: Any) -> int:
        return int(await session.scalar(select(func.count()).select_from(Attempt)))

    assert await world.stored(read) == 0, "Enter did nothing while it was stopped"
