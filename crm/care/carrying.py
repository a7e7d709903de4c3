"""Clients and people that go from one organisation to another, with the contacts that bind them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.base.people import Person, add_person
from crm.clientele.clients import Client
from crm.wrap_up.contacts import Contact

_CONTACTS: Final = Contact.metadata.tables["contacts"]
_STORED: Final = tuple(column for column in _CONTACTS.columns if column.computed is None)


@dataclass(slots=True)
class Carried:
    """`moved`: people that went over; `same`: whose record at the other organisation is used instead of which;
    `copied`: those of them that were made for it."""

    moved: list[Person] = field(default_factory=list)
    same: dict[int, int] = field(default_factory=dict)
    copied: list[tuple[int, int]] = field(default_factory=list)


async def carry(
    session: AsyncSession, *, clients: Sequence[Client], people: Sequence[Person], to: int, same: dict[int, int]
) -> Carried:
    """Move `clients` with their contacts, and `people`, to the organisation `to`. `same` says who is there already
    under another id. Whom a main contact names that stays behind cannot go: a copy is made.

    A contact names its client and its person together with their organisation, so contacts are taken out, and put back
    as they were once both have gone over.
    """
    carried = Carried(same=dict(same))
    ids = [client.id for client in clients]
    contacts = [dict(row) for row in (await _contacts_of(session, ids))]
    if ids:
        await session.execute(delete(Contact).where(Contact.client_id.in_(ids)))
    staying = await _named_by_main_contacts(session, [person.id for person in people])
    for person in people:
        if person.id in carried.same:
            continue
        if person.id in staying:
            await _copy(session, person, to, carried)
        else:
            person.organisation_id = to
            carried.moved.append(person)
    name_folded = (await session.get_one(Organisation, to)).name_folded
    for client in clients:
        client.organisation_id, client.name_folded = to, name_folded
    await session.flush()
    for contact in contacts:
        contact["organisation_id"] = to
        await _name_person(session, contact, to, carried)
    if contacts:
        await session.execute(insert(_CONTACTS), contacts)
    return carried


async def _contacts_of(session: AsyncSession, client_ids: Sequence[int]) -> Sequence[Any]:
    if not client_ids:
        return []
    found = await session.execute(select(*_STORED).where(_CONTACTS.c.client_id.in_(client_ids)).order_by(Contact.id))
    return found.mappings().all()


async def _named_by_main_contacts(session: AsyncSession, person_ids: Sequence[int]) -> frozenset[int]:
    named = select(Contact.person_id).where(Contact.person_id.in_(person_ids), Contact.main)
    return frozenset(person_id for person_id in await session.scalars(named) if person_id is not None)


async def _name_person(session: AsyncSession, contact: dict[str, Any], to: int, carried: Carried) -> None:
    """The person of a contact that went over, as the other organisation knows them; a main contact's decides."""
    person_id = contact["person_id"]
    if person_id is None:
        return
    person = await session.get_one(Person, carried.same.get(person_id, person_id))
    if contact["main"] and person.organisation_id != to:
        person = await _copy(session, person, to, carried)
    if contact["main"] and not person.decides:
        person.decides = True
        await session.flush()
    contact["person_id"] = person.id


async def _copy(session: AsyncSession, person: Person, to: int, carried: Carried) -> Person:
    made = await add_person(
        session, organisation_id=to, full_name=person.full_name, position=person.position, decides=person.decides
    )
    made.note = person.note
    carried.same[person.id] = made.id
    carried.copied.append((person.id, made.id))
    return made
