"""`dialer backup` and `dialer restore`."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from config.settings import Settings
from dialer import backup
from dialer.cli.database import ready_database
from dialer.cli.settings_file import settings_file
from dialer.cli.terminal import Terminal
from dialer.office_key import key_file


async def make(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`dialer backup`: everything into a new folder, while the service goes on."""
    gettext = terminal.words.gettext
    target: Path = arguments.folder.absolute()
    async with ready_database(settings, terminal) as database:
        made = await backup.back_up(
            settings, database, target,
            settings_file=settings_file(arguments, os.environ), secrets=arguments.with_secrets,
            now=datetime.now(UTC), progress=lambda done: terminal.progress(gettext("{done} files ...", done=done)),
        )  # fmt: skip
    terminal.progress("")
    size_mb = sum(each.size for each in made.files) / 2**20
    terminal.say(
        gettext(
            "{folder}: {rows} rows and {files} files, {size} MB.",
            folder=target, rows=sum(made.rows.values()), files=len(made.files), size=f"{size_mb:.1f}",
        )
    )  # fmt: skip
    if not made.secrets:
        terminal.say(gettext("Passwords and keys are not in it; keep them elsewhere."))
    return 0


async def restore(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`dialer restore`: the office of a backup into a folder that has none."""
    gettext = terminal.words.gettext
    folder: Path = arguments.folder.absolute()
    settings, made = await backup.restore(
        arguments.backup.absolute(), folder, os.environ,
        progress=lambda done: terminal.progress(gettext("{done} files ...", done=done)),
    )  # fmt: skip
    terminal.progress("")
    terminal.speak(settings.service.language)
    gettext = terminal.words.gettext
    terminal.say(
        gettext(
            "{folder} is back as of {moment}: {rows} rows and {files} files, each compared.",
            folder=folder, moment=made.made_at, rows=sum(made.rows.values()), files=len(made.files),
        )
    )  # fmt: skip
    option = f"-c {folder / backup.SETTINGS_FILE}"
    if not made.secrets:
        terminal.say(gettext("Write the passwords into {file}.", file=folder / backup.SETTINGS_FILE))
        terminal.say(
            gettext(
                "Put the office's key back as {file}. Without it headsets need new passwords: {command}",
                file=key_file(settings), command=f"dialer users passwd LOGIN --headset {option}",
            )
        )  # fmt: skip
    terminal.say(gettext("Then: {command}", command=f"dialer db upgrade {option} && dialer check {option}"))
    return 0
