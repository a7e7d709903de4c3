"""`dialer deals`: the sales book from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from tests.dialer.cli.conftest import Dialer, Said


@pytest.fixture
def book(dialer: Dialer, office: Path) -> Path:
    """Client no. 1 of a campaign that sells by deals, and an expert `egor`."""
    for words in (
        ("campaigns", "set", "First campaign", "--sells-by-deals"),
        (
            "clients",
            "add",
            "=Ромашка",
            "--campaign",
            "First campaign",
            "--list",
            "spring",
            "--phone",
            "8 342 200-12-34",
        ),
        ("users", "add", "egor", "--name", "Егор", "--role", "expert"),
    ):
        said = dialer(*words, "-c", office)
        assert said.code == 0, said.err
    return office


def test_a_deal_goes_from_interest_to_contract(dialer: Dialer, book: Path, tmp_path: Path) -> None:
    def deals(*words: str | Path) -> Said:
        said = dialer("deals", *words, "-c", book)
        assert said.code == 0, said.err
        return said

    said = deals("add", "1", "--owner", "egor", "--sum", "12 500,50", "--product", "Ducts", "--expected", "2099-01-31")
    assert said.out == "The deal is no. 1.\n"
    deals("change", "1", "--sum", "99.90", "--version", "1", "--note", "a discount")
    assert deals("move", "1", "contract", "--on", "2026-05-14").out == "Deal no. 1 is now: Contract.\n"
    lines = deals("list", "--campaign", "First campaign", "--by", "contract", "--from", "2026-05-01").out.splitlines()
    assert "=Ромашка (1)" in lines[1]
    assert lines[2] == "Contract: 1 deal, 99.90\xa0RUB"
    told = deals("show", "1").out
    assert "contract: 2026-05-14" in told
    assert "Interest → Contract  99.90\xa0RUB  by hand" in told
    deals("export", tmp_path / "book.csv")
    assert ";'=Ромашка;" in (tmp_path / "book.csv").read_text("utf-8-sig")
    assert ";99.90;RUB;Contract;" in (tmp_path / "book.csv").read_text("utf-8-sig")
    deals("export", tmp_path / "book.xlsx")
    row = CalamineWorkbook.from_path(tmp_path / "book.xlsx").get_sheet_by_index(0).to_python()[1]
    assert row[1:7] == ["=Ромашка", "First campaign", "Ducts", 99.9, "RUB", "Contract"]
    shown = dialer("clients", "show", "1", "-c", book).out
    assert "Hot" in shown
    assert "1  Ducts  Interest → Contract, 99.90\xa0RUB  by hand" in shown


def test_a_deal_that_passes_to_somebody_else_tells_of_it(dialer: Dialer, book: Path) -> None:
    for words in (
        ("users", "add", "zoe", "--name", "Зоя", "--role", "expert"),
        ("deals", "add", "1", "--owner", "egor"),
        ("users", "off", "egor", "--hand-over-to", "zoe"),
    ):
        said = dialer(*words, "-c", book)
        assert said.code == 0, said.err
    assert "  Passed on: Егор → Зоя\n" in dialer("deals", "show", "1", "-c", book).out
    assert "  Passed on: Егор → Зоя  the deal\n" in dialer("clients", "show", "1", "-c", book).out


def test_reasons_are_the_campaigns(dialer: Dialer, book: Path) -> None:
    for words in (
        ("reason", "late", "--ru", "Опоздали", "--en", "We were late", "--campaign", "First campaign"),
        ("reason", "silent", "--no-active", "--campaign", "First campaign"),
        ("add", "1", "--owner", "egor"),
        ("move", "1", "lost", "--reason", "late"),
    ):
        said = dialer("deals", *words, "-c", book)
        assert said.code == 0, said.err
    told = dialer("deals", "reasons", "--campaign", "First campaign", "-c", book).out
    lines = [line.split() for line in told.splitlines()]
    assert lines[-1] == ["late", "We", "were", "late", "yes"]
    assert ["silent", "Fell", "silent", "no"] in lines
    assert "why lost: We were late" in dialer("deals", "show", "1", "-c", book).out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("add", "7", "--owner", "egor"), 1, "There is no such client."),
        (("add", "1"), 1, "Say whose deal it is"),
        (("add", "1", "--owner", "egor", "--sum", "much"), 1, "is no amount"),
        (("add", "1", "--owner", "egor", "--stage", "contract"), 2, "invalid choice"),
        (("move", "7", "offer"), 1, "There is no such deal."),
        (("show", "7"), 1, "There is no such deal."),
        (("change", "7", "--note", "x"), 1, "There is no such deal."),
        (("export", "book.pdf"), 1, ".xlsx or .csv"),
        (("reason", "late", "--ru", "Опоздали", "--campaign", "First campaign"), 1, "in both languages"),
    ],
)
def test_what_cannot_be_is_said_in_words(
    dialer: Dialer, book: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    said = dialer("deals", *words, "-c", book)
    assert said.code == code
    assert told in said.err
    assert "Traceback" not in said.err
