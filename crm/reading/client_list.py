"""Finding clients: by a part of the name, a number, a person, the tax number; in pages that do not shift.

A list is in the order of names, read from an index whatever it is narrowed to. What is sought is found by the search
index when few documents hold it, and by reading on when many do: of what half of the base holds, the first fifty are
near. Such a list is in the order in which the organisations came in; see `docs/decisions/0016-search-index.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import FromClause, Select, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.joined import is_joined
from crm.base.organisations import Organisation
from crm.base.search_index import DOCUMENTS, Needle, needle_of
from crm.clientele.clients import Client
from crm.group import Group
from crm.office.users import User
from crm.preparation.call_lists import CallList
from crm.preparation.campaigns import Campaign
from crm.reading.scope import EVERYTHING, Scope

READ_AHEAD: Final = 12_000
"""So many organisations are looked at to see whether what is sought is common."""
VERY_COMMON: Final = 4
"""So many pages of those near make what is sought very common: reading on finds more of it sooner than the index."""
FEW: Final = 5_000
NOBODY: Final = 0


@dataclass(frozen=True, slots=True)
class ClientFilters:
    """What the list is narrowed to. `text`: see `crm.base.search_index.needle_of`; `owner_id`: `NOBODY` for those
    without one."""

    text: str = ""
    campaign_id: int | None = None
    call_list_id: int | None = None
    group: Group | None = None
    owner_id: int | None = None


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
    needle, narrow = needle_of(filters.text), _Narrowing(filters, scope)
    if needle is None:
        return await _page(session, _by_name(narrow.places(), after), limit)
    if after is not None and after.organisation_id is not None:
        return await _page(session, _as_they_came_in(narrow, needle, after), limit, by_name=False)
    held = await _near(session, needle, most=VERY_COMMON * limit)
    if held < limit:
        return await _page(session, _sought(session, narrow, needle, after), limit)
    if after is None:
        near = DOCUMENTS.c.organisation_id <= READ_AHEAD
        page = await _page(session, _as_they_came_in(narrow, needle).where(near), limit, by_name=False)
        if page.next_after is not None:
            return page
    if await _are_few(session, narrow):
        document = select(DOCUMENTS.c.document).where(DOCUMENTS.c.organisation_id == Client.organisation_id)
        places = narrow.places().where(needle.stands_in(document.scalar_subquery()))
        return await _page(session, _by_name(places, after), limit)
    if held < VERY_COMMON * limit:
        return await _page(session, _sought(session, narrow, needle, after), limit)
    return await _page(session, _as_they_came_in(narrow, needle), limit, by_name=False)


async def matching_clients(session: AsyncSession, *, filters: ClientFilters, limit: int) -> list[int]:
    """The ids of at most so many clients, by name."""
    needle, narrow = needle_of(filters.text), _Narrowing(filters, EVERYTHING)
    places = _by_name(narrow.places(), None) if needle is None else _sought(session, narrow, needle, None)
    return list(await session.scalars(places.limit(limit)))


async def _near(session: AsyncSession, needle: Needle, *, most: int) -> int:
    """How many of those near hold what is sought, `most` at most."""
    held = select(DOCUMENTS.c.organisation_id).where(needle.stands_in(DOCUMENTS.c.document))
    near = held.where(DOCUMENTS.c.organisation_id <= READ_AHEAD).limit(most)
    return await session.scalar(select(func.count()).select_from(near.subquery())) or 0


async def _are_few(session: AsyncSession, narrow: _Narrowing) -> bool:
    """Whether the filters leave so few clients that each can be looked at."""
    some = narrow.places().limit(FEW + 1).subquery()
    return (await session.scalar(select(func.count()).select_from(some)) or 0) <= FEW


_Places = Select[int, str, int]


@dataclass(frozen=True, slots=True)
class _Narrowing:
    """The clients that filters and scope leave."""

    filters: ClientFilters
    scope: Scope

    def places(self) -> _Places:
        return self.narrowed(select(Client.id, Client.name_folded, Client.organisation_id))

    def joined(self, table: FromClause) -> _Places:
        """Those of the organisations in `table`. The filters are no way to find rows there, only to leave rows out."""
        places = select(Client.id, Client.name_folded, Client.organisation_id)
        return self.narrowed(places.join(table, table.c.organisation_id == Client.organisation_id), by_index=False)

    def narrowed(self, places: _Places, *, by_index: bool = True) -> _Places:
        filters = self.filters
        equal: tuple[tuple[Any, Any], ...] = (
            (Client.owner_id, filters.owner_id or None),
            (Client.campaign_id, filters.campaign_id),
            (Client.call_list_id, filters.call_list_id),
            (Client.group, filters.group),
        )
        for column, value in equal:
            if value is not None:
                places = places.where(column == value if by_index else (column == value).is_(True))
            if column is Client.owner_id and value is not None:
                by_index = False  # an owner has fewer clients than a group or a list
        if filters.owner_id == NOBODY:
            places = places.where(Client.owner_id.is_(None))
        return places.where(self.scope.clients(), ~is_joined(Client.id))


def _by_name(places: _Places, after: ClientKey | None) -> _Places:
    """In the order of an index."""
    if after is not None:
        places = places.where(tuple_(Client.name_folded, Client.id) > tuple_(after.name_folded, after.client_id))
    return places.order_by(Client.name_folded, Client.id)


def _sought(session: AsyncSession, narrow: _Narrowing, needle: Needle, after: ClientKey | None) -> _Places:
    """The few that the search index finds, by name. That they are few neither database knows beforehand: the name is
    written so that its index cannot be chosen."""
    found = needle.organisations(session.get_bind().dialect.name).cte("found").prefix_with("MATERIALIZED")
    places, name = narrow.joined(found), Client.name_folded.concat("")
    if after is not None:
        places = places.where(tuple_(name, Client.id) > tuple_(after.name_folded, after.client_id))
    return places.order_by(name, Client.id)


def _as_they_came_in(narrow: _Narrowing, needle: Needle, after: ClientKey | None = None) -> _Places:
    """Of the many that hold what is sought, by reading on until a page is full."""
    places, here = narrow.joined(DOCUMENTS).where(needle.stands_in(DOCUMENTS.c.document)), DOCUMENTS.c.organisation_id
    if after is not None:
        places = places.where(
            here >= after.organisation_id, or_(here > after.organisation_id, Client.id > after.client_id)
        )
    return places.order_by(here, Client.id)


async def _page(session: AsyncSession, places: _Places, limit: int, *, by_name: bool = True) -> ClientsPage:
    """The rows at `places`, which are in their order."""
    place = places.limit(limit + 1).subquery()
    order = (place.c.name_folded, place.c.id) if by_name else (place.c.organisation_id, place.c.id)
    found = await session.execute(
        select(Client, Organisation, Campaign.name, CallList.name, User.name)
        .join(place, place.c.id == Client.id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .join(CallList, CallList.id == Client.call_list_id)
        .join(User, User.id == Client.owner_id, isouter=True)
        .order_by(*order)
    )
    rows = found.all()
    page = tuple(
        ClientRow(
            client.id, organisation.name, organisation.city, client.group, campaign, call_list, owner or "",
            client.off_list_reason,
        )
        for client, organisation, campaign, call_list, owner in rows[:limit]
    )  # fmt: skip
    if len(rows) <= limit:
        return ClientsPage(page, None, by_name)
    last = rows[limit - 1][0]
    key = ClientKey(last.name_folded, last.id) if by_name else ClientKey("", last.id, last.organisation_id)
    return ClientsPage(page, key, by_name)
