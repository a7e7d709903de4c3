"""The options of the commands about questionnaires and their sheets."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from crm.questionnaires.questionnaires import Purpose
from crm.questionnaires.shipped import SHIPPED
from dialer.cli.grammar.options import command, group, number_reader, settings_option, version_option
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_questionnaires(commands: Commands, words: Words) -> None:
    """`dialer questionnaires list|show|add|shipped|set|reports|on|off|sheets|counts|export`."""
    gettext = words.gettext
    actions = group(commands, "questionnaires", gettext("what clients are asked, and what they have answered"))
    listed = command(actions, "list", gettext("list the questionnaires, and how many clients have answered them"))
    listed.add_argument("--campaign", metavar="C", help=gettext("those that a campaign can use"))
    settings_option(listed, words)
    add = command(actions, "add", gettext("add a questionnaire from a file; it is asked from now on"))
    add.add_argument("name", metavar="NAME", help=gettext("name of the questionnaire"))
    _file(add, words)
    add.add_argument("--campaign", metavar="C", help=gettext("name of the campaign (otherwise the whole office)"))
    add.add_argument(
        "--purpose", default=Purpose.CLIENT.value, choices=[each.value for each in Purpose],
        help=gettext("who is asked: every client, those from “abandoned”, or clients of competitors"),
    )  # fmt: skip
    settings_option(add, words)
    shipped = command(actions, "shipped", gettext("add one that comes with the program; the whole office asks it"))
    shipped.add_argument(
        "purpose", choices=[each.value for each in SHIPPED], metavar="PURPOSE",
        help=gettext("abandoned: why they left; competitor: whose product they use, and how satisfied they are"),
    )  # fmt: skip
    settings_option(shipped, words)
    _of_one(actions, words)
    _answers(actions, words)


def _of_one(actions: Commands, words: Words) -> None:
    gettext = words.gettext
    show = command(actions, "show", gettext("print a questionnaire as the text that “set” reads"))
    show.add_argument(
        "--of", type=number_reader(words), metavar="N", help=gettext("which of its versions (otherwise the newest)")
    )
    show.add_argument("--json", action="store_true", help=gettext("as JSON"))
    change = command(actions, "set", gettext("change the questions; sheets that are there stay in their version"))
    change.add_argument("--name", metavar="NAME", help=gettext("another name"))
    change.add_argument("--file", type=Path, metavar="FILE", help=_of_file(words))
    version_option(change, words)
    reports = command(actions, "reports", gettext("say which questions are for reports; old sheets are filled in"))
    parsers = [
        show, change, reports,
        command(actions, "on", gettext("ask it from now on")),
        command(actions, "off", gettext("ask it no more; its sheets stay")),
    ]  # fmt: skip
    for parser in parsers:
        _number(parser, words)
        settings_option(parser, words)
    reports.add_argument("keys", nargs="*", metavar="KEY", help=gettext("key of a question; all that are for reports"))


def _answers(actions: Commands, words: Words) -> None:
    gettext = words.gettext
    parsers = {
        name: command(actions, name, text)
        for name, text in (
            ("sheets", gettext("list the sheets with these answers")),
            ("counts", gettext("count the answers over all versions")),
            ("export", gettext("write the sheets of all versions into a table")),
        )
    }
    for name, parser in parsers.items():
        _number(parser, words)
        if name == "export":
            parser.add_argument("file", type=Path, metavar="FILE", help=gettext("CSV or XLSX file to write"))
        parser.add_argument(
            "--where", action="append", default=[], metavar="CONDITION",
            help=gettext("an answer, such as “q1 = yes” or “q2 > 10”; repeat it for more"),
        )  # fmt: skip
        settings_option(parser, words)


def add_sheet(actions: Commands, words: Words) -> None:
    """`dialer clients sheet`."""
    gettext = words.gettext
    sheet = command(actions, "sheet", gettext("write down what a client has answered, or correct it"))
    sheet.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("number of the client"))
    sheet.add_argument(
        "questionnaire", type=number_reader(words), metavar="Q", help=gettext("number of the questionnaire")
    )
    sheet.add_argument(
        "--answer", action="append", default=[], metavar="KEY=VALUE",
        help=gettext("an answer; repeat it. What is not named stays, and an empty one is taken away"),
    )  # fmt: skip
    sheet.add_argument(
        "--unfinished", action="store_true", help=gettext("also where an answer is missing that is needed")
    )
    settings_option(sheet, words)


def _number(parser: argparse.ArgumentParser, words: Words) -> None:
    parser.add_argument(
        "number", type=number_reader(words), metavar="NO", help=words.gettext("number of the questionnaire")
    )


def _file(parser: argparse.ArgumentParser, words: Words) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help=_of_file(words))


def _of_file(words: Words) -> str:
    return words.gettext("text file in UTF-8, JSON where its name ends so, or - for standard input")
