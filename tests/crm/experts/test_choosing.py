"""To which expert a client goes: whose it is, whose industry it is, who has least to do, who is there."""

from __future__ import annotations

from sqlalchemy import update

from crm.base.organisations import Organisation
from crm.calls.owners import set_owner
from crm.clientele.clients import get_client
from crm.day.standing_in import set_away
from crm.errors import CrmError
from crm.experts.choosing import candidates, choose
from crm.experts.referrals import ChosenBy
from crm.office.users import get_user
from crm.plan.callbacks import agree
from crm.preparation.campaign_setup import set_industries
from crm.preparation.campaigns import change_campaign, get_campaign
from crm.preparation.plan_rules import ReferralsBy
from tests.crm.builders import NOON, World, wall
from tests.crm.experts.test_referrals import expert, warm


async def chosen(world: World, client_id: int) -> tuple[int | None, ChosenBy]:
    async with world.database.reading() as session:
        client = await get_client(session, client_id)
        choice = await choose(session, client, now=NOON, among=await candidates(session, client, now=NOON))
    return choice.expert.user.id if choice.expert else None, choice.by


async def by_industry(world: World, expert_id: int, *industries: str) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NOON, referrals_by=ReferralsBy.INDUSTRY)
        user = await get_user(session, expert_id)
        await set_industries(session, campaign=campaign, user=user, industries=industries, now=NOON)


async def in_industry(world: World, client_id: int, industry: str) -> None:
    organisation_id = (await world.get_client(client_id)).organisation_id
    async with world.transaction() as session:
        await session.execute(update(Organisation).where(Organisation.id == organisation_id).values(industry=industry))


async def test_who_has_least_offered_and_promised_for_today(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    egor, zoya = await expert(world, "Егор"), await expert(world, "Зоя")
    assert await chosen(world, client_id) == (egor, ChosenBy.LOAD)
    await warm(world, await world.client("Юг"), anna, expert_id=egor)
    assert await chosen(world, client_id) == (zoya, ChosenBy.LOAD)
    for name, day, whose in (
        ("Запад", "2026-11-23T17:00", zoya),  # as much to do as the other one, and never given a client
        ("Восток", "2026-11-24T17:00", zoya),  # tomorrow's promises are not today's work
        ("Север", "2026-11-23T17:30", egor),
    ):
        other = await world.client(name)
        async with world.transaction() as session:
            client = await get_client(session, other)
            await agree(session, client=client, owner_id=zoya, local_at=wall(day), now=NOON)
        assert await chosen(world, client_id) == (whose, ChosenBy.LOAD), name


async def test_who_is_away_is_left_out(world: World) -> None:
    client_id, egor = await world.client(), await expert(world, "Егор")
    async with world.transaction() as session:
        user = await get_user(session, egor)
        await set_away(session, user=user, first_day=NOON.date(), last_day=NOON.date(), now=NOON)
    assert await chosen(world, client_id) == (None, ChosenBy.NOBODY)


async def test_whose_it_is_already(world: World) -> None:
    client_id = await world.client()
    await expert(world, "Егор")
    zoya = await expert(world, "Зоя")
    async with world.transaction() as session:
        await set_owner(session, client=await get_client(session, client_id), owner_id=zoya, now=NOON, author_id=None)
    assert await chosen(world, client_id) == (zoya, ChosenBy.OWNER)


async def test_industries_are_an_experts_of_the_campaign(world: World) -> None:
    """And a limit is at least a minute."""
    stranger = await world.operator("Иван")

    async def refused(deed: str) -> str:
        try:
            async with world.transaction() as session:
                campaign = await get_campaign(session, world.campaign_id)
                if deed == "industries":
                    user = await get_user(session, stranger)
                    await set_industries(session, campaign=campaign, user=user, industries=["Связь"], now=NOON)
                else:
                    await change_campaign(session, campaign=campaign, now=NOON, referral_limit_min=0)
        except CrmError as error:
            return error.code
        return ""

    assert await refused("industries") == "setup.no_expert_here"
    assert await refused("limit") == "campaign.referral_limit"


async def test_by_industry_who_knows_it_then_who_has_none(world: World) -> None:
    egor, zoya, ivan = [await expert(world, name) for name in ("Егор", "Зоя", "Иван")]
    await by_industry(world, egor, "Торговля")
    await by_industry(world, zoya, "Металл", "транспорт")
    client_id = await world.client()
    for industry, whose in (
        ("Транспорт", (zoya, ChosenBy.INDUSTRY)),
        ("торговля", (egor, ChosenBy.INDUSTRY)),
        ("Связь", (ivan, ChosenBy.LOAD)),
        ("", (ivan, ChosenBy.LOAD)),
    ):
        await in_industry(world, client_id, industry)
        assert await chosen(world, client_id) == whose, industry
    await by_industry(world, ivan, "Торговля")
    await in_industry(world, client_id, "Связь")
    assert await chosen(world, client_id) == (egor, ChosenBy.LOAD), "somebody, if nobody knows it"
