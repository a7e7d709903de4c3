"""Callbacks: nobody is forgotten, whatever was down when."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, delete, event, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.attempts import Result
from crm.calls.dial_rules import may_dial
from crm.clientele.clients import get_client
from crm.database import Database
from crm.day.day_plan import build, claim_next, release, skip
from crm.errors import Conflict, NotFound, Refused
from crm.group import Group
from crm.plan.callbacks import Callback, CallbackState, agree, bring_due, get_callback, settle_by_attempt, withdraw
from crm.plan.plan_entries import EntryKind, EntryState, PlanEntry, get_entry
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import LEASE_S, NOON, World, wall
from tests.crm.overlap import overlap

IN_AN_HOUR = wall("2026-11-23T15:00")  # in Perm, where it is 14:00
DUE = NOON + timedelta(hours=1)


async def promise(world: World, client_id: int, owner_id: int, local_at: datetime = IN_AN_HOUR) -> int:
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        return (await agree(session, client=client, owner_id=owner_id, local_at=local_at, now=NOON)).id


async def poll(database: Database, now: datetime) -> list[int]:
    async with database.transaction() as session:
        return await bring_due(session, now=now)


async def next_client(world: World, operator_id: int, now: datetime) -> int | None:
    async with world.transaction() as session:
        entry = await claim_next(session, operator_id=operator_id, now=now, lease_s=LEASE_S)
        return entry.client_id if entry else None


async def entries(world: World) -> list[PlanEntry]:
    async with world.database.reading() as session:
        return list(await session.scalars(select(PlanEntry).order_by(PlanEntry.id)))


async def state_of(world: World, callback_id: int) -> CallbackState:
    async with world.database.reading() as session:
        return (await get_callback(session, callback_id)).state


async def test_it_comes_to_the_front_at_its_minute(world: World) -> None:
    operator, promised, hot = await world.operator(), await world.client("Обещали"), await world.client(group=Group.HOT)
    callback_id = await promise(world, promised, operator)
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
    assert await poll(world.database, DUE - timedelta(seconds=1)) == []
    assert await next_client(world, await world.operator("Борис"), DUE - timedelta(seconds=1)) == hot
    assert await poll(world.database, DUE) == [callback_id]
    assert await poll(world.database, DUE) == []
    assert await next_client(world, operator, DUE) == promised


async def test_one_that_came_due_while_nothing_ran_is_brought_later(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    callback_id = await promise(world, client_id, operator)
    next_day = NOON + timedelta(days=1)
    assert await poll(world.database, next_day) == [callback_id]
    assert await next_client(world, operator, next_day) == client_id


async def test_it_is_not_called_in_the_night(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    await promise(world, client_id, operator)
    night = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
    await poll(world.database, night)
    assert await next_client(world, operator, night) is None
    assert await next_client(world, operator, datetime(2026, 11, 24, 4, 0, tzinfo=UTC)) == client_id


async def test_the_agreed_minute_weighs_more_than_the_hours_and_the_cap(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    for minute in range(3):
        at = NOON + timedelta(minutes=10 * minute)
        attempt_id = await world.call(client_id, operator, result=Result.BUSY, at=at)
        await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=at)
    await promise(world, client_id, operator, wall("2026-11-23T19:30"))
    evening = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
    await poll(world.database, evening)
    async with world.transaction() as session:
        for now, code in (
            (evening - timedelta(seconds=1), "dial.hours"),
            (evening, ""),
            (evening + timedelta(minutes=59), ""),
            (evening + timedelta(minutes=60), "dial.hours"),
        ):
            assert (await may_dial(session, client_id=client_id, operator_id=operator, now=now)).code == code
    assert await next_client(world, operator, evening) == client_id


async def test_an_overdue_promise_weighs_more_than_the_cap(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    callback_id = await promise(world, client_id, operator)
    next_day = NOON + timedelta(days=1)
    for minute in range(3):
        at = next_day + timedelta(minutes=10 * minute)
        attempt_id = await world.call(client_id, operator, result=Result.BUSY, at=at)
        await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=at)
    assert await state_of(world, callback_id) is CallbackState.OPEN
    async with world.transaction() as session:
        later = next_day + timedelta(hours=1)
        assert (await may_dial(session, client_id=client_id, operator_id=operator, now=later)).allowed


async def test_what_nobody_claimed_yesterday_comes_again_today(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    callback_id = await promise(world, client_id, operator)
    await poll(world.database, DUE)
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=(NOON + timedelta(days=1)).date(), now=NOON)
    next_day = NOON + timedelta(days=1)
    assert await poll(world.database, next_day) == [callback_id]
    assert [entry.state for entry in await entries(world)] == [EntryState.DROPPED, EntryState.WAITING]
    assert await next_client(world, operator, next_day) == client_id


async def test_it_is_the_owners_until_it_is_overdue(world: World) -> None:
    owner, other, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await promise(world, client_id, owner)
    await poll(world.database, DUE)
    assert await next_client(world, other, DUE) is None
    overdue = DUE + timedelta(minutes=15)
    assert await poll(world.database, overdue) == []
    assert await next_client(world, other, overdue) == client_id


async def test_a_client_in_the_plan_anyway_has_one_entry(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
    await promise(world, client_id, operator)
    await poll(world.database, DUE)
    waiting = [entry for entry in await entries(world) if entry.state is EntryState.WAITING]
    assert [(entry.kind, entry.due_at) for entry in waiting] == [(EntryKind.CALLBACK, DUE)]


async def test_a_client_who_cannot_be_called_stays_out_of_the_plan_and_the_promise_open(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    callback_id = await promise(world, client_id, operator)
    for hinder, back in (
        (
            "INSERT INTO do_not_call (whom, organisation_id, evidence, asked_at, lift_reason)"
            " SELECT 'organisation', id, 'письмо', created_at, '' FROM organisations",
            "UPDATE do_not_call SET lifted_at = asked_at, lift_reason = 'передумали'",
        ),
        ("UPDATE clients SET off_list_reason = 'конкурент'", "UPDATE clients SET off_list_reason = ''"),
        ("UPDATE phone_numbers SET state = 'dead'", "UPDATE phone_numbers SET state = 'ok'"),
        ("UPDATE campaigns SET lists_need_approval = true", "UPDATE campaigns SET lists_need_approval = false"),
    ):
        async with world.transaction() as session:
            await session.execute(text(hinder))
        assert await poll(world.database, DUE) == []
        async with world.transaction() as session:
            await session.execute(text(back))
    assert await entries(world) == []
    assert await state_of(world, callback_id) is CallbackState.OPEN
    assert await poll(world.database, DUE) == [callback_id]


async def test_one_that_is_held_when_it_becomes_overdue_is_everybodys_when_given_back(world: World) -> None:
    owner, other, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await promise(world, client_id, owner)
    await poll(world.database, DUE)
    assert await next_client(world, owner, DUE) == client_id
    overdue = DUE + timedelta(minutes=15)
    await poll(world.database, overdue)
    async with world.transaction() as session:
        entry = (await session.scalars(select(PlanEntry))).one()
        await release(session, entry_id=entry.id, operator_id=owner)
    assert await next_client(world, other, overdue) == client_id


async def test_two_nodes_that_poll_at_once_bring_it_once(world: World, database_url: str) -> None:
    operator = await world.operator()
    promised = [await promise(world, await world.client(f"Клиент {number}"), operator) for number in range(3)]
    nodes = [Database(database_url) for _ in range(3)]
    try:
        brought = await asyncio.gather(*(poll(node, DUE) for node in nodes))
    finally:
        for node in nodes:
            await node.dispose()
    assert sorted(callback_id for some in brought for callback_id in some) == sorted(promised)
    assert len(await entries(world)) == 3


async def test_what_another_node_brought_while_the_due_ones_were_being_found_is_left_to_it(world: World) -> None:
    """PostgreSQL finds rows as they stood when the statement began: what is committed between that and the lock on the
    client shows only to the next statement. Here the entry comes right after the statement that found the promise."""
    callback_id = await promise(world, await world.client(), await world.operator())
    assert await poll(world.database, DUE) == [callback_id]
    async with world.transaction() as session:
        [brought] = await session.execute(select(*PlanEntry.__table__.columns))
        await session.execute(delete(PlanEntry))
    entry = brought._asdict()

    def bring_it_there(connection: Connection, _: object, statement: str, *__: object) -> None:
        if "FROM callbacks JOIN clients" in statement and entry:
            connection.execute(insert(PlanEntry).values(**entry))
            entry.clear()

    event.listen(world.database.engine.sync_engine, "after_cursor_execute", bring_it_there)
    try:
        assert await poll(world.database, DUE) == []
    finally:
        event.remove(world.database.engine.sync_engine, "after_cursor_execute", bring_it_there)
    assert not entry
    assert [(entry.state, entry.callback_id) for entry in await entries(world)] == [(EntryState.WAITING, callback_id)]


async def test_a_skipped_promise_comes_back(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    await promise(world, client_id, operator)
    await poll(world.database, DUE)
    async with world.transaction() as session:
        entry = await claim_next(session, operator_id=operator, now=DUE, lease_s=LEASE_S)
        assert entry is not None
        await skip(session, entry_id=entry.id, operator_id=operator, reason="обед", now=DUE)
    await poll(world.database, DUE)
    assert await next_client(world, operator, DUE) is None
    assert await next_client(world, operator, DUE + timedelta(minutes=10)) == client_id


@pytest.mark.parametrize(
    ("after", "state"),
    [
        (timedelta(0), CallbackState.KEPT),
        (timedelta(minutes=15), CallbackState.KEPT),
        (timedelta(minutes=16), CallbackState.LATE),
        (timedelta(hours=8, minutes=59), CallbackState.LATE),  # 23:59 in Perm
        (timedelta(hours=9), CallbackState.BROKEN),
    ],
)
async def test_kept_late_broken(world: World, after: timedelta, state: CallbackState) -> None:
    operator, client_id = await world.operator(), await world.client()
    callback_id = await promise(world, client_id, operator)
    attempt_id = await world.call(client_id, operator, result=Result.BUSY)
    async with world.transaction() as session:
        settled = await settle_by_attempt(
            session, callback_id=callback_id, attempt_id=attempt_id, called_at=DUE + after, now=DUE + after
        )
    assert (settled.state, settled.settled_by_attempt_id) == (state, attempt_id)


async def test_the_call_settles_it(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    callback_id = await promise(world, client_id, operator)
    await poll(world.database, DUE)
    attempt_id = await world.call(client_id, operator, at=DUE)
    assert await state_of(world, callback_id) is CallbackState.OPEN
    await world.outcome(attempt_id, OutcomeForm("warm"), operator, at=DUE + timedelta(minutes=5))
    assert await state_of(world, callback_id) is CallbackState.KEPT
    assert await poll(world.database, DUE + timedelta(hours=1)) == []


async def test_a_promised_client_who_does_not_answer_is_tried_again(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    await promise(world, client_id, operator)
    await poll(world.database, DUE)
    attempt_id = await world.call(client_id, operator, at=DUE, result=Result.BUSY)
    await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=DUE + timedelta(minutes=1))
    assert [entry.kind for entry in await entries(world) if entry.state is EntryState.WAITING] == [EntryKind.RETRY]


async def test_due_times_across_a_clock_change(world: World) -> None:
    operator, client_id = await world.operator(), await world.client(time_zone="Europe/Berlin")
    for shown, due in (
        ("2027-03-27T11:00", "2027-03-27T10:00+00:00"),
        ("2027-03-29T11:00", "2027-03-29T09:00+00:00"),
        ("2027-03-28T02:30", "2027-03-28T01:00+00:00"),
        ("2027-10-31T02:30", "2027-10-31T00:30+00:00"),
    ):
        callback_id = await promise(world, client_id, operator, wall(shown))
        async with world.database.reading() as session:
            callback = await get_callback(session, callback_id)
        assert callback.due_at == datetime.fromisoformat(due)
        assert (callback.local_at, callback.time_zone) == (wall(shown), "Europe/Berlin")


async def test_refusals(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    with pytest.raises(Refused) as refused:
        await promise(world, client_id, operator, wall("2026-11-23T14:00"))
    assert refused.value.code == "callback.in_the_past"
    callback_id = await promise(world, client_id, operator)
    async with world.transaction() as session:
        await withdraw(session, callback_id=callback_id, now=NOON)
    with pytest.raises(Conflict) as conflict:
        async with world.transaction() as session:
            await withdraw(session, callback_id=callback_id, now=NOON)
    assert conflict.value.code == "callback.not_open"
    with pytest.raises(NotFound) as unknown:
        await state_of(world, 999)
    assert unknown.value.code == "callback.unknown"


async def test_exactly_one_owner_and_one_open_promise_in_plain_sql(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    await promise(world, client_id, operator)
    for statement in (
        "UPDATE callbacks SET owner_id = NULL",
        "UPDATE callbacks SET owner_id = 999",
        "UPDATE callbacks SET state = 'kept'",
        "INSERT INTO callbacks (client_id, owner_id, local_at, time_zone, due_at, words, asked_by, state, created_at)"
        " SELECT client_id, owner_id, local_at, time_zone, due_at, '', '', 'open', created_at FROM callbacks",
    ):
        with pytest.raises(DBAPIError, match=r"(?i)constraint|violates"):
            async with world.database.engine.begin() as connection:
                await connection.execute(text(statement))
    async with world.database.reading() as session:
        assert len(list(await session.scalars(select(Callback)))) == 1


@pytest.mark.parametrize("result", [Result.TRUNK_FAILURE, Result.CANCELLED, Result.INTERRUPTED, Result.UNCERTAIN])
async def test_a_try_that_the_client_never_noticed_keeps_no_promise(world: World, result: Result) -> None:
    operator, client_id = await world.operator(), await world.client()
    for minute in range(3):  # the cap is reached, and must not swallow the promise
        at = NOON + timedelta(minutes=10 * minute)
        attempt_id = await world.call(client_id, operator, result=Result.BUSY, at=at)
        await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=at)
    callback_id = await promise(world, client_id, operator)
    await poll(world.database, DUE)
    attempt_id = await world.call(client_id, operator, result=result, at=DUE)
    await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=DUE)
    assert await state_of(world, callback_id) is CallbackState.OPEN
    assert await next_client(world, operator, DUE + timedelta(minutes=1)) is None, "not at once again"
    assert await next_client(world, operator, DUE + timedelta(hours=2)) == client_id


async def test_an_overdue_one_that_is_given_to_somebody_at_this_moment_does_not_spoil_the_poll(world: World) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    await promise(world, await world.client("Просроченная"), anna)
    await poll(world.database, DUE)
    (entry,) = await entries(world)
    overdue = DUE + timedelta(minutes=20)
    due_now = await promise(world, await world.client("Новая"), anna)

    async def give(session: AsyncSession) -> None:
        row = await get_entry(session, entry.id)
        row.operator_id, row.assigned = boris, True

    _, brought = await overlap(world.database, give, lambda session: bring_due(session, now=overdue))
    assert brought == [due_now]
    await poll(world.database, overdue)
    assert {(each.operator_id, each.assigned) for each in await entries(world)} == {(None, False)}
