"""`dialer plan`: who calls whom today, picked, given to another person, put in another place."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from config.settings import Settings
from crm import audit
from crm.calls.owners import callers
from crm.day import day_plan, plan_changes
from crm.plan.plan_entries import get_entry
from crm.preparation.campaigns import campaign_named
from crm.reading.my_day import my_day
from crm.reading.person_plan import PlannedRow, person_plan
from crm.time_zones import local
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.cli.users import user_named
from dialer.shown.labels import KINDS, group_name
from dialer.words import mark

_SUMS: Final = (mark("login"), mark("name"), mark("done"), mark("own plan"), mark("shared by all"), mark("contacts"))
_HEADING: Final = (mark("entry"), mark("client no."), mark("client"), mark("group"), mark("why, when"))


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`plan show`: plan against done of everybody; with `--user` the day of one person, entry by entry."""
    gettext, now = terminal.words.gettext, datetime.now(UTC)
    rows: list[tuple[str, ...]]
    async with ready_database(settings, terminal) as database, database.reading() as session:
        if arguments.user is None:
            rows = [tuple(map(gettext, _SUMS))]
            for user in await callers(session):
                day = await my_day(session, operator_id=user.id, now=now)
                rows.append(
                    (
                        user.login,
                        user.name,
                        str(day.done_count),
                        str(day.own_count),
                        str(day.shared_count),
                        str(day.contacts),
                    )
                )
        else:
            user = await user_named(session, arguments.user)
            found = await person_plan(session, user=user, day=arguments.day or local(now, user.time_zone).date())
            zone = ZoneInfo(user.time_zone)
            rows = [tuple(map(gettext, _HEADING))]
            rows += [_row(row, zone, terminal) for row in (*found.promised, *found.waiting)]
    terminal.table(rows)
    return 0


def _row(row: PlannedRow, zone: tzinfo, terminal: Terminal) -> tuple[str, str, str, str, str]:
    gettext = terminal.words.gettext
    at = row.due_at or row.opens_at
    when = f", {at.astimezone(zone):%d.%m %H:%M}" if at is not None else ""
    entry = "-" if row.entry_id is None else str(row.entry_id)
    why = gettext(KINDS[row.kind.value]) + when
    return (entry, str(row.client_id), row.organisation, gettext(group_name(row.group.value)), why)


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`plan add`: a client into somebody's plan of a day."""
    now = datetime.now(UTC)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        user = await user_named(session, arguments.user)
        day = arguments.day or local(now, user.time_zone).date()
        entry = await plan_changes.hand_pick(
            session, client_id=arguments.client, user_id=user.id, day=day, now=now, author_id=None
        )
    terminal.say(terminal.words.gettext("Entry {number} of the plan.", number=entry.id))
    return 0


async def move(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`plan move`: an entry to another place, another person, or everybody."""
    now = datetime.now(UTC)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        if arguments.before is not None or arguments.last:
            await plan_changes.move_before(
                session, entry_id=arguments.entry, before_id=arguments.before, now=now, author_id=None
            )
        else:
            to = (await user_named(session, arguments.to)).id if arguments.to is not None else None
            entry = await get_entry(session, arguments.entry)
            await plan_changes.reassign(
                session, entry_id=entry.id, to=to, was=entry.operator_id, now=now, author_id=None
            )
    terminal.say(terminal.words.gettext("Done."))
    return 0


async def build(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`plan build`: begin today's plan of a campaign anew."""
    now = datetime.now(UTC)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign)
        day = local(now, campaign.time_zone).date()
        added = await day_plan.build_anew(session, campaign=campaign, day=day, now=now)
        audit.note(
            session, at=now, user_id=None, action=audit.PLAN_BUILT, subject=f"campaign:{campaign.id}",
            details={"day": day.isoformat()},
        )  # fmt: skip
    terminal.say(terminal.words.gettext("Clients in the plan by their group: {count}", count=added))
    return 0
