"""Peers for the engines: sipp and Kamailio, and the practice network."""

from __future__ import annotations

from tests.peers.fixtures import kamailio, lossy_relay, peers, pytest_runtest_makereport, sipp

__all__ = ["kamailio", "lossy_relay", "peers", "pytest_runtest_makereport", "sipp"]
