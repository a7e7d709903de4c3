"""`dialer referrals`: clients who are handed to experts, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialer.cli.conftest import Dialer

CAMPAIGN = "First campaign"


@pytest.fixture
def base(dialer: Dialer, office: Path) -> Path:
    """An expert `egor` of the campaign."""
    said = dialer("users", "add", "egor", "--name", "Егор", "--role", "expert", "-c", office)
    assert said.code == 0, said.err
    said = dialer("campaigns", "expert", CAMPAIGN, "egor", "--industries", "Торговля; Металл", "-c", office)
    assert said.code == 0, said.err
    return office


def test_nothing_waits_yet(dialer: Dialer, base: Path) -> None:
    said = dialer("referrals", "list", "--expert", "egor", "-c", base)
    assert (said.code, said.out.split()[0]) == (0, "number")
    assert dialer("referrals", "list", "--late", "-c", base).code == 0
    said = dialer("referrals", "times", "--campaign", CAMPAIGN, "--clients", "-c", base)
    assert said.code == 0
    assert [line.split()[-1] for line in said.out.splitlines()[1:]] == ["—", "—", "0", "0"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("list", "--expert", "nobody"), "There is no such user."),
        (("accept", "7", "--by", "egor"), "There is no such referral."),
        (("give-back", "7", "--by", "egor", "--reason", "x"), "There is no such referral."),
        (("give", "7", "--to", "egor"), "There is no such referral."),
    ],
)
def test_what_cannot_be_is_said_in_words(dialer: Dialer, base: Path, words: tuple[str, ...], told: str) -> None:
    said = dialer("referrals", *words, "-c", base)
    assert said.code == 1
    assert told in said.err


def test_the_limit_and_the_rule_are_set_by_command(dialer: Dialer, base: Path) -> None:
    for value, code in (("30", 0), ("0", 0), ("-1", 1)):
        said = dialer("campaigns", "set", CAMPAIGN, "--referral-limit", value, "--referrals-by", "industry", "-c", base)
        assert said.code == code, said.err
    said = dialer("campaigns", "expert", "No such", "egor", "--industries", "", "-c", base)
    assert said.code == 1
