"""`docs/engines.md` says of every capability what each engine really says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dialer.telephony import Capability
from tests.dialer.engines.office import ENGINES

DOCUMENT = Path(__file__).parents[3] / "docs" / "engines.md"


def table() -> dict[str, dict[str, str]]:
    """capability -> engine -> "yes" or "no", from the table whose first column is "capability"."""
    section = DOCUMENT.read_text().split("| capability |", 1)[1].split("\n\n", 1)[0]
    head, _, *rows = [[cell.strip() for cell in row.strip("| ").split("|")] for row in section.splitlines()]
    engines = [re.sub("`", "", cell) for cell in head[: len(ENGINES)]]
    assert engines == list(ENGINES)
    return {name: dict(zip(engines, cells, strict=False)) for name, *cells in rows}


def test_every_capability_is_in_the_table_once() -> None:
    assert sorted(table()) == sorted(capability.value for capability in Capability)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_table_says_what_the_engine_says(engine: str) -> None:
    documented = {name for name, states in table().items() if states[engine] == "yes"}
    assert documented == {capability.value for capability in ENGINES[engine].capabilities}
    assert {states[engine] for states in table().values()} <= {"yes", "no"}
