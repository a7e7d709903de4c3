"""How fast lists, searches and cards are in a large base: `python -m tests.benchmarks.bench_lists`.

Prints one JSON object. By kind of question: the cold first hit (a fresh process, the base not in the page cache), then
p50, p95, p99 and the longest of at least a thousand questions, no two of them the same. The base is made in
a temporary folder and removed, or kept with `--folder`; a million organisations with five million activities take half
an hour, and 4 GB for each database.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.clientele.clients import Client
from crm.clientele.groups import move_rows
from crm.database import Database
from crm.group import Group
from crm.reading.client_list import ClientFilters, ClientKey, clients_page
from dialer.shown.card import stored_card
from tests.benchmarks.durable_postgresql import DurableCluster
from tests.benchmarks.figures import add_precedence, percentiles_ms, take_precedence
from tests.benchmarks.large_base import BEGINNINGS, ENDINGS, LISTS, OPERATORS, Size, fill_postgresql, fill_sqlite
from tests.databases import find_postgresql

COMMON: Final = (
    "ооо",
    "строй",
    "ип",
    "«",
    "495",
    "ов",
    "серв",
    "торг",
    "иванов",
    "ооо «строй",
    "+7",
    "а",
    "812",
    "транс",
)
Question = Callable[[AsyncSession], Awaitable[Any]]


class Asker:
    """Questions with parameters drawn from the base."""

    def __init__(self, size: Size, chance: random.Random) -> None:
        self.size = size
        self.chance = chance

    async def sample(self, session: AsyncSession, count: int) -> list[dict[str, Any]]:
        """Clients with what they can be found by."""
        ids = self.chance.sample(range(1, self.size.organisations + 1), count)
        found: list[dict[str, Any]] = []
        for begin in range(0, count, 500):
            rows = await session.execute(
                select(
                    Client.id, Client.name_folded, Client.organisation_id, Organisation.name, Organisation.tax_number,
                    select(func.min(Person.full_name)).where(Person.organisation_id == Organisation.id)
                    .scalar_subquery().label("person"),
                    select(func.min(PhoneNumber.e164)).where(PhoneNumber.organisation_id == Organisation.id)
                    .scalar_subquery().label("number"),
                )
                .join(Organisation, Organisation.id == Client.organisation_id)
                .where(Client.id.in_(ids[begin : begin + 500]))
            )  # fmt: skip
            found += [dict(row) for row in rows.mappings()]
        return found

    def narrowed(self, number: int) -> ClientFilters:
        """One of six kinds of filters."""
        campaign = self.chance.choice((1, 1, 2, 3, 4))
        group = self.chance.choice(list(Group))
        return (
            ClientFilters(),
            ClientFilters(campaign_id=campaign),
            ClientFilters(campaign_id=campaign, group=group),
            ClientFilters(call_list_id=self.chance.randrange(4 * LISTS) + 1),
            ClientFilters(owner_id=self.chance.randrange(OPERATORS) + 1),
            ClientFilters(call_list_id=self.chance.randrange(4 * LISTS) + 1, group=group),
        )[number % 6]

    def needle(self, of: dict[str, Any], number: int) -> str:
        """A part of what is known of somebody; one in four is what very many have."""
        match number % 8:
            case 0 | 1:
                return self.chance.choice(COMMON)
            case 2:
                return str(of["name"])
            case 3:
                begin = self.chance.randrange(max(1, len(of["name"]) - 5))
                return str(of["name"])[begin : begin + self.chance.randrange(3, 12)]
            case 4:
                return str(of["number"])[-self.chance.randrange(4, 11) :]
            case 5:
                return str(of["person"] or "Смирнова Анна")
            case 6:
                return str(of["tax_number"])[: self.chance.randrange(5, 11)]
            case _:
                return f"{self.chance.choice(BEGINNINGS)}{self.chance.choice(ENDINGS)}"

    def lists(self, known: list[dict[str, Any]]) -> list[Question]:
        return [
            _page(self.narrowed(number), ClientKey(of["name_folded"], of["id"]) if number % 2 else None)
            for number, of in enumerate(known)
        ]

    def searches(self, known: list[dict[str, Any]], *, narrowed: bool) -> list[Question]:
        questions = []
        for number, of in enumerate(known):
            filters = self.narrowed(self.chance.randrange(1, 6)) if narrowed else ClientFilters()
            questions.append(_page(replace(filters, text=self.needle(of, number)), None))
        return questions

    def cards(self, known: list[dict[str, Any]]) -> list[Question]:
        """Every other one of those who are called most."""
        busiest = self.chance.sample(range(1, min(5000, self.size.organisations)), len(known) // 2)
        return [_card(client_id) for client_id in (*busiest, *(of["id"] for of in known[: len(known) // 2]))]


def _page(filters: ClientFilters, after: ClientKey | None) -> Question:
    async def ask(session: AsyncSession) -> object:
        return await clients_page(session, filters=filters, after=after)

    return ask


def _card(client_id: int) -> Question:
    async def ask(session: AsyncSession) -> object:
        return await stored_card(session, client_id), await move_rows(session, client_id)

    return ask


async def timed(database: Database, question: Question) -> tuple[int, int]:
    """Nanoseconds, with the connection taken from the pool and given back; and those of this process' processor time,
    which with SQLite is all that there is, and does not grow when others use the cores."""
    begun, used = time.perf_counter_ns(), time.process_time_ns()
    async with database.reading() as session:
        await question(session)
    return time.perf_counter_ns() - begun, time.process_time_ns() - used


def forget(folder: Path) -> None:
    """Let the page cache forget the files of this folder, and nobody else's."""
    for path in (each for each in folder.rglob("*") if each.is_file()):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def remember(folder: Path) -> None:
    """Let the page cache hold the files of this folder."""
    for path in (each for each in folder.rglob("*") if each.is_file()):
        with path.open("rb") as opened:
            while opened.read(1 << 22):
                pass


