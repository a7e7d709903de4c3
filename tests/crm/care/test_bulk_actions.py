"""One change to many clients: shown, made as shown, undone where nothing has happened since."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from crm.audit import BULK_DONE, BULK_UNDONE, AuditEntry
from crm.base.do_not_call import lift, request_of, requests
from crm.base.whom import Whom
from crm.calls.dial_rules import may_dial
from crm.calls.owners import set_owner
from crm.care import bulk_actions
from crm.care.bulk_actions import BulkKind, BulkRow, Wanted, carry_out, preview, undo
from crm.clientele.clients import get_client
from crm.clientele.groups import GroupMove, MoveCause, move
from crm.database import Database
from crm.errors import Conflict, CrmError
from crm.group import Group
from crm.office.users import Role, get_user, set_active
from crm.preparation.call_lists import ListState, list_named, set_list_state
from crm.preparation.campaigns import add_campaign
from crm.reading.client_list import ClientFilters
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World, build_world, open_call

SOUGHT = ClientFilters(text="фирма")
LATER = NOON + timedelta(hours=1)


async def do(world: World, kind: BulkKind, value: object, filters: ClientFilters = SOUGHT, **more: Any) -> int:
    async with world.transaction() as session:
        wanted = Wanted(kind, str(value))
        action = await carry_out(session, filters=filters, wanted=wanted, seen=None, now=NOON, **more)
        return action.id


async def reasons(world: World, kind: BulkKind, value: object, filters: ClientFilters = SOUGHT) -> list[str]:
    async with world.database.reading() as session:
        return [row.reason for row in (await preview(session, filters=filters, wanted=Wanted(kind, str(value)))).rows]


async def undone(world: World, action_id: int) -> list[str]:
    """The reasons why clients were left alone, by client; "" for those put back."""
    async with world.transaction() as session:
        rows: tuple[BulkRow, ...] = await undo(session, action_id=action_id, now=LATER)
    return [row.reason for row in rows]


async def test_an_owner_for_all_and_nobody_again(world: World) -> None:
    anna, egor = await world.operator("Анна"), await world.operator("Егор")
    ids = [await world.client(name) for name in ("Фирма А", "Фирма Б", "Фирма В")]
    other = await world.client("Другая")
    async with world.transaction() as session:
        (await get_client(session, ids[0])).owner_id = anna
        (await get_client(session, ids[1])).owner_id = egor
    assert await reasons(world, BulkKind.OWNER, anna) == ["bulk.same", "", ""]
    action_id = await do(world, BulkKind.OWNER, anna, author_id=egor)
    assert [(await world.get_client(each)).owner_id for each in (*ids, other)] == [anna, anna, anna, None]
    assert await undone(world, action_id) == ["", ""]
    assert [(await world.get_client(each)).owner_id for each in ids] == [anna, egor, None]
    async with world.database.reading() as session:
        noted = await session.execute(
            select(AuditEntry.action, AuditEntry.user_id).where(AuditEntry.subject == f"bulk:{action_id}")
        )
        assert [tuple(row) for row in noted] == [(BULK_DONE, egor), (BULK_UNDONE, None)]
    with pytest.raises(Conflict) as refused:
        await undone(world, action_id)
    assert refused.value.code == "bulk.undone"


async def test_who_is_given_a_client_keeps_it_from_now_on(world: World) -> None:
    anna, egor, vera = await world.operator("Анна"), await world.operator("Егор"), await world.operator("Вера")
    client_id, long_ago = await world.client("Фирма А"), NOON - timedelta(days=60)
    async with world.transaction() as session:
        client = await get_client(session, client_id, lock=True)
        await set_owner(session, client=client, owner_id=anna, now=long_ago, author_id=None)

    async def code() -> str:
        async with world.database.reading() as session:
            return (await may_dial(session, client_id=client_id, operator_id=vera, now=LATER)).code

    assert await code() == ""
    action_id = await do(world, BulkKind.OWNER, egor)
    given = await world.get_client(client_id)
    assert (given.owner_id, given.owned_since, await code()) == (egor, NOON, "dial.owned")
    assert await undone(world, action_id) == [""]
    client = await world.get_client(client_id)
    assert (client.owner_id, client.owned_since, await code()) == (anna, long_ago, "")
    await do(world, BulkKind.OWNER, "")
    client = await world.get_client(client_id)
    assert (client.owner_id, client.owned_since) == (None, None)


async def test_what_cannot_be_undone(world: World) -> None:
    anna, egor = await world.operator("Анна"), await world.operator("Егор")
    client_id = await world.client("Фирма А")
    action_id = await do(world, BulkKind.OWNER, anna)
    async with world.transaction() as session:
        (await get_client(session, client_id)).owner_id = egor
    for number, code in ((action_id, "bulk.nothing_to_undo"), (action_id + 1, "bulk.unknown")):
        with pytest.raises(CrmError) as refused:
            await undone(world, number)
        assert refused.value.code == code


async def test_moves_are_history_and_undone_by_moves(world: World) -> None:
    manager = await world.operator("Мария", Role.MANAGER)
    cold, new = await world.client("Фирма А", group=Group.COLD), await world.client("Фирма Б")
    action_id = await do(world, BulkKind.GROUP, "cold", author_id=manager)
    assert (await world.get_client(new)).group is Group.COLD
    assert await undone(world, action_id) == [""]
    async with world.database.reading() as session:
        moves = await session.scalars(select(GroupMove).where(GroupMove.client_id == new).order_by(GroupMove.id))
        assert [(made.to_group, made.cause, made.author_id) for made in moves] == [
            (Group.COLD, MoveCause.USER, manager),
            (Group.NEW, MoveCause.USER, None),
        ]
    assert (await world.get_client(cold)).group is Group.COLD


async def test_what_was_changed_since_is_left_alone(world: World) -> None:
    ids = [await world.client(f"Фирма {letter}") for letter in "АБВ"]
    action_id = await do(world, BulkKind.GROUP, "cold")
    async with world.transaction() as session:
        for client_id, groups in ((ids[0], [Group.HOT]), (ids[1], [Group.HOT, Group.COLD])):
            for group in groups:
                client = await get_client(session, client_id)
                await move(session, client=client, to=group, at=NOON, cause=MoveCause.USER, author_id=None)
    assert await undone(world, action_id) == ["bulk.changed_since", "bulk.changed_since", ""]
    assert [(await world.get_client(each)).group for each in ids] == [Group.HOT, Group.COLD, Group.NEW]
    async with world.database.reading() as session:
        rows = await bulk_actions.undoing(session, action=await bulk_actions.get_action(session, action_id))
    assert [row.reason for row in rows] == ["bulk.changed_since", "bulk.changed_since", ""]  # as it went, for ever


async def test_another_list_of_the_campaign(world: World) -> None:
    client_id = await world.client("Фирма А")
    async with world.transaction() as session:
        second = (await list_named(session, campaign_id=world.campaign_id, name="Второй")).id
        elsewhere = await add_campaign(session, name="Другая", now=NOON)
        foreign = (await list_named(session, campaign_id=elsewhere.id, name="Чужой")).id
    assert await reasons(world, BulkKind.LIST, foreign) == ["bulk.other_campaign"]
    action_id = await do(world, BulkKind.LIST, second)
    assert (await world.get_client(client_id)).call_list_id == second
    await undone(world, action_id)
    assert (await world.get_client(client_id)).call_list_id == world.call_list_id


async def test_nobody_is_added_to_a_list_that_was_handed_in(database: Database) -> None:
    world = await build_world(database, lists_need_approval=True)
    await world.client("Фирма А")
    async with world.transaction() as session:
        second = (await list_named(session, campaign_id=world.campaign_id, name="Второй")).id
        await set_list_state(session, call_list_id=second, to=ListState.SUBMITTED, now=NOON)
    with pytest.raises(CrmError) as refused:
        await do(world, BulkKind.LIST, second)
    assert refused.value.code == "bulk.list_closed"


async def test_do_not_call_with_its_evidence(world: World) -> None:
    ids = [await world.client(f"Фирма {letter}") for letter in "АБВ"]
    await world.silence(ids[0])
    assert await reasons(world, BulkKind.DO_NOT_CALL, "письмо") == ["bulk.same", "", ""]
    action_id = await do(world, BulkKind.DO_NOT_CALL, "Письмо от 1 мая")
    async with world.transaction() as session:
        newest = await requests(session)
        assert [each.evidence for each in newest] == ["Письмо от 1 мая", "Письмо от 1 мая", "письмо"]
        organisation_id = (await get_client(session, ids[1])).organisation_id
        request = await request_of(session, Whom.ORGANISATION, organisation_id)
        assert request is not None
        await lift(session, request_id=request.id, reason="сами позвонили", now=NOON)
    assert await undone(world, action_id) == ["bulk.changed_since", ""]
    assert [await world.is_silent(each) for each in ids] == [True, False, False]


async def test_who_is_being_called_is_left_to_the_caller(world: World) -> None:
    operator, calling = await world.operator(), await world.client("Фирма А")
    written, free = await world.client("Фирма Б"), await world.client("Фирма В")
    attempt_id = await world.call(written, operator)
    await world.outcome(attempt_id, OutcomeForm("cold", reason="дорого", person_name="Пётр Петров"), operator, at=NOON)
    async with world.transaction() as session:
        await open_call(session, calling, operator)
    assert await reasons(world, BulkKind.GROUP, "warm") == ["bulk.in_call", "", ""]
    action_id = await do(world, BulkKind.GROUP, "warm")
    assert [(await world.get_client(each)).group for each in (calling, written, free)] == ["new", "warm", "warm"]
    assert await undone(world, action_id) == ["", ""]


async def test_what_is_agreed_to_is_what_was_shown(world: World) -> None:
    first = await world.client("Фирма А")
    wanted = Wanted(BulkKind.GROUP, "cold")
    async with world.database.reading() as session:
        shown = await preview(session, filters=SOUGHT, wanted=wanted)
    async with world.transaction() as session:
        client = await get_client(session, first)
        await move(session, client=client, to=Group.HOT, at=NOON, cause=MoveCause.USER, author_id=None)
    with pytest.raises(CrmError) as refused:
        async with world.transaction() as session:
            await carry_out(session, filters=SOUGHT, wanted=wanted, seen=shown.seen, now=NOON)
    assert refused.value.code == "bulk.changed_meanwhile"
    assert (await world.get_client(first)).group is Group.HOT


async def test_two_at_once_make_one_history(world: World, database_url: str) -> None:
    ids = [await world.client(f"Фирма {letter}") for letter in "АБВ"]
    nodes = [Database(database_url) for _ in range(2)]

    async def to(node: Database, group: str) -> None:
        async with node.transaction() as session:
            wanted = Wanted(BulkKind.GROUP, group)
            await carry_out(session, filters=SOUGHT, wanted=wanted, seen=None, now=NOON)

    try:
        await asyncio.gather(*(to(node, group) for node, group in zip(nodes, ("cold", "warm"), strict=True)))
    finally:
        for node in nodes:
            await node.dispose()
    assert len({(await world.get_client(each)).group for each in ids}) == 1


async def test_what_is_not_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, manager = await world.operator("Пётр"), await world.operator("Мария", Role.MANAGER)
    async with world.transaction() as session:
        await set_active(session, user=await get_user(session, gone), active=False, now=NOON)
    for _ in range(3):
        await world.client("Фирма")
    for code, kind, value, filters in (
        ("bulk.narrow_first", BulkKind.GROUP, "cold", ClientFilters()),
        ("bulk.no_such_group", BulkKind.GROUP, "new", SOUGHT),
        ("bulk.no_such_group", BulkKind.GROUP, "burnt", SOUGHT),
        ("bulk.not_an_owner", BulkKind.OWNER, gone, SOUGHT),
        ("bulk.not_an_owner", BulkKind.OWNER, manager, SOUGHT),
        ("user.unknown", BulkKind.OWNER, 999, SOUGHT),
        ("list.unknown", BulkKind.LIST, "x", SOUGHT),
        ("do_not_call.needs_evidence", BulkKind.DO_NOT_CALL, " ", SOUGHT),
        ("bulk.changes_nobody", BulkKind.OWNER, "", SOUGHT),
        ("bulk.changes_nobody", BulkKind.GROUP, "cold", ClientFilters(text="вьюга")),
    ):
        with pytest.raises(CrmError) as refused:
            await do(world, kind, value, filters)
        assert refused.value.code == code
    monkeypatch.setattr(bulk_actions, "MOST_CLIENTS", 2)
    with pytest.raises(CrmError) as refused:
        await do(world, BulkKind.GROUP, "cold")
    assert refused.value.code == "bulk.too_many"
