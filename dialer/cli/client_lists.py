"""`dialer clients list`, saved filters, and changes to all clients of a filter."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm.care import bulk_actions
from crm.care.bulk_actions import BulkKind, BulkRow, Wanted
from crm.care.saved_filters import filter_named, filters_seen_by, remove_filter, save_filter
from crm.errors import ERRORS
from crm.group import Group
from crm.preparation.call_lists import existing_list
from crm.preparation.campaigns import campaign_named
from crm.reading.client_list import NOBODY, ClientFilters, clients_page
from dialer.cli.database import ready_database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.cli.users import user_named
from dialer.shown.bulk_words import KINDS, values_in_words
from dialer.shown.formats import moment
from dialer.shown.labels import group_name
from dialer.words import mark

FIRST_ROWS: Final = 10


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients list`: one line a client."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        page = await clients_page(
            session, filters=await narrowed_filters(session, arguments, terminal), limit=arguments.rows
        )
    heading = (gettext("no."), gettext("Client"), gettext("City"), gettext("Group"), gettext("List"), gettext("Whose"))
    rows = [
        (str(row.client_id), row.organisation, row.city, gettext(group_name(row.group.value)), row.call_list,
         row.owner or "-")
        for row in page.rows
    ]  # fmt: skip
    terminal.table([heading, *rows])
    if page.next_after is not None:
        terminal.say(gettext("There are more: narrow the list, or ask for more --rows."))
    return 0


async def filters(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients filters`: those that are everybody's, and with `--as` that user's own."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        for saved in await filters_seen_by(session, await _whose(session, arguments)):
            narrowing = ", ".join(f"{name}={value}" for name, value in saved.narrowing.items())
            own = "" if saved.shared else f"  {gettext('for oneself')}"
            terminal.say(f"{saved.name}  ({narrowing}){own}")
    return 0


async def save(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients save-filter`: for everybody, or with `--as` for that user alone."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        narrowed, owner_id = await narrowed_filters(session, arguments, terminal), await _whose(session, arguments)
        saved = await save_filter(
            session, name=arguments.name, filters=narrowed, shared=owner_id is None, owner_id=owner_id,
            now=datetime.now(UTC),
        )  # fmt: skip
    sentence = mark("The filter “{name}” is saved for everybody.")
    if owner_id is not None:
        sentence = mark("The filter “{name}” is saved for {login} alone.")
    terminal.say(terminal.words.gettext(sentence, name=saved.name, login=arguments.whose))
    return 0


async def remove(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients remove-filter`: one that is everybody's, or with `--as` that user's own."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        owner_id = await _whose(session, arguments)
        saved = await filter_named(session, name=arguments.name, user_id=owner_id)
        await remove_filter(
            session, filter_id=saved.id, now=datetime.now(UTC), user_id=owner_id, sets_rules=owner_id is None
        )
    terminal.say(terminal.words.gettext("The filter “{name}” is removed.", name=saved.name))
    return 0


async def bulk(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients bulk`: who would be changed; with `--yes` they are."""
    words = terminal.words
    async with ready_database(settings, terminal) as database:
        async with database.reading() as session:
            narrowed, wanted = (
                await narrowed_filters(session, arguments, terminal),
                await _wanted(session, arguments, terminal),
            )
            shown = await bulk_actions.preview(session, filters=narrowed, wanted=wanted)
            terminal.say(
                words.ngettext("{n} client will be changed.", "{n} clients will be changed.", len(shown.changing))
            )
            await _tell(session, wanted.kind, shown.changing, terminal)
            _tell_reasons(shown.skipped, terminal)
        if not arguments.yes:
            terminal.say(words.gettext("Nothing was changed: say --yes to do it."))
            return 0
        action = await database.carry_out(
            lambda session: bulk_actions.carry_out(
                session, filters=narrowed, wanted=wanted, seen=shown.seen, now=datetime.now(UTC)
            )
        )
    terminal.say(words.gettext("Done. To undo it: dialer clients undo {number}", number=action.id))
    return 0


