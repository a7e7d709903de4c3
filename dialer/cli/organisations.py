"""`dialer organisations`: companies and their addresses, changed in the version that was seen."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, select

from config.settings import Settings
from crm.base.addresses import Address, AddressKind, address_at, change_address
from crm.base.joined import is_merged
from crm.base.organisations import Organisation
from crm.care.editing import change_organisation
from crm.errors import NotFound
from crm.text_rules import fold
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.shown.labels import ADDRESS_KINDS

_TEXTS = ("name", "city", "time_zone", "industry", "tax_number", "site", "email", "note")


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`organisations list`: those whose name has `TEXT` in it, but for those that were merged into others."""
    gettext = terminal.words.gettext
    these = _named(select(Organisation), arguments.text)
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = list(await session.scalars(these))
    headings = (gettext("no."), gettext("version"), gettext("name"), gettext("City"), gettext("Time zone"),
                gettext("Industry"))  # fmt: skip
    rows = [(str(o.id), str(o.version), o.name, o.city or "-", o.time_zone or "-", o.industry or "-") for o in found]
    terminal.table([headings, *rows])
    return 0


async def change(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`organisations set`: only what is named is changed."""
    changes: dict[str, Any] = {
        column: getattr(arguments, column) for column in _TEXTS if getattr(arguments, column) is not None
    }
    if arguments.headcount is not None:
        changes["headcount"] = None if arguments.headcount == "nothing" else arguments.headcount
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        organisation = await change_organisation(
            session, organisation_id=arguments.number, version=arguments.version, now=datetime.now(UTC), **changes
        )
    _tell(terminal, organisation.name, organisation.version)
    return 0


async def show_addresses(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`organisations addresses`: those of organisations whose name has `TEXT` in it."""
    gettext = terminal.words.gettext
    these = _named(
        select(Address, Organisation.name).join(Organisation, Organisation.id == Address.organisation_id),
        arguments.text,
    )
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = (await session.execute(these.order_by(Address.id))).all()
    heading = (gettext("no."), gettext("version"), gettext("Kind"), gettext("Address"), gettext("organisation"))
    rows = [
        (str(each.id), str(each.version), gettext(ADDRESS_KINDS[each.kind]), ", ".join(each.written.splitlines()), name)
        for each, name in found
    ]
    terminal.table([heading, *rows])
    return 0


async def change_one_address(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`organisations address`: written otherwise, or with an empty text taken away."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        known = await session.get(Address, arguments.number)
        if known is None:
            raise NotFound("address.unknown")
        address = await address_at(session, organisation_id=known.organisation_id, address_id=known.id)
        kind = AddressKind(arguments.kind) if arguments.kind else address.kind
        written = address.written if arguments.written is None else arguments.written
        await change_address(
            session, address=address, kind=kind, written=written, version=arguments.version, now=datetime.now(UTC)
        )
        version = address.version
    if not written.strip():
        terminal.say(terminal.words.gettext("Address no. {number} is taken away.", number=arguments.number))
    else:
        _tell(terminal, ", ".join(written.split("\n")), version)
    return 0


def _named(wanted: Select[*tuple[Any, ...]], text: str) -> Select[*tuple[Any, ...]]:
    named = Organisation.name_folded.contains(fold(text), autoescape=True)
    return wanted.where(named, ~is_merged(Organisation.id)).order_by(Organisation.name_folded, Organisation.id)


def _tell(terminal: Terminal, name: str, version: int) -> None:
    terminal.say(terminal.words.gettext("{name} is written down, version {version}.", name=name, version=version))
