"""`dialer consents`: who agreed to be called, each with the evidence."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from config.settings import Settings
from crm.base.organisations import Organisation
from crm.base.people import Person
from crm.clientele.consents import consents_of, give, withdraw_consent
from dialer.cli.database import ready_database
from dialer.cli.do_not_call import WHOM, named
from dialer.cli.terminal import Terminal
from dialer.shown.formats import moment


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`consents list`: one line a consent that is in force, the newest first."""
    gettext, zone = terminal.words.gettext, ZoneInfo(settings.service.time_zone)
    rows: list[tuple[str, ...]] = [(gettext("no."), gettext("who"), "", gettext("given"), gettext("evidence"))]
    async with ready_database(settings, terminal) as database, database.reading() as session:
        for each in await consents_of(session):
            name = each.e164 or ""
            if each.organisation_id is not None:
                name = (await session.get_one(Organisation, each.organisation_id)).name
            elif each.person_id is not None:
                name = (await session.get_one(Person, each.person_id)).full_name
            given = moment(terminal.words, each.given_at, zone)
            rows.append((str(each.id), gettext(WHOM[each.whom]), name, given, each.evidence))
    terminal.table(rows)
    return 0


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`consents add`: of a number, an organisation, or a person there."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        whom, target = await named(session, settings, arguments, terminal)
        given = await give(session, whom=whom, target=target, evidence=arguments.evidence, now=datetime.now(UTC))
    terminal.say(terminal.words.gettext("Kept as no. {number}; it holds from now on.", number=given.id))
    return 0


async def end(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`consents withdraw`: it holds no more, and stays on record."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        await withdraw_consent(session, consent_id=arguments.number, reason=arguments.reason, now=datetime.now(UTC))
    terminal.say(terminal.words.gettext("No. {number} is withdrawn.", number=arguments.number))
    return 0
