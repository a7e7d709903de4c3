"""A backup taken while others write, and what comes back from it: row by row, file by file."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, select, table, text

from config.settings import Settings, load_settings
from crm import audit
from crm.base.organisations import add_organisation
from crm.database import Database
from crm.errors import Conflict
from crm.office.users import NO_PASSWORD, Role, add_user, authenticate, get_user
from crm.office.web_sessions import start_session
from dialer import backup
from dialer.upkeep_errors import BackupError
from tests.crm.builders import HASH, NOON, build_world
from tests.databases import Cluster, made_database

FILES = {
    "recordings/2026/11/23/0123456789abcdef0123456789abcdef.wav": b"RIFF" + bytes(range(256)) * 40,
    "materials/offer.pdf": b"%PDF-1.7 an offer",
    "office.key": b"secret of the office",
}
MADE = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)

Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def settings_file(database_url: str, tmp_path: Path) -> Path:
    file = tmp_path / "office" / "dialer.toml"
    for place, content in FILES.items():
        path = tmp_path / "office" / "data" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    line = '[trunk]\nhost = "127.0.0.1"\nuser = "office"\npassword = "of the line"\n'
    file.write_text(f'[database]\nurl = "{database_url}"\n{line}')
    return file


@pytest.fixture
async def empty_place(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Path]:
    """An empty machine: a folder, with settings that name an empty database."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        url = "sqlite:///new.db"
        if database_kind == "postgresql":
            cluster: Cluster = request.getfixturevalue("postgresql_cluster")
            url = await stack.enter_async_context(made_database(cluster, "template0"))
        (folder / "dialer.toml").write_text(f'[database]\nurl = "{url}"\n')
        yield folder


async def rows_of(database: Database) -> Rows:
    async with database.engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        found = {name: await connection.execute(select(text("*")).select_from(table(name))) for name in names}
        return {name: sorted((tuple(row) for row in rows), key=repr) for name, rows in found.items()}


def files_under(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(("new.db", "test.db"))
    }


async def write_pairs(database: Database, written: asyncio.Event) -> None:
    """Until it is cancelled: in one transaction an organisation and its audit entry, again and again."""
    number = 0
    while True:
        number += 1
        async with database.transaction() as session:
            await add_organisation(session, name=f"Фирма {number}", now=NOON)
            audit.note(session, at=NOON, user_id=None, action="test.pair", subject=f"pair:{number}")
        written.set()


async def make(settings: Settings, database: Database, file: Path, target: Path, *, secrets: bool = True) -> None:
    await backup.back_up(settings, database, target, settings_file=file, secrets=secrets, now=MADE)


def add_to_manifest(kept: Path, place: str, content: bytes) -> None:
    """As whoever made the backup could: the file is named in its manifest, with its digest."""
    manifest = json.loads((kept / "manifest.json").read_text())
    manifest["files"] = [each for each in manifest["files"] if each["path"] != place]
    digest = hashlib.sha256(content).hexdigest()
    manifest["files"].append({"path": place, "size": len(content), "sha256": digest})
    (kept / "manifest.json").write_text(json.dumps(manifest))


async def restored_rows(folder: Path, target: Path) -> Rows:
    settings, _manifest = await backup.restore(target, folder, {})
    restored = Database(settings.database_url)
    try:
        return await rows_of(restored)
    finally:
        await restored.dispose()


async def test_everything_comes_back_row_by_row_and_file_by_file(
    database: Database, settings_file: Path, empty_place: Path, tmp_path: Path
) -> None:
    world = await build_world(database)
    operator = await world.operator()
    await world.call(await world.client("Северный ветер"), operator)
    settings = load_settings(settings_file, {})
    await make(settings, database, settings_file, tmp_path / "kept")
    assert await restored_rows(empty_place, tmp_path / "kept") == await rows_of(database)
    assert files_under(empty_place / "data") == FILES


async def test_a_backup_is_of_one_moment_while_others_write(
    database: Database, settings_file: Path, empty_place: Path, tmp_path: Path
) -> None:
    written = asyncio.Event()
    writer = asyncio.create_task(write_pairs(database, written))
    await written.wait()
    settings = load_settings(settings_file, {})
    await make(settings, database, settings_file, tmp_path / "kept")
    writer.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writer
    then, later = await restored_rows(empty_place, tmp_path / "kept"), await rows_of(database)
    assert 0 < len(then["organisations"]) == len(then["audit_entries"])
    for name, rows in then.items():
        if name.startswith("search_"):
            continue  # the index is rewritten as it grows
        assert set(map(repr, rows)) <= set(map(repr, later[name])), name


