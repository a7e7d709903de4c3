"""SQLite's connections: as those of aiosqlite, but a statement is one trip to the connection's thread.

aiosqlite makes a trip each for the cursor, the statement, its rows, and the end. A page asks some forty small
questions, and the trips took longer than the answers: see `docs/decisions/0021-one-trip-to-sqlite.md`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Self

import aiosqlite

FIRST_ROWS: Final = 1_000
"""So many rows come with the statement. The rest of a longer answer is fetched when it is asked for, so that whoever
reads row by row (an export) never holds them all."""

Rows = list[Any]


class Cursor:
    """A statement and its rows, with what SQLAlchemy asks of a cursor of aiosqlite."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open: sqlite3.Cursor | None = None
        self._abandoned = False  # whoever waited for the statement was cancelled: it may still come to an open cursor
        self._rows: Rows = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        return await self._carry_out(lambda cursor: cursor.execute(sql, parameters))

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Self:
        return await self._carry_out(lambda cursor: cursor.executemany(sql, parameters))

    async def _carry_out(self, deed: Callable[[sqlite3.Cursor], object]) -> Self:
        def on_thread(connection: sqlite3.Connection) -> None:
            if self._open is not None:
                self._open.close()
            cursor = self._open = connection.cursor()
            try:
                deed(cursor)
                self.description, self.rowcount = cursor.description, cursor.rowcount
                self.lastrowid = cursor.lastrowid
                self._rows = cursor.fetchmany(FIRST_ROWS) if cursor.description else []
            except BaseException:
                self._open = None
                cursor.close()
                raise
            if len(self._rows) < FIRST_ROWS:
                self._open = None
                cursor.close()

        self._abandoned = True
        await self._connection.on_thread(on_thread)
        self._abandoned = False
        return self

    async def fetchone(self) -> Any:
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> Rows:
        """At most so many of the rows that are left."""
        wanted = self.arraysize if size is None else size
        cursor = self._open
        if cursor is not None and len(self._rows) < wanted:
            missing = max(wanted, FIRST_ROWS) - len(self._rows)
            self._rows += await self._connection.on_thread(lambda _: cursor.fetchmany(missing))
        found, self._rows = self._rows[:wanted], self._rows[wanted:]
        return found

    async def fetchall(self) -> Rows:
        """All rows that are left."""
        found, self._rows = self._rows, []
        if (cursor := self._open) is not None:
            found += await self._connection.on_thread(lambda _: cursor.fetchall())
        return found

    async def close(self) -> None:
        """Forget the rows that are left."""

        def on_thread(_: sqlite3.Connection) -> None:
            if self._open is not None:
                self._open.close()
            self._open, self._rows = None, []

        if self._open is not None or self._abandoned:
            await self._connection.on_thread(on_thread)
        self._rows = []


class Connection(aiosqlite.Connection):
    """A connection with a thread of its own, which does all that SQLite does."""

    def cursor(self) -> Any:
        return Cursor(self)

    async def on_thread(self, deed: Callable[[sqlite3.Connection], Any]) -> Any:
        """What `deed` returns or raises, called with SQLite's own connection on its thread. Raises `ValueError` once
        the connection is closed."""
        return await self._execute(deed, self._conn)  # type: ignore[no-untyped-call]


def connect(database: str, **options: Any) -> Connection:
    """As `aiosqlite.connect`: await it."""
    connection = Connection(lambda: sqlite3.connect(database, **options), iter_chunk_size=FIRST_ROWS)
    connection._thread.daemon = True  # as SQLAlchemy does: a process that ends does not wait for it
    return connection
