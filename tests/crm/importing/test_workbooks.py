"""Workbooks: what is in the cells, which sheet is read, and what a hostile one ends in."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from crm.errors import Refused
from crm.importing import foreign
from crm.importing.tables import read_table


def workbook(*sheets: Callable[[Worksheet], object]) -> bytes:
    """An XLSX file whose sheets are filled in by `sheets`."""
    file = io.BytesIO()
    book = Workbook(file)
    for fill in sheets:
        fill(book.add_worksheet())
    book.close()
    return file.getvalue()


def rows(*lines: tuple[object, ...]) -> Callable[[Worksheet], None]:
    def fill(sheet: Worksheet) -> None:
        for line, cells in enumerate(lines):
            sheet.write_row(line, 0, cells)

    return fill


SIMPLE = workbook(rows(("Название", "Телефон"), ("Альфа", "8 (342) 000-00-01")))


def refusal(content: bytes, part: str = "") -> Refused:
    with pytest.raises(Refused) as caught:
        read_table(content, part=part)
    return caught.value


def rezipped(content: bytes, change: Callable[[zipfile.ZipInfo, bytes], bytes]) -> bytes:
    """The workbook with its parts changed."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part.filename, change(part, old.read(part)))
    return made.getvalue()


def test_cells_are_read_as_somebody_would_have_typed_them() -> None:
    def fill(sheet: Worksheet) -> None:
        sheet.write_row(2, 0, ("name", "phone", "headcount", "share", "known", "since", "sum"))
        sheet.write_row(4, 0, ("Альфа\nи К", 79120000001, 12, 0.5, True))
        sheet.write_datetime(4, 5, datetime(2026, 3, 30, 13, 42), None)  # noqa: DTZ001 - a cell has no zone
        sheet.write_formula(4, 6, "=C5+1", None, 13)

    table = read_table(workbook(fill))
    assert (table.form, table.encoding, table.delimiter, table.part) == ("xlsx", "", "", "Sheet1")
    assert table.header == ("name", "phone", "headcount", "share", "known", "since", "sum")
    assert [row.line for row in table.rows] == [5]
    cells = table.rows[0].cells
    assert cells[:5] == ("Альфа\nи К", "79120000001", "12", "0.5", "TRUE")
    assert cells[6] == "13"


def test_the_first_sheet_with_anything_in_it_is_read_or_the_one_that_is_named() -> None:
    content = workbook(rows(), rows(("a", "b"), ("1", "2")), rows(("c", "d"), ("3", "4")))
    table = read_table(content)
    assert (table.part, table.parts, table.header) == ("Sheet2", ("Sheet1", "Sheet2", "Sheet3"), ("a", "b"))
    assert read_table(content, part="Sheet3").header == ("c", "d")
    error = refusal(content, part="Sheet4")
    assert (error.code, error.params["parts"]) == ("table.no_part", "Sheet1, Sheet2, Sheet3")


def with_a_size(declared: int) -> bytes:
    """The workbook; a part of it is of another size, says the directory of the archive."""
    content = bytearray(SIMPLE)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = archive.getinfo("xl/styles.xml").file_size.to_bytes(4, "little")
    at = content.rindex(size)
    content[at : at + 4] = declared.to_bytes(4, "little")
    return bytes(content)


def with_macros() -> bytes:
    made = io.BytesIO(SIMPLE)
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"Sub Auto_Open()")
    return made.getvalue()


def sparse() -> bytes:
    """Two cells in opposite corners: a grid of seventeen thousand million cells."""
    return workbook(lambda sheet: (sheet.write(0, 0, "name"), sheet.write(1_048_575, 16_383, "x")))


def encrypted() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1016) + "EncryptedPackage".encode("utf-16-le") + bytes(512)


def macros_of_old() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "Workbook_VBA_PROJECT".encode("utf-16-le") + bytes(512)


def a_letter() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("word/document.xml", "<w:document/>")
    return made.getvalue()


