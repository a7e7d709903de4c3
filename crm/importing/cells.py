"""A table of cells, whatever file it came from, and how large one may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, NamedTuple

from crm.errors import Refused
from crm.importing.heading import LOOKED_AT, header_place
from crm.text_rules import fold, tidy

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_CELL: Final = 32_767  # what a cell of a spreadsheet can hold
MAX_COLUMNS: Final = 500
MAX_CELLS: Final = 10_000_000  # of a table: what a service can hold beside its work


class Row(NamedTuple):
    """A record: the line of the file (from 1) on which it begins, and its cells as they stand there."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A file read: `rows` in order, without the wholly empty ones; they may be shorter or longer than the header.
    `form` is one of `foreign.FORMS`; `part` is the sheet or table that was read, of all its `parts`. `encoding` and
    `delimiter` are "" where the form says them by itself."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str
    delimiter: str
    form: str = "csv"
    part: str = ""
    parts: tuple[str, ...] = ()


def within_limits(line: int, cells: tuple[str, ...]) -> Row | None:
    """The row, or `None` for one without a word in it. Raises `Refused` for one too wide or with a cell too long."""
    if len(cells) > MAX_COLUMNS:
        raise Refused("table.too_many_columns", line=line, limit=MAX_COLUMNS)
    longest = max(map(len, cells), default=0)
    if longest > MAX_CELL:
        raise Refused("table.cell_too_long", line=line, limit=MAX_CELL)
    if longest and any(cell.strip() for cell in cells):
        return Row(line, cells)
    return None


def header_and_rows(records: Iterable[Row]) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    """The header, the first record or one below a title, without the empty columns at its end, and the rows below.
    Raises `Refused` when there is no header, when it says a name twice or leaves one out, or has no rows."""
    records = iter(records)
    beginning = list(islice(records, LOOKED_AT))
    if not beginning:
        raise Refused("table.empty")
    place = header_place([record.cells for record in beginning])
    header = [tidy(cell) for cell in beginning[place].cells]
    rows: list[Row] = []
    count = 0
    for row in chain(beginning[place + 1 :], records):
        count += len(row.cells)
        if count > MAX_CELLS:
            raise Refused("table.too_many_cells", limit=MAX_CELLS)
        rows.append(row)
    while header and not header[-1]:
        header.pop()
    _refuse_header(header, rows)
    if not rows:
        raise Refused("table.no_rows")
    return tuple(header), tuple(rows)


def _refuse_header(header: list[str], rows: list[Row]) -> None:
    if not header:
        raise Refused("table.unnamed_column", number=1)
    counts = Counter(fold(name) for name in header if name)
    twice = [name for name in header if counts[fold(name)] > 1]
    if twice:
        raise Refused("table.duplicate_columns", names=", ".join(twice))
    for at, name in enumerate(header):
        if not name and any(len(row.cells) > at and row.cells[at].strip() for row in rows):
            raise Refused("table.unnamed_column", number=at + 1)
