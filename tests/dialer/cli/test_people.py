"""`dialer people`."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from tests.dialer.cli.conftest import Dialer


def test_people_are_found_and_handed_out(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text("list;name;phone;person\nspring;Северный ветер;8 (342) 000-12-34;Петрова Анна\n")
    assert dialer("import", file, "--campaign", "First campaign", "-c", office).code == 0
    rows = dialer("people", "list", "ПЕТРОВ", "-c", office).out.splitlines()
    assert [row.split() for row in rows[1:]] == [["1", "Петрова", "Анна", "Северный", "ветер"]]
    target = tmp_path / "person.zip"
    said = dialer("people", "export", "1", target, "-c", office)
    assert (said.code, said.out) == (0, f"{target} holds all that is known of Петрова Анна.\n")
    with zipfile.ZipFile(target) as archive:
        assert json.loads(archive.read("person.json"))["person"][0]["full_name"] == "Петрова Анна"
    again = dialer("people", "export", "1", target, "-c", office)
    assert (again.code, again.out) == (1, "")
    assert "There is no such person" in dialer("people", "export", "9", tmp_path / "x.zip", "-c", office).err
