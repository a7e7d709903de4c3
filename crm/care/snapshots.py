"""A copy of the whole database in one file, taken while it is in use, and the way back into an empty database."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import shutil
import sqlite3
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, func, inspect, select, table, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from crm.care.breaking_off import Asked, in_thread
from crm.database import Database
from crm.errors import Conflict, Refused
from crm.office.users import NO_PASSWORD

RowCounts = dict[str, int]
"""Rows of each table, by its name; `alembic_version` is among them."""

_PROGRAMS: Final = Path("/usr/lib/postgresql")
# What of the database is a secret by itself: whoever has it can try passwords at leisure, or sign in to the digest of
# SIP. All else that opens something is closed with the office's key.
_BLANK: Final = {"password_hash": NO_PASSWORD, "headset_ha1_md5": "", "headset_ha1_sha256": ""}
_BLANKED: Final = "users"
_EMPTIED: Final = "web_sessions"
_STEPS: Final = 100_000  # of SQLite's machine, some milliseconds: then it looks whether it is to be broken off


async def take_snapshot(database: Database, target: Path, *, secrets: bool = True) -> RowCounts:
    """Write all that was committed by one moment into the new file `target`; others go on writing meanwhile.

    SQLite gives a database file, PostgreSQL an archive of `pg_dump`. Without `secrets` nobody's password can be found
    out from it, and nobody is signed in; PostgreSQL then has the users in a file beside, `users_file`. Returns the rows
    that are in it. Raises `Refused` when the programs of PostgreSQL are missing or say no. Cancelled it ends at once.
    """
    if database.dialect == "sqlite":
        source = Path(database.url.database or "")
        return await in_thread(lambda asked: _copy_file(source, target, asked, secrets=secrets))
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        # The counts, the users and the archive see the same moment.
        moment = await connection.scalar(text("SELECT pg_export_snapshot()"))
        counts = await connection.run_sync(count_rows)
        without = []
        if not secrets:
            await _write_users(connection, users_file(target))
            counts[_EMPTIED] = 0
            without = [f"--exclude-table-data={name}" for name in (_BLANKED, _EMPTIED)]
        await run_program(
            database.url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges",
            f"--snapshot={moment}", *without, f"--file={target}",
        )  # fmt: skip
        return counts


def users_file(snapshot: Path) -> Path:
    """Where the users are whom an archive of `pg_dump` does not hold, as CSV with a header."""
    return snapshot.with_suffix(".users.csv")


async def _write_users(connection: AsyncConnection, target: Path) -> None:
    columns = await connection.run_sync(lambda sync: [column["name"] for column in inspect(sync).get_columns(_BLANKED)])
    shown = [f"'{_BLANK[name]}' AS {name}" if name in _BLANK else f'"{name}"' for name in columns]
    raw: Any = (await connection.get_raw_connection()).driver_connection
    query = f"SELECT {', '.join(shown)} FROM {_BLANKED} ORDER BY id"  # noqa: S608 - the schema's own names
    await raw.copy_from_query(query, output=str(target), format="csv", header=True)


async def _read_users(database: Database, source: Path) -> None:
    with source.open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file))
    async with database.engine.begin() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        await raw.copy_to_table(_BLANKED, source=str(source), columns=columns, format="csv", header=True)


def _copy_file(source: Path, target: Path, asked: Asked, *, secrets: bool) -> RowCounts:
    connection = sqlite3.connect(source, isolation_level=None)
    connection.set_progress_handler(asked, _STEPS)
    try:
        connection.execute("VACUUM INTO ?", (str(target),))
    finally:
        connection.close()
    if not secrets:
        _blank(target, asked)
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


def _blank(target: Path, asked: Asked) -> None:
    """Take the secrets out of a SQLite file, also from its pages that are free."""
    connection = sqlite3.connect(target, isolation_level=None)
    connection.set_progress_handler(asked, _STEPS)
    try:
        values = ", ".join(f"{name} = ?" for name in _BLANK)
        connection.execute(f"UPDATE {_BLANKED} SET {values}", tuple(_BLANK.values()))  # noqa: S608 - names of ours
        connection.execute(f"DELETE FROM {_EMPTIED}")  # noqa: S608 - likewise
        connection.execute("VACUUM")
    finally:
        connection.close()


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
        await _restore_archive(database, source)
    async with database.engine.connect() as connection:
        return await connection.run_sync(count_rows)


async def _restore_archive(database: Database, source: Path) -> None:
    """In one step, or where the users are in a file beside in three: they come before what refers to them."""
    users = users_file(source)
    steps: list[list[str]] = [[]]
    if users.exists():
        steps = [["--section=pre-data", "--section=data"], ["--section=post-data"]]
    for step in steps:
        await run_program(
            database.url, "pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction",
            *step, f"--dbname={database.url.database}", str(source),
        )  # fmt: skip
        if step and step is steps[0]:
            await _read_users(database, users)


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


async def run_program(url: URL, name: str, *arguments: str) -> None:
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
    process = await asyncio.create_subprocess_exec(
        program, "--no-password", *arguments, env=environ, stdout=DEVNULL, stderr=PIPE
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines() or [str(process.returncode)]
        raise Refused("backup.program_failed", program=name, reason=lines[0])


def find_program(name: str) -> str | None:
    """Where a program of PostgreSQL is: of the newest installed server, else what the shell finds."""
    found = [path for path in _PROGRAMS.glob(f"*/bin/{name}") if path.parts[-3].isdecimal()]
    if found:
        return str(max(found, key=lambda path: int(path.parts[-3])))
    return shutil.which(name)
