"""What became of a file, row by row; and the rows that were refused as a file to mend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crm.csv_sheets import csv_bytes
from crm.importing.known import Deal, Known
from crm.importing.mapping import REASON_COLUMNS
from crm.importing.rows import RefusedRow
from crm.problems import Problem
from crm.text_rules import fold

_REASONS: Final = frozenset(fold(name) for name in REASON_COLUMNS.values())


@dataclass(frozen=True)
class Remark:
    """Something worth a look about a row that was taken or merged."""

    line: int
    problem: Problem


@dataclass
class RowChange:
    """What a row changes: whether its organisation and its client are new; the organisation's columns, its attributes
    and the client's source and group by what they were and what they became; and the numbers (E.164 and extension),
    people, deals (day, hundredths, what), former owners, addresses (kind and text) and competitors (names) added."""

    new_organisation: bool = False
    new_client: bool = False
    columns: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    attributes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    client: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    numbers: list[tuple[str, str]] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)
    former_owners: list[str] = field(default_factory=list)
    addresses: tuple[tuple[str, str], ...] = ()  # few rows have them, and a file has many
    competitors: tuple[str, ...] = ()

    def as_stored(self) -> dict[str, Any]:
        """What there is of it, for a column of JSON."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass(frozen=True, slots=True)
class TakenRow:
    """A row that was taken or, `merged`, put to a client of the campaign; ids are known once it is written."""

    line: int
    merged: bool
    known: Known
    change: RowChange


@dataclass
class ImportReport:
    """The outcome of an import, or what it would be (`dry_run`).

    Of the `rows` of the file that were asked for, each was `taken` (a client more in the campaign), `merged` (it is in
    the campaign; blanks were filled in) or `refused`: the three add up to `rows`. `not_selected` rows are of other
    lists than the one asked for. The counts by list, group and source are of the taken; `used` holds the taken and the
    merged, `made` the ids of new lists and sources.
    """

    header: tuple[str, ...]
    encoding: str
    delimiter: str
    dry_run: bool
    rows: int = 0
    not_selected: int = 0
    taken: int = 0
    merged: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    used: list[TakenRow] = field(default_factory=list)
    made: dict[str, list[int]] = field(default_factory=dict)
    by_list: Counter[str] = field(default_factory=Counter)
    by_group: Counter[str] = field(default_factory=Counter)
    by_source: Counter[str] = field(default_factory=Counter)


def english(problem: Problem) -> str:
    """The English sentence of a problem."""
    return problem.in_english()


def refused_csv(
    report: ImportReport,
    *,
    words: Callable[[Problem], str] = english,
    reason_column: str = REASON_COLUMNS["en"],
    list_column: tuple[str, str] | None = None,
    first: bool = True,
) -> bytes:
    """The refused rows with all their columns and one more that says why, as CSV for a spreadsheet (UTF-8 with BOM,
    semicolons). Mended, the file can be imported as it is: that column (one of `REASON_COLUMNS`) is passed over.
    When they are not the `first` they follow in a file that has been begun.
    `list_column`: heading and name of the list, where no column of the file says it.

    A cell that a spreadsheet would compute gets an apostrophe in front, which the import takes off again.
    """
    kept = [place for place, name in enumerate(report.header) if fold(name) not in _REASONS]
    heading, value = ([each] for each in list_column) if list_column else ([], [])
    head: list[str] = [*(report.header[place] for place in kept), *heading, reason_column]
    rows: list[Sequence[str]] = [head] if first else []
    for row in report.refused:
        cells = [row.raw[place] if place < len(row.raw) else "" for place in kept]
        surplus = row.raw[len(report.header) :]
        rows.append([*cells, *value, " ".join(words(problem) for problem in row.problems), *surplus])
    return csv_bytes(rows, first=first)
