"""A copy of the whole database in one file, taken while it is in use, and the way back into an empty database."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, inspect, select, table, text
from sqlalchemy.engine import URL

from crm.database import Database
from crm.errors import Conflict, Refused

RowCounts = dict[str, int]
"""Rows of each table, by its name; `alembic_version` is among them."""

_PROGRAMS: Final = Path("/usr/lib/postgresql")


async def take_snapshot(database: Database, target: Path) -> RowCounts:
    """Write all that was committed by one moment into the new file `target`; others go on writing meanwhile.

    SQLite gives a database file, PostgreSQL an archive of `pg_dump`. Returns the rows that are in it. Raises `Refused`
    when the programs of PostgreSQL are missing or say no.
    """
    if database.dialect == "sqlite":
        return await asyncio.to_thread(_copy_file, Path(database.url.database or ""), target)
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        # The counts and the archive see the same moment.
        moment = await connection.scalar(text("SELECT pg_export_snapshot()"))
        counts = await connection.run_sync(count_rows)
        await _run_program(
            database.url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges",
            f"--snapshot={moment}", f"--file={target}",
        )  # fmt: skip
        return counts


def _copy_file(source: Path, target: Path) -> RowCounts:
    connection = sqlite3.connect(source, isolation_level=None)
    try:
        connection.execute("VACUUM INTO ?", (str(target),))
    finally:
        connection.close()
    copy = sqlite3.connect(f"file:{target}?mode=ro", uri=True)
    try:
        names = [name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: copy.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608 - the schema's own names
            for name in sorted(names)
            if not name.startswith("sqlite_")
        }
    finally:
        copy.close()


def count_rows(connection: Connection) -> RowCounts:
    """The rows of every table that this connection sees."""
    counts: RowCounts = {}
    for name in sorted(inspect(connection).get_table_names()):
        counts[name] = connection.scalar(select(func.count()).select_from(table(name))) or 0
    return counts


async def load_snapshot(database: Database, source: Path) -> RowCounts:
    """Fill an empty database from a file of `take_snapshot` of the same kind; returns the rows that are there then.
    Raises `Conflict` when there are tables already, `Refused` as `take_snapshot` does."""
    await assert_empty(database)
    if database.dialect == "sqlite":
        path = Path(database.url.database or "")
        await database.dispose()  # a file that was looked at may have left its companions
        for companion in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            companion.unlink(missing_ok=True)
        await asyncio.to_thread(_place, source, path)
    else:
        await _run_program(
            database.url, "pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction",
            f"--dbname={database.url.database}", str(source),
        )  # fmt: skip
    async with database.engine.connect() as connection:
        return await connection.run_sync(count_rows)


def _place(source: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with source.open("rb") as content:
            shutil.copyfileobj(content, file)
        file.flush()
        os.fsync(file.fileno())


async def assert_empty(database: Database) -> None:
    """Raises `Conflict` unless the database has no tables, or is a file that does not exist yet."""
    if database.dialect == "sqlite" and not os.path.exists(database.url.database or ""):  # noqa: ASYNC240 - one look
        return
    async with database.engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    if names:
        raise Conflict("backup.database_not_empty")


async def _run_program(url: URL, name: str, *arguments: str) -> None:
    """A program of PostgreSQL against this database; the password goes by the environment, where no list of processes
    shows it."""
    program = find_program(name)
    if program is None:
        raise Refused("backup.no_program", program=name)
    host = url.host or url.query.get("host") or ""
    known = {
        "PGHOST": host if isinstance(host, str) else host[0],
        "PGPORT": str(url.port or ""),
        "PGUSER": url.username or "",
        "PGPASSWORD": url.password or "",
        "PGDATABASE": url.database or "",
    }
    environ = {**os.environ, **{key: value for key, value in known.items() if value}}
    run = await asyncio.to_thread(_run, [program, "--no-password", *arguments], environ)
    if run.returncode:
        lines = run.stderr.strip().splitlines() or [str(run.returncode)]
        raise Refused("backup.program_failed", program=name, reason=lines[0])


def _run(command: Sequence[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def find_program(name: str) -> str | None:
    """Where a program of PostgreSQL is: of the newest installed server, else what the shell finds."""
    found = [path for path in _PROGRAMS.glob(f"*/bin/{name}") if path.parts[-3].isdecimal()]
    if found:
        return str(max(found, key=lambda path: int(path.parts[-3])))
    return shutil.which(name)
