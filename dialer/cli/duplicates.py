"""`dialer duplicates`: organisations that may be one."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm.base.joined import OrganisationMerge
from crm.care.duplicate_search import find_duplicates, last_look, merges, not_duplicates, open_pair, open_pairs
from crm.care.merging import merge as merge_organisations
from crm.care.merging import undo as undo_merge
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.shown.formats import moment
from dialer.shown.labels import GROUNDS


async def find(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`duplicates find`: the whole base."""
    words = terminal.words
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        found = await find_duplicates(session, now=datetime.now(UTC))
    terminal.say(words.gettext("New in the queue: {new}; known already: {known}.", new=found.new, known=found.known))
    if found.passed_over:
        terminal.say(
            words.ngettext(
                "{n} group was too large to be looked at: many have that number, site or name.",
                "{n} groups were too large to be looked at: many have that number, site or name.",
                found.passed_over,
            )
        )
    return 0


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`duplicates list`: a line for each pair, or for each merge; beside it what nobody has compared yet."""
    words, zone = terminal.words, ZoneInfo(settings.service.time_zone)
    gettext = words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        if arguments.merged:
            rows = [
                (gettext("no."), gettext("what stays"), gettext("merged into it"), gettext("when"), gettext("undone"))
            ]
            for made in await merges(session):
                when = moment(words, made.merged_at, zone)
                undone = gettext("yes") if made.undone_at else "-"
                rows.append((str(made.id), made.survivor, made.duplicate, when, undone))
        else:
            rows = [(gettext("no."), gettext("older"), gettext("newer"), gettext("why"), gettext("likeness"))]
            for pair in await open_pairs(session):
                one, other = (
                    f"{name}, {city}" if city else name
                    for name, city in ((pair.one, pair.one_city), (pair.other, pair.other_city))
                )
                rows.append((str(pair.id), one, other, gettext(GROUNDS[pair.ground]), f"{pair.score:.0f}"))
        look = await last_look(session)
    terminal.table(rows)
    if arguments.merged:
        return 0
    if look.at is None:
        terminal.warn(gettext("Nobody has looked through the base yet."))
    elif look.came:
        terminal.warn(
            gettext("The base was looked through on {when}.", when=moment(words, look.at, zone))
            + " "
            + words.ngettext("{n} organisation has come since.", "{n} organisations have come since.", look.came)
        )
    return 0


async def merge(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`duplicates merge`: the two of a pair become one."""

    async def merge_pair(session: AsyncSession) -> OrganisationMerge:
        pair = await open_pair(session, arguments.number)
        survivor, duplicate = (pair.other_id, pair.one_id) if arguments.keep_newer else (pair.one_id, pair.other_id)
        return await merge_organisations(
            session, survivor_id=survivor, duplicate_id=duplicate, take=arguments.take, now=datetime.now(UTC)
        )

    async with ready_database(settings, terminal) as database:
        made = await database.carry_out(merge_pair)
    terminal.say(
        terminal.words.gettext("Merged as no. {number}. To undo: dialer duplicates undo {number}", number=made.id)
    )
    return 0


async def dismiss(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`duplicates dismiss`: two are two."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        pair = await open_pair(session, arguments.number)
        await not_duplicates(session, one_id=pair.one_id, other_id=pair.other_id, now=datetime.now(UTC))
    terminal.say(terminal.words.gettext("No. {number}: these are two organisations.", number=arguments.number))
    return 0


async def undo(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`duplicates undo`: one becomes two again."""
    words = terminal.words
    async with ready_database(settings, terminal) as database:
        _, left = await database.carry_out(
            lambda session: undo_merge(session, merge_id=arguments.number, now=datetime.now(UTC))
        )
    terminal.say(words.gettext("Merge no. {number} is undone.", number=arguments.number))
    if left:
        terminal.say(
            words.ngettext(
                "{n} value has been changed since and stays as it is: {what}",
                "{n} values have been changed since and stay as they are: {what}",
                len(left),
                what=", ".join(left),
            )
        )
    return 0
