"""A competitor that an outcome made a record of goes with that outcome, unless somebody else has named it since."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.audit import COMPETITOR_ADDED, COMPETITOR_REMOVED, AuditEntry
from crm.base.competitors import (
    Competitor,
    change_competitor,
    competitor_named,
    get_competitor,
    list_competitors,
    used_by,
)
from crm.clientele.clients import get_client
from crm.office.users import Role
from crm.plan.callbacks import agree, bring_due, get_callback
from crm.plan.outcome_chain import Outcome
from crm.wrap_up.outcomes import OutcomeForm, record
from crm.wrap_up.undo import undo
from tests.crm.builders import LEASE_S, NOON, World, wall
from tests.crm.overlap import overlap

SAVED = NOON + timedelta(minutes=5)
IN_TIME = SAVED + timedelta(seconds=9)
LATER = NOON + timedelta(hours=3)
THEIRS = OutcomeForm(
    "competitor", person_name="Петрова Анна", person_decides=True, competitor="ООО Чужие", reason="нет"
)

Meanwhile = Callable[[AsyncSession], Awaitable[object]]


async def saved(world: World, operator: int, client_id: int, form: OutcomeForm = THEIRS) -> Outcome:
    return await world.outcome(await world.call(client_id, operator), form, operator, at=SAVED)


async def named(world: World) -> dict[str, int]:
    """Each competitor with how many buy there."""
    async with world.database.reading() as session:
        return {competitor.name: count for competitor, count in await list_competitors(session)}


async def test_a_correction_takes_it_away_and_the_audit_says_so(world: World) -> None:
    operator, head, client_id = await world.operator(), await world.operator("М", Role.MANAGER), await world.client()
    outcome = await saved(world, operator, client_id)
    other = OutcomeForm(
        "competitor", person_id=outcome.person_id, competitor="Ветерок", reason="нет", summary="не нужно"
    )
    second = await world.outcome(outcome.attempt_id, other, head, at=LATER, corrects=outcome.id)
    assert await named(world) == {"Ветерок": 1}
    await world.outcome(
        outcome.attempt_id, OutcomeForm("no_contact"), head, at=LATER + timedelta(hours=1), corrects=second.id
    )
    assert await named(world) == {}
    async with world.database.reading() as session:
        removed = select(AuditEntry.details, AuditEntry.user_id).where(AuditEntry.action == COMPETITOR_REMOVED)
        assert [tuple(row) for row in await session.execute(removed.order_by(AuditEntry.id))] == [
            ({"name": "ООО Чужие"}, head), ({"name": "Ветерок"}, head),
        ]  # fmt: skip


async def test_a_correction_that_says_the_same_leaves_it_and_rests_on_the_correction(world: World) -> None:
    operator, head, client_id = await world.operator(), await world.operator("М", Role.MANAGER), await world.client()
    outcome = await saved(world, operator, client_id)
    second = await world.outcome(outcome.attempt_id, THEIRS, head, at=LATER, corrects=outcome.id)
    assert await named(world) == {"ООО Чужие": 1}
    await world.outcome(
        outcome.attempt_id, OutcomeForm("no_contact"), head, at=LATER + timedelta(hours=1), corrects=second.id
    )
    assert await named(world) == {}


async def _changed(session: AsyncSession) -> None:
    ((listed, _),) = await list_competitors(session)
    competitor = await get_competitor(session, listed.id, lock=True)
    await change_competitor(session, competitor=competitor, product="вентили", now=SAVED)


async def _entered(session: AsyncSession) -> None:
    await competitor_named(session, "ООО  Чужие", now=SAVED)


@pytest.mark.parametrize("meanwhile", [_changed, _entered])
async def test_what_somebody_wrote_of_it_since_stays(world: World, meanwhile: Meanwhile) -> None:
    operator, client_id = await world.operator(), await world.client()
    outcome = await saved(world, operator, client_id)
    async with world.transaction() as session:
        await meanwhile(session)
    async with world.transaction() as session:
        await undo(session, attempt_id=outcome.attempt_id, operator_id=operator, now=IN_TIME, lease_s=LEASE_S)
    assert await named(world) == {"ООО Чужие": 0}


async def test_what_was_a_record_before_stays(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    async with world.transaction() as session:
        await competitor_named(session, "ООО Чужие", now=NOON)
    outcome = await saved(world, operator, client_id)
    async with world.transaction() as session:
        await undo(session, attempt_id=outcome.attempt_id, operator_id=operator, now=IN_TIME, lease_s=LEASE_S)
    assert await named(world) == {"ООО Чужие": 0}


@pytest.mark.parametrize("undone_first", [True, False])
async def test_another_outcome_of_the_same_moment_keeps_it(world: World, undone_first: bool) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    first, second = await world.client(), await world.client("Альфа")
    outcome = await saved(world, anna, first)
    attempt_id = await world.call(second, boris)

    async def take_back(session: AsyncSession) -> None:
        await undo(session, attempt_id=outcome.attempt_id, operator_id=anna, now=IN_TIME, lease_s=LEASE_S)

    async def say_it_too(session: AsyncSession) -> None:
        await record(session, attempt_id=attempt_id, form=THEIRS, author_id=boris, now=IN_TIME)

    works = (take_back, say_it_too) if undone_first else (say_it_too, take_back)
    assert await overlap(world.database, *works) == (None, None)
    assert await named(world) == {"ООО Чужие": 1}
    async with world.database.reading() as session:
        assert [competitor.name for _, competitor in await used_by(session, second)] == ["ООО Чужие"]


@pytest.mark.parametrize("corrected", [False, True])
async def test_a_competitor_is_settled_after_the_promises(world: World, corrected: bool) -> None:
    """Somebody who holds the promise and then wants the competitor's row is not crossed."""
    operator, head, client_id = await world.operator(), await world.operator("М", Role.MANAGER), await world.client()
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        promised = await agree(session, client=client, owner_id=operator, local_at=wall("2026-11-23 14:01"), now=NOON)
    async with world.transaction() as session:
        await bring_due(session, now=NOON + timedelta(minutes=1))
    attempt_id = await world.call(client_id, operator, at=NOON + timedelta(minutes=1))
    first = await world.outcome(attempt_id, THEIRS, operator, at=SAVED) if corrected else None
    async with world.transaction() as session:
        if first is None:
            await competitor_named(session, THEIRS.competitor, now=NOON)
        competitor_id = (await session.scalars(select(Competitor.id))).one()

    async def hold_promise(session: AsyncSession) -> None:
        await get_callback(session, promised.id, lock=True)

    async def write_down(session: AsyncSession) -> None:
        form, author = (OutcomeForm("no_contact"), head) if first else (THEIRS, operator)
        await record(session, attempt_id=attempt_id, form=form, author_id=author, now=LATER,
                     corrects=first.id if first else None)  # fmt: skip

    async def hold_competitor(session: AsyncSession) -> None:
        await session.get_one(Competitor, competitor_id, with_for_update=True)

    assert await overlap(world.database, hold_promise, write_down, then=hold_competitor) == (None, None)
    assert list((await named(world)).values()) == ([] if corrected else [1])


