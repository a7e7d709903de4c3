"""The next client is found by looking at the windows, not at everybody who cannot be called now."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.attempts import pending_wrap_up, recover
from crm.day.day_plan import build, claim_next, is_built, release
from crm.day.dealing import has_room
from crm.day.turns import group_windows, next_waiting
from crm.group import Group
from crm.plan.callbacks import bring_due
from crm.plan.plan_entries import EntryKind, PlanEntry
from crm.preparation.campaigns import add_campaign, change_campaign, get_campaign
from crm.reading.my_day import my_day
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import LEASE_S, NOON, World
from tests.crm.work import work_of

DAY = NOON.date()
FEW, MANY = 1000, 12_000  # PostgreSQL's indexes have two levels of pages with either
EVENING = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)  # 17:30 in Moscow, 19:30 in Perm, 21:30 in Novosibirsk


async def plan(world: World, now: datetime = NOON) -> None:
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=DAY, now=now)
    if world.database.dialect == "postgresql":
        async with world.database.engine.begin() as connection:
            await connection.execute(text("ANALYZE"))


class TestWork:
    async def test_closed_hours_in_front_cost_nothing(self, world: World) -> None:
        operator = await world.operator()
        await world.clients(FEW, time_zone="Asia/Novosibirsk")
        await world.clients(10, time_zone="Europe/Moscow")
        await plan(world)

        async def claim(session: AsyncSession) -> None:
            entry = await claim_next(session, operator_id=operator, now=EVENING, lease_s=LEASE_S)
            assert entry is not None
            await release(session, entry_id=entry.id, operator_id=operator)

        before = await work_of(world.database, claim)
        await world.clients(MANY, time_zone="Asia/Novosibirsk")
        await plan(world)
        assert await work_of(world.database, claim) < before * 1.5

    async def test_many_who_wait_cost_nothing(self, world: World) -> None:
        operator = await world.operator()
        await world.clients(FEW)
        await plan(world)

        async def look(session: AsyncSession) -> None:
            await bring_due(session, now=NOON)
            entry = await claim_next(session, operator_id=operator, now=NOON, lease_s=LEASE_S)
            assert entry is not None
            await release(session, entry_id=entry.id, operator_id=operator)

        before = await work_of(world.database, look)
        await world.clients(MANY)
        await plan(world)
        assert await work_of(world.database, look) < before * 1.5

    async def test_many_calls_of_the_past_cost_nothing(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator)
        await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=NOON)

        async def look(session: AsyncSession) -> None:
            assert await pending_wrap_up(session, operator_id=operator) is None
            assert await recover(session, now=NOON) == []

        async def multiply() -> None:
            names = "node, client_id, dialled, operator_id, opened_at, answered_at, ended_at, wrapped_up_at, result"
            names += ", phrase"
            async with world.transaction() as session:
                for first in range(0, MANY, FEW):
                    rows = [{"id": f"{number:032}"} for number in range(first, first + FEW)]
                    await session.execute(
                        text(
                            f"INSERT INTO attempts (id, imported, {names})"
                            f" SELECT :id, imported, {names} FROM attempts WHERE id = '{attempt_id}'"
                        ),
                        rows,
                    )

        before = await work_of(world.database, look, of="attempts")
        await multiply()
        assert await work_of(world.database, look, of="attempts") < before * 1.5 + 20


class TestOrder:
    async def test_each_window_is_found_once(self, world: World) -> None:
        async with world.transaction() as session:
            other = await add_campaign(session, name="Поздняя", now=NOON, calls_from=time(9), calls_until=time(20))
        for group in (Group.HOT, Group.COLD):
            for time_zone in ("Asia/Novosibirsk", "Europe/Moscow"):
                for _ in range(3):
                    await world.client(f"{group} {time_zone}", group=group, time_zone=time_zone)
        await world.client("Другая", group=Group.HOT, time_zone="Europe/Moscow", campaign_id=other.id)
        await plan(world)
        async with world.transaction() as session:
            await build(session, campaign_id=other.id, day=DAY, now=NOON)
        async with world.database.reading() as session:
            found = [tuple(row) for row in await session.execute(group_windows())]
            stored = await session.execute(text("SELECT DISTINCT rank FROM plan_entries"))
            assert {rank for rank, _, _ in found} == {rank for (rank,) in stored}
        assert len(found) == 5
        assert found == sorted(set(found))

    async def test_who_cannot_be_called_yet_or_any_more_is_jumped_over(self, world: World) -> None:
        operator = await world.operator()
        east = await world.client("Восток", group=Group.HOT, time_zone="Asia/Vladivostok")
        west = await world.client("Запад", group=Group.COLD, time_zone="Europe/Kaliningrad")
        await plan(world)
        seen = []
        for now in (
            datetime(2026, 11, 22, 22, 59, tzinfo=UTC),  # 8:59 in Vladivostok
            datetime(2026, 11, 22, 23, 0, tzinfo=UTC),
            datetime(2026, 11, 23, 6, 59, tzinfo=UTC),  # 8:59 in Kaliningrad
            datetime(2026, 11, 23, 7, 0, tzinfo=UTC),
            datetime(2026, 11, 23, 8, 0, tzinfo=UTC),  # 18:00 in Vladivostok
            datetime(2026, 11, 23, 16, 0, tzinfo=UTC),  # 18:00 in Kaliningrad
        ):
            async with world.transaction() as session:
                entry = await next_waiting(session, operator_id=operator, now=now)
            seen.append(entry.client_id if entry else None)
        assert seen == [None, east, east, east, west, None]

    async def test_a_window_whose_clients_are_all_left_out_hides_no_other(self, world: World) -> None:
        operator, other = await world.operator(), await world.operator("Борис")
        hot = await world.client("Горячая", group=Group.HOT)
        theirs = await world.client("Чужая", group=Group.WARM)
        cold = await world.client("Холодная", group=Group.COLD)
        await plan(world)
        async with world.transaction() as session:
            await session.execute(
                text("UPDATE plan_entries SET operator_id = :other WHERE client_id = :client"),
                {"other": other, "client": theirs},
            )
        async with world.transaction() as session:
            entry = await next_waiting(session, operator_id=operator, now=NOON, passed_over={hot})
        assert entry is not None
        assert entry.client_id == cold

    async def test_a_client_who_was_singled_out_comes_first(self, world: World) -> None:
        operator = await world.operator()
        await world.client("Горячая", group=Group.HOT)
        retried = await world.client("Повтор", group=Group.COLD)
        await plan(world)
        async with world.transaction() as session:
            await session.execute(
                text("UPDATE plan_entries SET kind = 'retry', rank = 1, due_at = opens_at WHERE client_id = :client"),
                {"client": retried},
            )
        async with world.transaction() as session:
            entry = await next_waiting(session, operator_id=operator, now=NOON)
            day = await my_day(session, operator_id=operator, now=NOON)
        assert entry is not None
        assert (entry.client_id, entry.kind) == (retried, EntryKind.RETRY)
        assert [row.client_id for row in day.now] == [retried]
        assert day.planned_count == 2


class TestBuilt:
    async def test_a_plan_is_built_until_somebody_is_missing_or_the_day_is_over(self, world: World) -> None:
        async def built(day_offset: int = 0) -> bool:
            async with world.database.reading() as session:
                return await is_built(session, campaign_id=world.campaign_id, day=DAY + timedelta(days=day_offset))

        assert await built()
        await world.client("Первая")
        assert not await built()
        await plan(world)
        assert await built()
        assert not await built(1)
        async with world.transaction() as session:
            await session.execute(text("UPDATE clients SET off_list_reason = 'не наш сегмент'"))
        assert not await built(1)  # yesterday's entry still waits
        async with world.transaction() as session:
            await build(session, campaign_id=world.campaign_id, day=DAY + timedelta(days=1), now=NOON)
        assert await built(1)
        async with world.database.reading() as session:
            assert (await session.get_one(PlanEntry, 1)).reason == "day_over"


class TestDealing:
    """Who is given which clients costs no more with more clients."""

    async def test_whether_anybody_has_room(self, world: World) -> None:
        await world.operator()
        await deal_out(world)

        async def ask(session: AsyncSession) -> None:
            campaign = await get_campaign(session, world.campaign_id)
            await has_room(session, campaign=campaign, day=DAY)

        await world.clients(FEW)
        await plan(world)
        before = await work_of(world.database, ask, of="clients")
        await world.clients(MANY)
        await plan(world)
        assert await work_of(world.database, ask, of="clients") < before * 1.5

    async def test_of_ones_own(self, world: World) -> None:
        operator = await world.operator()
        await deal_out(world)
        days = iter(DAY + timedelta(days=number) for number in range(1, 10))

        async def build_next(session: AsyncSession) -> None:
            assert await build(session, campaign_id=world.campaign_id, day=next(days), now=NOON) == 3

        async def more(count: int) -> None:
            await world.clients(count, owner_id=operator)
            if world.database.dialect == "postgresql":
                async with world.database.engine.begin() as connection:
                    await connection.execute(text("ANALYZE"))

        await more(FEW)
        before = await work_of(world.database, build_next, of="clients.id IN")
        await more(MANY)
        assert await work_of(world.database, build_next, of="clients.id IN") < before * 1.5


async def deal_out(world: World) -> None:
    """Three clients a day to everybody."""
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id, lock=True)
        await change_campaign(session, campaign=campaign, now=NOON, calls_a_day=3)
