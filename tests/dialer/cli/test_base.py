"""`dialer duplicates`, `abandoned`, `competitors`, and what is noted of clients: the base from the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.dialer.cli.conftest import Dialer, Said

CAMPAIGN = ("--campaign", "First campaign")


@pytest.fixture
def base(dialer: Dialer, office: Path) -> Path:
    """An office with two clients that are one."""
    for name, site in (("ООО «Ромашка»", ""), ("Ромашка, ЗАО", "romashka.ru")):
        added = dialer("clients", "add", name, *CAMPAIGN, "--list", "spring", "--site", site, "-c", office)
        assert added.code == 0, added.err
    return office


def rows(said: Said) -> list[list[str]]:
    assert said.code == 0, said.err
    return [re.split(r"  +", line) for line in said.out.splitlines()][1:]


def test_duplicates_are_found_merged_and_parted(dialer: Dialer, base: Path) -> None:
    assert dialer("duplicates", "list", "-c", base).err == "Nobody has looked through the base yet.\n"
    assert dialer("duplicates", "find", "-c", base).out == "New in the queue: 1; known already: 0.\n"
    listed = dialer("duplicates", "list", "-c", base)
    assert listed.err == ""
    (pair,) = rows(listed)
    assert pair == ["1", "ООО «Ромашка»", "Ромашка, ЗАО", "a similar name", "100"]
    merged = dialer("duplicates", "merge", "1", "--keep-newer", "--take", "name", "-c", base)
    assert merged.out == f"Merged as no. 1. To undo: dialer duplicates undo -c {base} 1\n", merged.err
    assert rows(dialer("duplicates", "list", "-c", base)) == []
    (made,) = rows(dialer("duplicates", "list", "--merged", "-c", base))
    assert (made[1], made[2], made[4]) == ("ООО «Ромашка»", "ООО «Ромашка»", "-")
    assert dialer("duplicates", "undo", "1", "-c", base).out == "Merge no. 1 is undone.\n"
    assert rows(dialer("duplicates", "list", "--merged", "-c", base))[0][1:3] == ["Ромашка, ЗАО", "ООО «Ромашка»"]
    assert dialer("duplicates", "dismiss", "1", "-c", base).out == "No. 1: these are two organisations.\n"
    assert rows(dialer("duplicates", "list", "-c", base)) == []
    again = dialer("duplicates", "merge", "1", "-c", base)
    assert (again.code, again.err.startswith("There is no such pair to decide")) == (1, True)
    assert dialer("duplicates", "find", "-c", base).out == "New in the queue: 0; known already: 1.\n"


def test_abandoned_clients_are_listed_before_they_are_moved(dialer: Dialer, base: Path) -> None:
    deal = ("clients", "deal", "1", "--on", "2020-05-01", "--amount", "12 500,50", "--what", "Фильтры", "-c", base)
    assert dialer(*deal).out == "Written down for client no. 1.\n"
    assert dialer("clients", "former-owner", "1", "Иванов", "--left", "2021-01-01", "-c", base).code == 0
    (found,) = rows(dialer("abandoned", "list", *CAMPAIGN, "--months", "24", "--reason", "bought_once", "-c", base))
    assert found == ["ООО «Ромашка»", "-", "(Иванов)", "1 May 2020", "bought once, long ago"]
    assert rows(dialer("abandoned", "list", *CAMPAIGN, "--months", "600", "--reason", "silent", "-c", base)) == []
    moved = dialer("abandoned", "move", *CAMPAIGN, "-c", base)
    assert moved.out == "1 client is now in the group “abandoned”.\n", moved.err
    assert rows(dialer("abandoned", "list", *CAMPAIGN, "-c", base)) == []
    assert dialer("abandoned", "list", *CAMPAIGN, "--months", "0", "-c", base).err == "Give from 1 to 600 months.\n"


def test_competitors_and_who_buys_there(dialer: Dialer, base: Path) -> None:
    told = dialer("competitors", "set", "Климат", "--product", "Кондиционеры", "--terms", "скидка", "-c", base)
    assert told.out == "The competitor “Климат” is written down.\n", told.err
    uses = dialer("clients", "competitor", "1", "климат", "--satisfaction", "partly", "-c", base)
    assert uses.code == 0, uses.err
    assert dialer("competitors", "set", "КЛИМАТ", "--name", "Климат-Плюс", "-c", base).code == 0
    assert rows(dialer("competitors", "list", "-c", base)) == [["Климат-Плюс", "1", "Кондиционеры", "скидка"]]
    assert dialer("clients", "address", "1", "Пермь, а/я 1", "--kind", "legal", "-c", base).code == 0
    assert dialer("clients", "address", "9", "Пермь", "-c", base).err == "There is no such client.\n"
