"""What is known of organisations and of the people there: listed, added, changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crm.base.addresses import AddressKind
from dialer.cli.grammar.options import (
    command,
    group,
    number_or_nothing_reader,
    number_reader,
    settings_option,
    version_option,
)
from dialer.words import Words

if TYPE_CHECKING:
    import argparse

    from dialer.cli.grammar.options import Commands


def add_organisations(commands: Commands, words: Words) -> None:
    """`dialer organisations`."""
    gettext = words.gettext
    actions = group(commands, "organisations", gettext("find organisations, and change what is known of them"))
    show = command(actions, "list", gettext("list organisations by a part of their name"))
    addresses = command(actions, "addresses", gettext("list the addresses of organisations by a part of their name"))
    for parser in (show, addresses):
        parser.add_argument("text", metavar="TEXT", help=gettext("the part of the name"))
    change = command(actions, "set", gettext("change what is known of an organisation; only what is named is changed"))
    address = command(actions, "address", gettext("write an address otherwise, or take it away"))
    for parser in (change, address):
        parser.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("its number in the list"))
        version_option(parser, words)
    for option, metavar, text in (
        ("--name", "NAME", gettext("name of the organisation")),
        ("--city", "CITY", gettext("its city")),
        ("--time-zone", "ZONE", gettext("its time zone, such as Asia/Omsk; '' for that of its city or number")),
        ("--industry", "TEXT", gettext("its industry")),
        ("--tax-number", "NUMBER", gettext("its tax number")),
        ("--site", "ADDRESS", gettext("its web site")),
        ("--email", "ADDRESS", gettext("its e-mail")),
        ("--note", "TEXT", gettext("what else is known")),
    ):
        change.add_argument(option, metavar=metavar, help=text)
    change.add_argument(
        "--headcount",
        type=number_or_nothing_reader(words),
        metavar="N",
        help=gettext("how many work there; '' if unknown"),
    )
    address.add_argument("--kind", choices=[each.value for each in AddressKind], help=gettext("what it is for"))
    address.add_argument("--written", metavar="TEXT", help=gettext("the address; '' takes it away"))
    for parser in (show, addresses, change, address):
        settings_option(parser, words)


def add_people(commands: Commands, words: Words) -> None:
    """`dialer people`."""
    gettext = words.gettext
    actions = group(commands, "people", gettext("find people, and hand out all that is held on one of them"))
    show = command(actions, "list", gettext("list people by a part of their name or of their organisation's"))
    numbers = command(
        actions, "numbers", gettext("list the telephone numbers of organisations by a part of their name")
    )
    for parser in (show, numbers):
        parser.add_argument("text", metavar="TEXT", help=gettext("the part of the name"))
    export = command(actions, "export", gettext("write all that is held on a person into a ZIP, recordings included"))
    export.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("their number in the list"))
    export.add_argument("file", type=Path, metavar="FILE", help=gettext("ZIP file to make"))
    for parser in (show, numbers, export, *_added(actions, words), *_changed(actions, words)):
        settings_option(parser, words)


def _added(actions: Commands, words: Words) -> tuple[argparse.ArgumentParser, ...]:
    gettext = words.gettext
    person = command(actions, "add", gettext("add somebody to an organisation"))
    number = command(
        actions, "add-numbers", gettext("add telephone numbers to an organisation; those that it has are passed over")
    )
    for parser in (person, number):
        parser.add_argument(
            "organisation",
            type=number_reader(words),
            metavar="ORGANISATION",
            help=gettext("its number in `dialer organisations list`"),
        )
    person.add_argument("name", metavar="NAME", help=gettext("full name"))
    person.add_argument("--position", default="", metavar="TEXT", help=gettext("that person's position"))
    person.add_argument("--note", default="", metavar="TEXT", help=gettext("what else is known"))
    person.add_argument("--decides", action="store_true", help=gettext("that person decides"))
    number.add_argument(
        "written", metavar="NUMBERS", help=gettext("one number, or several with commas; extensions as “ext. 12”")
    )
    return person, number


def _changed(actions: Commands, words: Words) -> tuple[argparse.ArgumentParser, ...]:
    gettext = words.gettext
    person = command(actions, "set", gettext("change what is known of a person; only what is named is changed"))
    person.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("their number in the list"))
    person.add_argument("--name", metavar="NAME", help=gettext("full name"))
    person.add_argument("--position", metavar="TEXT", help=gettext("that person's position"))
    person.add_argument("--note", metavar="TEXT", help=gettext("what else is known"))
    person.add_argument("--decides", choices=("yes", "no"), help=gettext("whether that person decides"))
    number = command(
        actions, "number", gettext("change what is known of a telephone number; only what is named is changed")
    )
    number.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("its number in the list"))
    number.add_argument("--state", choices=("ok", "dead"), help=gettext("whether it works"))
    number.add_argument("--extension", metavar="N", help=gettext("its extension"))
    number.add_argument(
        "--rank", type=number_reader(words), metavar="N", help=gettext("its place in the order, from 0")
    )
    for parser in (person, number):
        version_option(parser, words)
    return person, number
