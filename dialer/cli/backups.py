"""`dialer backup` and `dialer restore`."""

from __future__ import annotations

import argparse
import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from config.settings import Settings
from dialer import backup
from dialer.backup_list import kept_backups, new_name
from dialer.cli.database import ready_database
from dialer.cli.settings_file import settings_file
from dialer.cli.terminal import Terminal
from dialer.office_key import key_file
from dialer.shown.formats import moment
from dialer.upkeep import noted_backup


async def make(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`dialer backup`: everything into a new folder, while the service goes on."""
    gettext = terminal.words.gettext
    now = datetime.now(ZoneInfo(settings.service.time_zone))
    target: Path = (arguments.folder or settings.backups_dir / new_name(now)).absolute()
    async with ready_database(settings, terminal) as database:
        made = await noted_backup(
            database, settings, target,
            settings_file=settings_file(arguments, os.environ), secrets=arguments.with_secrets,
            clock=lambda: datetime.now(UTC),
            progress=lambda done: terminal.progress(gettext("{done} files ...", done=done)),
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
        terminal.say(
            gettext("Restored from it, users get new passwords: {command}", command="dialer users passwd LOGIN -c FILE")
        )
    return 0


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`dialer backups list`: those in the folder of the settings."""
    words, zone = terminal.words, ZoneInfo(settings.service.time_zone)
    gettext = words.gettext
    heading = (gettext("backup"), gettext("made"), gettext("size"), gettext("rows"), gettext("files"),
               gettext("passwords and keys"))  # fmt: skip
    rows = []
    for kept in await asyncio.to_thread(kept_backups, settings.backups_dir):
        if kept.made_at is None:
            rows.append((kept.name, gettext("not finished"), "-", "-", "-", "-"))
            continue
        size = gettext("{size} MB", size=f"{kept.size / 2**20:.1f}")
        secrets = gettext("with them") if kept.secrets else gettext("without")
        made = moment(words, kept.made_at, zone)
        rows.append((kept.name, made, size, str(kept.rows), str(kept.files), secrets))
    terminal.say(gettext("Backups in {folder}:", folder=settings.backups_dir))
    terminal.table([heading, *rows])
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
    made_at = moment(terminal.words, datetime.fromisoformat(made.made_at), ZoneInfo(settings.service.time_zone))
    terminal.say(
        gettext(
            "{folder} is back as of {moment}: {rows} rows and {files} files, each compared.",
            folder=folder, moment=made_at, rows=sum(made.rows.values()), files=len(made.files),
        )
    )  # fmt: skip
    option = f"-c {folder / backup.SETTINGS_FILE}"
    if not made.secrets:
        terminal.say(gettext("Write the passwords into {file}.", file=folder / backup.SETTINGS_FILE))
        if made.format > 1:
            terminal.say(
                gettext(
                    "Nobody can sign in yet. For each user: {command}", command=f"dialer users passwd LOGIN {option}"
                )
            )
        terminal.say(
            gettext(
                "Put the office's key back as {file}. Without it headsets need new passwords: {command}",
                file=key_file(settings), command=f"dialer users passwd LOGIN --headset {option}",
            )
        )  # fmt: skip
    terminal.say(gettext("Then: {command}", command=f"dialer db upgrade {option} && dialer check {option}"))
    return 0