async def test_two_who_name_it_first_at_the_same_moment_make_one_record(world: World) -> None:
    async def name(session: AsyncSession) -> tuple[int, bool]:
        named, made = await competitor_named(session, "ООО Чужие", now=NOON)
        return named.id, made

    first, second = await overlap(world.database, name, name)
    assert {first, second} == {(first[0], True), (first[0], False)}
    async with world.database.reading() as session:
        added = select(AuditEntry.details).where(AuditEntry.action == COMPETITOR_ADDED)
        assert list(await session.scalars(added)) == [{"name": "ООО Чужие"}]


async def test_those_who_name_the_same_ones_do_not_wait_for_each_other(world: World) -> None:
    async with world.transaction() as session:
        for name in ("Рога", "Копыта"):
            await competitor_named(session, name, now=NOON)

    async def horns(session: AsyncSession) -> None:
        await competitor_named(session, "Рога", now=NOON)

    async def hoofs(session: AsyncSession) -> None:
        await competitor_named(session, "Копыта", now=NOON)

    async def both(session: AsyncSession) -> None:
        await hoofs(session)
        await horns(session)

    assert await overlap(world.database, horns, both, then=hoofs) == (None, None)


async def test_two_who_name_it_to_change_it_take_turns(world: World) -> None:
    async with world.transaction() as session:
        await competitor_named(session, "Рога", now=NOON)

    async def change(session: AsyncSession, **changes: Any) -> int:
        competitor, _ = await competitor_named(session, "Рога", now=NOON, to_change=True)
        await change_competitor(session, competitor=competitor, now=NOON, **changes)
        return competitor.version

    assert await overlap(world.database, partial(change, terms="отсрочка"), partial(change, name="РОГА")) == (2, 3)
