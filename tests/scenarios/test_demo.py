"""`dialer demo --once` says what happened, and only what happened."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from config.settings import Settings
from dialer.demo.run import demo_settings
from dialer.practice import call_log
from tests.scenarios.demonstration import PATIENCE_S, call_as_it_says, said_by


@contextlib.asynccontextmanager
async def demo(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("dialer")), "demo", "--once", "--data", str(folder),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def outcome(process: asyncio.subprocess.Process) -> tuple[int, dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    lines = out.decode().splitlines()
    assert len(lines) == 1, (lines, err.decode())
    return process.returncode, json.loads(lines[0])


async def practice_pids(folder: Path) -> dict[str, Any]:
    """What the demo wrote when its processes were up."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                pids: dict[str, Any] = json.loads((folder / "practice.json").read_text())
                return pids
            await asyncio.sleep(0.02)


async def until_one_talks(folder: Path) -> None:
    """Return once an attempt was answered."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(opened(folder)) as database:
                if database.execute("SELECT 1 FROM attempts WHERE answered_at IS NOT NULL").fetchone():
                    return
            await asyncio.sleep(0.05)


def opened(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{folder / 'dialer.db'}?mode=rw", uri=True)


def leave_in_plan(folder: Path, *organisations: str) -> None:
    """Drop everybody else from today's plan."""
    places = ", ".join("?" * len(organisations))
    with contextlib.closing(opened(folder)) as database, database:
        database.execute(
            f"""UPDATE plan_entries SET state = 'dropped', reason = 'test'
                WHERE state = 'waiting' AND client_id NOT IN (
                SELECT clients.id FROM clients JOIN organisations ON organisations.id = organisation_id
                WHERE name IN ({places}))""",
            organisations,
        )


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_one_round_is_really_a_call(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    async with demo(folder) as process:
        code, found = await outcome(process)
    assert (code, found["problems"]) == (0, [])
    assert folder.stat().st_mode & 0o077 == 0, "its database is not for everybody on this machine"
    assert found["result"] == "answered"
    assert found["disposition"] == "callback"

    path = Path(found["recording"])
    samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    assert (rate, samples.shape[1], found["channels"]) == (8000, 2, 2)
    rms = np.sqrt((samples**2).mean(axis=0))
    assert found["rms"] == pytest.approx(list(rms), abs=1e-5)
    assert min(rms) > 10 ** (-45 / 20)  # both sides are heard
    assert found["sha256"] == sha256_of(path)

    calls = call_log.read(Path(found["far_end_log"]))
    far_end = next(call for call in calls if call.call_id == found["attempt"])
    assert far_end.ended_by == "caller"
    assert found["talk_seconds"] == pytest.approx(far_end.talk_seconds, abs=0.3)
    assert len(samples) / rate == pytest.approx(far_end.talk_seconds, abs=0.3)

    with contextlib.closing(sqlite3.connect(folder / "dialer.db")) as database:
        stored = database.execute(
            "SELECT key, sha256, duration_s, rms_left, rms_right FROM recordings WHERE attempt_id = ?",
            (found["attempt"],),
        ).fetchone()
        assert path == folder / "recordings" / stored[0]
        assert stored[1:] == (found["sha256"], pytest.approx(len(samples) / rate), *map(pytest.approx, rms))
        assert rms[0] != pytest.approx(rms[1], rel=0.01), "the channels cannot be confused"
        (due_at,) = database.execute(
            "SELECT due_at FROM callbacks WHERE made_by_attempt_id = ?", (found["attempt"],)
        ).fetchone()
    assert datetime.fromisoformat(found["callback"]).replace(tzinfo=None) == datetime.fromisoformat(due_at)


async def test_with_the_carrier_killed_it_fails_in_words(tmp_path: Path) -> None:
    async with demo(tmp_path) as process:
        pids = await practice_pids(tmp_path)
        os.kill(pids["carrier_pid"], signal.SIGKILL)
        code, found = await outcome(process)
    assert code == 1
    assert found["problems"]
    assert found["result"] != "answered" or "carrier" in found["problems"][-1]


async def test_it_goes_round_in_a_folder_that_was_used(tmp_path: Path) -> None:
    """By a round that was killed in mid-call; with clients who want other questions, or do not answer."""
    async with demo(tmp_path) as process:
        await until_one_talks(tmp_path)
        process.kill()
        await process.wait()
    async with demo(tmp_path) as process:
        assert (await outcome(process))[0] == 0
    leave_in_plan(tmp_path, "ООО «Нева»", "АО «Меридиан»")  # both were abandoned; the second is unavailable
    async with demo(tmp_path) as process:
        code, found = await outcome(process)
    assert (code, found["problems"], found["disposition"]) == (0, [], "callback")
    async with demo(tmp_path) as process:
        code, found = await outcome(process)
    assert code == 1
    assert found["problems"] == [
        "nobody is left in today's plan of this folder; begin anew with --data and another folder"
    ]


async def test_it_prints_an_address_where_the_operator_can_sign_in_and_call(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("dialer")), "demo", "--port", str(port), "--data", str(tmp_path),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            said = await said_by(process)
            assert f"Port {port} is taken by another program" in said
            written = (tmp_path / "dialer.toml").read_text()
            async with demo(tmp_path) as second:
                code, _found = await outcome(second)
            assert code != 0
            assert (tmp_path / "dialer.toml").read_text() == written
            await call_as_it_says(said)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_only_the_trunk_and_what_a_desk_computer_needs_differ_from_an_office(tmp_path: Path) -> None:
    office = Settings.model_validate({"trunk": {"host": "sip.provider.ru"}}).model_dump(mode="json")
    demo = demo_settings(tmp_path, console_port=0, carrier_port=5070).model_dump(mode="json")
    different = {
        f"{section}.{name}"
        for section in office
        for name, value in office[section].items()
        if demo[section][name] != value
    }
    assert different == {
        "service.data_dir", "console.port", "sip.port", "media.first_port", "media.last_port", "trunk.host",
        "trunk.port", "trunk.caller_id", "trunk.options_interval_s", "recordings.minimum_free_mb", "scheduler.poll_s",
        "recordings.encrypt",  # whoever tries it plays the files, too
        "backups.folder",  # the folder of the demonstration is its data folder, and backups lie beside that
    }  # fmt: skip
