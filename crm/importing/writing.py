"""The changes of a batch of rows, written with a handful of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.addresses import Address, AddressKind
from crm.base.competitors import CompetitorUse, competitor_named
from crm.base.organisation_keys import KEY_COLUMNS, keys_of
from crm.base.organisations import Organisation
from crm.base.past_deals import FormerOwner, PastDeal
from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.base.phone_parsing import ParsedPhone
from crm.base.sources import Source
from crm.clientele.clients import Client
from crm.clientele.groups import GroupMove, MoveCause
from crm.group import Group
from crm.importing.known import Known, KnownOrganisations
from crm.importing.rows import TEXT_FIELDS
from crm.importing.written_values import WrittenDeal
from crm.preparation.call_lists import CallList
from crm.text_rules import fold

_ORGANISATIONS: Final = Organisation.metadata.tables["organisations"]
_CLIENTS: Final = Client.metadata.tables["clients"]
_PEOPLE: Final = Person.metadata.tables["people"]
_NUMBERS: Final = PhoneNumber.metadata.tables["phone_numbers"]
_DEALS: Final = PastDeal.metadata.tables["past_deals"]
_FORMER_OWNERS: Final = FormerOwner.metadata.tables["former_owners"]
_ADDRESSES: Final = Address.metadata.tables["addresses"]
_USES: Final = CompetitorUse.metadata.tables["competitor_uses"]
_MOVES: Final = GroupMove.metadata.tables["group_moves"]
_FILLED_COLUMNS: Final = (*TEXT_FIELDS, "headcount", "attributes", "time_zone", *KEY_COLUMNS)
_FILL_IN: Final = (
    update(_ORGANISATIONS)
    .where(_ORGANISATIONS.c.id == bindparam("of_id"))
    .values(
        {name: bindparam(f"to_{name}", type_=_ORGANISATIONS.c[name].type) for name in _FILLED_COLUMNS}
        | {"version": _ORGANISATIONS.c.version + 1}
    )
)
_SET_SOURCE: Final = (
    update(_CLIENTS)
    .where(_CLIENTS.c.id == bindparam("of_id"))
    .values(source_id=bindparam("to_source"), version=_CLIENTS.c.version + 1)
)


@dataclass
class Changes:
    """What a batch adds: new organisations, clients, numbers (with rank), people (with position), moves (from,
    to), deals, former owners, addresses and competitors (by key); and the organisations (by id) and clients in which it
    fills in blanks."""

    organisations: list[Known] = field(default_factory=list)
    filled: dict[int, Known] = field(default_factory=dict)
    numbers: list[tuple[Known, ParsedPhone, int]] = field(default_factory=list)
    people: list[tuple[Known, str, str]] = field(default_factory=list)
    clients: list[Known] = field(default_factory=list)
    sourced: list[Known] = field(default_factory=list)
    moves: list[tuple[Known, Group, Group]] = field(default_factory=list)
    deals: list[tuple[Known, WrittenDeal]] = field(default_factory=list)
    former_owners: list[tuple[Known, str]] = field(default_factory=list)
    addresses: list[tuple[Known, tuple[tuple[str, str], ...]]] = field(default_factory=list)
    competitors: list[tuple[Known, str]] = field(default_factory=list)


async def write(
    session: AsyncSession, known: KnownOrganisations, changes: Changes, *, author_id: int | None, now: datetime
) -> None:
    """Write `changes`, and put the ids that the database gives into what is `known`."""
    await _write_lists_and_sources(session, known)
    await _write_organisations(session, known, changes, now)
    await _write_clients(session, known, changes, now)
    await _write_past(session, changes, author_id=author_id, now=now)
    await _write_beside(session, known, changes, author_id=author_id, now=now)
    if changes.moves:
        moves = [
            {
                "client_id": client.client_id,
                "from_group": left,
                "to_group": entered,
                "at": now,
                "cause": MoveCause.IMPORT,
                "author_id": author_id,
            }
            for client, left, entered in changes.moves
        ]
        await session.execute(insert(_MOVES), moves)


async def _write_past(session: AsyncSession, changes: Changes, *, author_id: int | None, now: datetime) -> None:
    if changes.deals:
        deals = [
            {
                "organisation_id": each.organisation_id,
                "made_on": deal.made_on,
                "amount_minor": deal.amount_minor,
                "what": deal.what,
                "noted_at": now,
                "author_id": author_id,
            }
            for each, deal in changes.deals
        ]
        await session.execute(insert(_DEALS), deals)
    if changes.former_owners:
        owners = [{"client_id": each.client_id, "name": name, "noted_at": now} for each, name in changes.former_owners]
        await session.execute(insert(_FORMER_OWNERS), owners)


async def _write_beside(
    session: AsyncSession, known: KnownOrganisations, changes: Changes, *, author_id: int | None, now: datetime
) -> None:
    if changes.addresses:
        addresses = [
            {"organisation_id": each.organisation_id, "kind": AddressKind(kind), "written": written}
            for each, new in changes.addresses
            for kind, written in new
        ]
        await session.execute(insert(_ADDRESSES), addresses)
    if changes.competitors:
        for key in sorted({key for _, key in changes.competitors}):  # in one order, whoever else writes them
            name, _ = known.competitors[key]
            rival, made = await competitor_named(session, name, now=now, author_id=author_id)
            known.competitors[key] = (name, rival.id)
            known.made["competitors"] += [rival.id] if made else []
        uses = [
            {"organisation_id": each.organisation_id, "competitor_id": known.competitors[key][1], "noted_at": now}
            for each, key in changes.competitors
        ]
        await session.execute(insert(_USES), uses)


async def _write_lists_and_sources(session: AsyncSession, known: KnownOrganisations) -> None:
    for key, (name, list_id) in known.lists.items():
        if list_id is None:
            made = CallList(campaign_id=known.campaign_id, name=name)
            session.add(made)
            await session.flush()
            known.lists[key] = (name, made.id)
            known.made["lists"].append(made.id)
    for key, (name, source_id) in known.sources.items():
        if source_id is None:
            found = Source(name=name)
            session.add(found)
            await session.flush()
            known.sources[key] = (name, found.id)
            known.made["sources"].append(found.id)


async def _new_ids(session: AsyncSession, table: Table, count: int) -> Sequence[int]:
    """`count` unused ids of `table`. Known beforehand, they let rows be written without asking each for its own, which
    SQLAlchemy does row by row on SQLite. There the transaction is the only one that writes, from its beginning."""
    if session.get_bind().dialect.name == "postgresql":
        sequence = func.nextval(func.pg_get_serial_sequence(table.name, "id"))
        found = await session.scalars(select(sequence).select_from(func.generate_series(1, count)))
        return found.all()
    last = await session.scalar(select(func.coalesce(func.max(table.c.id), 0))) or 0
    return range(last + 1, last + count + 1)


async def _write_organisations(
    session: AsyncSession, known: KnownOrganisations, changes: Changes, now: datetime
) -> None:
    if new := len(changes.organisations):
        for each, new_id in zip(changes.organisations, await _new_ids(session, _ORGANISATIONS, new), strict=True):
            each.organisation_id = new_id
            known.add(each)
        rows = [
            {
                "id": each.organisation_id,
                **each.texts,
                "name_folded": each.name_folded,
                **_keys(each),
                "headcount": each.headcount,
                "attributes": each.attributes,
                "time_zone": each.time_zone,
                "created_at": now,
            }
            for each in changes.organisations
        ]
        await session.execute(insert(_ORGANISATIONS), rows)
    if changes.filled:
        await session.execute(_FILL_IN, [_filled(each) for each in changes.filled.values()])
    if changes.people:
        people = [
            {
                "organisation_id": each.organisation_id,
                "full_name": full_name,
                "name_folded": fold(full_name),
                "position": position,
            }
            for each, full_name, position in changes.people
        ]
        await session.execute(insert(_PEOPLE), people)
    if changes.numbers:
        numbers = [
            {
                "organisation_id": each.organisation_id,
                "e164": phone.e164,
                "extension": phone.extension,
                "raw": phone.raw,
                "rank": rank,
            }
            for each, phone, rank in changes.numbers
        ]
        await session.execute(insert(_NUMBERS), numbers)


async def _write_clients(session: AsyncSession, known: KnownOrganisations, changes: Changes, now: datetime) -> None:
    if changes.clients:
        for each, new_id in zip(changes.clients, await _new_ids(session, _CLIENTS, len(changes.clients)), strict=True):
            each.client_id = new_id
        rows = [
            {
                "id": each.client_id,
                "campaign_id": known.campaign_id,
                "organisation_id": each.organisation_id,
                "call_list_id": known.lists[each.list_key][1],
                "source_id": known.sources[each.source_key][1] if each.source_key else None,
                "code": each.code,
                "created_at": now,
            }
            for each in changes.clients
        ]
        await session.execute(insert(_CLIENTS), rows)
    if changes.sourced:
        sources = [
            {"of_id": each.client_id, "to_source": known.sources[each.source_key][1]} for each in changes.sourced
        ]
        await session.execute(_SET_SOURCE, sources)


def _filled(organisation: Known) -> dict[str, Any]:
    values = {
        **organisation.texts,
        **_keys(organisation),
        "headcount": organisation.headcount,
        "attributes": organisation.attributes,
        "time_zone": organisation.time_zone,
    }
    return {"of_id": organisation.organisation_id} | {f"to_{name}": value for name, value in values.items()}


def _keys(organisation: Known) -> dict[str, str]:
    texts = organisation.texts
    return keys_of(name=texts["name"], tax_number=texts["tax_number"], site=texts["site"], email=texts["email"])
