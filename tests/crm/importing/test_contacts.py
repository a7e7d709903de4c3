"""Contacts from elsewhere: the seed case to the digit, and what is refused."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from crm.audit import CONTACTS_IMPORTED, AuditEntry
from crm.base.organisations import Organisation
from crm.base.people import Person
from crm.clientele.clients import Client
from crm.database import Database
from crm.errors import Refused
from crm.importing.clients import import_clients
from crm.importing.contacts import import_contacts
from crm.importing.mapping import guess_mapping
from crm.importing.report import ImportReport
from crm.importing.tables import read_table
from crm.preparation.campaigns import add_campaign, campaign_named
from crm.time_zones import local
from crm.wrap_up.contacts import Contact
from tests.crm.importing.test_clients import NOW, SEED_CASE, expected

FIRST, LAST = date(2007, 3, 12), date(2007, 4, 23)
HEADER = "code;date;time;person;main_contact;summary"
GOOD = "a-1;30.03.2007;13:42;Михайлова Елена Петровна;нет;Руководитель в командировке"


async def take(base: Database, content: bytes, **named: Any) -> ImportReport:
    async with base.transaction() as session:
        return await import_contacts(
            session, campaign=await campaign_named(session, "seed"), table=read_table(content), now=NOW, **named
        )


@pytest.fixture
async def seed(database: Database) -> Database:
    """The clients of the seed case's list "contacts"."""
    table = read_table(SEED_CASE / "organisations.csv")
    async with database.transaction() as session:
        campaign = await add_campaign(session, name="seed", now=NOW)
        await import_clients(
            session, campaign=campaign, table=table, mapping=guess_mapping(table.header), list_name="contacts", now=NOW
        )
    return database


@pytest.fixture
async def base(database: Database) -> Database:
    """Two clients: code "a-1", and "a-2" whose name two companies have."""
    table = read_table("list;code;name;phone\nx;a-1;Альфа;83420000001\nx;a-2;Бета;83420000002\n".encode())
    async with database.transaction() as session:
        campaign = await add_campaign(session, name="seed", now=NOW)
        await import_clients(session, campaign=campaign, table=table, mapping=guess_mapping(table.header), now=NOW)
    return database


def per_day(count: int, days: int) -> str:
    return str((Decimal(count) / days).quantize(Decimal("0.1"), ROUND_HALF_UP))


MONTHS = {"no_date": None, "march": 3, "april": 4}


async def counted(base: Database, *, first_only: bool) -> dict[str, dict[str, str]]:
    """Contacts, or organisations by their first contact, by industry and month, with the rows for all and per day."""
    async with base.reading() as session:
        campaign = await campaign_named(session, "seed")
        at = func.min(Contact.at) if first_only else Contact.at
        rows = select(Organisation.industry, at).join(Organisation, Organisation.id == Contact.organisation_id)
        if first_only:
            rows = rows.group_by(Contact.organisation_id, Organisation.industry)
        found = [(industry, moment) for industry, moment in await session.execute(rows)]
    counts = Counter(
        (industry, local(moment, campaign.time_zone).month if moment else None) for industry, moment in found
    )
    table: dict[str, dict[str, int]] = {}
    for industry in sorted({industry for industry, _ in counts}):
        cells = {name: counts[industry, month] for name, month in MONTHS.items()}
        table[industry] = {**cells, "total": sum(cells.values())}
    total = {name: sum(row[name] for row in table.values()) for name in (*MONTHS, "total")}
    days = {
        "march": campaign.working_days(FIRST, date(2007, 3, 31)),
        "april": campaign.working_days(date(2007, 4, 1), LAST),
        "total": campaign.working_days(FIRST, LAST),
    }
    shown = {name: {key: str(cell) if cell else "" for key, cell in row.items()} for name, row in table.items()}
    shown["Всего"] = {key: str(cell) for key, cell in total.items()}
    shown["За рабочий день"] = {"no_date": "", **{key: per_day(total[key], days[key]) for key in days}}
    return shown


async def test_the_seed_case_comes_out_to_the_digit(seed: Database) -> None:
    report = await take(seed, (SEED_CASE / "contacts.csv").read_bytes(), list_name="contacts")
    assert (report.rows, report.taken, report.merged, report.refused) == (301, 301, 0, [])
    for name, first_only in (("contacts-by-month.csv", False), ("organisations-by-month.csv", True)):
        wanted = {row["industry"]: {key: row[key] for key in (*MONTHS, "total")} for row in expected(name)}
        assert await counted(seed, first_only=first_only) == wanted, name
    async with seed.reading() as session:
        assert await session.scalar(select(func.count()).where(Contact.main)) == 215
        assert await session.scalar(select(func.count()).where(~Contact.imported)) == 0
        noted = (await session.scalars(select(AuditEntry).where(AuditEntry.action == CONTACTS_IMPORTED))).one()
        assert noted.details == {"file": "", "rows": 301, "taken": 301, "merged": 0, "refused": 0}


