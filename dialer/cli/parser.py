"""The parser of the command line."""

from __future__ import annotations

import argparse
import functools
from typing import Final

from dialer import __version__
from dialer.cli.grammar import (
    calls,
    campaigns,
    clients,
    deals,
    duplicates,
    keeping,
    mail,
    offers,
    office,
    organisations,
    outcomes,
    plan,
    questionnaires,
    referrals,
    setup,
)
from dialer.words import Words, mark

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
    """The parser of `dialer`; its help and its errors are in the language of `words`. Made once for each language."""
    # argparse asks the module gettext, which wants compiled catalogues; this is the name by which it asks.
    argparse._ = words.gettext  # type: ignore[attr-defined]
    return _built(words)


@functools.cache
def _built(words: Words) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dialer",
        description=words.gettext("Outbound calls for a sales department: plan, call, record, write down."),
    )
    parser.add_argument("--version", action="version", version=f"dialer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    office.add_demo(commands, words)
    office.add_init(commands, words)
    office.add_serve(commands, words)
    office.add_check(commands, words)
    clients.add_import(commands, words)
    clients.add_imports(commands, words)
    clients.add_import_contacts(commands, words)
    campaigns.add_lists(commands, words)
    office.add_users(commands, words)
    mail.add_mail(commands, words)
    campaigns.add_campaigns(commands, words)
    setup.candidates(commands, words)
    setup.materials(commands, words)
    setup.script(commands, words)
    offers.add_offers(commands, words)
    questionnaires.add_questionnaires(commands, words)
    campaigns.add_calendar(commands, words)
    clients.add_clients(commands, words)
    deals.add_deals(commands, words)
    duplicates.add_duplicates(commands, words)
    duplicates.add_abandoned(commands, words)
    duplicates.add_competitors(commands, words)
    calls.add_calls(commands, words)
    outcomes.add_retries(commands, words)
    outcomes.add_callbacks(commands, words)
    outcomes.add_dispositions(commands, words)
    referrals.add_referrals(commands, words)
    plan.add_plan(commands, words)
    plan.add_consents(commands, words)
    clients.add_do_not_call(commands, words)
    campaigns.add_reports(commands, words)
    office.add_db(commands, words)
    organisations.add_organisations(commands, words)
    organisations.add_people(commands, words)
    office.add_erase(commands, words)
    office.add_audit(commands, words)
    keeping.add_recordings(commands, words)
    keeping.add_backup(commands, words)
    keeping.add_backups(commands, words)
    keeping.add_restore(commands, words)
    return parser