def entities() -> bytes:
    """A few hundred bytes that a careless reader unfolds into gigabytes."""
    declared = '<!DOCTYPE x [<!ENTITY a0 "aaaaaaaaaa">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)
    )

    def change(part: zipfile.ZipInfo, content: bytes) -> bytes:
        if part.filename != "xl/sharedStrings.xml":
            return content
        return f"<?xml version='1.0'?>{declared}]><sst><si><t>&a9;</t></si></sst>".encode()

    return rezipped(SIMPLE, change)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a zip bomb": (lambda: with_a_size(4_000_000_000), "table.zip_bomb"),
    "a zip bomb whose directory lies": (lambda: with_a_size(10), "table.damaged"),
    "macros": (with_macros, "table.macros"),
    "macros of old": (macros_of_old, "table.macros"),
    "a password": (encrypted, "table.encrypted"),
    "two cells in opposite corners": (sparse, "table.too_demanding"),
    "truncated": (lambda: SIMPLE[: len(SIMPLE) // 2], "table.damaged"),
    "only the first bytes": (lambda: b"PK\x03\x04\x14\x00", "table.damaged"),
    "an old workbook cut short": (lambda: b"\xd0\xcf\x11\xe0" + "Workbook".encode("utf-16-le"), "table.damaged"),
    "a letter that is called a workbook": (a_letter, "table.other_format"),
    "entities that unfold": (entities, "table."),
    "16,000 columns": (
        lambda: workbook(rows(tuple(f"c{n}" for n in range(16_000)), ("1",))), "table.too_many_columns",
    ),
    "a cell of 10 MB": (
        lambda: rezipped(
            SIMPLE, lambda part, content: content.replace("Альфа".encode(), b"x" * 10_000_000)
        ),
        "table.cell_too_long",
    ),
    "one text that a thousand cells share": (
        lambda: workbook(rows(("name", "phone"), *[("\U0001f600" * 16_000,)] * 400)), "table.too_demanding",
    ),
    "duplicate headers": (lambda: workbook(rows(("Имя", "имя"), ("1", "2"))), "table.duplicate_columns"),
    "a header alone": (lambda: workbook(rows(("Имя", "Телефон"))), "table.no_rows"),
    "nothing at all": (lambda: workbook(rows()), "table.empty"),
    "only formulas that were never computed": (
        lambda: workbook(lambda sheet: sheet.write_formula(0, 0, '=HYPERLINK("http://a.invalid")', None, "")),
        "table.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_workbook_ends_in_a_clear_message(name: str) -> None:
    make, code = HOSTILE[name]
    assert refusal(make()).code.startswith(code)


def test_a_process_that_takes_too_long_is_ended_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "_SECONDS", 0.001)
    assert refusal(SIMPLE).code == "table.too_demanding"


def test_a_workbook_is_one_whatever_its_name_is(tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_bytes(SIMPLE)
    assert read_table(file).form == "xlsx"
    file = tmp_path / "firms.xlsx"
    file.write_text("name;phone\nA;1\n")
    assert read_table(file).form == "csv"


def test_the_header_of_a_workbook_is_said_by_the_row_that_the_spreadsheet_shows() -> None:
    def fill(sheet: Worksheet) -> None:
        for row, line in ((2, ("Май", "Июнь")), (4, ("Кто", "Куда")), (5, ("Ромашка", "8 (831) 000-00-01"))):
            sheet.write_row(row, 1, line)

    content = workbook(fill)
    assert (read_table(content).header_row, read_table(content).rows[-1].line) == (3, 6)
    table = read_table(content, header_row=5)
    assert [each for each in table.header if each] == ["Кто", "Куда"]
    assert [row.line for row in table.rows] == [6]
    untitled = read_table(content, header_row=0)
    assert [row.line for row in untitled.rows] == [3, 5, 6]
    assert untitled.header == ("B", "C"), "the sheet begins in column B"
