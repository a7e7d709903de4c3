"""`dialer do-not-call`: the register from the command line."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from crm.base.do_not_call import DoNotCall
from crm.clientele.consents import ConsentGiven
from crm.database import Database
from dialer.shown.formats import moment
from dialer.words import words
from tests.dialer.cli.conftest import Dialer, on_database


@pytest.fixture
def base(dialer: Dialer, office: Path, tmp_path: Path) -> Path:
    file = tmp_path / "firms.csv"
    file.write_text("list;name;phone\nspring;Северный ветер;8 (342) 000-12-34\nspring;Альфа;8 (342) 000-12-35\n")
    assert dialer("import", file, "--campaign", "First campaign", "-c", office).code == 0
    return office


def test_requests_are_kept_listed_and_lifted(dialer: Dialer, base: Path) -> None:
    said = dialer("do-not-call", "add", "--number", "8 342 000 12 34", "--evidence", "a letter", "-c", base)
    assert (said.code, said.out) == (0, "Kept as no. 1; it holds from now on.\n")
    said = dialer("do-not-call", "add", "--organisation", "АЛЬФА", "--evidence", "by e-mail", "-c", base)
    assert (said.code, said.out) == (0, "Kept as no. 2; it holds from now on.\n")
    rows = dialer("do-not-call", "list", "-c", base).out.splitlines()
    assert [row.split()[:3] for row in rows[1:]] == [["2", "organisation", "Альфа"], ["1", "number", "+73420001234"]]
    assert dialer("do-not-call", "lift", "2", "--reason", "they buy now", "-c", base).out == "No. 2 is lifted.\n"
    assert len(dialer("do-not-call", "list", "-c", base).out.splitlines()) == 2
    assert "they buy now" in dialer("do-not-call", "list", "--all", "-c", base).out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", "--organisation", "Вектор", "--evidence", "x"), "There is no organisation “Вектор”."),
        (("add", "--number", "nobody", "--evidence", "x"), "“nobody”"),
        (("add", "--number", "83420001234", "--evidence", " "), "Say who asked not to be called, when and how."),
        (("lift", "7", "--reason", "x"), "There is no such request."),
    ],
)
def test_what_cannot_be_is_said_in_words(dialer: Dialer, base: Path, words: tuple[str, ...], told: str) -> None:
    said = dialer("do-not-call", *words, "-c", base)
    assert said.code == 1
    assert told in said.err
    assert "Traceback" not in said.err


def test_a_person_may_ask_alone(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("list;name;phone;person\nspring;Вектор;8 (342) 000-12-36;Петров Пётр\n")
    assert dialer("import", file, "--campaign", "First campaign", "-c", office).code == 0
    of_him = ("--organisation", "Вектор", "--person", "петров петр", "--evidence", "by telephone")
    assert dialer("do-not-call", "add", *of_him, "-c", office).code == 0
    (row,) = dialer("do-not-call", "list", "-c", office).out.splitlines()[1:]
    assert row.split()[:4] == ["1", "person", "Петров", "Пётр"]
    other = ("--organisation", "Вектор", "--person", "Никто", "--evidence", "x")
    said = dialer("do-not-call", "add", *other, "-c", office)
    assert (said.code, said.err) == (1, "There is no such person at this organisation.\n")


def test_consents_are_kept_and_withdrawn(dialer: Dialer, base: Path) -> None:
    assert dialer("consents", "add", "--organisation", "АЛЬФА", "--evidence", "a letter", "-c", base).code == 0
    assert dialer("consents", "add", "--number", "8 342 000 12 34", "--evidence", "by e-mail", "-c", base).code == 0
    rows = dialer("consents", "list", "-c", base).out.splitlines()
    assert [row.split()[:3] for row in rows[1:]] == [["2", "number", "+73420001234"], ["1", "organisation", "Альфа"]]
    said = dialer("consents", "withdraw", "1", "--reason", "they said so", "-c", base)
    assert said.out == "No. 1 is withdrawn.\n"
    assert len(dialer("consents", "list", "-c", base).out.splitlines()) == 2
    said = dialer("consents", "withdraw", "1", "--reason", "again", "-c", base)
    assert (said.code, said.err) == (1, "This consent has been withdrawn already.\n")


def test_evidence_is_dated_as_the_pages_date_it(dialer: Dialer, base: Path) -> None:
    """In the office's zone, here one in which it is tomorrow for half of the day."""
    base.write_text(base.read_text().replace('time_zone = "', 'time_zone = "Pacific/Kiritimati" # "', 1))
    for register in ("do-not-call", "consents"):
        assert dialer(register, "add", "--organisation", "АЛЬФА", "--evidence", "a letter", "-c", base).code == 0

    async def kept(database: Database) -> list[datetime | None]:
        async with database.reading() as session:
            return [await session.scalar(select(each)) for each in (DoNotCall.asked_at, ConsentGiven.given_at)]

    for register, at in zip(("do-not-call", "consents"), on_database(base, kept), strict=True):
        assert at is not None
        told = moment(words("en"), at, ZoneInfo("Pacific/Kiritimati"))
        assert told in dialer(register, "list", "-c", base).out
