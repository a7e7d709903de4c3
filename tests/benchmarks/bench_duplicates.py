"""How long the check for duplicates takes when a client is saved: `python -m tests.benchmarks.bench_duplicates
[--organisations 1000000] [--questions 2000] [--postgresql]`.

Prints one JSON object: ms as percentiles for the check of different organisations, half of which are there already
under another spelling, the cold first check, and seconds to fill the base. Names are as skewed as in directories: a
few hundred words make up most of them, and thousands of firms have one name in different cities.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import func, select

from crm.base.organisation_keys import KEY_COLUMNS, keys_of
from crm.base.organisations import Organisation
from crm.base.phone_numbers import PhoneNumber
from crm.base.similar import Sought, similar_to
from crm.database import Database
from crm.text_rules import fold
from tests.benchmarks.bench_lists import remember
from tests.benchmarks.durable_postgresql import durable_cluster
from tests.benchmarks.figures import add_precedence, percentiles_ms, take_precedence

FIRST: Final = (
    "Строй", "Тех", "Пром", "Агро", "Мета", "Транс", "Энерго", "Авто", "Мед", "Хим", "Лес", "Нефте", "Газ", "Электро",
    "Инвест", "Торг", "Эко", "Универсал", "Вент", "Климат", "Тепло", "Спец", "Гранд", "Альфа", "Вектор", "Север",
)  # fmt: skip
SECOND: Final = (
    "сервис", "монтаж", "снаб", "комплект", "ресурс", "проект", "маш", "сбыт", "центр", "групп", "альянс", "трейд",
    "логистик", "мастер", "дом", "системы", "плюс", "регион", "инжиниринг", "продукт", "холдинг", "экспорт",
)  # fmt: skip
FORMS: Final = ("ООО «{}»", "ЗАО «{}»", "{}", "АО {}", "ООО {}", 'Общество с ограниченной ответственностью "{}"')
CITIES: Final = ("Москва",) * 8 + ("Санкт-Петербург",) * 4 + ("Пермь", "Омск", "Казань", "Самара", "Тула", "Уфа", "")
BATCH: Final = 10_000


def organisation(number: int) -> dict[str, str]:
    """One of a directory: the same for the same number."""
    chance = random.Random(number)
    # The first words are far more frequent than the last ones.
    first = FIRST[min(int(chance.expovariate(0.2)), len(FIRST) - 1)]
    second = SECOND[min(int(chance.expovariate(0.2)), len(SECOND) - 1)]
    name = first + second if chance.random() < 0.4 else f"{first}{second} {chance.choice(SECOND)}-{number % 9973}"
    return {
        "name": chance.choice(FORMS).format(name),
        "city": chance.choice(CITIES),
        "tax_number": f"{5_900_000_000 + number}" if chance.random() < 0.7 else "",
        "site": f"https://www.firm{number}.ru" if chance.random() < 0.4 else "",
        "email": f"info@firm{number}.ru" if chance.random() < 0.4 else "",
    }


def number_of(number: int) -> str:
    return f"+7342{number % 10_000_000:07}"


COLUMNS: Final = (
    "id", "name", "name_folded", "city", "industry", "tax_number", "site", "email", "code", "attributes", "time_zone",
    "note", "created_at", "version", *KEY_COLUMNS,
)  # fmt: skip
NUMBER_COLUMNS: Final = ("id", "organisation_id", "e164", "extension", "raw", "state", "rank")


def rows(count: int, created_at: object) -> Iterator[tuple[list[tuple[object, ...]], list[tuple[object, ...]]]]:
    """Organisations and their numbers, so many at a time."""
    for begin in range(1, count + 1, BATCH):
        organisations, numbers = [], list[tuple[object, ...]]()
        for number in range(begin, min(begin + BATCH, count + 1)):
            made = organisation(number)
            keys = keys_of(name=made["name"], tax_number=made["tax_number"], site=made["site"], email=made["email"])
            own = {
                "id": number, "name_folded": fold(made["name"]), "attributes": "{}", "created_at": created_at,
                "version": 1, **made, **keys,
            }  # fmt: skip
            organisations.append(tuple(own.get(column, "") for column in COLUMNS))
            numbers.append((number, number, number_of(number), "", "", "ok", 0))
        yield organisations, numbers


async def fill(database: Database, count: int) -> float:
    """Past the program and its search index, which the check does not ask: this is not what is measured."""
    begun = time.perf_counter()
    if database.dialect == "sqlite":
        await asyncio.to_thread(_fill_file, database.url.database or "", count)
    else:
        await _fill_server(database, count)
    return time.perf_counter() - begun


def _fill_file(path: str, count: int) -> None:
    with sqlite3.connect(path) as connection:
        tables = ("organisations", "phone_numbers")
        found = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN (?, ?)", tables
        )
        for (name,) in found.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for organisations, numbers in rows(count, "2026-01-01 00:00:00.000000"):
            for table, columns, made in (
                ("organisations", COLUMNS, organisations), ("phone_numbers", NUMBER_COLUMNS, numbers),
            ):  # fmt: skip
                places = ", ".join("?" * len(columns))
                connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", made)
            connection.commit()
        connection.execute("ANALYZE")
    connection.close()


async def _fill_server(database: Database, count: int) -> None:
    url = database.url
    connection: Any = await asyncpg.connect(host=url.query["host"], user=url.username, database=url.database)
    try:
        for table in ("organisations", "phone_numbers"):
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for organisations, numbers in rows(count, datetime(2026, 1, 1, tzinfo=UTC)):
            await connection.copy_records_to_table("organisations", records=organisations, columns=COLUMNS)
            await connection.copy_records_to_table("phone_numbers", records=numbers, columns=NUMBER_COLUMNS)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def question(number: int, count: int) -> Sought:
    """What somebody types: an organisation that is there, otherwise spelt, or one that is not."""
    chance = random.Random(-number)
    if number % 2:
        there = chance.randrange(1, count + 1)
        known = organisation(there)
        name = known["name"].upper() if number % 4 == 1 else known["name"].replace("о", "а", 1)
        return Sought(
            name=name, city=known["city"], tax_number=known["tax_number"], site=known["site"], email=known["email"],
            phones=(number_of(there),),
        )  # fmt: skip
    new = organisation(count + number)
    return Sought(name=new["name"], city=new["city"], site=new["site"], phones=(f"+7495{number:07}",))


async def from_base(database: Database, questions: int) -> list[Sought]:
    """Of organisations of a base that is there already: every other one under a name that is misspelt a little."""
    columns = (Organisation.id, Organisation.name, Organisation.city, Organisation.tax_number, PhoneNumber.e164)
    these = select(*columns).join(PhoneNumber, PhoneNumber.organisation_id == Organisation.id)
    async with database.reading() as session:
        last = await session.scalar(select(func.max(Organisation.id))) or 0
        ids = random.Random(1).sample(range(1, last + 1), questions)
        found: list[Any] = []
        for begin in range(0, questions, 500):
            of = these.where(Organisation.id.in_(ids[begin : begin + 500]), PhoneNumber.rank == 0)
            found += (await session.execute(of)).all()
    return [
        Sought(name=name.replace("о", "а", 1), city=city, phones=(e164,))
        if number % 2
        else Sought(name=name.upper(), city=city, tax_number=tax_number, phones=(e164,))
        for number, (_, name, city, tax_number, e164) in enumerate(found)
    ]


async def measure(database: Database, asked: Sequence[Sought]) -> dict[str, object]:
    """The processor time is this process': with SQLite that is all that there is."""
    times, used, found = [], [], 0
    for sought in asked:
        async with database.reading() as session:
            begun, processor = time.perf_counter_ns(), time.process_time_ns()
            found += bool(await similar_to(session, sought))
            times.append(time.perf_counter_ns() - begun)
            used.append(time.process_time_ns() - processor)
    return {
        "questions": len(asked),
        "found": found,
        "first_ms": round(times[0] / 1e6, 2),
        **percentiles_ms(times[1:]),
        "processor": percentiles_ms(used[1:]),
    }


