"""`dialer candidates|materials|script`: the parts of a campaign's set-up that are lists and texts."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from tests.dialer.cli.conftest import Dialer, Said

CAMPAIGN = "First campaign"
SCRIPT = "# Greeting\nGood afternoon\n> Yes -> Offer\n> No\n# Offer\nFans\n"


def run(dialer: Dialer, office: Path, *words: str | Path, stdin: str = "") -> Said:
    return dialer(*words, "--campaign", CAMPAIGN, "-c", office, stdin=stdin)


def cells(said: Said) -> list[list[str]]:
    assert said.code == 0, said.err
    return [re.split(r"  +", line) for line in said.out.splitlines()][1:]


def test_a_candidate_is_invited_hired_trained_and_signed_for(dialer: Dialer, office: Path) -> None:
    assert run(dialer, office, "candidates", "add", "Boris B.").out == "Candidate 1: Boris B.\n"
    said = run(dialer, office, "candidates", "set", "1", "--state", "trained", "--score", "90")
    assert (said.code, said.err) == (1, "A candidate who is invited cannot become trained.\n")
    assert run(dialer, office, "candidates", "set", "1", "--state", "hired").out == "Boris B. is now: hired.\n"
    said = run(
        dialer, office, "candidates", "set", "1", "--state", "trained", "--score", "90", "--user", "manager",
        "--remarks", "quick",
    )  # fmt: skip
    assert said.out == "Boris B. is now: trained.\n", said.err
    signed = ("campaigns", "approve", CAMPAIGN, "operator", "--by", "Orlova", "--candidate", "1", "-c", office)
    assert dialer(*signed).code == 0
    assert cells(run(dialer, office, "candidates", "list")) == [["1", "Boris B.", "trained", "90", "Orlova", "quick"]]
    assert run(dialer, office, "candidates", "set", "1", "--score", "70", "--user", "").code == 0
    assert cells(run(dialer, office, "candidates", "list")) == [["1", "Boris B.", "trained", "70", "-", "quick"]]


def test_a_file_goes_in_and_comes_out_as_it_was(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    offer = tmp_path / "offer.pdf"
    offer.write_bytes(b"%PDF-1.7 fans")
    said = run(dialer, office, "materials", "add", offer, "--kind", "offer")
    assert (said.code, said.out) == (0, "The file “offer.pdf” has been added.\n"), said.err
    digest = hashlib.sha256(b"%PDF-1.7 fans").hexdigest()
    assert cells(run(dialer, office, "materials", "list")) == [["1", "offer.pdf", "commercial offer", "1", digest]]
    assert run(dialer, office, "materials", "get", "1", tmp_path / "back.pdf").code == 0
    assert (tmp_path / "back.pdf").read_bytes() == offer.read_bytes()
    assert dialer("campaigns", "approve", CAMPAIGN, "offer", "--by", "Orlova", "-c", office).code == 0
    assert run(dialer, office, "materials", "remove", "1").out == (
        "The file “offer.pdf” has been taken off.\nTo be approved again: Commercial offer\n"
    )
    assert cells(run(dialer, office, "materials", "list")) == []
    assert run(dialer, office, "materials", "get", "1", tmp_path / "again.pdf").code == 1
    bad = tmp_path / "run.exe"
    bad.write_bytes(b"MZ")
    assert run(dialer, office, "materials", "add", bad).err.startswith("Files like “run.exe” are not taken.")


def test_the_script_is_set_shown_and_checked(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "script.txt"
    file.write_text(SCRIPT, encoding="utf-8-sig")
    assert run(dialer, office, "script", "set", file).out == "The script has 2 steps.\n"
    assert run(dialer, office, "script", "show").out == SCRIPT
    assert dialer("campaigns", "approve", CAMPAIGN, "script", "--by", "Orlova", "-c", office).code == 0
    said = run(dialer, office, "script", "set", "-", stdin="# Greeting\n> Yes -> Nowhere\n")
    assert (said.code, said.err) == (1, "Line 2: there is no step “Nowhere”.\n")
    said = run(dialer, office, "script", "set", "-", stdin="# Greeting\n")
    assert said.out == "The script has 1 step.\nTo be approved again: Presentation (script)\n"
