"""`dialer plan`, and who is away, from the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.dialer.cli.conftest import Dialer

# Tomorrow is in nobody's past, and the hours of any day but today are not over.
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()


@pytest.fixture
def base(dialer: Dialer, office: Path, tmp_path: Path) -> Path:
    """Two clients (1 and 2), and two operators."""
    file = tmp_path / "firms.csv"
    file.write_text("list;name;phone\nspring;Северный ветер;8 (342) 000-12-34\nspring;Альфа;8 (342) 000-12-35\n")
    assert dialer("import", file, "--campaign", "First campaign", "-c", office).code == 0
    for login in ("anna", "boris"):
        assert dialer("users", "add", login, "--name", login.title(), "-c", office).code == 0
    return office


def entries(dialer: Dialer, config: Path, login: str) -> list[list[str]]:
    """Number and client's number of what waits for the person tomorrow."""
    said = dialer("plan", "show", "--user", login, "--day", TOMORROW, "-c", config)
    assert said.code == 0, said.err
    return [line.split()[:2] for line in said.out.splitlines()[1:]]


def test_clients_are_picked_moved_and_given_away(dialer: Dialer, base: Path) -> None:
    for client in ("1", "2"):
        said = dialer("plan", "add", client, "--user", "anna", "--day", TOMORROW, "-c", base)
        assert (said.code, said.out) == (0, f"Entry {client} of the plan.\n")
    assert entries(dialer, base, "anna") == [["1", "1"], ["2", "2"]]
    assert dialer("plan", "move", "2", "--before", "1", "-c", base).out == "Done.\n"
    assert entries(dialer, base, "anna") == [["2", "2"], ["1", "1"]]
    assert dialer("plan", "move", "2", "--last", "-c", base).code == 0
    assert entries(dialer, base, "anna") == [["1", "1"], ["2", "2"]]
    assert dialer("plan", "move", "1", "--to", "boris", "-c", base).code == 0
    assert entries(dialer, base, "boris") == [["1", "1"]]
    assert dialer("plan", "move", "1", "--to-everybody", "-c", base).code == 0
    assert entries(dialer, base, "boris") == []


def test_plan_against_done(dialer: Dialer, base: Path) -> None:
    said = dialer("plan", "build", "--campaign", "First campaign", "-c", base)
    assert said.out.startswith("Clients in the plan by their group: ")
    rows = [re.split(r" {2,}", line.strip()) for line in dialer("plan", "show", "-c", base).out.splitlines()]
    assert rows[0] == ["login", "name", "done", "own plan", "shared by all", "contacts"]
    assert [row[0] for row in rows[1:]] == ["anna", "boris"]


def test_somebody_is_away_and_comes_back(dialer: Dialer, base: Path) -> None:
    said = dialer("users", "away", "anna", "--until", TOMORROW, "--hand-over-to", "boris", "-c", base)
    assert (said.code, said.out) == (0, "anna is away.\n")
    said = dialer("plan", "add", "1", "--user", "anna", "--day", TOMORROW, "-c", base)
    assert (said.code, said.err) == (1, "Anna does not call that day.\n")
    assert dialer("users", "back", "anna", "-c", base).out == "anna is at work again.\n"
    assert dialer("plan", "add", "1", "--user", "anna", "--day", TOMORROW, "-c", base).code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("plan", "add", "9", "--user", "anna"), "There is no such client."),
        (("plan", "add", "1", "--user", "nobody"), "There is no such user."),
        (("plan", "move", "9", "--last"), "There is no such entry in the plan."),
        (("users", "back", "anna"), "Anna is not away."),
        (("users", "away", "anna", "--from", "2020-01-01"), "These days are over."),
    ],
)
def test_what_cannot_be_is_said_in_words(dialer: Dialer, base: Path, words: tuple[str, ...], told: str) -> None:
    said = dialer(*words, "-c", base)
    assert (said.code, said.err) == (1, f"{told}\n")
