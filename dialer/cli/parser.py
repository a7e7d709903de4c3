"""The commands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crm.office.users import Role
from crm.preparation.plan_rules import Consent, SharesBy
from dialer import __version__
from dialer.cli import setup_parser
from dialer.cli.base_parser import add_abandoned, add_competitors, add_duplicates, add_to_clients
from dialer.cli.client_lists_parser import add_client_lists
from dialer.cli.outcome_parser import add_callbacks, add_dispositions, add_retries
from dialer.cli.plan_parser import add_consents, add_plan, user_actions
from dialer.words import LANGUAGES, Words, mark

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


HIGHEST_PORT: Final = 65535


# What argparse itself says, by its own message ids (Python 3.11 to 3.13).
_OF_ARGPARSE: Final = (
    mark("usage: "),
    mark("options"),
    mark("positional arguments"),
    mark("show this help message and exit"),
    mark("show program's version number and exit"),
    mark("the following arguments are required: %s"),
    mark("unrecognized arguments: %s"),
    mark("one of the arguments %s is required"),
    mark("not allowed with argument %s"),
    mark("expected one argument"),
    mark("invalid choice: %(value)r (choose from %(choices)s)"),
    mark("invalid %(type)s value: %(value)r"),
    mark("argument %(argument_name)s: %(message)s"),
    mark("%(prog)s: error: %(message)s\n"),
)


def build_parser(words: Words) -> argparse.ArgumentParser:
    """The parser of `dialer`; its help and its errors are in the language of `words`."""
    gettext = words.gettext
    # argparse asks the module gettext, which wants compiled catalogues; this is the name by which it asks.
    argparse._ = gettext  # type: ignore[attr-defined]
    parser = argparse.ArgumentParser(
        prog="dialer", description=gettext("Outbound calls for a sales department: plan, call, record, write down.")
    )
    parser.add_argument("--version", action="version", version=f"dialer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _demo(commands, words)
    _init(commands, words)
    _serve(commands, words)
    _check(commands, words)
    _import(commands, words)
    _imports(commands, words)
    _import_contacts(commands, words)
    _lists(commands, words)
    _users(commands, words)
    _campaigns(commands, words)
    for part in (setup_parser.candidates, setup_parser.materials, setup_parser.script):
        part(commands, words, _settings_option)
    _calendar(commands, words)
    _clients(commands, words)
    add_duplicates(commands, words, _settings_option)
    add_abandoned(commands, words, _settings_option)
    add_competitors(commands, words, _settings_option)
    add_retries(commands, words, _settings_option)
    add_callbacks(commands, words, _settings_option)
    add_dispositions(commands, words, _settings_option)
    add_plan(commands, words, _settings_option, _date(words))
    add_consents(commands, words, _settings_option)
    _do_not_call(commands, words)
    _reports(commands, words)
    _db(commands, words)
    _people(commands, words)
    _erase(commands, words)
    _audit(commands, words)
    _backup(commands, words)
    _restore(commands, words)
    return parser


def _port(words: Words) -> Callable[[str], int]:
    def port(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or int(text) > HIGHEST_PORT:
            refusal = words.gettext("“{text}” is no port: ports are 0 (any that is free) to 65535", text=text)
            raise argparse.ArgumentTypeError(refusal)
        return int(text)

    return port


def _settings_option(parser: argparse.ArgumentParser, words: Words) -> None:
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help=words.gettext("settings file (otherwise DIALER_CONFIG, otherwise ./dialer.toml)"),
    )


def _demo(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("try everything on a practice telephone network, without a provider")
    parser = commands.add_parser("demo", help=text, description=text)
    parser.add_argument(
        "--once", action="store_true", help=gettext("one whole round without a browser; prints one JSON object")
    )
    parser.add_argument("--port", type=_port(words), default=8080, metavar="N", help=gettext("port of the console"))
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help=gettext("folder to keep everything in (otherwise ./demo-data)")
    )


def _init(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("make a folder with settings, a database, a first administrator, manager and campaign")
    parser = commands.add_parser("init", help=text, description=text)
    parser.add_argument("folder", type=Path, metavar="DIR", help=gettext("folder to make"))
    parser.add_argument("--campaign", metavar="NAME", help=gettext("name of the first campaign"))
    parser.add_argument("--language", choices=LANGUAGES, help=gettext("language of the service"))
    parser.add_argument("--time-zone", metavar="ZONE", help=gettext("IANA time zone of the office"))


def _serve(commands: Commands, words: Words) -> None:
    text = words.gettext("run the service until it is stopped (SIGTERM or Ctrl+C)")
    _settings_option(commands.add_parser("serve", help=text, description=text), words)


def _check(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("check settings, database, trunk, headsets and disk, and say what to do")
    parser = commands.add_parser("check", help=text, description=text)
    _settings_option(parser, words)
    parser.add_argument(
        "--wait",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help=gettext("how long the trunk may take to answer, and headsets to register"),
    )


def _import(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("take organisations from a file into a campaign")
    parser = commands.add_parser("import", help=text, description=text)
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
        "--map", dest="mapped", action="append", default=[], metavar="COLUMN=FIELD",
        help=gettext("what a column holds; with no field it is passed over; may be given several times"),
    )  # fmt: skip
    parser.add_argument("--mapping", metavar="NAME", help=gettext("what a saved mapping says of the columns"))
    parser.add_argument("--save-mapping", metavar="NAME", help=gettext("save what the columns hold, under a name"))
    parser.add_argument(
        "--area-code", default="", metavar="N", help=gettext("area code of numbers without one, in no known city")
    )
    _settings_option(parser, words)


def _imports(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("list the imports, confirm or discard what waits, undo what was confirmed")
    actions = commands.add_parser("imports", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    text = gettext("list the imports, the newest first")
    show = actions.add_parser("list", help=text, description=text)
    show.add_argument("--campaign", metavar="C", help=gettext("name of the campaign (otherwise all)"))
    text = gettext("list the saved mappings of columns")
    mappings = actions.add_parser("mappings", help=text, description=text)
    for action, text in (
        ("show", gettext("tell how a file was read and what its rows became")),
        ("confirm", gettext("take a file in that was uploaded on the page and tried")),
        ("discard", gettext("forget a file that was uploaded on the page")),
        ("undo", gettext("undo an import; what has been worked with since is listed and not touched")),
    ):
        one = actions.add_parser(action, help=text, description=text)
        one.add_argument("number", type=int, metavar="NO", help=gettext("its number in the list"))
        _settings_option(one, words)
    for parser in (show, mappings):
        _settings_option(parser, words)


def _import_contacts(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("take contacts that happened elsewhere from a CSV file into a campaign")
    parser = commands.add_parser("import-contacts", help=text, description=text)
    parser.add_argument(
        "file", type=Path, metavar="FILE", help=gettext("CSV file; encoding and delimiter are found out")
    )
    parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
    parser.add_argument("--list", dest="list_name", metavar="L", help=gettext("only the rows of this call list"))
    parser.add_argument("--dry-run", action="store_true", help=gettext("only say what would be taken and refused"))
    _settings_option(parser, words)


def _lists(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("list the call lists, and submit, approve or return one")
    actions = commands.add_parser("lists", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )

    text = gettext("list the call lists with their state")
    show = actions.add_parser("list", help=text, description=text)
    show.add_argument("--campaign", metavar="C", help=gettext("name of the campaign (otherwise all)"))
    _settings_option(show, words)

    for action, text in (
        ("submit", gettext("hand a list in for approval")),
        ("approve", gettext("note that the customer has approved a list: its clients may be called")),
        ("return", gettext("note that a list has been returned: its clients are not called")),
    ):
        move = actions.add_parser(action, help=text, description=text)
        move.add_argument("name", metavar="NAME", help=gettext("name of the call list"))
        move.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
        if action == "approve":
            move.add_argument("--by", required=True, metavar="WHO", help=gettext("who approved it, in words"))
        if action == "return":
            move.add_argument("--remarks", default="", metavar="TEXT", help=gettext("why it was returned"))
        _settings_option(move, words)
    setup_parser.list_actions(actions, words, _settings_option)


def _users(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("add and list users, set passwords, switch users off")
    actions = commands.add_parser("users", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )

    text = gettext("add a user")
    add = actions.add_parser("add", help=text, description=text)
    add.add_argument("login", metavar="LOGIN", help=gettext("what the user types to sign in"))
    add.add_argument("--name", required=True, help=gettext("name as colleagues see it"))
    add.add_argument("--role", choices=[role.value for role in Role], default="operator", help=gettext("what they do"))
    add.add_argument("--headset", default="", metavar="NAME", help=gettext("SIP user name of the headset"))
    add.add_argument("--language", choices=LANGUAGES, help=gettext("language of their pages"))
    add.add_argument("--password-stdin", action="store_true", help=gettext("read the password from standard input"))
    _settings_option(add, words)

    text = gettext("list the users")
    _settings_option(actions.add_parser("list", help=text, description=text), words)

    text = gettext("set a user's password")
    passwd = actions.add_parser("passwd", help=text, description=text)
    passwd.add_argument("login", metavar="LOGIN", help=gettext("whose password"))
    passwd.add_argument(
        "--headset", action="store_true", help=gettext("the password of the user's headset instead of the sign-in's")
    )
    passwd.add_argument("--password-stdin", action="store_true", help=gettext("read the password from standard input"))
    _settings_option(passwd, words)

    _users_changes(actions, words)
    user_actions(actions, words, _settings_option, _date(words))
    switches = {
        "off": gettext("let a user sign in no more; what they did stays"),
        "on": gettext("let a user sign in again"),
    }
    for action, text in switches.items():
        switch = actions.add_parser(action, help=text, description=text)
        switch.add_argument("login", metavar="LOGIN", help=gettext("which user"))
        if action == "off":
            switch.add_argument("--hand-over-to", metavar="LOGIN", help=gettext("who takes the open callbacks over"))
        _settings_option(switch, words)


def _users_changes(actions: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("give a user another role")
    role = actions.add_parser("role", help=text, description=text)
    role.add_argument("login", metavar="LOGIN", help=gettext("which user"))
    role.add_argument("role", metavar="ROLE", choices=[each.value for each in Role], help=gettext("what they do"))
    _settings_option(role, words)

    text = gettext("give all open callbacks of one user to another")
    hand_over = actions.add_parser("hand-over", help=text, description=text)
    hand_over.add_argument("login", metavar="LOGIN", help=gettext("whose callbacks"))
    hand_over.add_argument("to", metavar="TO", help=gettext("who takes the open callbacks over"))
    _settings_option(hand_over, words)

    text = gettext("give a user a headset, or take it away")
    headset = actions.add_parser("headset", help=text, description=text)
    headset.add_argument("login", metavar="LOGIN", help=gettext("which user"))
    which = headset.add_mutually_exclusive_group(required=True)
    which.add_argument("headset", nargs="?", default="", metavar="NAME", help=gettext("SIP user name of the headset"))
    which.add_argument("--none", action="store_true", help=gettext("the user has no headset any more"))
    _settings_option(headset, words)


def _campaigns(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("list, add and change campaigns")
    actions = commands.add_parser("campaigns", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    text = gettext("list the campaigns with their rules")
    _settings_option(actions.add_parser("list", help=text, description=text), words)
    for action, text in (("add", gettext("add a campaign")), ("set", gettext("change a campaign"))):
        parser = actions.add_parser(action, help=text, description=text)
        parser.add_argument("name", metavar="NAME", help=gettext("name of the campaign"))
        if action == "set":
            parser.add_argument("--name", dest="new_name", metavar="NEW", help=gettext("another name"))
        parser.add_argument("--time-zone", metavar="ZONE", help=gettext("IANA time zone of the campaign"))
        for option, column, text in (
            ("--from", "calls_from", gettext("calls begin, on the client's clock")),
            ("--until", "calls_until", gettext("calls end, on the client's clock")),
        ):
            parser.add_argument(option, dest=column, type=_time_of_day(words), metavar="HH:MM", help=text)
        parser.add_argument(
            "--lists-need-approval", action=argparse.BooleanOptionalAction, default=None,
            help=gettext("whether only approved lists are called"),
        )  # fmt: skip
        parser.add_argument(
            "--ring", dest="ring_timeout_s", type=int, metavar="SECONDS",
            help=gettext("how long it rings (0: as the settings say)"),
        )  # fmt: skip
        parser.add_argument("--attempts-a-day", type=int, metavar="N", help=gettext("attempts a client and day"))
        parser.add_argument("--number-attempts-a-day", type=int, metavar="N", help=gettext("attempts a number and day"))
        parser.add_argument(
            "--gap", dest="gap_min", type=int, metavar="MINUTES",
            help=gettext("between two unanswered attempts at a number"),
        )  # fmt: skip
        parser.add_argument(
            "--tries-to-no-contact", type=int, metavar="N",
            help=gettext("tries in vain until a new client is “no contact”"),
        )  # fmt: skip
        parser.add_argument(
            "--country", metavar="XX", help=gettext("whose holidays are kept: two letters, or '' for weekends alone")
        )
        parser.add_argument(
            "--calls-on-days-off", action=argparse.BooleanOptionalAction, default=None,
            help=gettext("whether clients are called on days off"),
        )  # fmt: skip
        parser.add_argument("--target-contacts", type=int, metavar="N", help=gettext("how many contacts are wanted"))
        _plan_rules(parser, words)
        _settings_option(parser, words)
    setup_parser.campaign_actions(actions, words, _settings_option, _date(words))


def _plan_rules(parser: argparse.ArgumentParser, words: Words) -> None:
    gettext = words.gettext
    parser.add_argument(
        "--group-order", metavar="GROUPS", help=gettext("groups with commas, in the order in which they come up")
    )
    parser.add_argument(
        "--calls-a-day",
        type=int,
        metavar="N",
        help=gettext("clients a day for each person (0: from all)"),
    )
    parser.add_argument(
        "--shares-by", choices=[each.value for each in SharesBy], help=gettext("what the day is mixed by")
    )
    parser.add_argument("--shares", metavar="TEXT", help=gettext("per cent by name, such as: Transport 40; Trade 30"))
    parser.add_argument(
        "--owner-keeps", dest="owner_keeps_days", type=_days_or_never(words), metavar="DAYS",
        help=gettext("days without a talk after which a client is anyone's, or: never"),
    )  # fmt: skip
    parser.add_argument(
        "--away-keeps", action=argparse.BooleanOptionalAction, default=None,
        help=gettext("whether who is away keeps the clients"),
    )  # fmt: skip
    parser.add_argument(
        "--consent",
        choices=[each.value for each in Consent],
        help=gettext("whether clients must have agreed to be called"),
    )


def _days_or_never(words: Words) -> Callable[[str], int | str]:
    def read(text: str) -> int | str:
        if text == "never" or (text.isascii() and text.isdecimal()):
            return text if text == "never" else int(text)
        raise argparse.ArgumentTypeError(words.gettext("“{text}” is no number of days, nor “never”", text=text))

    return read


def _calendar(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("show the working days of a campaign, and decide single days otherwise")
    actions = commands.add_parser("calendar", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    text = gettext("show the days off from today, and the working weekends")
    show = actions.add_parser("show", help=text, description=text)
    text = gettext("make a day a working day or a day off, or follow the calendar again")
    change = actions.add_parser("set", help=text, description=text)
    change.add_argument("day", type=_date(words), metavar="DAY", help=gettext("the day, as 2026-12-31"))
    change.add_argument("as_what", choices=("work", "off", "calendar"), metavar="WHAT", help="work, off, calendar")
    change.add_argument("--reason", default="", metavar="TEXT", help=gettext("why it differs, in words"))
    for parser in (show, change):
        parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
        _settings_option(parser, words)
    show.add_argument("--days", type=int, default=60, metavar="N", help=gettext("how many days ahead"))


def _clients(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("clients entered by hand, and what is known of them")
    actions = commands.add_parser("clients", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    text = gettext("enter one client, after a look at who is like it")
    add = actions.add_parser("add", help=text, description=text)
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
    _settings_option(add, words)
    add_to_clients(actions, words, _settings_option, _date(words))
    add_client_lists(actions, words, _settings_option)


def _do_not_call(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("the register of requests not to be called")
    actions = commands.add_parser("do-not-call", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    text = gettext("list the requests that are in force")
    show = actions.add_parser("list", help=text, description=text)
    show.add_argument("--all", action="store_true", help=gettext("those that were lifted, too"))
    text = gettext("keep a request; it holds in every campaign")
    add = actions.add_parser("add", help=text, description=text)
    which = add.add_mutually_exclusive_group(required=True)
    which.add_argument("--number", metavar="NUMBER", help=gettext("a telephone number, whoever's it is"))
    which.add_argument("--organisation", metavar="NAME", help=gettext("an organisation with all its numbers"))
    add.add_argument("--person", metavar="NAME", help=gettext("not all of the organisation, but this person there"))
    add.add_argument("--evidence", required=True, metavar="TEXT", help=gettext("who asked, when and how"))
    text = gettext("lift a request; it stays in the register")
    lift = actions.add_parser("lift", help=text, description=text)
    lift.add_argument("number", type=int, metavar="NO", help=gettext("its number in the list"))
    lift.add_argument("--reason", required=True, metavar="TEXT", help=gettext("why it holds no more"))
    for parser in (show, add, lift):
        _settings_option(parser, words)


def _reports(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("count the clients and contacts of a campaign")
    show = commands.add_parser("reports", help=text, description=text)
    show.add_argument(
        "report", choices=("groups", "industries", "contacts", "organisations", "headcount"), metavar="REPORT",
        help="groups, industries, contacts, organisations, headcount",
    )  # fmt: skip
    show.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
    show.add_argument("--list", dest="call_list", metavar="NAME", help=gettext("of one call list alone"))
    show.add_argument(
        "--from", dest="first", type=_date(words), metavar="DAY",
        help=gettext("the first day of the project (otherwise that of the first contact)"),
    )  # fmt: skip
    show.add_argument(
        "--to", dest="last", type=_date(words), metavar="DAY",
        help=gettext("the last day of the project (otherwise that of the last contact)"),
    )  # fmt: skip
    show.add_argument(
        "--attribute", default="", metavar="NAME",
        help=gettext("what the headcounts are crossed with: a column that holds yes or no"),
    )  # fmt: skip
    show.add_argument("--csv", type=Path, metavar="FILE", help=gettext("write it to a file for a spreadsheet"))
    _settings_option(show, words)


def _date(words: Words) -> Callable[[str], date]:
    def read(text: str) -> date:
        try:
            return date.fromisoformat(text)
        except ValueError:
            refusal = words.gettext("“{text}” is no day, such as 2026-12-31", text=text)
            raise argparse.ArgumentTypeError(refusal) from None

    return read


def _time_of_day(words: Words) -> Callable[[str], time]:
    def read(text: str) -> time:
        try:
            return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - the time on a client's clock has no zone
        except ValueError:
            refusal = words.gettext("“{text}” is no time of day, such as 9:00", text=text)
            raise argparse.ArgumentTypeError(refusal) from None

    return read


def _db(commands: Commands, words: Words) -> None:
    text = words.gettext("bring the database up to date")
    actions = commands.add_parser("db", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    text = words.gettext("bring the tables to this version of the program; nothing is lost")
    _settings_option(actions.add_parser("upgrade", help=text, description=text), words)


def _backup(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("copy database, recordings, files and settings into a new folder, while the service runs")
    parser = commands.add_parser("backup", help=text, description=text)
    parser.add_argument("folder", type=Path, metavar="DIR", help=gettext("folder to make for the backup"))
    parser.add_argument(
        "--with-secrets", action="store_true", help=gettext("passwords and keys, too; then keep the folder locked away")
    )
    _settings_option(parser, words)


def _restore(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("bring an office back from a backup, into a folder and a database that are empty")
    parser = commands.add_parser("restore", help=text, description=text)
    parser.add_argument("backup", type=Path, metavar="BACKUP", help=gettext("folder that `dialer backup` made"))
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help=gettext("folder of the office; a dialer.toml in it is kept")
    )


def _people(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("find people, and hand out all that is held on one of them")
    actions = commands.add_parser("people", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    text = gettext("list people by a part of their name or of their organisation's")
    show = actions.add_parser("list", help=text, description=text)
    show.add_argument("text", metavar="TEXT", help=gettext("the part of the name"))
    text = gettext("write all that is held on a person into a ZIP, recordings included")
    export = actions.add_parser("export", help=text, description=text)
    export.add_argument("number", type=int, metavar="NO", help=gettext("their number in the list"))
    export.add_argument("file", type=Path, metavar="FILE", help=gettext("ZIP file to make"))
    for parser in (show, export):
        _settings_option(parser, words)


def _erase(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    text = gettext("blank everything on a person or an organisation; what is counted stays")
    actions = commands.add_parser("erase", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    numbers = {
        "person": (gettext("erase a person"), gettext("their number in `dialer people list`")),
        "organisation": (gettext("erase an organisation with its people"), gettext("its number on its client's page")),
    }
    for action, (text, meaning) in numbers.items():
        parser = actions.add_parser(action, help=text, description=text)
        parser.add_argument("number", type=int, metavar="NO", help=meaning)
        parser.add_argument("--reason", required=True, metavar="TEXT", help=gettext("who asked, when and how"))
        parser.add_argument("--yes", action="store_true", help=gettext("do not ask for the name once more"))
        _settings_option(parser, words)


def _audit(commands: Commands, words: Words) -> None:
    text = words.gettext("the audit")
    actions = commands.add_parser("audit", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    text = words.gettext("see whether audit and outcomes are as the program wrote them")
    _settings_option(actions.add_parser("verify", help=text, description=text), words)
