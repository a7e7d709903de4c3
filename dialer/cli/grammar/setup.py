"""The options of the commands that set a campaign up."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from crm.group import Group
from crm.preparation.approvals import Subject
from crm.preparation.candidates import CandidateState
from crm.preparation.materials import MaterialKind
from dialer.cli.grammar.options import command, day_reader, group, number_reader, settings_option
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def campaign_actions(actions: Commands, words: Words) -> None:
    """`campaigns check|setup|expert|approve|current|next`."""
    gettext = words.gettext
    parsers = {
        name: command(actions, name, text)
        for name, text in (
            ("check", gettext("show both stages as a checklist: what is missing, by whom, how many working days")),
            ("setup", gettext("say for whom and what the campaign is, among whom, and when")),
            ("expert", gettext("name an expert of the campaign")),
            ("approve", gettext("note that the customer has signed rubrics, sources, offer, script or an operator")),
            ("current", gettext("go on in current mode after the stages")),
            ("next", gettext("begin the next campaign on the same base: set-up, clients, groups and owners go on")),
        )
    }
    for parser in parsers.values():
        parser.add_argument("name", metavar="NAME", help=gettext("name of the campaign"))
    _setup(parsers["setup"], words)
    expert = parsers["expert"]
    expert.add_argument("login", metavar="LOGIN", help=gettext("login of the expert"))
    expert.add_argument("--remove", action="store_true", help=gettext("the user is no expert of it any more"))
    expert.add_argument(
        "--industries", metavar="NAMES",
        help=gettext("industries that the expert looks after, with semicolons ('' for all)"),
    )  # fmt: skip
    _approve(parsers["approve"], words)
    current = parsers["current"]
    current.add_argument(
        "--since", type=day_reader(words), metavar="DAY", help=gettext("from this day on (otherwise today)")
    )
    current.add_argument("--off", action="store_true", help=gettext("take it back"))
    following = parsers["next"]
    following.add_argument("new_name", metavar="NEW", help=gettext("name of the next campaign"))
    following.add_argument("--list", metavar="LIST", help=gettext("call list on which its clients will stand"))
    following.add_argument(
        "--group", action="append", choices=[group.value for group in Group], metavar="GROUP",
        help=gettext("a group that comes along; repeat it (otherwise all but competitors and nonexistent)"),
    )  # fmt: skip
    for parser in parsers.values():
        settings_option(parser, words)


def list_actions(actions: Commands, words: Words) -> None:
    """`lists export|marks`."""
    gettext = words.gettext
    for action, text, file in (
        ("export", gettext("write a list into a workbook for the customer's marks"), gettext("XLSX file to write")),
        (
            "marks",
            gettext("take in what the customer has marked in the workbook"),
            gettext("the workbook that came back"),
        ),
    ):
        parser = command(actions, action, text)
        parser.add_argument("name", metavar="NAME", help=gettext("name of the call list"))
        parser.add_argument("file", type=Path, metavar="FILE", help=file)
        parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
        if action == "marks":
            parser.add_argument("--by", required=True, metavar="WHO", help=gettext("who signed, in words"))
        settings_option(parser, words)


def _setup(parser: argparse.ArgumentParser, words: Words) -> None:
    gettext = words.gettext
    for option, column, metavar, text in (
        ("--customer", "customer", "TEXT", gettext("for whom the calls are made")),
        ("--product", "product", "TEXT", gettext("what is offered")),
        ("--segments", "segments", "TEXT", gettext("whom it is offered to, in words")),
        ("--caller-id", "caller_id", "NUMBER", gettext("number of ours that clients see ('': the trunk's own)")),
    ):
        parser.add_argument(option, dest=column, metavar=metavar, help=text)
    for option, column, text in (
        ("--rubric", "rubrics", gettext("a rubric to choose organisations by; repeat it: those named replace all")),
        ("--source", "sources", gettext("a source of organisations; repeat it: those named replace all")),
    ):
        parser.add_argument(option, dest=column, action="append", metavar="TEXT", help=text)
    for option, column, text in (
        ("--starts", "starts_on", gettext("first day of the preparation")),
        ("--calls-start", "calling_starts_on", gettext("first day of the calls")),
        ("--ends", "ends_on", gettext("last day of the campaign")),
    ):
        parser.add_argument(option, dest=column, type=day_reader(words), metavar="DAY", help=text)
    parser.add_argument(
        "--target-organisations",
        type=number_reader(words),
        metavar="N",
        help=gettext("how many organisations are to be chosen"),
    )


def _approve(parser: argparse.ArgumentParser, words: Words) -> None:
    gettext = words.gettext
    subjects = [subject.value for subject in Subject]
    parser.add_argument("what", metavar="WHAT", choices=subjects, help=", ".join(subjects))
    parser.add_argument("--by", required=True, metavar="WHO", help=gettext("who signed for the customer, in words"))
    parser.add_argument(
        "--on", type=day_reader(words), metavar="DAY", help=gettext("day of the signature (otherwise today)")
    )
    parser.add_argument(
        "--candidate",
        type=number_reader(words),
        metavar="NO",
        help=gettext("for an operator: number of the candidate in the list"),
    )


def candidates(commands: Commands, words: Words) -> None:
    """`candidates list|add|set`."""
    gettext = words.gettext
    actions = group(commands, "candidates", gettext("candidates for the operator's chair, and how the training went"))
    show = command(actions, "list", gettext("list the candidates of a campaign"))
    add = command(actions, "add", gettext("note that somebody was invited"))
    add.add_argument("name", metavar="NAME", help=gettext("name of the candidate"))
    change = command(actions, "set", gettext("note how far a candidate has come"))
    change.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("number in the list"))
    states = [state.value for state in CandidateState]
    change.add_argument("--state", choices=states, metavar="STATE", help=", ".join(states))
    change.add_argument(
        "--score", type=number_reader(words), metavar="N", help=gettext("result of the training, 0 to 100")
    )
    change.add_argument("--user", metavar="LOGIN", help=gettext("who it is among the users ('': nobody yet)"))
    change.add_argument("--remarks", metavar="TEXT", help=gettext("remarks"))
    for parser in (show, add, change):
        parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
        settings_option(parser, words)


def materials(commands: Commands, words: Words) -> None:
    """`materials list|add|get|remove`."""
    gettext = words.gettext
    actions = group(commands, "materials", gettext("the customer's files: offer, advertising, presentation"))
    parsers = {
        name: command(actions, name, text)
        for name, text in (
            ("list", gettext("list the files of a campaign")),
            ("add", gettext("add a file to a campaign")),
            ("get", gettext("write a file of a campaign out again")),
            ("remove", gettext("take a file off a campaign; what was signed stays in the folder")),
        )
    }
    for action in ("get", "remove"):
        parsers[action].add_argument(
            "number", type=number_reader(words), metavar="NO", help=gettext("number in the list")
        )
    for action, text in (("add", gettext("the file")), ("get", gettext("where to write it"))):
        parsers[action].add_argument("file", type=Path, metavar="FILE", help=text)
    kinds = [kind.value for kind in MaterialKind]
    parsers["add"].add_argument("--kind", choices=kinds, default="other", metavar="KIND", help=", ".join(kinds))
    for parser in parsers.values():
        parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
        settings_option(parser, words)


def script(commands: Commands, words: Words) -> None:
    """`script show|set`."""
    gettext = words.gettext
    actions = group(commands, "script", gettext("what operators say, step by step"))
    show = command(actions, "show", gettext("print the script of a campaign"))
    change = command(actions, "set", gettext("replace the script of a campaign"))
    change.add_argument("file", type=Path, metavar="FILE", help=gettext("text file in UTF-8, or - for standard input"))
    for parser in (show, change):
        parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
        settings_option(parser, words)
