"""`dialer reports`: the tables on the terminal and as a file."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.crm.importing.test_clients import SEED_CASE
from tests.dialer.cli.conftest import Dialer


@pytest.fixture
def counted(dialer: Dialer, office: Path) -> Path:
    """An office with the seed case's list "headcount" and contacts at two of its organisations."""
    assert dialer("campaigns", "add", "Seed", "-c", office).code == 0
    file = SEED_CASE / "organisations.csv"
    assert dialer("import", file, "--campaign", "Seed", "--list", "headcount", "-c", office).code == 0
    return office


def test_a_report_is_told_and_written_to_a_file(dialer: Dialer, counted: Path, tmp_path: Path) -> None:
    asked = ("reports", "headcount", "--campaign", "Seed", "--list", "headcount", "-c", counted)
    said = dialer(*asked)
    assert said.code == 0, said.err
    lines = [line.split() for line in said.out.splitlines()]
    assert lines[2] == ["no", "data", "404", "50", "12.38"]
    assert lines[-1] == ["Total", "786", "259", "32.95"]
    written = tmp_path / "headcount.csv"
    assert dialer(*asked, "--csv", written).out == f"Written to {written}.\n"
    with written.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    assert [len(row) for row in rows] == [4] * 9
    assert rows[7] == ["over 1000", "33", "30", "90.91"]


def test_what_cannot_be_reported_is_said(dialer: Dialer, counted: Path) -> None:
    said = dialer("reports", "contacts", "--campaign", "Nobody", "-c", counted)
    assert (said.code, said.err) == (1, "There is no campaign “Nobody”.\n")
    days = ("--from", "2026-05-02", "--to", "2026-05-01")
    said = dialer("reports", "contacts", "--campaign", "Seed", *days, "-c", counted)
    assert (said.code, said.err) == (1, "The report would end on 1 May, before it begins on 2 May.\n")
