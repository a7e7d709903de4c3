"""`dialer campaigns simulate`: other rules, tried on the calls that were made."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from config.settings import Settings
from crm.calls.retry_rules import Key, Rule
from crm.csv_sheets import csv_bytes
from crm.preparation.campaigns import campaign_named
from crm.what_if.drafts import COLUMNS, Draft
from crm.what_if.outcome import Outcome
from crm.what_if.trying import period_of, try_rules
from dialer.cli.campaigns import given_columns
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.shown import what_if_words
from dialer.shown.formats import short_day


async def simulate(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`campaigns simulate`: what was, what would have been, and with a file the calls that differ."""
    words = terminal.words
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.name)
        period = period_of(campaign, arguments.first, arguments.last, now=datetime.now(UTC))
        found = Outcome(period)
        terminal.progress(words.gettext("Trying the rules ..."))
        async for outcome in try_rules(session, campaign, _draft(arguments), period):
            found = outcome or found
        terminal.progress("")
        clients = [client_id for client_id, _ in found.by_client()]
        names = await what_if_words.client_names(session, clients)
    rows = list(what_if_words.calls(words, found, names, campaign.time_zone))
    first, last = short_day(words, period.first), short_day(words, period.last)
    terminal.say(words.gettext("{first} to {last}:", first=first, last=last))
    for table in (what_if_words.summary(words, found), what_if_words.reasons(words, found)):
        if table:
            terminal.table(table)
            terminal.say()
    differ = words.ngettext("{n} client differs.", "{n} clients differ.", len(clients))
    terminal.say(differ if clients else words.gettext("Nothing would have been otherwise."))
    for file, content in ((arguments.csv, csv_bytes), (arguments.xlsx, what_if_words.workbook)):
        if file is not None:
            file.write_bytes(content(rows))
            terminal.say(words.gettext("Written to {file}.", file=file))
    return 0


def _draft(arguments: argparse.Namespace) -> Draft:
    columns = given_columns(arguments, COLUMNS)
    retries: dict[Key, Rule | None] = {
        (result, disposition): Rule(minutes or None, other_part)
        for result, disposition, minutes, other_part in arguments.retry or ()
    }
    return Draft(columns, retries)
