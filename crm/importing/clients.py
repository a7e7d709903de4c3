"""Clients out of a table into a campaign: each row taken, merged or refused, and none lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.base.tombstones import Erasures
from crm.errors import Refused
from crm.importing.known import KnownOrganisations
from crm.importing.mapping import Columns, columns_of
from crm.importing.report import ImportReport, Remark
from crm.importing.rows import ClientRow, RefusedRow, list_of, read_row
from crm.importing.settling import Settling
from crm.importing.tables import Row, Table
from crm.importing.writing import Changes, write
from crm.preparation.campaigns import Campaign
from crm.problems import Problem
from crm.text_rules import fold, tidy

Progress = Callable[[int, int], None]
"""Told after each batch how many rows of how many are done."""

BATCH: Final = 500  # rows between two waits for the database, so that a service goes on serving meanwhile


@dataclass(frozen=True)
class Reading:
    """How rows are read: `list_name` (`None`: each row says its list), the `region` (ISO 3166-1) of numbers without a
    country's code, and the area code of those without one; the time zone (IANA) of rows that say none; `today`, after
    which no deal was made."""

    columns: Columns
    list_name: str | None = None
    region: str = "RU"
    area_code: str = ""
    time_zone: str = ""
    today: date | None = None


async def import_clients(
    session: AsyncSession,
    *,
    campaign: Campaign,
    table: Table,
    mapping: Mapping[str, str],
    list_name: str | None = None,
    author_id: int | None = None,
    file_name: str = "",
    region: str = "RU",
    area_code: str = "",
    time_zone: str = "",
    now: datetime,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Import `table` into `campaign`, all in the caller's transaction; `dry_run` reports and writes nothing.

    The audit keeps who imported what: `file_name` is for that. Numbers without a country's code are read as `region`'s;
    those without an area code get that of their city, else `area_code`. Rows that say no time zone are in `time_zone`
    (IANA), "" for that of their city or number.

    `list_name` picks the rows of that list if a column holds lists, and else is the list for all rows; without it each
    row says its list. New lists are drafts; where the campaign asks for approval, a list that waits for it or has it
    takes nobody new. A row about an organisation that is in the campaign is merged: it fills in blanks and adds
    numbers, and what the base says otherwise is kept, with a remark.
    Raises `Refused` with an `import.` code when the mapping does not fit the table or no row is of the list.
    """
    columns = columns_of(table.header, mapping)
    rows = _selected(table, columns, list_name)
    report = ImportReport(table.header, table.encoding, table.delimiter, dry_run)
    report.rows, report.not_selected = len(rows), len(table.rows) - len(rows)
    known = KnownOrganisations(campaign.id, lists_need_approval=campaign.lists_need_approval, held=not dry_run)
    await known.begin(session)
    erasures = await Erasures.read(session)
    reading = Reading(columns, list_name, region, area_code, time_zone, now.date())
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        changes = await settle_rows(session, batch, reading, known, erasures, report)
        if not dry_run:
            await write(session, known, changes, author_id=author_id, now=now)
        if progress is not None:
            progress(start + len(batch), len(rows))
    report.made = known.made
    report.refused.sort(key=lambda row: row.line)
    report.remarks.sort(key=lambda remark: remark.line)
    if not dry_run:
        _note(session, report, campaign=campaign, file_name=file_name, author_id=author_id, now=now)
    return report


async def settle_rows(
    session: AsyncSession,
    rows: list[Row],
    reading: Reading,
    known: KnownOrganisations,
    erasures: Erasures,
    report: ImportReport,
) -> Changes:
    """Take, merge or refuse these rows, in their order, and say so in `report`; what there is to be written."""
    readable = [row for row in _read(rows, reading, report) if not _is_of_erased(row, erasures, report)]
    await known.look_up(session, readable)
    settling = Settling(reading.columns, known, report)
    for row in readable:
        settling.settle(row)
    return settling.changes


def _note(
    session: AsyncSession,
    report: ImportReport,
    *,
    campaign: Campaign,
    file_name: str,
    author_id: int | None,
    now: datetime,
) -> None:
    counts = {"rows": report.rows, "taken": report.taken, "merged": report.merged, "refused": len(report.refused)}
    audit.note(
        session,
        at=now,
        user_id=author_id,
        action=audit.CLIENTS_IMPORTED,
        subject=f"campaign:{campaign.id}",
        details={"file": file_name, "lists": dict(report.by_list), **counts},
    )


def _is_of_erased(row: ClientRow, erasures: Erasures, report: ImportReport) -> bool:
    code = erasures.code_of(
        organisation=row.name, e164s=[phone.e164 for phone in row.phones], tax_number=row.texts["tax_number"],
        person=row.person,
    )  # fmt: skip
    if code:
        report.refused.append(RefusedRow(row.line, (Problem(code),), row.raw))
    return bool(code)


def _selected(table: Table, columns: Columns, list_name: str | None) -> list[Row]:
    """The rows that are asked for. Raises `Refused` when no list is to be had."""
    if "list" not in columns.places:
        if not tidy(list_name or ""):
            raise Refused("import.no_list")
        return list(table.rows)
    if list_name is None:
        return list(table.rows)
    selected = [row for row in table.rows if fold(list_of(row, columns)) == fold(list_name)]
    if not selected:
        lists = dict.fromkeys(list_of(row, columns) for row in table.rows)
        raise Refused("import.list_not_in_file", list=list_name, lists=", ".join(list(lists)[:20]))
    return selected


def _read(rows: list[Row], how: Reading, report: ImportReport) -> list[ClientRow]:
    readable: list[ClientRow] = []
    for row in rows:
        reading = read_row(
            row, how.columns, region=how.region, area_code=how.area_code, time_zone=how.time_zone, today=how.today
        )
        if isinstance(reading, ClientRow) and how.list_name is not None:
            reading = replace(reading, list_name=tidy(how.list_name))
        if isinstance(reading, ClientRow) and not reading.list_name:
            reading = RefusedRow(row.line, (Problem("row.no_list"),), row.cells)
        if isinstance(reading, RefusedRow):
            report.refused.append(reading)
        else:
            report.remarks += [Remark(row.line, problem) for problem in reading.remarks]
            readable.append(reading)
    return readable
