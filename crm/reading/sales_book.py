"""The sales book: deals as rows, and their sums, which are those of the same rows to the last hundredth."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from crm.base.organisations import Organisation
from crm.base.people import Person
from crm.clientele.clients import Client
from crm.deals.deal_stages import DealStage, MoveCause
from crm.deals.deals import Deal, DealMove
from crm.deals.lost_reasons import MISTAKE
from crm.errors import NotFound
from crm.office.users import User
from crm.preparation.campaigns import Campaign
from crm.reading.scope import EVERYTHING, Scope
from crm.time_zones import instant

NEVER: Final = date(9999, 12, 31)
LONG_AGO: Final = date(1, 1, 1)


class DealDay(enum.StrEnum):
    """By which of its days a deal is narrowed to a period, and listed."""

    OPENED = "opened"
    STAGE = "stage"
    EXPECTED = "expected"
    CONTRACT = "contract"
    DELIVERED = "delivered"
    PAID = "paid"


_INSTANTS: Final[dict[DealDay, InstrumentedAttribute[Any]]] = {
    DealDay.OPENED: Deal.opened_at,
    DealDay.STAGE: Deal.stage_since,
}
_DAYS: Final[dict[DealDay, InstrumentedAttribute[Any]]] = {
    DealDay.EXPECTED: Deal.expected_on, DealDay.CONTRACT: Deal.contract_on, DealDay.DELIVERED: Deal.delivered_on,
    DealDay.PAID: Deal.paid_on,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BookFilters:
    """What the book is narrowed to. `stages`: none of them for all. `product`: the whole of it. `first` and `last`
    (both included) of the days that `by` names, instants on the clock of `time_zone`."""

    campaign_id: int | None = None
    client_id: int | None = None
    stages: frozenset[DealStage] = frozenset()
    owner_id: int | None = None
    product: str = ""
    by: DealDay = DealDay.OPENED
    first: date | None = None
    last: date | None = None
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class DealRow:
    """A deal to be read; `person` "" for nobody."""

    id: int
    client_id: int
    organisation: str
    campaign_id: int
    campaign: str
    owner_id: int
    owner: str
    person_id: int | None
    person: str
    product: str
    amount_minor: int | None
    currency: str
    stage: DealStage
    lost_reason: str
    expected_on: date | None
    contract_on: date | None
    delivered_on: date | None
    paid_on: date | None
    note: str
    opened_at: datetime
    stage_since: datetime
    version: int


@dataclass(frozen=True, slots=True)
class BookKey:
    """The place of a row: the next page begins after it."""

    at: date | datetime
    deal_id: int


@dataclass(frozen=True, slots=True)
class BookPage:
    """A page, by the day that was asked for: what is expected first comes first, of the others what was last;
    `next_after` is `None` on the last one."""

    rows: tuple[DealRow, ...]
    next_after: BookKey | None


@dataclass(frozen=True, slots=True)
class StageSum:
    """Of one stage in one currency: how many deals, of how many the sum is `unknown`, and what the others come to."""

    currency: str
    stage: DealStage
    deals: int
    unknown: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class MonthWon:
    """The contracts of one month of a campaign in one currency; `working_days` of it until today,
    where a period of contracts was asked for only those within it."""

    campaign: str
    year: int
    month: int
    currency: str
    deals: int
    amount_minor: int
    working_days: int

    @property
    def minor_a_day(self) -> int | None:
        """In hundredths for each working day, halves upwards; `None` where none has been."""
        if not self.working_days:
            return None
        return (2 * self.amount_minor + self.working_days) // (2 * self.working_days)


@dataclass(frozen=True, slots=True)
class LostSum:
    """The deals that a campaign lost for one reason in one currency."""

    campaign_id: int
    reason: str
    currency: str
    deals: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class MoveRow:
    """A move of a deal to be read; `author` "" for nobody, `from_stage` `None` for its beginning."""

    deal_id: int
    at: datetime
    from_stage: DealStage | None
    to_stage: DealStage
    cause: MoveCause
    author: str
    attempt_id: str | None
    amount_minor: int | None
    currency: str
    reason: str
    note: str


async def book_page(
    session: AsyncSession,
    *,
    filters: BookFilters,
    after: BookKey | None = None,
    limit: int = 50,
    scope: Scope = EVERYTHING,
) -> BookPage:
    """Deals that `scope` sees, those after `after`."""
    places = await _places(session, filters, scope, after, limit + 1)
    rows = await session.execute(_rows().where(Deal.id.in_([each.deal_id for each in places[:limit]])))
    by_id = {row[0]: DealRow(*row) for row in rows}
    page = tuple(by_id[each.deal_id] for each in places[:limit])
    return BookPage(page, places[limit - 1] if len(places) > limit else None)


async def _places(
    session: AsyncSession, filters: BookFilters, scope: Scope, after: BookKey | None, limit: int
) -> list[BookKey]:
    """The next deals in order, chosen by what stands in the index of their day. Those without that day come last, by
    their number."""
    day, soonest_first = _day(filters.by), filters.by is DealDay.EXPECTED
    never = NEVER if soonest_first else LONG_AGO
    asked = _narrowed(_of_the_book(select(day, Deal.id)), filters, scope)
    if scope.is_whole and filters.client_id is None:
        # In order it is read until the page is full; by who has what, all of that is read and sorted.
        asked = asked.with_hint(Deal, f"INDEXED BY {_index_name(filters.by)}", "sqlite")
    order = (day, Deal.id) if soonest_first else (day.desc(), Deal.id.desc())
    found: list[BookKey] = []
    if after is None or after.at != never:
        dated = asked.where(*_behind(day, soonest_first, after)).order_by(*order)
        if filters.by not in _INSTANTS:
            dated = dated.where(day >= LONG_AGO)
        found = [BookKey(*row) for row in await session.execute(dated.limit(limit))]
        after = None
    if len(found) < limit and filters.by not in _INSTANTS and filters.first is None and filters.last is None:
        undated = asked.where(day.is_(None), *_behind(None, soonest_first, after)).order_by(order[1])
        found += [BookKey(never, row[1]) for row in await session.execute(undated.limit(limit - len(found)))]
    return found


def _behind(
    day: InstrumentedAttribute[Any] | None, soonest_first: bool, after: BookKey | None
) -> list[ColumnElement[bool]]:
    """What comes after this place, by the day and the number, or by the number alone."""
    if after is None:
        return []
    if day is None:
        return [Deal.id > after.deal_id if soonest_first else Deal.id < after.deal_id]
    here, there = tuple_(day, Deal.id), tuple_(after.at, after.deal_id)
    # The first says no more than the second, but finds the place in the index.
    return [day >= after.at, here > there] if soonest_first else [day <= after.at, here < there]


async def book_rows(session: AsyncSession, *, filters: BookFilters, scope: Scope = EVERYTHING) -> list[DealRow]:
    """All of them, in the order of the pages."""
    place, soonest_first = _place(filters.by)
    order = (place, Deal.id) if soonest_first else (place.desc(), Deal.id.desc())
    return [DealRow(*row) for row in await session.execute(_narrowed(_rows(), filters, scope).order_by(*order))]


async def deal_row(session: AsyncSession, deal_id: int, *, scope: Scope = EVERYTHING) -> DealRow:
    """Raises `NotFound`, also for a deal that `scope` does not see or whose campaign does not sell by deals."""
    found = (await session.execute(_narrowed(_rows(), BookFilters(), scope).where(Deal.id == deal_id))).one_or_none()
    if found is None:
        raise NotFound("deal.unknown")
    return DealRow(*found)


async def sums(session: AsyncSession, *, filters: BookFilters, scope: Scope = EVERYTHING) -> list[StageSum]:
    """By currency and stage; a deal that never was is in none."""
    counted: Select[*tuple[Any, ...]] = select(
        Deal.currency, Deal.stage, func.count(), func.count(Deal.amount_minor), func.sum(Deal.amount_minor)
    )
    grouped = _narrowed(_of_the_book(counted), filters, scope).where(Deal.lost_reason != MISTAKE)
    grouped = grouped.group_by(Deal.currency, Deal.stage)
    made = [
        StageSum(currency, stage, deals, deals - known, int(amount or 0))
        for currency, stage, deals, known, amount in await session.execute(grouped)
    ]
    return sorted(made, key=lambda each: (each.currency, tuple(DealStage).index(each.stage)))


async def won_by_month(
    session: AsyncSession, *, filters: BookFilters, today: date, scope: Scope = EVERYTHING
) -> list[MonthWon]:
    """The contracts by their months, the newest first."""
    counted: Select[*tuple[Any, ...]] = select(
        Deal.campaign_id, Deal.contract_on, Deal.currency, func.count(), func.sum(Deal.amount_minor)
    )
    grouped = _narrowed(_of_the_book(counted), filters, scope).where(Deal.stage == DealStage.CONTRACT)
    months: dict[tuple[int, int, int, str], list[int]] = defaultdict(lambda: [0, 0])
    for campaign_id, day, currency, deals, amount in await session.execute(
        grouped.group_by(Deal.campaign_id, Deal.contract_on, Deal.currency)
    ):
        month = months[campaign_id, day.year, day.month, currency]
        month[0] += deals
        month[1] += int(amount)
    campaigns = await session.scalars(select(Campaign).where(Campaign.id.in_({key[0] for key in months})))
    by_id = {campaign.id: campaign for campaign in campaigns}
    first, end = (filters.first, filters.last) if filters.by is DealDay.CONTRACT else (None, None)
    last = min(today, end or today)
    won = [
        MonthWon(
            by_id[campaign_id].name, year, month, currency, deals, amount,
            by_id[campaign_id].working_days_of(year, month, first=first, last=last),
        )
        for (campaign_id, year, month, currency), (deals, amount) in months.items()
    ]  # fmt: skip
    return sorted(won, key=lambda each: (-each.year, -each.month, each.campaign, each.currency))


async def lost_by_reason(session: AsyncSession, *, filters: BookFilters, scope: Scope = EVERYTHING) -> list[LostSum]:
    """What was lost, the most frequent reason first; without what never was to be had."""
    counted: Select[*tuple[Any, ...]] = select(
        Deal.campaign_id, Deal.lost_reason, Deal.currency, func.count(), func.sum(Deal.amount_minor)
    )
    grouped = _narrowed(_of_the_book(counted), filters, scope).where(Deal.stage == DealStage.LOST)
    grouped = grouped.where(Deal.lost_reason != MISTAKE)
    found = await session.execute(grouped.group_by(Deal.campaign_id, Deal.lost_reason, Deal.currency))
    lost = [
        LostSum(campaign_id, reason, currency, deals, int(amount or 0))
        for campaign_id, reason, currency, deals, amount in found
    ]
    return sorted(lost, key=lambda each: (-each.deals, each.reason, each.currency, each.campaign_id))


async def products(session: AsyncSession, *, scope: Scope = EVERYTHING) -> list[str]:
    """The products of the deals that `scope` sees."""
    named: Select[*tuple[Any, ...]] = select(Deal.product).distinct().where(Deal.product != "")
    found = await session.scalars(_narrowed(_of_the_book(named), BookFilters(), scope).order_by(Deal.product))
    return list(found)


async def moves_to_read(session: AsyncSession, deal_ids: Iterable[int]) -> list[MoveRow]:
    """All moves of these deals with their authors, the newest first."""
    found = await session.execute(
        select(DealMove, User.name)
        .outerjoin(User, User.id == DealMove.author_id)
        .where(DealMove.deal_id.in_(list(deal_ids)))
        .order_by(DealMove.at.desc(), DealMove.id.desc())
    )
    return [_move_row(move, author) for move, author in found]


async def moves_of_client(session: AsyncSession, client_id: int, *, limit: int) -> list[tuple[MoveRow, str]]:
    """The last moves of the client's deals, the newest first, each with the deal's product; none where the campaign
    does not sell by deals."""
    found = await session.execute(
        select(DealMove, User.name, Deal.product)
        .join(Deal, Deal.id == DealMove.deal_id)
        .join(Campaign, (Campaign.id == Deal.campaign_id) & Campaign.sells_by_deals)
        .outerjoin(User, User.id == DealMove.author_id)
        .where(Deal.client_id == client_id)
        .order_by(DealMove.at.desc(), DealMove.id.desc())
        .limit(limit)
    )
    return [(_move_row(move, author), product) for move, author, product in found]


def _move_row(move: DealMove, author: str | None) -> MoveRow:
    return MoveRow(
        move.deal_id, move.at, move.from_stage, move.to_stage, move.cause, author or "", move.attempt_id,
        move.amount_minor, move.currency, move.reason, move.note,
    )  # fmt: skip


async def any_sells_by_deals(session: AsyncSession) -> bool:
    """Whether there is a campaign that does: without one no page speaks of deals."""
    return await session.scalar(select(Campaign.id).where(Campaign.sells_by_deals).limit(1)) is not None


async def selling_campaigns(session: AsyncSession) -> list[tuple[int, str]]:
    """Ids and names of the campaigns that sell by deals, the newest first."""
    found = await session.execute(
        select(Campaign.id, Campaign.name).where(Campaign.sells_by_deals).order_by(Campaign.id.desc())
    )
    return [(campaign_id, name) for campaign_id, name in found]


def whole_units(amount_minor: int) -> Decimal:
    """Hundredths as whole units, exactly."""
    return Decimal(amount_minor) / 100


def _rows() -> Select[*tuple[Any, ...]]:
    """What a `DealRow` is made of, in its order."""
    rows: Select[*tuple[Any, ...]] = select(
        Deal.id, Deal.client_id, Organisation.name, Deal.campaign_id, Campaign.name, Deal.owner_id, User.name,
        Deal.person_id, func.coalesce(Person.full_name, ""), Deal.product, Deal.amount_minor, Deal.currency,
        Deal.stage, Deal.lost_reason, Deal.expected_on, Deal.contract_on, Deal.delivered_on, Deal.paid_on, Deal.note,
        Deal.opened_at, Deal.stage_since, Deal.version,
    )  # fmt: skip
    return (
        _of_the_book(rows)
        .join(Campaign, Campaign.id == Deal.campaign_id)
        .join(Client, Client.id == Deal.client_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(User, User.id == Deal.owner_id)
        .outerjoin(Person, Person.id == Deal.person_id)
    )


def _of_the_book(asked: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Of campaigns that sell by deals."""
    selling = select(Campaign.id).where(Campaign.sells_by_deals)
    return asked.select_from(Deal).where(Deal.campaign_id.in_(selling))


