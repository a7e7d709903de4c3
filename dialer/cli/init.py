"""`dialer init`: a folder with everything that a first day needs."""

from __future__ import annotations

import argparse
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from config import example_text
from config.settings import Settings, load_settings
from crm.database import Database
from crm.office import users
from crm.preparation import campaigns
from dialer.cli.terminal import CommandFailed, Terminal, generated_password
from dialer.words import Language

SETTINGS_FILE: Final = "dialer.toml"


async def init(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Make `arguments.folder`. An unfinished folder is gone on with; a finished one is left alone."""
    folder: Path = arguments.folder.absolute()
    settings = _settings_in(folder, arguments, terminal)
    terminal.speak(settings.service.language)
    gettext = terminal.words.gettext
    for path in (settings.data_dir, settings.recordings_dir):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    campaign = arguments.campaign or gettext("First campaign")
    database = Database(settings.database_url)
    try:
        terminal.progress(gettext("Making the database ..."))
        await database.upgrade()
        terminal.progress("")
        passwords = await _first_rows(database, settings, folder, campaign, terminal)
    finally:
        await database.dispose()
    _tell(folder, passwords, campaign, terminal)
    return 0


def _settings_in(folder: Path, arguments: argparse.Namespace, terminal: Terminal) -> Settings:
    """The settings of the folder, written now if there are none."""
    path = folder / SETTINGS_FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = settings_text(arguments.language or terminal.words.language, arguments.time_zone)
        # Passwords will stand in it: for its owner's eyes from the first byte on.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    return load_settings(path, os.environ)


def settings_text(language: Language, time_zone: str | None) -> str:
    """The example with the office's language and time zone."""
    text = re.sub(r'^language = ".*"$', f'language = "{language}"', example_text(), count=1, flags=re.MULTILINE)
    if time_zone:
        text = re.sub(r'^time_zone = ".*"$', f'time_zone = "{time_zone}"', text, count=1, flags=re.MULTILINE)
    return text


async def _first_rows(
    database: Database, settings: Settings, folder: Path, campaign: str, terminal: Terminal
) -> dict[str, str]:
    """An administrator, a manager and a campaign, in one transaction; returns login -> password."""
    gettext = terminal.words.gettext
    now = datetime.now(UTC)
    names = {
        users.Role.ADMINISTRATOR: gettext("Administrator"),
        users.Role.MANAGER: gettext("Head of sales"),
    }
    passwords = {role.value: generated_password() for role in names}
    async with database.transaction() as session:
        if await users.list_users(session):
            raise CommandFailed(gettext("{folder} has been set up already; nothing was changed.", folder=folder))
        for role, name in names.items():
            await users.add_user(
                session,
                login=role.value,
                name=name,
                role=role,
                password=passwords[role.value],
                now=now,
                language=settings.service.language,
                time_zone=settings.service.time_zone,
            )
        await campaigns.add_campaign(
            session,
            name=campaign,
            now=now,
            time_zone=settings.service.time_zone,
        )
    return passwords


def _tell(folder: Path, passwords: dict[str, str], campaign: str, terminal: Terminal) -> None:
    gettext, say = terminal.words.gettext, terminal.say
    say(gettext("{folder} is ready: settings, database, recordings folder.", folder=folder))
    say()
    say(gettext("These passwords are shown only now; write them down:"))
    for login, password in passwords.items():
        say(f"  {login:15} {password}")
    option = f"-c {folder / SETTINGS_FILE}"
    say()
    say(gettext("What to do next:"))
    name = gettext("Anna Petrova")
    steps = [
        gettext("Write your provider's line into {file}, table [trunk]", file=folder / SETTINGS_FILE),
        f"dialer users add anna --name '{name}' --headset anna {option}",
        f"dialer check {option}",
        f"dialer import FILE.csv --campaign '{campaign}' {option}",
        f"dialer serve {option}",
    ]
    for number, step in enumerate(steps, 1):
        say(f"  {number}. {step}")
    say(gettext("docs/go-live.md goes through it step by step."))
