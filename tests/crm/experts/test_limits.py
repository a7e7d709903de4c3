"""The time an expert has to accept a client, in the campaign's working hours, and what happens when it is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crm.day.standing_in import set_away, set_back
from crm.experts.limits import after_working_minutes, working_minutes
from crm.experts.referrals import ChosenBy, ReferralState
from crm.experts.referring import pass_on_lapsed
from crm.office.users import get_user
from crm.preparation.campaigns import change_campaign, get_campaign
from tests.crm.builders import NOON, World
from tests.crm.experts.test_referrals import WRITTEN, expert, referrals, taken, told, warm
from tests.crm.overlap import overlap

FRIDAY = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)  # 17:30 in Moscow; the campaign works until 18


async def looked(world: World, now: datetime) -> list[int]:
    async with world.transaction() as session:
        return await pass_on_lapsed(session, now=now)


@pytest.mark.parametrize(
    ("since", "minutes", "until"),
    [
        (FRIDAY, 20, datetime(2026, 11, 27, 14, 50, tzinfo=UTC)),
        (FRIDAY, 30, datetime(2026, 11, 27, 15, tzinfo=UTC)),
        (FRIDAY, 31, datetime(2026, 11, 30, 6, 1, tzinfo=UTC)),
        (FRIDAY, 60, datetime(2026, 11, 30, 6, 30, tzinfo=UTC)),
        (FRIDAY + timedelta(hours=5), 60, datetime(2026, 11, 30, 7, tzinfo=UTC)),
        (FRIDAY, 30 + 9 * 60 + 1, datetime(2026, 12, 1, 6, 1, tzinfo=UTC)),
    ],
)
async def test_minutes_are_those_in_which_the_campaign_works(
    world: World, since: datetime, minutes: int, until: datetime
) -> None:
    """Over the evening and the weekend nothing passes."""
    async with world.database.reading() as session:
        campaign = await get_campaign(session, world.campaign_id)
    assert after_working_minutes(campaign, since, minutes) == until
    assert working_minutes(campaign, since, until) == minutes
    assert working_minutes(campaign, until, since) == 0


async def test_not_accepted_in_time_it_goes_to_the_next_with_a_limit_of_their_own(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    egor, zoya = await expert(world, "Егор"), await expert(world, "Зоя")
    await warm(world, client_id, anna)
    due_at = WRITTEN + timedelta(hours=1)
    assert await looked(world, due_at - timedelta(seconds=1)) == []
    assert await looked(world, due_at) == [1]
    assert await looked(world, due_at) == []
    first, second = await referrals(world, client_id)
    assert (first.state, first.expert_id, first.due_at, first.ended_at) == (ReferralState.LAPSED, egor, due_at, due_at)
    assert (second.state, second.expert_id) == (ReferralState.OFFERED, zoya)
    assert second.due_at == due_at + timedelta(hours=1)
    assert await looked(world, second.due_at) == [2]
    *_, last = await referrals(world, client_id)
    assert (last.state, last.expert_id, last.due_at) == (ReferralState.OFFERED, None, None)
    assert await looked(world, NOON + timedelta(days=9)) == [], "nobody is asked twice by itself"
    assert (await world.get_client(client_id)).owner_id == anna, "nobody's it never is"


async def test_accepted_it_lapses_no_more(world: World) -> None:
    anna, egor, client_id = await world.operator(), await expert(world, "Егор"), await world.client()
    await warm(world, client_id, anna)
    await taken(world, client_id, egor)
    assert await looked(world, NOON + timedelta(days=9)) == []


async def test_without_a_limit_it_waits(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    egor = await expert(world, "Егор")
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NOON, referral_limit_min=None)
    await warm(world, client_id, anna)
    assert await looked(world, NOON + timedelta(days=9)) == []
    (row,) = await referrals(world, client_id)
    assert (row.expert_id, row.due_at) == (egor, None)


async def test_who_may_not_be_called_waits(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await expert(world, "Егор")
    await warm(world, client_id, anna)
    await world.silence(client_id)
    assert await looked(world, NOON + timedelta(days=1)) == []


async def test_whoever_is_back_is_offered_what_nobody_was_there_for(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    egor = await expert(world, "Егор")
    async with world.transaction() as session:
        user = await get_user(session, egor)
        await set_away(session, user=user, first_day=NOON.date(), last_day=NOON.date(), now=NOON)
    await warm(world, client_id, anna)
    (row,) = await referrals(world, client_id)
    assert (row.expert_id, row.chosen_by) == (None, ChosenBy.NOBODY)
    async with world.transaction() as session:
        await set_back(session, user=await get_user(session, egor), now=WRITTEN)
    assert await looked(world, WRITTEN) == []
    assert told(await referrals(world, client_id)) == [(ReferralState.OFFERED, egor, ChosenBy.LOAD)]
    (row,) = await referrals(world, client_id)
    assert row.due_at == WRITTEN + timedelta(hours=1)


async def test_two_who_look_at_once_pass_it_on_once(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await expert(world, "Егор")
    await expert(world, "Зоя")
    await warm(world, client_id, anna)
    later = WRITTEN + timedelta(hours=1)
    await overlap(
        world.database,
        lambda session: pass_on_lapsed(session, now=later),
        lambda session: pass_on_lapsed(session, now=later),
    )
    assert [row.state for row in await referrals(world, client_id)] == [ReferralState.LAPSED, ReferralState.OFFERED]
