"""Workbooks and databases into tables, read by a process of its own that may use so much memory and time and no more:
a file that was made to do harm ends that process, not the service."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from crm.errors import Refused
from crm.importing import reader_process
from crm.importing.cells import Table, header_and_rows, within_limits
from crm.importing.delimited import guess_encoding, known_encoding

WORKBOOK: Final = "workbook"
ACCESS: Final = "access"
FORMS: Final = ("csv", "xlsx", "xls", "xlsb", "ods", "access", "access97")
"""What a `Table.form` may be."""

_SECONDS: Final = 90
_RAW: Final = "latin-1"  # one letter for each byte: what Access 97 wrote, before anybody has said what it means


def read_foreign(
    content: bytes, kind: str, *, part: str = "", encoding: str = "", header_row: int | None = None
) -> Table:
    """The sheet or table `part` (else the first with anything in it) of a workbook or an Access database.

    `encoding` counts for Access 97, which keeps text in eight bits; it is guessed unless it is named. `header_row` is
    as in `header_and_rows`; the first row of an Access table are the names of its fields. Raises `Refused`.
    """
    if kind == ACCESS and header_row == 0:
        raise Refused("table.fields_have_names")
    told, lines = _told(content, kind, part)
    form, found, parts = told["form"], told["part"], tuple(told["parts"])
    spoken = ""
    rows: Iterator[tuple[int, tuple[str, ...]]] = (_row(line) for line in lines)
    if form == "access97":
        raw = list(rows)
        spoken = known_encoding(encoding) if encoding else _guess(raw)
        rows = ((line, tuple(_spoken(cell, spoken, line) for cell in cells)) for line, cells in raw)
    records = (row for row in (within_limits(*each) for each in rows) if row is not None)
    parted = header_and_rows(records, header_row, first_column=told["first_column"])
    return Table(parted.header, parted.rows, spoken, "", form, found, parts, parted.header_row, parted.beginning)


def _row(line: bytes) -> tuple[int, tuple[str, ...]]:
    number, cells = json.loads(line)
    return number, tuple(cells)


def _guess(rows: list[tuple[int, tuple[str, ...]]]) -> str:
    text = "\n".join(" ".join(cells) for _, cells in rows)
    return guess_encoding(text.encode(_RAW))


def _spoken(cell: str, encoding: str, line: int) -> str:
    try:
        return cell.encode(_RAW).decode(encoding)
    except UnicodeError as error:
        raise Refused("table.wrong_encoding", encoding=encoding, line=line) from error


def _told(content: bytes, kind: str, part: str) -> tuple[dict[str, Any], list[bytes]]:
    """What the process said of the file, and its rows as it wrote them. Raises `Refused`."""
    with tempfile.TemporaryDirectory(prefix="dialer-import-") as folder:
        file = Path(folder, "file")
        file.write_bytes(content)
        command = [sys.executable, "-I", str(Path(reader_process.__file__)), kind, str(file), part]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise Refused("table.too_demanding") from None
    lines = done.stdout.splitlines()
    last = _object(lines[-1]) if lines else {}
    if "error" in last:
        raise Refused(last["error"], **last["params"])
    if done.returncode != 0 or "end" not in last:
        raise Refused("table.too_demanding")
    return _object(lines[0]), lines[1:-1]


def _object(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
