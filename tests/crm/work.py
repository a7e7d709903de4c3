"""How much a database does, whatever the time it takes: for tests that it does no more in a larger base."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.ext.asyncio import AsyncSession

from crm.database import Database


async def work_of(
    database: Database, deed: Callable[[AsyncSession], Awaitable[object]], *, of: str = "plan_entries"
) -> int:
    """How much the database does for `deed`: virtual machine instructions of SQLite in tens, pages that PostgreSQL
    reads for statements about the table `of`."""
    async with _counted_steps(database) if database.dialect == "sqlite" else _counted_pages(database, of) as counted:
        async with database.transaction() as session:
            await deed(session)
        return await counted()


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that are made meanwhile, whoever makes them."""
    made: list[str] = []

    def keep(_c: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        made.append(statement)

    event.listen(Engine, "before_cursor_execute", keep)
    try:
        yield made
    finally:
        event.remove(Engine, "before_cursor_execute", keep)


@asynccontextmanager
async def _counted_steps(database: Database) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    async def counted() -> int:
        return steps

    async with database.engine.connect() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
    await raw.set_progress_handler(count, 10)  # the one writing connection
    yield counted
    await raw.set_progress_handler(None, 0)


@asynccontextmanager
async def _counted_pages(database: Database, table: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    asked: list[tuple[str, Any]] = []

    def keep(_c: Connection, _cursor: object, statement: str, parameters: Any, _context: object, _many: bool) -> None:
        if table in statement:
            asked.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", keep)

    async def counted() -> int:
        event.remove(database.engine.sync_engine, "before_cursor_execute", keep)
        pages = 0
        async with database.engine.connect() as connection:
            await connection.execute(text("SET enable_seqscan = off"))  # small tables are read whole otherwise
            for statement, parameters in asked:
                explained = await connection.exec_driver_sql(
                    f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters
                )
                node = explained.scalar_one()[0]["Plan"]
                pages += node["Shared Hit Blocks"] + node["Shared Read Blocks"]
            await connection.rollback()
        return pages

    yield counted
