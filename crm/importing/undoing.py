"""Undoing an import: what it added is removed, what it filled in is blank again, and what has been worked with since is
left as it is and listed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from crm import audit
from crm.base.addresses import Address
from crm.base.competitors import Competitor, CompetitorUse
from crm.base.duplicates import DuplicatePair
from crm.base.organisations import Organisation
from crm.base.past_deals import FormerOwner, PastDeal
from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.base.sources import Source
from crm.clientele.clients import Client
from crm.clientele.groups import GroupMove, MoveCause, move
from crm.group import Group
from crm.importing.imports import Import, ImportRow, ImportState, RowEnd, RowUndone, UnderWay, as_shown, get_import
from crm.importing.since_import import MOST_IDS, Present, Since, batches, look_since, references, told
from crm.plan.plan_entries import PlanEntry
from crm.preparation.call_lists import CallList, ListState
from crm.text_rules import fold

_ROWS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class UndoReport:
    """How many rows' traces were removed, and restored; and of how many rows something was left."""

    removed: int
    restored: int
    kept: int


@dataclass(slots=True)
class _Doomed:
    """Ids of what is to be removed."""

    clients: set[int] = field(default_factory=set)
    organisations: set[int] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)
    people: set[int] = field(default_factory=set)
    owners: set[int] = field(default_factory=set)
    beside: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


async def begin_undoing(
    session: AsyncSession, *, import_id: int, version: int | None, now: datetime, author_id: int | None = None
) -> Import:
    """Say that a confirmed import is to be undone; `undo_some` does it. Raises `Conflict`, `NotFound`, `Refused`."""
    found = await get_import(session, import_id, lock=True)
    as_shown(found, version, ImportState.CONFIRMED)
    found.under_way, found.undone_by, found.done = UnderWay.UNDOING, author_id, found.refused
    audit.note(
        session, at=now, user_id=author_id, action=audit.IMPORT_UNDOING, subject=f"import:{found.id}",
        details={"file": found.file_name},
    )  # fmt: skip
    await session.flush()
    return found


async def undo_some(session: AsyncSession, found: Import, *, now: datetime, limit: int = _ROWS_AT_ONCE) -> None:
    """Undo the next rows of an import that is being undone, about `limit`: all rows of an organisation together. The
    last of them end it. The caller holds the import's row."""
    used = select(ImportRow).where(
        ImportRow.import_id == found.id, ImportRow.ended != RowEnd.REFUSED, ImportRow.undone.is_(None)
    )
    used = used.options(defer(ImportRow.cells), defer(ImportRow.problems)).order_by(ImportRow.line)
    rows = list(await session.scalars(used.limit(limit)))
    if rows:
        theirs, last = {row.organisation_id for row in rows if row.organisation_id is not None}, rows[-1].line
        for batch in batches(theirs):
            below = used.where(ImportRow.organisation_id.in_(batch), ImportRow.line > last)
            rows += await session.scalars(below)
        await _undo_rows(session, found, rows, now)
        found.done += len(rows)
    else:
        await _end(session, found, now)
    await session.flush()


async def _undo_rows(session: AsyncSession, found: Import, rows: list[ImportRow], now: datetime) -> None:
    since, present = await look_since(session, found, rows)
    came = [row for row in rows if row.change.get("new_organisation")]
    new = {row.organisation_id for row in came if row.organisation_id is not None}
    doomed = _Doomed()
    _judge_new(rows, new, present, since, doomed)
    await _restore(session, [row for row in rows if row.organisation_id not in new], present, since, doomed,
                   now=now, author_id=found.undone_by)  # fmt: skip
    await session.flush()  # what is removed is marked first: the database lets go of the moves of no others
    await _remove(session, doomed)


async def _end(session: AsyncSession, found: Import, now: datetime) -> None:
    await _remove_made(session, found)
    found.state, found.under_way, found.undone_at = ImportState.UNDONE, None, now
    report = await undo_report(session, found.id)
    audit.note(
        session, at=now, user_id=found.undone_by, action=audit.IMPORT_UNDONE, subject=f"import:{found.id}",
        details={"file": found.file_name, "removed": report.removed, "restored": report.restored,
                 "kept": report.kept},
    )  # fmt: skip


async def undo_report(session: AsyncSession, import_id: int) -> UndoReport:
    """What undoing an import has come to so far."""
    counted = select(ImportRow.undone, func.count()).where(ImportRow.import_id == import_id).group_by(ImportRow.undone)
    counts: dict[RowUndone | None, int] = dict((await session.execute(counted)).all())
    return UndoReport(*(counts.get(each, 0) for each in (RowUndone.REMOVED, RowUndone.RESTORED, RowUndone.KEPT)))


def _judge_new(rows: list[ImportRow], new: set[int], present: Present, since: Since, doomed: _Doomed) -> None:
    """An organisation that came with the import goes with all its rows, or stays with all of them."""
    by_organisation: dict[int, list[ImportRow]] = defaultdict(list)
    for row in rows:
        if row.organisation_id is not None and row.organisation_id in new:
            by_organisation[row.organisation_id].append(row)
    for organisation_id, its_rows in by_organisation.items():
        numbers, people = present.numbers[organisation_id], present.people[organisation_id]
        clients = {row.client_id for row in its_rows if row.client_id is not None}
        codes = set(since.organisations[organisation_id])
        codes.update(*(since.clients[each] for each in clients), *(since.numbers[each] for each in numbers.values()),
                     *(since.people[each] for each in people.values()))  # fmt: skip
        brought = {tuple(number) for row in its_rows for number in row.change.get("numbers", ())}
        named = {fold(name) for row in its_rows for name in row.change.get("people", ())}
        if brought != numbers.keys() or named != people.keys():
            codes.add("undo.edited")
        for name, beside in present.beside.items():
            there = beside.ids[organisation_id]
            if set().union(*(told(row, name) for row in its_rows)) != there.keys() or beside.edited & {*there.values()}:
                codes.add("undo.edited")
        for row in its_rows:
            row.undone = RowUndone.KEPT if codes else RowUndone.REMOVED
            row.kept_because = sorted(codes)
        if not codes:
            doomed.organisations.add(organisation_id)
            doomed.clients |= clients
            doomed.numbers |= set(numbers.values())
            doomed.people |= set(people.values())
            for name, beside in present.beside.items():
                doomed.beside[name] |= set(beside.ids[organisation_id].values())
            doomed.owners |= {each for client_id in clients for each in present.owners[client_id].values()}