async def test_without_secrets_no_password_and_no_key_is_kept(
    database: Database, settings_file: Path, tmp_path: Path
) -> None:
    await make(load_settings(settings_file, {}), database, settings_file, tmp_path / "kept", secrets=False)
    kept = (tmp_path / "kept" / "dialer.toml").read_text()
    assert 'password = ""' in kept
    assert 'user = "office"' in kept
    assert not list((tmp_path / "kept").rglob("*.key"))


async def test_without_secrets_nobodys_password_can_be_found_out(
    database: Database, settings_file: Path, empty_place: Path, tmp_path: Path
) -> None:
    """The hash of the sign-in's is gone, and what SIP knows of a headset's; all else comes back."""
    world = await build_world(database)
    operator = await world.operator()
    await world.call(await world.client("Северный ветер"), operator)
    async with database.transaction() as session:
        user = await get_user(session, operator)
        user.headset, user.headset_ha1_md5, user.headset_ha1_sha256 = "anna", "5" * 32, "6" * 64
        user.headset_sealed = "closed with the key"
        user.name = 'Анна "Ан", ИП\n'
        await start_session(session, user_id=operator, now=MADE, lifetime=timedelta(hours=1))
    settings = load_settings(settings_file, {})
    await make(settings, database, settings_file, tmp_path / "kept", secrets=False)
    for content in files_under(tmp_path / "kept").values():
        for secret in (HASH, "5" * 32, "6" * 64):
            assert secret.encode() not in content
    then, now = await restored_rows(empty_place, tmp_path / "kept"), await rows_of(database)
    assert then.pop("web_sessions") == []
    assert len(now.pop("web_sessions")) == 1
    (restored,), (stored,) = then.pop("users"), now.pop("users")
    blanked = {HASH: NO_PASSWORD, "5" * 32: "", "6" * 64: ""}
    assert restored == tuple(blanked.get(value, value) if isinstance(value, str) else value for value in stored)
    assert then == now
    reopened = Database(load_settings(empty_place / "dialer.toml", {}).database_url)
    try:
        async with reopened.transaction() as session:
            assert await authenticate(session, login=user.login, password="", now=MADE) is None
            another = await add_user(
                session, login="new", name="Новая", role=Role.OPERATOR, password="correct horse", now=MADE
            )
            assert another.id > operator
    finally:
        await reopened.dispose()


