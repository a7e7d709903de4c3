"""Fixtures of the CRM's tests."""

from __future__ import annotations

import pytest

from crm.database import Database
from tests.crm.builders import World, build_world
from tests.databases import Filled, Filling


async def _campaign(database: Database) -> tuple[int, int]:
    world = await build_world(database)
    return world.campaign_id, world.call_list_id


@pytest.fixture
def filling(request: pytest.FixtureRequest) -> Filling | None:
    """Where a test asks for the world its database begins with it."""
    return _campaign if "world" in request.fixturenames else None


@pytest.fixture
def world(database: Database, filled: Filled) -> World:
    """A campaign with an empty list."""
    campaign_id, call_list_id = filled.told
    return World(database, campaign_id, call_list_id)
