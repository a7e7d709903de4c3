"""`dialer competitors`: who they are and what they offer."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from config.settings import Settings
from crm.base.competitors import change_competitor, competitor_named, list_competitors
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`competitors list`: a line for each."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = await list_competitors(session)
    rows = [(gettext("competitor"), gettext("buy there"), gettext("product"), gettext("terms"))]
    rows += [(each.name, str(count), each.product or "-", each.terms or "-") for each, count in found]
    terminal.table(rows)
    return 0


async def change(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`competitors set`: made if there is none of that name; only what is named is changed."""
    now = datetime.now(UTC)
    named = {"name": arguments.new_name, "product": arguments.product, "terms": arguments.terms, "note": arguments.note}
    changes = {column: value for column, value in named.items() if value is not None}
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        competitor, _ = await competitor_named(session, arguments.name, now=now, to_change=True)
        await change_competitor(session, competitor=competitor, now=now, **changes)
    terminal.say(terminal.words.gettext("The competitor “{name}” is written down.", name=competitor.name))
    return 0
