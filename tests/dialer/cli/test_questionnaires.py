"""`dialer questionnaires` and `dialer clients sheet`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.dialer.cli.conftest import Dialer

TEXT = """# Покупают? | Do they buy?
key: buys
kind: yes_no
required: yes
reports: yes
# Whose
key: whose
when: buys = yes
reports: yes
- lg = LG
- other = Other
# Said
key: said
"""


@pytest.fixture
def base(dialer: Dialer, office: Path, tmp_path: Path) -> Path:
    """Client no. 1, and a questionnaire."""
    for name in ("Ромашка", "Василёк"):
        added = dialer("clients", "add", name, "--campaign", "First campaign", "--list", "spring", "-c", office)
        assert added.code == 0, added.err
    (tmp_path / "q.txt").write_text(TEXT, encoding="utf-8")
    made = dialer("questionnaires", "add", "About", tmp_path / "q.txt", "--campaign", "First campaign", "-c", office)
    assert made.code == 0, made.err
    return office


def number(dialer: Dialer, base: Path) -> str:
    (line,) = [each for each in dialer("questionnaires", "list", "-c", base).out.splitlines() if "  About  " in each]
    return line.split()[0]


def test_a_questionnaire_goes_all_the_way(dialer: Dialer, base: Path, tmp_path: Path) -> None:
    no = number(dialer, base)
    assert dialer("questionnaires", "show", no, "-c", base).out.startswith("# Покупают? | Do they buy?\nkey: buys\n")
    said = dialer("clients", "sheet", "1", no, "--answer", "whose=LG", "-c", base)
    assert (said.code, "“Do they buy?” needs an answer" in said.err) == (1, True)
    said = dialer("clients", "sheet", "1", no, "--answer", "buys=yes", "--answer", "whose=LG", "-c", base)
    assert (said.code, said.out) == (0, "The sheet has been written.\n"), said.err
    assert dialer("clients", "sheet", "1", no, "-c", base).out == "That is what the sheet says already.\n"
    document = json.loads(dialer("questionnaires", "show", no, "--json", "-c", base).out)
    document["questions"].pop()
    document["questions"].append({"key": "pieces", "kind": "number", "label": "How many"})
    (tmp_path / "q.json").write_text(json.dumps(document), encoding="utf-8")
    said = dialer("questionnaires", "set", no, "--file", tmp_path / "q.json", "-c", base)
    assert said.out == f"Questionnaire no. {no}, version 2: 3 questions.\n", said.err
    assert "Said" in dialer("questionnaires", "show", no, "--of", "1", "-c", base).out
    said = dialer("clients", "sheet", "2", no, "--answer", "buys=no", "--answer", "pieces=7", "-c", base)
    assert said.code == 0, said.err
    told = dialer("questionnaires", "sheets", no, "--where", "buys = yes", "-c", base).out
    assert "Ромашка" in told
    assert "  Whose: LG" in told
    assert "Василёк" not in told
    said = dialer("questionnaires", "reports", no, "buys", "pieces", "-c", base)
    assert said.out == "For reports: buys, pieces.\n", said.err
    assert "Василёк" in dialer("questionnaires", "sheets", no, "--where", "pieces > 6", "-c", base).out
    counts = dialer("questionnaires", "counts", no, "-c", base).out
    assert [line.split() for line in counts.splitlines()[1:4]] == [
        ["Do", "they", "buy?", "yes", "1", "50.0"], ["no", "1", "50.0"], ["answered", "2"],
    ]  # fmt: skip
    said = dialer("questionnaires", "export", no, tmp_path / "all.csv", "-c", base)
    assert said.code == 0, said.err
    assert "Ромашка" in (tmp_path / "all.csv").read_text(encoding="utf-8-sig")
    assert "Whose: LG" in dialer("clients", "show", "1", "-c", base).out
    assert dialer("questionnaires", "off", no, "-c", base).out == "“About” is asked no more.\n"
    assert dialer("questionnaires", "on", no, "-c", base).out == "“About” is asked from now on.\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("questionnaires", "show", "99"), "There is no such questionnaire."),
        (("questionnaires", "show", "1", "--of", "9"), "has no version 9"),
        (("questionnaires", "reports", "1", "nothing"), "There is no question “nothing”"),
        (("questionnaires", "sheets", "1", "--where", "buys"), "“buys” is no condition"),
        (("questionnaires", "export", "1", "all.txt"), "ends in .csv or .xlsx"),
        (("clients", "sheet", "1", "1", "--answer", "buys"), "“buys” is no answer"),
        (("clients", "sheet", "77", "1", "--answer", "buys=yes"), "There is no such client."),
        (("clients", "sheet", "1", "99"), "There is no such questionnaire."),
    ],
)
def test_what_cannot_be_is_said_in_words(dialer: Dialer, base: Path, words: tuple[str, ...], told: str) -> None:
    said = dialer(*words, "-c", base)
    assert said.code == 1
    assert told in said.err
    assert "Traceback" not in said.err


def test_a_file_that_is_none_is_refused(dialer: Dialer, base: Path, tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text("[" * 100_000, encoding="utf-8")
    said = dialer("questionnaires", "add", "Broken", tmp_path / "q.json", "-c", base)
    assert (said.code, "This is no questionnaire." in said.err) == (1, True)
