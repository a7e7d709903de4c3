"""The sales book as a file for a spreadsheet: CSV or a workbook, in the reader's language."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date, tzinfo
from typing import Final

import xlsxwriter

from crm.csv_sheets import csv_bytes
from crm.reading.sales_book import DealRow, whole_units
from dialer.shown.deal_words import ReasonNames, stage_name
from dialer.words import Words

XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_WIDTHS: Final = (8, 40, 22, 28, 16, 8, 14, 24, 22, 26, 12, 12, 12, 12, 12, 44)
_SUM: Final = 4

Cell = str | int | date | None


def _heading(words: Words) -> list[str]:
    gettext = words.gettext
    return [
        gettext("No."), gettext("Client"), gettext("Campaign"), gettext("Product"), gettext("Sum"),
        gettext("Currency"), gettext("Deal stage"), gettext("Why lost"), gettext("Whose deal"),
        gettext("Contact person"),
        gettext("Opened"), gettext("Expected"), gettext("Contract"), gettext("First delivery"),
        gettext("First payment"), gettext("Note"),
    ]  # fmt: skip


def _cells(row: DealRow, words: Words, reasons: ReasonNames, zone: tzinfo) -> list[Cell]:
    return [
        row.id, row.organisation, row.campaign, row.product, row.amount_minor, row.currency,
        stage_name(words, row.stage), reasons.of(row.campaign_id, row.lost_reason), row.owner, row.person,
        row.opened_at.astimezone(zone).date(), row.expected_on, row.contract_on, row.delivered_on, row.paid_on,
        row.note,
    ]  # fmt: skip


def book_csv(rows: Sequence[DealRow], words: Words, reasons: ReasonNames, zone: tzinfo) -> bytes:
    """Sums with two decimals, days as 2026-12-31."""
    point = "," if words.language == "ru" else "."

    def text(column: int, cell: Cell) -> str:
        if cell is None:
            return ""
        if column == _SUM and isinstance(cell, int):
            return f"{cell // 100}{point}{cell % 100:02}"
        return cell.isoformat() if isinstance(cell, date) else str(cell)

    cells = (_cells(row, words, reasons, zone) for row in rows)
    return csv_bytes([_heading(words), *([text(*each) for each in enumerate(row)] for row in cells)])


def book_workbook(rows: Sequence[DealRow], words: Words, reasons: ReasonNames, zone: tzinfo) -> bytes:
    """An XLSX: sums are numbers, days are days, and nothing that somebody wrote is ever a formula or a link."""
    file = io.BytesIO()
    harmless = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(file, {"in_memory": True, **harmless}) as book:
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        plain = book.add_format({"text_wrap": True, "valign": "top"})
        total = book.add_format({"num_format": "#,##0.00", "valign": "top"})
        on_day = book.add_format({"num_format": "dd.mm.yyyy", "valign": "top"})
        sheet = book.add_worksheet()
        for column, (heading, width) in enumerate(zip(_heading(words), _WIDTHS, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, heading, head)
        for number, row in enumerate(rows, start=1):
            for column, cell in enumerate(_cells(row, words, reasons, zone)):
                if column == _SUM and isinstance(cell, int):
                    sheet.write_number(number, column, whole_units(cell), total)
                elif isinstance(cell, int):
                    sheet.write_number(number, column, cell, plain)
                elif isinstance(cell, date):
                    sheet.write_datetime(number, column, cell, on_day)
                elif cell:
                    sheet.write_string(number, column, cell, plain)
        sheet.freeze_panes(1, 2)
        if rows:
            sheet.autofilter(0, 0, len(rows), len(_WIDTHS) - 1)
    return file.getvalue()
