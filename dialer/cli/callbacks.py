"""`dialer callbacks`: which promises are overdue."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from config.settings import Settings
from crm.day.overdue import overdue_count, overdue_promises
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.crm_words import explain


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`callbacks overdue`: the oldest first, with the reason where the client cannot be called."""
    gettext, now = terminal.words.gettext, datetime.now(UTC)
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = await overdue_promises(session, now=now, limit=arguments.most)
        count = await overdue_count(session, now=now)
    rows = [(gettext("client"), gettext("campaign"), gettext("with whom"), gettext("for"), gettext("why not now"))]
    for row in found:
        why = "-" if row.verdict.allowed else explain(terminal.words, row.verdict.code, row.verdict.params)
        rows.append((row.organisation, row.campaign, row.owner, f"{row.local_at:%d.%m.%Y %H:%M}", why))
    terminal.table(rows)
    terminal.say(terminal.words.ngettext("{n} callback is overdue.", "{n} callbacks are overdue.", count))
    return 0
