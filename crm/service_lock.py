"""The lock that keeps a second service off a database. The operating system frees it when the process dies."""

from __future__ import annotations

import fcntl
import os
import zlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import String, Text, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column

from crm.errors import AnotherServiceRuns
from crm.mapping import Base, UtcDateTime

if TYPE_CHECKING:
    from crm.database import Database

_NAMESPACE: Final = 0x646C  # tells our advisory locks from those of other programs on the same server
_FIRST: Final = "first"


class ServiceNode(Base):
    """The service that last took the lock of this name, to be named to whoever is refused."""

    __tablename__ = "service_nodes"

    lock_name: Mapped[str] = mapped_column(String(80), primary_key=True)
    node: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ServiceLock:
    """A lock that is held until `release`, or until the process ends."""

    def __init__(self, *, file: int | None = None, connection: AsyncConnection | None = None) -> None:
        self._file = file
        self._connection = connection

    async def release(self) -> None:
        """Let another service begin. Safe to call twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._connection is not None:
            # The pool would keep the connection, and the lock with it.
            await self._connection.invalidate()
            await self._connection.close()
            self._connection = None


async def acquire(database: Database, *, node: str, further_node: bool, now: datetime) -> ServiceLock:
    """Take the lock: one for the first service of a database, one for each further node by its name; then bring the
    tables up to date. Raises `AnotherServiceRuns`."""
    name = f"node:{node}" if further_node else _FIRST
    lock = _file_lock(database, name) if database.dialect == "sqlite" else await _advisory_lock(database, name)
    if lock is None:
        raise await _who_runs(database, name)
    # Only whoever holds the lock may change the tables, and the first service ever finds none.
    await database.upgrade()
    async with database.transaction() as session:
        await session.merge(ServiceNode(lock_name=name, node=node, started_at=now))
    return lock


def _file_lock(database: Database, name: str) -> ServiceLock | None:
    if not database.url.database or database.url.database == ":memory:":
        return ServiceLock()  # nobody else can open it
    suffix = "" if name == _FIRST else f"-{zlib.crc32(name.encode()):08x}"
    path = Path(f"{database.url.database}.service{suffix}.lock")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return ServiceLock(file=file)


async def _advisory_lock(database: Database, name: str) -> ServiceLock | None:
    connection = await database.engine.connect()
    taken = await connection.scalar(
        text("SELECT pg_try_advisory_lock(:namespace, :name)"),
        {"namespace": _NAMESPACE, "name": zlib.crc32(name.encode()) & 0x7FFF_FFFF},
    )
    await connection.commit()
    if not taken:
        await connection.close()
        return None
    return ServiceLock(connection=connection)


async def _who_runs(database: Database, name: str) -> AnotherServiceRuns:
    async with database.reading() as session:
        holder = await session.get(ServiceNode, name)
    return AnotherServiceRuns(
        node=holder.node if holder else "?", since=holder.started_at.strftime("%Y-%m-%d %H:%M UTC") if holder else "?"
    )
