"""The command line as a whole: where settings come from, which language is spoken, what trouble looks like."""

from __future__ import annotations

import argparse
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from crm.errors import ERRORS
from dialer.cli.parser import build_parser
from dialer.cli.terminal import Terminal, generated_password, language_of, program_as_called
from dialer.words import words
from tests.dialer.cli.conftest import Dialer
from tests.dialer.cli.test_check import free_port

TOO_MUCH = "9" * 20


def test_the_settings_are_found_by_option_variable_or_in_the_folder(
    dialer: Dialer, office: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dialer("users", "list").code == 1
    assert dialer("users", "list", "-c", office).code == 0
    monkeypatch.setenv("DIALER_CONFIG", str(office))
    assert dialer("users", "list").code == 0
    monkeypatch.delenv("DIALER_CONFIG")
    monkeypatch.chdir(office.parent)
    assert dialer("users", "list").code == 0


def test_a_wrong_setting_is_told_with_its_file_key_value_and_advice(dialer: Dialer, tmp_path: Path) -> None:
    path = tmp_path / "dialer.toml"
    path.write_text("[console]\nport = 70000\n")
    said = dialer("serve", "-c", path)
    assert said.code == 1
    assert said.err.splitlines() == [
        f"The settings in {path} cannot be used:",
        "  console.port = 70000: this must be at most 65535",
    ]


@pytest.mark.parametrize(
    "given",
    [
        ("deals", "show", TOO_MUCH),
        ("deals", "show", "٤"),
        ("offers", "list", "--client", TOO_MUCH),
        ("questionnaires", "show", TOO_MUCH),
        ("deals", "change", "1", "--version", TOO_MUCH),
        ("campaigns", "set", "C", "--attempts-a-day", TOO_MUCH),
    ],
)
def test_a_number_that_no_database_holds_is_none(dialer: Dialer, given: tuple[str, ...]) -> None:
    said = dialer(*given)
    assert said.code == 2
    assert "is no number" in said.err


def test_a_day_at_the_end_of_the_calendar_is_none(dialer: Dialer) -> None:
    said = dialer("deals", "list", "--by", "opened", "--to", "9999-12-31")
    assert said.code == 2
    assert "“9999-12-31” is no day" in said.err


def test_no_option_takes_a_number_of_any_size() -> None:
    def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
        yield parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for each in action.choices.values():
                    yield from parsers(each)

    found = [
        (parser.prog, action.dest)
        for parser in parsers(build_parser(words("en")))
        for action in parser._actions
        if action.type is int
    ]
    assert found == []


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "C"}, "en"),
        ({}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "ru_RU.UTF-8"}, "ru"),
    ],
)
def test_the_terminal_s_language_is_spoken(environ: dict[str, str], language: str) -> None:
    assert language_of(environ) == language


def test_once_settings_are_read_their_language_is_spoken(dialer: Dialer, office: Path) -> None:
    assert dialer("db", "upgrade", "-c", office).out == "The database is up to date.\n"
    office.write_text(office.read_text().replace('language = "en"', 'language = "ru"'))
    assert dialer("db", "upgrade", "-c", office).out == "База данных приведена к этой версии программы.\n"


def test_the_database_is_made_where_there_is_none(dialer: Dialer, tmp_path: Path) -> None:
    path = tmp_path / "dialer.toml"
    path.write_text('[service]\nlanguage = "en"\n')
    assert dialer("db", "upgrade", "-c", path).code == 0
    assert (tmp_path / "data" / "dialer.db").is_file()


def test_a_file_that_is_no_database_is_said_in_words(dialer: Dialer, sqlite_office: Path) -> None:
    (sqlite_office.parent / "data" / "dialer.db").write_bytes(b"not a database, by any means, " * 100)
    said = dialer("db", "upgrade", "-c", sqlite_office)
    assert (said.code, said.err.strip()) == (
        1,
        "The database cannot be used: the file is no database. Put the newest copy of the database in its place, or "
        "set database.url to the right file.",
    )


