"""Finding clients: by a part of the name, a number, a person, the tax number; in pages that do not shift."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, exists, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from crm.call_lists import CallList
from crm.campaigns import Campaign
from crm.clients import Client
from crm.groups import Group
from crm.organisations import Organisation
from crm.people import Person
from crm.phone_numbers import PhoneNumber
from crm.phone_parsing import digits_sought, national
from crm.scope import EVERYTHING, Scope
from crm.text_rules import fold
from crm.users import User


@dataclass(frozen=True, slots=True)
class ClientFilters:
    """What the list is narrowed to. `text`: a part of the organisation's or a person's name, in any case and with е for
    ё; or at least three digits of a number, or of the tax number from its beginning."""

    text: str = ""
    campaign_id: int | None = None
    call_list_id: int | None = None
    group: Group | None = None
    owner_id: int | None = None


@dataclass(frozen=True, slots=True)
class ClientKey:
    """The place of a row: the next page begins after it."""

    name_folded: str
    client_id: int


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A client in the list; `owner` "" while nobody's."""

    client_id: int
    organisation: str
    city: str
    group: Group
    campaign: str
    call_list: str
    owner: str
    off_list_reason: str


@dataclass(frozen=True, slots=True)
class ClientsPage:
    """A page by name; `next_after` is `None` on the last one."""

    rows: tuple[ClientRow, ...]
    next_after: ClientKey | None


async def clients_page(
    session: AsyncSession,
    *,
    filters: ClientFilters,
    after: ClientKey | None = None,
    limit: int = 50,
    scope: Scope = EVERYTHING,
) -> ClientsPage:
    """Clients that `scope` sees by name, those after `after`."""
    wanted = _narrowed(
        select(Client, Organisation, Campaign.name, CallList.name, User.name)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .join(CallList, CallList.id == Client.call_list_id)
        .join(User, User.id == Client.owner_id, isouter=True),
        filters,
    ).where(scope.clients())
    if after is not None:
        place = tuple_(Organisation.name_folded, Client.id)
        wanted = wanted.where(place > tuple_(after.name_folded, after.client_id))
    found = (await session.execute(wanted.order_by(Organisation.name_folded, Client.id).limit(limit + 1))).all()
    rows = tuple(
        ClientRow(
            client.id, organisation.name, organisation.city, client.group, campaign, call_list, owner or "",
            client.off_list_reason,
        )
        for client, organisation, campaign, call_list, owner in found[:limit]
    )  # fmt: skip
    if len(found) <= limit:
        return ClientsPage(rows, None)
    client, organisation = found[limit - 1][:2]
    return ClientsPage(rows, ClientKey(organisation.name_folded, client.id))


_Columns = tuple[Client, Organisation, str, str, str | None]


def _narrowed(wanted: Select[*_Columns], filters: ClientFilters) -> Select[*_Columns]:
    equal = (
        (Client.campaign_id, filters.campaign_id),
        (Client.call_list_id, filters.call_list_id),
        (Client.group, filters.group),
        (Client.owner_id, filters.owner_id),
    )
    for column, value in equal:
        if value is not None:
            wanted = wanted.where(column == value)
    if filters.text.strip():
        wanted = wanted.where(or_(*_matches(filters.text)))
    return wanted


def _matches(text: str) -> list[ColumnElement[bool]]:
    """The places in which `text` may stand."""
    folded = fold(text)
    places: list[ColumnElement[bool]] = [
        Organisation.name_folded.contains(folded, autoescape=True),
        exists().where(Person.organisation_id == Organisation.id, Person.name_folded.contains(folded, autoescape=True)),
    ]
    if digits := digits_sought(text):
        of_it = PhoneNumber.organisation_id == Organisation.id
        places.append(exists().where(of_it, PhoneNumber.e164.contains(national(digits))))
        places.append(Organisation.tax_number.startswith(digits))
    return places
