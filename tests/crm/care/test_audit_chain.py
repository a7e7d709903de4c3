"""The chain: whoever changes, adds or removes rows behind the program's back breaks it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Select, select, text

from crm import audit
from crm.care import audit_chain
from crm.care.audit_chain import ChainLink, ChainReport, Key, add_links, verify
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
        ("DELETE FROM chain_links WHERE id = 3", "links before it are gone"),
        ("UPDATE chain_links SET salts = '{}' WHERE kind = 'outcome'", "something stands there"),
        ("DELETE FROM chain_links WHERE kind = 'start'", "no link is made with the office's key"),
    ],
)
async def test_what_is_changed_behind_its_back_is_noticed(linked: World, statement: str, told: str) -> None:
    await behind_its_back(linked.database, statement)
    report = await checked(linked.database)
    assert any(told in line for line in report.broken), report.broken


async def test_a_text_that_was_blanked_without_an_erasure_is_no_erased_one(linked: World) -> None:
    """Neither the office's key nor an erasure: the salt alone proves nothing."""
    blank = "UPDATE audit_entries SET details = '{}' WHERE subject = 'x:1'"
    await behind_its_back(linked.database, blank)
    unsalt = "UPDATE chain_links SET salts = '{}' WHERE kind = 'audit' AND row_id = (SELECT id FROM audit_entries"
    await behind_its_back(linked.database, f"{unsalt} WHERE subject = 'x:1')")
    claimed = (
        "INSERT INTO erased_salts (kind, row_id, column_name, erasure_id, seal) SELECT 'audit', id, 'details', NULL,"
    )
    await behind_its_back(linked.database, f"{claimed} '{'0' * 64}' FROM audit_entries WHERE subject = 'x:1'")
    report = await checked(linked.database)
    assert any("details has lost its salt, and no erasure took it" in line for line in report.broken), report.broken


async def unkeyed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain as the program made it before links had a key, which is how anybody can make one."""
    await behind_its_back(world.database, "DELETE FROM chain_links")
    with monkeypatch.context() as before:
        before.setattr(audit_chain, "_key", lambda _session: b"")
        async with world.transaction() as session:
            last, made = "0" * 64, 0
            for kind in audit_chain.KINDS:
                rows: Select[Any] = select(kind.table).order_by(kind.table.id)
                for row in await session.scalars(rows):
                    made += 1
                    salts, digests = audit_chain._digests(kind, row)
                    last = audit_chain._link(b"", last, kind, row, digests)
                    session.add(
                        ChainLink(id=made, kind=kind.name, row_id=row.id, salts=salts, digests=digests, link=last)
                    )


async def test_a_chain_made_anew_without_the_offices_key_is_not_whole(
    linked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await behind_its_back(linked.database, "UPDATE audit_entries SET details = '{\"a\": 2}' WHERE subject = 'x:1'")
    await unkeyed(linked, monkeypatch)
    report = await checked(linked.database)
    assert report.links >= 3
    assert any("no link is made with the office's key" in line for line in report.broken), report.broken


async def test_the_links_of_an_office_from_before_the_key_are_taken_on(
    linked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await unkeyed(linked, monkeypatch)
    async with linked.transaction() as session:
        audit.note(session, at=NOON, user_id=None, action="test", subject="x:2")
    async with linked.transaction() as session:
        assert await add_links(session) == 1
    report = await checked(linked.database)
    assert (report.broken, report.unlinked, report.unkeyed) == ([], 0, report.links - 1)
    old = "UPDATE chain_links SET link = '" + "a" * 64 + "' WHERE id = 1"
    await behind_its_back(linked.database, old)
    assert (await checked(linked.database)).broken


async def test_without_the_offices_key_or_with_another_nothing_is_verified_and_nothing_called_broken(
    linked: World,
) -> None:
    for office_key, key in ((b"", Key.MISSING), (b"another", Key.ANOTHER)):
        database = Database(linked.database.url.render_as_string(hide_password=False), office_key)
        try:
            report = await checked(database)
        finally:
            await database.dispose()
        assert (report.broken, report.key) == ([], key)


async def test_what_is_seen_without_the_offices_key_is_broken_all_the_same(linked: World) -> None:
    await behind_its_back(linked.database, "UPDATE outcomes SET note = 'иначе' WHERE note = 'первая'")
    database = Database(linked.database.url.render_as_string(hide_password=False), b"")
    try:
        report = await checked(database)
    finally:
        await database.dispose()
    assert any("note was changed" in line for line in report.broken), report.broken
