"""A real Chromium. Fixtures for tests of pages: `browser_of` opens a page, `console` runs one with a fake desk."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from config.sections import MailSettings
from config.settings import ConsoleSettings, Settings
from crm.database import Database
from crm.wrap_up.outcomes import OutcomeForm
from dialer.console.app import ConsoleDeps, create_console
from dialer.console.server import console_url, start_console
from dialer.upkeep import Upkeep
from recordings.store import LocalStore
from tests.databases import made_database
from tests.dialer.console.conftest import Clock
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import NOW, PASSWORD, Office, seed_call, seed_office, seed_recording
from tests.peers.fixtures import baresip, peers, pytest_runtest_makereport

__all__ = ["baresip", "peers", "pytest_runtest_makereport"]

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=LocalNetworkAccessChecks",  # a page that a test holds up seems to come from elsewhere
)
SCREEN = {"width": 1366, "height": 768}


def chromium() -> str | None:
    """Chromium's program: Debian's, or the one on the path."""
    return CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
async def chrome() -> AsyncIterator[Browser]:
    """A browser of its own for each test; skipped where there is none."""
    program = chromium()
    if program is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield running
        await running.close()


def _is_fault(message: ConsoleMessage) -> bool:
    """Chromium calls every refusal (4xx) an error; here refusals are answers in words. Being offline is the test's."""
    expected = "status of 4" in message.text or "ERR_INTERNET_DISCONNECTED" in message.text
    return message.type == "error" and not expected


expect.set_options(timeout=15_000)  # as long as a page may take when the machine has other work
OpenPage = Callable[..., Awaitable[Page]]


@pytest.fixture
async def open_page(chrome: Browser) -> AsyncIterator[OpenPage]:
    """Opens an address in a window of its own (1366x768). Whatever a page says to its console, or throws, fails the
    test at its end."""
    said: list[str] = []

    async def open_it(address: str, *, colours: str = "light") -> Page:
        context = await chrome.new_context(
            viewport={"width": SCREEN["width"], "height": SCREEN["height"]},
            locale="ru-RU",
            color_scheme="dark" if colours == "dark" else "light",
        )
        page = await context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda message: said.append(message.text) if _is_fault(message) else None)
        await page.goto(address)
        return page

    yield open_it
    for context in chrome.contexts:
        await context.close()
    assert said == []


async def sign_in(page: Page, login: str, password: str = PASSWORD) -> None:
    """From the sign-in page, with the keyboard."""
    await expect(page.locator("input[name=login]")).to_be_focused()
    await page.keyboard.type(login)
    await page.keyboard.press("Tab")
    await page.keyboard.type(password)
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: "/sign-in" not in url)


async def until(page: Page, condition: str) -> None:
    """Wait for a condition on the page; playwright's own waiting for one is kept out by the pages' security policy."""
    await page.evaluate(
        """condition => new Promise((resolve, reject) => {
            const end = performance.now() + 15000;
            const look = () => {
                if (conditions[condition]()) resolve();
                else if (performance.now() > end) reject(new Error(`never so: ${condition}`));
                else requestAnimationFrame(look);
            };
            const sound = () => document.getElementById("sound");
            const conditions = {
                playing: () => sound().currentTime > 0.2,
                paused: () => sound().paused,
                past_7: () => sound().currentTime > 7.1,
            };
            look();
        })""",
        condition,
    )


@dataclass(slots=True)
class RunningConsole:
    """A console on a loopback port, and what stands behind it."""

    url: str
    desk: FakeDesk
    office: Office
    database: Database
    clock: Clock


@pytest.fixture(params=["ru", "en"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def either_database_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A migrated, empty database: PostgreSQL for a test in English, SQLite for others. Pages know nothing of either,
    so that each page runs on both without running twice."""
    made_of = getattr(request.node, "callspec", None)
    if made_of is None or made_of.params.get("language") != "en":
        yield request.getfixturevalue("sqlite_url")
        return
    async with made_database(request.getfixturevalue("postgresql_cluster")) as url:
        yield url


@pytest.fixture
def console_mail() -> MailSettings:
    """To be overridden where a test sends mail."""
    return MailSettings()


@pytest.fixture
async def console(
    tmp_path: Path, language: str, either_database_url: str, chrome: Browser, console_mail: MailSettings
) -> AsyncIterator[RunningConsole]:
    """The pages, an office with clients and one recorded call, and a fake desk; everybody speaks `language`."""
    database = Database(either_database_url)
    clock = Clock()
    office = await seed_office(database, language=language)
    store = LocalStore(tmp_path / "recordings")
    form = OutcomeForm(disposition="cold", reason="Дорого")
    at = NOW.replace(hour=7)
    office.played = await seed_call(database, office, client=3, at=at, form=form)
    await seed_recording(database, store, office.played, at)
    desk = FakeDesk(database, clock)
    settings = Settings().model_copy(update={"console": ConsoleSettings(port=0), "mail": console_mail})
    upkeep = Upkeep(database, store, settings, tmp_path / "dialer.toml", clock)
    app = create_console(
        ConsoleDeps(database=database, desk=desk, store=store, settings=settings, clock=clock, upkeep=upkeep)
    )
    runner = await start_console(app, settings.console)
    yield RunningConsole(console_url(runner, settings.console).rstrip("/"), desk, office, database, clock)
    for context in chrome.contexts:  # or a page would complain that the service has gone
        await context.close()
    await runner.cleanup()
    await database.dispose()
    await database.dispose()
