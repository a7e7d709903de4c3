"""Taking a staged import in, some rows at a time: each transaction is short, begins after the last row that is done,
and looks anew at what the base holds. So others write in between, and whoever comes after a crash goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.base.organisations import Organisation
from crm.base.tombstones import OF_ERASED, Erasures
from crm.clientele.clients import Client
from crm.errors import Refused
from crm.group import Group
from crm.importing.area_codes import read_area_code
from crm.importing.clients import BATCH, Reading, settle_rows
from crm.importing.imports import (
    Import,
    ImportFile,
    ImportRow,
    ImportState,
    RowEnd,
    UnderWay,
    as_shown,
    get_import,
)
from crm.importing.known import Known, KnownOrganisations
from crm.importing.mapping import columns_of
from crm.importing.report import ImportReport
from crm.importing.rows import RefusedRow
from crm.importing.staging import became_of, refused_of, remarks_of
from crm.importing.tables import Row
from crm.importing.writing import write
from crm.importing.written_values import read_time_zone
from crm.preparation.call_lists import CallList
from crm.preparation.campaigns import Campaign
from crm.problems import Problem

_ROWS: Final = ImportRow.metadata.tables["import_rows"]
_BECAME: Final = (
    "ended", "problems", "remarked", "organisation_id", "client_id", "organisation_version", "client_version", "change",
)  # fmt: skip
_OF_ERASED: Final = (Problem("row.erased"),)  # of a row that an erasure has emptied while it waited
_WRITE_ROW: Final = (
    update(_ROWS)
    .where(_ROWS.c.id == bindparam("of_id"))
    .values({name: bindparam(f"to_{name}", type_=_ROWS.c[name].type) for name in _BECAME})
)


async def begin_confirming(
    session: AsyncSession, *, import_id: int, version: int | None, now: datetime, author_id: int | None = None
) -> Import:
    """Say that a staged import is to be taken in; `confirm_some` does it. Raises `Conflict`, `NotFound`, `Refused`."""
    staged = await get_import(session, import_id, lock=True)
    as_shown(staged, version, ImportState.STAGED)
    if staged.trouble:
        code, params = staged.trouble
        raise Refused(code, **params)
    columns_of(tuple(staged.header), staged.mapping)
    staged.under_way, staged.confirmed_by, staged.done, staged.done_line = UnderWay.CONFIRMING, author_id, 0, 0
    staged.made, staged.beginning = {}, []
    await session.execute(delete(ImportFile).where(ImportFile.import_id == staged.id))
    audit.note(
        session, at=now, user_id=author_id, action=audit.IMPORT_BEGUN, subject=f"import:{staged.id}",
        details={"file": staged.file_name, "rows": staged.row_count, "campaign": staged.campaign_id},
    )  # fmt: skip
    await session.flush()
    return staged


async def confirm_some(session: AsyncSession, found: Import, *, region: str, now: datetime, limit: int = BATCH) -> None:
    """Take in the next rows of an import that is being confirmed, at most `limit`, and end it with the last one. The
    caller holds its row."""
    campaign = await session.get_one(Campaign, found.campaign_id)
    next_rows = select(_ROWS.c.id, _ROWS.c.line, _ROWS.c.ended, _ROWS.c.cells).order_by(_ROWS.c.line).limit(limit)
    next_rows = next_rows.where(_ROWS.c.import_id == found.id, _ROWS.c.line > found.done_line)
    stored = (await session.execute(next_rows)).all()
    if stored:
        known = KnownOrganisations(campaign.id, lists_need_approval=campaign.lists_need_approval, held=True)
        await known.begin(session)
        columns = columns_of(tuple(found.header), found.mapping)
        reading = Reading(
            columns,
            found.list_name or None,
            region,
            read_area_code(found.area_code),
            read_time_zone(found.time_zone),
            now.date(),
        )
        report = ImportReport(columns.header, found.encoding, found.delimiter, dry_run=False)
        rows = [Row(each.line, tuple(each.cells)) for each in stored if each.cells]
        report.refused += [RefusedRow(each.line, _OF_ERASED, ()) for each in stored if not each.cells]
        changes = await settle_rows(session, rows, reading, known, await Erasures.read(session), report)
        await write(session, known, changes, author_id=found.confirmed_by, now=now)
        await _write_rows(session, found, stored, report)
        _count(found, [each.ended for each in stored], report)
        found.made = {name: [*found.made.get(name, ()), *ids] for name, ids in known.made.items()}
        found.done, found.done_line = found.done + len(stored), stored[-1].line
    if len(stored) < limit:
        await _end(session, found, now)
    await session.flush()


def _count(found: Import, foretold: Sequence[RowEnd], report: ImportReport) -> None:
    """The counts say of the rows that are done what they became, of the others what they would."""
    before = Counter(foretold)
    found.taken += report.taken - before[RowEnd.TAKEN]
    found.merged += report.merged - before[RowEnd.MERGED]
    found.refused += len(report.refused) - before[RowEnd.REFUSED]


async def _write_rows(session: AsyncSession, found: Import, stored: Sequence[Any], report: ImportReport) -> None:
    used = {row.line: row for row in report.used}
    organisations = await _versions(session, Organisation, (row.known.organisation_id for row in used.values()))
    clients = await _versions(session, Client, (row.known.client_id for row in used.values()))
    ids = {row.line: row.id for row in stored}
    nothing = dict.fromkeys(_BECAME) | {"change": {}}
    rows: list[dict[str, Any]] = []
    for line, became in became_of(report):
        values = nothing | became
        if line in used:
            known = used[line].known
            values |= {
                "organisation_id": known.organisation_id,
                "client_id": known.client_id,
                "organisation_version": organisations.get(known.organisation_id or 0),
                "client_version": clients.get(known.client_id or 0),
                "change": used[line].change.as_stored(),
            }
        rows.append({"of_id": ids[line], **{f"to_{name}": value for name, value in values.items()}})
    await session.execute(_WRITE_ROW, rows)
    if erased := [row.line for row in report.refused if row.code in OF_ERASED]:
        theirs = (_ROWS.c.import_id == found.id, _ROWS.c.line.in_(erased))
        await session.execute(update(_ROWS).where(*theirs).values(cells=[]))
    await _carry_versions_on(session, found, {id(row.known): row.known for row in used.values()}.values(),
                             organisations, clients)  # fmt: skip


async def _carry_versions_on(
    session: AsyncSession, found: Import, met: Iterable[Known], organisations: dict[int, int], clients: dict[int, int]
) -> None:
    """Rows that were done before, and left an organisation or a client in the version in which these rows met it, left
    it in that of these rows: only what others change in between is a change."""
    for column, of, changes in (
        ("organisation_version", "organisation_id", [
            (each.organisation_id, each.organisation_version, organisations.get(each.organisation_id or 0))
            for each in met if each.organisation_version
        ]),
        ("client_version", "client_id", [
            (each.client_id, each.client_version, clients.get(each.client_id or 0))
            for each in met if each.client_version
        ]),
    ):  # fmt: skip
        risen = [{"of_id": of_id, "was": was, "is": now} for of_id, was, now in changes if was != now]
        if risen:
            carry = update(_ROWS).values({column: bindparam("is")})
            same = (_ROWS.c[of] == bindparam("of_id"), _ROWS.c[column] == bindparam("was"))
            await session.execute(carry.where(_ROWS.c.import_id == found.id, *same), risen)


async def _end(session: AsyncSession, found: Import, now: datetime) -> None:
    found.state, found.under_way, found.confirmed_at = ImportState.CONFIRMED, None, now
    by_list = dict((await session.execute(_taken_by_list(found.id))).all())
    counts = {"rows": found.row_count, "taken": found.taken, "merged": found.merged, "refused": found.refused}
    audit.note(
        session, at=now, user_id=found.confirmed_by, action=audit.CLIENTS_IMPORTED,
        subject=f"campaign:{found.campaign_id}", details={"file": found.file_name, "lists": by_list, **counts},
    )  # fmt: skip


def _taken_by_list(import_id: int) -> Select[str, int]:
    taken = select(CallList.name, func.count()).join(Client, Client.call_list_id == CallList.id)
    taken = taken.join(ImportRow, ImportRow.client_id == Client.id).group_by(CallList.name).order_by(CallList.name)
    return taken.where(ImportRow.import_id == import_id, ImportRow.ended == RowEnd.TAKEN)


async def report_of(session: AsyncSession, found: Import) -> ImportReport:
    """What an import that was taken in came to, as far as its rows tell."""
    report = await refused_of(session, found)
    report.rows, report.not_selected = found.row_count, found.not_selected
    report.taken, report.merged = found.taken, found.merged
    report.remarks = await remarks_of(session, found)
    report.by_list.update(dict((await session.execute(_taken_by_list(found.id))).all()))
    taken = select(ImportRow.change).where(ImportRow.import_id == found.id, ImportRow.ended == RowEnd.TAKEN)
    for change in await session.scalars(taken):
        report.by_group[change.get("client", {}).get("group", ("", Group.NEW.value))[1]] += 1
    return report


async def _versions(
    session: AsyncSession, kind: type[Organisation] | type[Client], ids: Iterable[int | None]
) -> dict[int, int]:
    table = kind.metadata.tables[kind.__tablename__]
    wanted = {each for each in ids if each is not None}
    rows = await session.execute(select(table.c.id, table.c.version).where(table.c.id.in_(wanted)))
    return dict(rows.all())
