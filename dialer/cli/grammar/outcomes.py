"""The commands about what follows from a call: tries, dispositions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from crm.calls.disposition_sets import REQUIRABLE
from crm.group import Group
from crm.preparation.results import Result
from dialer.cli.grammar.options import command, group, number_reader, settings_option
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_retries(commands: Commands, words: Words) -> None:
    """`dialer retries`."""
    gettext = words.gettext
    actions = group(commands, "retries", gettext("when clients whom nobody reached are tried again"))
    show = command(actions, "list", gettext("list the rules of a campaign, a line for each result"))
    change = command(actions, "set", gettext("change the rule after a result"))
    change.add_argument(
        "result", metavar="RESULT", choices=[each.value for each in Result], help=gettext("what the network said")
    )
    change.add_argument(
        "--disposition", default="", metavar="KEY", help=gettext("only after this disposition (otherwise after all)")
    )
    change.add_argument(
        "--after", type=number_reader(words), metavar="MINUTES",
        help=gettext("minutes until the next try (0: not by itself, the day's plan brings the client back)"),
    )  # fmt: skip
    change.add_argument(
        "--other-part", action=argparse.BooleanOptionalAction, default=None,
        help=gettext("after two tries in vain, in another part of the client's day"),
    )  # fmt: skip
    change.add_argument("--usual", action="store_true", help=gettext("the usual rule again"))
    for parser in (show, change):
        parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
        settings_option(parser, words)


def add_callbacks(commands: Commands, words: Words) -> None:
    """`dialer callbacks`."""
    gettext = words.gettext
    actions = group(commands, "callbacks", gettext("callbacks that were promised"))
    overdue = command(actions, "overdue", gettext("list the callbacks that are overdue, and why they are not made"))
    overdue.add_argument(
        "--most", type=number_reader(words), default=50, metavar="N", help=gettext("how many lines at most")
    )
    settings_option(overdue, words)


def add_dispositions(commands: Commands, words: Words) -> None:
    """`dialer dispositions`."""
    gettext = words.gettext
    actions = group(commands, "dispositions", gettext("what operators choose from after a call"))
    for action, text in (
        ("list", gettext("list the dispositions")),
        ("add", gettext("add a disposition that acts like one of the usual ones")),
        ("set", gettext("change a disposition")),
        ("off", gettext("offer a disposition no more; what was written with it stays")),
        ("on", gettext("offer a disposition again")),
    ):
        parser = command(actions, action, text)
        if action != "list":
            parser.add_argument("key", metavar="KEY", help=gettext("its short name"))
        if action == "add":
            parser.add_argument(
                "--like", required=True, metavar="KEY", help=gettext("the usual disposition that it acts like")
            )
        if action in ("add", "set"):
            parser.add_argument("--label-ru", metavar="TEXT", help=gettext("its name in Russian"))
            parser.add_argument("--label-en", metavar="TEXT", help=gettext("its name in English"))
            parser.add_argument("--digit", metavar="D", help=gettext("its key on the keyboard, '' for none"))
            groups = [group.value for group in Group if group is not Group.NEW]
            parser.add_argument(
                "--group",
                choices=[*groups, "none"],
                metavar="GROUP",
                help=gettext("where it moves the client, or none"),
            )
            parser.add_argument(
                "--required", nargs="+", choices=[*REQUIRABLE, "nothing"], metavar="ASK",
                help=gettext("what must be answered, or nothing"),
            )  # fmt: skip
        parser.add_argument("--campaign", metavar="C", help=gettext("only in this campaign (otherwise in the office)"))
        settings_option(parser, words)
