"""`dialer dispositions`: what operators choose from after a call, in the office or in one campaign."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm.calls.disposition_sets import dispositions_of, set_disposition
from crm.group import Group
from crm.plan.dispositions import Ask, Disposition
from crm.preparation.campaigns import campaign_named
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.console.desk.outcome_form import label_of


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`dispositions list`: a line each, with what it moves and what it makes necessary."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = await dispositions_of(session, await _campaign_id(session, arguments))
    heading = (
        gettext("digit"), gettext("key"), gettext("name"), gettext("group"), gettext("necessary"),
        gettext("acts like"), gettext("offered"),
    )  # fmt: skip
    terminal.table([heading, *(_row(each, terminal) for each in found.values())])
    return 0


def _row(each: Disposition, terminal: Terminal) -> tuple[str, ...]:
    return (
        each.digit or "-",
        each.key,
        label_of(terminal.words, each),
        each.group.value if each.group else "-",
        " ".join(sorted(each.required)) or "-",
        each.like or "-",
        terminal.words.gettext("yes") if each.active else terminal.words.gettext("no"),
    )


async def change(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`dispositions add|set|off|on`: only what is named is changed."""
    changes = _changes(arguments)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign_id = await _campaign_id(session, arguments)
        await set_disposition(session, campaign_id=campaign_id, key=arguments.key, now=datetime.now(UTC), **changes)
    terminal.say(terminal.words.gettext("The disposition “{key}” has been set.", key=arguments.key))
    return 0


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.action in ("off", "on"):
        return {"active": arguments.action == "on"}
    given = {name: getattr(arguments, name) for name in ("label_ru", "label_en", "digit")}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if arguments.action == "add":
        changes["like"] = arguments.like
    if arguments.group is not None:
        changes["group"] = None if arguments.group == "none" else Group(arguments.group)
    if arguments.required is not None:
        changes["required"] = [Ask(each) for each in arguments.required if each != "nothing"]
    return changes


async def _campaign_id(session: AsyncSession, arguments: argparse.Namespace) -> int | None:
    return (await campaign_named(session, arguments.campaign)).id if arguments.campaign else None
