"""Fifty generated campaigns, counted by the reports and, independently, by hand over what was generated."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import add_organisation
from crm.clientele.clients import add_client
from crm.database import Database
from crm.group import Group
from crm.preparation.call_lists import CallList, list_named
from crm.preparation.campaigns import Campaign, add_campaign
from crm.reports.base import Base
from crm.reports.distribution import by_group, by_industry
from crm.reports.headcount import by_headcount, sum_of
from crm.reports.months import MonthTable, contacts_by_month, organisations_by_month
from crm.wrap_up.contacts import Spoken, add_contact
from tests.crm.builders import NOON

DATA_SETS = 50
ZONES = ("Europe/Moscow", "America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia", "UTC")
INDUSTRIES = ("", "Банки", "Транспорт", "Таможни", "Ёлочные игрушки")
YES_OR_NO: tuple[dict[str, str], ...] = ({}, {"social_work": "yes"}, {"social_work": "no"}, {"other": "yes"})


@dataclass
class Company:
    """What was generated: `contacts` are moments, `None` without a date."""

    listed: bool
    industry: str
    group: Group
    headcount: int | None
    attributes: dict[str, str]
    contacts: list[datetime | None]


@dataclass
class DataSet:
    """A campaign of `companies`; the days of its project, or those of its contacts."""

    time_zone: str
    first: date | None
    last: date | None
    companies: list[Company]
    campaign: Campaign
    call_list_id: int

    def local_day(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.time_zone)).date()


def generated(dice: random.Random, time_zone: str) -> list[Company]:
    """Moments lie close to the ends of months, where a wrong clock would be seen."""
    ends = [datetime(2026, month, 1, tzinfo=ZoneInfo(time_zone)).astimezone(UTC) for month in (1, 3, 4, 5, 11, 12)]

    def moment() -> datetime | None:
        if dice.random() < 0.1:
            return None
        if dice.random() < 0.3:
            return dice.choice(ends)
        return dice.choice(ends) + timedelta(seconds=dice.randint(-40_000, 40_000) * dice.choice((1, 1, 60)))

    return [
        Company(
            listed=dice.random() < 0.7,
            industry=dice.choice(INDUSTRIES),
            group=dice.choice(list(Group)),
            headcount=dice.choice((None, 0, 1, 99, 100, 101, 200, 201, 300, 301, 500, 501, 1000, 1001, 5000)),
            attributes=dict(dice.choice(YES_OR_NO)),
            contacts=[moment() for _ in range(dice.choice((0, 0, 1, 1, 2, 5)))],
        )
        for _ in range(dice.choice((0, 1, 8, 16, 24)))
    ]


async def stored(database: Database, number: int) -> DataSet:
    dice = random.Random(number)
    time_zone = dice.choice(ZONES)
    companies = generated(dice, time_zone)
    first, last = dice.choice(((None, None), (date(2026, 2, 27), date(2026, 4, 30)), (date(2026, 3, 1), None)))
    async with database.transaction() as session:
        campaign = await add_campaign(session, name=f"Кампания {number}", now=NOON, time_zone=time_zone)
        ours = await list_named(session, campaign_id=campaign.id, name="Наш")
        other = await list_named(session, campaign_id=campaign.id, name="Другой")
        for company in companies:
            await store(session, company, campaign, ours if company.listed else other)
    return DataSet(time_zone, first, last, companies, campaign, ours.id)


async def store(session: AsyncSession, company: Company, campaign: Campaign, call_list: CallList) -> None:
    organisation = await add_organisation(
        session, name="Клиент", now=NOON, industry=company.industry, headcount=company.headcount,
        attributes=company.attributes,
    )  # fmt: skip
    client = await add_client(
        session, campaign_id=campaign.id, organisation_id=organisation.id, call_list_id=call_list.id,
        group=company.group, now=NOON,
    )  # fmt: skip
    spoken = Spoken(full_name="Петров Пётр", summary="Руководитель в отпуске")
    for at in company.contacts:
        await add_contact(session, client=client, spoken=spoken, at=at, author_id=None, imported=True)


def chosen(data: DataSet, *, whole: bool) -> list[Company]:
    return [company for company in data.companies if whole or company.listed]


def counted_by_hand(data: DataSet, companies: list[Company], *, first_only: bool) -> dict[tuple[str, str], int]:
    """Cells by industry and "2026-03" or "undated"."""
    counts: Counter[tuple[str, str]] = Counter()
    for company in companies:
        moments = company.contacts
        if first_only:
            dated = sorted(at for at in moments if at is not None)
            moments = [dated[0]] if dated else moments[:1]
        for at in moments:
            if at is None:
                counts[company.industry, "undated"] += 1
                continue
            day = data.local_day(at)
            if (data.first is None or day >= data.first) and (data.last is None or day <= data.last):
                counts[company.industry, f"{day:%Y-%m}"] += 1
    return dict(counts)


def cells(table: MonthTable) -> dict[tuple[str, str], int]:
    found = {(row.industry, "undated"): row.undated for row in table.rows}
    for row in table.rows:
        for (year, month), count in zip(table.months, row.counts, strict=True):
            found[row.industry, f"{year}-{month:02}"] = count
    return {cell: count for cell, count in found.items() if count}


def half_up(value: Fraction, digits: int) -> Decimal:
    """By whole numbers alone."""
    scaled = int(value * 10**digits * 2 + 1) // 2
    return Decimal(scaled).scaleb(-digits)


async def compare(session: AsyncSession, data: DataSet, *, whole: bool) -> None:
    base = Base(data.campaign, None if whole else data.call_list_id)
    companies = chosen(data, whole=whole)
    by_hand = Counter(company.group.value for company in companies)
    groups = await by_group(session, base)
    assert {each.key: each.organisations for each in groups} == by_hand
    assert all(each.share == half_up(Fraction(100 * by_hand[each.key], len(companies)), 2) for each in groups)
    industries = {each.key: each.organisations for each in await by_industry(session, base)}
    assert industries == Counter(company.industry for company in companies)
    for report, first_only in ((contacts_by_month, False), (organisations_by_month, True)):
        table = await report(session, base, first=data.first, last=data.last)
        wanted = counted_by_hand(data, companies, first_only=first_only)
        assert cells(table) == wanted
        assert table.all_rows.total == sum(wanted.values())
        days = sum(table.working_days)
        assert table.each_day[-1] == (half_up(Fraction(sum(wanted.values()), days), 1) if days else None)
    await compare_bands(session, base, companies)


async def compare_bands(session: AsyncSession, base: Base, companies: list[Company]) -> None:
    rows = await by_headcount(session, base, "social_work")
    for row in rows:
        if row.lowest is None:
            there = [each for each in companies if each.headcount is None]
        else:
            lowest = 0 if row.lowest == 1 else row.lowest
            known = [each for each in companies if each.headcount is not None]
            there = [each for each in known if lowest <= (each.headcount or 0) <= (row.highest or 10**9)]
        yes = sum(each.attributes.get("social_work") == "yes" for each in there)
        assert (row.organisations, row.yes) == (len(there), yes)
        assert row.share == (half_up(Fraction(100 * yes, len(there)), 2) if there else None)
    assert sum_of(rows).organisations == len(companies)


async def test_fifty_data_sets_equal_a_count_by_hand(database: Database) -> None:
    made = [await stored(database, number) for number in range(DATA_SETS)]
    async with database.reading() as session:
        for data in made:
            for whole in (True, False):
                await compare(session, data, whole=whole)
