"""Both engines, and peers for them: the practice network, sipp, baresip, Kamailio."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.dialer.engines.office import ENGINES, Engine, Office, running_office
from tests.peers.fixtures import baresip, kamailio, lossy_relay, peers, pytest_runtest_makereport, sipp

__all__ = ["baresip", "kamailio", "lossy_relay", "peers", "pytest_runtest_makereport", "sipp"]


@pytest.fixture(scope="module", params=list(ENGINES.values()), ids=list(ENGINES))
def engine_class(request: pytest.FixtureRequest) -> type[Engine]:
    """Each test of the contract runs on both."""
    found: type[Engine] = request.param
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_office(engine_class: type[Engine], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    async with running_office(engine_class, tmp_path_factory.mktemp("office")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def office(shared_office: Office) -> AsyncIterator[Office]:
    """One office for all tests of a module; no call lives longer than its test."""
    yield shared_office
    await shared_office.tidy()
