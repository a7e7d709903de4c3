"""Finding clients: by a part of the name, a number, a person, the tax number; in pages that do not shift.

A list is in the order of names, read from an index whatever it is narrowed to. So is what was sought, unless very many
hold it: then it is in the order in which the organisations came in; see `docs/decisions/0016-search-index.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.base.search_index import Needle, needle_of
from crm.clientele.clients import Client
from crm.group import Group
from crm.office.users import User
from crm.preparation.call_lists import CallList
from crm.preparation.campaigns import Campaign
from crm.reading.client_search import NOBODY, ClientFilters, Narrowing, Places, search
from crm.reading.scope import EVERYTHING, Scope

__all__ = ["NOBODY", "ClientFilters", "ClientKey", "ClientRow", "ClientsPage", "clients_page", "matching_clients"]

MOST_BY_NAME: Final = 200
"""So many who match are listed by name; of more, whoever looks reads the first ones and narrows the search."""


@dataclass(frozen=True, slots=True)
class ClientKey:
    """The place of a row: the next page begins after it. By name, unless `organisation_id` is set: then in the order in
    which organisations came in."""

    name_folded: str
    client_id: int
    organisation_id: int | None = None


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
    """A page, by name or as the organisations came in; `next_after` is `None` on the last one."""

    rows: tuple[ClientRow, ...]
    next_after: ClientKey | None
    by_name: bool = True


async def clients_page(
    session: AsyncSession,
    *,
    filters: ClientFilters,
    after: ClientKey | None = None,
    limit: int = 50,
    scope: Scope = EVERYTHING,
) -> ClientsPage:
    """Clients that `scope` sees by name, those after `after`; as their organisations came in where many match."""
    needle, narrow = needle_of(filters.text), Narrowing(filters, scope)
    if needle is None:
        return await _page(session, _by_name(narrow.places(), after), limit)
    asked = await search(session, needle, narrow)
    if after is not None and after.organisation_id is not None:
        place = (after.organisation_id, after.client_id)
        return await _page(session, _these(await asked.first(limit + 1, place)), limit, by_name=False)
    found, are_first = await asked.some(MOST_BY_NAME + 1)
    if len(found) <= MOST_BY_NAME:
        return await _page(session, _by_name(_these(found), after), limit)
    if after is None:
        first = found[: limit + 1] if are_first else await asked.first(limit + 1)
        return await _page(session, _these(first), limit, by_name=False)
    return await _page(session, _sought(session, narrow, needle, after), limit)  # they were fewer a page ago


def _these(ids: list[int]) -> Places:
    return select(Client.id, Client.name_folded, Client.organisation_id).where(Client.id.in_(ids))


async def matching_clients(session: AsyncSession, *, filters: ClientFilters, limit: int) -> list[int]:
    """The ids of at most so many clients, by name."""
    needle, narrow = needle_of(filters.text), Narrowing(filters, EVERYTHING)
    places = _by_name(narrow.places(), None) if needle is None else _sought(session, narrow, needle, None)
    return list(await session.scalars(places.limit(limit)))


def _by_name(places: Places, after: ClientKey | None) -> Places:
    """In the order of an index."""
    if after is not None:
        places = places.where(tuple_(Client.name_folded, Client.id) > tuple_(after.name_folded, after.client_id))
    return places.order_by(Client.name_folded, Client.id)


def _sought(session: AsyncSession, narrow: Narrowing, needle: Needle, after: ClientKey | None) -> Places:
    """The few that the search index finds, by name. That they are few neither database knows beforehand: the name is
    written so that its index cannot be chosen."""
    found = needle.organisations(session.get_bind().dialect.name).cte("found").prefix_with("MATERIALIZED")
    places, name = narrow.joined(found), Client.name_folded.concat("")
    if after is not None:
        places = places.where(tuple_(name, Client.id) > tuple_(after.name_folded, after.client_id))
    return places.order_by(name, Client.id)


async def _page(session: AsyncSession, places: Places, limit: int, *, by_name: bool = True) -> ClientsPage:
    """The rows at `places`, which are in their order."""
    if not by_name:
        places = places.order_by(Client.organisation_id, Client.id)
    place = places.limit(limit + 1).subquery()
    order = (place.c.name_folded, place.c.id) if by_name else (place.c.organisation_id, place.c.id)
    found = await session.execute(
        select(
            Client.id, Client.organisation_id, Client.name_folded, Organisation.name, Organisation.city, Client.group,
            Campaign.name, CallList.name, User.name, Client.off_list_reason,
        )
        .join(place, place.c.id == Client.id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .join(CallList, CallList.id == Client.call_list_id)
        .join(User, User.id == Client.owner_id, isouter=True)
        .order_by(*order)
    )  # fmt: skip
    rows = found.all()
    page = tuple(
        ClientRow(client_id, organisation, city, group, campaign, call_list, owner or "", off_list_reason)
        for client_id, _, _, organisation, city, group, campaign, call_list, owner, off_list_reason in rows[:limit]
    )
    if len(rows) <= limit:
        return ClientsPage(page, None, by_name)
    last_id, organisation_id, name_folded, *_ = rows[limit - 1]
    key = ClientKey(name_folded, last_id) if by_name else ClientKey("", last_id, organisation_id)
    return ClientsPage(page, key, by_name)
