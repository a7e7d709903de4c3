"""A file on its way into a campaign: read and tried, looked at and corrected, then confirmed or discarded."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import Table as DatabaseTable
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.base.organisations import Organisation
from crm.clientele.clients import Client
from crm.errors import Refused
from crm.importing.area_codes import read_area_code
from crm.importing.clients import Progress, import_clients
from crm.importing.imports import Import, ImportFile, ImportRow, ImportState, RowEnd, as_shown, get_import
from crm.importing.report import ImportReport, Remark
from crm.importing.rows import RefusedRow
from crm.importing.tables import Table
from crm.preparation.campaigns import Campaign
from crm.problems import Problem
from crm.text_rules import tidy

SAMPLE: Final = 5  # rows that are shown beside the mapping
_SAMPLE_LETTERS: Final = 80
_BATCH: Final = 5_000


@dataclass(frozen=True)
class Choices:
    """What people say about a file: column to field, the list for all rows or the one to pick, and the area code of
    numbers without one."""

    mapping: Mapping[str, str]
    list_name: str = ""
    area_code: str = ""


@dataclass(frozen=True)
class Tried:
    """How a dry run ended: with a report, or with the reason why there can be none."""

    report: ImportReport | None
    trouble: list[Any] = field(default_factory=list)


async def try_out(
    session: AsyncSession, *, campaign: Campaign, table: Table, choices: Choices, region: str, now: datetime
) -> Tried:
    """A dry run; nothing is written."""
    try:
        report = await import_clients(
            session, campaign=campaign, table=table, mapping=choices.mapping, list_name=choices.list_name or None,
            area_code=read_area_code(choices.area_code), region=region, now=now, dry_run=True,
        )  # fmt: skip
    except Refused as refused:
        return Tried(None, [refused.code, _storable(refused.params)])
    return Tried(report)


async def stage(
    session: AsyncSession,
    *,
    campaign: Campaign,
    file_name: str,
    content: bytes,
    table: Table,
    choices: Choices,
    tried: Tried,
    now: datetime,
    author_id: int | None = None,
) -> Import:
    """Keep a file that has been read and tried until it is confirmed or discarded."""
    staged = _new(campaign, file_name, content, now, author_id)
    _put(staged, table, choices, tried)
    session.add(staged)
    await session.flush()
    session.add(ImportFile(import_id=staged.id, content=content))
    await _write_rows(session, staged, table, tried.report)
    return staged


async def restage(
    session: AsyncSession, *, import_id: int, version: int | None, table: Table, choices: Choices, tried: Tried
) -> Import:
    """The same file read, mapped or tried otherwise. Raises `Conflict`, `NotFound`, `Refused`."""
    staged = await get_import(session, import_id, lock=True)
    as_shown(staged, version, ImportState.STAGED)
    _put(staged, table, choices, tried)
    await session.flush()
    await session.execute(delete(ImportRow).where(ImportRow.import_id == staged.id))
    await _write_rows(session, staged, table, tried.report)
    return staged


async def content_of(session: AsyncSession, import_id: int) -> bytes:
    """The file of a staged import. Raises `Refused` when it is staged no more."""
    content = await session.scalar(select(ImportFile.content).where(ImportFile.import_id == import_id))
    if content is None:
        raise Refused("import.wrong_state", number=import_id)
    return content


def choices_of(staged: Import) -> Choices:
    """What has been said about it so far."""
    return Choices(staged.mapping, staged.list_name, staged.area_code)


async def confirm(
    session: AsyncSession,
    *,
    import_id: int,
    version: int | None,
    table: Table,
    region: str,
    now: datetime,
    author_id: int | None = None,
) -> ImportReport:
    """Take the file in. `table` is what `content_of` is, read as the import says. Raises as `restage`."""
    staged = await get_import(session, import_id, lock=True)
    as_shown(staged, version, ImportState.STAGED)
    campaign = await session.get_one(Campaign, staged.campaign_id)
    await session.execute(delete(ImportRow).where(ImportRow.import_id == staged.id))
    await session.execute(delete(ImportFile).where(ImportFile.import_id == staged.id))
    return await _take_in(session, staged, campaign, table, choices_of(staged), region, now, author_id, None)


async def import_at_once(
    session: AsyncSession,
    *,
    campaign: Campaign,
    file_name: str,
    content: bytes,
    table: Table,
    choices: Choices,
    region: str,
    now: datetime,
    author_id: int | None = None,
    progress: Progress | None = None,
) -> tuple[Import, ImportReport]:
    """Stage and confirm in one step, for whoever has tried it before. Raises `Refused`."""
    made = _new(campaign, file_name, content, now, author_id)
    report = await _take_in(session, made, campaign, table, choices, region, now, author_id, progress)
    return made, report


async def discard(
    session: AsyncSession, *, import_id: int, version: int | None, now: datetime, author_id: int | None = None
) -> Import:
    """Forget the file and its rows; that it was there stays known. Raises as `restage`."""
    staged = await get_import(session, import_id, lock=True)
    as_shown(staged, version, ImportState.STAGED)
    staged.state = ImportState.DISCARDED
    for kind in (ImportRow, ImportFile):
        await session.execute(delete(kind).where(kind.import_id == staged.id))
    audit.note(
        session, at=now, user_id=author_id, action=audit.IMPORT_DISCARDED, subject=f"import:{staged.id}",
        details={"file": staged.file_name},
    )  # fmt: skip
    await session.flush()
    return staged


async def refused_of(session: AsyncSession, found: Import) -> ImportReport:
    """The refused rows of an import, as its report had them."""
    report = ImportReport(tuple(found.header), found.encoding, found.delimiter, found.state is ImportState.STAGED)
    rows = select(ImportRow.line, ImportRow.problems, ImportRow.cells).order_by(ImportRow.line)
    for line, problems, cells in await session.execute(
        rows.where(ImportRow.import_id == found.id, ImportRow.ended == RowEnd.REFUSED)
    ):
        report.refused.append(RefusedRow(line, tuple(Problem(code, params) for code, params in problems), tuple(cells)))
    return report


async def remarks_of(session: AsyncSession, found: Import, *, limit: int) -> list[Remark]:
    """The first remarks on rows that were taken or merged."""
    rows = select(ImportRow.line, ImportRow.problems).order_by(ImportRow.line)
    rows = rows.where(ImportRow.import_id == found.id, ImportRow.ended != RowEnd.REFUSED, ImportRow.remarked)
    remarks = [
        Remark(line, Problem(code, params))
        for line, problems in await session.execute(rows.limit(limit))
        for code, params in problems
    ]
    return remarks[:limit]


def _new(campaign: Campaign, file_name: str, content: bytes, now: datetime, author_id: int | None) -> Import:
    return Import(
        campaign_id=campaign.id,
        author_id=author_id,
        created_at=now,
        file_name=tidy(file_name)[:200] or "-",
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _put(into: Import, table: Table, choices: Choices, tried: Tried) -> None:
    into.form, into.encoding, into.delimiter = table.form, table.encoding, table.delimiter
    into.part, into.parts, into.header = table.part, list(table.parts), list(table.header)
    into.mapping, into.list_name, into.area_code = dict(choices.mapping), tidy(choices.list_name), choices.area_code[:5]
    into.sample = [[cell[:_SAMPLE_LETTERS] for cell in row.cells] for row in table.rows[:SAMPLE]]
    into.trouble = tried.trouble
    report = tried.report
    into.row_count = report.rows if report else 0
    into.taken, into.merged = (report.taken, report.merged) if report else (0, 0)
    into.refused = len(report.refused) if report else 0
    into.not_selected = report.not_selected if report else 0
    into.made = dict(report.made) if report else {}


async def _take_in(
    session: AsyncSession,
    made: Import,
    campaign: Campaign,
    table: Table,
    choices: Choices,
    region: str,
    now: datetime,
    author_id: int | None,
    progress: Progress | None,
) -> ImportReport:
    report = await import_clients(
        session, campaign=campaign, table=table, mapping=choices.mapping, list_name=choices.list_name or None,
        area_code=read_area_code(choices.area_code), region=region, now=now, author_id=author_id,
        file_name=made.file_name, progress=progress,
    )  # fmt: skip
    _put(made, table, choices, Tried(report))
    made.state, made.confirmed_at, made.confirmed_by = ImportState.CONFIRMED, now, author_id
    session.add(made)
    await session.flush()
    await _write_rows(session, made, table, report)
    return report


async def _write_rows(session: AsyncSession, of: Import, table: Table, report: ImportReport | None) -> None:
    if report is None:
        return
    organisations: dict[int, int] = {}
    clients: dict[int, int] = {}
    if not report.dry_run:
        used = [row.known for row in report.used]
        organisations = await _versions(session, Organisation.metadata.tables["organisations"],
                                        (each.organisation_id for each in used))  # fmt: skip
        clients = await _versions(session, Client.metadata.tables["clients"], (each.client_id for each in used))
    rows = _rows(of.id, table, report, organisations, clients)
    while batch := list(islice(rows, _BATCH)):
        await session.execute(insert(ImportRow), batch)


def _rows(
    import_id: int, table: Table, report: ImportReport, organisations: Mapping[int, int], clients: Mapping[int, int]
) -> Iterable[dict[str, Any]]:
    cells = {row.line: row.cells for row in table.rows}
    remarks: dict[int, list[Any]] = defaultdict(list)
    for remark in report.remarks:
        remarks[remark.line].append([remark.problem.code, _storable(remark.problem.params)])

    def row(line: int, ended: RowEnd, problems: list[Any], **more: Any) -> dict[str, Any]:
        nothing = dict.fromkeys(("organisation_id", "client_id", "organisation_version", "client_version"))
        stored = [cell.replace("\0", "") for cell in cells[line]]
        return {"import_id": import_id, "line": line, "cells": stored, "ended": ended, "problems": problems,
                "change": {}, "remarked": bool(problems), **nothing, **more}  # fmt: skip

    for refused in report.refused:
        yield row(refused.line, RowEnd.REFUSED, [[each.code, _storable(each.params)] for each in refused.problems])
    for used in report.used:
        ended = RowEnd.MERGED if used.merged else RowEnd.TAKEN
        more: dict[str, Any] = {}
        if not report.dry_run:
            known = used.known
            more = {
                "organisation_id": known.organisation_id,
                "client_id": known.client_id,
                "organisation_version": organisations.get(known.organisation_id or 0),
                "client_version": clients.get(known.client_id or 0),
                "change": used.change.as_stored(),
            }
        yield row(used.line, ended, remarks.get(used.line, []), **more)


async def _versions(session: AsyncSession, table: DatabaseTable, ids: Iterable[int | None]) -> dict[int, int]:
    wanted = iter({each for each in ids if each is not None})
    found: dict[int, int] = {}
    while batch := list(islice(wanted, _BATCH)):
        rows = await session.execute(select(table.c.id, table.c.version).where(table.c.id.in_(batch)))
        found.update((each_id, version) for each_id, version in rows)
    return found


def _storable(params: Mapping[str, object]) -> dict[str, Any]:
    """Parameters of a sentence, for JSON."""
    return {name: value if isinstance(value, int | float) else str(value) for name, value in params.items()}
