"""Files, the script and the customer's workbook on their pages."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientResponse, FormData

from crm.clientele.clients import get_client
from crm.database import Database
from crm.importing.tables import read_table
from crm.preparation.approvals import Subject, approve, signatures
from crm.preparation.call_lists import CallList, ListState
from crm.preparation.campaigns import get_campaign
from crm.preparation.materials import LARGEST_BYTES, materials_of, path_of
from crm.preparation.scripts import script_of
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import NOW, Office

MATERIALS, SCRIPT = "/campaigns/1/materials", "/campaigns/1/script"


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


async def send(browser: Browser, path: str, content: bytes, name: str, **fields: str) -> ClientResponse:
    form = FormData({"csrf": browser.csrf, **fields}, quote_fields=False)  # as browsers send names
    form.add_field("file", BytesIO(content), filename=name, content_type="text/html")
    return await browser.client.post(path, data=form, headers={"Origin": browser.origin}, allow_redirects=False)


async def test_a_file_is_added_taken_away_and_taken_off(
    maria: Browser, database: Database, tmp_path: Path, office: Office
) -> None:
    content = b"<script>alert(1)</script>" * 9000
    assert (await send(maria, MATERIALS, content, "../КП «Лето».PDF", kind="offer")).status == 303
    digest = hashlib.sha256(content).hexdigest()
    kept = path_of(tmp_path / "data" / "materials", digest)
    assert kept.read_bytes() == content
    assert "КП «Лето».pdf" in await maria.text(MATERIALS)
    answer = await maria.get(f"{MATERIALS}/1")
    assert await answer.read() == content
    assert answer.headers["Content-Disposition"] == (
        f"attachment; filename=\"_________.pdf\"; filename*=UTF-8''{quote('КП «Лето».pdf')}"
    )
    assert (answer.content_type, answer.headers["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")
    async with database.transaction() as session:
        await approve(session, campaign=await get_campaign(session, 1), subject=Subject.OFFER, signer="Орлова", now=NOW)
    assert (await maria.post_form(f"{MATERIALS}/1/remove")).status == 303
    assert (await maria.get(f"{MATERIALS}/1")).status == 404
    async with database.reading() as session:
        assert not (await signatures(session, 1))[Subject.OFFER, None].holds
    assert kept.exists(), "what was signed stays"


async def test_what_is_no_material_is_refused_in_words(maria: Browser, database: Database, office: Office) -> None:
    for name, content, kind, code, told in (
        ("кп.exe", b"MZ", "offer", 422, "Такие файлы, как «кп.exe», не принимаются."),
        ("кп.pdf", b"", "offer", 422, "Этот файл пуст."),
        ("кп.pdf", b"%PDF", "weather", 400, ""),
    ):
        answer = await send(maria, MATERIALS, content, name, kind=kind)
        assert answer.status == code
        assert told in await answer.text()
    assert (await maria.post_form(MATERIALS, kind="offer")).status == 400
    answer = await send(maria, MATERIALS, bytes(LARGEST_BYTES + 100 * 1024), "кп.pdf", kind="offer")
    assert answer.status == 413
    async with database.reading() as session:
        assert await materials_of(session, 1) == []


async def test_only_the_routes_for_files_take_large_requests(maria: Browser, office: Office) -> None:
    answer = await send(maria, "/campaigns/1/candidates", bytes(200 * 1024), "кп.pdf", kind="other")
    assert answer.status == 413


async def test_a_script_is_written_checked_and_shown(maria: Browser, database: Database, office: Office) -> None:
    text = "# Приветствие\r\nДобрый день!\r\n> Да -> Предложение\r\n# Предложение"
    assert (await maria.post_form(SCRIPT, script=text, version="0")).status == 303
    page = await maria.text(SCRIPT)
    assert '→ <a href="#step-2">Предложение</a>' in page
    answer = await maria.post_form(SCRIPT, script="# А\n> да -> Б", version="1")
    page = await answer.text()
    assert (answer.status, "Строка 2: шага «Б» нет." in page) == (422, True)
    assert "да -&gt; Б</textarea>" in page
    stale = await maria.post_form(SCRIPT, script="# Моё", version="0")
    page = await stale.text()
    assert (stale.status, "Пока вы смотрели, сценарий изменили." in page) == (409, True)
    assert "# Моё</textarea>" in page
    assert "Добрый день!" in page, "what is stored stands below"
    assert 'name="version" value="1"' in page
    async with database.reading() as session:
        stored = await script_of(session, 1)
        assert stored is not None
        assert stored.version == 1
    assert (await maria.post_form(SCRIPT, script="# А", version="x")).status == 400


async def test_a_long_script_in_cyrillic_is_taken(maria: Browser, office: Office) -> None:
    assert (await maria.post_form(SCRIPT, script="# А\n" + "я" * 11_990, version="0")).status == 303
    assert (await maria.post_form(SCRIPT, script="# А\n" + "я" * 12_000, version="1")).status == 422


async def state_of(database: Database) -> tuple[ListState, str]:
    async with database.reading() as session:
        call_list = await session.get_one(CallList, 1)
        return call_list.state, call_list.approved_by


async def test_a_list_goes_out_and_its_marks_come_in(maria: Browser, database: Database, office: Office) -> None:
    await maria.post_form("/campaigns/1/lists/1", to="returned", remarks="сверить")
    answer = await maria.get("/campaigns/1/lists/1.xlsx")
    assert "attachment" in answer.headers["Content-Disposition"]
    table: Any = read_table(await answer.read())
    assert table.header[1] == "Организация"
    numbers = {row.cells[1]: row.cells[0] for row in table.rows}
    assert numbers["Вектор"] == str(office.clients[2])
    marks = [f"{number};{'нет' if name == 'Вектор' else 'да'};наш партнёр" for name, number in numbers.items()]
    content = "\n".join(["№;Звонить?;Замечания", *marks]).encode()
    answer = await send(maria, "/campaigns/1/lists/1/marks", content, "marks.csv", by="Орлова")
    page = await answer.text()
    assert answer.status == 200
    assert "Согласовано: 5; снято со списка: 1; без отметки: 0." in page
    assert "Список согласован." in page
    assert await state_of(database) == (ListState.APPROVED, "Орлова")
    async with database.reading() as session:
        assert (await get_client(session, office.clients[2])).off_list_reason == "Орлова: наш партнёр"
    assert (await send(maria, "/campaigns/1/lists/1/marks", content, "marks.csv", by="Орлова")).status == 422


async def test_marks_that_cannot_be_read_change_nothing(maria: Browser, database: Database, office: Office) -> None:
    await maria.post_form("/campaigns/1/lists/1", to="returned")
    for content, told in (
        ("№;Звонить?;Замечания\n1;нет;\n2;может быть;".encode(), "Строка 3: «может быть» — это не «да» и не «нет»."),
        (b"PK\x03\x04 broken", ""),
    ):
        answer = await send(maria, "/campaigns/1/lists/1/marks", content, "marks.xlsx", by="Орлова")
        assert (answer.status, told in await answer.text()) == (422, True)
    assert await state_of(database) == (ListState.RETURNED, "")
    assert (await maria.get("/campaigns/1/lists/9.xlsx")).status == 404
