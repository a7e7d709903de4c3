"""A newcomer's first command, on a copy that was never set up."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.scenarios.demonstration import call_as_it_says, said_by

ROOT = Path(__file__).parents[2]
SET_UP_S = 600.0
_NO_NETWORK = ("NewConnectionError", "No matching distribution found", "ReadTimeoutError", "Temporary failure in name")


def copy_of_the_source(folder: Path) -> Path:
    """What a clone would hold, and what was changed since."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("this is no git repository: what belongs to the source cannot be told from what was made of it")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


async def test_make_demo_sets_up_and_an_operator_calls(tmp_path: Path) -> None:
    folder = copy_of_the_source(tmp_path / "dialer")
    surroundings = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "ARGS"))
    }
    process = await asyncio.create_subprocess_exec(
        "make", "demo", cwd=folder, env=surroundings, start_new_session=True, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        try:
            said = await said_by(process, patience_s=SET_UP_S)
        except AssertionError as error:
            if not os.environ.get("CI") and any(sign in str(error) for sign in _NO_NETWORK):
                pytest.skip("no package index can be reached from here")
            raise
        await call_as_it_says(said)
        os.killpg(process.pid, signal.SIGINT)  # Ctrl+C
        async with asyncio.timeout(60):
            rest, _ = await process.communicate()
        assert b"Traceback" not in rest
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    assert (folder / "demo-data" / "dialer.db").exists()
