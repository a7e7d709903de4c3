"""What people change in a plan: clients picked by hand, given to another person, put in another place."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from crm.audit import AuditEntry
from crm.calls.attempts import Result
from crm.calls.dial_rules import may_dial
from crm.day import plan_changes
from crm.day.day_plan import build, build_anew, claim_next, skip
from crm.day.plan_changes import hand_pick, move_before, move_by_one, reassign, waiting_of
from crm.errors import Conflict, CrmError, Refused
from crm.office.absences import Absence
from crm.office.users import Role, get_user, set_active
from crm.plan.callbacks import bring_due
from crm.plan.plan_entries import EntryKind, PlanEntry
from crm.preparation.campaigns import get_campaign
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import LEASE_S, NOON, World, open_call

DAY = NOON.date()


async def pick(world: World, client_id: int, user_id: int, day: date = DAY, *, from_others: bool = True) -> int:
    async with world.transaction() as session:
        entry = await hand_pick(
            session, client_id=client_id, user_id=user_id, day=day, now=NOON, author_id=None, from_others=from_others
        )
        return entry.id


async def give(world: World, entry_id: int, to: int | None, was: int | None) -> None:
    async with world.transaction() as session:
        await reassign(session, entry_id=entry_id, to=to, was=was, now=NOON, author_id=None)


async def put(world: World, entry_id: int, before_id: int | None) -> None:
    async with world.transaction() as session:
        await move_before(session, entry_id=entry_id, before_id=before_id, now=NOON, author_id=None)


async def step(world: World, entry_id: int, neighbour_id: int, *, up: bool) -> None:
    async with world.transaction() as session:
        await move_by_one(session, entry_id=entry_id, up=up, neighbour_id=neighbour_id, now=NOON, author_id=None)


async def order_of(world: World, user_id: int) -> list[int]:
    """Ids of the entries that wait for the person, as the plan's page lists them."""
    async with world.database.reading() as session:
        return [entry.id for entry in await session.scalars(waiting_of(user_id, DAY))]


async def worked_through(world: World, user_id: int) -> list[int]:
    """Ids of the entries in the order in which the person was given them."""
    given: list[int] = []
    while True:
        async with world.transaction() as session:
            entry = await claim_next(session, operator_id=user_id, now=NOON, lease_s=LEASE_S)
            if entry is None:
                return given
            given.append(entry.id)
            await skip(session, entry_id=entry.id, operator_id=user_id, reason="далее", now=NOON)


