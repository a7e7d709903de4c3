"""SQLite's connections: a statement is one trip to their thread, whatever its rows are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from crm import sqlite_driver
from crm.sqlite_driver import FIRST_ROWS

NUMBERS = (
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :last) SELECT n FROM numbers"
)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    made = create_async_engine(
        f"sqlite+aiosqlite:///{tmp_path / 'test.db'}", connect_args={"async_creator_fn": sqlite_driver.connect}
    )
    yield made
    await made.dispose()


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """All deeds that were carried out on a connection's thread."""
    made: list[object] = []
    carry_out = sqlite_driver.Connection.on_thread

    async def noted(self: sqlite_driver.Connection, deed: object) -> object:
        made.append(deed)
        return await carry_out(self, deed)  # type: ignore[arg-type]  # what it is, is no matter here

    monkeypatch.setattr(sqlite_driver.Connection, "on_thread", noted)
    return made


@pytest.mark.parametrize("last", [1, FIRST_ROWS - 1, FIRST_ROWS, FIRST_ROWS + 1, 5 * FIRST_ROWS])
async def test_all_rows_come_however_many(engine: AsyncEngine, last: int) -> None:
    async with engine.connect() as connection:
        found = await connection.execute(text(NUMBERS), {"last": last})
        assert found.scalars().all() == list(range(1, last + 1))


async def test_what_is_short_is_one_trip(engine: AsyncEngine, trips: list[object]) -> None:
    async with engine.connect() as connection:
        trips.clear()
        await connection.scalar(text("SELECT 1"))
        assert len(trips) == 1


async def test_what_is_long_is_read_on_demand(engine: AsyncEngine, trips: list[object]) -> None:
    """Without holding all of it: a million rows are begun with, and given up."""
    async with engine.connect() as connection:
        streamed = await connection.stream(text(NUMBERS), {"last": 1_000_000})
        seen = []
        async for (number,) in streamed:
            seen.append(number)
            if number == 3 * FIRST_ROWS:
                break
        assert seen == list(range(1, 3 * FIRST_ROWS + 1))
        assert len(trips) < 100
        await streamed.close()
        assert await connection.scalar(text("SELECT 7")) == 7


async def test_what_was_written_is_told(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"))
        await connection.execute(text("INSERT INTO things (name) VALUES (:name)"), [{"name": "a"}, {"name": "b"}])
        inserted = await connection.execute(text("INSERT INTO things (name) VALUES ('c')"))
        assert inserted.lastrowid == 3
        assert (await connection.execute(text("UPDATE things SET name = name || '!'"))).rowcount == 3
        returned = await connection.execute(text("DELETE FROM things WHERE id < 3 RETURNING id"))
        assert sorted(returned.scalars()) == [1, 2]


async def test_after_a_mistake_the_connection_serves_on(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        with pytest.raises(OperationalError, match="no such table"):
            await connection.execute(text("SELECT * FROM nowhere"))
        assert await connection.scalar(text("SELECT 7")) == 7


async def test_a_statement_that_nobody_waits_for_any_more_leaves_no_cursor_open(tmp_path: Path) -> None:
    connection = sqlite_driver.connect(str(tmp_path / "test.db"))
    await connection
    try:
        cursor = connection.cursor()
        long = NUMBERS.replace(":last", str(10 * FIRST_ROWS))
        asking = asyncio.ensure_future(cursor.execute(long))
        await asyncio.sleep(0)  # it is on its way
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await cursor.close()
        await connection.cursor().execute("VACUUM")  # which SQLite refuses while a statement is under way
    finally:
        await connection.close()
