"""What every request must prove, and what every answer tells the browser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import WSServerHandshakeError
from aiohttp.test_utils import TestServer
from sqlalchemy.exc import DBAPIError, OperationalError

from crm.database import Database
from crm.office.web_sessions import SEEN_EVERY
from dialer.console.office.status import ServiceStatus
from dialer.reasons import Reason
from dialer.telephony import TrunkStatus
from tests.dialer.console.conftest import Browser, Clock, SignIn, token_in
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import PASSWORD, Office


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


FULL = OperationalError("UPDATE users SET name=?", ("Иванова",), Exception("database or disk is full"))


async def test_a_full_disk_is_told_with_what_to_do(
    signed_in: SignIn, database: Database, visit: Callable[[], Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    maria, admin, nobody = await signed_in("maria"), await signed_in("admin"), visit()
    nobody.csrf = token_in(await nobody.text("/sign-in"))

    def full() -> None:
        raise FULL

    monkeypatch.setattr(database, "transaction", full)
    cause, remedy = "Работать с базой данных сейчас нельзя: её диск заполнен.", "Освободите там место."
    for_manager = await (await maria.post_form("/stop-dialling", stopped="yes")).text()
    assert cause in for_manager
    assert "скажите администратору" in for_manager
    for_administrator = await (await admin.post_form("/stop-dialling", stopped="yes")).text()
    assert cause in for_administrator
    assert remedy in for_administrator
    assert "скажите администратору" not in for_administrator
    for_nobody = await (await nobody.post_form("/sign-in", login="admin", password=PASSWORD)).text()
    assert cause in for_nobody
    assert remedy in for_nobody, "who signs in may be the administrator"
    assert "UPDATE" not in for_nobody


async def test_pages_are_read_though_a_visit_cannot_be_noted(
    signed_in: SignIn, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    maria = await signed_in("maria")

    def full() -> None:
        raise FULL

    monkeypatch.setattr(database, "transaction", full)
    clock.now += SEEN_EVERY
    assert (await maria.get("/calls")).status == 200


async def test_a_database_that_has_no_room_is_not_healthy(
    visit: Callable[[], Browser], office: Office, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "free_bytes", lambda: 4096)
    health = await visit().get("/healthz")
    assert (health.status, await health.json()) == (503, {"database": "trouble"})


async def test_health_and_metrics(visit: Callable[[], Browser], office: Office, signed_in: SignIn) -> None:
    browser = visit()
    health = await browser.get("/healthz")
    assert (health.status, await health.json()) == (200, {"database": "ok"})
    await browser.sign_in("anna", "wrong password")
    metrics = await browser.text("/metrics")
    assert 'dialer_console_sign_in_failures_total{why="wrong"} 1.0' in metrics
    assert 'dialer_console_requests_total{code="401",route="/sign-in"} 1.0' in metrics


async def test_the_status_of_the_lines(visit: Callable[[], Browser], office: Office, desk: FakeDesk) -> None:
    desk.lines = TrunkStatus(ready=False, detail=Reason("trunk.no_answer", address="127.0.0.1:5099"))
    answer = await visit().get("/status")
    told = ServiceStatus.from_json(await answer.json())
    assert told.started_at is None  # no service holds this database
    assert (told.trunk().ready, told.trunk().code) == (False, "trunk.no_answer")
    assert told.trunk().params == {"address": "127.0.0.1:5099"}
    assert told.headset("anna").contact == "sip:anna@127.0.0.1:5070"
    assert not told.headset("nobody's").registered


@pytest.mark.parametrize(
    "said", [None, [], {}, {"started_at": 5, "trunk": {"ready": True, "detail": ""}, "headsets": {}}]
)
def test_what_is_no_status_is_not_taken_for_one(said: object) -> None:
    with pytest.raises(ValueError, match="no status"):
        ServiceStatus.from_json(said)


async def test_what_is_too_large_is_refused(signed_in: SignIn) -> None:
    browser = await signed_in("anna")
    response = await browser.act("draft", attempt_id="x", fields={"note": "ы" * 70_000})
    assert response.status == 413


@pytest.mark.parametrize("header", ["Cookie: dialer_session=", "Cookie: dialer_sign_in=", "X-CSRF-Token: ", "Origin: "])
async def test_headers_that_are_no_text_are_refused_in_words(server: TestServer, office: Office, header: str) -> None:
    """Not with a traceback in the log for each, which needs no password."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(server.host, server.port)
        line = header.encode() + b"\xff\xfe"
        writer.write(b"POST /sign-out HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + line + b"\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded; charset=nonsense", b"login=a"),
        ("application/x-www-form-urlencoded", b"login=%ff"),
        ("application/x-www-form-urlencoded", b"login=\xff"),
        ("multipart/form-data", b"login=a"),
        ("multipart/form-data; boundary=x", b"nothing"),
    ],
)
async def test_forms_that_cannot_be_read_are_no_error_of_ours(
    visit: Callable[[], Browser], office: Office, content_type: str, body: bytes
) -> None:
    browser = visit()
    await browser.get("/sign-in")
    for extra in ({}, {"X-CSRF-Token": "x"}):
        headers = {"Origin": browser.origin, "Content-Type": content_type, **extra}
        response = await browser.client.post("/sign-in", data=body, headers=headers)
        assert response.status in (400, 403), await response.text()


