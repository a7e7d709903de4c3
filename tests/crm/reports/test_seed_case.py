"""The five tables of the seed case, imported whole, come out to the digit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from crm.database import Database
from crm.errors import NotFound, Refused
from crm.importing.clients import import_clients
from crm.importing.contacts import import_contacts
from crm.importing.mapping import guess_mapping
from crm.importing.tables import read_table
from crm.preparation.campaigns import add_campaign
from crm.reports.base import base_named
from crm.reports.distribution import by_group, by_industry
from crm.reports.headcount import attributes_of, by_headcount, sum_of
from crm.reports.months import MonthRow, MonthTable, contacts_by_month, organisations_by_month
from tests.crm.importing.test_clients import NOW, SEED_CASE, expected

FIRST, LAST = date(2007, 3, 12), date(2007, 4, 23)
BANDS = ("нет данных", "до 100", "101 - 200", "201 - 300", "301 - 500", "501 - 1000", "более 1000")


@pytest.fixture
async def seed(database: Database) -> Database:
    """All four lists in one campaign, and the contacts."""
    clients = read_table(SEED_CASE / "organisations.csv")
    contacts = read_table(SEED_CASE / "contacts.csv")
    async with database.transaction() as session:
        campaign = await add_campaign(session, name="seed", now=NOW)
        mapping = guess_mapping(clients.header)
        await import_clients(session, campaign=campaign, table=clients, mapping=mapping, now=NOW)
        await import_contacts(session, campaign=campaign, table=contacts, now=NOW)
    return database


def shown(number: int | Decimal | None) -> str:
    return str(number) if number else ""


async def test_the_five_tables(seed: Database) -> None:
    """One test, for one import of some thousand rows."""
    async with seed.reading() as session:
        await groups_and_industries(session)
        await headcount_crossed_with_social_programmes(session)
        await months(session, contacts_by_month, "contacts-by-month.csv")
        await months(session, organisations_by_month, "organisations-by-month.csv")
        await what_cannot_be_reported(session)


async def groups_and_industries(session: AsyncSession) -> None:
    groups = await by_group(session, await base_named(session, campaign="seed", call_list="groups"))
    industries = await by_industry(session, await base_named(session, campaign="seed", call_list="structure"))
    wanted = {row["group"]: int(row["organisations"]) for row in expected("groups.csv")}
    assert {each.key: each.organisations for each in groups} == wanted
    structure = {row["industry"]: int(row["organisations"]) for row in expected("structure.csv")}
    assert {each.key: each.organisations for each in industries} == structure
    for slices in (groups, industries):
        shares = [each.share for each in slices if each.share is not None]
        assert abs(sum(shares, Decimal(-100))) < Decimal("0.05")


async def headcount_crossed_with_social_programmes(session: AsyncSession) -> None:
    base = await base_named(session, campaign="seed", call_list="headcount")
    assert await attributes_of(session, base) == ["social_work"]
    rows = await by_headcount(session, base, "social_work")
    named = dict(zip((*BANDS, "Всего"), (*rows, sum_of(rows)), strict=True))
    assert [
        {"band": name, "organisations": str(row.organisations), "social_work": str(row.yes), "share": f"{row.share}%"}
        for name, row in named.items()
    ] == expected("headcount-social.csv")


async def months(session: AsyncSession, report: Callable[..., Awaitable[MonthTable]], name: str) -> None:
    base = await base_named(session, campaign="seed", call_list="contacts")
    table = await report(session, base, first=FIRST, last=LAST)
    assert table.months == ((2007, 3), (2007, 4))
    assert table.working_days == (15, 16)

    def cells(row: MonthRow, name: str, *, blank: bool) -> tuple[str, ...]:
        numbers = (row.undated, *row.counts, row.total)
        return (name, *(shown(number) if blank else str(number) for number in numbers))

    rows = {cells(row, row.industry, blank=True) for row in table.rows}
    rows.add(cells(table.all_rows, "Всего", blank=False))
    rows.add(("За рабочий день", "", *map(shown, table.each_day)))
    assert rows == {tuple(row.values()) for row in expected(name)}


async def what_cannot_be_reported(session: AsyncSession) -> None:
    with pytest.raises(NotFound):
        await base_named(session, campaign="seed", call_list="нет такого")
    base = await base_named(session, campaign="seed")
    with pytest.raises(Refused) as refusal:
        await contacts_by_month(session, base, first=LAST, last=FIRST)
    assert refusal.value.code == "report.ends_before_it_begins"
    with pytest.raises(Refused) as refusal:
        await contacts_by_month(session, base, first=date(9999, 12, 31))
    assert refusal.value.code == "report.years"


async def test_a_campaign_without_contacts_has_no_months(database: Database) -> None:
    async with database.transaction() as session:
        await add_campaign(session, name="новая", now=NOW)
        table = await contacts_by_month(session, await base_named(session, campaign="новая"))
    assert (table.months, table.rows, table.all_rows.total, table.each_day) == ((), (), 0, (None,))


async def test_days_to_come_are_no_working_days_yet(database: Database) -> None:
    asked, whole = {"first": date(2026, 5, 1), "last": date(2026, 6, 30)}, (19, 21)
    async with database.transaction() as session:
        await add_campaign(session, name="новая", now=NOW, country="RU")
        base = await base_named(session, campaign="новая")
        counted = [
            (await contacts_by_month(session, base, **asked, today=today)).working_days
            for today in (None, date(2026, 7, 1), date(2026, 6, 2), date(2026, 5, 8))
        ]
    assert counted == [whole, whole, (19, 2), (5, 0)]
