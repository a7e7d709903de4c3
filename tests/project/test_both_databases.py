"""A run in which one database got fewer tests than the other fails, and says how many each got."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = """
import pytest

def test_on_each(database_kind: str) -> None:
    if database_kind == {left_out!r}:
        pytest.skip("left out")
"""


@pytest.mark.parametrize(("left_out", "code"), [("", 0), ("postgresql", 1), ("sqlite", 1)])
def test_fewer_tests_on_one_database_are_a_failure(tmp_path: Path, left_out: str, code: int) -> None:
    (tmp_path / "test_sample.py").write_text(SAMPLE.format(left_out=left_out))
    command = [sys.executable, "-m", "pytest", "-p", "tests.databases", "-c", "/dev/null", "--rootdir", str(tmp_path)]
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    run = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(tmp_path)],
        cwd=ROOT,
        env={**surroundings, "CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == code, run.stdout + run.stderr
    counts = {kind: 0 if kind == left_out else 1 for kind in ("sqlite", "postgresql")}
    assert f"{counts['sqlite']} on sqlite" in run.stdout
    assert f"{counts['postgresql']} on postgresql" in run.stdout
