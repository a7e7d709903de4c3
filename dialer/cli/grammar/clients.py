"""Clients: brought in, entered, asked off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dialer.cli.grammar.client_lists import add_client_lists
from dialer.cli.grammar.duplicates import add_to_clients
from dialer.cli.grammar.letters import add_letters
from dialer.cli.grammar.options import command, group, number_reader, row_reader, settings_option
from dialer.cli.grammar.questionnaires import add_sheet
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_import(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    parser = command(commands, "import", gettext("take organisations from a file into a campaign"))
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help=gettext("CSV, XLSX, XLS, ODS or Access file; how to read it is found out"),
    )
    parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
    parser.add_argument("--list", dest="list_name", metavar="L", help=gettext("call list (otherwise from the column)"))
    parser.add_argument("--dry-run", action="store_true", help=gettext("only say what would be taken and refused"))
    parser.add_argument("--encoding", metavar="E", help=gettext("encoding of the text, if it is guessed wrong"))
    parser.add_argument("--delimiter", metavar="D", help=gettext("what parts the columns, if it is guessed wrong"))
    parser.add_argument(
        "--sheet", default="", metavar="S", help=gettext("sheet or table (otherwise the first with anything in it)")
    )
    parser.add_argument(
        "--header-row", type=row_reader(words), metavar="N",
        help=gettext("row of the header, counted from 1; 0: none, columns are called A, B, C (otherwise it is found)"),
    )  # fmt: skip
    parser.add_argument(
        "--map", dest="mapped", action="append", default=[], metavar="COLUMN=FIELD",
        help=gettext("what a column holds; with no field it is passed over; may be given several times"),
    )  # fmt: skip
    parser.add_argument("--mapping", metavar="NAME", help=gettext("what a saved mapping says of the columns"))
    parser.add_argument("--save-mapping", metavar="NAME", help=gettext("save what the columns hold, under a name"))
    parser.add_argument(
        "--area-code", default="", metavar="N", help=gettext("area code of numbers without one, in no known city")
    )
    parser.add_argument(
        "--time-zone", default="", metavar="Z",
        help=gettext("time zone of rows that say none: Asia/Omsk, a city, МСК+3 (otherwise by city and number)"),
    )  # fmt: skip
    settings_option(parser, words)


def add_imports(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    actions = group(
        commands, "imports", gettext("list the imports, confirm or discard what waits, undo what was confirmed")
    )
    show = command(actions, "list", gettext("list the imports, the newest first"))
    show.add_argument("--campaign", metavar="C", help=gettext("name of the campaign (otherwise all)"))
    mappings = command(actions, "mappings", gettext("list the saved mappings of columns"))
    for action, text in (
        ("show", gettext("tell how a file was read and what its rows became")),
        ("confirm", gettext("take a file in that was uploaded on the page and tried")),
        ("continue", gettext("go on with an import that was interrupted")),
        ("discard", gettext("forget a file that was uploaded on the page")),
        ("undo", gettext("undo an import; what has been worked with since is listed and not touched")),
    ):
        one = command(actions, action, text)
        one.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("its number in the list"))
        settings_option(one, words)
    for parser in (show, mappings):
        settings_option(parser, words)


def add_import_contacts(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    parser = command(
        commands, "import-contacts", gettext("take contacts that happened elsewhere from a CSV file into a campaign")
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help=gettext("CSV file; encoding and delimiter are found out")
    )
    parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
    parser.add_argument("--list", dest="list_name", metavar="L", help=gettext("only the rows of this call list"))
    parser.add_argument("--dry-run", action="store_true", help=gettext("only say what would be taken and refused"))
    settings_option(parser, words)


def add_clients(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    actions = group(commands, "clients", gettext("clients entered by hand, and what is known of them"))
    add = command(actions, "add", gettext("enter one client, after a look at who is like it"))
    add.add_argument("name", metavar="NAME", help=gettext("name of the organisation"))
    add.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
    add.add_argument("--list", dest="list_name", required=True, metavar="L", help=gettext("call list; made if new"))
    add.add_argument(
        "--phone", action="append", default=[], metavar="NUMBER", help=gettext("a number; may be repeated")
    )
    for option, metavar, text in (
        ("--city", "CITY", gettext("its city")),
        ("--industry", "TEXT", gettext("its industry")),
        ("--tax-number", "NUMBER", gettext("its tax number")),
        ("--site", "ADDRESS", gettext("its web site")),
        ("--email", "ADDRESS", gettext("its e-mail")),
        ("--person", "NAME", gettext("whom to ask for")),
        ("--position", "TEXT", gettext("that person's position")),
        ("--source", "NAME", gettext("where it was found; made if new")),
        ("--note", "TEXT", gettext("what else is known")),
    ):
        add.add_argument(option, default="", metavar=metavar, help=text)
    add.add_argument("--decides", action="store_true", help=gettext("that person decides"))
    add.add_argument(
        "--though-alike", action="store_true",
        help=gettext("although somebody has the same number, tax number, site or e-mail"),
    )  # fmt: skip
    settings_option(add, words)
    show = command(actions, "show", gettext("show all that is known of a client"))
    off = command(actions, "off-list", gettext("take a client off its list: it is called no more in this campaign"))
    back = command(actions, "on-list", gettext("put a client back on its list"))
    for parser in (show, off, back):
        parser.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("number of the client"))
        settings_option(parser, words)
    off.add_argument("--reason", required=True, metavar="TEXT", help=gettext("why it does not belong there"))
    add_to_clients(actions, words)
    add_letters(actions, words)
    add_sheet(actions, words)
    add_client_lists(actions, words)


def add_do_not_call(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    actions = group(commands, "do-not-call", gettext("the register of requests not to be called"))
    show = command(actions, "list", gettext("list the requests that are in force"))
    show.add_argument("--all", action="store_true", help=gettext("those that were lifted, too"))
    add = command(actions, "add", gettext("keep a request; it holds in every campaign"))
    which = add.add_mutually_exclusive_group(required=True)
    which.add_argument("--number", metavar="NUMBER", help=gettext("a telephone number, whoever's it is"))
    which.add_argument("--organisation", metavar="NAME", help=gettext("an organisation with all its numbers"))
    add.add_argument("--person", metavar="NAME", help=gettext("not all of the organisation, but this person there"))
    add.add_argument("--evidence", required=True, metavar="TEXT", help=gettext("who asked, when and how"))
    lift = command(actions, "lift", gettext("lift a request; it stays in the register"))
    lift.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("its number in the list"))
    lift.add_argument("--reason", required=True, metavar="TEXT", help=gettext("why it holds no more"))
    for parser in (show, add, lift):
        settings_option(parser, words)
