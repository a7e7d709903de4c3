"""`dialer clients letter`: e-mails and faxes to a client, noted from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialer.cli.conftest import Dialer


@pytest.fixture
def base(dialer: Dialer, office: Path) -> Path:
    """Client no. 1, and a user `olga`."""
    added = dialer(
        "clients", "add", "Ромашка", "--campaign", "First campaign", "--list", "spring", "--phone", "8 342 200-12-34",
        "-c", office,
    )  # fmt: skip
    assert added.code == 0, added.err
    said = dialer("users", "add", "olga", "--name", "Ольга", "--role", "operator", "-c", office)
    assert said.code == 0, said.err
    return office


def test_letters_are_noted_shown_and_withdrawn(dialer: Dialer, base: Path) -> None:
    said = dialer("clients", "letter", "1", "--channel", "email", "--by", "olga", "--note", "price list", "-c", base)
    assert (said.code, said.out) == (0, "Noted as no. 1; it counts for that day.\n"), said.err
    said = dialer("clients", "letter", "1", "--channel", "fax", "--at", "2026-05-14 8.30", "-c", base)
    assert said.out == "Noted as no. 2; it counts for that day.\n", said.err
    told = dialer("clients", "show", "1", "-c", base).out
    first, second = told.split("E-mails and faxes:\n")[1].splitlines()[:2]
    assert first.split("  ")[1] == "1"
    assert first.endswith("by e-mail  Ольга  price list")
    assert second == "  2  14 May 2026, 08:30  by fax"
    said = dialer("clients", "withdraw-letter", "2", "--reason", "never sent", "-c", base)
    assert (said.code, said.out) == (0, "No. 2 is withdrawn.\n")
    assert "by fax  withdrawn: never sent" in dialer("clients", "show", "1", "-c", base).out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("letter", "7", "--channel", "fax"), 1, "There is no such client."),
        (("letter", "1", "--channel", "fax", "--by", "nobody"), 1, "There is no such user."),
        (("letter", "1", "--channel", "fax", "--at", "2199-01-01 9:00"), 1, "at a time to come"),
        (("letter", "1", "--channel", "fax", "--at", "yesterday"), 2, "“yesterday” is no day and time"),
        (("letter", "1", "--channel", "pigeon"), 2, "pigeon"),
        (("withdraw-letter", "7", "--reason", "x"), 1, "There is no such letter."),
    ],
)
def test_what_cannot_be_is_said_in_words(
    dialer: Dialer, base: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    said = dialer("clients", *words, "-c", base)
    assert said.code == code
    assert told in said.err
    assert "Traceback" not in said.err
