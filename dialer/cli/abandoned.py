"""`dialer abandoned`: clients that nobody looks after."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from babel.dates import format_date

from config.settings import Settings
from crm.care.abandoned import AbandonedRule, Reason, abandoned_clients, move_abandoned
from crm.preparation.campaigns import campaign_named
from crm.time_zones import local
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.shown.labels import ABANDONED_REASONS


def _rule(arguments: argparse.Namespace) -> AbandonedRule:
    return AbandonedRule(frozenset(map(Reason, arguments.reason or Reason)), arguments.months)


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`abandoned list`: a line for each client that the rule finds."""
    words, now = terminal.words, datetime.now(UTC)
    gettext = words.gettext
    rule = _rule(arguments)
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign)
        today = local(now, campaign.time_zone).date()
        found = await abandoned_clients(session, campaign_id=campaign.id, rule=rule, today=today)
    rows = [(gettext("client"), gettext("city"), gettext("owner"), gettext("last deal"), gettext("why"))]
    for row in found:
        deal = format_date(row.last_deal, "d MMM y", locale=words.locale) if row.last_deal else "-"
        owner = row.owner or (f"({row.former_owner})" if row.former_owner else "-")
        why = ", ".join(gettext(ABANDONED_REASONS[reason]) for reason in row.reasons)
        rows.append((row.organisation, row.city or "-", owner, deal, why))
    terminal.table(rows)
    return 0


async def move(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`abandoned move`: whom the rule finds goes into the group."""
    words, now, rule = terminal.words, datetime.now(UTC), _rule(arguments)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign)
        moved = await move_abandoned(
            session, campaign_id=campaign.id, rule=rule, now=now, today=local(now, campaign.time_zone).date(),
            words={reason: words.gettext(ABANDONED_REASONS[reason]) for reason in Reason},
        )  # fmt: skip
    terminal.say(
        words.ngettext(
            "{n} client is now in the group “abandoned”.", "{n} clients are now in the group “abandoned”.", len(moved)
        )
    )
    return 0
