"""The options of the commands about offers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crm.offers.templates import Language
from dialer.cli.grammar.client_lists import narrowing_options
from dialer.cli.grammar.options import command, group, number_reader, settings_option
from dialer.words import Words

if TYPE_CHECKING:
    import argparse

    from dialer.cli.grammar.options import Commands


def add_offers(commands: Commands, words: Words) -> None:
    """`dialer offers ...`."""
    actions = group(commands, "offers", words.gettext("offers by e-mail and fax: their templates, sending them"))
    for parser in (
        *_templates(actions, words),
        *_sending(actions, words),
        *_to_many(actions, words),
        *_opt_outs(actions, words),
    ):
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
        "--attach", type=number_reader(words), action="append", default=[], metavar="NO",
        help=gettext("number of a material that goes with it (several times for several)"),
    )  # fmt: skip
    text = command(actions, "text", gettext("show the text of a template, with some client's fields with --filled"))
    text.add_argument("--filled", action="store_true", help=gettext("as it looks with one of the clients"))
    text.add_argument("--pdf", type=Path, metavar="FILE", help=gettext("write it as a PDF, too"))
    retire = command(actions, "retire", gettext("use a template no more; what was sent stays"))
    retire.add_argument("--back", action="store_true", help=gettext("use it again"))
    for parser in (write, text, retire):
        parser.add_argument(
            "template", type=number_reader(words), metavar="NO", help=gettext("number of the template in the list")
        )
    for parser in (write, text):
        parser.add_argument(
            "--language", choices=[each.value for each in Language], default="ru",
            help=gettext("language of the text (otherwise ru)"),
        )  # fmt: skip
    return [show, add, write, text, retire]


def _sending(actions: Commands, words: Words) -> list[argparse.ArgumentParser]:
    gettext = words.gettext
    send = command(actions, "send", gettext("show an offer to a client as it would go, and send it with --yes"))
    send.add_argument("client", type=number_reader(words), metavar="CLIENT", help=gettext("number of the client"))
    send.add_argument(
        "--template", type=number_reader(words), required=True, metavar="NO", help=gettext("number of the template")
    )
    send.add_argument(
        "--language", choices=[each.value for each in Language], default="ru",
        help=gettext("language of the text (otherwise ru)"),
    )  # fmt: skip
    send.add_argument("--to", required=True, metavar="ADDRESS", help=gettext("e-mail address, or with --fax a number"))
    send.add_argument("--fax", action="store_true", help=gettext("by fax, through the gateway of the settings"))
    send.add_argument(
        "--person", type=number_reader(words), metavar="NO", help=gettext("number of the person it is written to")
    )
    send.add_argument("--by", metavar="LOGIN", help=gettext("who sends it"))
    send.add_argument(
        "--asked", action="store_true", help=gettext("the client asked for it: it waits for no caps and hours")
    )
    send.add_argument("--yes", action="store_true", help=gettext("send it"))
    show = command(actions, "list", gettext("list offers, those first that somebody must look at"))
    show.add_argument("--client", type=number_reader(words), metavar="CLIENT", help=gettext("those to one client only"))
    file = command(actions, "file", gettext("write the PDF of an offer, as it went"))
    withdraw = command(actions, "withdraw", gettext("keep an offer back that has not gone yet"))
    settle = command(actions, "settle", gettext("say what became of a doubtful offer, or try one again"))
    for parser in (file, withdraw, settle):
        parser.add_argument(
            "number", type=number_reader(words), metavar="NO", help=gettext("number of the offer in the list")
        )
    file.add_argument("file", type=Path, metavar="FILE", help=gettext("file to write"))
    read = command(actions, "read", gettext("read what came back to offers, now"))
    incoming = command(actions, "incoming", gettext("list what came back to offers"))
    incoming.add_argument(
        "--client", type=number_reader(words), metavar="CLIENT", help=gettext("to those to one client only")
    )
    either = settle.add_mutually_exclusive_group(required=True)
    either.add_argument("--arrived", action="store_true", help=gettext("it arrived"))
    either.add_argument("--again", action="store_true", help=gettext("send it again, as the same message"))
    return [send, show, file, withdraw, settle, read, incoming]


def _to_many(actions: Commands, words: Words) -> list[argparse.ArgumentParser]:
    gettext = words.gettext
    send = command(actions, "send-many", gettext("show to whom of a filter an offer would go, and send it with --yes"))
    narrowing_options(send, words)
    send.add_argument(
        "--as", dest="whose", metavar="LOGIN", help=gettext("whose own filters are meant besides everybody's")
    )
    send.add_argument(
        "--template", type=number_reader(words), required=True, metavar="NO", help=gettext("number of the template")
    )
    send.add_argument(
        "--language", choices=[each.value for each in Language], default="ru",
        help=gettext("language of the text (otherwise ru)"),
    )  # fmt: skip
    send.add_argument(
        "--per-hour",
        type=number_reader(words),
        default=100,
        metavar="N",
        help=gettext("how many an hour (otherwise 100)"),
    )
    send.add_argument(
        "--not-within", type=number_reader(words), default=30, metavar="DAYS",
        help=gettext("not to who had this offer within so many days (otherwise 30; 0: to these, too)"),
    )  # fmt: skip
    send.add_argument("--by", metavar="LOGIN", help=gettext("who sends it"))
    send.add_argument("--yes", action="store_true", help=gettext("send it"))
    made = [send, command(actions, "batches", gettext("list the offers to many clients, the newest first"))]
    for name, text in (
        ("batch", gettext("show how far an offer to many clients has come, and what became of each")),
        ("stop", gettext("stop an offer to many clients: nothing more of it goes")),
        ("go-on", gettext("go on with an offer to many clients that was stopped")),
    ):
        parser = command(actions, name, text)
        parser.add_argument(
            "number",
            type=number_reader(words),
            metavar="NO",
            help=gettext("its number among the offers to many clients"),
        )
        made.append(parser)
    return made


def _opt_outs(actions: Commands, words: Words) -> list[argparse.ArgumentParser]:
    gettext = words.gettext
    show = command(actions, "opt-outs", gettext("list who wants no letters"))
    ask = command(actions, "opt-out", gettext("note that somebody wants no letters"))
    whom = ask.add_mutually_exclusive_group(required=True)
    whom.add_argument("--address", metavar="ADDRESS", help=gettext("e-mail address or number"))
    whom.add_argument("--person", type=number_reader(words), metavar="NO", help=gettext("number of the person"))
    whom.add_argument(
        "--client", type=number_reader(words), metavar="CLIENT", help=gettext("client whose whole company it is")
    )
    ask.add_argument("--evidence", required=True, metavar="TEXT", help=gettext("who said so, when and how"))
    lift = command(actions, "lift-opt-out", gettext("lift a request for no letters; it stays on record"))
    lift.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("its number in the list"))
    lift.add_argument("--reason", required=True, metavar="TEXT", help=gettext("why it holds no more"))
    return [show, ask, lift]
