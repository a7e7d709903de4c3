"""A file on its way into a campaign: read and tried, looked at and corrected, then confirmed or discarded. How its
rows are kept meanwhile is `crm.importing.keeping`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.base.erasure_rows import Erasure
from crm.base.tombstones import OF_ERASED
from crm.errors import Refused
from crm.importing.area_codes import read_area_code
from crm.importing.clients import Progress, import_clients
from crm.importing.imports import Import, ImportFile, ImportRow, ImportState, RowEnd, UnderWay, as_shown, get_import
from crm.importing.report import ImportReport, Remark
from crm.importing.rows import RefusedRow
from crm.importing.tables import Table
from crm.importing.written_values import read_time_zone
from crm.preparation.campaigns import Campaign
from crm.problems import Problem
from crm.text_rules import tidy

SAMPLE: Final = 5  # rows that are shown beside the mapping
BEGINNING_CELLS: Final = 8  # of each row that may be the header
_SAMPLE_LETTERS: Final = 80
_BEGINNING_LETTERS: Final = 30
_SAID_LETTERS: Final = 200  # of a cell in the sentence about it


@dataclass(frozen=True)
class Choices:
    """What people say about a file: column to field, the list for all rows or the one to pick, the area code of numbers
    without one, and the time zone of rows that say none, as it was typed; the row of the header (0: there is none)
    unless it was found."""

    mapping: Mapping[str, str]
    list_name: str = ""
    area_code: str = ""
    time_zone: str = ""
    header_row: int | None = None


@dataclass(frozen=True)
class Tried:
    """How a dry run ended: with a report, or with the reason why there can be none. `erasure_id`: the last erasure that
    it knew of, 0 for none."""

    report: ImportReport | None
    trouble: list[Any] = field(default_factory=list)
    erasure_id: int = 0


async def try_out(
    session: AsyncSession,
    *,
    campaign: Campaign,
    table: Table,
    choices: Choices,
    region: str,
    now: datetime,
    progress: Progress | None = None,
) -> Tried:
    """A dry run; nothing is written."""
    erasure_id = await last_erasure(session)
    try:
        report = await import_clients(
            session, campaign=campaign, table=table, mapping=choices.mapping, list_name=choices.list_name or None,
            area_code=read_area_code(choices.area_code), time_zone=read_time_zone(choices.time_zone), region=region,
            now=now, dry_run=True, progress=progress,
        )  # fmt: skip
    except Refused as refused:
        return Tried(None, [refused.code, _storable(refused.params)], erasure_id)
    return Tried(report, [], erasure_id)


async def last_erasure(session: AsyncSession) -> int:
    """The number of the last erasure, 0 when nobody was erased yet."""
    return await session.scalar(select(func.max(Erasure.id))) or 0


def tells_of_erased(problems: Sequence[Any]) -> bool:
    """Whether a row was refused as one of somebody who was erased: nothing of it is kept."""
    return any(code in OF_ERASED for code, _ in problems)


async def content_of(session: AsyncSession, import_id: int) -> bytes:
    """The file of a staged import. Raises `Refused` when it is staged no more, or has been let go of."""
    content = await session.scalar(select(ImportFile.content).where(ImportFile.import_id == import_id))
    if content is None:
        staged = (await get_import(session, import_id)).state is ImportState.STAGED
        raise Refused("import.file_gone" if staged else "import.wrong_state", number=import_id)
    return content


async def discard(
    session: AsyncSession, *, import_id: int, version: int | None, now: datetime, author_id: int | None = None
) -> Import:
    """Forget the file; its rows follow step by step. That it was there stays known. One that is being read may be
    discarded, too. Raises `Conflict`, `NotFound`, `Refused`."""
    staged = await get_import(session, import_id, lock=True)
    if staged.under_way is not UnderWay.STAGING:
        as_shown(staged, version, ImportState.STAGED)
    await put_away(session, staged, now=now, author_id=author_id, details={"file": staged.file_name})
    return staged


async def put_away(
    session: AsyncSession, staged: Import, *, now: datetime, author_id: int | None, details: dict[str, Any]
) -> None:
    """Discard an import, with `details` for the audit. The caller holds its row."""
    staged.state, staged.under_way, staged.step_at, staged.done = ImportState.DISCARDED, UnderWay.DISCARDING, None, 0
    staged.sample, staged.beginning = [], []
    await session.execute(delete(ImportFile).where(ImportFile.import_id == staged.id))
    audit.note(
        session, at=now, user_id=author_id, action=audit.IMPORT_DISCARDED, subject=f"import:{staged.id}",
        details=details,
    )  # fmt: skip
    await session.flush()


async def refused_of(session: AsyncSession, found: Import, *, limit: int | None = None, after: int = 0) -> ImportReport:
    """The refused rows of an import, as its report had them: all, or the first `limit` behind the line `after`."""
    report = ImportReport(tuple(found.header), found.encoding, found.delimiter, found.state is ImportState.STAGED)
    rows = select(ImportRow.line, ImportRow.problems, ImportRow.cells).order_by(ImportRow.line)
    rows = rows.where(ImportRow.import_id == found.id, ImportRow.ended == RowEnd.REFUSED, ImportRow.line > after)
    for line, problems, cells in await session.execute(rows.limit(limit)):
        report.refused.append(RefusedRow(line, tuple(Problem(code, params) for code, params in problems), tuple(cells)))
    return report


async def remarks_of(session: AsyncSession, found: Import, *, limit: int | None = None) -> list[Remark]:
    """The remarks on rows that were taken or merged, at most `limit`."""
    rows = select(ImportRow.line, ImportRow.problems).order_by(ImportRow.line)
    rows = rows.where(ImportRow.import_id == found.id, ImportRow.ended != RowEnd.REFUSED, ImportRow.remarked)
    remarks = [
        Remark(line, Problem(code, params))
        for line, problems in await session.execute(rows.limit(limit))
        for code, params in problems
    ]
    return remarks[:limit]


def _area_code(choices: Choices) -> str:
    """As it is read; what is none stands as it was typed, to be mended."""
    try:
        return read_area_code(choices.area_code)
    except Refused:
        return choices.area_code[:5]


def _time_zone(choices: Choices) -> str:
    try:
        return read_time_zone(choices.time_zone)
    except Refused:
        return tidy(choices.time_zone)[:60]


def put_what_was_read(into: Import, table: Table, choices: Choices, tried: Tried) -> None:
    """Write down how the file was read, what people say about it, and what its rows would become."""
    report = tried.report
    hidden = {row.line for row in report.refused if row.code in OF_ERASED} if report else set()
    into.form, into.encoding, into.delimiter = table.form, table.encoding, table.delimiter
    into.part, into.parts, into.header = table.part, list(table.parts), list(table.header)
    into.mapping, into.list_name, into.area_code = dict(choices.mapping), tidy(choices.list_name), _area_code(choices)
    into.time_zone = _time_zone(choices)
    into.header_row, into.header_said = table.header_row, choices.header_row is not None
    into.beginning = [[row.line, _shortened(row.cells)] for row in table.beginning if row.line not in hidden]
    shown = islice((row for row in table.rows if row.line not in hidden), SAMPLE)
    into.sample = [[cell[:_SAMPLE_LETTERS] for cell in row.cells] for row in shown]
    into.trouble = tried.trouble
    into.row_count = report.rows if report else 0
    into.taken, into.merged = (report.taken, report.merged) if report else (0, 0)
    into.refused = len(report.refused) if report else 0
    into.not_selected = report.not_selected if report else 0
    into.made = dict(report.made) if report else {}


def _shortened(cells: Sequence[str]) -> list[str]:
    return [tidy(cell)[:_BEGINNING_LETTERS] for cell in cells[:BEGINNING_CELLS]]


def became_of(report: ImportReport) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of a report and what became of each, or would: columns of `ImportRow`."""
    remarks: dict[int, list[Any]] = defaultdict(list)
    for remark in report.remarks:
        remarks[remark.line].append([remark.problem.code, _storable(remark.problem.params)])
    for refused in report.refused:
        problems = [[each.code, _storable(each.params)] for each in refused.problems]
        yield refused.line, {"ended": RowEnd.REFUSED, "problems": problems, "remarked": bool(problems)}
    for used in report.used:
        problems = remarks.get(used.line, [])
        ended = RowEnd.MERGED if used.merged else RowEnd.TAKEN
        yield used.line, {"ended": ended, "problems": problems, "remarked": bool(problems)}


def _storable(params: Mapping[str, object]) -> dict[str, Any]:
    """Parameters of a sentence, for JSON."""
    return {name: value if isinstance(value, int | float) else _said(str(value)) for name, value in params.items()}


def _said(cell: str) -> str:
    return cell if len(cell) <= _SAID_LETTERS else f"{cell[: _SAID_LETTERS - 1]}…"
