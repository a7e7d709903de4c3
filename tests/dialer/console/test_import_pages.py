"""Imports on their pages: brought in, looked at, read otherwise, confirmed, undone."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest
from aiohttp import ClientResponse, FormData
from sqlalchemy import delete, func, select
from xlsxwriter import Workbook

from crm.clientele.clients import Client
from crm.database import Database
from crm.importing import tables
from crm.importing.imports import Import, ImportFile, ImportRow, ImportState, UnderWay, list_imports
from dialer.console import routes
from dialer.console.imports import import_pages
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import Office

FILE = "list;name;phone\nвесна;Альфа;8 (342) 000-10-01\nвесна;;8 (342) 000-10-02\n".encode()


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    browser = await signed_in("maria")
    await browser.post_form("/language", language="en", back="/imports")
    return browser


async def upload(browser: Browser, content: bytes, name: str = "firms.csv", **fields: str) -> ClientResponse:
    form = FormData({"csrf": browser.csrf, "campaign": "1", **fields}, quote_fields=False)
    form.add_field("file", content, filename=name)
    return await browser.client.post("/imports", data=form, headers={"Origin": browser.origin}, allow_redirects=False)


async def brought(browser: Browser, content: bytes = FILE, name: str = "firms.csv", **fields: str) -> str:
    """The address of the page of a file that was brought in."""
    response = await upload(browser, content, name, **fields)
    assert response.status == 303, await response.text()
    return response.headers["Location"]


def version_in(page: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', page)
    assert found
    return found[1]


def fields_in(page: str) -> dict[str, str]:
    """What is chosen on the page for each column."""
    selects = re.findall(r'<select name="(column\d+)".*?</select>', page, re.DOTALL)
    chosen = re.findall(r'<select name="column\d+".*?<option value="([^"]*)" selected>', page, re.DOTALL)
    return dict(zip(selects, chosen, strict=True))


async def clients(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(Client)) or 0


async def only_import(database: Database) -> Import:
    async with database.reading() as session:
        (found,) = await list_imports(session)
        return found


async def test_a_file_is_tried_taken_in_and_undone(maria: Browser, database: Database) -> None:
    before = await clients(database)
    address = await brought(maria)
    page = await maria.text(address)
    assert "The organisation has no name." in page
    assert "utf-8, columns parted by “;”" in page
    assert await clients(database) == before
    taken = await maria.post_form(f"{address}/confirm", version=version_in(page))
    assert taken.status == 303
    assert await clients(database) == before + 1
    refused = await maria.get(f"{address}/refused.csv")
    assert refused.headers["Content-Disposition"].endswith("filename*=UTF-8''firms.refused.csv")
    assert "Not imported because" in (await refused.read()).decode("utf-8-sig")
    page = await maria.text(address)
    undone = await maria.post_form(f"{address}/undo", version=version_in(page))
    assert undone.status == 303
    assert await clients(database) == before
    assert (await only_import(database)).state is ImportState.UNDONE
    assert "firms.csv" in await maria.text("/imports")
    assert "version" not in await maria.text(address) or "disabled" in await maria.text(address)


async def test_a_large_file_comes_in_step_by_step_and_the_page_says_how_far(
    maria: Browser, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_pages, "_STEPS_AT_ONCE", 1)
    before = await clients(database)
    rows = "".join(f"весна;Фирма {number};8 (342) 000-{number // 100:02}-{number % 100:02}\n" for number in range(520))
    address = await brought(maria, f"list;name;phone\n{rows}".encode())
    await maria.post_form(f"{address}/confirm", version=version_in(await maria.text(address)))
    page = await maria.text(address)
    assert "being taken in, 500 of 520 rows" in page
    assert '<meta http-equiv="refresh" content="3">' in page
    assert f"{address}/undo" not in page
    assert f"{address}/discard" not in page
    assert await clients(database) == before + 500
    assert "being taken in, 500 of 520 rows" in await maria.text("/imports")
    await maria.post_form(f"{address}/continue")
    page = await maria.text(address)
    assert await clients(database) == before + 520
    assert "refresh" not in page
    await maria.post_form(f"{address}/undo", version=version_in(page))
    assert "being undone, 500 of 520 rows" in await maria.text(address)
    for _ in range(2):
        await maria.post_form(f"{address}/continue")
    assert await clients(database) == before
    assert (await only_import(database)).state is ImportState.UNDONE


async def test_what_was_guessed_wrong_is_said_otherwise_and_saved(maria: Browser, database: Database) -> None:
    content = "Кто|Куда\nАльфа|22-33-44\nБета|8 (342) 000-10-02\n".encode("koi8-r")
    address = await brought(maria, content)
    page = await maria.text(address)
    assert "No column holds the name of the organisation. Say below which one does." in page
    assert fields_in(page) == {"column0": "attributes.Кто", "column1": "attributes.Куда"}
    said = {"column0": "name", "column1": "phone", "encoding": "koi8-r", "delimiter": "|", "list_name": "весна"}
    again = await maria.post_form(address, version=version_in(page), area_code="3812", save_as="Справочник", **said)
    assert again.status == 303
    found = await only_import(database)
    assert (found.taken, found.refused, found.encoding, found.trouble) == (2, 0, "koi8-r", [])
    stale = await maria.post_form(address, version=version_in(page), **said)
    assert stale.status == 409
    assert "Somebody has changed this import since you opened it." in await stale.text()
    other = await brought(maria, content, saved="справочник", list_name="лето", area_code="3812")
    assert fields_in(await maria.text(other)) == {"column0": "name", "column1": "phone"}


async def test_which_row_is_the_header_is_chosen_among_the_first(maria: Browser, database: Database) -> None:
    content = "Отчёт;за май\nКто;Куда\nАльфа;8 (342) 000-10-01\n".encode()
    address = await brought(maria, content, list_name="весна")
    page = await maria.text(address)
    assert "header in row 1" in page
    assert '<select name="header_row"><option value="">found by itself</option><option value="1">row 1: ' in page
    assert '<option value="2">row 2: Кто · Куда</option>' in page
    again = await maria.post_form(address, version=version_in(page), header_row="2", list_name="весна")
    assert again.status == 303
    page = await maria.text(address)
    assert "header in row 2" in page
    assert '<option value="2" selected>row 2: Кто · Куда</option>' in page
    said = {"column0": "name", "column1": "phone", "list_name": "весна"}
    await maria.post_form(address, version=version_in(page), header_row="2", **said)
    found = await only_import(database)
    assert (found.header, found.header_row, found.header_said, found.taken) == (["Кто", "Куда"], 2, True, 1)
    await maria.post_form(address, version=str(found.version), header_row="0", list_name="весна")
    page = await maria.text(address)
    assert "without a header" in page
    assert "Column “A” holds" in page
    await maria.post_form(address, version=version_in(page), header_row="0", **said)
    found = await only_import(database)
    assert (found.header, found.header_row, found.taken, found.refused) == (["A", "B"], 0, 1, 2)
    missing = await maria.post_form(address, version=str(found.version), header_row="8")
    assert missing.status == 422
    assert "Row 8 cannot be the header" in await missing.text()


async def test_a_file_that_was_let_go_of_is_taken_in_as_it_was_tried(maria: Browser, database: Database) -> None:
    before = await clients(database)
    address = await brought(maria)
    async with database.transaction() as session:
        await session.execute(delete(ImportFile))
    page = await maria.text(address)
    assert "The file itself is no longer kept" in page
    assert "<fieldset disabled>" in page
    again = await maria.post_form(address, version=version_in(page), list_name="весна")
    assert again.status == 422
    assert (await maria.post_form(f"{address}/confirm", version=version_in(page))).status == 303
    assert await clients(database) == before + 1


async def test_a_file_that_somebody_left_half_read_is_gone_on_with_or_discarded(
    maria: Browser, database: Database
) -> None:
    addresses = [await brought(maria), await brought(maria)]
    async with database.transaction() as session:
        for found in await list_imports(session):
            found.under_way, found.done, found.step_at = UnderWay.STAGING, 0, datetime(2000, 1, 1, tzinfo=UTC)
    page = await maria.text(addresses[0])
    assert "being read, 0 of 2 rows" in page
    assert f'action="{addresses[0]}/confirm"' not in page
    refused = await maria.post_form(f"{addresses[0]}/confirm", version=version_in(page))
    assert "is being read, taken in, undone or discarded at the moment" in await refused.text()
    assert (await maria.post_form(f"{addresses[0]}/continue")).status == 303
    assert "waits to be confirmed" in await maria.text(addresses[0])
    assert (await maria.post_form(f"{addresses[1]}/discard", version=version_in(page))).status == 303
    async with database.reading() as session:
        states = [(each.state, each.under_way) for each in await list_imports(session)]
        assert states == [(ImportState.DISCARDED, None), (ImportState.STAGED, None)]
        assert len(list(await session.scalars(select(ImportRow)))) == 2


async def test_another_sheet_of_a_workbook_is_read(maria: Browser, database: Database) -> None:
    file = io.BytesIO()
    book = Workbook(file)
    for name, firm in (("Пермь", "Альфа"), ("Омск", "Бета")):
        sheet = book.add_worksheet(name)
        sheet.write_row(0, 0, ("name", "phone"))
        sheet.write_row(1, 0, (firm, "8 (342) 000-10-01"))
    book.close()
    address = await brought(maria, file.getvalue(), "book.xlsx", list_name="весна")
    page = await maria.text(address)
    assert "XLSX, sheet “Пермь”" in page
    assert "Альфа" in page
    await maria.post_form(address, version=version_in(page), part="Омск", list_name="весна")
    page = await maria.text(address)
    assert "XLSX, sheet “Омск”" in page
    assert "Бета" in page
    missing = await maria.post_form(address, version=version_in(page), part="Уфа")
    assert missing.status == 422
    assert "no sheet or table “Уфа”" in await missing.text()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"%PDF-1.7", "This is a PDF file, not a table."),
        (b"PK\x03\x04\x14\x00", "The file is damaged"),
        (b"", "The file is empty."),
        (b"a;b\n1;\x002", "This is neither text nor a table"),
    ],
)
async def test_what_is_no_table_is_told_and_nothing_is_kept(
    maria: Browser, database: Database, content: bytes, told: str
) -> None:
    response = await upload(maria, content)
    assert response.status == 422
    assert told in await response.text()
    async with database.reading() as session:
        assert await list_imports(session) == []


async def test_a_file_may_be_large_and_other_posts_may_not(maria: Browser, database: Database) -> None:
    rows = "".join(f"весна;Фирма {number};8 (342) 000-10-01;{'x' * 900}\n" for number in range(80))
    content = f"list;name;phone;note\n{rows}".encode()
    assert len(content) > routes.LARGEST_POST
    assert routes.LARGEST_FILE > tables.MAX_BYTES
    await brought(maria, content)
    assert (await only_import(database)).row_count == 80
    assert (await maria.post_form("/imports/1/confirm", version="1" * routes.LARGEST_POST)).status == 413


async def test_a_form_without_a_file_or_token_is_refused(maria: Browser) -> None:
    assert (await maria.post_form("/imports", campaign="1")).status == 400
    form = FormData({"campaign": "1"})
    form.add_field("file", FILE, filename="firms.csv")
    response = await maria.client.post("/imports", data=form, headers={"Origin": maria.origin})
    assert response.status == 403


async def test_a_discarded_file_cannot_be_taken_in(maria: Browser, database: Database) -> None:
    address = await brought(maria)
    version = version_in(await maria.text(address))
    assert (await maria.post_form(f"{address}/discard", version=version)).status == 303
    refused = await maria.post_form(f"{address}/confirm", version=version)
    assert refused.status == 409 or refused.status == 422
    assert (await only_import(database)).state is ImportState.DISCARDED


async def test_who_only_reads_sees_no_way_to_change(maria: Browser, signed_in: SignIn) -> None:
    address = await brought(maria)
    auditor = await signed_in("audit")
    page = await auditor.text(address)
    assert f'action="{address}/confirm"' not in page
    assert "<fieldset disabled>" in page
    assert 'type="file"' not in await auditor.text("/imports")


async def test_refused_rows_are_written_as_they_are_read_and_their_page_shows_the_first(
    maria: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_pages, "WRITTEN_AT_ONCE", 2)
    monkeypatch.setattr(import_pages, "SHOWN_ROWS", 2)
    rows = "".join(f"весна;;8 (342) 000-10-0{number};строка {number}\n" for number in range(5))
    address = await brought(maria, f"list;name;phone;note\n{rows}".encode())
    lines = (await (await maria.get(f"{address}/refused.csv")).read()).decode("utf-8-sig").splitlines()
    assert [line.partition(";")[0] for line in lines] == ["list", *["весна"] * 5]
    assert [line.split(";")[3] for line in lines[1:]] == [f"строка {number}" for number in range(5)]
    assert (await maria.text(address)).count("The organisation has no name.") == 2
