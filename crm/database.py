"""The database: SQLite by default, PostgreSQL by URL; transactions, migrations, and types that both store alike."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Connection, DateTime, Dialect, Enum, MetaData, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator, TypeEngine

MIGRATIONS: Final = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS: Final = 10_000
UPGRADE_LOCK: Final = 0x6469_616C  # any constant: one upgrade at a time on a PostgreSQL server's database
NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The root of all mapped classes.

    Values that the database makes are fetched with the statement: an `AsyncSession` cannot load them later by itself.
    """

    metadata = MetaData(naming_convention=NAMING)
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - SQLAlchemy declares it as an instance attribute


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored in UTC. A naive one raises `ValueError`."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime cannot be stored: {value.isoformat()}")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def one_of(values: type[enum.StrEnum], name: str) -> Enum:
    """A text column that holds the values of `values` and, by a CHECK, nothing else."""
    return Enum(
        values,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=24,
        values_callable=lambda members: [member.value for member in members],
    )


def json_column() -> TypeEngine[Any]:
    """JSON text in SQLite, JSONB in PostgreSQL."""
    return JSON().with_variant(JSONB(), "postgresql")


class Database:
    """One database. `url` is `sqlite+aiosqlite:///path` or `postgresql://...`; drivers are chosen here."""

    def __init__(self, url: str) -> None:
        self.url: Final[URL] = _with_driver(make_url(url))
        self.dialect: Final[str] = self.url.get_backend_name()
        if self.dialect == "sqlite":
            # One writing connection: writers of this process queue fairly instead of polling for the file's lock.
            self._writer = _sqlite_engine(self.url, begin="BEGIN IMMEDIATE", query_only=False, pool_size=1)
            self._reader = _sqlite_engine(self.url, begin="BEGIN", query_only=True, pool_size=8)
        else:
            self._writer = create_async_engine(self.url, pool_size=10, max_overflow=10, pool_pre_ping=True)
            self._reader = self._writer.execution_options(postgresql_readonly=True)

    @property
    def engine(self) -> AsyncEngine:
        """The engine that may write."""
        return self._writer

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A write transaction, committed at the end, rolled back on an exception. Keep it short; do not nest."""
        async with AsyncSession(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A transaction that sees one state of the database and cannot change it."""
        async with AsyncSession(self._reader, expire_on_commit=False) as session, session.begin():
            yield session

    async def upgrade(self) -> None:
        """Bring the schema to the newest revision; an empty database gets everything."""
        async with self._writer.begin() as connection:
            if self.dialect == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
            await connection.run_sync(_upgrade)

    async def check(self) -> str | None:
        """What is wrong with this database, in English words, or `None`."""
        try:
            async with self._reader.connect() as connection:
                present = await connection.run_sync(
                    lambda sync: MigrationContext.configure(sync).get_current_revision()
                )
        except (SQLAlchemyError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            return f"the database {self.url.render_as_string()} cannot be opened: {cause}"
        newest = ScriptDirectory.from_config(alembic_config()).get_current_head()
        if present is None:
            return "the database is empty: run `dialer db upgrade`"
        if present != newest:
            return f"the database is at revision {present}, this program needs {newest}: run `dialer db upgrade`"
        return None

    async def dispose(self) -> None:
        """Close all connections. Safe to call twice."""
        await self._writer.dispose()
        if self.dialect == "sqlite":
            await self._reader.dispose()


def alembic_config() -> Config:
    """Alembic's settings, made here: there is no `alembic.ini` to lose."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _upgrade(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _with_driver(url: URL) -> URL:
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    backend = url.get_backend_name() if url.drivername != "postgres" else "postgres"
    if backend not in drivers:
        raise ValueError(f"databases are sqlite and postgresql, not {backend!r}")
    return url.set(drivername=drivers[backend])


def _sqlite_engine(url: URL, *, begin: str, query_only: bool, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=pool_size, max_overflow=0, pool_timeout=30)
    pragmas: Iterable[str] = (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
        *(() if query_only else ("journal_mode=WAL",)),  # a property of the file, set by whoever may write
        "synchronous=FULL",  # NORMAL loses acknowledged transactions in a power cut
        f"query_only={'ON' if query_only else 'OFF'}",
    )

    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # sqlite3 must not begin transactions by itself: we say which kind
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine
