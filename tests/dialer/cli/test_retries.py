"""`dialer retries`: when clients whom nobody reached are tried again."""

from __future__ import annotations

from pathlib import Path

from tests.dialer.cli.conftest import Dialer

CAMPAIGN = ("--campaign", "First campaign")


def lines(dialer: Dialer, office: Path) -> dict[str, list[str]]:
    said = dialer("retries", "list", *CAMPAIGN, "-c", office)
    assert said.code == 0, said.err
    rows = [line.split() for line in said.out.splitlines()[1:]]
    return {" ".join(row[:2]): row[2:] for row in rows}


def test_rules_are_listed_and_set(dialer: Dialer, office: Path) -> None:
    usual = ["the", "usual", "one"]
    found = lines(dialer, office)
    assert found["busy -"] == ["10", "-", *usual]
    assert found["no_answer -"] == ["120", "another", "part", "of", "the", "day", *usual]
    assert found["answered -"] == ["not", "by", "itself", "-", *usual]
    for words in (
        ("busy", "--after", "15"),
        ("no_answer", "--no-other-part"),
        ("busy", "--disposition", "no_contact", "--after", "0"),
        ("declined", "--after", "9"),
        ("declined", "--usual"),
    ):
        said = dialer("retries", "set", *words, *CAMPAIGN, "-c", office)
        assert (said.code, said.out) == (0, f"The rule after “{words[0]}” has been set.\n")
    found = lines(dialer, office)
    assert found["busy -"] == ["15", "-", "the", "campaign's"]
    assert found["busy no_contact"] == ["not", "by", "itself", "-", "the", "campaign's"]
    assert found["no_answer -"] == ["120", "-", "the", "campaign's"]
    assert found["declined -"] == ["240", "-", *usual]


def test_what_cannot_be_is_said_in_words(dialer: Dialer, office: Path) -> None:
    said = dialer("retries", "set", "busy", "--disposition", "cold", "--after", "9", *CAMPAIGN, "-c", office)
    assert (said.code, said.err) == (1, "After this outcome nobody is tried again.\n")
    assert dialer("retries", "set", "tired", *CAMPAIGN, "-c", office).code == 2
