"""`dialer imports`: what was brought in, what waits to be, and how to undo it."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm.importing.confirming import begin_confirming
from crm.importing.imports import Import, ImportRow, RowUndone, get_import, list_imports, list_mappings
from crm.importing.staging import discard, refused_of, remarks_of
from crm.importing.undoing import begin_undoing, undo_report
from crm.preparation.campaigns import Campaign, campaign_named
from crm.time_zones import zone
from dialer.cli.database import ready_database
from dialer.cli.importing import SHOWN_ROWS, carried_on, in_words, stopped_by, tell_rows
from dialer.cli.terminal import Terminal
from dialer.crm_words import sentence
from dialer.shown.formats import moment
from dialer.shown.import_words import form_in_words, state_in_words

_MAPPED_SHOWN: Final = 6


async def show_all(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`imports list`: one line an import."""
    gettext = terminal.words.gettext
    rows: list[tuple[str, ...]] = [
        (gettext("no"), gettext("when"), gettext("campaign"), gettext("file"), gettext("state"), gettext("rows"),
         gettext("taken"), gettext("merged"), gettext("refused"))
    ]  # fmt: skip
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign) if arguments.campaign else None
        for each in await list_imports(session, campaign_id=campaign.id if campaign else None):
            named = await session.get_one(Campaign, each.campaign_id)
            when = moment(terminal.words, each.created_at, zone(settings.service.time_zone))
            counts = (each.row_count, each.taken, each.merged, each.refused)
            state = state_in_words(each, terminal.words)
            rows.append((str(each.id), when, named.name, each.file_name, state, *map(str, counts)))
    terminal.table(rows)
    return 0


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`imports show`: one import with its mapping, refused rows and remarks."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = await get_import(session, arguments.number)
        refused = (await refused_of(session, found)).refused
        remarks = await remarks_of(session, found, limit=SHOWN_ROWS)
        kept = await _kept(session, found)
    terminal.say(f"{found.file_name}: {state_in_words(found, terminal.words)}, SHA-256 {found.sha256}")
    terminal.say(form_in_words(found, terminal.words))
    for column in found.header:
        terminal.say(f"  {column} → {found.mapping.get(column) or '-'}")
    if found.trouble:
        terminal.say(stopped_by(found.trouble[0], found.trouble[1], terminal))
    _tell_counts(found, terminal)
    tell_rows(
        gettext("Refused:"),
        [(row.line, " ".join(in_words(problem, terminal) for problem in row.problems)) for row in refused],
        terminal,
    )
    tell_rows(gettext("Worth a look:"), [(each.line, in_words(each.problem, terminal)) for each in remarks], terminal)
    tell_kept(kept, terminal)
    return 0


async def take_in(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`imports confirm`: 1 if not a single row could be used."""
    async with ready_database(settings, terminal) as database:
        async with database.transaction() as session:
            await begin_confirming(session, import_id=arguments.number, version=None, now=datetime.now(UTC))
        found = await carried_on(database, arguments.number, settings, terminal)
    _tell_counts(found, terminal)
    return 0 if found.taken + found.merged else 1


async def go_on(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`imports continue`: 0 also when there was nothing to be continued."""
    async with ready_database(settings, terminal) as database:
        found = await carried_on(database, arguments.number, settings, terminal)
    terminal.say(f"{found.file_name}: {state_in_words(found, terminal.words)}")
    _tell_counts(found, terminal)
    return 0


async def forget(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`imports discard`."""
    async with ready_database(settings, terminal) as database:
        async with database.transaction() as session:
            await discard(session, import_id=arguments.number, version=None, now=datetime.now(UTC))
        found = await carried_on(database, arguments.number, settings, terminal)
    terminal.say(terminal.words.gettext("{file} is discarded; nothing of it was taken in.", file=found.file_name))
    return 0


async def undo_one(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`imports undo`: 0 also when something was left."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database:
        async with database.transaction() as session:
            await begin_undoing(session, import_id=arguments.number, version=None, now=datetime.now(UTC))
        found = await carried_on(database, arguments.number, settings, terminal)
        async with database.reading() as session:
            report, kept = await undo_report(session, found.id), await _kept(session, found)
    terminal.say(gettext("rows whose clients are removed: {count}", count=report.removed))
    terminal.say(gettext("rows whose changes are taken back: {count}", count=report.restored))
    terminal.say(gettext("rows of which something is left: {count}", count=report.kept))
    tell_kept(kept, terminal)
    return 0


async def show_mappings(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`imports mappings`: one line a mapping."""
    gettext = terminal.words.gettext
    rows: list[tuple[str, ...]] = [(gettext("name"), gettext("columns"))]
    async with ready_database(settings, terminal) as database, database.reading() as session:
        for each in await list_mappings(session):
            shown = [f"{column} → {field or '-'}" for column, field in sorted(each.mapping.items())]
            more = " …" if len(shown) > _MAPPED_SHOWN else ""
            rows.append((each.name, "; ".join(shown[:_MAPPED_SHOWN]) + more))
    terminal.table(rows)
    return 0


async def _kept(session: AsyncSession, found: Import) -> list[ImportRow]:
    asked = select(ImportRow).where(ImportRow.import_id == found.id, ImportRow.undone == RowUndone.KEPT)
    return list(await session.scalars(asked.order_by(ImportRow.line)))


def tell_kept(kept: list[ImportRow], terminal: Terminal) -> None:
    """The rows of which undoing has left something, and why."""
    gettext = terminal.words.gettext
    rows = [
        (row.line, f"{' '.join(filter(None, row.cells))[:80]}: "
                   f"{' '.join(gettext(sentence(code)) for code in row.kept_because)}")
        for row in kept
    ]  # fmt: skip
    tell_rows(gettext("Left, for what happened since:"), rows, terminal)


def _tell_counts(found: Import, terminal: Terminal) -> None:
    gettext = terminal.words.gettext
    terminal.say(gettext("taken: {count}", count=found.taken))
    terminal.say(gettext("merged with clients of the campaign: {count}", count=found.merged))
    terminal.say(gettext("refused: {count}", count=found.refused))
