"""Which clients hold what is sought, the first ones in the order in which their organisations came in.

There are three ways, which find the same: from the search index, asking the filters of each that it names; from the
filters, looking at the document of each client that they leave; and by reading on through all documents. Which one is
short depends on how many hold it and how many are left, so both are estimated first. None is long: what is rare, few
are looked at for; of what is common a page is near.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from typing import Any, Final, TypeVarTuple

from sqlalchemy import FromClause, Integer, Select, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.joined import is_joined
from crm.base.search_index import DOCUMENTS, SAMPLE, Needle, estimated, sampled_places
from crm.clientele.clients import Client
from crm.group import Group
from crm.reading.scope import Scope

NOBODY: Final = 0

_COUNTED: Final = 20_000
"""Clients that filters leave are counted up to so many, where a sample holds but a few of them."""
_A_FEW: Final = 10
_DOCUMENT_READ: Final = 4
"""A document far from the last one costs as much as so many steps through the index, or through documents in turn."""
_NAMED_TOGETHER: Final = 0.15
"""An organisation that PostgreSQL's index names costs so much, of those steps, before the first one is looked at."""
_FIRST_STRETCH: Final = 2.0
"""The first stretch of the base that is looked at holds so many times what is wanted, by the estimate."""
_LONGER: Final = 8
"""Each further stretch is so many times as long as the one before."""


class Way(enum.StrEnum):
    """Where clients that hold what is sought are looked for."""

    INDEX = "index"
    FILTERS = "filters"
    DOCUMENTS = "documents"


@dataclass(frozen=True, slots=True)
class ClientFilters:
    """What the list is narrowed to. `text`: see `crm.base.search_index.needle_of`; `owner_id`: `NOBODY` for those
    without one."""

    text: str = ""
    campaign_id: int | None = None
    call_list_id: int | None = None
    group: Group | None = None
    owner_id: int | None = None


Places = Select[int, str, int]
_Columns = TypeVarTuple("_Columns")


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The clients that filters and scope leave."""

    filters: ClientFilters
    scope: Scope

    @property
    def has_index(self) -> bool:
        """Whether the filters are found in an index; a group alone, and those of nobody, are not."""
        filters = self.filters
        return bool(filters.owner_id) or filters.campaign_id is not None or filters.call_list_id is not None

    def places(self) -> Places:
        return self.narrowed(select(Client.id, Client.name_folded, Client.organisation_id))

    def joined(self, table: FromClause) -> Places:
        """Those of the organisations in `table`. The filters are no way to find rows there, only to leave rows out."""
        places = select(Client.id, Client.name_folded, Client.organisation_id)
        return self.narrowed(places.join(table, table.c.organisation_id == Client.organisation_id), by_index=False)

    def narrowed(self, places: Select[*_Columns], *, by_index: bool = True) -> Select[*_Columns]:
        places = self.filtered(places, by_index=by_index)
        return places.where(self.scope.clients(), ~is_joined(Client.id))

    def filtered(self, places: Select[*_Columns], *, by_index: bool = True) -> Select[*_Columns]:
        for name, value in self.values().items():
            column = getattr(Client, name)
            places = places.where(column == value if by_index else (column == value).is_(True))
            if name == "owner_id":
                by_index = False  # an owner has fewer clients than a group or a list
        if self.filters.owner_id == NOBODY:
            places = places.where(Client.owner_id.is_(None))
        return places

    def values(self) -> dict[str, Any]:
        """What columns of clients must be equal to."""
        filters = self.filters
        named = {
            "owner_id": filters.owner_id or None, "campaign_id": filters.campaign_id,
            "call_list_id": filters.call_list_id, "group": filters.group,
        }  # fmt: skip
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many organisations there are, how many hold what is sought, how many clients the filters leave."""

    last_id: int
    holding: float
    left: float

    def way(self, *, wanted: int, all_named: bool, together: bool = False) -> Way:
        """The one with the fewest steps. `all_named`: the index is read to its end, however few are wanted;
        `together`: it names all of them before the first."""
        named = self.holding if all_named else min(self.holding, wanted * self.last_id / max(self.left, 1))
        reading_on = wanted * self.last_id / max(self.holding, 1)
        before = _NAMED_TOGETHER * self.holding if together else 0.0
        if self.left < self.last_id:
            left = min(self.left, reading_on)
            return Way.INDEX if before / _DOCUMENT_READ + named <= left else Way.FILTERS
        return Way.INDEX if before + _DOCUMENT_READ * named <= reading_on else Way.DOCUMENTS

    def stretch(self, wanted: int) -> int:
        """How many ids will probably hold what is wanted."""
        found = self.holding * self.left / max(self.last_id, 1)
        return int(_FIRST_STRETCH * wanted * self.last_id / max(found, 1)) + 1


