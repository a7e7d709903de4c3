"""`dialer db upgrade`."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from config.settings import Settings
from crm.database import Database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.crm_words import database_finding
from dialer.office_key import read_key


async def upgrade(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Bring the tables to this version of the program."""
    gettext = terminal.words.gettext
    make_folder_of(settings)
    database = Database(settings.database_url)
    try:
        terminal.progress(gettext("Bringing the database up to date ..."))
        await database.upgrade()
        terminal.progress("")
        wrong = await database.check()
    finally:
        await database.dispose()
    if wrong is not None:
        raise CommandFailed(
            gettext("The database is not ready: {reason}", reason=database_finding(terminal.words, wrong))
        )
    terminal.say(gettext("The database is up to date."))
    return 0


@asynccontextmanager
async def ready_database(settings: Settings, terminal: Terminal) -> AsyncIterator[Database]:
    """A database that is there and up to date. Raises `CommandFailed` for any other."""
    database = Database(settings.database_url, read_key(settings))
    try:
        wrong = await database.check()
        if wrong is not None:
            raise CommandFailed(
                terminal.words.gettext(
                    "The database is not ready: {reason}", reason=database_finding(terminal.words, wrong)
                )
            )
        yield database
    finally:
        await database.dispose()


def make_folder_of(settings: Settings) -> None:
    """The folder that a SQLite file goes into, readable by its owner alone."""
    path = sqlite_file(settings)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)


def sqlite_file(settings: Settings) -> Path | None:
    """The database's file, `None` for PostgreSQL."""
    scheme, _, rest = settings.database_url.partition(":///")
    return Path(rest.split("?")[0]) if scheme.startswith("sqlite") else None
