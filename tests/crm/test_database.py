"""The database itself: migrations, connections, transactions, the check in words, the lock of the service."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.do_not_call import requests
from crm.base.organisations import Organisation
from crm.base.phone_numbers import PhoneNumber
from crm.database import MOST_TRIES, Database
from crm.errors import ERRORS, AnotherServiceRuns, Conflict, CrmError, NotFound
from crm.migrations.chain import alembic_config
from crm.migrations.versions import NEWEST, ORDER
from crm.preparation.campaigns import Campaign, campaign_named
from crm.schema import METADATA
from tests.crm.builders import NOON, build_world

T = TypeVar("T")


async def run(database: Database, work: Callable[[Connection], T]) -> T:
    async with database.engine.begin() as connection:
        return await connection.run_sync(work)


def is_mapped(name: str | None, *_: object) -> bool:
    """The search index is derived, and made by its migration alone: no class is mapped to it."""
    return name is None or not name.startswith(("search_", "alembic_version"))


def described(connection: Connection) -> dict[str, Any]:
    """Everything that reflection tells of the schema."""
    seen = inspect(connection)

    def by_name(rows: Any) -> list[Any]:
        return sorted(({**row, "type": str(row.get("type"))} for row in rows), key=lambda row: str(row["name"]))

    def in_words(index: Any) -> dict[str, str]:
        return {name: str(value) for name, value in index.get("dialect_options", {}).items()}

    return {
        table: {
            "columns": by_name(seen.get_columns(table)),
            "primary key": seen.get_pk_constraint(table),
            "foreign keys": by_name(seen.get_foreign_keys(table)),
            "unique": by_name(seen.get_unique_constraints(table)),
            "checks": by_name(seen.get_check_constraints(table)),
            "indexes": [{**row, "dialect_options": in_words(row)} for row in by_name(seen.get_indexes(table))],
        }
        for table in seen.get_table_names()
        if is_mapped(table)
    }


class TestMigrations:
    def test_the_list_of_the_chain_is_its_order(self) -> None:
        scripts = ScriptDirectory.from_config(alembic_config())
        assert [Path(each.path).stem for each in scripts.walk_revisions()] == list(reversed(ORDER))
        assert scripts.get_current_head() == NEWEST

    async def test_alembic_finds_nothing_to_migrate(self, database: Database) -> None:
        def differences(connection: Connection) -> list[Any]:
            context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": is_mapped})
            return list(compare_metadata(context, METADATA))

        assert await run(database, differences) == []

    async def test_migrations_make_what_the_classes_say(self, database: Database, empty_database_url: str) -> None:
        # Alembic compares neither CHECKs nor the conditions of partial indexes.
        fresh = Database(empty_database_url)
        try:
            await run(fresh, METADATA.create_all)
            assert await run(database, described) == await run(fresh, described)
        finally:
            await fresh.dispose()

    async def test_from_nothing_and_again(self, empty_database_url: str) -> None:
        database = Database(empty_database_url)
        try:
            assert await database.check() == "the database is empty: run `dialer db upgrade`"
            await asyncio.gather(database.upgrade(), database.upgrade())
            assert await database.check() is None
            await database.upgrade()
            async with database.engine.begin() as connection:
                await connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
            problem = await database.check()
            assert problem is not None
            assert "revision 0000" in problem
        finally:
            await database.dispose()


OLDER_ROWS = (
    "INSERT INTO campaigns (id, name, time_zone, calls_from, calls_until, lists_need_approval, target_contacts,"
    " attempts_a_day, overdue_to_all_min, created_at)"
    " VALUES (1, 'Старая', 'Europe/Moscow', '09:00:00', '18:00:00', false, 600, 3, 15, '2026-11-01 09:00:00')",
    "INSERT INTO call_lists (id, campaign_id, name, state, approved_by) VALUES (1, 1, 'Первый', 'draft', '')",
    "INSERT INTO organisations (id, name, name_folded, city, industry, tax_number, site, email, code, attributes,"
    " time_zone, note, created_at, version)"
    " VALUES (1, 'Альфа', 'альфа', '', '', '', '', '', '', '{}', '', '', '2026-11-01 09:00:00', 1)",
    "INSERT INTO clients (id, campaign_id, organisation_id, call_list_id, code, client_group, off_list_reason,"
    " do_not_call, created_at, version) VALUES (1, 1, 1, 1, '', 'new', '', true, '2026-11-01 09:00:00', 1)",
    "INSERT INTO phone_numbers (id, organisation_id, e164, extension, raw, state, rank)"
    " VALUES (1, 1, '+73420000001', '', '', 'do_not_call', 0), (2, 1, '+73420000002', '', '', 'dead', 1)",
)


async def test_what_an_older_version_wrote_is_carried_over(empty_database_url: str) -> None:
    def older(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for statement in OLDER_ROWS:
            connection.execute(text(statement))

    database = Database(empty_database_url)
    try:
        await run(database, older)
        await database.upgrade()
        async with database.reading() as session:
            campaign = (await session.scalars(select(Campaign))).one()
            assert (campaign.country, campaign.gap_min, campaign.version, campaign.days) == ("RU", 5, 1, [])
            register = sorted((each.whom, each.e164 or each.organisation_id) for each in await requests(session))
            assert register == [("number", "+73420000001"), ("organisation", 1)]
            states = list(await session.scalars(select(PhoneNumber.state).order_by(PhoneNumber.id)))
            assert states == ["ok", "dead"]
    finally:
        await database.dispose()


class TestTrouble:
    @pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "postgresql://dialer:s3cret@127.0.0.1:1/dialer"])
    async def test_a_database_that_cannot_be_opened(self, url: str) -> None:
        database = Database(url)
        problem = await database.check()
        await database.dispose()
        assert problem is not None
        assert "cannot be opened" in problem
        assert "s3cret" not in problem

    async def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "dialer.db").write_bytes(b"nothing of the kind " * 100)
        database = Database(f"sqlite:///{tmp_path / 'dialer.db'}")
        problem = await database.check()
        await database.dispose()
        assert problem is not None
        assert "not a database" in problem

    def test_other_databases(self) -> None:
        with pytest.raises(ValueError, match="sqlite and postgresql"):
            Database("mysql://localhost/dialer")

    @pytest.mark.parametrize("scheme", ["postgresql", "postgresql+asyncpg", "postgres"])
    def test_the_driver_is_ours_to_choose(self, scheme: str) -> None:
        assert Database(f"{scheme}://localhost/dialer").url.drivername == "postgresql+asyncpg"


class _Ended(Exception):
    """What the driver raises."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class TestTransactions:
    async def test_an_exception_takes_everything_back(self, database: Database) -> None:
        await build_world(database)

        async def rename_and_fail() -> None:
            async with database.transaction() as session:
                (await campaign_named(session, "Вентиляция")).name = "Другая"
                await session.flush()
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await rename_and_fail()
        async with database.reading() as session:
            assert (await campaign_named(session, "Вентиляция")).calls_from.hour == 9
            with pytest.raises(NotFound):
                await campaign_named(session, "Другая")

    async def test_reading_cannot_write(self, database: Database) -> None:
        await build_world(database)
        with pytest.raises(DBAPIError, match=r"(?i)read.?only"):
            async with database.reading() as session:
                await session.execute(text("UPDATE campaigns SET name = 'x'"))

    async def test_writers_at_once_lose_nothing(self, database: Database, database_url: str) -> None:
        world = await build_world(database)
        nodes = [Database(database_url) for _ in range(3)]

        async def add_one(node: Database) -> None:
            async with node.transaction() as session:
                campaign = await session.get_one(Campaign, world.campaign_id, with_for_update=True)
                campaign.target_contacts += 1

        try:
            await asyncio.gather(*(add_one(node) for node in nodes * 8))
        finally:
            for node in nodes:
                await node.dispose()
        async with database.reading() as session:
            assert (await campaign_named(session, "Вентиляция")).target_contacts == 624

    async def test_what_others_have_overtaken_is_begun_anew(self, database: Database) -> None:
        tries: list[int] = []

        async def overtaken(session: AsyncSession) -> int:
            tries.append(len(tries))
            session.add(Organisation(name=f"Фирма {tries[-1]}", created_at=NOON))
            await session.flush()
            if tries[-1] < 2:
                raise DBAPIError("", {}, _Ended("40P01"))
            return tries[-1]

        assert await database.carry_out(overtaken) == 2
        async with database.reading() as session:
            assert list(await session.scalars(select(Organisation.name))) == ["Фирма 2"]

    @pytest.mark.parametrize(("sqlstate", "times"), [("40P01", MOST_TRIES), ("40001", MOST_TRIES), ("23505", 1)])
    async def test_and_given_up_with_a_sentence(self, database: Database, sqlstate: str, times: int) -> None:
        tries: list[str] = []

        async def refused(session: AsyncSession) -> None:
            tries.append(sqlstate)
            raise DBAPIError("", {}, _Ended(sqlstate))

        with pytest.raises(Conflict if times > 1 else DBAPIError) as error:
            await database.carry_out(refused)
        assert len(tries) == times
        assert (getattr(error.value, "code", "") == "database.overtaken") is (times > 1)

    async def test_sqlite_is_set_to_survive_a_power_cut(self, database: Database) -> None:
        if database.dialect == "postgresql":
            async with database.reading() as session:
                assert (await session.execute(text("SHOW transaction_read_only"))).scalar_one() == "on"
            return
        async with database.engine.connect() as connection:
            found = {
                name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            }
        assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


