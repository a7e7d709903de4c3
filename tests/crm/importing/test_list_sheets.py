"""The workbook for the customer: what is in it, what can be changed there, and what is read when it comes back."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace

import pytest
import xlsxwriter

from crm.errors import Refused
from crm.importing.list_marks import ListedClient, Mark, listed_clients
from crm.importing.list_sheets import LARGEST_BYTES, SheetWords, list_workbook, read_marks
from crm.importing.tables import read_table
from tests.crm.builders import World

RU = SheetWords(
    ("№", "Организация", "Город", "Отрасль", "ИНН", "Сайт", "Источник", "Звонить?", "Замечания"),
    "да",
    "нет",
    "да или нет",
)
EN = SheetWords(
    ("No.", "Organisation", "City", "Industry", "Tax number", "Site", "Source", "Call them?", "Remarks"),
    *("yes", "no", "yes or no"),
)
NOBODY = ListedClient(1, "", "", "", "", "", "", None, "")
HOSTILE = ("=1+1", "+7 342", "@SUM(A1)", "-2", "http://example.org", "007", "{=A1}", '=HYPERLINK("http://x","y")')


def sheet_of(content: bytes, part: str = "xl/worksheets/sheet1.xml") -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(part).decode()


def workbook(rows: Sequence[Sequence[str]]) -> bytes:
    """As somebody might have made it by hand."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                sheet.write_string(row, column, cell)
    return file.getvalue()


def test_what_somebody_wrote_is_neither_formula_nor_link() -> None:
    clients = [replace(NOBODY, client_id=n, organisation=text, remark=text) for n, text in enumerate(HOSTILE, start=1)]
    content = list_workbook(clients, RU)
    assert re.findall(r"<f[ >]|<hyperlink", sheet_of(content)) == []
    table = read_table(content)
    assert table.header == RU.headings
    assert [(row.cells[1], row.cells[8]) for row in table.rows] == [(text, text) for text in HOSTILE]


def test_only_the_customers_two_columns_can_be_changed() -> None:
    content = list_workbook([NOBODY, replace(NOBODY, client_id=2, agreed=True)], EN)
    sheet = sheet_of(content)
    assert "<sheetProtection" in sheet
    assert 'ySplit="1"' in sheet
    assert re.search(r'<dataValidation type="list"[^>]*sqref="H2:H3"[^>]*>.*"yes,no"', sheet)
    styles = re.findall(r"<xf [^>]*?(?:/>|>.*?</xf>)", sheet_of(content, "xl/styles.xml").split("<cellXfs")[1])
    unlocked = {str(place) for place, style in enumerate(styles) if 'locked="0"' in style}
    open_cells = {cell for cell, style in re.findall(r'<c r="([A-Z]+\d+)" s="(\d+)"', sheet) if style in unlocked}
    assert open_cells == {"H2", "H3", "I2", "I3"}


@pytest.mark.parametrize("words", [RU, EN])
def test_marks_come_back_as_they_were_made(words: SheetWords) -> None:
    clients = [
        replace(NOBODY, client_id=70, agreed=True), replace(NOBODY, client_id=12, agreed=False, remark="наш партнёр"),
        replace(NOBODY, client_id=5),
    ]  # fmt: skip
    marks = [Mark(2, 70, True, ""), Mark(3, 12, False, "наш партнёр"), Mark(4, 5, None, "")]
    assert read_marks(list_workbook(clients, words), [EN, RU]) == marks


def test_columns_are_found_by_their_names_and_marks_in_any_case() -> None:
    rows = [("Замечания", "ЗВОНИТЬ?", "№"), ("", "Да", "1"), ("лишний", " НЕТ ", "2"), ("", "+", "3"), ("", "", "")]
    csv = "\n".join(";".join(row) for row in rows).encode()
    for content in (workbook(rows), csv):
        marks = read_marks(content, [EN, RU])
        assert [(mark.client_id, mark.agreed, mark.remark) for mark in marks] == [
            (1, True, ""), (2, False, "лишний"), (3, True, "")
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "code", "params"),
    [
        ([("№", "Организация"), ("1", "А")], "list.marks_no_column", {"name": "Call them?"}),
        ([RU.headings, ("1", *[""] * 6, "может быть", "")], "list.marks_unclear", {"row": 2, "value": "может быть"}),
        ([RU.headings, ("А", *[""] * 6, "да", "")], "list.marks_number", {"row": 2, "value": "А"}),
        ([RU.headings, ("1", *[""] * 6, "да", "я" * 2_001)], "list.marks_too_long", {"row": 2, "limit": 2_000}),
        (
            [RU.headings, ("1", *[""] * 6, "да", ""), ("1", *[""] * 6, "нет", "")],
            "list.marks_twice",
            {"row": 3, "first": 2},
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_row(
    rows: list[tuple[str, ...]], code: str, params: dict[str, object]
) -> None:
    with pytest.raises(Refused) as refused:
        read_marks(workbook(rows), [EN, RU])
    assert (refused.value.code, refused.value.params) == (code, params)


def test_what_is_no_workbook_is_refused() -> None:
    for content in (b"PK\x03\x04 broken", b"%PDF-1.7", b"", bytes(LARGEST_BYTES + 1)):
        with pytest.raises(Refused) as refused:
            read_marks(content, [RU])
        assert refused.value.code.startswith("table.")


async def test_the_list_has_who_is_on_it_by_name(world: World) -> None:
    second, first = await world.client("Ветер"), await world.client("Альфа")
    async with world.database.reading() as session:
        found = await listed_clients(session, world.call_list_id)
    assert [(each.client_id, each.organisation, each.agreed) for each in found] == [
        (first, "Альфа", None),
        (second, "Ветер", None),
    ]