async def _restore(
    session: AsyncSession,
    rows: list[ImportRow],
    present: Present,
    since: Since,
    doomed: _Doomed,
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    """Organisations that were there before: blank again what the import filled in, as far as it is still as it was."""
    changed = [row for row in rows if row.change]
    for row in rows:
        if not row.change:
            row.undone = RowUndone.RESTORED
    for start in range(0, len(changed), MOST_IDS):
        batch = changed[start : start + MOST_IDS]
        asked = select(Organisation).where(Organisation.id.in_({row.organisation_id for row in batch}))
        organisations = {each.id: each for each in await session.scalars(asked)}
        for row in batch:
            codes: set[str] = set()
            organisation = organisations.get(row.organisation_id or 0)
            if organisation is None:
                codes.add("undo.edited")
            else:
                codes |= _blank_again(organisation, row.change)
                _doom_parts(row, organisation.id, present, since, doomed, codes)
            removed = await _restore_client(session, row, present, since, doomed, codes, now=now, author_id=author_id)
            row.undone = RowUndone.KEPT if codes else RowUndone.REMOVED if removed else RowUndone.RESTORED
            row.kept_because = sorted(codes)


def _blank_again(organisation: Organisation, change: dict[str, Any]) -> set[str]:
    codes: set[str] = set()
    for name, (before, after) in change.get("columns", {}).items():
        if getattr(organisation, name) == after:
            setattr(organisation, name, before)
        else:
            codes.add("undo.edited")
    attributes = dict(organisation.attributes)
    for name, (before, after) in change.get("attributes", {}).items():
        if attributes.get(name) != after:
            codes.add("undo.edited")
        elif before is None:
            del attributes[name]
        else:
            attributes[name] = before
    if attributes != organisation.attributes:
        organisation.attributes = attributes
    return codes


def _doom_parts(
    row: ImportRow, organisation_id: int, present: Present, since: Since, doomed: _Doomed, codes: set[str]
) -> None:
    for e164, extension in row.change.get("numbers", ()):
        number = present.numbers[organisation_id].get((e164, extension))
        if number is not None:
            codes |= since.numbers[number]
            if not since.numbers[number]:
                doomed.numbers.add(number)
    for full_name in row.change.get("people", ()):
        person = present.people[organisation_id].get(fold(full_name))
        if person is not None:
            codes |= since.people[person]
            if not since.people[person]:
                doomed.people.add(person)
    for name, beside in present.beside.items():
        for each in told(row, name):
            found = beside.ids[organisation_id].get(each)
            if found is None or found in beside.edited:
                codes.add("undo.edited")
            else:
                doomed.beside[name].add(found)


async def _restore_client(
    session: AsyncSession,
    row: ImportRow,
    present: Present,
    since: Since,
    doomed: _Doomed,
    codes: set[str],
    *,
    now: datetime,
    author_id: int | None,
) -> bool:
    """Take back what the row did to the client; whether the client itself goes."""
    did = row.change.get("client", {})
    if row.client_id is None:
        return False
    owners = present.owners[row.client_id]
    brought = {owners[fold(name)] for name in row.change.get("former_owners", ()) if fold(name) in owners}
    if not row.change.get("new_client") or not since.clients[row.client_id]:
        doomed.owners |= brought
    if not (did or row.change.get("new_client")):
        return False
    if row.change.get("new_client"):
        codes |= since.clients[row.client_id]
        if not since.clients[row.client_id]:
            doomed.clients.add(row.client_id)
        return not since.clients[row.client_id]
    client = await session.get_one(Client, row.client_id)
    if "source" in did:
        source = await session.get(Source, client.source_id) if client.source_id else None
        if source is not None and fold(source.name) == did["source"][1]:
            client.source_id = None
        else:
            codes.add("undo.edited")
    if "group" in did:
        last = select(GroupMove).where(GroupMove.client_id == client.id).order_by(GroupMove.id.desc()).limit(1)
        latest = await session.scalar(last)
        if latest is not None and latest.cause is MoveCause.IMPORT and latest.to_group == did["group"][1]:
            await move(session, client=client, to=Group(did["group"][0]), at=now, cause=MoveCause.IMPORT,
                       author_id=author_id)  # fmt: skip
        else:
            codes.add("undo.moved")
    return False


async def _remove(session: AsyncSession, doomed: _Doomed) -> None:
    for kind, column, ids in (
        (PlanEntry, PlanEntry.client_id, doomed.clients),
        (GroupMove, GroupMove.client_id, doomed.clients),
        (FormerOwner, FormerOwner.id, doomed.owners),
        (PastDeal, PastDeal.id, doomed.beside["deals"]),
        (Address, Address.id, doomed.beside["addresses"]),
        (CompetitorUse, CompetitorUse.id, doomed.beside["competitors"]),
        (Client, Client.id, doomed.clients),
        (PhoneNumber, PhoneNumber.id, doomed.numbers),
        (Person, Person.id, doomed.people),
        (DuplicatePair, DuplicatePair.one_id, doomed.organisations),
        (DuplicatePair, DuplicatePair.other_id, doomed.organisations),
        (Organisation, Organisation.id, doomed.organisations),
    ):
        for batch in batches(ids):
            await session.execute(delete(kind).where(column.in_(batch)).execution_options(synchronize_session=False))


async def _remove_made(session: AsyncSession, found: Import) -> None:
    """Lists, sources and competitors that came with the import, and that nobody has filled or used otherwise."""
    lists, sources, rivals = (found.made.get(name, ()) for name in ("lists", "sources", "competitors"))
    await _remove_unused(session, CallList, lists, CallList.state == ListState.DRAFT)
    await _remove_unused(session, Source, sources)
    # Whoever names one at this moment is waited for.
    held = select(Competitor.id).where(Competitor.id.in_(rivals)).order_by(Competitor.id).with_for_update()
    await session.scalars(held)
    await _remove_unused(session, Competitor, rivals, Competitor.version == 1)


async def _remove_unused(
    session: AsyncSession, kind: type[Any], ids: Iterable[int], *as_made: ColumnElement[bool]
) -> None:
    used: dict[int, set[str]] = defaultdict(set)
    await references(session, kind, ids, used)
    removing = delete(kind).where(kind.id.in_([each for each in ids if not used[each]]), *as_made)
    await session.execute(removing.execution_options(synchronize_session=False))