@pytest.mark.parametrize("on_a_screen", [False, True])
def test_an_unexpected_error_is_a_sentence_for_the_user_and_a_traceback_for_whoever_looks_after_it(
    dialer: Dialer, office: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, on_a_screen: bool
) -> None:
    async def broken(*_args: object) -> int:
        raise ZeroDivisionError("of +73420001234")

    monkeypatch.setattr("dialer.cli.database.upgrade", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("sys.stderr.isatty", lambda: on_a_screen, raising=False)
    said = dialer("db", "upgrade", "-c", office)
    assert said.code == 1
    *logged, sentence = said.err.splitlines()
    assert sentence.startswith("Something happened that should not (ZeroDivisionError).")
    if on_a_screen:
        assert not logged
        (details,) = tmp_path.glob("dialer-*.log")
        assert str(details) in sentence
        kept = details.read_text()
    else:
        (kept,) = logged
    assert "Traceback" in kept
    assert "0001234" not in kept


def test_what_others_have_overtaken_is_a_sentence(
    dialer: Dialer, office: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended(Exception):
        sqlstate = "40P01"

    async def overtaken(*_args: object) -> int:
        raise DBAPIError("", {}, Ended())

    monkeypatch.setattr("dialer.cli.database.upgrade", overtaken)
    said = dialer("db", "upgrade", "-c", office)
    assert (said.code, said.err.splitlines()) == (1, [ERRORS["database.overtaken"]])


@pytest.mark.parametrize("typed", [(), ("fly",), ("users",), ("users", "add"), ("import", "x.csv"), ("db",)])
def test_a_wrong_command_line_is_answered_with_how_it_goes(dialer: Dialer, typed: tuple[str, ...]) -> None:
    said = dialer(*typed)
    assert said.code == 2
    assert said.err.startswith("usage: dialer")


def test_generated_passwords_are_long_enough_and_never_the_same() -> None:
    made = {generated_password() for _ in range(200)}
    assert len(made) == 200
    assert all(len(password) == 19 for password in made)


def test_output_into_a_reader_that_has_gone_ends_quietly(office: Path) -> None:
    code = "import sys; from dialer.cli import main; sys.exit(main())"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, "users", "list", "-c", str(office)],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == 1
    assert done.stderr == ""


def test_ctrl_c_ends_a_command_without_a_word(office: Path) -> None:
    code = (
        "import os, signal, sys\nfrom dialer.cli import main\nimport dialer.cli.database as d\n"
        f"async def upgrade(*_): os.kill(os.getpid(), {int(signal.SIGINT)})\n"
        "d.upgrade = upgrade\nsys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "db", "upgrade", "-c", str(office)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_a_wrong_command_line_is_told_in_the_user_s_language(dialer: Dialer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    said = dialer("demo", "--port", "99999")
    assert said.code == 2
    assert said.err.startswith("использование: dialer demo")
    assert said.err.endswith("ошибка: --port: «99999» не порт: порты от 0 (любой свободный) до 65535\n")
    assert "не хватает: FILE, --campaign" in dialer("import").err


@pytest.mark.parametrize(
    ("argument", "program"),
    [
        (".venv/bin/dialer", ".venv/bin/dialer"),
        ("{path}/dialer", "dialer"),
        ("/usr/lib/python3/pytest/__main__.py", "dialer"),
    ],
)
def test_commands_are_printed_as_this_one_was_called(
    argument: str, program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dialer").write_text("#!/bin/sh\n")
    (tmp_path / "dialer").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    out = io.StringIO()
    called = program_as_called(argument.format(path=tmp_path))
    terminal = Terminal(words("en"), out, io.StringIO(), io.StringIO(), called)
    terminal.say("Then: dialer check --wait 60; `dialer db upgrade`; the dialer serves.")
    assert out.getvalue() == f"Then: {program} check --wait 60; `{program} db upgrade`; the dialer serves.\n"


@pytest.mark.parametrize("words", [("db", "upgrade"), ("users", "list"), ("serve",)])
def test_a_database_server_that_does_not_answer_is_named(
    dialer: Dialer, tmp_path: Path, words: tuple[str, ...]
) -> None:
    path = tmp_path / "dialer.toml"
    url = f"postgresql+asyncpg://dialer:secret@127.0.0.1:{free_port()}/dialer"
    path.write_text(f'[service]\nlanguage = "en"\n[database]\nurl = "{url}"\n')
    said = dialer(*words, "-c", path)
    assert said.code == 1
    assert "its server does not answer" in said.err
    assert "secret" not in said.err
    assert "Traceback" not in said.err
