"""The options of the commands about deals."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from crm.deals.deal_stages import OPEN, DealStage
from crm.group import Group
from crm.reading.sales_book import DealDay
from dialer.cli.grammar.options import command, day_reader, group, number_reader, settings_option, version_option
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_deals(commands: Commands, words: Words) -> None:
    """`dialer deals`."""
    gettext = words.gettext
    actions = group(commands, "deals", gettext("the sales book: list, add, change and move deals"))
    _book(actions, words)
    show = command(actions, "show", gettext("show a deal with its moves"))
    _number(show, words)
    add = command(actions, "add", gettext("begin a deal with a client"))
    add.add_argument("client", type=number_reader(words), metavar="CLIENT", help=gettext("number of the client"))
    add.add_argument(
        "--stage", choices=[stage.value for stage in OPEN], default=DealStage.INTEREST.value,
        help=gettext("interest, offer or negotiation"),
    )  # fmt: skip
    change = command(actions, "change", gettext("change what a deal is about"))
    _number(change, words)
    for parser in (add, change):
        _about(parser, words)
    for option, text in (
        ("--contract", gettext("the day of the contract, as 2026-12-31")),
        ("--delivered", gettext("the day of the first delivery")),
        ("--paid", gettext("the day of the first payment")),
    ):
        change.add_argument(option, type=day_reader(words), metavar="DAY", help=text)
    version_option(change, words)
    _move(actions, words)
    _reasons(actions, words)
    for parser in (show, add, change):
        settings_option(parser, words)


def _number(parser: argparse.ArgumentParser, words: Words) -> None:
    parser.add_argument("number", type=number_reader(words), metavar="NO", help=words.gettext("number of the deal"))


def _about(parser: argparse.ArgumentParser, words: Words) -> None:
    gettext = words.gettext
    parser.add_argument("--product", metavar="TEXT", help=gettext("what is sold (otherwise the campaign's product)"))
    parser.add_argument("--sum", dest="amount", metavar="SUM", help=gettext("for how much, such as 12500.50"))
    parser.add_argument("--currency", metavar="XXX", help=gettext("three letters (otherwise RUB)"))
    parser.add_argument("--owner", metavar="LOGIN", help=gettext("whose deal it is (otherwise the client's owner)"))
    parser.add_argument(
        "--person", type=number_reader(words), metavar="NO", help=gettext("number of the person at the client's")
    )
    parser.add_argument(
        "--expected", type=day_reader(words), metavar="DAY", help=gettext("when a contract is expected, as 2026-12-31")
    )
    parser.add_argument("--note", metavar="TEXT", help=gettext("what else is to be known of it"))


def _book(actions: Commands, words: Words) -> None:
    gettext = words.gettext
    listing = command(actions, "list", gettext("list deals with their sums"))
    export = command(actions, "export", gettext("write deals to a file for a spreadsheet"))
    export.add_argument("file", type=Path, metavar="FILE", help=gettext("a name that ends in .xlsx or .csv"))
    for parser in (listing, export):
        parser.add_argument("--campaign", metavar="C", help=gettext("name of the campaign (otherwise all)"))
        parser.add_argument("--client", type=number_reader(words), metavar="NO", help=gettext("number of the client"))
        parser.add_argument(
            "--stage", action="append", choices=[stage.value for stage in DealStage], metavar="STAGE",
            help=gettext("in this stage; may be repeated (otherwise in all)"),
        )  # fmt: skip
        parser.add_argument("--owner", metavar="LOGIN", help=gettext("whose"))
        parser.add_argument("--product", default="", metavar="TEXT", help=gettext("of this product"))
        parser.add_argument(
            "--by", choices=[day.value for day in DealDay], default=DealDay.OPENED.value, metavar="DAY",
            help=gettext("which of its days counts: opened, stage, expected, contract, delivered, paid"),
        )  # fmt: skip
        for option, dest, text in (
            ("--from", "first", gettext("the first day, as 2026-12-31")),
            ("--to", "last", gettext("the last day, as 2026-12-31")),
        ):
            parser.add_argument(option, dest=dest, type=day_reader(words), metavar="DAY", help=text)
        settings_option(parser, words)


def _move(actions: Commands, words: Words) -> None:
    gettext = words.gettext
    move = command(actions, "move", gettext("take a deal to another stage; a contract makes its client hot"))
    _number(move, words)
    move.add_argument(
        "to", choices=[stage.value for stage in DealStage], metavar="STAGE",
        help=gettext("interest, offer, negotiation, contract or lost"),
    )  # fmt: skip
    move.add_argument("--sum", dest="amount", metavar="SUM", help=gettext("the sum that was agreed"))
    move.add_argument(
        "--on", dest="contract_on", type=day_reader(words), metavar="DAY",
        help=gettext("the day of the contract (otherwise today)"),
    )  # fmt: skip
    move.add_argument("--reason", default="", metavar="KEY", help=gettext("why it is lost, as “deals reasons” has it"))
    move.add_argument("--note", default="", metavar="TEXT", help=gettext("the same in words"))
    move.add_argument(
        "--group", choices=[each.value for each in Group if each is not Group.NEW], metavar="GROUP",
        help=gettext("the client's group when a contract is taken back; hot: it stays"),
    )  # fmt: skip
    version_option(move, words)
    settings_option(move, words)


def _reasons(actions: Commands, words: Words) -> None:
    gettext = words.gettext
    listing = command(actions, "reasons", gettext("list why deals of a campaign are lost"))
    change = command(actions, "reason", gettext("rename a reason of a campaign, switch it off, or add one"))
    change.add_argument("key", metavar="KEY", help=gettext("the reason's key, such as price"))
    change.add_argument("--ru", metavar="NAME", help=gettext("its name in Russian"))
    change.add_argument("--en", metavar="NAME", help=gettext("its name in English"))
    change.add_argument(
        "--active", action=argparse.BooleanOptionalAction, default=None, help=gettext("whether it is offered")
    )
    for parser in (listing, change):
        parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
        settings_option(parser, words)
