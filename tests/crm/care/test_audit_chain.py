"""The chain: whoever changes, adds or removes rows behind the program's back breaks it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from crm import audit
from crm.care.audit_chain import ChainReport, add_links, verify
from crm.database import Database
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World


@pytest.fixture
async def linked(world: World) -> World:
    """Two outcomes, a move, some audit; all of it linked."""
    operator, client_id = await world.operator(), await world.client()
    for number, note in enumerate(("первая", "вторая")):
        at = NOON + timedelta(minutes=10 * number)
        attempt_id = await world.call(client_id, operator, at=at)
        await world.outcome(attempt_id, OutcomeForm("no_contact", note=note), operator, at=at)
    async with world.transaction() as session:
        audit.note(session, at=NOON, user_id=operator, action="test", subject="x:1", details={"a": [1, "б", 2.5]})
        await add_links(session)
    return world


async def checked(database: Database) -> ChainReport:
    async with database.reading() as session:
        return await verify(session)


async def behind_its_back(database: Database, statement: str) -> None:
    """As whoever owns the database could: without the triggers."""
    async with database.engine.begin() as connection:
        if database.dialect == "sqlite":
            found = await connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
            for (name,) in found.all():
                await connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            await connection.execute(text("SET session_replication_role = replica"))
        await connection.execute(text(statement))
        if database.dialect != "sqlite":
            await connection.execute(text("RESET session_replication_role"))


async def test_an_untouched_chain_is_whole(linked: World) -> None:
    report = await checked(linked.database)
    assert (report.broken, report.unlinked, report.erased) == ([], 0, 0)
    assert report.links >= 3
    async with linked.transaction() as session:
        assert await add_links(session) == 0


async def test_a_later_row_is_linked_later(linked: World) -> None:
    async with linked.transaction() as session:
        audit.note(session, at=NOON, user_id=None, action="test", subject="x:2")
    before = await checked(linked.database)
    assert (before.unlinked, before.broken) == (1, [])
    async with linked.transaction() as session:
        assert await add_links(session, limit=1) == 1
    after = await checked(linked.database)
    assert (after.unlinked, after.links, after.broken) == (0, before.links + 1, [])
    assert after.head != before.head


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE outcomes SET note = 'иначе' WHERE note = 'первая'", "note was changed"),
        ("UPDATE outcomes SET note = '' WHERE note = 'первая'", "note was changed"),
        ("UPDATE outcomes SET summary = 'дописано' WHERE note = 'вторая'", "summary was empty"),
        ("UPDATE outcomes SET disposition = 'hot' WHERE note = 'первая'", "the row or its place"),
        ("UPDATE audit_entries SET details = '{\"a\": 2}' WHERE subject = 'x:1'", "details was changed"),
        ("DELETE FROM audit_entries WHERE subject = 'x:1'", "the row is gone"),
        ("DELETE FROM chain_links WHERE id = 2", "links before it are gone"),
        ("UPDATE chain_links SET salts = '{}' WHERE kind = 'outcome'", "something stands there"),
    ],
)
async def test_what_is_changed_behind_its_back_is_noticed(linked: World, statement: str, told: str) -> None:
    await behind_its_back(linked.database, statement)
    report = await checked(linked.database)
    assert any(told in line for line in report.broken), report.broken
