"""The options of the commands about clients who are handed to experts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialer.cli.grammar.options import command, group, number_reader, settings_option
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_referrals(commands: Commands, words: Words) -> None:
    """`dialer referrals`."""
    gettext = words.gettext
    actions = group(commands, "referrals", gettext("clients who are handed to experts: list, accept, give back, give"))
    show = command(actions, "list", gettext("list the clients who wait for an expert"))
    show.add_argument("--expert", metavar="LOGIN", help=gettext("only what this expert may accept"))
    show.add_argument("--late", action="store_true", help=gettext("only what was let pass, or nobody has"))
    accept = command(actions, "accept", gettext("accept a client for an expert: it is theirs, with what was promised"))
    give_back = command(actions, "give-back", gettext("give a client back for an expert: the next one is offered it"))
    give = command(actions, "give", gettext("offer a client that waits to another expert"))
    for parser in (accept, give_back, give):
        parser.add_argument(
            "number", type=number_reader(words), metavar="NO", help=gettext("its number, as “referrals list” has it")
        )
    for parser in (accept, give_back):
        parser.add_argument("--by", required=True, metavar="LOGIN", help=gettext("login of the expert"))
    give_back.add_argument("--reason", required=True, metavar="TEXT", help=gettext("why it is given back"))
    give.add_argument("--to", required=True, metavar="LOGIN", help=gettext("login of the expert"))
    times = command(actions, "times", gettext("how long clients wait for the first talk with their expert"))
    times.add_argument("--campaign", metavar="C", help=gettext("name of the campaign (otherwise all)"))
    times.add_argument(
        "--days",
        type=number_reader(words),
        default=30,
        metavar="N",
        help=gettext("handed over in the last N days (otherwise 30)"),
    )
    times.add_argument(
        "--clients", action="store_true", help=gettext("a line for each client, who waited longest first")
    )
    for parser in (show, accept, give_back, give, times):
        settings_option(parser, words)
