"""Clients out of a table into a campaign: each row taken, merged or refused, and none lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.campaigns import Campaign
from crm.errors import Refused
from crm.groups import Group
from crm.importing.known import Known, KnownOrganisations
from crm.importing.mapping import Columns, columns_of
from crm.importing.problems import Problem
from crm.importing.report import ImportReport, Remark
from crm.importing.rows import ClientRow, RefusedRow, list_of, read_row
from crm.importing.tables import Row, Table
from crm.importing.writing import Changes, write
from crm.text_rules import fold, tidy

Progress = Callable[[int, int], None]
"""Told after each batch how many rows of how many are done."""

_BATCH: Final = 500  # rows between two waits for the database, so that a service goes on serving meanwhile


async def import_clients(
    session: AsyncSession,
    *,
    campaign: Campaign,
    table: Table,
    mapping: Mapping[str, str],
    list_name: str | None = None,
    author_id: int | None = None,
    now: datetime,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Import `table` into `campaign`, all in the caller's transaction; `dry_run` reports and writes nothing.

    `list_name` picks the rows of that list if a column holds lists, and else is the list for all rows; without it each
    row says its list. New lists are drafts. A row about an organisation that is in the campaign is merged: it fills in
    blanks and adds numbers, and what the base says otherwise is kept, with a remark.
    Raises `Refused` with an `import.` code when the mapping does not fit the table or no row is of the list.
    """
    columns = columns_of(table.header, mapping)
    rows = _selected(table, columns, list_name)
    report = ImportReport(table.header, table.encoding, table.delimiter, dry_run)
    report.rows, report.not_selected = len(rows), len(table.rows) - len(rows)
    if not dry_run:
        # One import into a campaign at a time: each relies on what it has looked up.
        await session.execute(select(Campaign.id).where(Campaign.id == campaign.id).with_for_update(key_share=True))
    known = KnownOrganisations(campaign.id)
    await known.begin(session)
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        readable = _read(batch, columns, table.header, list_name, report)
        await known.look_up(session, readable)
        changes = Changes()
        for row in readable:
            _settle(row, known, changes, report)
        if not dry_run:
            await write(session, known, changes, author_id=author_id, now=now)
        if progress is not None:
            progress(start + len(batch), len(rows))
    return report


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


def _read(
    batch: list[Row], columns: Columns, header: tuple[str, ...], list_name: str | None, report: ImportReport
) -> list[ClientRow]:
    readable: list[ClientRow] = []
    for row in batch:
        reading = read_row(row, columns, header)
        if isinstance(reading, ClientRow) and list_name is not None:
            reading = replace(reading, list_name=tidy(list_name))
        if isinstance(reading, ClientRow) and not reading.list_name:
            reading = RefusedRow(row.line, (Problem("row.no_list"),), row.cells)
        if isinstance(reading, RefusedRow):
            report.refused.append(reading)
        else:
            report.remarks += [Remark(row.line, problem) for problem in reading.remarks]
            readable.append(reading)
    return readable


def _settle(row: ClientRow, known: KnownOrganisations, changes: Changes, report: ImportReport) -> None:
    """Decide what the row is, and note what has to be written for it."""
    list_key, source_key = fold(row.list_name), fold(row.source)
    if list_key not in known.lists:
        known.lists[list_key] = (row.list_name, None)
    if source_key and source_key not in known.sources:
        known.sources[source_key] = (row.source, None)
    found, other = known.find(row)
    if other is not None and other is not found:
        params = {"name": row.name, "other": other.texts["name"]}
        report.remarks.append(Remark(row.line, Problem("row.possible_duplicate", params)))
    if found is None:
        found = Known(dict(row.texts), row.headcount, dict(row.attributes), row.time_zone, fold(row.name))
        changes.organisations.append(found)
    else:
        _fill_in(found, row, changes, report)
    _add_numbers_and_person(found, row, changes)
    if found.in_campaign:
        report.merged += 1
        _fill_in_client(found, row, known, changes, report)
    else:
        report.taken += 1
        report.by_list[known.lists[list_key][0]] += 1
        report.by_group[row.group.value] += 1
        report.by_source[known.sources[source_key][0] if source_key else ""] += 1
        found.in_campaign, found.list_key, found.source_key = True, list_key, source_key
        found.code = row.texts["code"]
        changes.clients.append(found)
        if row.group is not Group.NEW:
            _move(found, row.group, changes)
    known.add(found)


def _fill_in(found: Known, row: ClientRow, changes: Changes, report: ImportReport) -> None:
    """Put what the row says where the organisation has nothing; remark on what it says otherwise."""
    filled = False
    for name, given in row.texts.items():
        if given and not found.texts[name]:
            found.texts[name], filled = given, True
        else:
            _remark_kept(report, row, name, found.texts[name], given)
    for name, given in row.attributes.items():
        if not found.attributes.get(name):
            found.attributes[name], filled = given, True
        else:
            _remark_kept(report, row, name, str(found.attributes[name]), given)
    if row.headcount is not None and found.headcount is None:
        found.headcount, filled = row.headcount, True
    elif row.headcount is not None:
        _remark_kept(report, row, "headcount", str(found.headcount), str(row.headcount))
    if row.time_zone and not found.time_zone:
        found.time_zone, filled = row.time_zone, True
    if filled and found.organisation_id is not None:
        changes.filled[found.organisation_id] = found


def _fill_in_client(
    found: Known, row: ClientRow, known: KnownOrganisations, changes: Changes, report: ImportReport
) -> None:
    if fold(row.list_name) != found.list_key:
        params = {"name": row.name, "kept": known.lists[found.list_key][0], "given": row.list_name}
        report.remarks.append(Remark(row.line, Problem("row.in_other_list", params)))
    if row.source and not found.source_key:
        found.source_key = fold(row.source)
        changes.sourced.append(found)
    elif row.source:
        _remark_kept(report, row, "source", known.sources[found.source_key][0], row.source)
    if row.group is not Group.NEW and found.group is Group.NEW:
        _move(found, row.group, changes)
    elif row.group is not Group.NEW:
        _remark_kept(report, row, "group", found.group.value, row.group.value)


def _move(found: Known, to: Group, changes: Changes) -> None:
    changes.moves.append((found, found.group, to))
    found.group = to


def _add_numbers_and_person(found: Known, row: ClientRow, changes: Changes) -> None:
    for phone in row.phones:
        if (phone.e164, phone.extension) not in found.numbers:
            changes.numbers.append((found, phone, len(found.numbers)))
            found.numbers.add((phone.e164, phone.extension))
    if row.person and fold(row.person) not in found.people:
        found.people.add(fold(row.person))
        changes.people.append((found, row.person, row.position))


def _remark_kept(report: ImportReport, row: ClientRow, field: str, kept: str, given: str) -> None:
    if given and fold(kept) != fold(given):
        params = {"name": row.name, "field": field, "kept": kept, "given": given}
        report.remarks.append(Remark(row.line, Problem("row.kept_existing", params)))
