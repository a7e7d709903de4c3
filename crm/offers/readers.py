"""Who reads a letter, as far as is known: whoever it is for, and whose its address is, named or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.joined import records_of, with_merged
from crm.base.phone_numbers import PhoneNumber
from crm.calls.letters import Channel
from crm.clientele.clients import Client
from crm.clientele.consents import ConsentGiven
from crm.offers.addresses import Whither
from crm.offers.offers import Offer


async def readers_of(
    session: AsyncSession, letters: Sequence[Whither], organisations: Mapping[int, set[int]]
) -> list[frozenset[int]]:
    """Of each letter the ids of people of the organisation, all records of each: who was named, whose number it is, to
    whom offers went there before. `organisations`: by the client's id its organisation with those merged into it."""
    there = await _people_at(session, letters, organisations)
    named = [
        ({to.person_id} - {None}).union(
            *(there[each, to.address.lower()] for each in organisations.get(to.client_id, ()))
        )
        for to in letters
    ]
    records = await records_of(session, {each for one in named for each in one if each is not None})
    return [frozenset[int]().union(*(records[each] for each in one if each is not None)) for one in named]


async def _people_at(
    session: AsyncSession, letters: Sequence[Whither], organisations: Mapping[int, set[int]]
) -> Mapping[tuple[int, str], set[int]]:
    """By organisation and address (in small letters): whose it is, and who was written to there."""
    of_it = set[int]().union(*organisations.values())
    found = defaultdict[tuple[int, str], set[int]](set)
    before = (
        select(Client.organisation_id, func.lower(Offer.address), Offer.person_id)
        .join(Offer, Offer.client_id == Client.id)
        .where(Client.organisation_id.in_(of_it), Offer.person_id.is_not(None))
        .where(func.lower(Offer.address).in_({to.address.lower() for to in letters}))
    )
    rows = list((await session.execute(before.distinct())).all())
    faxes = {to.address for to in letters if to.channel is Channel.FAX}
    if faxes:
        numbers = select(PhoneNumber.organisation_id, PhoneNumber.e164, PhoneNumber.person_id).where(
            PhoneNumber.e164.in_(faxes), PhoneNumber.organisation_id.in_(of_it), PhoneNumber.person_id.is_not(None)
        )
        rows += (await session.execute(numbers)).all()
    for organisation_id, address, person_id in rows:
        found[organisation_id, address].add(person_id)
    return found


async def consents_for(session: AsyncSession, to: Whither, *, organisation_id: int) -> list[ConsentGiven]:
    """Those in force that allow this letter, the newest first: of the organisation, of who reads it, of the number."""
    merged = await with_merged(session, (organisation_id,))
    (readers,) = await readers_of(session, (to,), {to.client_id: merged[organisation_id]})
    number: ColumnElement[bool] = ConsentGiven.e164 == to.address if to.channel is Channel.FAX else false()
    theirs = or_(ConsentGiven.organisation_id == organisation_id, ConsentGiven.person_id.in_(readers), number)
    in_force = select(ConsentGiven).where(theirs, ConsentGiven.withdrawn_at.is_(None))
    return list(await session.scalars(in_force.order_by(ConsentGiven.id.desc())))
