"""Files into tables, whatever they are: what a file is, is told by its first bytes and never by its name."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Final

from crm.errors import Refused
from crm.importing.cells import MAX_BYTES, MAX_CELL, MAX_CELLS, MAX_COLUMNS, Row, Table
from crm.importing.delimited import DELIMITERS, ENCODINGS, read_text
from crm.importing.foreign import ACCESS, WORKBOOK, read_foreign

__all__ = [
    "DELIMITERS", "ENCODINGS", "MAX_BYTES", "MAX_CELL", "MAX_CELLS", "MAX_COLUMNS", "Row", "Table", "content_of",
    "read_table",
]  # fmt: skip

_FOREIGN: Final = {
    b"PK\x03\x04": WORKBOOK,
    b"\xd0\xcf\x11\xe0": WORKBOOK,
    b"\x00\x01\x00\x00Standard Jet DB": ACCESS,
    b"\x00\x01\x00\x00Standard ACE DB": ACCESS,
}
_MAGIC: Final = {
    b"PK": "ZIP",
    b"%PDF": "PDF",
    b"{\\rtf": "RTF",
    b"\x1f\x8b": "GZIP",
    b"7z\xbc\xaf": "7Z",
    b"Rar!": "RAR",
    b"SQLite format 3": "SQLite",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"\x7fELF": "ELF",
    b"MZ": "EXE",
}
_MARKUP: Final = re.compile(rb"\s*<(?:!doctype|html|\?xml|table)", re.IGNORECASE)


def read_table(
    source: Path | bytes,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    part: str = "",
    header_row: int | None = None,
) -> Table:
    """The table in a CSV, TXT, XLSX, XLS, ODS or Access file, given as its path or its bytes.

    `encoding` and `delimiter` are those of a text (the encoding that of an Access 97 file, too); `part` names the sheet
    of a workbook or the table of a database, else the first with anything in it is read. `header_row` is the row of the
    header as a spreadsheet counts (of a text the line), 0 for no header; it is looked for unless it is named. This may
    take seconds: a service asks for it in a thread. Raises `Refused` with a `table.` code for whatever is no table.
    """
    content = source if isinstance(source, bytes) else content_of(source)
    if len(content) > MAX_BYTES:
        raise Refused("table.too_big", limit_mb=MAX_BYTES // 1024 // 1024)
    if not content.strip():
        raise Refused("table.empty")
    for magic, form in _FOREIGN.items():
        if content.startswith(magic):
            return read_foreign(content, form, part=part, encoding=encoding or "", header_row=header_row)
    _refuse_other_formats(content)
    return read_text(content, encoding=encoding, delimiter=delimiter, header_row=header_row)


def content_of(path: Path) -> bytes:
    """The bytes of a file, as far as they may be read. Raises `Refused`."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Refused("table.cannot_open", path=path, reason=error.strerror or error) from error
    except ValueError as error:  # a NUL in the path
        raise Refused("table.cannot_open", path=path, reason=error) from error


def _refuse_other_formats(content: bytes) -> None:
    for magic, kind in _MAGIC.items():
        if content.startswith(magic):
            raise Refused("table.other_format", kind=kind)
    if _MARKUP.match(content.removeprefix(codecs.BOM_UTF8)[:200]):
        raise Refused("table.other_format", kind="HTML/XML")
