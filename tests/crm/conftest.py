"""Fixtures of the CRM's tests."""

from __future__ import annotations

import pytest

from crm.database import Database
from tests.crm.builders import World, build_world


@pytest.fixture
async def world(database: Database) -> World:
    """A campaign with an empty list."""
    return await build_world(database)
