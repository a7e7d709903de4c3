"""A call list as a workbook for the customer: they mark whom to call, and the marks are read again.

The words of the workbook are handed in: it is written in one language and may come back in another's hands.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from crm.errors import Refused
from crm.importing.cells import MAX_CELL, Table
from crm.importing.list_marks import ListedClient, Mark
from crm.importing.tables import read_table
from crm.text_rules import fold

LARGEST_BYTES: Final = 16 * 1024 * 1024
LONGEST_REMARK: Final = 2_000
_WIDTHS: Final = (8, 44, 18, 26, 14, 26, 22, 14, 44)
_NUMBER: Final = 0
_AGREED: Final = 7
_REMARK: Final = 8
_ALSO_YES: Final = frozenset({"+", "1", "v", "✓", "true", "д", "y"})
_ALSO_NO: Final = frozenset({"-", "–", "—", "0", "x", "х", "false", "н", "n"})


@dataclass(frozen=True, slots=True)
class SheetWords:
    """The words of a workbook in one language: the `headings` of its nine columns (number, organisation, city,
    industry, tax number, site, source, whether to call, remarks), what is chosen there, and what is said when something
    else is typed."""

    headings: tuple[str, str, str, str, str, str, str, str, str]
    yes: str
    no: str
    choose: str


def list_workbook(clients: Sequence[ListedClient], words: SheetWords) -> bytes:
    """An XLSX: the header is locked and stays in sight, marks are chosen from a list, and nothing that somebody wrote
    in the base is ever a formula or a link. Only the two columns for the customer can be changed."""
    file = io.BytesIO()
    harmless = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(file, {"in_memory": True, **harmless}) as book:
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        plain = book.add_format({"text_wrap": True, "valign": "top"})
        open_cell = book.add_format({"text_wrap": True, "valign": "top", "locked": False, "bg_color": "#FFF8E1"})
        sheet = book.add_worksheet()
        for column, (heading, width) in enumerate(zip(words.headings, _WIDTHS, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, heading, head)
        for row, client in enumerate(clients, start=1):
            _write(sheet, row, client, words, (plain, open_cell))
        sheet.freeze_panes(1, 2)
        if clients:
            choice = {"validate": "list", "source": [words.yes, words.no], "error_message": words.choose}
            sheet.data_validation(1, _AGREED, len(clients), _AGREED, choice)
        sheet.protect("", {"format_columns": True, "format_rows": True})
    return file.getvalue()


def _write(sheet: Worksheet, row: int, client: ListedClient, words: SheetWords, formats: Sequence[object]) -> None:
    plain, open_cell = formats
    texts = (client.organisation, client.city, client.industry, client.tax_number, client.site, client.source)
    sheet.write_number(row, _NUMBER, client.client_id, plain)
    for column, text in enumerate(texts, start=1):
        sheet.write_string(row, column, text[:MAX_CELL], plain)
    marked = {None: "", True: words.yes, False: words.no}[client.agreed]
    # An empty string would be no cell at all, and the column would be locked there.
    for column, text in ((_AGREED, marked), (_REMARK, client.remark)):
        if text:
            sheet.write_string(row, column, text[:MAX_CELL], open_cell)
        else:
            sheet.write_blank(row, column, None, open_cell)


def read_marks(content: bytes, known: Collection[SheetWords]) -> list[Mark]:
    """The marks in a workbook that came back, in any language of `known`. This may take seconds: a service asks for it
    in a thread. Raises `Refused` for what is no such workbook, and with the row for a mark that says neither yes nor
    no, a client's number that is none, and a client who is marked twice and differently."""
    if len(content) > LARGEST_BYTES:
        raise Refused("table.too_big", limit_mb=LARGEST_BYTES // 1024 // 1024)
    table = read_table(content)
    places = [_place(table, known, column) for column in (_NUMBER, _AGREED, _REMARK)]
    yes = {fold(words.yes) for words in known} | _ALSO_YES
    no = {fold(words.no) for words in known} | _ALSO_NO
    marks: dict[int, Mark] = {}
    for row in table.rows:
        number, typed, remark = (row.cells[place].strip() if place < len(row.cells) else "" for place in places)
        if not (number or typed or remark):
            continue
        if not (number.isascii() and number.isdecimal() and len(number) <= 9):
            raise Refused("list.marks_number", row=row.line, value=number)
        if len(remark) > LONGEST_REMARK:
            raise Refused("list.marks_too_long", row=row.line, limit=LONGEST_REMARK)
        mark = Mark(row.line, int(number), _said(typed, row.line, yes, no), remark)
        before = marks.get(mark.client_id)
        if before is not None and before.agreed is not mark.agreed:
            raise Refused("list.marks_twice", row=row.line, first=before.row)
        marks[mark.client_id] = mark
    return list(marks.values())


def _place(table: Table, known: Collection[SheetWords], column: int) -> int:
    wanted = [words.headings[column] for words in known]
    header = [fold(name) for name in table.header]
    found = next((header.index(fold(name)) for name in wanted if fold(name) in header), None)
    if found is None:
        raise Refused("list.marks_no_column", name=wanted[0])
    return found


def _said(typed: str, row: int, yes: Collection[str], no: Collection[str]) -> bool | None:
    if not typed:
        return None
    if fold(typed) in yes:
        return True
    if fold(typed) in no:
        return False
    raise Refused("list.marks_unclear", row=row, value=typed)
