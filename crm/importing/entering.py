"""A client entered by hand: organisation, numbers and person in one transaction, after a look at who is like it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.base.organisations import Organisation, add_organisation, get_organisation
from crm.base.people import add_person
from crm.base.phone_numbers import PhoneNumber, numbers_of
from crm.base.phone_parsing import ParsedPhone, parse_phones, zone_of
from crm.base.similar import Ground, Similar, Sought, similar_to
from crm.base.sources import source_named
from crm.base.tombstones import Erasures
from crm.clientele.clients import Client, add_client
from crm.errors import Conflict, Refused
from crm.importing.cities import zone_of_city
from crm.one_at_a_time import Deed, one_at_a_time
from crm.preparation.call_lists import ListState, list_named
from crm.preparation.campaigns import Campaign
from crm.text_rules import lines_of, tidy


@dataclass(frozen=True, slots=True)
class Entry:
    """What was typed: texts as they stand, several numbers in `phones`. `list_name`, `source`: made if there are none
    of that name."""

    name: str
    list_name: str
    city: str = ""
    industry: str = ""
    tax_number: str = ""
    site: str = ""
    email: str = ""
    phones: str = ""
    person: str = ""
    position: str = ""
    decides: bool = False
    source: str = ""
    note: str = ""


@dataclass(slots=True)
class Entered:
    """What came of it, and who looks like it."""

    client: Client
    organisation: Organisation
    alike: list[Similar] = field(default_factory=list)


def sought(entry: Entry, *, region: str = "RU") -> Sought:
    """What of an entry is compared. Raises `Refused` for what is no number."""
    phones = parse_phones(entry.phones, region=region) if entry.phones.strip() else []
    return Sought(
        name=entry.name, city=entry.city, tax_number=entry.tax_number, site=entry.site, email=entry.email,
        phones=tuple(phone.e164 for phone in phones),
    )  # fmt: skip


async def enter_client(
    session: AsyncSession,
    *,
    campaign: Campaign,
    entry: Entry,
    now: datetime,
    author_id: int | None = None,
    region: str = "RU",
    though_alike: bool = False,
) -> Entered:
    """A new organisation as a client of `campaign`. Whoever has a number, tax number, domain or e-mail of it stops it
    unless `though_alike`. Raises `Conflict` with the names of those, `Refused` for what is missing."""
    if not tidy(entry.list_name):
        raise Refused("client.needs_list")
    phones = parse_phones(entry.phones, region=region) if entry.phones.strip() else []
    erased = (await Erasures.read(session)).code_of(
        organisation=entry.name, e164s=[phone.e164 for phone in phones], tax_number=entry.tax_number,
        person=entry.person,
    )  # fmt: skip
    if erased:
        raise Refused(erased)
    await one_at_a_time(session, Deed.TAKING_IN_ORGANISATIONS)  # who is alike must not come meanwhile
    alike = await similar_to(session, sought(entry, region=region))
    in_common = [each.name for each in alike if each.grounds != [Ground.NAME]]
    if in_common and not though_alike:
        raise Conflict("client.alike", names=", ".join(in_common))
    organisation = await add_organisation(
        session, name=entry.name, now=now, city=tidy(entry.city), industry=tidy(entry.industry),
        tax_number=tidy(entry.tax_number), site=tidy(entry.site), email=tidy(entry.email),
        note=lines_of(entry.note), time_zone=_zone(entry.city, phones),
    )  # fmt: skip
    if entry.person.strip():
        await add_person(
            session, organisation_id=organisation.id, full_name=entry.person, position=entry.position,
            decides=entry.decides,
        )  # fmt: skip
    _add_numbers(session, organisation, phones)
    client = await take_in(
        session, campaign=campaign, organisation=organisation, list_name=entry.list_name, source=entry.source, now=now,
        author_id=author_id,
    )  # fmt: skip
    return Entered(client, organisation, alike)


async def take_in(
    session: AsyncSession,
    *,
    campaign: Campaign,
    organisation: Organisation,
    list_name: str,
    now: datetime,
    source: str = "",
    author_id: int | None = None,
) -> Client:
    """An organisation that is known, as a client of `campaign`. Raises `Conflict` when it is one already, `Refused`
    when the list has been handed in or approved."""
    call_list = await list_named(session, campaign_id=campaign.id, name=list_name)
    if campaign.lists_need_approval and call_list.state in (ListState.SUBMITTED, ListState.APPROVED):
        raise Refused("client.list_closed", list=call_list.name)
    source_id = (await source_named(session, source)).id if tidy(source) else None
    client = await add_client(
        session, campaign_id=campaign.id, organisation_id=organisation.id, call_list_id=call_list.id,
        source_id=source_id, now=now, author_id=author_id,
    )  # fmt: skip
    audit.note(
        session, at=now, user_id=author_id, action=audit.CLIENT_ENTERED, subject=f"client:{client.id}",
        details={"organisation": organisation.id, "name": organisation.name, "list": call_list.name},
    )  # fmt: skip
    await session.flush()
    return client


async def sought_of(session: AsyncSession, organisation_id: int) -> Sought:
    """What of an organisation that is stored is compared. Raises `NotFound`."""
    organisation = await get_organisation(session, organisation_id)
    numbers = await numbers_of(session, organisation_id)
    return Sought(
        name=organisation.name, city=organisation.city, tax_number=organisation.tax_number, site=organisation.site,
        email=organisation.email, phones=tuple(number.e164 for number in numbers),
    )  # fmt: skip


def _add_numbers(session: AsyncSession, organisation: Organisation, phones: list[ParsedPhone]) -> None:
    for rank, phone in enumerate(phones):
        session.add(
            PhoneNumber(
                organisation_id=organisation.id, e164=phone.e164, extension=phone.extension, raw=phone.raw, rank=rank
            )
        )


def _zone(city: str, phones: list[ParsedPhone]) -> str:
    told = zone_of_city(city)
    zones = {zone for phone in phones if (zone := zone_of(phone.e164))}
    return told or (zones.pop() if len(zones) == 1 else "")
