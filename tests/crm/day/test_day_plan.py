"""The day's plan: its order, and who has the right to dial."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.calls.attempts import Result
from crm.calls.dial_rules import may_dial, set_dialling_stopped
from crm.clientele.clients import get_client
from crm.database import Database
from crm.day.day_plan import (
    MOST_TRIES,
    build,
    claim_client,
    claim_next,
    fit_hours,
    follow_rules,
    recent_changes,
    release,
    renew,
    skip,
)
from crm.day.plan_changes import hand_pick
from crm.errors import Conflict, CrmError, NotFound, Refused
from crm.group import Group
from crm.plan.callbacks import Callback, bring_due
from crm.plan.plan_entries import EntryKind, EntryState, PlanEntry, put_in_plan
from crm.preparation.call_lists import ListState, list_named, set_list_state
from crm.preparation.calling_hours import Window
from crm.preparation.campaigns import Campaign, add_campaign, change_campaign, get_campaign
from crm.reading.my_day import my_day
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import LEASE_S, NOON, World, build_world, open_call
from tests.crm.overlap import Work, overlap

DAY = NOON.date()


async def plan(world: World, day: date = DAY, now: datetime = NOON) -> int:
    async with world.transaction() as session:
        return await build(session, campaign_id=world.campaign_id, day=day, now=now)


async def claimed(world: World, operator_id: int, now: datetime = NOON) -> int | None:
    async with world.transaction() as session:
        entry = await claim_next(session, operator_id=operator_id, now=now, lease_s=LEASE_S)
        return entry.client_id if entry else None


async def work_through(world: World, operator_id: int, now: datetime = NOON) -> list[int]:
    """Claim and skip until nothing is left; the order in which clients came."""
    order: list[int] = []
    while True:
        async with world.transaction() as session:
            entry = await claim_next(session, operator_id=operator_id, now=now, lease_s=LEASE_S)
            if entry is None:
                return order
            order.append(entry.client_id)
            await skip(session, entry_id=entry.id, operator_id=operator_id, reason="далее", now=now)


async def code_of(world: World, client_id: int, operator_id: int, now: datetime = NOON) -> str:
    async with world.database.reading() as session:
        return (await may_dial(session, client_id=client_id, operator_id=operator_id, now=now)).code


class TestOrder:
    async def test_groups_by_priority_then_east_before_west(self, world: World) -> None:
        operator = await world.operator()
        made = {}
        for group in reversed(Group):
            for time_zone in ("Europe/Moscow", "Asia/Novosibirsk"):
                made[group, time_zone] = await world.client(f"{group} {time_zone}", group=group, time_zone=time_zone)
        assert await plan(world) == 14
        expected = [
            made[group, time_zone]
            for group in (
                Group.HOT, Group.WARM, Group.ABANDONED, Group.NEW, Group.NO_CONTACT, Group.COLD, Group.COMPETITOR,
            )
            for time_zone in ("Asia/Novosibirsk", "Europe/Moscow")
        ]  # fmt: skip
        assert await work_through(world, operator) == expected

    async def test_promises_then_retries_then_groups(self, world: World) -> None:
        operator, hot = await world.operator(), await world.client("Горячая", group=Group.HOT)
        busy, promised = await world.client("Занята"), await world.client("Обещали")
        await plan(world)
        early = NOON - timedelta(hours=2)
        for client_id, result, form in (
            (busy, Result.BUSY, OutcomeForm("no_contact")),
            (promised, Result.ANSWERED, OutcomeForm("callback", callback_words="через 2 часа")),
        ):
            attempt_id = await world.call(client_id, operator, result=result, at=early)
            await world.outcome(attempt_id, form, operator, at=early)
        async with world.transaction() as session:
            await bring_due(session, now=NOON)
        assert [await claimed(world, await world.operator(name)) for name in "АБВГ"] == [busy, hot, None, None]
        assert await claimed(world, operator) == promised

    async def test_nobody_twice_and_nobody_forgotten(self, world: World) -> None:
        await world.client("Первая")
        assert await plan(world) == 1
        await world.client("Вторая")
        assert await plan(world) == 1
        assert await plan(world) == 0

    async def test_rest_after_a_call(self, world: World) -> None:
        operator = await world.operator()
        cold, reached = await world.client("Холодная"), await world.client("Никого")
        for client_id, form in ((cold, OutcomeForm("cold", reason="дорого")), (reached, OutcomeForm("no_contact"))):
            await world.outcome(await world.call(client_id, operator), form, operator, at=NOON)
        assert await plan(world) == 0
        tomorrow = NOON + timedelta(days=1)
        assert await plan(world, tomorrow.date(), tomorrow) == 1
        assert await claimed(world, operator, tomorrow) == reached
        in_a_month = NOON + timedelta(days=30)
        await plan(world, in_a_month.date(), in_a_month)
        assert set(await work_through(world, await world.operator("Борис"), in_a_month)) == {cold}

    async def test_who_is_not_in_the_plan(self, database: Database) -> None:
        world = await build_world(database, lists_need_approval=True)
        await world.client("Не согласована")
        async with world.transaction() as session:
            approved = await list_named(session, campaign_id=world.campaign_id, name="Согласованный")
            await set_list_state(session, call_list_id=approved.id, to=ListState.APPROVED, now=NOON, by="ООО Заказчик")
        silent = await world.client("Не звонить", call_list_id=approved.id)
        off = await world.client("Снята", call_list_id=approved.id)
        await world.client("Без номера", call_list_id=approved.id, phones=0)
        await world.client("Нет такой", call_list_id=approved.id, group=Group.NONEXISTENT)
        await world.client("Звонить", call_list_id=approved.id)
        await world.silence(silent)
        async with world.transaction() as session:
            (await get_client(session, off)).off_list_reason = "не наш сегмент"
        assert await plan(world) == 1

    async def test_yesterdays_plan_is_over(self, world: World) -> None:
        await world.client()
        await plan(world)
        tomorrow = NOON + timedelta(days=1)
        assert await plan(world, tomorrow.date(), tomorrow) == 1
        async with world.database.reading() as session:
            states = list(await session.scalars(select(PlanEntry.state).order_by(PlanEntry.day)))
        assert states == [EntryState.DROPPED, EntryState.WAITING]

    async def test_an_unknown_campaign(self, world: World) -> None:
        with pytest.raises(NotFound):
            async with world.transaction() as session:
                await build(session, campaign_id=999, day=DAY, now=NOON)


class TestClaims:
    async def test_operators_at_once_get_different_clients(self, world: World, database_url: str) -> None:
        operators = [await world.operator(f"Оператор {number}") for number in range(6)]
        clients = [await world.client(f"Клиент {number}") for number in range(5)]
        await plan(world)
        nodes = [Database(database_url) for _ in operators]

        async def claim_on(node: Database, operator_id: int) -> int | None:
            async with node.transaction() as session:
                entry = await claim_next(session, operator_id=operator_id, now=NOON, lease_s=LEASE_S)
                return entry.client_id if entry else None

        try:
            got = await asyncio.gather(
                *(claim_on(node, operator_id) for node, operator_id in zip(nodes, operators, strict=True))
            )
        finally:
            for node in nodes:
                await node.dispose()
        assert sorted(client_id for client_id in got if client_id is not None) == clients
        assert got.count(None) == 1

    async def test_two_tabs_get_the_same_client(self, world: World) -> None:
        operator = await world.operator()
        for name in ("Первая", "Вторая", "Третья"):
            await world.client(name)
        await plan(world)
        got = await asyncio.gather(*(claimed(world, operator) for _ in range(4)))
        assert len(set(got)) == 1
        assert got[0] is not None

    async def test_a_lease_ends_by_itself_unless_it_is_renewed(self, world: World) -> None:
        anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
        await plan(world)
        assert await claimed(world, anna) == client_id
        assert await claimed(world, boris, NOON + timedelta(seconds=899)) is None
        async with world.transaction() as session:
            assert await renew(session, operator_id=anna, now=NOON + timedelta(seconds=600), lease_s=LEASE_S)
            assert not await renew(session, operator_id=boris, now=NOON, lease_s=LEASE_S)
        assert await claimed(world, boris, NOON + timedelta(seconds=1499)) is None
        assert await claimed(world, boris, NOON + timedelta(seconds=1500)) == client_id

    async def test_a_call_without_outcome_keeps_the_client(self, world: World) -> None:
        anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
        await world.call(client_id, anna, result=Result.BUSY)
        later = NOON + timedelta(hours=2)
        assert await claimed(world, boris, later) is None
        assert await code_of(world, client_id, boris, later) == "dial.held_by_other"
        assert await code_of(world, client_id, anna, later) == "dial.outcome_missing"
        async with world.database.reading() as session:
            (entry,) = await session.scalars(select(PlanEntry))
        async with world.transaction() as session:
            with pytest.raises(Refused) as refused:
                await release(session, entry_id=entry.id, operator_id=anna)
            assert refused.value.code == "attempt.outcome_missing"
            with pytest.raises(Refused) as refused:
                await skip(session, entry_id=entry.id, operator_id=anna, reason="так", now=later)
            assert refused.value.code == "attempt.outcome_missing"

    async def test_release_and_skip(self, world: World) -> None:
        anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
        await plan(world)
        async with world.transaction() as session:
            entry = await claim_next(session, operator_id=anna, now=NOON, lease_s=LEASE_S)
            assert entry is not None
            await release(session, entry_id=entry.id, operator_id=anna)
        assert await claimed(world, boris) == client_id
        async with world.transaction() as session:
            with pytest.raises(Refused) as refused:
                await skip(session, entry_id=entry.id, operator_id=boris, reason=" ", now=NOON)
            assert refused.value.code == "plan.skip_needs_reason"
            with pytest.raises(Conflict) as conflict:
                await skip(session, entry_id=entry.id, operator_id=anna, reason="так", now=NOON)
            assert conflict.value.code == "plan.not_yours"
            await skip(session, entry_id=entry.id, operator_id=boris, reason="конкурент", now=NOON)
        assert await claimed(world, anna) is None

    async def test_a_client_out_of_turn(self, world: World) -> None:
        anna, boris = await world.operator(), await world.operator("Борис")
        first, second = await world.client("Первая"), await world.client("Вторая")
        await plan(world)
        assert await claimed(world, anna) == first
        async with world.transaction() as session:
            entry = await claim_client(session, client_id=second, operator_id=anna, now=NOON, lease_s=LEASE_S)
            again = await claim_client(session, client_id=second, operator_id=anna, now=NOON, lease_s=LEASE_S)
        assert (entry.kind, again.id) == (EntryKind.GROUP, entry.id)
        with pytest.raises(Conflict) as conflict:
            async with world.transaction() as session:
                await claim_client(session, client_id=second, operator_id=boris, now=NOON, lease_s=LEASE_S)
        assert (conflict.value.code, conflict.value.params) == ("plan.taken", {"name": "Анна"})
        assert await claimed(world, boris) == first
        third = await world.client("Третья")
        async with world.transaction() as session:
            entry = await claim_client(session, client_id=third, operator_id=anna, now=NOON, lease_s=LEASE_S)
        assert entry.kind is EntryKind.HANDPICKED

    async def test_excluded_clients_are_passed_over(self, world: World) -> None:
        operator, first, second = await world.operator(), await world.client("Первая"), await world.client("Вторая")
        await plan(world)
        async with world.transaction() as session:
            entry = await claim_next(
                session, operator_id=operator, now=NOON, lease_s=LEASE_S, exclude_client_ids={first}
            )
        assert entry is not None
        assert entry.client_id == second

    async def test_plain_sql_cannot_claim_twice(self, world: World) -> None:
        operator = await world.operator()
        for name in ("Первая", "Вторая"):
            await world.client(name)
        await plan(world)
        claim = (
            "UPDATE plan_entries SET state = 'claimed', claimed_by = :by, claimed_at = opens_at,"
            " claimed_until = closes_at"
        )
        with pytest.raises(DBAPIError, match=r"(?i)unique"):
            async with world.database.engine.begin() as connection:
                await connection.execute(text(claim), {"by": operator})
        with pytest.raises(DBAPIError, match=r"(?i)constraint|violates"):
            async with world.database.engine.begin() as connection:
                await connection.execute(text("UPDATE plan_entries SET state = 'claimed'"))


class TestApproval:
    async def test_a_list_that_was_returned_holds_nobody_up_and_comes_back(self, database: Database) -> None:
        world = await build_world(database, lists_need_approval=True)
        operator = await world.operator()

        async def set_state(call_list_id: int, to: ListState) -> None:
            async with world.transaction() as session:
                await set_list_state(session, call_list_id=call_list_id, to=to, now=NOON, by="Заказчик")

        async with world.transaction() as session:
            other = (await list_named(session, campaign_id=world.campaign_id, name="Второй")).id
        await set_state(world.call_list_id, ListState.APPROVED)
        await set_state(other, ListState.APPROVED)
        returned = [await world.client(f"Возврат {number}") for number in range(MOST_TRIES)]
        allowed = await world.client("Можно", call_list_id=other)
        await plan(world)
        await set_state(world.call_list_id, ListState.RETURNED)
        assert await claimed(world, operator) == allowed
        assert await plan(world) == 0
        await set_state(world.call_list_id, ListState.SUBMITTED)
        await set_state(world.call_list_id, ListState.APPROVED)
        assert await plan(world) == len(returned)


class TestRules:
    async def test_each_reason(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        assert await code_of(world, client_id, operator) == ""
        silent, off, gone = await world.client("А"), await world.client("Б"), await world.client("В", phones=0)
        nonexistent = await world.client("Г", group=Group.NONEXISTENT)
        await world.silence(silent)
        async with world.transaction() as session:
            (await get_client(session, off)).off_list_reason = "не наш сегмент"
        for refused_id, code in (
            (silent, "dial.do_not_call"),
            (off, "dial.off_list"),
            (gone, "dial.no_number"),
            (nonexistent, "dial.nonexistent"),
        ):
            assert await code_of(world, refused_id, operator) == code
        with pytest.raises(NotFound):
            await code_of(world, 999, operator)

    async def test_a_number_that_must_not_be_called(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client(phones=2)
        attempt_id = await world.call(client_id, operator)
        await world.outcome(attempt_id, OutcomeForm("do_not_call", number_only=True), operator, at=NOON)
        async with world.database.reading() as session:
            number_id = await session.scalar(text("SELECT min(id) FROM phone_numbers"))
            verdict = await may_dial(
                session, client_id=client_id, phone_number_id=number_id, operator_id=operator, now=NOON
            )
        assert verdict.code == "dial.number_do_not_call"

    async def test_the_list_must_be_approved_where_the_campaign_asks(self, database: Database) -> None:
        world = await build_world(database, lists_need_approval=True)
        operator, client_id = await world.operator(), await world.client()
        assert await code_of(world, client_id, operator) == "dial.list_not_approved"
        async with world.transaction() as session:
            with pytest.raises(Refused) as refused:
                await set_list_state(session, call_list_id=world.call_list_id, to=ListState.RETURNED, now=NOON)
            assert refused.value.code == "list.wrong_state"
            for state in (ListState.SUBMITTED, ListState.APPROVED):
                await set_list_state(session, call_list_id=world.call_list_id, to=state, now=NOON, by="Заказчик")
            with pytest.raises(NotFound):
                await set_list_state(session, call_list_id=999, to=ListState.APPROVED, now=NOON)
        assert await code_of(world, client_id, operator) == ""

    async def test_the_hours_are_the_clients(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client(time_zone="Asia/Vladivostok")
        async with world.database.reading() as session:
            verdict = await may_dial(session, client_id=client_id, operator_id=operator, now=NOON)
        assert (verdict.code, verdict.params["local_time"]) == ("dial.hours", "19:00")
        assert verdict.next_at == datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
        await plan(world)
        assert await claimed(world, operator) is None

    async def test_the_campaigns_clock_where_the_clients_is_unknown(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client(time_zone="")
        assert await code_of(world, client_id, operator, datetime(2026, 11, 23, 6, 0, tzinfo=UTC)) == ""
        assert await code_of(world, client_id, operator, datetime(2026, 11, 23, 5, 59, tzinfo=UTC)) == "dial.hours"

    async def test_the_cap(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        results = [Result.TRUNK_FAILURE, Result.BUSY, Result.BUSY, Result.NO_ANSWER]
        for minute, result in enumerate(results):
            at = NOON + timedelta(minutes=10 * minute)
            await world.outcome(
                await world.call(client_id, operator, result=result, at=at), OutcomeForm("no_contact"), operator, at=at
            )
        async with world.database.reading() as session:
            verdict = await may_dial(session, client_id=client_id, operator_id=operator, now=NOON + timedelta(hours=1))
        assert (verdict.code, verdict.params) == ("dial.cap", {"count": 3, "cap": 3})
        assert verdict.next_at == datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
        assert await code_of(world, client_id, operator, NOON + timedelta(days=1)) == ""

    async def test_another_has_the_client_or_a_call_is_open(self, world: World) -> None:
        anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
        async with world.transaction() as session:
            await open_call(session, client_id, anna)
        assert await code_of(world, client_id, boris) == "dial.held_by_other"
        assert await code_of(world, client_id, anna) == "dial.attempt_active"

    async def test_everything_stops(self, world: World) -> None:
        head, operator, client_id = await world.operator("Рук"), await world.operator(), await world.client()
        await plan(world)
        async with world.transaction() as session:
            await set_dialling_stopped(session, stopped=True, author_id=head, now=NOON)
            await set_dialling_stopped(session, stopped=True, author_id=head, now=NOON)
        assert await code_of(world, client_id, operator) == "dial.stopped"
        assert await claimed(world, operator) is None
        with pytest.raises(CrmError) as refused:
            async with world.transaction() as session:
                await open_call(session, client_id, operator)
        assert refused.value.code == "dial.stopped"
        async with world.transaction() as session:
            await set_dialling_stopped(session, stopped=False, author_id=head, now=NOON)
            these = text("SELECT action FROM audit_entries WHERE action LIKE 'dialling.%' ORDER BY id")
            actions = list(await session.scalars(these))
        assert actions == ["dialling.stopped", "dialling.resumed"]
        assert await claimed(world, operator) == client_id


class TestMyDay:
    async def test_what_is_due_later_and_done(self, world: World) -> None:
        operator = await world.operator()
        hot, promised = await world.client("Горячая"), await world.client("Обещали")
        person_id = await world.person(hot)
        await world.client("Ждет")
        await plan(world)
        for client_id, form in (
            (hot, OutcomeForm("hot", person_id=person_id)),
            (
                promised,
                OutcomeForm(
                    "callback", callback_words="чт 1530", person_name="Сидоров Олег", summary="просил перезвонить"
                ),
            ),
        ):
            await world.outcome(await world.call(client_id, operator), form, operator, at=NOON)
        async with world.database.reading() as session:
            day = await my_day(session, operator_id=operator, now=NOON + timedelta(minutes=5))
        assert {(row.organisation, row.disposition) for row in day.done} == {
            ("Обещали", "callback"),
            ("Горячая", "hot"),
        }
        assert [(row.organisation, row.client_local_at) for row in day.later] == [
            ("Обещали", datetime.fromisoformat("2026-11-26T15:30"))
        ]
        assert day.now == ()
        assert (day.done_count, day.planned_count, day.contacts, day.main_contacts) == (2, 3, 2, 1)
        assert (day.own_count, day.shared_count) == (2, 1)

    async def test_what_is_shared_is_counted_beside_the_own(self, world: World) -> None:
        anna, vera = await world.operator("Анна"), await world.operator("Вера")
        picked, *_ = [await world.client(name) for name in ("Выбранный", "Раз", "Два", "Три")]
        async with world.transaction() as session:
            await hand_pick(session, client_id=picked, user_id=anna, day=DAY, now=NOON, author_id=None)
        await plan(world)
        async with world.database.reading() as session:
            days = [await my_day(session, operator_id=operator, now=NOON) for operator in (anna, vera)]
        assert [(day.own_count, day.shared_count, day.planned_count) for day in days] == [(1, 3, 3), (0, 3, 2)]

    async def test_the_overdue_promise_is_marked(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator)
        await world.outcome(attempt_id, OutcomeForm("callback", callback_words="через час"), operator, at=NOON)
        due = NOON + timedelta(hours=1)
        async with world.transaction() as session:
            await bring_due(session, now=due)
        for now, overdue in ((due, False), (due + timedelta(minutes=2), True)):
            async with world.database.reading() as session:
                day = await my_day(session, operator_id=operator, now=now)
            assert [(row.client_id, row.overdue) for row in day.now] == [(client_id, overdue)]


async def test_campaigns(world: World) -> None:
    for values, code in (
        ({"name": " Вентиляция "}, "campaign.exists"),
        ({"name": "Другая", "time_zone": "Nowhere"}, "time_zone.unknown"),
        ({"name": "Другая", "calls_from": time(18), "calls_until": time(9)}, "campaign.hours"),
        ({"name": " "}, "campaign.needs_name"),
        ({"name": "Другая", "attempts_a_day": 0}, "campaign.attempts_a_day"),
        ({"name": "Другая", "ring_timeout_s": 4}, "campaign.ring_timeout"),
        ({"name": "Другая", "ring_timeout_s": 181}, "campaign.ring_timeout"),
    ):
        with pytest.raises(CrmError) as refused:
            async with world.transaction() as session:
                await add_campaign(session, now=NOON, **values)
        assert refused.value.code == code
    async with world.database.reading() as session:
        assert len(list(await session.scalars(select(Campaign)))) == 1


async def test_changed_hours_count_at_once(world: World) -> None:
    client = await world.client(time_zone="Asia/Yekaterinburg")
    anna = await world.operator()
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=DAY, now=NOON)
        campaign = await session.get_one(Campaign, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NOON, calls_from=time(19), calls_until=time(20))
        await fit_hours(session, campaign=campaign, day=DAY)
    for hour, expected in ((13, None), (14, client), (15, None)):  # UTC; 14 is 19 o'clock there
        async with world.transaction() as session:
            entry = await claim_next(session, operator_id=anna, now=NOON.replace(hour=hour), lease_s=60)
            assert (entry.client_id if entry else None) == expected
            if entry:
                await release(session, entry_id=entry.id, operator_id=anna)


async def test_changed_hours_reach_retries_and_those_picked_by_hand(world: World) -> None:
    again, picked, soon, promised = [await world.client(name) for name in ("Ещё раз", "Выбранный", "Скоро", "Обещали")]
    anna = await world.operator()
    late = NOON.replace(hour=16, minute=22)  # UTC; 21:22 in Perm
    spoken = OutcomeForm("callback", callback_words="сегодня 21:22")
    await world.outcome(await world.call(promised, anna), spoken, anna, at=NOON)
    async with world.transaction() as session:
        campaign = await session.get_one(Campaign, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NOON, calls_from=time(), calls_until=time(23, 59))
        await hand_pick(session, client_id=picked, user_id=anna, day=DAY, now=NOON, author_id=None)
        callback_id = await session.scalar(select(Callback.id))
        for client_id, kind, due_at, of in (
            (again, EntryKind.RETRY, late, None),
            (soon, EntryKind.RETRY, NOON + timedelta(minutes=5), None),
            (promised, EntryKind.CALLBACK, late, callback_id),
        ):
            client = await get_client(session, client_id)
            window = Window(due_at, NOON.replace(hour=21))
            await put_in_plan(
                session, client=client, day=DAY, kind=kind, rank=1, window=window, due_at=due_at, callback_id=of
            )
        await change_campaign(session, campaign=campaign, now=NOON, calls_from=time(9), calls_until=time(18))
        await follow_rules(session, campaign=campaign, changed={"calls_from", "calls_until"}, now=NOON)
    async with world.database.reading() as session:
        waiting = select(PlanEntry).where(PlanEntry.state == EntryState.WAITING)
        entries = {entry.client_id: entry for entry in await session.scalars(waiting)}
    at_nine, at_six = NOON.replace(hour=4), NOON.replace(hour=13)
    tomorrow = timedelta(days=1)

    def hours(client_id: int) -> tuple[date, datetime, datetime]:
        return entries[client_id].day, entries[client_id].opens_at, entries[client_id].closes_at

    assert hours(again) == (DAY + tomorrow, at_nine + tomorrow, at_six + tomorrow)
    assert entries[again].due_at == at_nine + tomorrow
    assert hours(soon) == (DAY, NOON + timedelta(minutes=5), at_six)
    assert hours(picked) == (DAY, at_nine, at_six)
    assert hours(promised) == (DAY, late, NOON.replace(hour=21))


@pytest.mark.parametrize("calls_a_day", [None, 30])
async def test_a_client_who_is_picked_by_hand_at_this_moment_does_not_spoil_the_plan(
    world: World, calls_a_day: int | None
) -> None:
    operator, picked, other = await world.operator(), await world.client("Выбранная"), await world.client("Другая")
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NOON, calls_a_day=calls_a_day)

    async def pick(session: AsyncSession) -> None:
        await hand_pick(session, client_id=picked, user_id=operator, day=NOON.date(), now=NOON, author_id=None)

    _, added = await overlap(
        world.database, pick, lambda session: build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
    )
    assert added == 1
    async with world.database.reading() as session:
        entries = await session.execute(select(PlanEntry.client_id, PlanEntry.kind).order_by(PlanEntry.client_id))
    assert entries.all() == [(picked, EntryKind.HANDPICKED), (other, EntryKind.GROUP)]


async def test_a_change_that_is_committed_after_later_ones_is_seen(world: World) -> None:
    """An import writes into the audit when it has its rows, and takes its time to the end; others write meanwhile."""

    def noting(action: str) -> Work:
        async def note_it(session: AsyncSession) -> None:
            audit.note(session, at=NOON, user_id=None, action=action)

        return note_it

    async def give_consent(session: AsyncSession) -> frozenset[int]:
        await noting(audit.CONSENT_GIVEN)(session)
        return await recent_changes(session, now=NOON)

    _, seen = await overlap(world.database, noting(audit.CLIENTS_IMPORTED), give_consent)
    async with world.database.reading() as session:
        recent = await recent_changes(session, now=NOON + timedelta(minutes=1))
        new = await session.scalars(select(audit.AuditEntry.action).where(audit.AuditEntry.id.in_(recent - seen)))
        assert new.all() == ([audit.CLIENTS_IMPORTED] if world.database.dialect == "postgresql" else [])
        assert await recent_changes(session, now=NOON + timedelta(hours=1)) == frozenset(), "those are history"
