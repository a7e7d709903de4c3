"""The office: begun, run, looked at, kept; its people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crm.care.portfolios import DealtBy
from crm.office.users import Role
from dialer.cli.grammar.mail import add_users_mail
from dialer.cli.grammar.options import command, group, number_reader, port_reader, settings_option
from dialer.cli.grammar.plan import user_actions
from dialer.words import LANGUAGES, Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_demo(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    parser = command(commands, "demo", gettext("try everything on a practice telephone network, without a provider"))
    parser.add_argument(
        "--once", action="store_true", help=gettext("one whole round without a browser; prints one JSON object")
    )
    parser.add_argument(
        "--port", type=port_reader(words), default=8080, metavar="N", help=gettext("port of the console")
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help=gettext("folder to keep everything in (otherwise ./demo-data)")
    )


def add_init(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    parser = command(
        commands,
        "init",
        gettext("make a folder with settings, a database, a first administrator, manager and campaign"),
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help=gettext("folder to make"))
    parser.add_argument("--campaign", metavar="NAME", help=gettext("name of the first campaign"))
    parser.add_argument("--language", choices=LANGUAGES, help=gettext("language of the service"))
    parser.add_argument("--time-zone", metavar="ZONE", help=gettext("IANA time zone of the office"))


def add_serve(commands: Commands, words: Words) -> None:
    settings_option(
        command(commands, "serve", words.gettext("run the service until it is stopped (SIGTERM or Ctrl+C)")), words
    )


def add_check(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    parser = command(
        commands, "check", gettext("check settings, database, trunk, headsets and disk, and say what to do")
    )
    settings_option(parser, words)
    parser.add_argument(
        "--wait",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help=gettext("how long the trunk may take to answer, and headsets to register"),
    )


def add_users(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    actions = group(commands, "users", gettext("add and list users, set passwords, switch users off"))

    add = command(actions, "add", gettext("add a user"))
    add.add_argument("login", metavar="LOGIN", help=gettext("what the user types to sign in"))
    add.add_argument("--name", required=True, help=gettext("name as colleagues see it"))
    add.add_argument("--role", choices=[role.value for role in Role], default="operator", help=gettext("what they do"))
    add.add_argument("--headset", default="", metavar="NAME", help=gettext("SIP user name of the headset"))
    add.add_argument("--language", choices=LANGUAGES, help=gettext("language of their pages"))
    add.add_argument("--password-stdin", action="store_true", help=gettext("read the password from standard input"))
    settings_option(add, words)

    settings_option(command(actions, "list", gettext("list the users")), words)

    passwd = command(actions, "passwd", gettext("set a user's password"))
    passwd.add_argument("login", metavar="LOGIN", help=gettext("whose password"))
    passwd.add_argument(
        "--headset", action="store_true", help=gettext("the password of the user's headset instead of the sign-in's")
    )
    passwd.add_argument("--password-stdin", action="store_true", help=gettext("read the password from standard input"))
    settings_option(passwd, words)

    _users_changes(actions, words)
    user_actions(actions, words)
    add_users_mail(actions, words)
    switches = {
        "off": gettext("let a user sign in no more; what they did stays"),
        "on": gettext("let a user sign in again"),
    }
    for action, text in switches.items():
        switch = command(actions, action, text)
        switch.add_argument("login", metavar="LOGIN", help=gettext("which user"))
        if action == "off":
            switch.add_argument(
                "--hand-over-to", metavar="LOGIN", help=gettext("who takes over everything that they have")
            )
        settings_option(switch, words)


def _users_changes(actions: Commands, words: Words) -> None:
    gettext = words.gettext
    role = command(actions, "role", gettext("give a user another role"))
    role.add_argument("login", metavar="LOGIN", help=gettext("which user"))
    role.add_argument("role", metavar="ROLE", choices=[each.value for each in Role], help=gettext("what they do"))
    role.add_argument("--hand-over-to", metavar="LOGIN", help=gettext("who takes over everything that they have"))
    settings_option(role, words)

    hand_over = command(actions, "hand-over", gettext("give all open callbacks of one user to another"))
    hand_over.add_argument("login", metavar="LOGIN", help=gettext("whose callbacks"))
    hand_over.add_argument("to", metavar="TO", help=gettext("who takes the open callbacks over"))
    settings_option(hand_over, words)

    portfolio = command(
        actions, "portfolio", gettext("show everything that a user has of clients, or give it to others")
    )
    portfolio.add_argument("login", metavar="LOGIN", help=gettext("whose clients, promises, deals, places in the plan"))
    portfolio.add_argument(
        "--to",
        nargs="+",
        default=[],
        metavar="LOGIN",
        help=gettext("who takes it over: one, or several it is dealt to"),
    )
    portfolio.add_argument(
        "--by", choices=[each.value for each in DealtBy], default=DealtBy.LOAD.value,
        help=gettext("dealt to who has least to do, or first to who knows the industry"),
    )  # fmt: skip
    portfolio.add_argument(
        "--reason", default="", metavar="TEXT", help=gettext("why; with it everything passes, without it is only shown")
    )
    settings_option(portfolio, words)

    headset = command(actions, "headset", gettext("give a user a headset, or take it away"))
    headset.add_argument("login", metavar="LOGIN", help=gettext("which user"))
    which = headset.add_mutually_exclusive_group(required=True)
    which.add_argument("headset", nargs="?", default="", metavar="NAME", help=gettext("SIP user name of the headset"))
    which.add_argument("--none", action="store_true", help=gettext("the user has no headset any more"))
    settings_option(headset, words)


def add_db(commands: Commands, words: Words) -> None:
    actions = group(commands, "db", words.gettext("bring the database up to date"))
    settings_option(
        command(actions, "upgrade", words.gettext("bring the tables to this version of the program; nothing is lost")),
        words,
    )


def add_erase(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    actions = group(
        commands, "erase", gettext("blank everything on a person or an organisation; what is counted stays")
    )
    numbers = {
        "person": (gettext("erase a person"), gettext("their number in `dialer people list`")),
        "organisation": (gettext("erase an organisation with its people"), gettext("its number on its client's page")),
    }
    for action, (text, meaning) in numbers.items():
        parser = command(actions, action, text)
        parser.add_argument("number", type=number_reader(words), metavar="NO", help=meaning)
        parser.add_argument("--reason", required=True, metavar="TEXT", help=gettext("who asked, when and how"))
        parser.add_argument("--yes", action="store_true", help=gettext("do not ask for the name once more"))
        settings_option(parser, words)


def add_audit(commands: Commands, words: Words) -> None:
    actions = group(commands, "audit", words.gettext("the audit"))
    settings_option(
        command(actions, "verify", words.gettext("see whether audit and outcomes are as the program wrote them")), words
    )
