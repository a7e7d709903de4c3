"""The lock that keeps a second service off a database. The system frees it when the process dies."""

from __future__ import annotations

import fcntl
import os
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import String, Text, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column

from crm.errors import AnotherServiceRuns
from crm.mapping import Base, UtcDateTime

if TYPE_CHECKING:
    from crm.database import Database

_NAMESPACE: Final = 0x646C  # tells our advisory locks from those of other programs on the same server
_FIRST: Final = "first"
# Locks of two numbers have objsubid 2 (PostgreSQL, "pg_locks").
_HELD: Final = text(
    "SELECT CAST(objid AS bigint) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    " AND CAST(classid AS bigint) = :namespace"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class ServiceNode(Base):
    """The service that last took the lock of this name, to be named to whoever is refused."""

    __tablename__ = "service_nodes"

    lock_name: Mapped[str] = mapped_column(String(80), primary_key=True)
    node: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ServiceLock(Protocol):
    """A lock that is held until `release`, or until the process ends."""

    async def keep(self) -> bool:
        """To be called now and then: takes the lock again if it was lost. `False` when another service has it; raises
        what the database raises while it is away."""
        ...

    async def release(self) -> None:
        """Let another service begin. Safe to call twice."""
        ...


class FileLock:
    """Of a file beside an SQLite database. `None`: a database that nobody else can open."""

    def __init__(self, file: int | None) -> None:
        self._file = file

    async def keep(self) -> bool:
        return True  # the system takes it from no living process

    async def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class AdvisoryLock:
    """Of PostgreSQL, held by a connection; it goes when the connection does."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._connection: AsyncConnection | None = None

    async def take(self) -> bool:
        connection = await self._database.engine.connect()
        taken = await connection.scalar(
            text("SELECT pg_try_advisory_lock(:namespace, :name)"),
            {"namespace": _NAMESPACE, "name": _number(self._name)},
        )
        await connection.commit()
        if taken:
            self._connection = connection
        else:
            await connection.close()
        return bool(taken)

    async def keep(self) -> bool:
        if self._connection is not None:
            try:
                await self._connection.scalar(text("SELECT 1"))
                await self._connection.commit()
            except DBAPIError:
                await self.release()
        return self._connection is not None or await self.take()

    async def release(self) -> None:
        if self._connection is not None:
            # The pool would keep the connection, and the lock with it.
            await self._connection.invalidate()
            await self._connection.close()
            self._connection = None


async def acquire(database: Database, *, node: str, further_node: bool, now: datetime) -> ServiceLock:
    """Take the lock: one for the first service of a database, one for each further node by its name; then bring the
    tables up to date. Raises `AnotherServiceRuns`."""
    name = _name(node, further_node=further_node)
    lock = _file_lock(database, name) if database.dialect == "sqlite" else await _advisory_lock(database, name)
    if lock is None:
        raise await _who_runs(database, name)
    # Only whoever holds the lock may change the tables, and the first service ever finds none.
    await database.upgrade()
    async with database.transaction() as session:
        await session.merge(ServiceNode(lock_name=name, node=node, started_at=now))
    return lock


async def holder(database: Database, *, node: str, further_node: bool) -> ServiceNode | None:
    """The service for which `acquire` would be refused now, or `None`. For a moment only an SQLite lock is taken to
    find out: a service that starts in just that moment is refused."""
    name = _name(node, further_node=further_node)
    if database.dialect == "sqlite":
        lock = _file_lock(database, name, create=False)
        if lock is not None:
            await lock.release()
            return None
    async with database.reading() as session:
        known = await session.get(ServiceNode, name)
        if database.dialect == "postgresql":
            held = set(await session.scalars(_HELD, {"namespace": _NAMESPACE}))
            return known if _number(name) in held else None
    return known


async def running_nodes(database: Database) -> frozenset[str]:
    """The services that hold a lock of this database now, by name. Empty with SQLite, which only one can use."""
    if database.dialect == "sqlite":
        return frozenset()
    async with database.reading() as session:
        nodes = list(await session.scalars(select(ServiceNode)))
        held = set(await session.scalars(_HELD, {"namespace": _NAMESPACE}))
    return frozenset(each.node for each in nodes if _number(each.lock_name) in held)


def _name(node: str, *, further_node: bool) -> str:
    return f"node:{node}" if further_node else _FIRST


def _file_lock(database: Database, name: str, *, create: bool = True) -> ServiceLock | None:
    if not database.url.database or database.url.database == ":memory:":
        return FileLock(None)
    suffix = "" if name == _FIRST else f"-{zlib.crc32(name.encode()):08x}"
    path = f"{database.url.database}.service{suffix}.lock"
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
    except FileNotFoundError:
        return FileLock(None)  # no service has ever used this database
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return FileLock(file)


async def _advisory_lock(database: Database, name: str) -> ServiceLock | None:
    lock = AdvisoryLock(database, name)
    return lock if await lock.take() else None


def _number(lock_name: str) -> int:
    return zlib.crc32(lock_name.encode()) & 0x7FFF_FFFF


async def _who_runs(database: Database, name: str) -> AnotherServiceRuns:
    async with database.reading() as session:
        holder = await session.get(ServiceNode, name)
    return AnotherServiceRuns(
        node=holder.node if holder else "?", since=holder.started_at.strftime("%Y-%m-%d %H:%M UTC") if holder else "?"
    )
