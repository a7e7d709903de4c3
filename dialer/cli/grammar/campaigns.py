"""Campaigns: rules, calendar, lists, reports."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from crm.preparation.plan_rules import Consent, ReferralsBy, SharesBy
from dialer.cli.grammar import setup
from dialer.cli.grammar.options import (
    command,
    day_reader,
    days_or_never_reader,
    group,
    number_reader,
    retry_reader,
    settings_option,
    time_reader,
)
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_campaigns(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    actions = group(commands, "campaigns", gettext("list, add and change campaigns"))
    settings_option(command(actions, "list", gettext("list the campaigns with their rules")), words)
    for action, text in (("add", gettext("add a campaign")), ("set", gettext("change a campaign"))):
        parser = command(actions, action, text)
        parser.add_argument("name", metavar="NAME", help=gettext("name of the campaign"))
        if action == "set":
            parser.add_argument("--name", dest="new_name", metavar="NEW", help=gettext("another name"))
        parser.add_argument("--time-zone", metavar="ZONE", help=gettext("IANA time zone of the campaign"))
        _hours(parser, words)
        parser.add_argument(
            "--lists-need-approval", action=argparse.BooleanOptionalAction, default=None,
            help=gettext("whether only approved lists are called"),
        )  # fmt: skip
        parser.add_argument(
            "--ring", dest="ring_timeout_s", type=number_reader(words), metavar="SECONDS",
            help=gettext("how long it rings (0: as the settings say)"),
        )  # fmt: skip
        _caps(parser, words)
        _tries(parser, words)
        parser.add_argument(
            "--country", metavar="XX", help=gettext("whose holidays are kept: two letters, or '' for weekends alone")
        )
        _days_off(parser, words)
        parser.add_argument(
            "--target-contacts",
            type=number_reader(words),
            metavar="N",
            help=gettext("how many organisations are to be reached"),
        )
        parser.add_argument(
            "--sells-by-deals", action=argparse.BooleanOptionalAction, default=None,
            help=gettext("whether its clients have deals"),
        )  # fmt: skip
        _plan_rules(parser, words)
        settings_option(parser, words)
    _simulate(actions, words)
    setup.campaign_actions(actions, words)


def _hours(parser: argparse.ArgumentParser, words: Words) -> None:
    gettext = words.gettext
    for option, column, text in (
        ("--from", "calls_from", gettext("calls begin, on the client's clock")),
        ("--until", "calls_until", gettext("calls end, on the client's clock")),
    ):
        parser.add_argument(option, dest=column, type=time_reader(words), metavar="HH:MM", help=text)


def _caps(parser: argparse.ArgumentParser, words: Words) -> None:
    gettext = words.gettext
    parser.add_argument(
        "--attempts-a-day", type=number_reader(words), metavar="N", help=gettext("attempts a client and day")
    )
    parser.add_argument(
        "--number-attempts-a-day", type=number_reader(words), metavar="N", help=gettext("attempts a number and day")
    )
    parser.add_argument(
        "--gap", dest="gap_min", type=number_reader(words), metavar="MINUTES",
        help=gettext("between two unanswered attempts at a number"),
    )  # fmt: skip


def _tries(parser: argparse.ArgumentParser, words: Words) -> None:
    parser.add_argument(
        "--tries-to-no-contact", type=number_reader(words), metavar="N",
        help=words.gettext("tries in vain until a new client is “no contact”"),
    )  # fmt: skip


def _days_off(parser: argparse.ArgumentParser, words: Words) -> None:
    parser.add_argument(
        "--calls-on-days-off", action=argparse.BooleanOptionalAction, default=None,
        help=words.gettext("whether clients are called on days off"),
    )  # fmt: skip


def _simulate(actions: Commands, words: Words) -> None:
    """`campaigns simulate`, with the options of the rules that it tries."""
    gettext = words.gettext
    parser = command(actions, "simulate", gettext("try other rules on the calls that were made; nothing is saved"))
    parser.add_argument("name", metavar="NAME", help=gettext("name of the campaign"))
    _hours(parser, words)
    _caps(parser, words)
    _days_off(parser, words)
    _tries(parser, words)
    _order_rules(parser, words)
    parser.add_argument(
        "--retry", action="append", type=retry_reader(words), metavar="RULE",
        help=gettext("another rule for next tries, such as busy=20, busy:no_contact=0, no_answer=90+other; repeat it"),
    )  # fmt: skip
    parser.add_argument(
        "--first", type=day_reader(words), metavar="DAY", help=gettext("the first day (otherwise 30 days in all)")
    )
    parser.add_argument(
        "--last", type=day_reader(words), metavar="DAY", help=gettext("the last day (otherwise yesterday)")
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help=gettext("write the calls that differ to a file for a spreadsheet")
    )
    parser.add_argument("--xlsx", type=Path, metavar="FILE", help=gettext("write them to a workbook"))
    settings_option(parser, words)


def _order_rules(parser: argparse.ArgumentParser, words: Words) -> None:
    gettext = words.gettext
    parser.add_argument(
        "--group-order", metavar="GROUPS", help=gettext("groups with commas, in the order in which they come up")
    )
    parser.add_argument(
        "--calls-a-day",
        type=number_reader(words),
        metavar="N",
        help=gettext("clients a day for each person (0: from all)"),
    )
    parser.add_argument(
        "--shares-by", choices=[each.value for each in SharesBy], help=gettext("what the day is mixed by")
    )
    parser.add_argument("--shares", metavar="TEXT", help=gettext("per cent by name, such as: Transport 40; Trade 30"))
    parser.add_argument(
        "--owner-keeps", dest="owner_keeps_days", type=days_or_never_reader(words), metavar="DAYS",
        help=gettext("days without a talk after which a client is anyone's, or: never"),
    )  # fmt: skip
    parser.add_argument(
        "--away-keeps", action=argparse.BooleanOptionalAction, default=None,
        help=gettext("whether who is away keeps the clients"),
    )  # fmt: skip


def _plan_rules(parser: argparse.ArgumentParser, words: Words) -> None:
    _order_rules(parser, words)
    gettext = words.gettext
    parser.add_argument(
        "--consent",
        choices=[each.value for each in Consent],
        help=gettext("whether clients must have agreed to be called"),
    )
    parser.add_argument(
        "--referral-limit", dest="referral_limit_min", type=number_reader(words), metavar="MINUTES",
        help=gettext("minutes of the campaign's hours in which an expert accepts a client (0: no limit)"),
    )  # fmt: skip
    parser.add_argument(
        "--referrals-by", choices=[each.value for each in ReferralsBy],
        help=gettext("by what experts are chosen for clients"),
    )  # fmt: skip


def add_calendar(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    actions = group(
        commands, "calendar", gettext("show the working days of a campaign, and decide single days otherwise")
    )
    show = command(actions, "show", gettext("show the days off from today, and the working weekends"))
    change = command(actions, "set", gettext("make a day a working day or a day off, or follow the calendar again"))
    change.add_argument("day", type=day_reader(words), metavar="DAY", help=gettext("the day, as 2026-12-31"))
    change.add_argument("as_what", choices=("work", "off", "calendar"), metavar="WHAT", help="work, off, calendar")
    change.add_argument("--reason", default="", metavar="TEXT", help=gettext("why it differs, in words"))
    for parser in (show, change):
        parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
        settings_option(parser, words)
    show.add_argument("--days", type=number_reader(words), default=60, metavar="N", help=gettext("how many days ahead"))


def add_lists(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    actions = group(commands, "lists", gettext("list the call lists, and submit, approve or return one"))

    show = command(actions, "list", gettext("list the call lists with their state"))
    show.add_argument("--campaign", metavar="C", help=gettext("name of the campaign (otherwise all)"))
    settings_option(show, words)

    for action, text in (
        ("submit", gettext("hand a list in for approval")),
        ("approve", gettext("note that the customer has approved a list: its clients may be called")),
        ("return", gettext("note that a list has been returned: its clients are not called")),
    ):
        move = command(actions, action, text)
        move.add_argument("name", metavar="NAME", help=gettext("name of the call list"))
        move.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
        if action == "approve":
            move.add_argument("--by", required=True, metavar="WHO", help=gettext("who approved it, in words"))
        if action == "return":
            move.add_argument("--remarks", default="", metavar="TEXT", help=gettext("why it was returned"))
        settings_option(move, words)
    setup.list_actions(actions, words)


def add_reports(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    show = command(commands, "reports", gettext("count the clients and contacts of a campaign"))
    show.add_argument(
        "report", choices=("groups", "industries", "contacts", "organisations", "headcount"), metavar="REPORT",
        help="groups, industries, contacts, organisations, headcount",
    )  # fmt: skip
    show.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
    show.add_argument("--list", dest="call_list", metavar="NAME", help=gettext("of one call list alone"))
    show.add_argument(
        "--from", dest="first", type=day_reader(words), metavar="DAY",
        help=gettext("the first day of the project (otherwise that of the first contact)"),
    )  # fmt: skip
    show.add_argument(
        "--to", dest="last", type=day_reader(words), metavar="DAY",
        help=gettext("the last day of the project (otherwise that of the last contact)"),
    )  # fmt: skip
    show.add_argument(
        "--attribute", default="", metavar="NAME",
        help=gettext("what the headcounts are crossed with: a column that holds yes or no"),
    )  # fmt: skip
    show.add_argument("--csv", type=Path, metavar="FILE", help=gettext("write it to a file for a spreadsheet"))
    settings_option(show, words)