async def test_without_secrets_only_what_is_known_to_be_none_is_copied(
    database: Database, settings_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "office" / "data"
    for place in ("privkey.pem", "office.key.bak", "recordings/notes.txt", "certificates/office.pem"):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text("secret")
    (folder / "materials" / "link").symlink_to(folder / "privkey.pem")
    await make(load_settings(settings_file, {}), database, settings_file, tmp_path / "kept", secrets=False)
    kept = {
        place.removeprefix("files/")
        for place in files_under(tmp_path / "kept")
        if place.startswith(("files/", "recordings/"))
    }
    assert kept == set(FILES) - {"office.key"}


class TestRefusals:
    async def test_a_target_that_is_not_empty(
        self, database: Database, settings_file: Path, empty_place: Path, tmp_path: Path
    ) -> None:
        settings = load_settings(settings_file, {})
        await make(settings, database, settings_file, tmp_path / "kept")
        occupied = tmp_path / "office"
        with pytest.raises(Conflict) as refused:
            await backup.restore(tmp_path / "kept", occupied, {})
        assert refused.value.code == "backup.database_not_empty"
        recording = empty_place / "data" / "recordings" / "x.wav"
        recording.parent.mkdir(parents=True)
        recording.touch()
        with pytest.raises(BackupError) as full:
            await backup.restore(tmp_path / "kept", empty_place, {})
        assert full.value.reason.code == "backup.folder_not_empty"

    @pytest.mark.parametrize("harm", ["changed", "missing"])
    async def test_a_damaged_backup(
        self, database: Database, settings_file: Path, empty_place: Path, tmp_path: Path, harm: str
    ) -> None:
        await make(load_settings(settings_file, {}), database, settings_file, tmp_path / "kept")
        victim = tmp_path / "kept" / "files" / "materials" / "offer.pdf"
        if harm == "missing":
            victim.unlink()
        else:
            victim.write_bytes(victim.read_bytes().replace(b"offer", b"OFFER"))
        before = files_under(empty_place)
        with pytest.raises(BackupError) as refused:
            await backup.restore(tmp_path / "kept", empty_place, {})
        assert refused.value.reason.code == "backup.damaged"
        assert files_under(empty_place) == before

    @pytest.mark.parametrize("way", ["dots", "link", "absolute"])
    async def test_a_backup_that_would_write_elsewhere(
        self, database: Database, settings_file: Path, empty_place: Path, tmp_path: Path, way: str
    ) -> None:
        await make(load_settings(settings_file, {}), database, settings_file, tmp_path / "kept")
        kept, outside = tmp_path / "kept", tmp_path / "outside" / "evil"
        (kept / "a" / "b" / "c").mkdir(parents=True)
        (kept / "files" / "x").symlink_to("../a/b/c", target_is_directory=True)
        place, real = {  # by the link the steps up end in the backup, without it out of the office
            "dots": ("files/x/../../../outside/evil", kept / "outside" / "evil"),
            "link": ("files/x/evil", kept / "a" / "b" / "c" / "evil"),
            "absolute": (f"files/{outside}", kept / "files" / outside.relative_to("/")),
        }[way]
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_bytes(b"evil")
        add_to_manifest(kept, place, b"evil")
        before = files_under(empty_place)
        with pytest.raises(BackupError) as refused:
            await backup.restore(tmp_path / "kept", empty_place, {})
        assert refused.value.reason.code == "backup.outside"
        assert files_under(empty_place) == before
        assert not outside.exists()

    @pytest.mark.parametrize(
        ("line", "keys"),
        [
            ('[service]\ndata_dir = "{}"\n', "[service] data_dir"),
            ('[recordings]\nfolder = "{}"\n', "[recordings] folder"),
            (
                '[service]\ndata_dir = "{0}"\n[backups]\nfolder = "{0}-backups"\n',
                "[service] data_dir, [backups] folder",
            ),
        ],
    )
    async def test_a_backup_whose_settings_lead_elsewhere_says_what_to_take_out_of_them(
        self, database: Database, settings_file: Path, tmp_path: Path, line: str, keys: str
    ) -> None:
        await make(load_settings(settings_file, {}), database, settings_file, tmp_path / "kept")
        text = line.format(tmp_path / "outside").encode()
        (tmp_path / "kept" / "dialer.toml").write_bytes(text)
        add_to_manifest(tmp_path / "kept", "dialer.toml", text)
        told: Mapping[str, object] = {}
        for _twice in range(2):
            with pytest.raises(BackupError) as refused:
                await backup.restore(tmp_path / "kept", tmp_path / "target", {})
            assert refused.value.reason.code == "backup.settings_outside"
            told = refused.value.reason.params
        assert files_under(tmp_path / "target") == {}
        assert told["keys"] == keys
        assert told["file"] == str(tmp_path / "kept" / "dialer.toml")
        left = [row for row in text.decode().splitlines() if row.partition(" ")[0] not in ("data_dir", "folder")]
        (tmp_path / "target" / "dialer.toml").write_text("\n".join(left))
        settings = load_settings(tmp_path / "target" / "dialer.toml", {})
        for folder in (settings.data_dir, settings.recordings_dir, settings.backups_dir):
            assert folder.is_relative_to(tmp_path / "target")
        assert not (tmp_path / "outside").exists()

    async def test_a_folder_that_is_there_or_inside(
        self, database: Database, settings_file: Path, tmp_path: Path
    ) -> None:
        settings = load_settings(settings_file, {})
        with pytest.raises(BackupError) as refused:
            await make(settings, database, settings_file, tmp_path / "office")
        assert refused.value.reason.code == "backup.exists"
        with pytest.raises(BackupError) as refused:
            await make(settings, database, settings_file, settings.data_dir / "kept")
        assert refused.value.reason.code == "backup.inside"

    async def test_what_is_no_backup(self, empty_place: Path, tmp_path: Path) -> None:
        with pytest.raises(BackupError) as refused:
            await backup.restore(tmp_path, empty_place, {})
        assert refused.value.reason.code == "backup.not_one"
