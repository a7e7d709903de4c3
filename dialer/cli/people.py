"""`dialer people`: who is known, and all that is held on one of them."""

from __future__ import annotations

import argparse
import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm import audit
from crm.base.joined import survivors
from crm.base.organisations import Organisation, get_organisation
from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.care.editing import add_numbers, change_number, set_person
from crm.care.person_file import PersonFile, person_file
from crm.errors import NotFound
from crm.text_rules import fold
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.person_export import OpenRecording, from_store, write_zip
from dialer.words import Words, mark
from recordings.store import LocalStore

_STATES: Final = {"ok": mark("works"), "dead": mark("does not work")}


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
    heading = (gettext("no."), gettext("version"), gettext("name"), gettext("organisation"))
    rows = [(str(person.id), str(person.version), person.full_name, name) for person, name in found]
    terminal.table([heading, *rows])
    return 0


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`people add`: somebody at an organisation."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        person = await set_person(
            session, organisation_id=await _standing(session, arguments.organisation), person_id=None,
            now=datetime.now(UTC), full_name=arguments.name, position=arguments.position, note=arguments.note,
            decides=arguments.decides,
        )  # fmt: skip
    terminal.say(terminal.words.gettext("{name} is person no. {number}.", name=person.full_name, number=person.id))
    return 0


async def add_some_numbers(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`people add-numbers`: those of the text that the organisation does not have."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        added = await add_numbers(
            session, organisation_id=await _standing(session, arguments.organisation),
            written=arguments.written, now=datetime.now(UTC), region=settings.dialing.region,
        )  # fmt: skip
    gettext = terminal.words.gettext
    for each in added:
        terminal.say(
            gettext("{number} is number no. {id}.", number=f"{each.e164} {each.extension}".strip(), id=each.id)
        )
    if not added:
        terminal.say(gettext("Nothing was added: these numbers are there already."))
    return 0


async def _standing(session: AsyncSession, organisation_id: int) -> int:
    """The organisation; of one that was merged, that which stands for it. Raises `NotFound`."""
    standing = (await survivors(session, [organisation_id])).get(organisation_id, organisation_id)
    return (await get_organisation(session, standing)).id


async def change(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`people set`: only what is named is changed."""
    named = {"full_name": arguments.name, "position": arguments.position, "note": arguments.note}
    changes: dict[str, Any] = {column: value for column, value in named.items() if value is not None}
    if arguments.decides is not None:
        changes["decides"] = arguments.decides == "yes"
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        known = await session.get(Person, arguments.number)
        if known is None:
            raise NotFound("person.unknown")
        person = await set_person(
            session, organisation_id=known.organisation_id, person_id=known.id, version=arguments.version,
            now=datetime.now(UTC), **changes,
        )  # fmt: skip
    terminal.say(
        terminal.words.gettext("{name} is written down, version {version}.", name=person.full_name,
                               version=person.version)
    )  # fmt: skip
    return 0


async def show_numbers(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`people numbers`: those of organisations whose name has `TEXT` in it."""
    gettext = terminal.words.gettext
    numbers = (
        select(PhoneNumber, Organisation.name)
        .join(Organisation, Organisation.id == PhoneNumber.organisation_id)
        .where(Organisation.name_folded.contains(fold(arguments.text), autoescape=True))
        .order_by(Organisation.name_folded, Organisation.id, PhoneNumber.rank, PhoneNumber.id)
    )
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = (await session.execute(numbers)).all()
    heading = (gettext("no."), gettext("version"), gettext("number"), gettext("state"), gettext("organisation"))
    rows = [
        (str(each.id), str(each.version), f"{each.e164} {each.extension}".strip(), gettext(_STATES[each.state]), name)
        for each, name in found
    ]
    terminal.table([heading, *rows])
    return 0


async def change_one_number(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`people number`: only what is named is changed."""
    named = {"state": arguments.state, "extension": arguments.extension, "rank": arguments.rank}
    changes = {column: value for column, value in named.items() if value is not None}
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        known = await session.get(PhoneNumber, arguments.number)
        if known is None:
            raise NotFound("phone.unknown")
        number = await change_number(
            session, organisation_id=known.organisation_id, number_id=known.id, version=arguments.version,
            now=datetime.now(UTC), **changes,
        )  # fmt: skip
    terminal.say(
        terminal.words.gettext("{name} is written down, version {version}.", name=number.e164, version=number.version)
    )
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
