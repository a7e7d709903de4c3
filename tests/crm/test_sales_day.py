"""Sales days at random, with crashes: no client is dialled twice, no callback is lost, the sums agree."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.crm.sales_day import SalesDays
from tests.databases import made_database

IN_SOAK = "soak"
BRIEF = settings(
    max_examples=50,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@pytest.fixture
def new_database(request: pytest.FixtureRequest, database_kind: str) -> Callable[[], AbstractAsyncContextManager[str]]:
    """Gives an empty migrated database each time it is called."""
    if database_kind == "postgresql":
        cluster = request.getfixturevalue("postgresql_cluster")
        return lambda: made_database(cluster)
    template: Path = request.getfixturevalue("sqlite_template")

    @asynccontextmanager
    async def copied() -> AsyncIterator[str]:
        with TemporaryDirectory(dir=template.parent) as folder:
            shutil.copyfile(template, Path(folder) / "test.db")
            yield f"sqlite:///{Path(folder) / 'test.db'}"

    return copied


def play(new_database: Callable[[], AbstractAsyncContextManager[str]]) -> None:
    class Machine(SalesDays):
        pass

    Machine.new_database = staticmethod(new_database)
    soaking = settings.get_current_profile_name() == IN_SOAK
    run_state_machine_as_test(Machine, settings=settings.get_profile(IN_SOAK) if soaking else BRIEF)


# A class for each database: they take minutes, and what stands in one class runs in one process.


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
class TestOnSqlite:
    def test_sales_days_with_crashes(self, new_database: Callable[[], AbstractAsyncContextManager[str]]) -> None:
        play(new_database)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
class TestOnPostgresql:
    def test_sales_days_with_crashes(self, new_database: Callable[[], AbstractAsyncContextManager[str]]) -> None:
        play(new_database)
