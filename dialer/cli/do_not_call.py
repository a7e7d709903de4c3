"""`dialer do-not-call`: the register of requests not to be called."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm.base.do_not_call import DoNotCall, lift, requests
from crm.base.organisations import Organisation
from crm.base.people import Person, person_named
from crm.base.phone_parsing import parse_phones
from crm.base.whom import Whom
from crm.errors import NotFound
from crm.plan.silence import keep_request
from crm.text_rules import fold
from dialer.cli.database import ready_database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.shown.formats import moment
from dialer.words import mark

WHOM: Final = {
    Whom.NUMBER: mark("number"),
    Whom.PERSON: mark("person"),
    Whom.ORGANISATION: mark("organisation"),
}


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`do-not-call list`: one line a request, the newest first."""
    gettext, zone = terminal.words.gettext, ZoneInfo(settings.service.time_zone)
    heading = (gettext("no."), gettext("who"), "", gettext("asked"), gettext("evidence"), gettext("lifted"))
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = await requests(session, in_force_only=not arguments.all)
        rows = [await _row(session, request, terminal, zone) for request in found]
    terminal.table([heading, *rows])
    return 0


async def _row(session: AsyncSession, request: DoNotCall, terminal: Terminal, zone: tzinfo) -> tuple[str, ...]:
    name = request.e164 or ""
    if request.organisation_id is not None:
        name = (await session.get_one(Organisation, request.organisation_id)).name
    elif request.person_id is not None:
        name = (await session.get_one(Person, request.person_id)).full_name
    evidence = request.evidence or terminal.words.gettext("said in the call {call}", call=request.attempt_id)
    asked = moment(terminal.words, request.asked_at, zone)
    who = terminal.words.gettext(WHOM[request.whom])
    return (str(request.id), who, name, asked, evidence, request.lift_reason or "-")


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`do-not-call add`: a number, an organisation by its name, or a person there."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        whom, target = await named(session, settings, arguments, terminal)
        request = await keep_request(
            session, whom=whom, target=target, evidence=arguments.evidence, now=datetime.now(UTC)
        )
    terminal.say(terminal.words.gettext("Kept as no. {number}; it holds from now on.", number=request.id))
    return 0


async def named(
    session: AsyncSession, settings: Settings, arguments: argparse.Namespace, terminal: Terminal
) -> tuple[Whom, str | int]:
    """Whom the command line names: a number, an organisation, or with `--person` somebody there."""
    if arguments.number is not None:
        return Whom.NUMBER, parse_phones(arguments.number, region=settings.dialing.region)[0].e164
    organisation_id = await _organisation_named(session, arguments.organisation, terminal)
    if arguments.person is None:
        return Whom.ORGANISATION, organisation_id
    person = await person_named(session, organisation_id=organisation_id, full_name=arguments.person)
    if person is None:
        raise NotFound("person.unknown")
    return Whom.PERSON, person.id


async def _organisation_named(session: AsyncSession, name: str, terminal: Terminal) -> int:
    found = list(await session.scalars(select(Organisation.id).where(Organisation.name_folded == fold(name)).limit(2)))
    if len(found) != 1:
        sentence = mark("There is no organisation “{name}”.") if not found else mark("There are several “{name}”.")
        raise CommandFailed(terminal.words.gettext(sentence, name=name))
    return found[0]


async def end(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`do-not-call lift`: a request that holds no more; it stays in the register."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        await lift(session, request_id=arguments.number, reason=arguments.reason, now=datetime.now(UTC))
    terminal.say(terminal.words.gettext("No. {number} is lifted.", number=arguments.number))
    return 0
