"""A table of cells, whatever file it came from, and how large one may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
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
    `delimiter` are "" where the form says them by itself. `header_row` is the line on which the header was taken to be,
    0 for none, and `beginning` the first records, the header and what stands above it among them."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str
    delimiter: str
    form: str = "csv"
    part: str = ""
    parts: tuple[str, ...] = ()
    header_row: int = 1
    beginning: tuple[Row, ...] = ()


class Parted(NamedTuple):
    """Records parted into the header, on the line `header_row` (0: there is none), and the `rows`."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    header_row: int
    beginning: tuple[Row, ...]


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


def header_and_rows(records: Iterable[Row], header_row: int | None = None, *, first_column: int = 0) -> Parted:
    """The header, without the empty columns at its end, and the rows below it.

    It is the record on the line `header_row`, by `None` the first one or one below a title; by 0 there is none, and
    columns are called by letters, the first by that of `first_column` (from 0). Raises `Refused` when there is no
    header, when it says a name twice or leaves one out, or has no rows.
    """
    records = iter(records)
    beginning = tuple(islice(records, LOOKED_AT))
    if not beginning:
        raise Refused("table.empty")
    following = chain(beginning, records)
    if header_row is None:
        header_row = beginning[header_place([record.cells for record in beginning])].line
    header = _header_of(following, header_row) if header_row else []
    rows: list[Row] = []
    count = 0
    for row in following:
        count += len(row.cells)
        if count > MAX_CELLS:
            raise Refused("table.too_many_cells", limit=MAX_CELLS)
        rows.append(row)
    if header_row:
        _refuse_header(header, rows)
    else:
        header = [letters(first_column + place) for place in range(max(map(_width, rows)))]
    if not rows:
        raise Refused("table.no_rows")
    return Parted(tuple(header), tuple(rows), header_row, beginning)


def letters(place: int) -> str:
    """What a spreadsheet calls the column at `place` (from 0): A, B, ... Z, AA."""
    further, letter = divmod(place, 26)
    return (letters(further - 1) if further else "") + chr(ord("A") + letter)


def _header_of(records: Iterator[Row], line: int) -> list[str]:
    """The header on that line; the records are left at the one behind it."""
    found = next((record for record in records if record.line >= line), None)
    if found is None or found.line != line:
        raise Refused("table.no_header_row", row=line)
    header = [tidy(cell) for cell in found.cells]
    while header and not header[-1]:
        header.pop()
    return header


def _width(row: Row) -> int:
    return max(place for place, cell in enumerate(row.cells, start=1) if cell.strip())


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
