"""The administrator's page of backups: begun, watched, listed; and what is not sealed yet."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from config.settings import load_settings
from crm.audit import SEALING_BEGUN, AuditEntry
from crm.calls.recording_facts import give_key
from crm.database import Database
from crm.errors import Refused
from crm.wrap_up.outcomes import OutcomeForm
from dialer import backup
from dialer.backup import read_manifest
from dialer.backup_lock import nobody_copies
from dialer.upkeep import Upkeep
from recordings.sealing import is_sealed, new_wrapped_key
from recordings.store import LocalStore
from tests.dialer.console.conftest import Browser, Clock, SignIn
from tests.dialer.console.seed import NOW, Office, seed_call, seed_recording


@pytest.fixture
def settings_file(database_url: str, tmp_path: Path) -> Path:
    (tmp_path / "data" / "materials").mkdir(parents=True)
    (tmp_path / "data" / "materials" / "offer.pdf").write_bytes(b"%PDF-1.7 an offer")
    file = tmp_path / "dialer.toml"
    file.write_text(f'[database]\nurl = "{database_url}"\n[recordings]\nfolder = "recordings"\n')
    return file


@pytest.fixture
def upkeep(database: Database, store: LocalStore, settings_file: Path, clock: Clock) -> Upkeep:
    return Upkeep(database, store, load_settings(settings_file, {}), settings_file, clock)


@pytest.fixture
async def admin(signed_in: SignIn) -> Browser:
    return await signed_in("admin")


async def test_a_backup_is_made_and_listed(
    admin: Browser, upkeep: Upkeep, office: Office, database: Database, tmp_path: Path
) -> None:
    page = await admin.text("/backups")
    assert "Здесь пока нет ни одной копии." in page
    assert "командой dialer restore" in page
    assert (await admin.post_form("/backups")).status == 303
    await upkeep.ended()
    kept = tmp_path / "backups" / "dialer-2026-05-14-110200"
    assert not read_manifest(kept).secrets, "unless they are asked for"
    assert (await admin.post_form("/backups", name="весна", secrets="yes")).status == 303
    await upkeep.ended()
    assert read_manifest(tmp_path / "backups" / "весна").secrets
    page = await admin.text("/backups")
    assert "Резервная копия весна: готово." in page
    assert page.count("14 мая 2026, 11:02") == 2
    assert page.count("<td>с ними</td>") == page.count("<td>без них</td>") == 1
    for name, told in (
        ("весна", "уже есть"),
        ("../весна", "Назовите копию"),
        ("a.unfinished", "Назовите копию"),
        ("a" * 81, "Назовите копию"),
    ):
        answer = await admin.post_form("/backups", name=name)
        assert answer.status == 422
        assert told in await answer.text()
    async with database.reading() as session:
        noted = select(AuditEntry).where(AuditEntry.action.startswith("backup.")).order_by(AuditEntry.id)
        entries = list(await session.scalars(noted))
    assert [entry.action for entry in entries] == ["backup.begun", "backup.made"] * 2
    assert {entry.user_id for entry in entries} == {office.users["admin"]}
    assert entries[3].details["folder"] == str(tmp_path / "backups" / "весна")


async def test_one_that_is_under_way_is_shown_and_broken_off_when_the_service_stops(
    admin: Browser, upkeep: Upkeep, tmp_path: Path
) -> None:
    with nobody_copies(tmp_path / "data"):
        assert (await admin.post_form("/backups", name="первая")).status == 303
        page = await admin.text("/backups")
        assert "Резервная копия первая: идёт, сделано 0." in page
        assert 'http-equiv="refresh"' in page
        assert (await admin.post_form("/backups", name="вторая")).status == 409
        assert (await admin.post_form("/recordings/seal")).status == 409
        upkeep.break_off()
    await upkeep.ended()
    assert "не закончена" in await admin.text("/backups")
    assert not (tmp_path / "backups" / "первая").exists()


async def test_why_one_failed_is_told(admin: Browser, upkeep: Upkeep, tmp_path: Path) -> None:
    (tmp_path / "backups").touch()
    assert (await admin.post_form("/backups", name="первая")).status == 303
    await upkeep.ended()
    page = await admin.text("/backups")
    assert "Резервная копия первая: не получилось. часть пути — не папка" in page
    assert 'role="alert"' in page


async def test_what_the_database_lacks_is_told_in_the_language_of_the_page(
    admin: Browser, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_arguments: object, **_named: object) -> None:
        raise Refused("backup.no_program", program="pg_dump")

    monkeypatch.setattr(backup, "take_snapshot", refused)
    assert (await admin.post_form("/backups", name="первая")).status == 303
    await upkeep.ended()
    told = "Резервная копия первая: не получилось. Программа pg_dump не установлена; она нужна для базы PostgreSQL"
    assert told in await admin.text("/backups")


async def test_a_database_that_cannot_be_written_is_told_without_its_statements(
    admin: Browser, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_arguments: object, **_named: object) -> None:
        raise OperationalError("INSERT INTO audit", {}, Exception("database or disk is full"))

    monkeypatch.setattr(backup, "take_snapshot", full)
    assert (await admin.post_form("/backups", name="первая")).status == 303
    await upkeep.ended()
    told = "Резервная копия первая: не получилось. Работать с базой данных нельзя: её диск заполнен."
    assert told in await admin.text("/backups")


async def test_older_recordings_are_counted_and_sealed(
    admin: Browser, upkeep: Upkeep, office: Office, database: Database, store: LocalStore
) -> None:
    at = NOW - timedelta(hours=1)
    call = await seed_call(database, office, client=3, at=at, form=OutcomeForm(disposition="no_contact"))
    path = await seed_recording(database, store, call, at)
    assert "1 запись сделана до появления ключей." in await admin.text("/backups")
    assert (await admin.post_form("/recordings/seal")).status == 303
    await upkeep.ended()
    assert is_sealed(path)
    page = await admin.text("/backups")
    assert "Шифрование записей: зашифровано 1, на других машинах 0, оставлено как есть 0" in page
    assert "0 записей сделано до появления ключей." in page
    async with database.reading() as session:
        (entry,) = await session.scalars(select(AuditEntry).where(AuditEntry.action == SEALING_BEGUN))
    assert entry.user_id == office.users["admin"]


async def test_none_is_sealed_with_a_key_that_was_made_anew(
    admin: Browser, upkeep: Upkeep, office: Office, database: Database, store: LocalStore
) -> None:
    at = NOW - timedelta(hours=1)
    call = await seed_call(database, office, client=3, at=at, form=OutcomeForm(disposition="no_contact"))
    path = await seed_recording(database, store, call, at)
    async with database.transaction() as session:
        await give_key(session, recording_id=1, wrapped_key=new_wrapped_key(b"that was lost", call))
    assert (await admin.post_form("/recordings/seal")).status == 303
    await upkeep.ended()
    assert not is_sealed(path)
    told = "не получилось. Ключа офиса нет, или это другой ключ. Верните файл на место; ничего не зашифровано."
    assert told in await admin.text("/backups")
    async with database.reading() as session:
        assert not list(await session.scalars(select(AuditEntry).where(AuditEntry.action == SEALING_BEGUN)))
