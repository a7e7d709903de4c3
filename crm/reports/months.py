"""Contacts, and organisations by their first contact, by industry and month, with figures for a working day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import ColumnElement, Subquery, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.errors import Refused
from crm.preparation.campaigns import Campaign
from crm.reports.base import Base
from crm.reports.rounding import per_day
from crm.time_zones import instant, local

Month = tuple[int, int]
"""Year, and month from 1."""
YEARS: Final = range(1900, 2200)
"""Of which there can be reports: beyond them no calendar of holidays is known, and a day may have no midnight."""


@dataclass(frozen=True, slots=True)
class MonthRow:
    """Of one industry ("" where none is known): so many without a date, so many in each month."""

    industry: str
    undated: int
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """With or without a date."""
        return self.undated + sum(self.counts)


@dataclass(frozen=True, slots=True)
class MonthTable:
    """Rows by industry; `months` are the columns. `first` and `last` are the days that the working days are counted
    between, `None` when there is nothing to count. `all_rows` is their sum."""

    months: tuple[Month, ...]
    rows: tuple[MonthRow, ...]
    first: date | None
    last: date | None
    working_days: tuple[int, ...] = field(default=())

    @property
    def all_rows(self) -> MonthRow:
        """The last but one row of the sheet."""
        sums = (sum(row.counts[place] for row in self.rows) for place in range(len(self.months)))
        return MonthRow("", sum(row.undated for row in self.rows), tuple(sums))

    @property
    def each_day(self) -> tuple[Decimal | None, ...]:
        """The last row of the sheet: for each month and, at the end, for all of the time; there undated ones count."""
        total = self.all_rows
        months = zip(total.counts, self.working_days, strict=True)
        return (*(per_day(count, days) for count, days in months), per_day(total.total, sum(self.working_days)))


async def contacts_by_month(
    session: AsyncSession, base: Base, *, first: date | None = None, last: date | None = None, today: date | None = None
) -> MonthTable:
    """Every contact once, in its month on the campaign's clock.

    `first` and `last` are the days of the project: without them those of the first and the last contact. A contact
    outside of them is left out; an undated one never is. What comes after `today` is no working day yet. Raises
    `Refused` when `last` is before `first`.
    """
    return await _by_month(
        session, base.campaign, base.contacts().subquery("counted"), first=first, last=last, today=today
    )


async def organisations_by_month(
    session: AsyncSession, base: Base, *, first: date | None = None, last: date | None = None, today: date | None = None
) -> MonthTable:
    """Every organisation that was contacted once, in the month of its first contact; undated only if all of its
    contacts are. Otherwise as `contacts_by_month`."""
    every = base.contacts().subquery("every")
    firsts = select(every.c.organisation_id, func.min(every.c.at).label("at")).group_by(every.c.organisation_id)
    return await _by_month(session, base.campaign, firsts.subquery("counted"), first=first, last=last, today=today)


async def _by_month(
    session: AsyncSession,
    campaign: Campaign,
    counted: Subquery,
    *,
    first: date | None,
    last: date | None,
    today: date | None,
) -> MonthTable:
    if first is not None and last is not None and last < first:
        raise Refused("report.ends_before_it_begins", first=first, last=last)
    if any(day is not None and day.year not in YEARS for day in (first, last)):
        raise Refused("report.years", first=YEARS[0], last=YEARS[-1])
    at: ColumnElement[datetime | None] = counted.c.at
    earliest, latest = (await session.execute(select(func.min(at), func.max(at)))).one()
    first = first or (local(earliest, campaign.time_zone).date() if earliest else last)
    last = last or (local(latest, campaign.time_zone).date() if latest else first)
    months = months_between(first, last) if first and last else ()
    until = min(last, today or last) if last else None
    columns = [func.sum(case((at.is_(None), 1), else_=0))]
    columns += [func.sum(case((_within(at, campaign, *span), 1), else_=0)) for span in _spans(months, first, last)]
    found = await session.execute(
        select(Organisation.industry, *columns)
        .join(counted, counted.c.organisation_id == Organisation.id)
        .group_by(Organisation.industry)
    )
    rows = [MonthRow(row[0], row[1], tuple(row)[2:]) for row in found.all()]
    rows.sort(key=lambda row: (not row.industry, row.industry))
    return MonthTable(
        months=months,
        rows=tuple(row for row in rows if row.total),
        first=first,
        last=last,
        working_days=tuple(campaign.working_days_of(*month, first=first, last=until) for month in months if until),
    )


def months_between(first: date, last: date) -> tuple[Month, ...]:
    """From the month of `first` to that of `last`, both included."""
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return tuple((number // 12, number % 12 + 1) for number in numbers)


def _spans(months: Sequence[Month], first: date | None, last: date | None) -> list[tuple[date, date]]:
    """The first and the last day of each month that are within the time of the report."""
    if first is None or last is None:
        return []
    return [(max(first, date(*month, 1)), min(last, _end_of(month))) for month in months]


def _end_of(month: Month) -> date:
    year, number = month
    return date(year + number // 12, number % 12 + 1, 1) - timedelta(days=1)


def _within(at: ColumnElement[datetime | None], campaign: Campaign, first: date, last: date) -> ColumnElement[bool]:
    """Between the midnights of the campaign's clock: the months are taken from the days, so that both databases count
    alike whatever they know of time zones."""
    begins, ends = (
        instant(datetime.combine(day, time()), campaign.time_zone) for day in (first, last + timedelta(days=1))
    )
    return (at >= begins) & (at < ends)
