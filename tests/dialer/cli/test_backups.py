"""`dialer backup` and `dialer restore`."""

from __future__ import annotations

from pathlib import Path

from tests.dialer.cli.conftest import Dialer


def test_an_office_is_kept_and_comes_back(dialer: Dialer, sqlite_office: Path, tmp_path: Path) -> None:
    assert dialer("users", "add", "anna", "--name", "Анна", "-c", sqlite_office).code == 0
    kept, elsewhere = tmp_path / "kept", tmp_path / "elsewhere"
    said = dialer("backup", kept, "-c", sqlite_office)
    assert said.code == 0, said.err
    assert "Passwords and keys are not in it" in said.out
    assert dialer("backup", kept, "-c", sqlite_office).err.strip().endswith("A backup is made in a new folder.")
    said = dialer("restore", kept, elsewhere)
    assert said.code == 0, said.err
    assert "Without it headsets need new passwords" in said.out
    assert "anna" in dialer("users", "list", "-c", elsewhere / "dialer.toml").out
    said = dialer("restore", kept, elsewhere)
    assert (said.code, said.out) == (1, "")
    assert "A backup is restored into an empty one only." in said.err