class TestPicking:
    async def test_a_client_is_put_into_somebodys_day(self, world: World) -> None:
        anna, boris = await world.operator(), await world.operator("Борис")
        await world.client("Первая")
        picked = await world.client("Выбранная")
        async with world.transaction() as session:
            await build(session, campaign_id=world.campaign_id, day=DAY, now=NOON)
        await pick(world, picked, boris)
        async with world.transaction() as session:
            first = await claim_next(session, operator_id=boris, now=NOON, lease_s=LEASE_S)
        assert first is not None
        assert (first.client_id, first.kind) == (picked, EntryKind.HANDPICKED)
        async with world.transaction() as session:
            hers = await claim_next(session, operator_id=anna, now=NOON, lease_s=LEASE_S)
        assert hers is not None
        assert hers.client_id != picked

    async def test_who_picks_weighs_more_than_who_owns(self, world: World) -> None:
        anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
        cold = OutcomeForm("cold", reason="дорого")
        await world.outcome(await world.call(client_id, anna), cold, anna, at=NOON)
        later = NOON + timedelta(hours=1)
        async with world.database.reading() as session:
            before = await may_dial(session, client_id=client_id, operator_id=boris, now=later)
        await pick(world, client_id, boris)
        async with world.database.reading() as session:
            after = await may_dial(session, client_id=client_id, operator_id=boris, now=later)
        assert (before.code, after.code) == ("dial.owned", "")
        async with world.transaction() as session:
            assert await claim_next(session, operator_id=boris, now=later, lease_s=LEASE_S) is not None

    async def test_who_calls_takes_nothing_out_of_anothers_plan(self, world: World) -> None:
        anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
        await pick(world, client_id, boris)
        with pytest.raises(Conflict) as caught:
            await pick(world, client_id, anna, from_others=False)
        assert caught.value.code == "plan.others"
        await pick(world, client_id, boris, from_others=False)  # the own ones may be picked again
        await pick(world, client_id, anna)

    async def test_who_calls_does_not_pick_the_whole_day(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(plan_changes, "MOST_PICKED", 2)
        anna, clients = await world.operator(), [await world.client(f"Клиент {number}") for number in range(3)]
        for client_id in clients[:2]:
            await pick(world, client_id, anna, from_others=False)
        with pytest.raises(Refused) as caught:
            await pick(world, clients[2], anna, from_others=False)
        assert caught.value.code == "plan.picked_full"
        await pick(world, clients[2], anna, DAY + timedelta(days=1), from_others=False)

    async def test_for_another_day_it_waits_until_then(self, world: World) -> None:
        anna, client_id = await world.operator(), await world.client()
        tomorrow = NOON + timedelta(days=1)
        await pick(world, client_id, anna, tomorrow.date())
        async with world.transaction() as session:
            assert await claim_next(session, operator_id=anna, now=NOON, lease_s=LEASE_S) is None
        async with world.transaction() as session:
            await build(session, campaign_id=world.campaign_id, day=tomorrow.date(), now=tomorrow)
            entry = await claim_next(session, operator_id=anna, now=tomorrow, lease_s=LEASE_S)
        assert entry is not None
        assert entry.kind is EntryKind.HANDPICKED

    async def test_what_cannot_be(self, world: World) -> None:
        anna, manager = await world.operator(), await world.operator("Рук", Role.MANAGER)
        away, gone, vera = [await world.operator(name) for name in ("Ушёл", "Уволен", "Вера")]
        client_id, silent, promised = await world.client(), await world.client("Тихая"), await world.client("Обещана")
        held = await world.client("В руках")
        await world.silence(silent)
        attempt_id = await world.call(promised, anna)
        await world.outcome(attempt_id, OutcomeForm("callback", callback_words="через час"), anna, at=NOON)
        async with world.transaction() as session:
            session.add(Absence(user_id=away, first_day=DAY, last_day=DAY, noted_at=NOON))
            await set_active(session, user=await get_user(session, gone), active=False, now=NOON)
            await open_call(session, held, vera)
        yesterday, tomorrow = DAY - timedelta(days=1), DAY + timedelta(days=1)
        for who, whose, day, code in (
            (client_id, manager, DAY, "plan.not_at_work"),
            (client_id, away, DAY, "plan.not_at_work"),
            (client_id, gone, DAY, "plan.not_at_work"),
            (client_id, anna, yesterday, "plan.day_over"),
            (silent, anna, DAY, "dial.do_not_call"),
            (promised, anna, tomorrow, "plan.promised"),
            (held, anna, DAY, "plan.in_hand"),
        ):
            with pytest.raises(CrmError) as refused:
                await pick(world, who, whose, day)
            assert refused.value.code == code
        await pick(world, client_id, away, tomorrow)
        evening = NOON + timedelta(hours=4)  # 18:00 in Yekaterinburg
        with pytest.raises(CrmError) as refused:
            async with world.transaction() as session:
                await hand_pick(session, client_id=client_id, user_id=anna, day=DAY, now=evening, author_id=None)
        assert refused.value.code == "plan.hours_over"


class TestReassigning:
    async def test_an_entry_goes_to_another_person_and_back_to_everybody(self, world: World) -> None:
        anna, boris = await world.operator(), await world.operator("Борис")
        await world.client()
        async with world.transaction() as session:
            await build(session, campaign_id=world.campaign_id, day=DAY, now=NOON)
        await give(world, 1, boris, None)
        assert await order_of(world, boris) == [1]
        async with world.transaction() as session:
            assert await claim_next(session, operator_id=anna, now=NOON, lease_s=LEASE_S) is None
        await give(world, 1, None, boris)
        assert await worked_through(world, anna) == [1]
        async with world.database.reading() as session:
            noted = select(AuditEntry.details).where(AuditEntry.action == "plan.reassigned").order_by(AuditEntry.id)
            assert [(entry["was"], entry["to"]) for entry in await session.scalars(noted)] == [
                (None, boris), (boris, None),
            ]  # fmt: skip

    async def test_two_who_decide_at_once(self, world: World) -> None:
        anna, boris, vera = [await world.operator(name) for name in ("Анна", "Борис", "Вера")]
        entry_id = await pick(world, await world.client(), anna)
        await give(world, entry_id, boris, anna)
        for known, was, code in ((entry_id, anna, "plan.changed_meanwhile"), (99, None, "plan.entry_unknown")):
            with pytest.raises(CrmError) as refused:
                await give(world, known, vera, was)
            assert refused.value.code == code
        assert await order_of(world, boris) == [entry_id]
        async with world.transaction() as session:
            assert await claim_next(session, operator_id=boris, now=NOON, lease_s=LEASE_S) is not None
        with pytest.raises(CrmError) as refused:
            await give(world, entry_id, vera, boris)
        assert refused.value.code == "plan.changed_meanwhile"

    async def test_the_plan_begun_anew_keeps_what_somebody_decided(self, world: World) -> None:
        boris = await world.operator("Борис")
        await world.client()
        async with world.transaction() as session:
            await build(session, campaign_id=world.campaign_id, day=DAY, now=NOON)
        await give(world, 1, boris, None)
        async with world.transaction() as session:
            await build_anew(session, campaign=await get_campaign(session, 1), day=DAY, now=NOON)
        assert await order_of(world, boris) == [1]


class TestOrder:
    @pytest.fixture
    async def anna(self, world: World) -> int:
        """A person with five clients picked by hand, the entries 1 to 5."""
        user_id = await world.operator()
        for number in range(5):
            await pick(world, await world.client(f"Клиент {number}"), user_id)
        return user_id

    async def test_entries_come_up_where_they_were_put(self, world: World, anna: int) -> None:
        await put(world, 5, 1)
        await put(world, 1, None)
        assert await order_of(world, anna) == [5, 2, 3, 4, 1]
        assert await worked_through(world, anna) == [5, 2, 3, 4, 1]

    async def test_one_step_up_and_down(self, world: World, anna: int) -> None:
        await step(world, 4, 3, up=True)
        assert await order_of(world, anna) == [1, 2, 4, 3, 5]
        await step(world, 1, 2, up=False)
        await step(world, 3, 5, up=False)
        assert await order_of(world, anna) == [2, 1, 4, 5, 3]

    async def test_a_step_past_another_than_was_seen_is_no_step(self, world: World, anna: int) -> None:
        await put(world, 5, 1)
        boris = await world.operator("Борис")
        await give(world, 2, boris, anna)
        for entry_id, neighbour_id in ((2, 1), (4, 5), (1, 2)):
            with pytest.raises(CrmError) as refused:
                await step(world, entry_id, neighbour_id, up=True)
            assert refused.value.code == "plan.changed_meanwhile"
        assert await order_of(world, anna) == [5, 1, 3, 4]

    async def test_promises_and_retries_that_fall_due_come_before_the_order(self, world: World, anna: int) -> None:
        await put(world, 5, 1)
        busy, promised = await world.client("Занята"), await world.client("Обещана")
        early = NOON - timedelta(hours=2)
        for client_id, result, form in (
            (busy, Result.BUSY, OutcomeForm("no_contact")),
            (promised, Result.ANSWERED, OutcomeForm("callback", callback_words="через 2 часа")),
        ):
            attempt_id = await world.call(client_id, anna, result=result, at=early)
            await world.outcome(attempt_id, form, anna, at=early)
        async with world.transaction() as session:
            await bring_due(session, now=NOON)
            promise = await session.scalar(select(PlanEntry.id).where(PlanEntry.kind == EntryKind.CALLBACK))
        assert promise is not None
        with pytest.raises(CrmError) as refused:
            await put(world, promise, 1)
        assert refused.value.code == "plan.no_place"
        with pytest.raises(CrmError) as refused:
            await give(world, promise, None, anna)
        assert refused.value.code == "plan.of_its_owner"
        given = []
        for operator_id in (anna, await world.operator("Борис"), anna):
            async with world.transaction() as session:
                entry = await claim_next(session, operator_id=operator_id, now=NOON, lease_s=LEASE_S)
                assert entry is not None
                given.append(entry.client_id)
                if operator_id == anna:
                    await skip(session, entry_id=entry.id, operator_id=anna, reason="далее", now=NOON)
        assert given[:2] == [promised, busy]
        assert (await world.get_client(given[2])).id == 5

    async def test_the_database_gives_a_place_in_nobodys_day_to_nothing(self, world: World, anna: int) -> None:
        for change in ("place = 1, operator_id = NULL, assigned = false", "operator_id = NULL"):
            with pytest.raises(DBAPIError):
                async with world.database.engine.begin() as connection:
                    await connection.execute(text(f"UPDATE plan_entries SET {change}"))