async def run(url: str, arguments: argparse.Namespace) -> dict[str, object]:
    count, questions = arguments.organisations, arguments.questions
    database = Database(url)
    try:
        if arguments.base:
            asked = await from_base(database, questions)
            await database.dispose()
            database = Database(url)
            return {"database": database.dialect, **await measure(database, asked)}
        await database.upgrade()
        filled_s = await fill(database, count)
        await database.dispose()  # the first question finds no connection
        take_precedence(arguments)  # filling may wait for others
        database = Database(url)
        asked = [question(number, count) for number in range(questions)]
        head = {"database": database.dialect, "organisations": count, "fill_s": round(filled_s, 1)}
        return head | await measure(database, asked)
    finally:
        await database.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the check for duplicates of a client that is saved.")
    parser.add_argument("--organisations", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=2_000)
    parser.add_argument("--postgresql", action="store_true", help="on PostgreSQL (otherwise SQLite)")
    parser.add_argument("--base", metavar="URL", help="ask a large base that is there already; nothing is changed")
    parser.add_argument("--warm", type=Path, metavar="FOLDER", help="read the base's files once before")
    add_precedence(parser)
    arguments = parser.parse_args()
    if arguments.base:
        take_precedence(arguments)
        if arguments.warm:
            remember(arguments.warm)
        print(json.dumps(asyncio.run(run(arguments.base, arguments))))
        return
    if arguments.postgresql:
        with durable_cluster() as cluster:
            url = cluster.url("postgres")
            print(json.dumps(asyncio.run(run(url, arguments))))
        return
    with tempfile.TemporaryDirectory(prefix="dialer-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'benchmark.db'}"
        print(json.dumps(asyncio.run(run(url, arguments))))


if __name__ == "__main__":
    main()
