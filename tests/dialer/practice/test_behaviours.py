"""The table of practice numbers, and the document that people read."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from crm.base.phone_parsing import read_phones
from dialer.demo.seed import COMPANIES
from dialer.practice.behaviours import NOT_A_NUMBER, SPECIAL, Behaviour, Says, behaviour_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "practice.md"


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("20", 486),
        ("22", 404),
        ("23", 603),
        ("28", 480),
        ("29", 503),
        ("30", 408),
        ("31", 302),
        ("38", 403),
        ("39", 500),
    ],
)
def test_refusals(ending: str, code: int) -> None:
    assert behaviour_of(f"+7342000{ending}{ending}").refuse == code


@pytest.mark.parametrize("ending", [f"{number:02}" for number in range(1, 20)] + ["40", "77", "99"])
def test_ordinary_numbers_ring_for_one_to_three_seconds_and_talk(ending: str) -> None:
    does = behaviour_of(f"+734200012{ending}")
    assert does.ring_s is not None
    assert 1 <= does.ring_s <= 3
    assert (does.refuse, does.says, does.hang_up_after_s) == (0, Says.VOICE, None)


def test_only_the_last_two_digits_count() -> None:
    assert behaviour_of("20") == behaviour_of("+73420000020") == behaviour_of("+74950007720")


@pytest.mark.parametrize("number", ["", "5", "anna", "+7342000121x", "12٣٤"])
def test_what_is_no_number_does_not_exist(number: str) -> None:
    assert behaviour_of(number) == NOT_A_NUMBER
    assert NOT_A_NUMBER.refuse == 404


def test_nobody_answers_21() -> None:
    assert behaviour_of("21").ring_s is None


def test_speeding_up_changes_ringing_and_talking_only_where_there_is_any() -> None:
    assert behaviour_of("05").sped_up(ring_s=0.1) == Behaviour("talks", ring_s=0.1)
    assert behaviour_of("21").sped_up(ring_s=0.1).ring_s is None
    assert behaviour_of("20").sped_up(ring_s=0.1, talk_s=3).ring_s == 0
    assert behaviour_of("20").sped_up(talk_s=3).hang_up_after_s is None
    assert behaviour_of("05").sped_up(talk_s=3).hang_up_after_s == 3
    assert behaviour_of("24").sped_up(talk_s=9).hang_up_after_s == 5
    assert behaviour_of("24").sped_up(talk_s=2).hang_up_after_s == 2


def test_the_document_lists_every_behaviour_by_its_name() -> None:
    rows = dict(re.findall(r"^\| (\d\d) \| ([^|]+?) \|", DOCUMENT.read_text(), re.MULTILINE))
    assert rows == {f"{ending:02}": does.name for ending, does in SPECIAL.items()}


def test_all_numbers_of_demonstration_and_tests_are_in_the_exchange_that_nobody_has() -> None:
    numbers = [f"+7{company.area}00000{company.ending}" for company in COMPANIES]
    seed = (Path(__file__).parents[2] / "data" / "seed-case" / "organisations.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(seed), delimiter=";"))
    cells = [value for row in rows for name, value in row.items() if "phone" in name and value]
    assert len(cells) >= len(rows)
    numbers += [phone.e164 for cell in cells for phone in read_phones(cell).phones]
    assert [number for number in numbers if not re.fullmatch(r"\+7\d{3}000\d{4}", number)] == []
