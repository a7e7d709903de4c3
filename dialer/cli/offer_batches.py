"""`dialer offers send-many` and what becomes of it."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from config.settings import Settings
from crm.care import bulk_offers
from crm.care.bulk_offers import BatchPreview, BatchWanted
from crm.errors import NotFound
from crm.offers.batches import batch_row, batches, clients_of_batch, resume_batch, stop_batch
from crm.offers.templates import Language, newest_text
from dialer.cli.client_lists import narrowed_filters
from dialer.cli.database import ready_database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.cli.users import user_named
from dialer.shown.batch_words import came_to, goes_on, reason_in_words, steps_in_words
from dialer.shown.formats import moment, zone_named

FIRST_ROWS: Final = 10
MOST_ROWS: Final = 10_000


async def send_many(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers send-many`: to whom it would go; with `--yes` it is begun."""
    words, now = terminal.words, datetime.now(UTC)
    if not settings.mail.host:
        raise CommandFailed(words.gettext("No mail server, or no fax gateway, is set up: see [mail] in the settings."))
    async with ready_database(settings, terminal) as database:
        async with database.reading() as session:
            narrowed = await narrowed_filters(session, arguments, terminal)
            sender_id = None if arguments.by is None else (await user_named(session, arguments.by)).id
            text = await newest_text(session, arguments.template, Language(arguments.language))
            if text is None:
                raise NotFound("offer.template_unknown")
            wanted = BatchWanted(text.id, arguments.per_hour, arguments.not_within)
            shown = await bulk_offers.preview(session, filters=narrowed, wanted=wanted, now=now, sender_id=sender_id)
        _tell(shown, terminal)
        if not arguments.yes:
            terminal.say(words.gettext("Nothing has been sent. With --yes it goes."))
            return 0
        batch = await database.carry_out(
            lambda session: bulk_offers.begin(
                session, shown=shown, filters=narrowed, wanted=wanted, key=uuid4().hex, now=now, author_id=sender_id
            )
        )  # fmt: skip
    terminal.say(words.gettext("Begun. To stop it: dialer offers stop {number}", number=batch.id))
    return 0


def _tell(shown: BatchPreview, terminal: Terminal) -> None:
    words = terminal.words
    terminal.say(words.ngettext("It goes to {n} client.", "It goes to {n} clients.", len(shown.going)))
    for row in shown.going[:FIRST_ROWS]:
        terminal.say(f"  {row.organisation}: {row.to.address if row.to else ''}")
    if len(shown.going) > FIRST_ROWS:
        terminal.say("  " + words.gettext("and {count} more", count=len(shown.going) - FIRST_ROWS))
    for code, count in shown.later.most_common():
        one, many = "{n} client of these waits first: {reason}", "{n} clients of these wait first: {reason}"
        terminal.say(words.ngettext(one, many, count, reason=reason_in_words(words, code)))
    for code, count in shown.left_out.most_common():
        one, many = "{n} client gets nothing: {reason}", "{n} clients get nothing: {reason}"
        terminal.say(words.ngettext(one, many, count, reason=reason_in_words(words, code)))


async def show_all(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers batches`: one line each."""
    words, gettext = terminal.words, terminal.words.gettext
    zone = zone_named("", settings.service.time_zone)
    rows = [
        (
            gettext("No."),
            gettext("begun"),
            gettext("template"),
            gettext("clients"),
            gettext("waiting"),
            gettext("state"),
        )
    ]
    async with ready_database(settings, terminal) as database, database.reading() as session:
        for row in await batches(session):
            batch = row.batch
            rows.append(
                (str(batch.id), moment(words, batch.at, zone), row.template, str(batch.clients), str(row.waiting),
                 goes_on(words, row))
            )  # fmt: skip
    terminal.table(rows)
    return 0


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers batch`: how far it has come, and what became of each client's."""
    words = terminal.words
    async with ready_database(settings, terminal) as database, database.reading() as session:
        row = await batch_row(session, arguments.number)
        clients = await clients_of_batch(session, arguments.number, limit=MOST_ROWS)
    terminal.say(f"{row.template}: {goes_on(words, row)}")
    for what, count in steps_in_words(words, row.steps):
        terminal.say(f"  {what}: {count}")
    gettext = words.gettext
    rows = [(gettext("client"), gettext("Client"), gettext("state"), gettext("Why"))]
    rows += [
        (str(each.client_id), each.organisation, came_to(words, each), reason_in_words(words, each.reason))
        for each in clients
    ]
    terminal.table(rows)
    return 0


async def stop(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers stop`."""
    async with ready_database(settings, terminal) as database:
        await database.carry_out(lambda session: stop_batch(session, batch_id=arguments.number, now=datetime.now(UTC)))
    words = terminal.words
    terminal.say(words.gettext("Stopped. To go on: dialer offers go-on {number}", number=arguments.number))
    return 0


async def go_on(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers go-on`."""
    async with ready_database(settings, terminal) as database:
        await database.carry_out(
            lambda session: resume_batch(session, batch_id=arguments.number, now=datetime.now(UTC))
        )
    terminal.say(terminal.words.gettext("It goes on."))
    return 0
