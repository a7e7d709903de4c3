"""`docs/promises.md` names tests that exist, and calls nothing kept that nothing shows."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEDGER = ROOT / "docs" / "promises.md"
STATES = {"kept", "partly", "not yet"}


@dataclass(frozen=True)
class Promise:
    text: str
    shown_by: str
    state: str

    @property
    def tests(self) -> list[str]:
        return re.findall(r"`(tests/[^`]+)`", self.shown_by)

    @property
    def figures(self) -> list[str]:
        return re.findall(r"\[([^\]]+)\]\(performance\.md\)", self.shown_by)


def promises() -> list[Promise]:
    rows = [line for line in LEDGER.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    return [Promise(*row) for row in cells if row[0] != "promise" and set(row[0]) != {"-"}]


@cache
def functions_of(file: str) -> frozenset[str]:
    """Names of the test functions in a file, also those in classes, without importing it."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def test_every_line_can_be_read() -> None:
    rows = promises()
    assert len(rows) > 90
    assert {promise.state for promise in rows} <= STATES
    assert len({promise.text for promise in rows}) == len(rows)


@pytest.mark.parametrize("promise", promises(), ids=lambda promise: promise.text[:50])
def test_every_test_that_is_named_exists(promise: Promise) -> None:
    for reference in promise.tests:
        file, _, name = reference.partition("::")
        assert functions_of(file), f"{file} has no tests"
        if name:
            assert name in functions_of(file), f"{file} has no {name}"


@pytest.mark.parametrize("promise", promises(), ids=lambda promise: promise.text[:50])
def test_what_is_kept_is_shown_by_something(promise: Promise) -> None:
    if promise.state == "not yet":
        assert not promise.tests, "a test shows it: it is kept at least partly"
        return
    assert promise.tests or promise.figures
    for name in promise.figures:
        row = re.search(
            rf"^\| {re.escape(name)}[^|]*\|.*\| ([^|]+) \|$",
            (ROOT / "docs" / "performance.md").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        assert row, f"docs/performance.md has no figure {name}"
        assert row[1] != "not measured yet"


def test_the_parser_finds_tests_in_classes_too(tmp_path: Path) -> None:
    file = tmp_path / "test_x.py"
    file.write_text("def test_a(): ...\nclass TestB:\n    async def test_c(self): ...\ndef helper(): ...\n")
    assert functions_of(str(file)) == {"test_a", "test_c"}
