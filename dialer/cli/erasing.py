"""`dialer erase` and `dialer audit verify`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from functools import partial

from config.settings import Settings
from crm.base.organisations import get_organisation
from crm.care.audit_chain import Key, verify
from crm.care.erasures import erase_organisation, erase_person
from crm.care.person_file import get_person
from dialer.cli.database import ready_database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.office_key import key_file, make_key
from dialer.purging import remove_recordings
from recordings.store import LocalStore


async def erase(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`erase person` and `erase organisation`: asks for the name once more, unless told `--yes`."""
    gettext = terminal.words.gettext
    of_person = arguments.action == "person"
    make_key(settings)
    async with ready_database(settings, terminal) as database:
        async with database.reading() as session:
            name = (
                (await get_person(session, arguments.number)).full_name
                if of_person
                else (await get_organisation(session, arguments.number)).name
            )
        terminal.say(gettext("{name} will be erased. Nothing brings it back but a backup from before.", name=name))
        if not arguments.yes and terminal.asked(gettext("Type the name to go on: ")) != name:
            raise CommandFailed(gettext("That is another name; nothing was erased."))
        erase_it = (
            partial(erase_person, person_id=arguments.number)
            if of_person
            else partial(erase_organisation, organisation_id=arguments.number)
        )
        done = await database.carry_out(
            lambda session: erase_it(
                session, reason=arguments.reason, now=datetime.now(UTC), region=settings.dialing.region
            )
        )
        await asyncio.to_thread(remove_recordings, LocalStore(settings.recordings_dir), done.recording_keys)
    terminal.say(
        gettext(
            "Erased as no. {number}: {texts} texts, {recordings} recordings.",
            number=done.erasure_id, texts=sum(done.blanked.values()), recordings=len(done.recording_keys),
        )
    )  # fmt: skip
    terminal.say(gettext("Backups from before still hold it: delete them as their time comes."))
    return 0


async def verify_audit(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`audit verify`: walks along the chain; 1 when something was changed behind the program's back, or
    nobody can say for want of the office's key."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = await verify(session)
    terminal.say(
        gettext(
            "{links} rows are linked, {unlinked} not yet; {erased} texts were erased.",
            links=found.links, unlinked=found.unlinked, erased=found.erased,
        )
    )  # fmt: skip
    if found.unkeyed:
        terminal.say(
            gettext(
                "{count} of the links are older than those made with the office's key: what was changed before that"
                " they cannot tell.",
                count=found.unkeyed,
            )
        )  # fmt: skip
    terminal.say(gettext("Last link: {link}", link=found.head))
    if found.broken:
        raise CommandFailed("\n".join([gettext("The chain is broken:"), *found.broken]))
    if found.key is Key.MISSING:
        raise CommandFailed(
            gettext("The chain cannot be verified until the office's key is back as {file}.", file=key_file(settings))
        )
    if found.key is Key.ANOTHER:
        raise CommandFailed(
            gettext(
                "The chain cannot be verified: the office's key in {file} is not the one that it was made with. If it"
                " is, the links from before the key were changed.",
                file=key_file(settings),
            )
        )
    terminal.say(gettext("The chain is whole."))
    return 0
