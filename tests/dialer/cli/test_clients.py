"""`dialer clients`: a client entered from the command line."""

from __future__ import annotations

from pathlib import Path

from crm.clientele.clients import get_client
from crm.database import Database
from tests.dialer.cli.conftest import Dialer, on_database

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
    off = dialer("clients", "off-list", "2", "--reason", "не наш сегмент", "-c", office)
    assert off.out == "Client no. 2 is off its list.\n", off.err
    assert "why" in dialer("clients", "off-list", "2", "--reason", " ", "-c", office).err.lower()

    async def reason(database: Database) -> str:
        async with database.reading() as session:
            return (await get_client(session, 2)).off_list_reason

    assert on_database(office, reason) == "не наш сегмент"
    assert dialer("clients", "on-list", "2", "-c", office).out == "Client no. 2 is on its list again.\n"
    assert on_database(office, reason) == ""
