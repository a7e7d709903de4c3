"""`dialer clients`: a client entered from the command line."""

from __future__ import annotations

from pathlib import Path

from tests.dialer.cli.conftest import Dialer

CAMPAIGN = ("--campaign", "First campaign", "--list", "spring")


def test_a_client_is_entered_and_who_is_like_it_is_told(dialer: Dialer, office: Path) -> None:
    said = dialer(
        "clients", "add", "ООО «Ромашка»", *CAMPAIGN, "--phone", "8 342 200-12-34", "--city", "Пермь",
        "--site", "romashka.ru", "-c", office,
    )  # fmt: skip
    assert (said.code, said.out) == (0, "“ООО «Ромашка»” is client no. 1.\n"), said.err
    again = dialer("clients", "add", "Лютик", *CAMPAIGN, "--site", "www.romashka.ru", "-c", office)
    assert (again.code, again.err.strip()) == (1, "There is somebody like it already: ООО «Ромашка».")
    meant = dialer("clients", "add", "Лютик", *CAMPAIGN, "--site", "romashka.ru", "--though-alike", "-c", office)
    assert meant.out.splitlines() == [
        "“Лютик” is client no. 2.",
        "Looks alike: ООО «Ромашка», Пермь (the same site).",
    ]
