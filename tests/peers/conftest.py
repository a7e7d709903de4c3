"""Every test here talks to a peer that this project did not write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.fixtures import (
    baresip,
    kamailio,
    lossy_relay,
    peers,
    pytest_runtest_makereport,
    sipp,
)

__all__ = ["baresip", "kamailio", "lossy_relay", "peers", "pytest_runtest_makereport", "sipp"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.peer)
