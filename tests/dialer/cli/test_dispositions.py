"""`dialer dispositions`: what operators choose from."""

from __future__ import annotations

from pathlib import Path

from tests.dialer.cli.conftest import Dialer


def lines(dialer: Dialer, office: Path, *options: str) -> dict[str, list[str]]:
    said = dialer("dispositions", "list", *options, "-c", office)
    assert said.code == 0, said.err
    return {line.split()[1]: line.split() for line in said.out.splitlines()[1:]}


def test_they_are_listed_added_changed_and_switched_off(dialer: Dialer, office: Path) -> None:
    campaign = ("--campaign", "First campaign")
    assert lines(dialer, office)["cold"] == ["4", "cold", "Cold", "cold", "reason", "-", "yes"]
    for words in (
        ("add", "send_offer", "--like", "callback", "--label-ru", "КП", "--label-en", "Offer", "--group", "warm"),
        ("set", "cold", "--label-en", "Refusal", "--required", "nothing", *campaign),
        ("set", "callback", "--required", "when", "asked_by"),
        ("off", "competitor", *campaign),
    ):
        said = dialer("dispositions", *words, "-c", office)
        assert (said.code, said.out) == (0, f"The disposition “{words[1]}” has been set.\n"), said.err
    here, everywhere = lines(dialer, office, *campaign), lines(dialer, office)
    assert here["cold"] == ["4", "cold", "Refusal", "cold", "-", "-", "yes"]
    assert everywhere["cold"][2] == "Cold"
    assert here["send_offer"] == ["-", "send_offer", "Offer", "warm", "when", "callback", "yes"]
    assert here["callback"][-4:-2] == ["asked_by", "when"]
    assert (here["competitor"][-1], everywhere["competitor"][-1]) == ("no", "yes")
    assert dialer("dispositions", "on", "competitor", *campaign, "-c", office).code == 0
    assert lines(dialer, office, *campaign)["competitor"][-1] == "yes"


def test_what_cannot_be_is_said_in_words(dialer: Dialer, office: Path) -> None:
    said = dialer("dispositions", "set", "cold", "--digit", "1", "-c", office)
    assert (said.code, said.err) == (1, "The key 1 belongs to another outcome.\n")
