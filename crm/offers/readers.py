"""Who reads a letter, as far as is known: whoever it is for, and whose its address is, named or not."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.joined import merged_into, people_as_one
from crm.base.phone_numbers import PhoneNumber
from crm.calls.letters import Channel
from crm.clientele.clients import Client
from crm.clientele.consents import ConsentGiven
from crm.offers.offers import Offer


async def readers_of(
    session: AsyncSession, *, organisation_id: int, person_id: int | None, channel: Channel, address: str
) -> frozenset[int]:
    """Ids of people of the organisation, all records of each: who was named, whose number it is, to whom offers went
    there before."""
    of_it = [organisation_id, *await session.scalars(merged_into(organisation_id))]
    named = [] if person_id is None else [person_id]
    if channel is Channel.FAX:
        numbers = select(PhoneNumber.person_id).where(PhoneNumber.e164 == address)
        named += await _people(session, numbers.where(PhoneNumber.organisation_id.in_(of_it)))
    clients = select(Client.id).where(Client.organisation_id.in_(of_it))
    before = select(Offer.person_id).where(Offer.client_id.in_(clients), func.lower(Offer.address) == address.lower())
    named += await _people(session, before)
    return frozenset([each for one in set(named) for each in await session.scalars(people_as_one(one))])


async def _people(session: AsyncSession, found: Select[int | None]) -> list[int]:
    """Without those rows that name nobody."""
    return [each for each in await session.scalars(found.distinct()) if each is not None]


async def consents_to(
    session: AsyncSession, *, organisation_id: int, readers: Collection[int], channel: Channel, address: str
) -> list[ConsentGiven]:
    """Those in force that allow this letter, the newest first: of the organisation, of who reads it, of the number."""
    number: ColumnElement[bool] = ConsentGiven.e164 == address if channel is Channel.FAX else false()
    theirs = or_(ConsentGiven.organisation_id == organisation_id, ConsentGiven.person_id.in_(readers), number)
    in_force = select(ConsentGiven).where(theirs, ConsentGiven.withdrawn_at.is_(None))
    return list(await session.scalars(in_force.order_by(ConsentGiven.id.desc())))
