"""Groups: every move is kept for ever, and the client's group is always that of its last move."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from crm.base.organisations import add_organisation
from crm.clientele.clients import Client, add_client, get_client
from crm.clientele.groups import MoveCause, move, move_rows, moves_of
from crm.database import Database
from crm.errors import Conflict, NotFound, Refused
from crm.group import Group
from tests.crm.builders import NOON, World


async def execute(world: World, statement: str) -> None:
    async with world.database.engine.begin() as connection:
        await connection.execute(text(statement))


async def test_a_move_and_the_group_are_one(world: World) -> None:
    client_id = await world.client(group=Group.ABANDONED)
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        made = await move(session, client=client, to=Group.WARM, at=NOON, cause=MoveCause.USER, author_id=None)
        assert made is not None
        assert client.group is Group.WARM
        assert await move(session, client=client, to=Group.WARM, at=NOON, cause=MoveCause.USER, author_id=None) is None
        client.code = "a later change to the same row"
    async with world.database.reading() as session:
        assert (await get_client(session, client_id)).group is Group.WARM
        moves = [(made.from_group, made.to_group, made.cause) for made in await moves_of(session, client_id)]
    assert moves == [
        (Group.NEW, Group.ABANDONED, MoveCause.IMPORT),
        (Group.ABANDONED, Group.WARM, MoveCause.USER),
    ]


async def test_a_move_by_rule_says_which_rule(world: World) -> None:
    client_id = await world.client()

    async def by_rule(note: str) -> None:
        async with world.transaction() as session:
            client = await get_client(session, client_id)
            await move(session, client=client, to=Group.COLD, at=NOON, cause=MoveCause.RULE, author_id=None, note=note)

    with pytest.raises(Refused) as refusal:
        await by_rule(" ")
    assert refusal.value.code == "group.rule_without_words"
    columns = "(client_id, from_group, to_group, at, cause, note)"
    with pytest.raises(DBAPIError, match="a move by rule says which"):
        await execute(
            world,
            f"INSERT INTO group_moves {columns} VALUES ({client_id}, 'new', 'cold', '2026-11-23 09:00:00', 'rule', '')",
        )
    await by_rule("молчит больше года")
    async with world.database.reading() as session:
        (made,) = await move_rows(session, client_id)
    assert (made.left, made.entered, made.note) == (Group.NEW, Group.COLD, "молчит больше года")


async def test_moves_at_once_make_one_line_of_history(world: World, database_url: str) -> None:
    client_id = await world.client()
    targets = (Group.HOT, Group.WARM, Group.COLD, Group.COMPETITOR)
    nodes = [Database(database_url) for _ in targets]

    async def move_on(node: Database, to: Group) -> None:
        async with node.transaction() as session:
            client = await get_client(session, client_id)
            await move(session, client=client, to=to, at=NOON, cause=MoveCause.USER, author_id=None)

    try:
        await asyncio.gather(*(move_on(node, to) for node, to in zip(nodes, targets, strict=True)))
    finally:
        for node in nodes:
            await node.dispose()
    async with world.database.reading() as session:
        moves = await moves_of(session, client_id)
        client = await get_client(session, client_id)
    assert [made.from_group for made in moves] == [Group.NEW, *(made.to_group for made in moves[:-1])]
    assert {made.to_group for made in moves} == set(targets)
    assert client.group is moves[-1].to_group


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE group_moves SET to_group = 'cold'",
        "UPDATE group_moves SET note = 'rewritten'",
        "DELETE FROM group_moves",
        "UPDATE clients SET client_group = 'hot'",
        "UPDATE clients SET client_group = 'new'",
        "INSERT INTO clients (campaign_id, organisation_id, call_list_id, code, client_group, off_list_reason,"
        " created_at, version) SELECT campaign_id, id, 1, '', 'hot', '', created_at, 1"
        " FROM organisations, (SELECT min(campaign_id) AS campaign_id FROM clients) AS c WHERE name = 'Вторая'",
        "INSERT INTO group_moves (client_id, from_group, to_group, at, cause, note)"
        " SELECT client_id, 'new', 'hot', at, 'user', '' FROM group_moves",
        "INSERT INTO group_moves (client_id, from_group, to_group, at, cause, note)"
        " SELECT client_id, 'warm', 'warm', at, 'user', '' FROM group_moves",
        "INSERT INTO group_moves (client_id, from_group, to_group, at, cause, note)"
        " SELECT client_id, 'warm', 'nowhere', at, 'user', '' FROM group_moves",
        "INSERT INTO group_moves (client_id, from_group, to_group, at, cause, note)"
        " SELECT client_id, 'warm', 'hot', at, 'call', '' FROM group_moves",
        "UPDATE audit_entries SET action = 'nothing'",
        "DELETE FROM audit_entries",
    ],
)
async def test_plain_sql_is_refused(world: World, statement: str) -> None:
    await world.client(group=Group.WARM)
    async with world.transaction() as session:
        await add_organisation(session, name="Вторая", now=NOON)
        await session.execute(
            text(
                "INSERT INTO audit_entries (at, action, subject, details) SELECT created_at, 'x', '', '{}' FROM clients"
            )
        )
    with pytest.raises(DBAPIError, match=r"(?i)append-only|group|constraint|violates"):
        await execute(world, statement)


async def test_replacing_rows_is_refused(world: World) -> None:
    await world.client(group=Group.WARM)
    if world.database.dialect == "postgresql":
        for table in ("group_moves", "outcomes", "audit_entries"):
            with pytest.raises(DBAPIError, match="append-only"):
                await execute(world, f"TRUNCATE {table} CASCADE")
        return
    columns = [column.name for column in Client.__table__.columns]
    anew = ", ".join("'new'" if column == "client_group" else column for column in columns)
    for statement in (
        "INSERT OR REPLACE INTO group_moves SELECT * FROM group_moves",
        f"INSERT OR REPLACE INTO clients ({', '.join(columns)}) SELECT {anew} FROM clients",
    ):
        with pytest.raises(DBAPIError, match=r"append-only|begins in group new|from_group is not"):
            await execute(world, statement)


async def test_a_move_in_plain_sql_takes_the_client_along(world: World) -> None:
    client_id = await world.client(group=Group.WARM)
    await execute(
        world,
        "INSERT INTO group_moves (client_id, from_group, to_group, at, cause, note)"
        " SELECT client_id, 'warm', 'hot', at, 'user', '' FROM group_moves",
    )
    assert (await world.get_client(client_id)).group is Group.HOT


async def test_an_organisation_is_once_in_a_campaign(world: World) -> None:
    client = await world.get_client(await world.client())
    with pytest.raises(Conflict) as refused:
        async with world.transaction() as session:
            await add_client(
                session,
                campaign_id=client.campaign_id,
                organisation_id=client.organisation_id,
                call_list_id=client.call_list_id,
                now=NOON,
            )
    assert refused.value.code == "client.exists"
    with pytest.raises(NotFound):
        await world.get_client(999)
