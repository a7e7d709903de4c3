"""The database half of a backup: what its programs and its emptiness are asked."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from crm.care import snapshots
from crm.care.snapshots import load_snapshot, take_snapshot
from crm.database import Database
from crm.errors import Conflict, Refused
from tests.databases import Cluster, made_database


async def test_a_database_with_tables_is_not_filled(database: Database, tmp_path: Path) -> None:
    counts = await take_snapshot(database, tmp_path / "snapshot")
    assert (counts["switches"], counts["clients"], counts["alembic_version"]) == (1, 0, 1)
    with pytest.raises(Conflict) as refused:
        await load_snapshot(database, tmp_path / "snapshot")
    assert refused.value.code == "backup.database_not_empty"


async def test_postgresql_without_its_programs_and_with_a_refusal(
    postgresql_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with made_database(postgresql_cluster, "template0") as url:
        database = Database(url)
        (tmp_path / "no archive").write_bytes(b"no archive")
        with pytest.raises(Refused) as refused:
            await load_snapshot(database, tmp_path / "no archive")
        assert (refused.value.code, refused.value.params["program"]) == ("backup.program_failed", "pg_restore")
        monkeypatch.setattr(snapshots, "find_program", lambda name: None)
        with pytest.raises(Refused) as refused:
            await take_snapshot(database, tmp_path / "snapshot")
        assert refused.value.code == "backup.no_program"
        await database.dispose()


async def test_broken_off_the_copy_of_a_file_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = sqlite3.connect(tmp_path / "office.db")
    file.executescript("".join(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY);" for number in range(50)))
    file.close()
    database = Database(f"sqlite:///{tmp_path / 'office.db'}")
    monkeypatch.setattr(snapshots, "_STEPS", 1)
    copying = asyncio.create_task(take_snapshot(database, tmp_path / "snapshot"))
    await asyncio.sleep(0)
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    copy = sqlite3.connect(tmp_path / "snapshot")
    assert copy.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    copy.close()
    await database.dispose()


async def test_broken_off_a_program_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, program = tmp_path / "told", tmp_path / "pg_restore"
    os.mkfifo(told)
    program.write_text(f"#!/bin/sh\necho $$ > '{told}'\nexec sleep 1000\n")
    program.chmod(0o700)
    monkeypatch.setattr(snapshots, "find_program", lambda name: str(program))
    running = asyncio.create_task(snapshots.run_program(make_url("postgresql://nowhere/none"), "pg_restore"))
    process = int(await asyncio.to_thread(told.read_text))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
