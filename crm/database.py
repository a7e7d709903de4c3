"""The database: SQLite by default, PostgreSQL by URL; transactions, migrations, and types that both store alike."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

import crm.schema  # noqa: F401 - whoever opens a database has every class mapped
from crm import sqlite_driver, transitions
from crm.base import search_index
from crm.errors import Conflict, Finding
from crm.mapping import Base, UtcDateTime
from crm.migrations.versions import NEWEST
from crm.office.headset_keys import OFFICE_KEY
from crm.service_lock import ServiceLock, ServiceNode, acquire, holder, running_nodes

__all__ = ["Base", "Database", "ServiceLock", "UtcDateTime", "was_overtaken"]

T = TypeVar("T")

BUSY_TIMEOUT_MS: Final = 10_000
WRITER_CACHE_KB: Final = 64_000
READER_CACHE_KB: Final = 16_000
MOST_TRIES: Final = 4  # of what others have overtaken
_OVERTAKEN: Final = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
UPGRADE_LOCK: Final = 0x6469_616C  # any constant: one upgrade at a time on a PostgreSQL server's database


class Database:
    """One database. `url` is `sqlite+aiosqlite:///path` or `postgresql://...`; drivers are chosen here.
    `office_key`, where there is one, is for what is kept unreadable to others."""

    def __init__(self, url: str, office_key: bytes = b"") -> None:
        self._info: Final = {OFFICE_KEY: office_key}
        self.url: Final[URL] = _with_driver(make_url(url))
        self.dialect: Final[str] = self.url.get_backend_name()
        self._writer: AsyncEngine
        self._reader: AsyncEngine
        if self.dialect == "sqlite":
            # One writing connection: writers of this process queue fairly instead of polling for the file's lock.
            self._writer = _sqlite_engine(self.url, begin="BEGIN IMMEDIATE", query_only=False, pool_size=1)
            self._reader = _sqlite_engine(self.url, begin="BEGIN", query_only=True, pool_size=8)
        else:
            self._writer = create_async_engine(
                self.url, pool_size=10, max_overflow=10, pool_pre_ping=True, hide_parameters=True,
                connect_args={"server_settings": {"jit": "off"}},  # compiling takes longer than any of our queries
            )  # fmt: skip
            self._reader = self._writer.execution_options(postgresql_readonly=True)

    @property
    def office_key(self) -> bytes:
        """The office's key, b"" where there is none."""
        return self._info[OFFICE_KEY]

    @property
    def engine(self) -> AsyncEngine:
        """The engine that may write."""
        return self._writer

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A write transaction, committed at the end, rolled back on an exception. State changes that were noted in it
        are logged once they are committed. Keep it short; do not nest."""
        async with AsyncSession(self._writer, expire_on_commit=False, info=self._info) as session:
            async with session.begin():
                yield session
                await search_index.refresh(session)
            transitions.tell(session)

    async def carry_out(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """What `work` comes to in a `transaction`. Where PostgreSQL ends it in favour of another one (each waits for
        what the other holds) it is begun anew, a few times: so `work` has no effects outside of the database, and reads
        in it whatever it decides by. Raises `Conflict` when it was overtaken each time."""
        for _ in range(MOST_TRIES):
            try:
                async with self.transaction() as session:
                    return await work(session)
            except DBAPIError as error:
                if not was_overtaken(error):
                    raise
        raise Conflict("database.overtaken")

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A transaction that sees one state of the database and cannot change it. It ends with the session, whose
        closing goes on when the task is cancelled meanwhile: a page that goes away leaves no broken connection."""
        async with AsyncSession(self._reader, expire_on_commit=False, info=self._info) as session:
            yield session

    async def upgrade(self) -> None:
        """Bring the schema to the newest revision; an empty database gets everything."""
        async with self._writer.begin() as connection:
            if self.dialect == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
            await connection.run_sync(_upgrade)

    def free_bytes(self) -> int | None:
        """Bytes that can still be written on the disk of a SQLite file; `None` where there is no such file. The room of
        a server is the server's affair."""
        if self.dialect != "sqlite" or not self.url.database:
            return None
        try:
            return shutil.disk_usage(Path(self.url.database).parent).free
        except FileNotFoundError:
            return None

    async def check(self) -> Finding | None:
        """What is wrong with this database, or `None`."""
        folder = Path(self.url.database or ".").parent
        if self.dialect == "sqlite" and not folder.is_dir():
            return Finding("database.no_folder", url=self.url.render_as_string(), folder=folder)
        try:
            async with self._reader.connect() as connection:
                present = await connection.run_sync(_revision)
        except (SQLAlchemyError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            return Finding("database.not_opened", url=self.url.render_as_string(), reason=str(cause))
        if present is None:
            return Finding("database.is_empty")
        if present != NEWEST:
            return Finding("database.other_revision", present=present, newest=NEWEST)
        return None

    async def acquire_service(self, *, node: str, further_node: bool, now: datetime) -> ServiceLock:
        """The right to be the service of this database, or a further node of it. Raises `AnotherServiceRuns`."""
        return await acquire(self, node=node, further_node=further_node, now=now)

    async def running_service(self, *, node: str, further_node: bool) -> ServiceNode | None:
        """The service that has the right to this database now, if there is one. The tables must be there."""
        return await holder(self, node=node, further_node=further_node)

    async def running_nodes(self) -> frozenset[str]:
        """The services that use this PostgreSQL database now, by name; empty with SQLite."""
        return await running_nodes(self)

    async def dispose(self) -> None:
        """Close all connections. Safe to call twice."""
        await self._writer.dispose()
        if self.dialect == "sqlite":
            await self._reader.dispose()


def was_overtaken(error: BaseException) -> bool:
    """Whether PostgreSQL has ended the transaction in favour of another one: nothing of it was done."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", "") in _OVERTAKEN


def _revision(connection: Connection) -> str | None:
    """That of the tables, `None` where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _upgrade(connection: Connection) -> None:
    if _revision(connection) != NEWEST:
        from crm.migrations.chain import upgrade

        upgrade(connection)


def _with_driver(url: URL) -> URL:
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    backend = url.get_backend_name() if url.drivername != "postgres" else "postgres"
    if backend not in drivers:
        raise ValueError(f"databases are sqlite and postgresql, not {backend!r}")
    return url.set(drivername=drivers[backend])


def _sqlite_engine(url: URL, *, begin: str, query_only: bool, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        url, pool_size=pool_size, max_overflow=0, pool_timeout=30, hide_parameters=True,
        connect_args={"async_creator_fn": sqlite_driver.connect},
    )  # fmt: skip
    pragmas: Iterable[str] = (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
        *(() if query_only else ("journal_mode=WAL",)),  # a property of the file, set by whoever may write
        "synchronous=FULL",  # NORMAL loses acknowledged transactions in a power cut
        f"query_only={'ON' if query_only else 'OFF'}",
        # Of 2 MB that SQLite takes by itself an import of many rows, and a page of a large base, read the same again.
        f"cache_size=-{READER_CACHE_KB if query_only else WRITER_CACHE_KB}",
    )

    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # sqlite3 must not begin transactions by itself: we say which kind
        cursor = connection.cursor()
        try:
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()  # the pool would forget it, with its thread
            raise
        cursor.close()

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine
