"""E-mail: the outbox, and who wants callbacks in the calendar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm.mail.outbox import MailState
from dialer.cli.grammar.options import command, group, number_reader, settings_option
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_mail(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    actions = group(commands, "mail", gettext("what goes out by e-mail: list it, try it again, test the mail server"))
    show = command(actions, "list", gettext("list the newest messages"))
    show.add_argument("--state", choices=[state.value for state in MailState], help=gettext("only those in this state"))
    retry = command(actions, "retry", gettext("try messages again that were given up"))
    which = retry.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "number", nargs="?", type=number_reader(words), metavar="NO", help=gettext("its number in `dialer mail list`")
    )
    which.add_argument("--all", action="store_true", help=gettext("all that were given up"))
    test = command(actions, "test", gettext("send one message now, and say what is wrong"))
    test.add_argument("address", metavar="ADDRESS", help=gettext("e-mail address"))
    for parser in (show, retry, test):
        settings_option(parser, words)


def add_users_mail(actions: Commands, words: Words) -> None:
    gettext = words.gettext
    mail = command(actions, "mail", gettext("give a user an e-mail address, and callbacks as calendar entries"))
    mail.add_argument("login", metavar="LOGIN", help=gettext("which user"))
    which = mail.add_mutually_exclusive_group(required=True)
    which.add_argument("address", nargs="?", default="", metavar="ADDRESS", help=gettext("e-mail address"))
    which.add_argument("--none", action="store_true", help=gettext("the user has no address any more"))
    mail.add_argument("--callbacks", action="store_true", help=gettext("promised calls come into the user's calendar"))
    settings_option(mail, words)
