"""`dialer backup` and `dialer restore`."""

from __future__ import annotations

from pathlib import Path

from config.settings import load_settings
from crm.care.audit_chain import add_links
from crm.database import Database
from tests.dialer.cli.conftest import Dialer, on_database


def test_an_office_is_kept_and_comes_back(dialer: Dialer, sqlite_office: Path, tmp_path: Path) -> None:
    assert dialer("users", "add", "anna", "--name", "Анна", "-c", sqlite_office).code == 0
    kept, elsewhere = tmp_path / "kept", tmp_path / "elsewhere"
    said = dialer("backup", kept, "-c", sqlite_office)
    assert said.code == 0, said.err
    assert "Passwords and keys are not in it" in said.out
    assert dialer("backup", kept, "-c", sqlite_office).err.strip().endswith("A backup is made in a new folder.")
    said = dialer("restore", kept, elsewhere)
    assert said.code == 0, said.err
    assert "Nobody can sign in yet. For each user: dialer users passwd LOGIN" in said.out
    assert "Without it headsets need new passwords" in said.out
    assert "anna" in dialer("users", "list", "-c", elsewhere / "dialer.toml").out
    said = dialer("restore", kept, elsewhere)
    assert (said.code, said.out) == (1, "")
    assert "A backup is restored into an empty one only." in said.err


def test_a_chain_that_came_back_without_the_offices_key_is_not_called_broken(
    dialer: Dialer, sqlite_office: Path, tmp_path: Path
) -> None:
    assert dialer("users", "add", "anna", "--name", "Анна", "-c", sqlite_office).code == 0
    key = sqlite_office.parent / "data" / "office.key"

    async def link(_database: Database) -> None:
        keyed = Database(load_settings(sqlite_office, {}).database_url, bytes.fromhex(key.read_text()))
        async with keyed.transaction() as session:
            assert await add_links(session)
        await keyed.dispose()

    on_database(sqlite_office, link)
    assert dialer("backup", tmp_path / "kept", "-c", sqlite_office).code == 0
    assert dialer("restore", tmp_path / "kept", tmp_path / "elsewhere").code == 0
    restored, lost = tmp_path / "elsewhere" / "dialer.toml", tmp_path / "elsewhere" / "data" / "office.key"
    said = dialer("audit", "verify", "-c", restored)
    assert (said.code, said.err) == (
        1,
        f"The chain cannot be verified until the office's key is back as {lost}.\n",
    )
    lost.write_text("ab" * 32)
    assert "is not the one that it was made with" in dialer("audit", "verify", "-c", restored).err
    lost.write_text(key.read_text())
    assert dialer("audit", "verify", "-c", restored).code == 0


def test_backups_lie_in_the_folder_of_the_settings_and_are_listed(dialer: Dialer, sqlite_office: Path) -> None:
    folder = sqlite_office.parent / "backups"
    assert dialer("backups", "list", "-c", sqlite_office).out.splitlines()[0] == f"Backups in {folder}:"
    said = dialer("backup", "--with-secrets", "-c", sqlite_office)
    assert said.code == 0, said.err
    (kept,) = folder.iterdir()
    (folder / "spring.unfinished").mkdir()
    (folder / "photos").mkdir()
    _folder, _heading, unfinished, made = dialer("backups", "list", "-c", sqlite_office).out.splitlines()
    assert unfinished.split()[:3] == ["spring", "not", "finished"]
    assert made.startswith(kept.name)
    assert made.endswith("with them")


def test_older_recordings_are_sealed_by_command(dialer: Dialer, sqlite_office: Path) -> None:
    """How, and what may come between: `tests/dialer/test_sealing_older.py`."""
    key = sqlite_office.parent / "data" / "office.key"
    key.write_text("ab" * 32)
    said = dialer("recordings", "seal", "--dry-run", "-c", sqlite_office)
    assert (said.code, said.out) == (0, "0 recordings would be sealed.\n"), said.err
    assert dialer("recordings", "seal", "-c", sqlite_office).out == "0 recordings are sealed now.\n"
    key.unlink()
    said = dialer("recordings", "seal", "-c", sqlite_office)
    assert (said.code, said.out) == (1, "")
    assert "Put the file back; nothing was sealed." in said.err
