"""How fast the sales book is, among a million organisations: `python -m tests.benchmarks.bench_deals`.

Prints one JSON object: p50, p95, p99 and the longest of its pages (fifty deals, the first and later ones, by every day
and filter), of its sums by stage, of the contracts by month, and how long an export of all takes. Only what the book
joins is filled: organisations, clients, deals.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from crm.database import Database
from crm.deals.deal_stages import DealStage
from crm.reading import sales_book
from crm.reading.sales_book import BookFilters, DealDay
from dialer.shown.book_sheets import book_csv, book_workbook
from dialer.shown.deal_words import ReasonNames
from dialer.shown.formats import zone_named
from dialer.words import words
from tests.benchmarks.durable_postgresql import durable_cluster
from tests.benchmarks.figures import add_precedence, percentiles_ms, take_precedence
from tests.benchmarks.large_base import BEGIN, Filling, Size, fillings

TABLES: Final = ("users", "campaigns", "call_lists", "organisations", "clients")
STAGES: Final = {"interest": 30, "offer": 20, "negotiation": 10, "contract": 25, "lost": 15}
PRODUCTS: Final = ("Монтаж", "Вентиляция", "Ремонт", "Обслуживание")
_COLUMNS: Final = (
    "client_id campaign_id owner_id product amount_minor currency stage lost_reason expected_on contract_on note"
    " opened_at stage_since version"
)


def deals(clients: list[tuple[int, int]], count: int) -> Iterator[tuple[Any, ...]]:
    """Of these clients and their campaigns; more in the last months than before, as an office grows."""
    chance = random.Random(5)
    for client_id, campaign_id in chance.choices(clients, k=count):
        opened = BEGIN + timedelta(minutes=int(440_000 * chance.random() ** 0.7))
        stage = chance.choices(list(STAGES), list(STAGES.values()))[0]
        since = opened + timedelta(days=chance.randrange(20))
        amount = None if stage != "contract" and chance.random() < 0.2 else chance.randrange(1, 10**9)
        yield (
            client_id, campaign_id, chance.randrange(1, 51), chance.choice(PRODUCTS), amount,
            "RUB" if chance.random() < 0.95 else "EUR", stage, "price" if stage == "lost" else "",
            since.date() + timedelta(days=40) if chance.random() < 0.6 else None,
            since.date() if stage == "contract" else None, "", opened, since, 1,
        )  # fmt: skip


def all_fillings(arguments: argparse.Namespace) -> Iterator[Filling]:
    clients: list[tuple[int, int]] = []
    for filling in fillings(Size(arguments.organisations, 0)):
        if filling.table == "clients":
            rows = list(filling.rows)
            clients = [(row[0], row[1]) for row in rows]
            yield Filling("clients", filling.columns, iter(rows))
        elif filling.table in TABLES:
            yield filling
    yield Filling("deals", _COLUMNS, deals(clients, arguments.deals))


def _plain(cell: object) -> object:
    """As SQLite stores it."""
    kind = type(cell).__name__
    if kind == "datetime":
        return cell.strftime("%Y-%m-%d %H:%M:%S.%f")  # type: ignore[attr-defined]
    return str(cell) if kind in ("date", "time") else cell


def fill_sqlite(path: Path, arguments: argparse.Namespace) -> None:
    """Without triggers, which follow single moves; the indexes of what is filled are made again."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("synchronous=OFF", "foreign_keys=OFF"):
        connection.execute(f"PRAGMA {pragma}")
    kept = connection.execute(
        "SELECT type, name, sql, tbl_name FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('index', 'trigger')"
    ).fetchall()
    connection.execute("BEGIN")
    for kind, name, _, _ in kept:
        connection.execute(f"DROP {kind} {name}")
    for filling in all_fillings(arguments):
        columns = filling.columns.split()
        statement = f"INSERT INTO {filling.table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        connection.executemany(statement, (tuple(map(_plain, row)) for row in filling.rows))
    for kind, _, statement, table in kept:
        if kind == "index" and table in (*TABLES, "deals"):
            connection.execute(statement)
    connection.execute("UPDATE campaigns SET sells_by_deals = 1")
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.close()


