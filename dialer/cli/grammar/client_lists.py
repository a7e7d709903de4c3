"""The options of `dialer clients list`, `filters`, `save-filter`, `remove-filter`, `bulk`, `changes` and `undo`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from crm.group import Group
from dialer.cli.grammar.options import command, number_reader, settings_option
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_client_lists(actions: Commands, words: Words) -> None:
    gettext = words.gettext
    made = []
    for name, text in (
        ("list", gettext("list clients, narrowed by a saved filter or by options")),
        ("save-filter", gettext("save a filter by a name, for everybody or for one user")),
        ("bulk", gettext("change all clients of a filter; without --yes only show who would be changed")),
    ):
        parser = command(actions, name, text)
        if name == "save-filter":
            parser.add_argument("name", metavar="NAME", help=gettext("name of the filter"))
        narrowing_options(parser, words)
        made.append(parser)
    show, _, bulk = made
    show.add_argument("--rows", type=number_reader(words), default=50, metavar="N", help=gettext("how many at most"))
    _change(bulk, words)
    for name, text in (
        ("filters", gettext("list the saved filters: everybody's, and with --as a user's own")),
        ("changes", gettext("list the changes to many clients, the newest first")),
    ):
        made.append(command(actions, name, text))
    remove = command(
        actions, "remove-filter", gettext("remove a filter that is everybody's, or with --as a user's own")
    )
    remove.add_argument("name", metavar="NAME", help=gettext("name of the filter"))
    undo = command(actions, "undo", gettext("undo a change to many clients where nothing has happened since"))
    undo.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("its number among the changes"))
    for parser in (*made[:4], remove):
        parser.add_argument(
            "--as", dest="whose", metavar="LOGIN", help=gettext("whose own filters are meant besides everybody's")
        )
    for parser in (*made, remove, undo):
        settings_option(parser, words)


def narrowing_options(parser: argparse.ArgumentParser, words: Words) -> None:
    """A saved filter, and what narrows further."""
    gettext = words.gettext
    parser.add_argument("--filter", dest="saved", metavar="NAME", help=gettext("a saved filter"))
    parser.add_argument(
        "--text", default="", metavar="TEXT", help=gettext("a part of a name, a person, a number, the tax number")
    )
    parser.add_argument("--campaign", metavar="C", help=gettext("name of the campaign"))
    parser.add_argument("--list", dest="list_name", metavar="L", help=gettext("call list of that campaign"))
    parser.add_argument("--group", choices=[each.value for each in Group], help=gettext("the clients' group"))
    parser.add_argument("--owner", metavar="LOGIN", help=gettext("whose they are; '' for nobody's"))


def _change(parser: argparse.ArgumentParser, words: Words) -> None:
    gettext = words.gettext
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--assign", metavar="LOGIN", help=gettext("make them that user's; '' for nobody's"))
    groups = [each.value for each in Group if each is not Group.NEW]
    what.add_argument("--to-group", choices=groups, help=gettext("move them to this group"))
    what.add_argument("--to-list", metavar="L", help=gettext("put them on this list of --campaign"))
    what.add_argument(
        "--do-not-call", metavar="EVIDENCE", help=gettext("they are not to be called: who asked, and how")
    )
    parser.add_argument("--yes", action="store_true", help=gettext("do it"))
