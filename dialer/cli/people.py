"""`dialer people`: who is known, and all that is held on one of them."""

from __future__ import annotations

import argparse
import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from config.settings import Settings
from crm import audit
from crm.base.organisations import Organisation
from crm.base.people import Person
from crm.care.person_file import PersonFile, person_file
from crm.text_rules import fold
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.person_export import OpenRecording, from_store, write_zip
from dialer.words import Words
from recordings.store import LocalStore


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`people list`: those whose name, or whose organisation's name, has `TEXT` in it."""
    gettext = terminal.words.gettext
    wanted = fold(arguments.text)
    people = (
        select(Person, Organisation.name)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .where(
            Person.name_folded.contains(wanted, autoescape=True)
            | Organisation.name_folded.contains(wanted, autoescape=True)
        )
        .order_by(Organisation.name_folded, Person.id)
    )
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = (await session.execute(people)).all()
    heading = (gettext("no."), gettext("name"), gettext("organisation"))
    terminal.table([heading, *((str(person.id), person.full_name, name) for person, name in found)])
    return 0


async def export(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`people export`: a ZIP of all that is held on the person."""
    store = LocalStore(settings.recordings_dir)
    async with ready_database(settings, terminal) as database:
        async with database.transaction() as session:
            held = await person_file(session, arguments.number)
            audit.person_exported(session, person_id=arguments.number, user_id=None, now=datetime.now(UTC))
        await asyncio.to_thread(_write, arguments.file, held, terminal.words, from_store(store, database.office_key))
    gettext = terminal.words.gettext
    terminal.say(gettext("{file} holds all that is known of {name}.", file=arguments.file, name=held.person.full_name))
    return 0


def _write(path: Path, held: PersonFile, words: Words, open_recording: OpenRecording) -> None:
    """For its owner's eyes; a file that is there is not written over."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
        write_zip(file, held, words, open_recording)
