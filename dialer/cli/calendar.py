"""`dialer calendar`: the days on which a campaign calls, and those that it decides otherwise than its country."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from config.settings import Settings
from crm.preparation.campaigns import Campaign, campaign_named, set_calendar_day
from crm.preparation.working_calendar import days_between, holiday_name
from crm.time_zones import local
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.shown.formats import dated

_WORKS: Final[dict[str, bool | None]] = {"work": True, "off": False, "calendar": None}
_SATURDAY: Final = 5


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`calendar show`: the days that are not like their weekday, with the reason."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign)
    today = local(datetime.now(UTC), campaign.time_zone).date()
    last = today + timedelta(days=arguments.days)
    rows = [(gettext("day"), gettext("working day"), gettext("reason")), *_unusual(campaign, today, last, terminal)]
    terminal.table(rows)
    terminal.say(
        terminal.words.ngettext(
            "{n} working day until {last}", "{n} working days until {last}", campaign.working_days(today, last),
            last=dated(terminal.words, last),
        )
    )  # fmt: skip
    return 0


def _unusual(campaign: Campaign, first: date, last: date, terminal: Terminal) -> Iterator[tuple[str, str, str]]:
    gettext = terminal.words.gettext
    reasons = {own.day: own.reason for own in campaign.days}
    for day in days_between(first, last):
        works = campaign.is_working_day(day)
        if day in reasons or works != (day.weekday() < _SATURDAY):
            reason = (
                reasons.get(day) or holiday_name(campaign.country, day, terminal.words.language) or gettext("moved")
            )
            yield dated(terminal.words, day), gettext("yes") if works else gettext("no"), reason


async def change(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`calendar set`: one day; a plan that was made for it follows within a minute."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign)
        await set_calendar_day(
            session, campaign=campaign, day=arguments.day, works=_WORKS[arguments.as_what], reason=arguments.reason,
            now=datetime.now(UTC),
        )  # fmt: skip
        works = campaign.is_working_day(arguments.day)
    sentence = gettext("a working day") if works else gettext("a day off")
    terminal.say(gettext("{day} is {what}.", day=dated(terminal.words, arguments.day), what=sentence))
    return 0
