"""Calls that were made: found, looked at, their outcomes corrected."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dialer.cli.grammar.options import command, day_reader, group, number_reader, settings_option, version_option
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_calls(commands: Commands, words: Words) -> None:
    """`dialer calls`."""
    gettext = words.gettext
    actions = group(commands, "calls", gettext("calls that were made, and what was written down about them"))
    show_all = command(actions, "list", gettext("list calls, the newest first"))
    show_all.add_argument(
        "--text", default="", metavar="TEXT", help=gettext("a part of the client's name, or a number")
    )
    show_all.add_argument("--user", metavar="LOGIN", help=gettext("only the calls of this user"))
    show_all.add_argument(
        "--client", type=number_reader(words), metavar="NO", help=gettext("only the calls to this client")
    )
    for option, text in (("--from", gettext("from this day on")), ("--to", gettext("up to this day"))):
        name = {"--from": "since", "--to": "until"}[option]
        show_all.add_argument(option, dest=name, type=day_reader(words), metavar="DAY", help=text)
    show_all.add_argument(
        "--rows", type=number_reader(words), default=50, metavar="N", help=gettext("how many at most")
    )
    show = command(actions, "show", gettext("show a call with every version of its outcome"))
    correct = command(
        actions, "correct", gettext("write another outcome in the place of the one that you saw; that one is kept")
    )
    sound = command(actions, "sound", gettext("write the sound of a call into a WAV file; the audit keeps that it was"))
    for parser in (show, correct, sound):
        parser.add_argument("call", metavar="CALL", help=gettext("what the list names it by"))
    _answers(correct, words)
    sound.add_argument("file", type=Path, metavar="FILE", help=gettext("WAV file to make"))
    stop = command(actions, "stop", gettext("stop all dialling; calls in progress go on"))
    go_on = command(actions, "go-on", gettext("let dialling go on"))
    for parser in (show_all, show, correct, sound, stop, go_on):
        settings_option(parser, words)


def _answers(parser: argparse.ArgumentParser, words: Words) -> None:
    gettext = words.gettext
    parser.add_argument(
        "--as", dest="author", required=True, metavar="LOGIN", help=gettext("who corrects: who called, or a manager")
    )
    version_option(parser, words, required=True)
    parser.add_argument("--disposition", metavar="KEY", help=gettext("another disposition"))
    parser.add_argument("--person", metavar="NAME", help=gettext("who was spoken to; '' for nobody"))
    parser.add_argument("--position", default="", metavar="TEXT", help=gettext("that person's position"))
    parser.add_argument("--decides", action="store_true", help=gettext("that person decides"))
    parser.add_argument(
        "--when", metavar="WORDS", help=gettext("when to call back, on the client's clock; '' for never")
    )
    parser.add_argument("--number-only", choices=("yes", "no"), help=gettext("not to be called at this number alone"))
    parser.add_argument("--expert", metavar="LOGIN", help=gettext("to which expert the client goes; '' by the rule"))
    parser.add_argument(
        "--contract",
        metavar="DEAL",
        help=gettext("which deal has its contract by this call; “new” begins one, '' for none"),
    )
    parser.add_argument("--sum", dest="amount", metavar="SUM", help=gettext("the sum of the contract"))
    parser.add_argument("--signed", type=day_reader(words), metavar="DAY", help=gettext("the day of the contract"))
    parser.add_argument(
        "--answer", action="append", default=[], metavar="Q.KEY=VALUE",
        help=gettext("an answer to the questionnaire with the number Q; repeat it. What is not named stays"),
    )  # fmt: skip
    for option, text in (
        ("--summary", gettext("what was said")),
        ("--reason", gettext("the reason")),
        ("--competitor", gettext("whose product they use")),
        ("--asked-by", gettext("who asked to call back")),
        ("--note", gettext("what else is known")),
    ):
        parser.add_argument(option, metavar="TEXT", help=text)
