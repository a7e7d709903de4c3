"""Who is away, and who takes over what was promised for those days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.audit import CALLBACKS_HANDED_OVER, USER_AWAY, USER_BACK, AuditEntry
from crm.clientele.clients import get_client
from crm.day.day_plan import build, claim_next
from crm.day.plan_changes import hand_pick, waiting_of
from crm.day.standing_in import due_while_away, set_away, set_back, with_others
from crm.errors import CrmError
from crm.office.absences import Absence, absences_from
from crm.office.users import Role, get_user
from crm.plan.callbacks import Callback, agree, bring_due
from crm.plan.handovers import CallbackHandover, switch_off
from tests.crm.builders import LEASE_S, NOON, World, wall
from tests.crm.overlap import overlap

DAY = NOON.date()


async def promise(world: World, owner_id: int, at: str) -> int:
    """A call promised to a new client in Yekaterinburg."""
    client_id = await world.client(f"Обещана на {at}")
    async with world.transaction() as session:
        client = await get_client(session, client_id, lock=True)
        made = await agree(session, client=client, owner_id=owner_id, local_at=wall(at), now=NOON - timedelta(days=1))
        return made.id


async def away(
    world: World, user_id: int, first: date = DAY, last: date = DAY, to: int | None = None
) -> dict[int, list[int]]:
    async with world.transaction() as session:
        user = await get_user(session, user_id)
        return await set_away(session, user=user, first_day=first, last_day=last, now=NOON, to=to)


async def owners(world: World) -> dict[int, int]:
    async with world.database.reading() as session:
        return dict((await session.execute(select(Callback.id, Callback.owner_id))).all())


async def test_the_promises_of_those_days_are_handed_over_in_turn(world: World) -> None:
    anna, boris, vera = [await world.operator(name) for name in ("Анна", "Борис", "Вера")]
    await world.operator("Эксперт", Role.EXPERT)
    his = await promise(world, boris, "2026-11-23 17:00")
    overdue = await promise(world, anna, "2026-11-23 10:00")
    today = await promise(world, anna, "2026-11-23 16:30")
    late = await promise(world, anna, "2026-11-24 00:30")  # still the 23rd in Moscow, where she works
    tomorrow = await promise(world, anna, "2026-11-24 11:00")
    taken = await away(world, anna)
    assert sorted(taken[boris] + taken[vera]) == [overdue, today, late]
    assert len(taken[vera]) == 2  # he has a promise of his own
    assert await owners(world) == {his: boris, tomorrow: anna} | {
        each: who for who, these in taken.items() for each in these
    }
    async with world.database.reading() as session:
        actions = select(AuditEntry.action).where(AuditEntry.action.in_((USER_AWAY, CALLBACKS_HANDED_OVER)))
        assert list(await session.scalars(actions)) == [USER_AWAY] + [CALLBACKS_HANDED_OVER] * 2
        remembered = select(CallbackHandover.callback_id).where(CallbackHandover.from_user_id == anna)
        assert set(await session.scalars(remembered)) == {overdue, today, late}


async def test_a_promise_that_has_come_up_already_goes_along(world: World) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    await promise(world, anna, "2026-11-23 13:55")
    async with world.transaction() as session:
        await bring_due(session, now=NOON)
        assert await claim_next(session, operator_id=boris, now=NOON, lease_s=LEASE_S) is None
    await away(world, anna)
    async with world.transaction() as session:
        assert await claim_next(session, operator_id=boris, now=NOON, lease_s=LEASE_S) is not None


async def test_one_person_may_stand_in_for_another(world: World) -> None:
    anna, boris, vera = [await world.operator(name) for name in ("Анна", "Борис", "Вера")]
    first, second = await promise(world, anna, "2026-11-25 11:00"), await promise(world, anna, "2026-11-26 11:00")
    assert await away(world, anna, DAY + timedelta(days=1), DAY + timedelta(days=2), to=vera) == {vera: [first]}
    assert await owners(world) == {first: vera, second: anna}
    assert boris not in (await owners(world)).values()


async def test_what_waits_for_who_is_away_is_anyones(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    async with world.transaction() as session:
        await hand_pick(session, client_id=client_id, user_id=anna, day=DAY, now=NOON, author_id=None)
    await away(world, anna)
    async with world.database.reading() as session:
        assert list(await session.scalars(waiting_of(anna, DAY))) == []
    async with world.transaction() as session:
        assert await claim_next(session, operator_id=boris, now=NOON, lease_s=LEASE_S) is not None


async def test_an_absence_that_was_noted_before_frees_the_day_when_it_is_built(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    tomorrow = NOON + timedelta(days=1)
    async with world.transaction() as session:
        day = tomorrow.date()
        await hand_pick(session, client_id=client_id, user_id=anna, day=day, now=NOON, author_id=None)
        session.add(Absence(user_id=anna, first_day=day, last_day=day, noted_at=NOON))
        await build(session, campaign_id=world.campaign_id, day=day, now=tomorrow)
    async with world.transaction() as session:
        assert await claim_next(session, operator_id=boris, now=tomorrow, lease_s=LEASE_S) is not None


async def test_who_comes_back_early_is_at_work_from_today(world: World) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    await away(world, anna, DAY - timedelta(days=2), DAY + timedelta(days=5))
    async with world.transaction() as session:
        await set_back(session, user=await get_user(session, anna), now=NOON)
        assert await absences_from(session, DAY) == []
        (kept,) = await absences_from(session, DAY - timedelta(days=1))
        assert kept.last_day == DAY - timedelta(days=1)
        assert await session.scalar(select(AuditEntry.id).where(AuditEntry.action == USER_BACK))
    with pytest.raises(CrmError) as refused:
        async with world.transaction() as session:
            await set_back(session, user=await get_user(session, boris), now=NOON)
    assert refused.value.code == "absence.not_away"


async def test_a_slip_is_taken_back_but_for_what_is_being_called(world: World) -> None:
    anna, boris = [await world.operator(name) for name in ("Анна", "Борис")]
    in_hand = await promise(world, anna, "2026-11-23 13:55")
    kept = await promise(world, anna, "2026-11-23 16:30")
    his = await promise(world, boris, "2026-11-23 17:00")
    async with world.transaction() as session:
        user = await get_user(session, anna)
        due = await due_while_away(session, user=user, first_day=DAY, last_day=DAY, now=NOON)
    assert await away(world, anna) == {boris: [each.id for each in due]} == {boris: [in_hand, kept]}
    async with world.transaction() as session:
        await bring_due(session, now=NOON)
        entry = await claim_next(session, operator_id=boris, now=NOON, lease_s=LEASE_S)
        assert entry is not None
        assert entry.callback_id == in_hand
    async with world.transaction() as session:
        assert [each.id for each in await with_others(session, anna, now=NOON)] == [kept]
        assert await set_back(session, user=await get_user(session, anna), now=NOON, take_back=True) == [kept]
        assert await with_others(session, anna, now=NOON) == []
        noted = select(AuditEntry.details).where(AuditEntry.subject == f"user:{boris}")
        assert list(await session.scalars(noted)) == [{"to": anna, "callbacks": [kept]}]
    assert await owners(world) == {kept: anna, in_hand: boris, his: boris}


async def test_what_others_took_over_stays_with_them_unless_it_is_given_back(world: World) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    made = await promise(world, anna, "2026-11-23 16:30")
    await away(world, anna)
    async with world.transaction() as session:
        assert await set_back(session, user=await get_user(session, anna), now=NOON) == []
    assert await owners(world) == {made: boris}


async def test_who_has_a_headset_takes_over_first(world: World) -> None:
    anna, boris, vera = [await world.operator(name) for name in ("Анна", "Борис", "Вера")]
    async with world.transaction() as session:
        (await get_user(session, vera)).headset = "vera"
    first, second = await promise(world, anna, "2026-11-23 16:30"), await promise(world, anna, "2026-11-23 17:30")
    assert await away(world, anna) == {vera: [first, second]}
    assert boris not in (await owners(world)).values()


async def test_what_cannot_be(world: World) -> None:
    anna, manager = await world.operator(), await world.operator("Рук", Role.MANAGER)
    made = await promise(world, anna, "2026-11-23 16:30")
    for first, last, to, code in (
        (DAY, DAY - timedelta(days=1), None, "absence.days"),
        (DAY - timedelta(days=2), DAY - timedelta(days=1), None, "absence.day_over"),
        (DAY, DAY, None, "absence.nobody_left"),
        (DAY, DAY, manager, "plan.not_at_work"),
        (DAY, DAY, anna, "plan.not_at_work"),
    ):
        with pytest.raises(CrmError) as refused:
            await away(world, anna, first, last, to)
        assert refused.value.code == code
    assert await owners(world) == {made: anna}
    async with world.database.reading() as session:
        assert await absences_from(session, DAY) == []
    insert = "INSERT INTO absences (user_id, first_day, last_day, reason, noted_at) VALUES (1, '2026-11-24', "
    with pytest.raises(DBAPIError):
        async with world.database.engine.begin() as connection:
            await connection.execute(text(f"{insert} '2026-11-23', '', '2026-11-23')"))


@pytest.mark.parametrize("named", [True, False])
async def test_nobody_stands_in_who_leaves_at_this_moment(world: World, named: bool) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    callback_id = await promise(world, anna, "2026-11-23 16:30")

    async def boris_leaves(session: AsyncSession) -> None:
        await switch_off(session, user=await get_user(session, boris), hand_over_to=None, now=NOON)

    async def anna_goes(session: AsyncSession) -> None:
        user = await get_user(session, anna)
        await set_away(session, user=user, first_day=DAY, last_day=DAY, now=NOON, to=boris if named else None)

    _, refused = await overlap(world.database, boris_leaves, anna_goes)
    assert getattr(refused, "code", "") == ("plan.not_at_work" if named else "absence.nobody_left")
    assert await owners(world) == {callback_id: anna}
