"""A second database, in which other rules hold."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from crm.database import Database
from tests.databases import Filled, made_database


@pytest.fixture
async def other(request: pytest.FixtureRequest, database_kind: str, filled: Filled) -> AsyncIterator[Database]:
    """A second database."""
    if database_kind == "postgresql":
        async with made_database(request.getfixturevalue("postgresql_cluster"), filled.template) as url:
            yield (opened := Database(url))
            await opened.dispose()
        return
    template = Path(filled.template)
    with TemporaryDirectory(dir=template.parent) as folder:
        shutil.copyfile(template, Path(folder) / "other.db")
        yield (opened := Database(f"sqlite:///{folder}/other.db"))
        await opened.dispose()
