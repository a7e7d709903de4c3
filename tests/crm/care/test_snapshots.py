"""The database half of a backup: what its programs and its emptiness are asked."""

from __future__ import annotations

from pathlib import Path

import pytest

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
