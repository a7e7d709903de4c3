"""A text of a template with the fields of one client, one person and one sender put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from babel.dates import format_date
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation, get_organisation
from crm.base.people import Person, person_at
from crm.clientele.clients import Client, get_client
from crm.offers.fields import filled, parse, plain
from crm.offers.templates import Language
from crm.office.users import User
from crm.preparation.campaign_setup import setup_of
from crm.preparation.campaigns import get_campaign
from crm.time_zones import local


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text as it goes out. `missing`: fields of which nothing is known; with any it cannot be sent."""

    subject: str
    body: str
    missing: tuple[str, ...]


def render(subject: str, body: str, values: Mapping[str, str]) -> Rendered:
    """Put the values in, once. Raises `Refused` as `crm.offers.fields.parse` does."""
    title, first = filled(parse(subject), values)
    text, second = filled(parse(body), values)
    return Rendered(plain(title), text, tuple(dict.fromkeys((*first, *second))))


async def values_for(
    session: AsyncSession,
    *,
    client_id: int,
    language: Language,
    now: datetime,
    person_id: int | None = None,
    sender_id: int | None = None,
) -> dict[str, str]:
    """The value of every field, "" for what is not known. Raises `NotFound`."""
    client = await get_client(session, client_id)
    organisation = await get_organisation(session, client.organisation_id)
    person = None
    if person_id is not None:
        person = await person_at(session, organisation_id=organisation.id, person_id=person_id)
    common = await common_values(
        session, campaign_id=client.campaign_id, language=language, now=now, sender_id=sender_id
    )
    return common | values_of(organisation, person)


def values_of(organisation: Organisation, person: Person | None) -> dict[str, str]:
    """The values of those fields that differ from reader to reader."""
    return {
        "client.name": organisation.name,
        "client.city": organisation.city,
        "client.industry": organisation.industry,
        "person.full_name": person.full_name if person else "",
        "person.position": person.position if person else "",
    }


async def common_values(
    session: AsyncSession, *, campaign_id: int, language: Language, now: datetime, sender_id: int | None = None
) -> dict[str, str]:
    """The values of those fields that are alike for all clients of a campaign."""
    campaign, setup = await get_campaign(session, campaign_id), await setup_of(session, campaign_id)
    sender = None if sender_id is None else await session.get(User, sender_id)
    today = local(now, campaign.time_zone).date()
    return {
        "campaign.name": campaign.name,
        "campaign.customer": setup.customer,
        "campaign.product": setup.product,
        "sender.name": sender.name if sender else "",
        "sender.email": sender.email if sender else "",
        "day": format_date(today, "long", locale=language.value),
    }


async def preview(
    session: AsyncSession,
    *,
    campaign_id: int,
    language: Language,
    subject: str,
    body: str,
    now: datetime,
    sender_id: int | None = None,
) -> Rendered:
    """A text as it would look to one of the campaign's clients: a field of which nothing is known, and for which the
    text says nothing, stands there by its name. Raises `Refused` as `render`."""
    client_id = await _some_client(session, campaign_id)
    values: Mapping[str, str] = {}
    if client_id is not None:
        values = await values_for(session, client_id=client_id, language=language, now=now, sender_id=sender_id)
    missing = render(subject, body, values).missing
    return render(subject, body, {**values, **{name: f"‹{name}›" for name in missing}})


async def _some_client(session: AsyncSession, campaign_id: int) -> int | None:
    return await session.scalar(select(Client.id).where(Client.campaign_id == campaign_id).order_by(Client.id).limit(1))
