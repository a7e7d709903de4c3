"""`dialer campaigns`: what is called, when, and under which rules."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from config.settings import Settings
from crm.day import day_plan
from crm.preparation.campaigns import Campaign, add_campaign, campaign_named, change_campaign, list_campaigns
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal

_COLUMNS = (
    "time_zone",
    "calls_from",
    "calls_until",
    "lists_need_approval",
    "ring_timeout_s",
    "attempts_a_day",
    "number_attempts_a_day",
    "gap_min",
    "tries_to_no_contact",
    "country",
    "calls_on_days_off",
    "target_contacts",
    "group_order",
    "calls_a_day",
    "shares_by",
    "shares",
    "owner_keeps_days",
    "away_keeps",
    "consent",
    "sells_by_deals",
    "referral_limit_min",
    "referrals_by",
)


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`campaigns list`: one line a campaign."""
    gettext = terminal.words.gettext
    heading = (
        gettext("campaign"), gettext("calling hours"), gettext("time zone"), gettext("lists need approval"),
        gettext("days off"), gettext("rings for"), gettext("attempts a day"), gettext("to reach"),
    )  # fmt: skip
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = await list_campaigns(session)
    terminal.table([heading, *(_row(campaign, settings, terminal) for campaign in found)])
    return 0


def _row(campaign: Campaign, settings: Settings, terminal: Terminal) -> tuple[str, ...]:
    gettext = terminal.words.gettext
    return (
        campaign.name,
        f"{campaign.calls_from:%H:%M}-{campaign.calls_until:%H:%M}",
        campaign.time_zone,
        gettext("yes") if campaign.lists_need_approval else gettext("no"),
        gettext("calls too") if campaign.calls_on_days_off else campaign.country or gettext("weekends"),
        gettext("{seconds} s", seconds=campaign.ring_timeout_s or f"{settings.dialing.ring_timeout_s:g}"),
        str(campaign.attempts_a_day),
        str(campaign.target_contacts),
    )


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`campaigns add`: a campaign, in the office's time zone unless another is given."""
    given = {"time_zone": settings.service.time_zone, **given_columns(arguments)}
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await add_campaign(session, name=arguments.name, now=datetime.now(UTC), **given)
    terminal.say(terminal.words.gettext("The campaign “{name}” has been added.", name=campaign.name))
    return 0


async def change(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`campaigns set`: only what is named is changed; today's plan follows at once."""
    now = datetime.now(UTC)
    given = given_columns(arguments)
    if arguments.new_name is not None:
        given["name"] = arguments.new_name
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.name)
        changed = await change_campaign(session, campaign=campaign, now=now, **given)
        await day_plan.follow_rules(session, campaign=campaign, changed=changed, now=now)
    terminal.say(terminal.words.gettext("The campaign “{name}” has been changed.", name=campaign.name))
    return 0


def given_columns(arguments: argparse.Namespace, columns: Iterable[str] = _COLUMNS) -> dict[str, Any]:
    """The columns that the command line names. Ringing for 0 s means as long as the service's settings say, 0 clients a
    day as many as there are, 0 minutes for an expert no limit."""
    given = {column: getattr(arguments, column) for column in columns if getattr(arguments, column) is not None}
    for column in ("ring_timeout_s", "calls_a_day", "referral_limit_min"):
        if given.get(column) == 0:
            given[column] = None
    if given.get("owner_keeps_days") == "never":
        given["owner_keeps_days"] = None
    return given
