"""A test run that is killed leaves neither a database server nor a folder behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.database_watchdog import PARENTS, PREFIX, claim, remove_leftovers, server_of
from tests.databases import Cluster

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
def test_hold(pytestconfig, postgresql_cluster):
    print(f"held {postgresql_cluster.folder.parent}", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path: Path, postgresql_cluster: Cluster) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A run of its own whose test goes on for ever with a server; and its folder. (Our own cluster only shows that
    PostgreSQL is to be had.)"""
    (tmp_path / "test_hold.py").write_text(HOLD)
    words = ("-p", "tests.databases", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-s", "-q", str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        folder = next(Path(line.split("held ")[1].strip()) for line in run.stdout if "held " in line)
        yield run, folder
        run.kill()


@contextmanager
def ends(pid: int) -> Iterator[None]:
    """The process ends within a minute of what happens inside."""
    handle = os.pidfd_open(pid)
    try:
        yield
        ended = select.poll()
        ended.register(handle, select.POLLIN)
        assert ended.poll(60_000), f"process {pid} goes on"
    finally:
        os.close(handle)


def test_a_killed_run_is_cleaned_up_after(held: tuple[subprocess.Popen[str], Path]) -> None:
    run, folder = held
    server, watchdog = server_of(folder), int((folder / "watchdog").read_text())
    assert server is not None
    with ends(watchdog), ends(server):
        run.kill()
    assert not folder.exists()


def test_the_next_run_cleans_up_when_the_watchdog_was_killed_too(held: tuple[subprocess.Popen[str], Path]) -> None:
    run, folder = held
    server, watchdog = server_of(folder), int((folder / "watchdog").read_text())
    assert server is not None
    with ends(watchdog):
        os.kill(watchdog, signal.SIGKILL)
    remove_leftovers(*PARENTS)
    assert folder.exists(), "its run goes on"
    run.kill()
    run.wait()
    with ends(server):
        remove_leftovers(*PARENTS)
    assert not folder.exists()


def test_only_folders_of_dead_runs_are_removed(tmp_path: Path) -> None:
    names = ("ours", "unknown", "dead", "reused")
    ours, unknown, dead, reused = (tmp_path / f"{PREFIX}{name}" for name in names)
    for folder in (ours, unknown, dead, reused):
        folder.mkdir()
    claim(ours)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    (dead / "owner").write_text(f"{ended.pid} 1")
    (reused / "owner").write_text(f"{os.getpid()} 1")  # the pid is ours, but it began at another time
    remove_leftovers(tmp_path)
    assert [folder.exists() for folder in (ours, unknown, dead, reused)] == [True, True, False, False]


def test_a_process_that_is_no_server_of_the_folder_is_not_touched(tmp_path: Path) -> None:
    folder = tmp_path / f"{PREFIX}dead"
    (folder / "pg" / "data").mkdir(parents=True)
    (folder / "owner").write_text(f"{os.getpid()} 1")
    (folder / "pg" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    remove_leftovers(tmp_path)
    assert not folder.exists()
