"""What a campaign says of its plan: the order of the groups, shares, how many clients a day for each person."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from crm.base.organisations import Organisation
from crm.base.sources import Source
from crm.calls.owners import set_owner
from crm.clientele.clients import Client, get_client
from crm.day.day_plan import build, build_anew, claim_next, follow_rules, is_built, skip
from crm.errors import Refused
from crm.group import Group
from crm.office.users import Role
from crm.plan.plan_entries import EntryState, PlanEntry
from crm.preparation.campaigns import change_campaign, get_campaign
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import LEASE_S, NOON, World

DAY = NOON.date()


async def set_rules(world: World, **rules: Any) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id, lock=True)
        changed = await change_campaign(session, campaign=campaign, now=NOON, **rules)
        await follow_rules(session, campaign=campaign, changed=changed, now=NOON)


async def plan(world: World) -> int:
    async with world.transaction() as session:
        return await build(session, campaign_id=world.campaign_id, day=DAY, now=NOON)


async def work_through(world: World, operator_id: int, most: int = 100) -> list[int]:
    """Claim and skip until nothing is left; the order in which clients came."""
    order: list[int] = []
    while len(order) < most:
        async with world.transaction() as session:
            entry = await claim_next(session, operator_id=operator_id, now=NOON, lease_s=LEASE_S)
            if entry is None:
                break
            order.append(entry.client_id)
            await skip(session, entry_id=entry.id, operator_id=operator_id, reason="далее", now=NOON)
    return order


async def waiting(world: World) -> Counter[int | None]:
    """How many clients wait for whom."""
    async with world.database.reading() as session:
        these = select(PlanEntry.operator_id).where(PlanEntry.state == EntryState.WAITING)
        return Counter(await session.scalars(these))


class TestOrder:
    async def test_the_groups_come_up_as_the_campaign_has_them(self, world: World) -> None:
        operator = await world.operator()
        hot, new, cold = [await world.client(g, group=g) for g in (Group.HOT, Group.NEW, Group.COLD)]
        await set_rules(world, group_order="cold, HOT")
        assert await work_through(world, operator) == [cold, hot]
        await set_rules(world, group_order="new,cold")
        assert await work_through(world, operator) == [new]

    async def test_a_new_order_leaves_what_somebody_has_in_hand(self, world: World) -> None:
        anna, boris = await world.operator(), await world.operator("Борис")
        hot, warm, new = [await world.client(g, group=g) for g in (Group.HOT, Group.WARM, Group.NEW)]
        await plan(world)
        async with world.transaction() as session:
            held = await claim_next(session, operator_id=anna, now=NOON, lease_s=LEASE_S)
        await set_rules(world, group_order="new,warm,hot")
        async with world.transaction() as session:
            again = await claim_next(session, operator_id=anna, now=NOON, lease_s=LEASE_S)
        assert held is not None
        assert again is not None
        assert (again.id, again.client_id) == (held.id, hot)
        assert await work_through(world, boris) == [new, warm]

    @pytest.mark.parametrize(
        ("rules", "code"),
        [
            ({"group_order": ""}, "campaign.group_order"),
            ({"group_order": "hot,warm,hot"}, "campaign.group_order"),
            ({"group_order": "lukewarm"}, "campaign.no_such_group"),
            ({"calls_a_day": 0}, "campaign.calls_a_day"),
            ({"owner_keeps_days": -1}, "campaign.owner_keeps_days"),
            ({"shares": "Торговля 40"}, "campaign.shares_by"),
            ({"shares": "Торговля", "shares_by": "source"}, "campaign.share"),
            ({"shares": "А 60; Б 41", "shares_by": "source"}, "campaign.shares"),
        ],
    )
    async def test_what_cannot_be(self, world: World, rules: dict[str, object], code: str) -> None:
        with pytest.raises(Refused) as refused:
            await set_rules(world, **rules)
        assert refused.value.code == code

    @pytest.mark.parametrize("typed", ["Оптовая торговля 40%, Транспорт: 25", "Оптовая  торговля = 40\nТранспорт 25 ;"])
    async def test_shares_are_read_as_people_write_them(self, world: World, typed: str) -> None:
        await set_rules(world, shares_by="industry", shares=typed)
        async with world.database.reading() as session:
            stored = (await get_campaign(session, world.campaign_id)).shares
        assert stored == "Оптовая торговля 40; Транспорт 25"

    async def test_the_database_knows_the_limits_too(self, world: World) -> None:
        for column, value in (
            ("calls_a_day", "0"),
            ("owner_keeps_days", "-1"),
            ("shares_by", "'x'"),
            ("consent", "''"),
        ):
            with pytest.raises(DBAPIError):
                async with world.database.engine.begin() as connection:
                    await connection.execute(text(f"UPDATE campaigns SET {column} = {value}"))


class TestShares:
    async def test_every_beginning_of_the_day_holds_the_shares(self, world: World) -> None:
        operator = await world.operator()
        await world.clients(40)
        async with world.transaction() as session:
            await session.execute(update(Organisation).where(Organisation.id <= 20).values(industry="Торговля"))
            await session.execute(update(Organisation).where(Organisation.id > 30).values(industry="Транспорт"))
        await set_rules(world, shares_by="industry", shares="Торговля 60; Транспорт 20")
        first_ten, next_ten = await work_through(world, operator, 10), await work_through(world, operator, 10)
        for ten in (first_ten, next_ten):
            assert await industries(world, ten) == {"Торговля": 6, "Транспорт": 2, "": 2}

    async def test_shares_by_source_and_those_without_one_last(self, world: World) -> None:
        operator = await world.operator()
        await world.clients(6)
        async with world.transaction() as session:
            session.add(source := Source(name="2ГИС"))
            await session.flush()
            await session.execute(update(Client).where(Client.id > 4).values(source_id=source.id))
        await set_rules(world, shares_by="source", shares="2ГИС 100")
        assert await work_through(world, operator) == [5, 6, 1, 2, 3, 4]


async def industries(world: World, clients: list[int]) -> dict[str, int]:
    async with world.database.reading() as session:
        found = select(Organisation.industry).join(Client, Client.organisation_id == Organisation.id)
        return Counter(await session.scalars(found.where(Client.id.in_(clients))))


class TestDealing:
    async def test_everybody_at_work_is_given_as_many(self, world: World) -> None:
        people = [await world.operator(name) for name in "АБВ"]
        await world.operator("Руководитель", Role.MANAGER)
        await world.clients(50)
        await set_rules(world, calls_a_day=5)
        assert await waiting(world) == dict.fromkeys(people, 5)
        assert await plan(world) == 0
        async with world.database.reading() as session:
            assert await is_built(session, campaign_id=world.campaign_id, day=DAY)
        assert len(await work_through(world, people[0])) == 5

    async def test_what_was_called_counts_and_what_was_skipped_is_made_up_for(self, world: World) -> None:
        anna = await world.operator()
        await world.clients(50)
        await set_rules(world, calls_a_day=4)
        async with world.transaction() as session:
            entry = await claim_next(session, operator_id=anna, now=NOON, lease_s=LEASE_S)
            assert entry is not None
        attempt_id = await world.call(entry.client_id, anna)
        await world.outcome(attempt_id, OutcomeForm("cold", reason="дорого"), anna, at=NOON)
        assert await plan(world) == 0
        await work_through(world, anna, 1)
        assert await plan(world) == 1
        assert await waiting(world) == {anna: 3}

    async def test_a_promise_for_today_takes_its_place(self, world: World) -> None:
        anna = await world.operator()
        await world.clients(9)
        attempt_id = await world.call(1, anna)
        await world.outcome(attempt_id, OutcomeForm("callback", callback_words="через 2 часа"), anna, at=NOON)
        await set_rules(world, calls_a_day=4)
        assert await waiting(world) == {anna: 2}  # four less the call that was made and the one that was promised

    async def test_each_has_the_same_mix_of_zones_and_shares(self, world: World) -> None:
        people = [await world.operator(name) for name in "АБ"]
        await world.clients(20, time_zone="Asia/Novosibirsk")
        await world.clients(20, time_zone="Europe/Moscow")
        async with world.transaction() as session:
            await session.execute(update(Organisation).where(Organisation.id % 2 == 0).values(industry="Торговля"))
        await set_rules(world, calls_a_day=8, shares_by="industry", shares="Торговля 50")
        async with world.database.reading() as session:
            found = select(PlanEntry.operator_id, Organisation.time_zone, Organisation.industry)
            found = found.join(Client, Client.id == PlanEntry.client_id)
            found = found.join(Organisation, Organisation.id == Client.organisation_id)
            dealt = Counter(tuple(row) for row in await session.execute(found))
        zones = ("Asia/Novosibirsk", "Europe/Moscow")
        assert dealt == {(who, zone, kind): 2 for who in people for zone in zones for kind in ("", "Торговля")}

    async def test_an_expert_is_given_the_own_clients_and_no_others(self, world: World) -> None:
        anna, expert = await world.operator(), await world.operator("Эксперт", Role.EXPERT)
        await world.clients(10)
        async with world.transaction() as session:
            for client_id in (3, 7):
                client = await get_client(session, client_id, lock=True)
                await set_owner(session, client=client, owner_id=expert, now=NOON, author_id=None)
        await set_rules(world, calls_a_day=20)
        assert await waiting(world) == {anna: 8, expert: 2}
        assert await work_through(world, expert) == [3, 7]

    async def test_the_plan_begins_anew_without_losing_claims(self, world: World) -> None:
        anna = await world.operator()
        await world.clients(6)
        await set_rules(world, calls_a_day=3)
        async with world.transaction() as session:
            held = await claim_next(session, operator_id=anna, now=NOON, lease_s=LEASE_S)
            assert held is not None
            campaign = await get_campaign(session, world.campaign_id)
            assert await build_anew(session, campaign=campaign, day=DAY, now=NOON) == 2
        async with world.database.reading() as session:
            kept = await session.get_one(PlanEntry, held.id)
        assert (kept.state, kept.claimed_by) == (EntryState.CLAIMED, anna)
        async with world.transaction() as session:
            assert await build(session, campaign_id=1, day=DAY + timedelta(days=1), now=NOON + timedelta(days=1)) == 2
