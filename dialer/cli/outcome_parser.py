"""The commands about what follows from a call: tries, dispositions."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from crm.results import Result
from dialer.words import Words

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    SettingsOption = Callable[[argparse.ArgumentParser, Words], None]


def add_retries(commands: Commands, words: Words, settings_option: SettingsOption) -> None:
    """`dialer retries`."""
    gettext = words.gettext
    text = gettext("when clients whom nobody reached are tried again")
    actions = commands.add_parser("retries", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    text = gettext("list the rules of a campaign, a line for each result")
    show = actions.add_parser("list", help=text, description=text)
    text = gettext("change the rule after a result")
    change = actions.add_parser("set", help=text, description=text)
    change.add_argument(
        "result", metavar="RESULT", choices=[each.value for each in Result], help=gettext("what the network said")
    )
    change.add_argument(
        "--disposition", default="", metavar="KEY", help=gettext("only after this disposition (otherwise after all)")
    )
    change.add_argument(
        "--after", type=int, metavar="MINUTES",
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


def add_callbacks(commands: Commands, words: Words, settings_option: SettingsOption) -> None:
    """`dialer callbacks`."""
    gettext = words.gettext
    text = gettext("callbacks that were promised")
    actions = commands.add_parser("callbacks", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    text = gettext("list the callbacks that are overdue, and why they are not made")
    overdue = actions.add_parser("overdue", help=text, description=text)
    overdue.add_argument("--most", type=int, default=50, metavar="N", help=gettext("how many lines at most"))
    settings_option(overdue, words)
