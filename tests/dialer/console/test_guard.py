"""What every request must prove, and what every answer tells the browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiohttp import WSServerHandshakeError

from crm.database import Database
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import Office


async def test_a_post_without_the_sessions_token_does_nothing(
    signed_in: SignIn, desk: FakeDesk, office: Office
) -> None:
    browser = await signed_in("maria")
    browser.csrf = ""
    response = await browser.post_form("/stop-dialling", stopped="yes")
    assert response.status == 403
    assert "пришёл не со страницы этой системы" in await response.text()
    assert desk.clicks == []


async def test_another_sessions_token_does_nothing(signed_in: SignIn, desk: FakeDesk) -> None:
    maria, admin = await signed_in("maria"), await signed_in("admin")
    maria.csrf = admin.csrf
    assert (await maria.post_form("/stop-dialling", stopped="yes")).status == 403
    assert desk.clicks == []


@pytest.mark.parametrize("origin", ["https://example.com", "null", "", "http://127.0.0.1:1"])
async def test_a_post_from_another_origin_does_nothing(signed_in: SignIn, desk: FakeDesk, origin: str) -> None:
    browser = await signed_in("anna")
    headers = {"X-CSRF-Token": browser.csrf, **({"Origin": origin} if origin else {})}
    response = await browser.client.post("/operator/ready", json={}, headers=headers)
    assert response.status == 403
    assert desk.clicks == []


async def test_a_live_connection_from_another_origin_is_refused(signed_in: SignIn) -> None:
    browser = await signed_in("anna")
    with pytest.raises(WSServerHandshakeError, match="403"):
        await browser.client.ws_connect("/operator/live", headers={"Origin": "https://example.com"})


async def test_every_answer_binds_the_browser(visit: Callable[[], Browser], office: Office, signed_in: SignIn) -> None:
    maria = await signed_in("maria")
    for browser, path in ((visit(), "/sign-in"), (maria, "/calls"), (maria, "/nowhere"), (maria, "/healthz")):
        headers = (await browser.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"


async def test_pages_hold_no_script_and_no_style_of_their_own(signed_in: SignIn) -> None:
    anna, maria = await signed_in("anna"), await signed_in("maria")
    for page in (await anna.text("/operator"), await maria.text("/calls"), await maria.text("/plan")):
        assert " style=" not in page
        assert "<style" not in page
        assert " onclick=" not in page
        assert page.count("<script") == page.count('<script type="module" src="/static/') + page.count(
            '<script type="application/json"'
        )


async def test_a_fault_of_ours_is_told_without_a_traceback(
    signed_in: SignIn, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await signed_in("anna")

    async def break_down(operator_id: int) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(desk, "go_ready", break_down)
    response = await browser.act("ready")
    assert response.status == 500
    told = await response.text()
    assert "что-то пошло не так" in (await response.json())["error"]
    assert "secret" not in told
    assert "Traceback" not in told


async def test_a_database_that_is_away_is_told_in_words(
    signed_in: SignIn, database: Database, visit: Callable[[], Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await signed_in("maria")

    def away() -> None:
        raise ConnectionRefusedError("no database")

    monkeypatch.setattr(database, "reading", away)
    response = await browser.get("/calls")
    assert response.status == 503
    assert "База данных сейчас недоступна." in await response.text()


async def test_health_and_metrics(visit: Callable[[], Browser], office: Office, signed_in: SignIn) -> None:
    browser = visit()
    health = await browser.get("/healthz")
    assert (health.status, await health.json()) == (200, {"database": "ok"})
    await browser.sign_in("anna", "wrong password")
    metrics = await browser.text("/metrics")
    assert 'dialer_console_sign_in_failures_total{why="wrong"} 1.0' in metrics
    assert 'dialer_console_requests_total{code="401",route="/sign-in"} 1.0' in metrics


async def test_what_is_too_large_is_refused(signed_in: SignIn) -> None:
    browser = await signed_in("anna")
    response = await browser.act("draft", attempt_id="x", fields={"note": "ы" * 70_000})
    assert response.status == 413
