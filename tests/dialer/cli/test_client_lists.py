"""`dialer clients`: lists, filters saved by name, and changes to many clients, with their undoing."""

from __future__ import annotations

import re
from pathlib import Path

from tests.dialer.cli.conftest import Dialer

CAMPAIGN = ("--campaign", "First campaign")


def test_clients_are_listed_changed_and_changed_back(dialer: Dialer, office: Path) -> None:
    for name in ("Строй Альфа", "Строй Бета", "Вектор"):
        dialer("clients", "add", name, *CAMPAIGN, "--list", "spring", "-c", office)
    dialer("users", "add", "anna", "--name", "Anna", "--password-stdin", "-c", office, stdin="long-enough-secret\n")
    saved = dialer("clients", "save-filter", "Builders", "--text", "строй", "-c", office)
    assert saved.out == "The filter “Builders” is saved for everybody.\n", saved.err
    assert dialer("clients", "filters", "-c", office).out == "Builders  (text=строй)\n"
    own = ("--as", "anna", "-c", office)
    saved = dialer("clients", "save-filter", "Mine", "--filter", "Builders", "--text", "бета", *own)
    assert saved.out == "The filter “Mine” is saved for anna alone.\n", saved.err
    assert dialer("clients", "filters", *own).out.splitlines()[1] == "Mine  (text=бета)  for oneself"
    assert dialer("clients", "filters", "-c", office).out == "Builders  (text=строй)\n"
    assert len(dialer("clients", "list", "--filter", "Mine", *own).out.splitlines()) == 2
    assert "no filter “Mine”" in dialer("clients", "list", "--filter", "Mine", "-c", office).err
    assert "another's" in dialer("clients", "remove-filter", "Builders", *own).err
    assert dialer("clients", "remove-filter", "Mine", *own).code == 0
    looked = dialer("clients", "bulk", "--filter", "Builders", "--assign", "anna", "-c", office)
    assert looked.out.splitlines() == [
        "2 clients will be changed.",
        "  Строй Альфа: nobody's → Anna",
        "  Строй Бета: nobody's → Anna",
        "Nothing was changed: say --yes to do it.",
    ]
    assert "Строй" not in dialer("clients", "list", "--owner", "anna", "-c", office).out
    done = dialer("clients", "bulk", "--filter", "Builders", "--assign", "anna", "--yes", "-c", office)
    assert done.out.splitlines()[-1].endswith(f"clients undo -c {office} 1"), done.err
    listed = dialer("clients", "list", "--owner", "anna", "-c", office).out.splitlines()
    assert [re.split(" {2,}", line.strip())[1] for line in listed[1:]] == ["Строй Альфа", "Строй Бета"]
    dialer("clients", "bulk", "--text", "альфа", "--assign", "", "--yes", "-c", office)
    undone = dialer("clients", "undo", "1", "-c", office)
    assert undone.out.splitlines() == ["Undone for 1 client.", "  Строй Альфа: It has been changed since."]
    assert len(dialer("clients", "changes", "-c", office).out.splitlines()) == 3
    dialer("clients", "remove-filter", "builders", "-c", office)
    assert dialer("clients", "filters", "-c", office).out == ""


def test_groups_lists_and_requests(dialer: Dialer, office: Path) -> None:
    for name, call_list in (("Альфа", "spring"), ("Бета", "summer")):
        dialer("clients", "add", name, *CAMPAIGN, "--list", call_list, "-c", office)
    here = (*CAMPAIGN, "--yes", "-c", office)
    assert dialer("clients", "bulk", "--to-group", "cold", *here).code == 0
    assert dialer("clients", "bulk", "--to-list", "summer", *here).out.splitlines()[-2] == (
        "1 client stays as it is: It is so already."
    )
    assert dialer("clients", "bulk", "--do-not-call", "letter of 1 May", *here).code == 0
    assert "letter of 1 May" in dialer("do-not-call", "list", "-c", office).out
    assert "summer" in dialer("clients", "list", *CAMPAIGN, "--list", "summer", "--group", "cold", "-c", office).out
    refused = dialer("clients", "list", "--list", "summer", "-c", office)
    assert (refused.code, refused.err.strip()) == (1, "Name the campaign whose call list this is.")
