"""What the pages cost, and that they ask nothing of anybody else."""

from __future__ import annotations

import gzip
import re

from aiohttp.test_utils import TestServer

from dialer.console.web.deps import STATIC
from dialer.console.web.static_files import FOLDER
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import Office

LARGEST_OPERATOR_PAGE = 60 * 1024


async def in_a_call(browser: Browser, desk: FakeDesk, office: Office) -> str:
    await browser.act("ready")
    await browser.act("dial", client_id=office.clients[0])
    await desk.answer(office.users["anna"])
    return await browser.text("/operator")


async def test_the_operators_page_weighs_less_than_60_kb_in_all(
    signed_in: SignIn, desk: FakeDesk, office: Office, server: TestServer
) -> None:
    browser = await signed_in("anna")
    page = await in_a_call(browser, desk, office)
    weight = len(page.encode())  # pages go uncompressed
    for name in ("console.css", "operator.js", "outcome.js", "asked.js", "sheets.js", "script.js", "icon.svg"):
        weight += len(server.app[STATIC].files[name].compressed)
    assert weight < LARGEST_OPERATOR_PAGE


async def test_no_page_loads_anything_from_outside(signed_in: SignIn, desk: FakeDesk, office: Office) -> None:
    anna, maria = await signed_in("anna"), await signed_in("maria")
    pages = [await in_a_call(anna, desk, office), await maria.text("/calls"), await maria.text("/plan")]
    for page in pages:
        for address in re.findall(r'(?:href|src|action)="([^"]*)"', page):
            assert address.startswith(("/", "?", "#")), address
            assert not address.startswith("//")
    for path in FOLDER.iterdir():
        outside = set(re.findall(r"https?://[\w./]+", path.read_text(encoding="utf-8")))
        assert outside <= {"http://www.w3.org/2000/svg"}, path.name


async def test_static_files_are_kept_by_content(signed_in: SignIn, server: TestServer) -> None:
    browser = await signed_in("maria")
    file = server.app[STATIC].files["console.css"]
    response = await browser.get(f"/static/console.css?v={file.tag}", headers={"Accept-Encoding": "gzip"})
    assert "immutable" in response.headers["Cache-Control"]
    assert response.headers["Content-Encoding"] == "gzip"
    assert await response.read() == file.plain
    assert gzip.decompress(file.compressed) == file.plain
    unversioned = await browser.get("/static/console.css")
    assert unversioned.headers["Cache-Control"] == "no-cache"
    same = await browser.get("/static/console.css", headers={"If-None-Match": response.headers["ETag"]})
    assert same.status == 304
    assert (await browser.get("/static/../app.py")).status == 404
    assert (await browser.get("/static/console.txt")).status == 404