@pytest.mark.parametrize("text", ["[" * 30_000, '{"client_id": ' + "9" * 5_000 + "}", '{"attempt_id": "\\ud800"}', "{"])
async def test_json_that_cannot_be_read_is_no_error_of_ours(signed_in: SignIn, text: str) -> None:
    browser = await signed_in("anna")
    headers = {"Origin": browser.origin, "X-CSRF-Token": browser.csrf, "Accept": "application/json"}
    for action in ("dial", "outcome"):
        response = await browser.client.post(f"/operator/{action}", data=text, headers=headers)
        assert response.status == 400


@pytest.mark.parametrize(
    "path", ["/calls?text=a%00b", "/clients?text=%00", "/clients?group=%00", "/reports?report=%00"]
)
async def test_a_nul_in_an_address_is_passed_over(signed_in: SignIn, path: str) -> None:
    """PostgreSQL stores and compares none."""
    assert (await (await signed_in("maria")).get(path)).status == 200


async def test_a_nul_that_was_pasted_is_passed_over(signed_in: SignIn, office: Office) -> None:
    maria, admin, anna = await signed_in("maria"), await signed_in("admin"), await signed_in("anna")
    client = f"/clients/{office.clients[1]}"
    for browser, path, fields, wanted in (
        (maria, f"{client}/do-not-call", {"evidence": "пись\0мо"}, 303),
        (maria, f"{client}/consents", {"evidence": "пись\0мо"}, 303),
        (maria, f"{client}/list", {"reason": "пись\0мо"}, 303),
        (maria, "/campaigns/1/lists/1", {"to": "returned", "remarks": "за\0мечания"}, 303),
        (maria, "/campaigns", {"name": "Осень\0"}, 303),
        (maria, "/clients/filters", {"name": "А\0", "text": "б\0в"}, 303),
    ):
        assert (await browser.post_form(path, **fields)).status == wanted, (path, fields)
    for browser, path, fields in (
        (maria, "/plan/away", {"person": "1", "first": "\0", "last": "", "reason": "\0"}),
        (admin, "/users/1/hand-over", {"to": "\0"}),
        (anna, "/sign-in", {"login": "an\0na", "password": "\0"}),
    ):
        assert (await browser.post_form(path, **fields)).status < 500, (path, fields)


async def test_a_nul_in_a_draft_is_passed_over(signed_in: SignIn, office: Office, desk: FakeDesk) -> None:
    anna, operator_id = await signed_in("anna"), office.users["anna"]
    await anna.act("ready")
    await anna.act("dial", client_id=office.clients[0])
    await desk.ring(operator_id)
    await desk.answer(operator_id)
    await desk.end(operator_id)
    attempt_id = (await desk.view(operator_id)).attempt_id
    assert (await anna.act("draft", attempt_id=attempt_id, fields={"note": "за\0метка"})).status < 300


@pytest.mark.parametrize("digits", ["9" * 30, "9" * 5_000, "٣"])
async def test_a_number_that_no_page_sends_is_no_error_of_ours(
    signed_in: SignIn, office: Office, desk: FakeDesk, digits: str
) -> None:
    maria, anna, operator_id = await signed_in("maria"), await signed_in("anna"), office.users["anna"]
    disposition = {"key": "cold", "version": digits, "label_ru": "Нет", "active": "yes"}
    assert (await maria.post_form("/dispositions", **disposition)).status == 400
    await anna.act("ready")
    await anna.act("dial", client_id=office.clients[0])
    await desk.ring(operator_id)
    await desk.answer(operator_id)
    await desk.end(operator_id)
    attempt_id = (await desk.view(operator_id)).attempt_id
    fields = {"disposition": "warm", "person_id": digits}
    assert (await anna.act("outcome", attempt_id=attempt_id, fields=fields)).status == 404


async def test_days_beyond_the_calendar_are_no_error_of_ours(signed_in: SignIn) -> None:
    maria = await signed_in("maria")
    for days in ("from=0001-01-01&to=9999-12-31", "from=9999-12-31", "to=0001-01-01"):
        for page in (f"/reports?report=contacts&{days}", f"/reports.csv?report=organisations&{days}", f"/calls?{days}"):
            assert (await maria.get(page)).status == 200, page


async def test_what_others_have_overtaken_is_told_in_words(
    signed_in: SignIn, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await signed_in("maria")

    class Ended(Exception):
        sqlstate = "40P01"

    async def ended(_work: object) -> None:
        raise DBAPIError("", {}, Ended())

    monkeypatch.setattr(database, "carry_out", ended)
    response = await browser.post_form("/duplicates/merges/1")
    assert response.status == 409
    assert "То же самое в этот момент меняли другие" in await response.text()
