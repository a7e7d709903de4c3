"""The commands about the base: duplicates, abandoned clients, competitors, what the customer's own base tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm.base.addresses import AddressKind
from crm.base.competitors import Satisfaction
from crm.care.abandoned import Reason
from crm.care.merging import COLUMNS, OF_CLIENTS
from dialer.cli.grammar.options import command, day_reader, group, number_reader, settings_option
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_duplicates(commands: Commands, words: Words) -> None:
    """`dialer duplicates`."""
    gettext = words.gettext
    actions = group(commands, "duplicates", gettext("find organisations that may be one, and decide"))
    parsers = {
        name: command(actions, name, text)
        for name, text in (
            ("find", gettext("look through the whole base and queue what is not known yet")),
            ("list", gettext("list the pairs to decide, or what was merged")),
            ("merge", gettext("merge the two of a pair, field by field")),
            ("dismiss", gettext("the two of a pair are two; it is remembered")),
            ("undo", gettext("make two organisations again of what was merged")),
        )
    }
    parsers["list"].add_argument("--merged", action="store_true", help=gettext("what was merged, the newest first"))
    for name in ("merge", "dismiss"):
        parsers[name].add_argument(
            "number", type=number_reader(words), metavar="NO", help=gettext("number of the pair in the list")
        )
    parsers["merge"].add_argument(
        "--keep-newer", action="store_true", help=gettext("the newer record stays (otherwise the older one)")
    )
    parsers["merge"].add_argument(
        "--take", action="append", choices=[*COLUMNS, *OF_CLIENTS], metavar="FIELD",
        help=gettext("a field in which the other record is right; may be repeated (otherwise blanks are filled)"),
    )  # fmt: skip
    parsers["undo"].add_argument("number", type=number_reader(words), metavar="NO", help=gettext("number of the merge"))
    for parser in parsers.values():
        settings_option(parser, words)


def add_abandoned(commands: Commands, words: Words) -> None:
    """`dialer abandoned`."""
    gettext = words.gettext
    actions = group(commands, "abandoned", gettext("find abandoned clients by a rule, and move them into their group"))
    for name, text in (
        ("list", gettext("list whom the rule finds, and why")),
        ("move", gettext("move whom the rule finds into the group “abandoned”")),
    ):
        parser = command(actions, name, text)
        parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
        parser.add_argument(
            "--months", type=number_reader(words), default=12, metavar="N", help=gettext("what is long ago")
        )
        parser.add_argument(
            "--reason", action="append", choices=[reason.value for reason in Reason], metavar="REASON",
            help=gettext("by what they are found; may be repeated (otherwise by all)"),
        )  # fmt: skip
        settings_option(parser, words)


def add_competitors(commands: Commands, words: Words) -> None:
    """`dialer competitors`."""
    gettext = words.gettext
    actions = group(commands, "competitors", gettext("the competitors: what they offer, on which terms"))
    settings_option(
        command(actions, "list", gettext("list the competitors, and how many organisations buy there")), words
    )
    change = command(actions, "set", gettext("add a competitor, or change one"))
    change.add_argument("name", metavar="NAME", help=gettext("name of the competitor"))
    change.add_argument("--name", dest="new_name", metavar="NEW", help=gettext("another name"))
    for option, text in (
        ("--product", gettext("what they offer")),
        ("--terms", gettext("on which terms")),
        ("--note", gettext("what else is known")),
    ):
        change.add_argument(option, metavar="TEXT", help=text)
    settings_option(change, words)


def add_to_clients(actions: Commands, words: Words) -> None:
    """`dialer clients address|competitor|deal|former-owner`."""
    gettext = words.gettext
    parsers = {
        name: command(actions, name, text)
        for name, text in (
            ("address", gettext("add an address of a client")),
            ("competitor", gettext("write down whose product a client uses")),
            ("deal", gettext("add a past deal of a client")),
            ("former-owner", gettext("write down who looked after a client before")),
        )
    }
    for parser in parsers.values():
        parser.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("number of the client"))
        settings_option(parser, words)
    address, competitor, deal, former = parsers.values()
    address.add_argument("written", metavar="TEXT", help=gettext("the address"))
    address.add_argument(
        "--kind", choices=[kind.value for kind in AddressKind], default="postal", help=gettext("what it is for")
    )
    competitor.add_argument("name", metavar="NAME", help=gettext("name of the competitor; made if new"))
    competitor.add_argument(
        "--satisfaction", choices=[each.value for each in Satisfaction], help=gettext("how satisfied")
    )
    competitor.add_argument("--note", metavar="TEXT", help=gettext("what else is known"))
    deal.add_argument(
        "--on", type=day_reader(words), required=True, metavar="DAY", help=gettext("the day, as 2026-12-31")
    )
    deal.add_argument("--amount", default="", metavar="N", help=gettext("how much"))
    deal.add_argument("--currency", default="RUB", metavar="XXX", help=gettext("in which currency"))
    deal.add_argument("--what", default="", metavar="TEXT", help=gettext("what was bought"))
    deal.add_argument("--seller", default="", metavar="NAME", help=gettext("who sold it"))
    former.add_argument("name", metavar="NAME", help=gettext("a user's login, or a name"))
    former.add_argument("--left", type=day_reader(words), metavar="DAY", help=gettext("until when"))
