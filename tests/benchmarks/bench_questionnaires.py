"""How fast sheets are found by the answers to two questions: `python -m tests.benchmarks.bench_questionnaires`.

Prints one JSON object: p50, p95, p99 and the longest of a thousand pages of fifty sheets, by the kinds of the two
questions, no two pairs of conditions the same. The answers are skewed, as real ones are, and a condition leaves some
of them out, so that common answers exclude each other. Only the columns for reports are filled, and only finding the
sheets is measured: reading the fifty that are shown is by their keys.
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
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import numpy as np
from sqlalchemy.schema import CreateIndex

from crm.database import Database
from crm.questionnaires.finding import page_of
from crm.questionnaires.questions import Kind, Question, Relation
from crm.questionnaires.report_columns import NUMBERS, STEPS, THOUSANDTHS, WORDS, SheetColumns, step_of
from crm.questionnaires.wanted import Wanted
from tests.benchmarks.durable_postgresql import durable_cluster
from tests.benchmarks.figures import add_precedence, percentiles_ms, take_precedence

PAGE: Final = 51
PAIRS: Final = 1_000
CODES: Final = {"word_1": 2, "word_2": 12, "word_3": 5, "word_4": 40}
"""How many answers the questions with words have; the third of them is asked only where the first is "c0"."""
KINDS: Final = {"number_1": Kind.NUMBER, "number_2": Kind.SCALE, "number_3": Kind.DATE}
COLUMNS: Final = ("sheet_id", "questionnaire_id", *WORDS, *NUMBERS, *STEPS)
_AT_ONCE: Final = 50_000


def answers(sheets: int, *, opposed: bool) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of columns for two questionnaires, nine tenths of them the first one's. `opposed`: the larger one number,
    the smaller the others, so that ranges exclude each other."""
    chance = np.random.default_rng(20261128)
    for begin in range(1, sheets + 1, _AT_ONCE):
        count = min(_AT_ONCE, sheets + 1 - begin)
        words = {
            name: np.minimum(chance.zipf(1.5, count) - 1, codes - 1) for name, codes in CODES.items()
        }  # falling: the first answer is what most give
        first = chance.normal(3, 1.5, count)
        numbers = (
            (np.exp(first) * THOUSANDTHS).astype(np.int64),
            chance.integers(1, 11, count) * THOUSANDTHS,
            739_000 + chance.integers(0, 900, count),
        )
        if opposed:
            lower = (1 - first.argsort().argsort() / count) * 0.999
            numbers = (numbers[0], (1 + (10 * lower).astype(np.int64)) * THOUSANDTHS,
                       739_000 + (900 * lower).astype(np.int64))  # fmt: skip
        unanswered = chance.random((count, 7)) < 0.1
        of_first = chance.random(count) < 0.9
        rows = []
        for place in range(count):
            cells: list[Any] = [f"c{words[name][place]}" for name in WORDS]
            cells += [int(column[place]) for column in numbers]
            if cells[0] != "c0":
                cells[2] = None  # it was not asked
            told = [None if unanswered[place][each] else cell for each, cell in enumerate(cells)]
            steps = [
                None if value is None else step_of(KINDS[name], value)
                for name, value in zip(NUMBERS, told[len(WORDS) :], strict=True)
            ]
            rows.append((begin + place, 1 if of_first[place] else 2, *told, *steps))
        yield rows


def pairs(chance: random.Random) -> dict[str, list[list[Wanted]]]:
    """By kind a thousand pairs of conditions in all, each once; an answer that nobody gave is among them."""
    kinds: dict[str, list[list[Wanted]]] = {"choice and choice": [], "choice and range": [], "range and range": []}
    seen: set[tuple[tuple[str, str, str | int], ...]] = set()
    limits = {"choice and choice": 450, "choice and range": 450, "range and range": 100}
    while any(len(kinds[kind]) < limit for kind, limit in limits.items()):
        kind = chance.choice([each for each, limit in limits.items() if len(kinds[each]) < limit])
        one = _word(chance) if kind.startswith("choice") else _range(chance)
        other = _word(chance) if kind.endswith("choice") else _range(chance)
        key = tuple((each.place, each.relation.value, each.value) for each in (one, other))
        if one.place != other.place and key not in seen:
            seen.add(key)
            kinds[kind].append([one, other])
    return kinds


def _word(chance: random.Random) -> Wanted:
    place = chance.choice(WORDS)
    return Wanted("", Question(place, Kind.CHOICE, place), place, Relation.IS, f"c{chance.randrange(CODES[place] + 1)}")


