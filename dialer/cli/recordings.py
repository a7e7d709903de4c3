"""`dialer recordings`: sealing those from before there were keys."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from config.settings import Settings
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.crm_words import in_language
from dialer.sealing_older import SealedOlder, seal_older
from recordings.store import LocalStore


async def seal(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`recordings seal`: one by one; broken off, it goes on where it was."""
    gettext = terminal.words.gettext
    store = LocalStore(settings.recordings_dir)

    def told(done: int) -> None:
        terminal.progress(gettext("{done} recordings ...", done=done))

    async with ready_database(settings, terminal) as database:
        found = await seal_older(
            database, store, settings, now=datetime.now(UTC), dry_run=arguments.dry_run, progress=told
        )
    terminal.progress("")
    _tell(found, terminal, dry_run=arguments.dry_run)
    return 1 if found.refused else 0


def _tell(found: SealedOlder, terminal: Terminal, *, dry_run: bool) -> None:
    words = terminal.words
    if dry_run:
        terminal.say(words.ngettext("{n} recording would be sealed.", "{n} recordings would be sealed.", found.sealed))
    else:
        terminal.say(words.ngettext("{n} recording is sealed now.", "{n} recordings are sealed now.", found.sealed))
    if found.elsewhere:
        terminal.say(
            words.ngettext(
                "{n} recording lies on no disk of this machine.", "{n} recordings lie on no disk of this machine.",
                found.elsewhere,
            )
        )  # fmt: skip
    for call, reason in found.refused.items():
        terminal.warn(words.gettext("Call {call} stays plain: {reason}", call=call, reason=in_language(words, reason)))
