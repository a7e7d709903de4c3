"""`dialer clients letter` and `dialer clients withdraw-letter`: e-mails and faxes that were sent to a client."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from config.settings import Settings
from crm.base.joined import standing_client
from crm.calls.letters import Channel, note_letter, withdraw_letter
from crm.time_zones import instant
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.cli.users import user_named


async def note(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients letter`: of one that was merged, to the client that stands for it."""
    sent_at = None if arguments.at is None else instant(arguments.at, settings.service.time_zone)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        sender = None if arguments.by is None else await user_named(session, arguments.by)
        letter = await note_letter(
            session,
            client_id=await standing_client(session, arguments.number),
            channel=Channel(arguments.channel),
            sent_at=sent_at,
            note=arguments.note,
            sent_by=None if sender is None else sender.id,
            now=datetime.now(UTC),
        )
    terminal.say(terminal.words.gettext("Noted as no. {number}; it counts for that day.", number=letter.id))
    return 0


async def withdraw(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients withdraw-letter`: it counts no more, and stays on record."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        await withdraw_letter(session, letter_id=arguments.number, reason=arguments.reason, now=datetime.now(UTC))
    terminal.say(terminal.words.gettext("No. {number} is withdrawn.", number=arguments.number))
    return 0
