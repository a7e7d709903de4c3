"""`dialer clients`: clients entered by hand."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from config.settings import Settings
from crm.campaigns import campaign_named
from crm.entering import Entry, enter_client
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.console.labels import GROUNDS


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients add`: one client, unless somebody has a number, tax number, domain or e-mail of it."""
    gettext = terminal.words.gettext
    entry = Entry(
        name=arguments.name, list_name=arguments.list_name, city=arguments.city, industry=arguments.industry,
        tax_number=arguments.tax_number, site=arguments.site, email=arguments.email, phones=", ".join(arguments.phone),
        person=arguments.person, position=arguments.position, decides=arguments.decides, source=arguments.source,
        note=arguments.note,
    )  # fmt: skip
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        entered = await enter_client(
            session, campaign=await campaign_named(session, arguments.campaign), entry=entry, now=datetime.now(UTC),
            region=settings.dialing.region, though_alike=arguments.though_alike,
        )  # fmt: skip
    terminal.say(gettext("“{name}” is client no. {number}.", name=entered.organisation.name, number=entered.client.id))
    for each in entered.alike:
        grounds = ", ".join(gettext(GROUNDS[ground]) for ground in each.grounds)
        place = f", {each.city}" if each.city else ""
        terminal.say(gettext("Looks alike: {name} ({grounds}).", name=f"{each.name}{place}", grounds=grounds))
    return 0
