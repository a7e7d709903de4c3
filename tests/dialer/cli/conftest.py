"""A terminal for commands: run one, and read what it said."""

from __future__ import annotations

import asyncio
import io
import logging
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
import structlog

from config.settings import load_settings
from crm.database import Database
from dialer.cli import main
from dialer.cli.init import settings_text


@dataclass(frozen=True)
class Said:
    """What a command returned and wrote."""

    code: int
    out: str
    err: str


Dialer = Callable[..., Said]
Found = TypeVar("Found")


class Keyboard(io.StringIO):
    """Standard input with somebody at it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """English, an empty folder, no settings from outside; logging as it was."""
    for name in ("LC_ALL", "LC_MESSAGES", "DIALER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def dialer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Dialer:
    """Run `dialer WORDS...` with `stdin` as standard input, which is no terminal unless `at_keyboard`."""

    def run(*words: str | Path, stdin: str = "", at_keyboard: bool = False) -> Said:
        monkeypatch.setattr("sys.stdin", Keyboard() if at_keyboard else io.StringIO(stdin))
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


def make_office(dialer: Dialer, folder: Path) -> Path:
    """Let `dialer init` make the folder, or go on with it."""
    said = dialer("init", folder)
    assert said.code == 0, said.err
    return folder / "dialer.toml"


@pytest.fixture
def sqlite_office(dialer: Dialer, tmp_path: Path) -> Path:
    """The settings file of a folder made by `dialer init`, for tests of the file that its database is."""
    return make_office(dialer, tmp_path / "office")


@pytest.fixture
def office(dialer: Dialer, tmp_path: Path, database_kind: str, database_url: str) -> Path:
    """The settings file of a folder made by `dialer init`, with either database. It goes on with a folder where the
    database has its tables already, which take longer than the test: in PostgreSQL's case the address is in the
    settings that `init` finds there."""
    folder = tmp_path / "office"
    folder.mkdir(mode=0o700)
    text = settings_text("en", None)
    if database_kind == "sqlite":
        (folder / "data").mkdir(mode=0o700)
        shutil.copyfile(database_url.removeprefix("sqlite:///"), folder / "data" / "dialer.db")
    else:
        text = text.replace('url = ""', f'url = "{database_url}"', 1)
        assert database_url in text
    (folder / "dialer.toml").touch(mode=0o600)
    (folder / "dialer.toml").write_text(text)
    return make_office(dialer, folder)


def on_database(config: Path, work: Callable[[Database], Awaitable[Found]]) -> Found:
    """What `work` returns of the office's database."""

    async def run() -> Found:
        database = Database(load_settings(config, {}).database_url)
        try:
            return await work(database)
        finally:
            await database.dispose()

    return asyncio.run(run())