async def fill_postgresql(socket: Path, arguments: argparse.Namespace) -> None:
    """As `fill_sqlite`, by COPY."""
    connection: Any = await asyncpg.connect(host=str(socket), user="postgres", database="deals")
    await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    for filling in all_fillings(arguments):
        await connection.copy_records_to_table(filling.table, records=filling.rows, columns=filling.columns.split())
    await connection.execute("UPDATE campaigns SET sells_by_deals = true")
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def asked(count: int) -> Iterator[BookFilters]:
    """What heads of sales look for."""
    chance = random.Random(3)
    for _ in range(count):
        by = chance.choice(list(DealDay))
        first = BEGIN.date() + timedelta(days=chance.randrange(300)) if chance.random() < 0.5 else None
        yield BookFilters(
            campaign_id=chance.choice((None, 1, 2, 3)), owner_id=chance.choice((None, None, chance.randrange(1, 51))),
            stages=frozenset(chance.sample(list(DealStage), chance.choice((0, 1, 3)))),
            product=chance.choice(("", "", *PRODUCTS)), by=by, first=first,
            last=first + timedelta(days=30) if first is not None else None, time_zone="Europe/Moscow",
        )  # fmt: skip


async def measure(database: Database) -> dict[str, Any]:
    """Each question in a transaction of its own, as a page asks it."""
    times: dict[str, list[int]] = {"page": [], "later page": [], "sums": [], "contracts by month": []}
    for filters in asked(200):
        async with database.reading() as session:
            began = time.perf_counter_ns()
            page = await sales_book.book_page(session, filters=filters)
            times["page"].append(time.perf_counter_ns() - began)
            if page.next_after is not None:
                began = time.perf_counter_ns()
                await sales_book.book_page(session, filters=filters, after=page.next_after)
                times["later page"].append(time.perf_counter_ns() - began)
            began = time.perf_counter_ns()
            await sales_book.sums(session, filters=filters)
            times["sums"].append(time.perf_counter_ns() - began)
            began = time.perf_counter_ns()
            await sales_book.won_by_month(session, filters=filters, today=BEGIN.date() + timedelta(days=310))
            times["contracts by month"].append(time.perf_counter_ns() - began)
    figures: dict[str, Any] = {name: percentiles_ms(several) for name, several in times.items()}
    async with database.reading() as session:
        began_s = time.monotonic()
        rows = await sales_book.book_rows(session, filters=BookFilters())
        figures["all rows read in s"] = round(time.monotonic() - began_s, 1)
        reasons = await ReasonNames.read(session, words("ru"))
    for name, write in (("CSV", book_csv), ("XLSX", book_workbook)):
        began_s = time.monotonic()
        write(rows, words("ru"), reasons, zone_named("Europe/Moscow", "UTC"))
        figures[f"{name} written in s"] = round(time.monotonic() - began_s, 1)
    return figures | {"rows": len(rows)}


async def on_sqlite(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    path = folder / "deals.db"
    database = Database(f"sqlite:///{path}")
    await database.upgrade()
    await database.dispose()
    await asyncio.to_thread(fill_sqlite, path, arguments)
    take_precedence(arguments)
    database = Database(f"sqlite:///{path}")
    try:
        return await measure(database)
    finally:
        await database.dispose()


async def on_postgresql(arguments: argparse.Namespace) -> dict[str, Any]:
    with durable_cluster() as cluster:
        await cluster.execute("CREATE DATABASE deals")
        database = Database(cluster.url("deals"))
        await database.upgrade()
        await fill_postgresql(cluster.folder, arguments)
        take_precedence(arguments)
        figures = await measure(database)
        await database.dispose()
        return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--organisations", type=int, default=1_000_000)
    parser.add_argument("--deals", type=int, default=200_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    add_precedence(parser)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"organisations": arguments.organisations, "deals": arguments.deals}
    with tempfile.TemporaryDirectory(prefix="dialer-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if arguments.database != "postgresql":
            figures["sqlite"] = asyncio.run(on_sqlite(folder, arguments))
        if arguments.database != "sqlite":
            figures["postgresql"] = asyncio.run(on_postgresql(arguments))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