@dataclass(frozen=True, slots=True)
class Search:
    """What is sought among the clients that are left, with the estimate by which a way is chosen."""

    session: AsyncSession
    needle: Needle
    narrow: Narrowing
    estimate: Estimate

    @property
    def reads_on(self) -> bool:
        """SQLite reads its index from anywhere on; PostgreSQL takes all that the index names, in no order."""
        return self.session.get_bind().dialect.name == "sqlite"

    async def some(self, wanted: int) -> tuple[list[int], bool]:
        """The ids of so many clients, whichever, and whether they are the first ones."""
        way = self._way(wanted, all_named=False)
        if way is Way.INDEX and self._way(wanted, all_named=True) is not Way.INDEX:
            found = await self.session.execute(_through_index("postgresql", self.needle, self.narrow).limit(wanted))
            return [client_id for _, client_id in found], False
        return [client_id for _, client_id in await self._in_order(way, wanted, None)], True

    async def first(self, wanted: int, after: tuple[int, int] | None = None) -> list[int]:
        """The ids of the first so many in the order in which their organisations came in; `after` the organisation and
        the client that were the last ones of a page."""
        way = self._way(wanted, all_named=True)
        return [client_id for _, client_id in await self._in_order(way, wanted, after)]

    def _way(self, wanted: int, *, all_named: bool) -> Way:
        together = not self.reads_on
        return self.estimate.way(wanted=wanted, all_named=all_named and together, together=together)

    async def _in_order(self, way: Way, wanted: int, after: tuple[int, int] | None) -> list[tuple[int, int]]:
        if way is Way.FILTERS:
            return await _rows(self.session, _through_filters(self.needle, self.narrow), after, wanted)
        found: list[tuple[int, int]] = []
        begin, length = after[0] if after else 0, self.estimate.stretch(wanted)
        if way is Way.INDEX and not self.reads_on:
            length = self.estimate.last_id
        while len(found) < wanted and begin <= self.estimate.last_id:
            some = _through_index if way is Way.INDEX else _through_documents
            places = some(self.session.get_bind().dialect.name, self.needle, self.narrow, begin, begin + length)
            found += await _rows(self.session, places, after, wanted - len(found))
            begin, length = begin + length, length * _LONGER
        return found


async def search(session: AsyncSession, needle: Needle, narrow: Narrowing) -> Search:
    return Search(session, needle, narrow, await _estimate(session, needle, narrow))


async def _rows(
    session: AsyncSession, places: Select[int, int], after: tuple[int, int] | None, wanted: int
) -> list[tuple[int, int]]:
    if after is not None:
        here = Client.organisation_id
        places = places.where(here >= after[0], or_(here > after[0], Client.id > after[1]))
    found = await session.execute(places.order_by(Client.organisation_id, Client.id).limit(wanted))
    return [(organisation_id, client_id) for organisation_id, client_id in found]


def _through_index(dialect: str, needle: Needle, narrow: Narrowing, begin: int = 0, end: int = 0) -> Select[int, int]:
    named = needle.named(dialect, begin, end).cte("named").prefix_with("MATERIALIZED")
    places = select(Client.organisation_id, Client.id).join(named, named.c.organisation_id == Client.organisation_id)
    places = narrow.narrowed(places, by_index=False)
    return places if dialect == "postgresql" else places.where(needle.stands_in(_document_of_client()))


def _through_filters(needle: Needle, narrow: Narrowing) -> Select[int, int]:
    places = narrow.narrowed(select(Client.organisation_id, Client.id))
    return places.where(needle.stands_in(_document_of_client()))


def _through_documents(_dialect: str, needle: Needle, narrow: Narrowing, begin: int, end: int) -> Select[int, int]:
    places = select(Client.organisation_id, Client.id)
    places = places.join(DOCUMENTS, DOCUMENTS.c.organisation_id == Client.organisation_id)
    here = DOCUMENTS.c.organisation_id
    places = places.where(here >= begin, here < end, needle.stands_in(DOCUMENTS.c.document))
    return narrow.narrowed(places, by_index=False)


def _document_of_client() -> Any:
    return select(DOCUMENTS.c.document).where(DOCUMENTS.c.organisation_id == Client.organisation_id).scalar_subquery()


async def _estimate(session: AsyncSession, needle: Needle, narrow: Narrowing) -> Estimate:
    last_id, holding = await estimated(session, needle)
    left: float = last_id
    if narrow.has_index:
        values = narrow.values()
        held = int(await session.scalar(_sample(tuple(values)), {"last_id": last_id, **values}) or 0)
        left = last_id * held / min(SAMPLE, max(last_id, 1))
        if held < _A_FEW:
            some = narrow.filtered(select(Client.id)).limit(_COUNTED).subquery()
            left = await session.scalar(select(func.count()).select_from(some)) or 0
    return Estimate(last_id, holding, left)


@functools.cache
def _sample(filtered: tuple[str, ...]) -> Select[int]:
    """How many clients of a sample of organisations these filters leave; put together once."""
    places, here = sampled_places(bindparam("last_id", type_=Integer)), Client.organisation_id
    held = select(func.count(Client.id)).where(here.between(places.c.at, places.c.up_to))
    held = held.where(*((getattr(Client, name) == bindparam(name)).is_(True) for name in filtered))
    # Counted for each place by itself: PostgreSQL takes a range of ids for a large part of the table, and would rather
    # join the places with all that the filters leave.
    return select(func.sum(held.correlate(places).scalar_subquery())).select_from(places)