def _narrowed(
    asked: Select[*tuple[Any, ...]], filters: BookFilters, scope: Scope
) -> Select[*tuple[Any, ...]]:  # fmt: skip
    asked = asked.where(scope.deals())
    if filters.campaign_id is not None:
        asked = asked.where(Deal.campaign_id == filters.campaign_id)
    if filters.client_id is not None:
        asked = asked.where(Deal.client_id == filters.client_id)
    if filters.stages:
        asked = asked.where(Deal.stage.in_(filters.stages))
    if filters.owner_id is not None:
        asked = asked.where(Deal.owner_id == filters.owner_id)
    if filters.product:
        asked = asked.where(Deal.product == filters.product)
    return asked.where(*_in_period(filters))


def _in_period(filters: BookFilters) -> list[ColumnElement[bool]]:
    within: list[ColumnElement[bool]] = []
    moment, day = _INSTANTS.get(filters.by), _DAYS.get(filters.by)
    if filters.first is not None:
        first = datetime.combine(filters.first, time())
        within += [moment >= instant(first, filters.time_zone)] if moment is not None else []
        within += [day >= filters.first] if day is not None else []
    if filters.last is not None:
        behind = datetime.combine(filters.last + timedelta(days=1), time())
        within += [moment < instant(behind, filters.time_zone)] if moment is not None else []
        within += [day <= filters.last] if day is not None else []
    return within


def _day(by: DealDay) -> InstrumentedAttribute[Any]:
    return _INSTANTS[by] if by in _INSTANTS else _DAYS[by]


def _index_name(by: DealDay) -> str:
    return f"ix_deals_by_{_day(by).key}"


def _place(by: DealDay) -> tuple[ColumnElement[Any], bool]:
    """By what the book is in order, and whether what comes first in time comes first in it."""
    if by in _INSTANTS:
        return _INSTANTS[by].expression, False
    if by is DealDay.EXPECTED:
        return func.coalesce(Deal.expected_on, NEVER), True
    return func.coalesce(_DAYS[by], LONG_AGO), False
