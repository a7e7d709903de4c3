"""The practice carrier as a process, and our endpoint to call it with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialer.practice.processes import PracticeCarrier
from tests.peers.addresses import own_address
from tests.peers.fixtures import kamailio, peers, pytest_runtest_makereport, sipp
from tests.peers.our_side import OurSide

__all__ = ["kamailio", "peers", "pytest_runtest_makereport", "sipp"]


@pytest.fixture
async def carrier(tmp_path: Path) -> AsyncIterator[PracticeCarrier]:
    """A carrier whose clients ring for 0.2 s, open to everybody."""
    async with PracticeCarrier(log=tmp_path / "calls.jsonl", host=own_address(), ring_s=0.2) as process:
        yield process


@pytest.fixture
async def our_side() -> AsyncIterator[OurSide]:
    async with OurSide() as side:
        yield side
