"""How long an offer to 10,000 clients is looked at and begun, and how long others wait for it meanwhile:
`python -m tests.benchmarks.bench_batches`.

Prints one JSON object for each database: seconds for the preview and for beginning, the longest that the event loop
was held meanwhile in ms, and p50, p95, p99 and the longest of one turn (asked about, written with its PDF) in ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Text, cast, literal, update

from config.sections import MailSettings
from crm.base.organisations import Organisation
from crm.care.bulk_offers import BatchWanted, begin, preview
from crm.database import Database
from crm.mail.outbox import GOES_OUT_AFTER
from crm.offers.offers import Offer
from crm.reading.client_list import ClientFilters
from dialer.mailing.batch_writer import BatchWriter
from tests.benchmarks.durable_postgresql import durable_cluster
from tests.benchmarks.figures import add_precedence, percentiles_ms, take_precedence
from tests.crm.builders import NOON, build_world
from tests.crm.offers.builders import text_of

TURNS: Final = 200
_LOOK_S: Final = 0.001


class Holds:
    """The longest that the loop did not come back, in ms."""

    def __init__(self) -> None:
        self.longest_ms = 0.0

    async def watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_LOOK_S)
            self.longest_ms = max(self.longest_ms, 1000 * (time.perf_counter() - before - _LOOK_S))


async def measure(database: Database, count: int) -> dict[str, Any]:
    world = await build_world(database)
    await text_of(world)
    await world.clients(count)
    async with database.transaction() as session:
        await session.execute(
            update(Organisation).values(email=literal("c") + cast(Organisation.id, Text) + "@example.ru")
        )
    filters, wanted = ClientFilters(campaign_id=world.campaign_id), BatchWanted(1, 3600, 30)
    holds = Holds()
    watching = asyncio.create_task(holds.watch())
    began = time.perf_counter()
    async with database.reading() as session:
        shown = await preview(session, filters=filters, wanted=wanted, now=NOON)
    looked = time.perf_counter()
    async with database.transaction() as session:
        await begin(session, shown=shown, filters=filters, wanted=wanted, key=uuid4().hex, now=NOON)
    begun = time.perf_counter()
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    assert len(shown.going) == count
    return {
        "preview in s": round(looked - began, 2),
        "begun in s": round(begun - looked, 2),
        "event loop held in ms": round(holds.longest_ms),
        "turn in ms": percentiles_ms(await turns(database)),
    }


async def turns(database: Database) -> list[int]:
    """So many, with what was written before taken as sent."""
    now, times = NOON + GOES_OUT_AFTER, list[int]()
    writer = BatchWriter(database, MailSettings(host="127.0.0.1", sender="d@example.ru"), clock=lambda: now)
    for _ in range(TURNS):
        began = time.perf_counter_ns()
        await writer.look()
        times.append(time.perf_counter_ns() - began)
        now += timedelta(seconds=1)
        async with database.transaction() as session:
            await session.execute(update(Offer).where(Offer.tries == 0).values(tries=1))
    return times


async def on_sqlite(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="dialer-bench-") as name:
        database = Database(f"sqlite:///{Path(name) / 'batches.db'}")
        await database.upgrade()
        take_precedence(arguments)
        try:
            return await measure(database, arguments.clients)
        finally:
            await database.dispose()


async def on_postgresql(arguments: argparse.Namespace) -> dict[str, Any]:
    with durable_cluster() as cluster:
        await cluster.execute("CREATE DATABASE batches")
        database = Database(cluster.url("batches"))
        await database.upgrade()
        take_precedence(arguments)
        try:
            return await measure(database, arguments.clients)
        finally:
            await database.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=10_000)
    add_precedence(parser)
    arguments = parser.parse_args()
    figures = {
        "clients": arguments.clients,
        "sqlite": asyncio.run(on_sqlite(arguments)),
        "postgresql": asyncio.run(on_postgresql(arguments)),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