def _range(chance: random.Random) -> Wanted:
    place = chance.choice(NUMBERS)
    values = {
        "number_1": chance.randrange(1, 2_000) * THOUSANDTHS // 2,
        "number_2": chance.randrange(0, 12) * THOUSANDTHS,
        "number_3": 739_000 + chance.randrange(-20, 920),
    }
    relation = chance.choice((Relation.GREATER, Relation.LESS))
    return Wanted("", Question(place, KINDS[place], place), place, relation, values[place])


async def measure(database: Database) -> dict[str, Any]:
    """Ask every pair once, after a few others that warm the connection."""
    asked = pairs(random.Random(11))
    figures: dict[str, Any] = {}
    all_times: list[int] = []
    found_none = 0
    async with database.reading() as session:
        for wanted in asked["choice and choice"][:5]:
            await page_of(session, 1, wanted, after=None, limit=PAGE)
        for kind, several in asked.items():
            times = []
            for wanted in several:
                began = time.perf_counter_ns()
                rows = await page_of(session, 1, wanted, after=None, limit=PAGE)
                times.append(time.perf_counter_ns() - began)
                found_none += len(rows) < PAGE
            figures[kind] = percentiles_ms(times)
            all_times += times if kind != "range and range" else []
    figures["one choice and another condition"] = percentiles_ms(all_times)
    figures["pairs with less than a page"] = found_none
    return figures


def fill_sqlite(path: Path, sheets: int, *, opposed: bool) -> None:
    """Into the migrated file; the indexes are made at the end."""
    with sqlite3.connect(path) as connection:
        for index in SheetColumns.__table__.indexes:  # type: ignore[attr-defined]
            connection.execute(f"DROP INDEX {index.name}")
        marks = ", ".join("?" * len(COLUMNS))
        for rows in answers(sheets, opposed=opposed):
            connection.executemany(f"INSERT INTO sheet_columns ({', '.join(COLUMNS)}) VALUES ({marks})", rows)
        for index in SheetColumns.__table__.indexes:  # type: ignore[attr-defined]
            connection.execute(str(CreateIndex(index)))
    connection.close()


async def fill_postgresql(socket: Path, name: str, sheets: int, *, opposed: bool) -> None:
    """As `fill_sqlite`; keys of other tables are not looked at."""
    connection: Any = await asyncpg.connect(host=str(socket), user="postgres", database=name)
    await connection.execute("SET session_replication_role = replica")
    for index in SheetColumns.__table__.indexes:  # type: ignore[attr-defined]
        await connection.execute(f"DROP INDEX {index.name}")
    for rows in answers(sheets, opposed=opposed):
        await connection.copy_records_to_table("sheet_columns", records=rows, columns=COLUMNS)
    for index in SheetColumns.__table__.indexes:  # type: ignore[attr-defined]
        await connection.execute(str(CreateIndex(index)))
    await connection.execute("VACUUM ANALYZE sheet_columns")
    await connection.close()


async def on_sqlite(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    path = folder / "sheets.db"
    database = Database(f"sqlite:///{path}")
    await database.upgrade()
    await database.dispose()
    before = path.stat().st_size
    began = time.monotonic()
    await asyncio.to_thread(fill_sqlite, path, arguments.sheets, opposed=arguments.opposed)
    figures = {"filled in s": round(time.monotonic() - began, 1)}
    figures["MB"] = round((path.stat().st_size - before) / 1e6)
    take_precedence(arguments)
    database = Database(f"sqlite:///{path}")
    try:
        return {**figures, **await measure(database)}
    finally:
        await database.dispose()


async def on_postgresql(arguments: argparse.Namespace) -> dict[str, Any]:
    with durable_cluster() as cluster:
        await cluster.execute("CREATE DATABASE sheets")
        database = Database(cluster.url("sheets"))
        await database.upgrade()
        began = time.monotonic()
        await fill_postgresql(cluster.folder, "sheets", arguments.sheets, opposed=arguments.opposed)
        figures: dict[str, Any] = {"filled in s": round(time.monotonic() - began, 1)}
        async with database.reading() as session:
            size = await session.connection()
            told = await size.exec_driver_sql("SELECT pg_total_relation_size('sheet_columns')")
            figures["MB"] = round(told.scalar_one() / 1e6)
        take_precedence(arguments)
        figures |= await measure(database)
        await database.dispose()
        return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sheets", type=int, default=1_000_000)
    parser.add_argument("--opposed", action="store_true", help="numbers that exclude each other")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    add_precedence(parser)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"sheets": arguments.sheets, "opposed": arguments.opposed}
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