async def test_a_second_time_nothing_is_taken_twice(seed: Database) -> None:
    content = (SEED_CASE / "contacts.csv").read_bytes()
    await take(seed, content)
    again = await take(seed, content)
    assert (again.taken, again.merged) == (0, 301)


async def test_trying_leaves_nothing_behind(base: Database) -> None:
    report = await take(base, f"{HEADER}\n{GOOD}\n".encode(), dry_run=True)
    assert (report.taken, report.dry_run) == (1, True)
    async with base.reading() as session:
        for kind in (Contact, Person):
            assert await session.scalar(select(func.count()).select_from(kind)) == 0
        assert await session.scalar(select(AuditEntry.id).where(AuditEntry.action == CONTACTS_IMPORTED)) is None


async def test_what_a_row_says(base: Database) -> None:
    header = "Название;Дата;Время;ФИО;Главный контакт;Резюме"
    rows = (
        "АЛЬФА;30.03.2007;13:42;Петров Пётр;да;",
        "Альфа;2007-04-02;;Петров Петр;нет;Руководитель в командировке",
        "Бета;;;Иванов Иван;;Секретарь не соединила",
    )
    report = await take(base, "\n".join((header, *rows)).encode("cp1251"))
    assert report.refused == []
    async with base.reading() as session:
        contacts = list(await session.scalars(select(Contact).order_by(Contact.id)))
        people = list(await session.scalars(select(Person).order_by(Person.id)))
        groups = set(await session.scalars(select(Client.group)))
    assert [(contact.main, contact.at) for contact in contacts] == [
        (True, datetime(2007, 3, 30, 9, 42, tzinfo=UTC)),
        (False, datetime(2007, 4, 2, 8, tzinfo=UTC)),
        (False, None),
    ]
    assert [(person.full_name, person.decides) for person in people] == [("Петров Пётр", True), ("Иванов Иван", False)]
    assert groups == {"new"}, "what happened elsewhere moves nobody"


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("a-9;;;Петров Пётр;нет;Руководитель в командировке", "contacts.unknown_client"),
        ("a-1;31.02.2007;;Петров Пётр;нет;Руководитель в командировке", "contacts.no_moment"),
        ("a-1;2007-03-01;25:00;Петров Пётр;нет;Руководитель в командировке", "contacts.no_moment"),
        ("a-1;;;Петров Пётр;может быть;Руководитель в командировке", "contacts.no_yes_or_no"),
        ("a-1;;;Петров;нет;Руководитель в командировке", "contact.needs_full_name"),
        ("a-1;;;Петров Пётр;нет;занят", "contact.needs_summary"),
        ("a-1;;;;да;Беседа с директором", "contact.needs_full_name"),
    ],
)
async def test_what_is_no_contact_is_refused_and_leaves_nothing(base: Database, row: str, code: str) -> None:
    report = await take(base, f"{HEADER}\n{GOOD}\n{row}\n".encode())
    assert (report.taken, [(each.line, each.code) for each in report.refused]) == (1, [(3, code)])
    async with base.reading() as session:
        assert list(await session.scalars(select(Person.full_name))) == ["Михайлова Елена Петровна"]


async def test_a_main_contact_makes_somebody_known_one_who_decides(base: Database) -> None:
    await take(base, f"{HEADER}\n{GOOD}\n".encode())
    again = await take(base, f"{HEADER}\na-1;2007-04-05;;МИХАЙЛОВА Елена  Петровна;да;\n".encode())
    assert again.taken == 1
    async with base.reading() as session:
        people = list(await session.scalars(select(Person)))
    assert [(person.full_name, person.decides) for person in people] == [("Михайлова Елена Петровна", True)]


async def test_two_clients_of_one_name_are_told_apart_by_the_code_alone(base: Database) -> None:
    table = read_table("list;code;name;phone\ny;a-3;Альфа;83430000003\n".encode())
    async with base.transaction() as session:
        campaign = await campaign_named(session, "seed")
        await import_clients(session, campaign=campaign, table=table, mapping=guess_mapping(table.header), now=NOW)
    report = await take(
        base, f"name;{HEADER}\nАльфа;;;;Петров Пётр;нет;Руководитель в отпуске\nАльфа;{GOOD}\n".encode()
    )
    assert [each.code for each in report.refused] == ["contacts.several_clients"]
    assert report.taken == 1


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("date;person;summary", "contacts.no_client_column"),
        ("code;date;summary", "contacts.no_column"),
        ("code;date;person", "contacts.no_column"),
    ],
)
async def test_a_column_that_is_needed(base: Database, header: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        await take(base, f"{header}\na;b;c\n".encode())
    assert refused.value.code == code


async def test_a_list_that_is_not_there(base: Database) -> None:
    with pytest.raises(Refused) as refused:
        await take(base, f"list;{HEADER}\nx;{GOOD}\n".encode(), list_name="y")
    assert (refused.value.code, refused.value.params["lists"]) == ("import.list_not_in_file", "x")
