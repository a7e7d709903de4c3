"""`dialer retries`: when clients whom nobody reached are tried again."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import UTC, datetime

from config.settings import Settings
from crm.calls.retry_rules import DEFAULTS, Rule, own_rules, rules_of, set_rules
from crm.preparation.campaigns import campaign_named, get_campaign
from crm.preparation.results import Result
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`retries list`: a line for each rule."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign)
        rules, own = await rules_of(session, campaign.id), await own_rules(session, campaign.id)
    rows = [(gettext("result"), gettext("disposition"), gettext("minutes"), gettext("then"), gettext("whose rule"))]
    for (result, disposition), rule in rules.items():
        after = gettext("not by itself") if rule.after_min is None else str(rule.after_min)
        then = gettext("another part of the day") if rule.other_part else "-"
        whose = gettext("the campaign's") if (result, disposition) in own else gettext("the usual one")
        rows.append((result.value, disposition or "-", after, then, whose))
    terminal.table(rows)
    return 0


async def change(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`retries set`: one rule; only what is named is changed."""
    result = Result(arguments.result)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign)
        campaign = await get_campaign(session, campaign.id, lock=True)
        own = await own_rules(session, campaign.id)
        was = own.get((result, arguments.disposition)) or own.get((result, "")) or DEFAULTS[result]
        rule = None if arguments.usual else _changed(was, arguments)
        await set_rules(
            session, campaign=campaign, rules={(result, arguments.disposition): rule}, now=datetime.now(UTC)
        )
    terminal.say(terminal.words.gettext("The rule after “{result}” has been set.", result=result.value))
    return 0


def _changed(was: Rule, arguments: argparse.Namespace) -> Rule:
    if arguments.after is not None:
        was = replace(was, after_min=arguments.after or None)
    return was if arguments.other_part is None else replace(was, other_part=arguments.other_part)
