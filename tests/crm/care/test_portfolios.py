"""Everything that somebody has of clients passes to others in one batch, and nothing is left without an owner."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from crm.audit import CLIENT_OWNED, PORTFOLIO_MOVED, AuditEntry
from crm.base.organisations import Organisation
from crm.calls.owners import set_owner
from crm.care.portfolios import (
    Belonging,
    DealtBy,
    Item,
    PortfolioRow,
    change_role,
    counts_of,
    digest_of,
    hand_over,
    leave,
    moves_of,
    portfolio_of,
    preview,
)
from crm.clientele.clients import Client, get_client
from crm.day.plan_changes import hand_pick
from crm.deals.deals import Deal, open_deal
from crm.errors import CrmError
from crm.experts.referrals import ReferralState
from crm.office.users import Role, get_user
from crm.plan.callbacks import Callback, CallbackState, agree
from crm.plan.plan_entries import PlanEntry
from crm.preparation.campaign_setup import set_industries
from crm.preparation.campaigns import change_campaign, get_campaign
from tests.crm.builders import NOON, World, open_call, wall
from tests.crm.experts.test_referrals import expert, referrals, warm

LATER = NOON + timedelta(hours=1)


async def passed(
    world: World,
    of: int,
    *to: int,
    by: DealtBy = DealtBy.LOAD,
    reason: str = "увольняется",
    only_shown: bool = False,
    shown: str | None = None,
) -> list[Item]:
    async with world.transaction() as session:
        giver, takers = await get_user(session, of), [await get_user(session, each) for each in to]
        if only_shown:
            return await preview(session, of=giver, to=takers, by=by, now=LATER)
        return await hand_over(session, of=giver, to=takers, by=by, reason=reason, now=LATER, shown=shown)


async def counted(world: World, user_id: int) -> dict[Belonging, int]:
    async with world.database.reading() as session:
        return await counts_of(session, user_id)


async def with_deals(world: World) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NOON, sells_by_deals=True)


async def test_an_expert_with_two_hundred_clients_thirty_callbacks_and_five_deals_leaves(world: World) -> None:
    """And two clients who wait to be accepted, and one picked by hand: to three colleagues, evenly, none forgotten."""
    egor = await expert(world, "Егор")
    others = [await expert(world, name) for name in ("Зоя", "Иван", "Яна")]
    anna = await world.operator()
    await with_deals(world)
    offered = [await world.client(name) for name in ("Север", "Юг")]
    mine = await world.clients(200, owner_id=egor)
    async with world.transaction() as session:
        for client_id in mine[:30]:
            client = await get_client(session, client_id)
            await agree(session, client=client, owner_id=egor, local_at=wall("2026-11-25T10:00"), now=NOON)
        for client_id in mine[:5]:
            await open_deal(session, client_id=client_id, owner_id=egor, now=NOON)
        await hand_pick(session, client_id=mine[60], user_id=egor, day=NOON.date(), now=NOON, author_id=None)
    for client_id in offered:
        await warm(world, client_id, anna, expert_id=egor)
    expected = {
        Belonging.CLIENT: 200, Belonging.CALLBACK: 30, Belonging.REFERRAL: 2, Belonging.DEAL: 5,
        Belonging.PLAN_ENTRY: 1,
    }  # fmt: skip
    assert await counted(world, egor) == expected
    shown = await passed(world, egor, *others, only_shown=True)
    assert await counted(world, egor) == expected, "looking changes nothing"
    done = await passed(world, egor, *others)
    assert done == shown
    assert await counted(world, egor) == {}
    clients = Counter(item.to for item in done if item.belonging is Belonging.CLIENT)
    assert set(clients) == set(others)
    assert max(clients.values()) - min(clients.values()) <= 2
    async with world.database.reading() as session:
        owners = dict((await session.execute(select(Client.id, Client.owner_id).where(Client.id.in_(mine)))).all())
        promises = (await session.execute(select(Callback.client_id, Callback.owner_id))).all()
        deals = (await session.execute(select(Deal.client_id, Deal.owner_id))).all()
        picked = await session.scalar(select(PlanEntry.operator_id).where(PlanEntry.client_id == mine[60]))
        rows = await session.scalar(select(func.count()).select_from(PortfolioRow))
        noted = await session.scalar(
            select(func.count()).select_from(AuditEntry).where(AuditEntry.action == CLIENT_OWNED)
        )
        assert await session.scalar(select(AuditEntry.details).where(AuditEntry.action == PORTFOLIO_MOVED))
        ((move, counts),) = await moves_of(session, egor)
    assert set(owners.values()) <= set(others)
    for client_id, owner_id in (*promises, *deals):
        assert owners.get(client_id, owner_id) == owner_id, "what is of one client goes to one person"
    assert (picked, rows) == (owners[mine[60]], 238)
    assert noted is not None
    assert noted >= 200
    assert (move.reason, counts) == ("увольняется", expected)
    for client_id in offered:
        before, row = await referrals(world, client_id)
        assert (before.state, row.state) == (ReferralState.MOVED, ReferralState.OFFERED)
        assert row.expert_id in others


async def test_what_is_not_what_was_shown_does_not_pass(world: World) -> None:
    egor, zoya = [await expert(world, name) for name in ("Егор", "Зоя")]
    third = await world.client("Третий")
    first, second = await world.clients(2, owner_id=egor)
    digest = digest_of(await passed(world, egor, zoya, only_shown=True))
    for changed in ([first], [first, second, third]):
        async with world.transaction() as session:
            await session.execute(update(Client).values(owner_id=None))
            await session.execute(update(Client).where(Client.id.in_(changed)).values(owner_id=egor))
        with pytest.raises(CrmError) as refused:
            await passed(world, egor, zoya, shown=digest)
        assert refused.value.code == "portfolio.looks_otherwise"
    async with world.transaction() as session:
        await session.execute(update(Client).where(Client.id == third).values(owner_id=None))
    assert len(await passed(world, egor, zoya, shown=digest)) == 2


async def test_by_industry_first_to_whoever_looks_after_it(world: World) -> None:
    egor, zoya, ivan = [await expert(world, name) for name in ("Егор", "Зоя", "Иван")]
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        user = await get_user(session, zoya)
        await set_industries(session, campaign=campaign, user=user, industries=["Торговля"], now=NOON)
    trade = await world.clients(4, owner_id=egor)
    async with world.transaction() as session:
        await session.execute(update(Organisation).values(industry="торговля"))
    rest = await world.clients(3, owner_id=egor)
    done = await passed(world, egor, zoya, ivan, by=DealtBy.INDUSTRY)
    whose = {item.client_id: item.to for item in done}
    assert {whose[each] for each in trade} == {zoya}
    assert {whose[each] for each in rest} == {ivan}, "who has less to do by then"


async def test_an_operator_who_takes_it_is_offered_nothing_that_needs_an_expert(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    egor, zoya = await expert(world, "Егор"), await expert(world, "Зоя")
    await warm(world, client_id, anna, expert_id=egor)
    (item,) = await passed(world, egor, anna)
    assert (item.belonging, item.to) == (Belonging.REFERRAL, zoya)


async def test_what_cannot_be(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    manager = await world.operator("Мария", Role.MANAGER)
    async with world.transaction() as session:
        await set_owner(session, client=await get_client(session, client_id), owner_id=anna, now=NOON, author_id=None)

    async def refused(*to: int, reason: str = "увольняется") -> str:
        try:
            await passed(world, anna, *to, reason=reason)
        except CrmError as error:
            return error.code
        return ""

    assert await refused() == "portfolio.needs_taker"
    assert await refused(anna) == "portfolio.cannot_take"
    assert await refused(boris, manager) == "portfolio.cannot_take"
    assert await refused(boris, reason=" ") == "portfolio.needs_reason"
    async with world.transaction() as session:
        await open_call(session, client_id, anna)
    assert await refused(boris) == "portfolio.in_call"


async def test_nobody_is_switched_off_who_still_has_something(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    async with world.transaction() as session:
        await set_owner(session, client=await get_client(session, client_id), owner_id=anna, now=NOON, author_id=None)

    async def gone(to: int | None) -> str:
        try:
            async with world.transaction() as session:
                taker = await get_user(session, to) if to else None
                await leave(session, user=await get_user(session, anna), to=taker, reason="ушла", now=LATER)
        except CrmError as error:
            return error.code
        return ""

    assert await gone(None) == "user.owns_portfolio"
    assert await gone(boris) == ""
    async with world.database.reading() as session:
        assert not (await get_user(session, anna)).active
        assert await portfolio_of(session, anna) == []
    client = await world.get_client(client_id)
    assert (client.owner_id, client.owned_since) == (boris, LATER)


@pytest.mark.parametrize(
    ("was", "role", "asks"),
    [
        (Role.EXPERT, Role.OPERATOR, True), (Role.EXPERT, Role.MANAGER, True), (Role.OPERATOR, Role.MANAGER, True),
        (Role.OPERATOR, Role.EXPERT, False), (Role.EXPERT, Role.EXPERT, False),
    ],
)  # fmt: skip
async def test_who_gets_another_role_gives_away_what_does_not_go_with_it(
    world: World, was: Role, role: Role, *, asks: bool
) -> None:
    anna, boris, client_id = await world.operator(role=was), await world.operator("Борис"), await world.client()
    async with world.transaction() as session:
        await set_owner(session, client=await get_client(session, client_id), owner_id=anna, now=NOON, author_id=None)

    async def changed(to: int | None) -> str:
        try:
            async with world.transaction() as session:
                taker = await get_user(session, to) if to else None
                user = await get_user(session, anna)
                await change_role(session, user=user, role=role, to=taker, reason="другая работа", now=LATER)
        except CrmError as error:
            return error.code
        return ""

    assert await changed(None) == ("user.owns_portfolio" if asks else "")
    if asks:
        async with world.database.reading() as session:
            assert (await get_user(session, anna)).role is was
        assert await changed(boris) == ""
    async with world.database.reading() as session:
        assert (await get_user(session, anna)).role is role
    assert (await world.get_client(client_id)).owner_id == (boris if asks else anna)


async def test_what_is_settled_is_nobodys_to_take(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        await agree(session, client=client, owner_id=anna, local_at=wall("2026-11-25T10:00"), now=NOON)
        kept = {"state": CallbackState.KEPT, "settled_at": NOON}
        await session.execute(update(Callback).values(kept))
    assert await counted(world, anna) == {}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE portfolio_moves SET reason = 'иначе'",
        "UPDATE portfolio_moves SET from_user_id = (SELECT max(id) FROM users)",
        "UPDATE portfolio_rows SET to_user_id = NULL",
        "DELETE FROM portfolio_rows",
        "DELETE FROM portfolio_moves",
    ],
)
async def test_the_database_keeps_what_was_handed_over(world: World, change: str) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    await world.clients(1, owner_id=anna)
    await passed(world, anna, boris)
    with pytest.raises(DBAPIError):
        async with world.database.engine.begin() as connection:
            await connection.execute(text(change))
