"""How long the plan of a day takes: `python -m tests.benchmarks.bench_plan [--organisations N] [--database sqlite]`.

One campaign with all organisations of a large base, in five time zones and ten industries, and 50 operators who are
each given 120 clients a day; six of ten clients belong to somebody. Every round is another day: the plan is built from
nothing, is asked for when nothing is missing, and is begun anew. Prints one JSON object with seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from crm.database import Database
from crm.day.day_plan import build, build_anew, is_built
from crm.plan.plan_entries import PlanEntry
from crm.preparation.campaigns import get_campaign
from dialer.logs import configure_logging
from tests.benchmarks.durable_postgresql import durable_cluster
from tests.benchmarks.figures import add_precedence, take_precedence
from tests.benchmarks.large_base import OPERATORS, Size, fill_postgresql, fill_sqlite

CALLS_A_DAY = 120
FIRST_DAY = date(2026, 11, 20)  # the base's calls end the day before
ZONES = ("Europe/Moscow", "Asia/Yekaterinburg", "Asia/Novosibirsk", "Europe/Kaliningrad", "Asia/Vladivostok")
WITH_SHARES = "UPDATE campaigns SET shares_by = 'industry', shares = 'Отрасль 1 40; Отрасль 2 20' WHERE id = 1"


async def prepare(database: Database) -> None:
    """All clients in one campaign that deals its clients out on any day, with people who are in Moscow."""
    zones = " ".join(f"WHEN {place} THEN '{zone}'" for place, zone in enumerate(ZONES))
    async with database.engine.begin() as connection:
        if (
            database.dialect == "postgresql"
        ):  # millions of rows, each with its triggers and keys, would take half an hour
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in (
            "UPDATE clients SET campaign_id = 1",
            f"UPDATE organisations SET time_zone = CASE id % {len(ZONES)} {zones} END, "
            "industry = 'Отрасль ' || (id % 10)",
            "UPDATE users SET time_zone = 'Europe/Moscow'",
            f"UPDATE campaigns SET calls_a_day = {CALLS_A_DAY}, calls_on_days_off = true WHERE id = 1",
        ):
            await connection.execute(text(statement))
    if database.dialect == "postgresql":  # which does it by itself; nobody does it to SQLite
        async with database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("ANALYZE"))


async def seconds_of(database: Database, deed: Callable[[AsyncSession], Awaitable[object]]) -> tuple[float, float]:
    """And those of this process' processor time, which with SQLite is all that there is."""
    begun, used = time.perf_counter(), time.process_time()
    async with database.transaction() as session:
        await deed(session)
    return time.perf_counter() - begun, time.process_time() - used


async def measure(database: Database, rounds: int, first_day: date, *, prepared: bool) -> dict[str, object]:
    if not prepared:
        await prepare(database)
    times: dict[str, list[float]] = {"build": [], "nothing_missing": [], "anew": []}
    used: dict[str, list[float]] = {name: [] for name in times}
    planned: list[int] = []
    for number in range(rounds):
        if number == rounds // 2:
            async with database.engine.begin() as connection:
                await connection.execute(text(WITH_SHARES))
        day = first_day + timedelta(days=number)
        now = datetime(day.year, day.month, day.day, 5, tzinfo=UTC)

        async def first(session: AsyncSession, day: date = day, now: datetime = now) -> None:
            await build(session, campaign_id=1, day=day, now=now)

        async def asked(session: AsyncSession, day: date = day) -> None:
            assert await is_built(session, campaign_id=1, day=day)

        async def anew(session: AsyncSession, day: date = day, now: datetime = now) -> None:
            await build_anew(session, campaign=await get_campaign(session, 1), day=day, now=now)

        for name, deed in (("build", first), ("nothing_missing", asked), ("anew", anew)):
            wall, processor = await seconds_of(database, deed)
            times[name].append(wall)
            used[name].append(processor)
        async with database.reading() as session:
            planned.append(await session.scalar(select(func.count()).where(PlanEntry.day == day)) or 0)
    figures: dict[str, object] = {"entries": planned, "right": set(planned) == {OPERATORS * CALLS_A_DAY}}
    for name, found in times.items():
        figures[name] = {
            "first_s": round(found[0], 2),
            "median_s": round(statistics.median(found), 2),
            "processor_median_s": round(statistics.median(used[name]), 2),
            "longest_s": round(max(found), 2),
        }
    return figures


async def run(kind: str, size: Size, arguments: argparse.Namespace) -> dict[str, object]:
    rounds, base = arguments.rounds, arguments.base
    head: dict[str, object] = {"database": kind, "organisations": size.organisations, "rounds": rounds}
    if base is not None:
        return head | await _measured(base, arguments)
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="dialer-bench-") as folder:
            path = Path(folder) / "plan.db"
            database = Database(f"sqlite:///{path}")
            await database.upgrade()
            await database.dispose()
            await asyncio.to_thread(fill_sqlite, path, size)
            return head | await _measured(f"sqlite:///{path}", arguments)
    with durable_cluster() as cluster:
        await cluster.execute("CREATE DATABASE plan")
        database = Database(cluster.url("plan"))
        await database.upgrade()
        await database.dispose()
        await fill_postgresql(cluster.folder, "plan", size)
        return head | await _measured(cluster.url("plan"), arguments)


async def _measured(url: str, arguments: argparse.Namespace) -> dict[str, object]:
    database = Database(url)
    try:
        return await measure(database, arguments.rounds, arguments.first_day, prepared=arguments.prepared)
    finally:
        await database.dispose()


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the plan of a day on a large base.")
    parser.add_argument("--organisations", type=int, default=1_000_000)
    parser.add_argument("--activities", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=10, help="days; in the second half with shares by industry")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--base", metavar="URL", help="a large base that is there already; it is changed for this")
    parser.add_argument("--prepared", action="store_true", help="`--base` has been changed for this before")
    parser.add_argument("--first-day", type=date.fromisoformat, default=FIRST_DAY, help="after those measured before")
    add_precedence(parser)
    arguments = parser.parse_args()
    take_precedence(arguments)
    configure_logging("warning", "json", sys.stderr)
    size = Size(arguments.organisations, arguments.activities)
    figures = asyncio.run(run(arguments.database, size, arguments))
    print(json.dumps(figures, ensure_ascii=False))
    return 0 if figures["right"] else 1


if __name__ == "__main__":
    sys.exit(main())