Opened = Callable[[], contextlib.AbstractAsyncContextManager[Database]]


async def measure(opened: Opened, size: Size, count: int, seed: int, warm: Path | None = None) -> dict[str, Any]:
    """`warm`: the folder of the base, to be read once after the cold first hit: as when it has been in use."""
    figures: dict[str, Any] = {}
    async with opened() as database, database.reading() as session:
        asker = Asker(size, random.Random(seed))
        known = await asker.sample(session, count)
    kinds = {
        "list": asker.lists(known),
        "search": asker.searches(known, narrowed=False),
        "search_narrowed": asker.searches(known, narrowed=True),
        "card_with_history": asker.cards(known),
    }
    for kind, questions in kinds.items():
        async with opened() as database:
            cold, _ = await timed(database, questions[0])
            if warm is not None:
                remember(warm)
            times = [await timed(database, question) for question in questions]
        figures[kind] = {
            "cold_ms": round(cold / 1e6, 1),
            "questions": len(times),
            **percentiles_ms([wall for wall, _ in times]),
            "processor": percentiles_ms([used for _, used in times]),
        }
    figures["load"] = [round(each, 1) for each in os.getloadavg()]
    return figures


async def _upgrade(url: str) -> None:
    database = Database(url)
    await database.upgrade()
    await database.dispose()


async def of_sqlite(folder: Path, size: Size, count: int, seed: int, *, warm: bool) -> dict[str, Any]:
    path = folder / "large.db"
    new = not path.exists()
    await _upgrade(f"sqlite:///{path}")
    if new:
        await asyncio.to_thread(fill_sqlite, path, size)

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Database]:
        forget(folder)
        database = Database(f"sqlite:///{path}")
        yield database
        await database.dispose()

    return {
        "gb": round(path.stat().st_size / 1e9, 2),
        **await measure(opened, size, count, seed, folder if warm else None),
    }


async def of_postgresql(folder: Path, size: Size, count: int, seed: int, *, warm: bool) -> dict[str, Any]:
    programs = find_postgresql()
    if programs is None:
        return {}
    cluster = DurableCluster(programs, folder / "pg")
    if cluster.folder.exists():
        cluster.resume()
        await _upgrade(cluster.url("large"))
    else:
        cluster.folder.mkdir()
        cluster.start()
        await cluster.execute("CREATE DATABASE large")
        await _upgrade(cluster.url("large"))
        await fill_postgresql(cluster.folder, "large", size)
    cluster.stop()

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Database]:
        forget(cluster.folder)
        cluster.resume()
        database = Database(cluster.url("large"))
        try:
            yield database
        finally:
            await database.dispose()
            cluster.stop()

    return await measure(opened, size, count, seed, folder if warm else None)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time lists, searches and cards in a large base.")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--organisations", type=int, default=1_000_000)
    parser.add_argument("--activities", type=int, default=5_000_000)
    parser.add_argument("--questions", type=int, default=1_000, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--warm", action="store_true", help="read the base once after the cold first hit")
    parser.add_argument("--folder", type=Path, help="keep the base there, and use it again")
    add_precedence(parser)
    arguments = parser.parse_args()
    take_precedence(arguments)
    size = Size(arguments.organisations, arguments.activities)
    run = of_sqlite if arguments.database == "sqlite" else of_postgresql
    with tempfile.TemporaryDirectory(prefix="dialer-lists-", dir="/tmp") as name:
        folder: Path = arguments.folder or Path(name)
        folder.chmod(0o755)
        figures = asyncio.run(run(folder, size, arguments.questions, arguments.seed, warm=arguments.warm))
    print(json.dumps({"database": arguments.database, **figures}, ensure_ascii=False))


if __name__ == "__main__":
    main()
