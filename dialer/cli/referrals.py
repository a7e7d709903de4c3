"""`dialer referrals`: clients who are handed to experts."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from config.settings import Settings
from crm.experts.referring import accept, give_back, give_to
from crm.preparation.campaigns import campaign_named
from crm.reading.referral_rows import ReferralRow, all_offered_rows, offered_rows, passed_over_rows
from crm.reports.first_contacts import FirstContact, first_contacts, summary
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.cli.users import user_named
from dialer.console.reports.expert_page import counts_in_words
from dialer.shown.formats import duration, moment
from dialer.shown.labels import group_name


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`referrals list`: one line a client, the oldest first; of one expert the hot before the warm."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        if arguments.expert is not None:
            rows = await offered_rows(session, expert_id=(await user_named(session, arguments.expert)).id)
        else:
            rows = await all_offered_rows(session)
        if arguments.late:
            late = {row.id for row in await passed_over_rows(session)}
            rows = [row for row in rows if row.id in late]
    header = (
        gettext("number"), gettext("client"), gettext("group"), gettext("handed over"), gettext("who spoke"),
        gettext("with whom now"), gettext("accept by"),
    )  # fmt: skip
    zone = ZoneInfo(settings.service.time_zone)
    terminal.table([header, *(_line(terminal, zone, row) for row in rows)])
    return 0


def _line(terminal: Terminal, zone: ZoneInfo, row: ReferralRow) -> tuple[str, ...]:
    words = terminal.words
    return (
        str(row.id),
        row.organisation,
        words.gettext(group_name(row.group.value)),
        moment(words, row.first_at, zone),
        row.caller,
        row.expert or words.gettext("nobody"),
        moment(words, row.due_at, zone) if row.due_at is not None else "-",
    )


async def take(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`referrals accept`: for the expert, as on their page."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        expert = await user_named(session, arguments.by)
        await accept(session, referral_id=arguments.number, expert_id=expert.id, now=datetime.now(UTC))
    terminal.say(terminal.words.gettext("The client is {name}'s now.", name=expert.name))
    return 0


async def return_it(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`referrals give-back`: for the expert, as on their page."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        expert = await user_named(session, arguments.by)
        following = await give_back(
            session, referral_id=arguments.number, expert_id=expert.id, reason=arguments.reason, now=datetime.now(UTC)
        )  # fmt: skip
    if following is None:
        terminal.say(gettext("No expert is left for this client: it waits for whoever takes it."))
    else:
        terminal.say(gettext("The next expert is offered it, as no. {number}.", number=following.id))
    return 0


async def give(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`referrals give`: by whoever answers for the result."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        expert = await user_named(session, arguments.to)
        given = await give_to(
            session, referral_id=arguments.number, expert_id=expert.id, now=datetime.now(UTC), author_id=None
        )  # fmt: skip
    terminal.say(terminal.words.gettext("{name} is offered it, as no. {number}.", name=expert.name, number=given.id))
    return 0


async def times(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`referrals times`: in working time and by the clock, and with `--clients` of each."""
    words, now = terminal.words, datetime.now(UTC)
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign) if arguments.campaign else None
        found = await first_contacts(
            session, since=now - timedelta(days=arguments.days), now=now, campaign_id=campaign.id if campaign else None
        )
    heading = ("", words.gettext("Working time"), words.gettext("By the clock"))
    terminal.table([heading, *counts_in_words(words, summary(found))])
    if arguments.clients and found:
        zone = ZoneInfo(settings.service.time_zone)
        terminal.say("")
        terminal.table([_contact(terminal, zone, each) for each in found])
    return 0


def _contact(terminal: Terminal, zone: ZoneInfo, each: FirstContact) -> tuple[str, ...]:
    words = terminal.words
    return (
        each.organisation,
        each.expert or words.gettext("nobody"),
        moment(words, each.handed_at, zone),
        words.gettext("waits") if each.waits else words.gettext("talked"),
        duration(words, each.working),
        duration(words, each.by_clock),
    )
