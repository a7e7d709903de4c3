"""`dialer people`."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zipfile
from pathlib import Path

from crm.base.people import Person
from crm.database import Database
from tests.dialer.cli.conftest import Dialer, on_database


def test_people_are_found_and_handed_out(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text("list;name;phone;person\nspring;Северный ветер;8 (342) 000-12-34;Петрова Анна\n")
    assert dialer("import", file, "--campaign", "First campaign", "-c", office).code == 0
    rows = dialer("people", "list", "ПЕТРОВ", "-c", office).out.splitlines()
    assert [row.split() for row in rows[1:]] == [["1", "1", "Петрова", "Анна", "Северный", "ветер"]]
    target = tmp_path / "person.zip"
    said = dialer("people", "export", "1", target, "-c", office)
    assert (said.code, said.out) == (0, f"{target} holds all that is known of Петрова Анна.\n")
    with zipfile.ZipFile(target) as archive:
        assert json.loads(archive.read("person.json"))["person"][0]["full_name"] == "Петрова Анна"
    again = dialer("people", "export", "1", target, "-c", office)
    assert (again.code, again.out) == (1, "")
    assert "There is no such person" in dialer("people", "export", "9", tmp_path / "x.zip", "-c", office).err


def test_people_and_numbers_are_changed_in_the_version_that_was_seen(
    dialer: Dialer, office: Path, tmp_path: Path
) -> None:
    file = tmp_path / "firms.csv"
    file.write_text("list;name;phone;person\nspring;Северный ветер;8 (342) 000-12-34;Петрова Анна\n")
    assert dialer("import", file, "--campaign", "First campaign", "-c", office).code == 0
    said = dialer("people", "set", "1", "--name", "Петрова Анна Ильинична", "--decides", "yes", "--version", "1",
                  "-c", office)  # fmt: skip
    assert said.out == "Петрова Анна Ильинична is written down, version 2.\n"
    late = dialer("people", "set", "1", "--position", "директор", "--version", "1", "-c", office)
    assert (late.code, late.out) == (1, "")
    assert dialer("people", "list", "ильинична", "-c", office).out.splitlines()[1].split()[:2] == ["1", "2"]
    said = dialer("people", "number", "1", "--state", "dead", "--extension", "12", "--version", "1", "-c", office)
    assert said.out == "+73420001234 is written down, version 2.\n"
    assert dialer("people", "number", "1", "--rank", "3", "--version", "1", "-c", office).code == 1
    row = dialer("people", "numbers", "ВЕТЕР", "-c", office).out.splitlines()[1]
    assert row.split() == ["1", "2", "+73420001234", "12", "does", "not", "work", "Северный", "ветер"]
    for unknown in ("set", "number"):
        assert dialer("people", unknown, "9", "-c", office).code == 1


def test_organisations_and_addresses_are_changed_in_the_version_that_was_seen(dialer: Dialer, office: Path) -> None:
    added = dialer("clients", "add", "Северный ветер", "--campaign", "First campaign", "--list", "spring", "-c", office)
    assert added.code == 0, added.err
    said = dialer("organisations", "set", "1", "--name", "Южный ветер", "--city", "Пермь", "--headcount", "40",
                  "--version", "1", "-c", office)  # fmt: skip
    assert said.out == "Южный ветер is written down, version 2.\n", said.err
    late = dialer("organisations", "set", "1", "--city", "Омск", "--version", "1", "-c", office)
    assert (late.code, late.out) == (1, "")
    assert dialer("organisations", "set", "1", "--headcount", "", "--time-zone", "Asia/Omsk", "-c", office).code == 0
    row = dialer("organisations", "list", "ЮЖНЫЙ", "-c", office).out.splitlines()[1]
    assert row.split() == ["1", "3", "Южный", "ветер", "Пермь", "Asia/Omsk", "-"]
    assert dialer("organisations", "set", "9", "--city", "Омск", "-c", office).code == 1
    assert dialer("clients", "address", "1", "Пермь, Ленина 1", "-c", office).code == 0
    said = dialer("organisations", "address", "1", "--written", "Пермь, Ленина 2", "--version", "1", "-c", office)
    assert said.out == "Пермь, Ленина 2 is written down, version 2.\n", said.err
    assert dialer("organisations", "address", "1", "--kind", "legal", "--version", "1", "-c", office).code == 1
    row = dialer("organisations", "addresses", "южный", "-c", office).out.splitlines()[1]
    assert row.split() == ["1", "2", "postal", "address", "Пермь,", "Ленина", "2", "Южный", "ветер"]
    said = dialer("organisations", "address", "1", "--written", "", "--version", "2", "-c", office)
    assert said.out == "Address no. 1 is taken away.\n"
    assert len(dialer("organisations", "addresses", "южный", "-c", office).out.splitlines()) == 1


def test_people_and_numbers_are_added(dialer: Dialer, office: Path) -> None:
    added = dialer("clients", "add", "Северный ветер", "--campaign", "First campaign", "--list", "spring", "-c", office)
    assert added.code == 0, added.err
    said = dialer("people", "add", "1", "Петрова Анна", "--position", "директор", "--note", "с девяти", "--decides",
                  "-c", office)  # fmt: skip
    assert said.out == "Петрова Анна is person no. 1.\n", said.err

    async def stored(database: Database) -> tuple[str, str, bool]:
        async with database.reading() as session:
            person = await session.get_one(Person, 1)
            return person.position, person.note, person.decides

    assert on_database(office, stored) == ("директор", "с девяти", True)
    numbers = ("people", "add-numbers", "1", "8 (342) 000-12-34, 8 342 000-12-35 доб. 7", "-c", office)
    assert dialer(*numbers).out == "+73420001234 is number no. 1.\n+73420001235 7 is number no. 2.\n"
    assert dialer(*numbers).out == "Nothing was added: these numbers are there already.\n"
    assert dialer("people", "add", "9", "Петрова Анна", "-c", office).code == 1


def test_a_person_is_erased_and_does_not_come_back(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text("list;name;phone;person\nspring;Северный ветер;8 (342) 000-12-34;Петрова Анна\n")
    assert dialer("import", file, "--campaign", "First campaign", "-c", office).code == 0
    words = ("erase", "person", "1", "--reason", "a letter", "-c", office)
    said = dialer(*words, stdin="Петров\n")
    assert said.code == 1
    assert "nothing was erased" in said.err
    said = dialer(*words, stdin="Петрова Анна\n")
    assert said.code == 0, said.err
    assert "Erased as no. 1" in said.out
    assert "Петрова" not in dialer("people", "list", "ветер", "-c", office).out
    said = dialer("import", file, "--campaign", "First campaign", "-c", office)
    refused = (tmp_path / "firms.refused.csv").read_text(encoding="utf-8-sig")
    assert "erased at their request" in refused
    assert "Петрова" not in refused
    said = dialer("erase", "organisation", "1", "--reason", "a letter", "--yes", "-c", office)
    assert said.code == 0, said.err
    said = dialer("audit", "verify", "-c", office)
    assert said.code == 0, said.err
    assert said.out.endswith("The chain is whole.\n")
    (office.parent / "data" / "office.key").unlink()
    said = dialer("import", file, "--campaign", "First campaign", "-c", office)
    assert said.code == 1
    assert "The office's key is not at hand" in said.err


def test_a_broken_chain_is_told(dialer: Dialer, sqlite_office: Path) -> None:
    assert dialer("erase", "organisation", "7", "--reason", "x", "--yes", "-c", sqlite_office).code == 1
    with contextlib.closing(sqlite3.connect(sqlite_office.parent / "data" / "dialer.db")) as database:
        row = "(1, 'audit', 999, '{}', '{}', 'x')"
        database.execute(f"INSERT INTO chain_links (id, kind, row_id, salts, digests, link) VALUES {row}")
        database.commit()
    said = dialer("audit", "verify", "-c", sqlite_office)
    assert said.code == 1
    assert "audit 999: the row is gone" in said.err
