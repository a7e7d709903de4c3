"""Promises that pass to another owner: nobody leaves with one."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.audit import CALLBACKS_HANDED_OVER, AuditEntry
from crm.clientele.clients import get_client
from crm.database import Database
from crm.day.claims import release
from crm.day.day_plan import claim_next
from crm.errors import CrmError, Refused
from crm.office.users import Role, get_user, set_active
from crm.plan.callbacks import Callback, Standing, agree, bring_due, open_callback, withdraw
from crm.plan.handovers import hand_over_all, hand_over_one, open_promises, switch_off
from crm.plan.promise_history import promises_of
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import LEASE_S, NOON, World, wall
from tests.crm.overlap import overlap

DUE = NOON + timedelta(hours=1)


async def promise(world: World, client_id: int, owner_id: int, shown: str = "2026-11-23T15:00") -> int:
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        return (await agree(session, client=client, owner_id=owner_id, local_at=wall(shown), now=NOON)).id


async def pass_on(world: World, of: int, to: int, author: int | None = None) -> int:
    async with world.transaction() as session:
        giver, taker = await get_user(session, of), await get_user(session, to)
        return await hand_over_all(session, of=giver, to=taker, now=NOON, author_id=author)


async def leave(world: World, user_id: int, to: int | None = None) -> int:
    async with world.transaction() as session:
        taker = await get_user(session, to) if to else None
        return await switch_off(session, user=await get_user(session, user_id), hand_over_to=taker, now=NOON)


async def owner(world: World, client_id: int) -> int | None:
    async with world.database.reading() as session:
        found = await open_callback(session, client_id)
    return found.owner_id if found else None


async def test_nobody_is_switched_off_who_owns_an_open_promise(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    callback_id = await promise(world, client_id, anna)
    with pytest.raises(Refused) as refused:
        await leave(world, anna)
    assert (refused.value.code, refused.value.params["count"]) == ("user.owns_promises", 1)
    with pytest.raises(DBAPIError, match="cannot be switched off"):
        async with world.database.engine.begin() as connection:
            await connection.execute(text("UPDATE users SET active = false"))
    async with world.transaction() as session:
        await withdraw(session, callback_id=callback_id, now=NOON)
    assert await leave(world, anna) == 0


async def test_who_leaves_hands_all_of_them_over_with_their_places_in_the_plan(world: World) -> None:
    anna, boris, manager = (
        await world.operator(),
        await world.operator("Борис"),
        await world.operator("Рук", Role.MANAGER),
    )
    due, later, others = await world.client("Сейчас"), await world.client("Позже"), await world.client("Чужая")
    ids = [await promise(world, due, anna), await promise(world, later, anna, "2026-11-25T11:00")]
    await promise(world, others, manager)
    async with world.transaction() as session:
        await bring_due(session, now=DUE)
    assert await leave(world, anna, boris) == 2
    async with world.database.reading() as session:
        assert not (await get_user(session, anna)).active
        assert await open_promises(session) == {boris: 2, manager: 1}
        noted = (await session.scalars(select(AuditEntry).where(AuditEntry.action == CALLBACKS_HANDED_OVER))).one()
    assert (noted.subject, noted.details) == (f"user:{anna}", {"to": boris, "callbacks": ids})
    async with world.transaction() as session:
        entry = await claim_next(session, operator_id=boris, now=DUE, lease_s=LEASE_S)
    assert entry is not None
    assert entry.client_id == due


@pytest.mark.parametrize("together", [True, False])
async def test_a_promise_handed_over_while_its_card_is_open_comes_to_its_new_owner(
    world: World, together: bool
) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await promise(world, client_id, anna)
    async with world.transaction() as session:
        await bring_due(session, now=DUE)
        entry = await claim_next(session, operator_id=anna, now=DUE, lease_s=LEASE_S)
    assert entry is not None
    if together:
        await pass_on(world, anna, boris)
    else:
        async with world.transaction() as session:
            found = await open_callback(session, client_id)
            assert found is not None
            await hand_over_one(session, found, to=boris, now=DUE, author_id=None)
    async with world.transaction() as session:
        await release(session, entry_id=entry.id, operator_id=anna)
        assert await claim_next(session, operator_id=anna, now=DUE, lease_s=LEASE_S) is None
        theirs = await claim_next(session, operator_id=boris, now=DUE, lease_s=LEASE_S)
    assert theirs is not None
    assert theirs.client_id == client_id


async def test_the_promise_keeps_through_whose_hands_it_went(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await promise(world, client_id, anna)
    await pass_on(world, anna, boris)
    await pass_on(world, boris, anna)
    async with world.database.reading() as session:
        (line,) = await promises_of(session, client_id=client_id, now=NOON)
    assert (line.owner, line.passed) == ("Анна", ((NOON, "Анна", "Борис"), (NOON, "Борис", "Анна")))
    for statement in ("UPDATE callback_handovers SET to_user_id = 1", "DELETE FROM callback_handovers"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with world.database.engine.begin() as connection:
                await connection.execute(text(statement))


async def test_only_somebody_who_can_call_takes_them(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    gone, manager = await world.operator("Ушёл"), await world.operator("Рук", Role.MANAGER)
    await leave(world, gone)
    await promise(world, client_id, anna)
    for taker in (anna, gone, manager):
        with pytest.raises(Refused) as refused:
            await pass_on(world, anna, taker)
        assert refused.value.code == "callback.cannot_own"
    assert await owner(world, client_id) == anna
    assert await pass_on(world, await world.operator("Без обещаний"), anna) == 0


async def test_whoever_has_left_is_promised_nothing(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await leave(world, anna)
    with pytest.raises(Refused) as refused:
        await promise(world, client_id, anna)
    assert refused.value.code == "callback.owner_left"


async def test_a_promise_written_down_for_a_caller_who_has_left_is_the_authors(world: World) -> None:
    anna, manager, client_id = await world.operator(), await world.operator("Рук", Role.MANAGER), await world.client()
    attempt_id = await world.call(client_id, anna)
    await leave(world, anna)
    after = NOON + timedelta(minutes=5)
    await world.outcome(attempt_id, OutcomeForm("callback", callback_words="завтра в 11"), manager, at=after)
    assert await owner(world, client_id) == manager


async def test_a_promise_made_at_the_moment_of_leaving_has_an_owner_who_is_there(
    world: World, database_url: str
) -> None:
    """Whoever comes first: the user stays with the promise, or there is no promise."""
    for _ in range(5):
        anna, client_id = await world.operator(), await world.client()
        other = World(Database(database_url), world.campaign_id, world.call_list_id)
        try:
            ends = await asyncio.gather(promise(world, client_id, anna), leave(other, anna), return_exceptions=True)
        finally:
            await other.database.dispose()
        assert sum(isinstance(end, CrmError) for end in ends) == 1, ends
        async with world.database.reading() as session:
            active = (await get_user(session, anna)).active
        assert active == (await owner(world, client_id) == anna)


async def test_how_a_promise_stands(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await promise(world, client_id, anna)
    stands: list[tuple[datetime, Standing]] = [
        (DUE - timedelta(seconds=1), Standing.OPEN),
        (DUE, Standing.DUE),
        (DUE + timedelta(minutes=14), Standing.DUE),
        (DUE + timedelta(minutes=15), Standing.OVERDUE),
    ]
    for now, expected in stands:
        async with world.database.reading() as session:
            (line,) = await promises_of(session, client_id=client_id, now=now)
        assert line.standing is expected
    async with world.transaction() as session:
        await session.execute(update(Callback).values(state="late", settled_at=DUE))
    async with world.database.reading() as session:
        (line,) = await promises_of(session, client_id=client_id, now=DUE + timedelta(days=1))
    assert line.standing is Standing.LATE


async def test_switching_on_asks_for_nothing(world: World) -> None:
    anna = await world.operator()
    await leave(world, anna)
    async with world.transaction() as session:
        await set_active(session, user=await get_user(session, anna), active=True, now=NOON)
        assert (await get_user(session, anna)).active


async def test_promises_are_not_handed_over_to_somebody_who_leaves_at_this_moment(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await promise(world, client_id, anna)

    async def boris_leaves(session: AsyncSession) -> int:
        return await switch_off(session, user=await get_user(session, boris), hand_over_to=None, now=NOON)

    async def hand_over(session: AsyncSession) -> int:
        giver, taker = await get_user(session, anna), await get_user(session, boris)
        return await hand_over_all(session, of=giver, to=taker, now=NOON)

    _, refused = await overlap(world.database, boris_leaves, hand_over)
    assert getattr(refused, "code", "") == "callback.cannot_own"
    assert await owner(world, client_id) == anna


async def test_nobody_leaves_to_whom_promises_are_handed_over_at_this_moment(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await promise(world, client_id, anna)

    async def boris_leaves(session: AsyncSession) -> int:
        return await switch_off(session, user=await get_user(session, boris), hand_over_to=None, now=NOON)

    async def hand_over(session: AsyncSession) -> int:
        giver, taker = await get_user(session, anna), await get_user(session, boris)
        return await hand_over_all(session, of=giver, to=taker, now=NOON)

    passed, refused = await overlap(world.database, hand_over, boris_leaves)
    assert passed == 1
    assert getattr(refused, "code", "") == "user.owns_promises"
