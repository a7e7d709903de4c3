"""The options of the commands about e-mails and faxes to clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm.calls.letters import Channel
from dialer.cli.grammar.options import command, moment_reader, number_reader, settings_option
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_letters(actions: Commands, words: Words) -> None:
    """`dialer clients letter|withdraw-letter`."""
    gettext = words.gettext
    letter = command(
        actions,
        "letter",
        gettext("note an e-mail or a fax that was sent to a client; it counts for the day with the calls"),
    )
    letter.add_argument("number", type=number_reader(words), metavar="NO", help=gettext("number of the client"))
    letter.add_argument(
        "--channel", required=True, choices=[each.value for each in Channel], help=gettext("how it was sent")
    )
    letter.add_argument(
        "--at", type=moment_reader(words), metavar="MOMENT",
        help=gettext("when, on the office's clock, as “2026-12-31 9:00” (otherwise just now)"),
    )  # fmt: skip
    letter.add_argument("--by", metavar="LOGIN", help=gettext("who sent it"))
    letter.add_argument("--note", default="", metavar="TEXT", help=gettext("what was sent"))
    withdraw = command(
        actions, "withdraw-letter", gettext("withdraw an e-mail or a fax that was noted by mistake; it stays on record")
    )
    withdraw.add_argument(
        "number", type=number_reader(words), metavar="NO", help=gettext("its number, as “clients show” has it")
    )
    withdraw.add_argument("--reason", required=True, metavar="TEXT", help=gettext("why it does not count"))
    for parser in (letter, withdraw):
        settings_option(parser, words)