async def changes(settings: Settings, _arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients changes`."""
    gettext, zone = terminal.words.gettext, ZoneInfo(settings.service.time_zone)
    heading = (gettext("no."), gettext("When"), gettext("What"), "", gettext("clients"), gettext("Undone"))
    async with ready_database(settings, terminal) as database, database.reading() as session:
        rows = []
        for action in await bulk_actions.actions(session):
            said = await values_in_words(session, terminal.words, action.kind, [action.value])
            at, undone = (moment(terminal.words, each, zone) if each else "-" for each in (action.at, action.undone_at))
            to = said.get(action.value, action.value)
            rows.append((str(action.id), at, gettext(KINDS[action.kind]), to, str(action.changed), undone))
    terminal.table([heading, *rows])
    return 0


async def undo(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients undo`: what was changed since is listed, and left alone."""
    words = terminal.words
    async with ready_database(settings, terminal) as database:
        rows = await database.carry_out(
            lambda session: bulk_actions.undo(session, action_id=arguments.number, now=datetime.now(UTC))
        )
    left = [row for row in rows if row.reason]
    undone = len(rows) - len(left)
    terminal.say(words.ngettext("Undone for {n} client.", "Undone for {n} clients.", undone))
    for row in left:
        terminal.say(f"  {row.organisation}: {words.gettext(ERRORS[row.reason])}")
    return 0


async def _tell(session: AsyncSession, kind: BulkKind, rows: tuple[BulkRow, ...], terminal: Terminal) -> None:
    first = rows[:FIRST_ROWS]
    values = {value for row in first for value in (row.before, row.after)}
    said = await values_in_words(session, terminal.words, kind, values)
    for row in first:
        before, after = said.get(row.before, row.before), said.get(row.after, row.after)
        terminal.say(f"  {row.organisation}: {before} → {after}")
    if len(rows) > len(first):
        terminal.say("  " + terminal.words.gettext("and {count} more", count=len(rows) - len(first)))


def _tell_reasons(skipped: Counter[str], terminal: Terminal) -> None:
    words = terminal.words
    for code, count in skipped.most_common():
        terminal.say(
            words.ngettext(
                "{n} client stays as it is: {reason}", "{n} clients stay as they are: {reason}", count,
                reason=words.gettext(ERRORS[code]),
            )
        )  # fmt: skip


async def narrowed_filters(session: AsyncSession, arguments: argparse.Namespace, terminal: Terminal) -> ClientFilters:
    """The saved filter, and what the options narrow further."""
    narrowed = ClientFilters()
    if arguments.saved:
        whose = await _whose(session, arguments)
        narrowed = (await filter_named(session, name=arguments.saved, user_id=whose)).filters
    if arguments.text:
        narrowed = replace(narrowed, text=arguments.text)
    if arguments.campaign:
        narrowed = replace(narrowed, campaign_id=(await campaign_named(session, arguments.campaign)).id)
    if arguments.list_name:
        narrowed = replace(narrowed, call_list_id=await _list_id(session, narrowed, arguments.list_name, terminal))
    if arguments.group:
        narrowed = replace(narrowed, group=Group(arguments.group))
    if arguments.owner is not None:
        narrowed = replace(narrowed, owner_id=await _user_id(session, arguments.owner) or NOBODY)
    return narrowed


async def _list_id(session: AsyncSession, narrowed: ClientFilters, name: str, terminal: Terminal) -> int:
    if narrowed.campaign_id is None:
        raise CommandFailed(terminal.words.gettext("Name the campaign whose call list this is."))
    return (await existing_list(session, campaign_id=narrowed.campaign_id, name=name)).id


async def _whose(session: AsyncSession, arguments: argparse.Namespace) -> int | None:
    """Whose own filters are meant besides everybody's; nobody's without `--as`."""
    return None if arguments.whose is None else (await user_named(session, arguments.whose)).id


async def _user_id(session: AsyncSession, login: str) -> int | None:
    if not login:
        return None
    return (await user_named(session, login)).id


async def _wanted(session: AsyncSession, arguments: argparse.Namespace, terminal: Terminal) -> Wanted:
    if arguments.assign is not None:
        return Wanted(BulkKind.OWNER, str(await _user_id(session, arguments.assign) or ""))
    if arguments.to_group:
        return Wanted(BulkKind.GROUP, arguments.to_group)
    if arguments.to_list:
        narrowed = await narrowed_filters(session, arguments, terminal)
        return Wanted(BulkKind.LIST, str(await _list_id(session, narrowed, arguments.to_list, terminal)))
    return Wanted(BulkKind.DO_NOT_CALL, arguments.do_not_call)
