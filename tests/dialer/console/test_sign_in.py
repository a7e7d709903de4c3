"""Signing in and out, and what must not get in."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from sqlalchemy import select

from config.settings import ConsoleSettings
from crm.audit import SIGN_IN_FAILED, SIGNED_IN, AuditEntry
from crm.database import Database
from crm.office.users import User
from dialer.console.web.deps import DEPS, ConsoleDeps
from dialer.console.web.failure_limit import FAILURES_OF_A_LOGIN
from dialer.console.web.visitors import address_of, is_from_here
from tests.dialer.console.conftest import Browser, Clock, SignIn
from tests.dialer.console.seed import Office

Visit = Callable[[], Browser]


async def test_each_role_begins_at_its_page(signed_in: SignIn) -> None:
    assert (await (await signed_in("anna")).get("/")).headers["Location"] == "/operator"
    assert (await (await signed_in("maria")).get("/")).headers["Location"] == "/calls"


async def test_the_cookie_is_kept_from_scripts_and_other_sites(visit: Visit, office: Office) -> None:
    response = await visit().sign_in("anna")
    cookie = response.cookies["dialer_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["secure"], "plain HTTP: a Secure cookie would never come back"
    assert cookie["max-age"] == str(12 * 3600)


async def test_a_wrong_password_is_told_in_words_and_audited(visit: Visit, office: Office, database: Database) -> None:
    browser = visit()
    response = await browser.sign_in("anna", "wrong password")
    assert response.status == 401
    assert "Неверное имя или пароль" in await response.text()
    assert "dialer_session" not in response.cookies
    await browser.sign_in("anna")
    async with database.reading() as session:
        actions = set(await session.scalars(select(AuditEntry.action)))
    assert {SIGN_IN_FAILED, SIGNED_IN} <= actions


async def test_guessing_is_slowed_down_for_the_login_and_not_for_others(
    visit: Visit, office: Office, clock: Clock
) -> None:
    browser = visit()
    for _ in range(FAILURES_OF_A_LOGIN):
        assert (await browser.sign_in("anna", "guess")).status == 401
    blocked = await browser.sign_in("ANNA")
    assert blocked.status == 429
    assert "Слишком много неверных паролей. Повторите через 15 минут" in await blocked.text()
    assert (await visit().sign_in("oleg")).status == 303
    clock.move(minutes=15)
    assert (await browser.sign_in("anna")).status == 303


async def test_spaces_around_a_login_are_no_other_login(visit: Visit, office: Office) -> None:
    """Each kind of space, and what is cut off behind it, would else be a name with tries of its own."""
    browser = visit()
    for number in range(FAILURES_OF_A_LOGIN):
        disguised = "anna" + " " * number + "\u2003" * (200 - number) + "x"
        assert (await browser.sign_in(disguised, "guess")).status == 401
    assert (await browser.sign_in("anna")).status == 429


async def test_after_the_sign_in_one_comes_to_the_page_that_was_asked_for(visit: Visit, office: Office) -> None:
    browser = visit()
    away = await browser.get("/plan")
    assert away.headers["Location"] == "/sign-in?next=/plan"
    response = await browser.sign_in("maria", next="/plan")
    assert response.headers["Location"] == "/plan"


@pytest.mark.parametrize(
    "elsewhere", ["https://example.com/", "//example.com", "/\\example.com", "javascript:alert(1)", "/a\\b", "/\n/x"]
)
async def test_a_link_leads_nowhere_else_after_the_sign_in(visit: Visit, office: Office, elsewhere: str) -> None:
    response = await visit().sign_in("maria", next=elsewhere)
    assert response.headers["Location"] == "/"


async def test_a_sign_in_form_from_elsewhere_is_refused(visit: Visit, office: Office) -> None:
    browser = visit()
    await browser.text("/sign-in")
    browser.csrf = "made up"
    assert (await browser.post_form("/sign-in", login="anna", password="correct horse")).status == 403


async def test_signing_out_ends_the_session_in_the_database(signed_in: SignIn) -> None:
    browser = await signed_in("anna")
    token = browser.client.session.cookie_jar.filter_cookies(browser.client.make_url("/"))["dialer_session"].value
    assert (await browser.post_form("/sign-out")).headers["Location"] == "/sign-in"
    again = await browser.client.get("/operator", headers={"Cookie": f"dialer_session={token}"}, allow_redirects=False)
    assert again.status == 303


async def test_a_session_ends_by_itself(signed_in: SignIn, clock: Clock) -> None:
    browser = await signed_in("anna")
    clock.move(hours=11.9)
    assert (await browser.get("/operator")).status == 200
    clock.move(hours=0.2)
    assert (await browser.get("/operator")).status == 303


async def test_a_user_switched_off_is_out_at_once(signed_in: SignIn, office: Office, database: Database) -> None:
    browser = await signed_in("egor")  # who has promised nobody a call, as Anna has
    async with database.transaction() as session:
        (await session.get_one(User, office.users["egor"])).active = False
    assert (await browser.act("ready")).status == 401


async def test_the_language_is_the_users_and_lasts(signed_in: SignIn, database: Database, office: Office) -> None:
    browser = await signed_in("maria")
    assert '<html lang="ru">' in await browser.text("/calls")
    await browser.post_form("/language", language="en", back="/calls")
    page = await browser.text("/calls")
    assert '<html lang="en">' in page
    assert "There are no calls yet." in page
    async with database.reading() as session:
        assert (await session.get_one(User, office.users["maria"])).language == "en"


async def test_the_sign_in_page_speaks_both_languages(visit: Visit, office: Office) -> None:
    browser = visit()
    assert "Пароль" in await browser.text("/sign-in")
    assert "Password" in await browser.text("/sign-in?language=en")
    assert "Password" in await browser.text("/sign-in"), "the choice lasts"


async def test_a_program_of_this_machine_may_ask_at_any_of_its_addresses(office: Office) -> None:
    for behind_proxy, peer, own, here in (
        (False, "127.0.0.1", "127.0.0.1", True),
        (False, "192.0.2.20", "192.0.2.20", True),
        (False, "192.0.2.21", "192.0.2.20", False),
        (True, "192.0.2.20", "192.0.2.20", False),  # everybody whom a proxy at that address lets in
    ):
        console = web.Application()
        console[DEPS] = cast("ConsoleDeps", SimpleNamespace(console=ConsoleSettings(behind_proxy=behind_proxy)))
        transport = Mock()
        transport.get_extra_info = {"sockname": (own, 8080)}.get
        request = make_mocked_request("GET", "/", app=console, transport=transport)
        assert is_from_here(request.clone(remote=peer)) is here


class TestBehindAProxy:
    @pytest.fixture
    def console_settings(self) -> ConsoleSettings:
        return ConsoleSettings(behind_proxy=True, public_url="https://dialer.example")

    async def test_the_cookie_is_secure_and_the_origin_is_the_public_one(self, visit: Visit, office: Office) -> None:
        browser = visit()
        secret = (await browser.get("/sign-in")).cookies["dialer_sign_in"]
        assert secret["secure"]
        form = {"csrf": secret.value, "login": "anna", "password": "correct horse"}
        headers = {"Origin": "https://dialer.example", "Cookie": f"dialer_sign_in={secret.value}"}
        response = await browser.client.post("/sign-in", data=form, headers=headers, allow_redirects=False)
        assert response.status == 303
        assert response.cookies["dialer_session"]["secure"]
        assert response.headers["Strict-Transport-Security"]

    async def test_the_address_is_the_last_one_that_the_proxy_names(self, visit: Visit, office: Office) -> None:
        browser = visit()
        inside = await browser.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9, 127.0.0.1"})
        outside = await browser.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1, 203.0.113.9"})
        assert (inside.status, outside.status) == (200, 403)
        status = await browser.get("/status", headers={"X-Forwarded-For": "203.0.113.9"})
        assert status.status == 403

    async def test_of_several_lines_the_last_one_is_the_proxys(self, visit: Visit, office: Office) -> None:
        lines = [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "203.0.113.9")]
        assert (await visit().client.get("/metrics", headers=lines)).status == 403

    async def test_who_comes_past_the_proxy_is_not_believed(self) -> None:
        """Else every guess at a password came from an address of its own, and /metrics from this machine."""
        console = web.Application()
        console[DEPS] = cast("ConsoleDeps", SimpleNamespace(console=ConsoleSettings(behind_proxy=True)))
        for peer, address in (("127.0.0.1", "198.51.100.1"), ("203.0.113.9", "203.0.113.9")):
            request = make_mocked_request("GET", "/", {"X-Forwarded-For": "198.51.100.1"}, app=console)
            assert address_of(request.clone(remote=peer)) == address


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("en-GB,en;q=0.9,ru;q=0.8", "en"),
        ("de-DE,de;q=0.9,ru;q=0.5,en;q=0.3", "ru"),
        ("fr", "ru"),
        ("", "ru"),
        (";=,,", "ru"),
    ],
)
async def test_the_browsers_language_is_spoken_until_one_is_chosen(visit: Visit, wanted: str, language: str) -> None:
    browser = visit()
    page = await (await browser.get("/sign-in", headers={"Accept-Language": wanted})).text()
    assert f'<html lang="{language}"' in page
    await browser.get("/sign-in?language=ru")
    page = await (await browser.get("/sign-in", headers={"Accept-Language": wanted})).text()
    assert '<html lang="ru"' in page
