"""Fixtures that start real peers and end them. Import them into the conftest of any tests that need them:

    from tests.peers.fixtures import baresip, kamailio, lossy_relay, peer_folder, peers, sipp  # noqa: F401

Each factory starts as many as the test asks for. Where a program is missing the test is skipped with the reason, and
fails instead when the environment says `CI=true`. The logs stay in the test's `tmp_path`, and their ends are printed
when the test fails.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.peers.process import PeerProcess
from tests.peers.relay import LossyRelay, Predicate
from tests.peers.run_baresip import BaresipRun, start_baresip
from tests.peers.run_kamailio import KamailioRun, start_kamailio
from tests.peers.run_sipp import SippRun, start_sipp

PACKAGES = {"sipp": "sip-tester", "baresip": "baresip-core", "kamailio": "kamailio", "dovecot": "dovecot-imapd"}
LOG_TAIL_LINES = 60

_logs_key = pytest.StashKey["list[Path]"]()


def require_program(program: str) -> None:
    """Skip the test when `program` is not installed; fail it in CI."""
    if shutil.which(program) or shutil.which(program, path="/usr/sbin"):
        return
    reason = f"{program} is not installed (apt-get install {PACKAGES[program]})"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Peers:
    """What one test has started."""

    def __init__(self, folder: Path, logs: list[Path]) -> None:
        self._folder = folder
        self._logs = logs
        self._running: list[PeerProcess] = []

    def folder(self, name: str) -> Path:
        """A new folder for one peer's files."""
        path = self._folder / f"{len(self._running)}-{name}"
        path.mkdir(parents=True)
        return path

    def keep(self, process: PeerProcess) -> None:
        """From now on `process` is ended with the test, and its log shown if the test fails."""
        self._running.append(process)
        self._logs.append(process.log)

    async def stop(self) -> None:
        for process in reversed(self._running):
            await process.stop()


Factory = Callable[..., Coroutine[Any, Any, Any]]


@pytest.fixture
async def peers(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Peers]:
    """The owner of all peers of a test."""
    logs = request.node.stash.setdefault(_logs_key, [])
    owner = Peers(tmp_path / "peers", logs)
    yield owner
    await owner.stop()


@pytest.fixture
def sipp(peers: Peers) -> Callable[..., Coroutine[Any, Any, SippRun]]:
    """`await sipp("answer", **options)`: see `run_sipp.start_sipp`."""
    require_program("sipp")

    async def start(scenario: str, **options: Any) -> SippRun:
        run = await start_sipp(scenario, folder=peers.folder(f"sipp-{scenario}"), **options)
        peers.keep(run.process)
        return run

    return start


@pytest.fixture
def baresip(peers: Peers) -> Iterator[Callable[..., Coroutine[Any, Any, BaresipRun]]]:
    """`await baresip(user="anna", tone=wav, registrar=(host, port), password="...")`: see `run_baresip`."""
    require_program("baresip")

    started: list[BaresipRun] = []

    async def start(**options: Any) -> BaresipRun:
        run = await start_baresip(folder=peers.folder("baresip"), **options)
        peers.keep(run.process)
        started.append(run)
        return run

    yield start
    for run in started:
        run.clean_up()


@pytest.fixture
def kamailio(peers: Peers) -> Callable[..., Coroutine[Any, Any, KamailioRun]]:
    """`await kamailio(trunk=(host, port), sha256=False)`: see `run_kamailio`."""
    require_program("kamailio")

    async def start(**options: Any) -> KamailioRun:
        run = await start_kamailio(folder=peers.folder("kamailio"), **options)
        peers.keep(run.process)
        return run

    return start


@pytest.fixture
async def lossy_relay() -> AsyncIterator[Callable[..., Coroutine[Any, Any, LossyRelay]]]:
    """`await lossy_relay(host, target, lose=2, predicate=first_line("^INVITE "))`: see `relay.LossyRelay`."""
    async with AsyncExitStack() as stack:

        async def start(host: str, target: tuple[str, int], *, lose: int, predicate: Predicate) -> LossyRelay:
            return await stack.enter_async_context(LossyRelay(host, target, lose=lose, predicate=predicate))

        yield start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the ends of the peers' logs under a failed test."""
    report = yield
    if report.failed:
        for log in item.stash.get(_logs_key, []):
            if log.exists():
                tail = log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
                report.sections.append((f"{log}", "\n".join(tail)))
    return report
