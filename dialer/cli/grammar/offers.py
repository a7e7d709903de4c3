"""The options of the commands about offers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crm.offers.templates import Language
from dialer.cli.grammar.options import command, group, settings_option
from dialer.words import Words

if TYPE_CHECKING:
    import argparse

    from dialer.cli.grammar.options import Commands


def add_offers(commands: Commands, words: Words) -> None:
    """`dialer offers ...`."""
    actions = group(commands, "offers", words.gettext("offers by e-mail and fax: their templates, sending them"))
    for parser in _templates(actions, words):
        settings_option(parser, words)


def _templates(actions: Commands, words: Words) -> list[argparse.ArgumentParser]:
    gettext = words.gettext
    show = command(actions, "templates", gettext("list the templates of a campaign"))
    add = command(actions, "add-template", gettext("add a template, without texts yet"))
    add.add_argument("name", metavar="NAME", help=gettext("name of the template"))
    for parser in (show, add):
        parser.add_argument("--campaign", required=True, metavar="C", help=gettext("name of the campaign"))
    write = command(actions, "write", gettext("write the text of a template in one language; older versions stay"))
    write.add_argument("--subject", required=True, metavar="TEXT", help=gettext("its subject"))
    write.add_argument(
        "--body", required=True, type=Path, metavar="FILE",
        help=gettext("file with its text, in UTF-8 (-: standard input)"),
    )  # fmt: skip
    write.add_argument(
        "--attach", type=int, action="append", default=[], metavar="NO",
        help=gettext("number of a material that goes with it (several times for several)"),
    )  # fmt: skip
    text = command(actions, "text", gettext("show the text of a template, with some client's fields with --filled"))
    text.add_argument("--filled", action="store_true", help=gettext("as it looks with one of the clients"))
    text.add_argument("--pdf", type=Path, metavar="FILE", help=gettext("write it as a PDF, too"))
    retire = command(actions, "retire", gettext("use a template no more; what was sent stays"))
    retire.add_argument("--back", action="store_true", help=gettext("use it again"))
    for parser in (write, text, retire):
        parser.add_argument("template", type=int, metavar="NO", help=gettext("number of the template in the list"))
    for parser in (write, text):
        parser.add_argument(
            "--language", choices=[each.value for each in Language], default="ru",
            help=gettext("language of the text (otherwise ru)"),
        )  # fmt: skip
    return [show, add, write, text, retire]