class TestTimes:
    async def test_instants_come_back_in_utc(self, database: Database) -> None:
        in_perm = datetime(2026, 11, 23, 14, 0, tzinfo=timezone(timedelta(hours=5)))
        async with database.transaction() as session:
            session.add(Organisation(name="А", name_folded="а", created_at=in_perm))
        async with database.reading() as session:
            organisation = await session.get_one(Organisation, 1)
        assert organisation.created_at == NOON
        assert organisation.created_at.tzinfo is UTC

    async def test_a_naive_time_is_refused(self, database: Database) -> None:
        with pytest.raises(StatementError, match="naive"):
            async with database.transaction() as session:
                session.add(Organisation(name="А", name_folded="а", created_at=NOON.replace(tzinfo=None)))


HOLD = """
import asyncio, sys
from datetime import UTC, datetime
from crm.database import Database
async def main():
    lock = await Database(sys.argv[1]).acquire_service(node="main", further_node=False, now=datetime.now(UTC))
    print("held", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


class TestServiceLock:
    async def test_a_second_service_is_refused_in_words(self, database: Database, database_url: str) -> None:
        second = Database(database_url)
        try:
            lock = await database.acquire_service(node="main", further_node=False, now=NOON)
            with pytest.raises(AnotherServiceRuns, match=r"node “main”, since 2026-11-23 09:00 UTC"):
                await second.acquire_service(node="other", further_node=False, now=NOON)
            further = await second.acquire_service(node="second", further_node=True, now=NOON)
            with pytest.raises(AnotherServiceRuns):
                await database.acquire_service(node="second", further_node=True, now=NOON)
            await further.release()
            await lock.release()
            await lock.release()
            await (await second.acquire_service(node="other", further_node=False, now=NOON)).release()
        finally:
            await second.dispose()

    async def test_who_holds_it_is_told_without_taking_it(self, database: Database, database_url: str) -> None:
        second = Database(database_url)
        try:
            assert await second.running_service(node="main", further_node=False) is None
            lock = await database.acquire_service(node="main", further_node=False, now=NOON)
            running = await second.running_service(node="any", further_node=False)
            assert running is not None
            assert (running.node, running.started_at) == ("main", NOON)
            assert await second.running_service(node="main", further_node=True) is None
            await lock.release()
            assert await second.running_service(node="main", further_node=False) is None
            await (await second.acquire_service(node="other", further_node=False, now=NOON)).release()
        finally:
            await second.dispose()

    async def test_a_killed_service_holds_nobody_up(self, database: Database, database_url: str) -> None:
        holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLD, database_url, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"held\n"
        with pytest.raises(AnotherServiceRuns):
            await database.acquire_service(node="main", further_node=False, now=NOON)
        holder.kill()
        await holder.wait()
        lock = await acquired_soon(database)
        await lock.release()


async def acquired_soon(database: Database) -> Any:
    """PostgreSQL's server notices a dead client when it next looks at the socket."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await database.acquire_service(node="main", further_node=False, now=NOON)
            except AnotherServiceRuns:
                await asyncio.sleep(0.02)


def test_every_error_has_words_and_says_them() -> None:
    for code, template in ERRORS.items():
        assert template.endswith((".", "?")) or code.startswith("database."), "findings are parts of a line of `check`"
        assert code.count(".") == 1
    assert str(CrmError("dial.cap", count=3, cap=3)).startswith("This client has been called or written to 3 times")
    with pytest.raises(KeyError):
        CrmError("no.such_code")


def test_whoever_opens_a_database_has_every_table_mapped() -> None:
    """In a process of its own: a class that refers to one that nobody imported cannot be written."""
    script = "import crm.database; print(*crm.database.Base.metadata.tables)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == set(METADATA.tables)
