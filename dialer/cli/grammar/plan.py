"""The options of the commands about the day's plan, and about who is away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialer.cli.grammar.options import command, day_reader, group, number_reader, settings_option
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_plan(commands: Commands, words: Words) -> None:
    """`plan show|add|move|build`."""
    gettext = words.gettext
    actions = group(commands, "plan", gettext("show and change the day's plan"))
    show = command(actions, "show", gettext("show plan against done, or one person's day"))
    show.add_argument("--user", metavar="LOGIN", help=gettext("whose day, entry by entry (otherwise everybody's sums)"))
    add = command(actions, "add", gettext("put a client into somebody's plan"))
    add.add_argument("client", type=number_reader(words), metavar="CLIENT", help=gettext("the client's number"))
    add.add_argument("--user", required=True, metavar="LOGIN", help=gettext("into whose plan"))
    for parser in (show, add):
        parser.add_argument(
            "--day", type=day_reader(words), metavar="DAY", help=gettext("the day, as 2026-12-31 (otherwise today)")
        )
    move = command(actions, "move", gettext("put an entry in another place, or give it to another person"))
    move.add_argument("entry", type=number_reader(words), metavar="ENTRY", help=gettext("the entry's number"))
    where = move.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--before", type=number_reader(words), metavar="ENTRY", help=gettext("before this entry of the same person")
    )
    where.add_argument("--last", action="store_true", help=gettext("to the end of the person's day"))
    where.add_argument("--to", metavar="LOGIN", help=gettext("to this person"))
    where.add_argument("--to-everybody", action="store_true", help=gettext("whoever is next may take it"))
    build = command(
        actions, "build", gettext("begin today's plan anew; what somebody has in hand or has decided stays")
    )
    build.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
    for parser in (show, add, move, build):
        settings_option(parser, words)


def add_consents(commands: Commands, words: Words) -> None:
    """`consents list|add|withdraw`."""
    gettext = words.gettext
    actions = group(commands, "consents", gettext("who agreed to be called, with the evidence"))
    show = command(actions, "list", gettext("list the consents that are in force"))
    add = command(actions, "add", gettext("keep a consent; it counts in every campaign"))
    which = add.add_mutually_exclusive_group(required=True)
    which.add_argument("--number", metavar="NUMBER", help=gettext("a telephone number, whoever's it is"))
    which.add_argument("--organisation", metavar="NAME", help=gettext("an organisation with all its numbers"))
    add.add_argument("--person", metavar="NAME", help=gettext("not all of the organisation, but this person there"))
    add.add_argument("--evidence", required=True, metavar="TEXT", help=gettext("who agreed, when and how"))
    withdraw = command(actions, "withdraw", gettext("withdraw a consent; it stays on record"))
    withdraw.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("its number in the list"))
    withdraw.add_argument("--reason", required=True, metavar="TEXT", help=gettext("why it holds no more"))
    for parser in (show, add, withdraw):
        settings_option(parser, words)


def user_actions(actions: Commands, words: Words) -> None:
    """`users away|back`."""
    gettext = words.gettext
    away = command(
        actions, "away", gettext("note that somebody is away; what they promised for those days is handed over")
    )
    back = command(actions, "back", gettext("somebody is at work again from today"))
    for parser in (away, back):
        parser.add_argument("login", metavar="LOGIN", help=gettext("which user"))
    back.add_argument(
        "--take-back",
        action="store_true",
        help=gettext("with the promised calls that others have and have not made yet"),
    )
    away.add_argument(
        "--from", dest="first", type=day_reader(words), metavar="DAY", help=gettext("the first day (otherwise today)")
    )
    away.add_argument(
        "--until", type=day_reader(words), metavar="DAY", help=gettext("the last day (otherwise the first)")
    )
    away.add_argument("--hand-over-to", metavar="LOGIN", help=gettext("who stands in (otherwise the others in turn)"))
    away.add_argument("--reason", default="", metavar="TEXT", help=gettext("why, in words"))
    for parser in (away, back):
        settings_option(parser, words)
