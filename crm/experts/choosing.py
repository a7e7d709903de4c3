"""To which expert a client goes: by name, or by the campaign's rule, which leaves out who is away."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.clientele.clients import Client
from crm.errors import Refused
from crm.experts.referrals import OFFERED, ChosenBy, Referral
from crm.office.absences import who_is_away
from crm.office.users import Role, User
from crm.plan.callbacks import Callback, CallbackState
from crm.preparation.campaign_setup import experts_of, industries_of
from crm.preparation.campaigns import Campaign
from crm.preparation.plan_rules import ReferralsBy
from crm.text_rules import fold
from crm.time_zones import instant, local


@dataclass(frozen=True, slots=True)
class Candidate:
    """An expert of the campaign who works here. `load`: clients offered to them, and calls promised until the day's
    end; `knows`: the client's industry is one of theirs; `knows_any`: some industries are."""

    user: User
    load: int
    away: bool
    knows: bool
    knows_any: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """Who it is, and why; `expert` `None`: nobody is there."""

    expert: Candidate | None
    by: ChosenBy


async def candidates(session: AsyncSession, client: Client, *, now: datetime) -> list[Candidate]:
    """The experts of the client's campaign, by name; those who are away too."""
    campaign = await session.get_one(Campaign, client.campaign_id)
    people = await experts_there(session, campaign, now=now)
    if not people:
        return []
    today = local(now, campaign.time_zone).date()
    midnight = instant(datetime.combine(today + timedelta(days=1), time()), campaign.time_zone)
    load = await loads(session, [each.id for each, _ in people], until=midnight)
    industry = fold(
        await session.scalar(select(Organisation.industry).where(Organisation.id == client.organisation_id)) or ""
    )
    known = await industries_of(session, campaign.id)
    return [
        Candidate(
            user=each,
            load=load[each.id],
            away=is_away,
            knows=bool(industry) and industry in set(map(fold, known.get(each.id, ()))),
            knows_any=bool(known.get(each.id)),
        )
        for each, is_away in people
    ]


async def experts_there(session: AsyncSession, campaign: Campaign, *, now: datetime) -> list[tuple[User, bool]]:
    """The campaign's experts who work here, by name, and whether each is away today."""
    people = [each for each in await experts_of(session, campaign.id) if each.active and each.role is Role.EXPERT]
    away = await who_is_away(session, local(now, campaign.time_zone).date()) if people else ()
    return [(each, each.id in away) for each in people]


async def loads(session: AsyncSession, user_ids: Sequence[int], *, until: datetime) -> dict[int, int]:
    """For each of them: clients that are offered, and calls promised until before `until`."""
    found = dict.fromkeys(user_ids, 0)
    offered = select(Referral.expert_id, func.count()).where(
        Referral.expert_id.in_(user_ids), Referral.state == OFFERED
    )
    promised = select(Callback.owner_id, func.count()).where(
        Callback.owner_id.in_(user_ids), Callback.state == CallbackState.OPEN, Callback.due_at < until
    )
    for counting in (offered.group_by(Referral.expert_id), promised.group_by(Callback.owner_id)):
        for user_id, count in (await session.execute(counting)).all():
            if user_id is not None:
                found[user_id] += count
    return found


async def choose(
    session: AsyncSession, client: Client, *, now: datetime, without: Collection[int] = (), among: Sequence[Candidate]
) -> Choice:
    """By the campaign's rule: the owner, if the client is an expert's already; otherwise who has least to do, of those
    who know the client's industry where that is the rule. Without those who are away, and `without` these."""
    campaign = await session.get_one(Campaign, client.campaign_id)
    there = [each for each in among if not each.away and each.user.id not in without]
    if not there:
        return Choice(None, ChosenBy.NOBODY)
    own = next((each for each in there if each.user.id == client.owner_id), None)
    if own is not None:
        return Choice(own, ChosenBy.OWNER)
    by = ChosenBy.LOAD
    if campaign.referrals_by is ReferralsBy.INDUSTRY:
        by = ChosenBy.INDUSTRY if any(each.knows for each in there) else ChosenBy.LOAD
        # Who has no industries of their own takes what is nobody's.
        there = [each for each in there if each.knows] or [each for each in there if not each.knows_any] or there
    last = await _last_offered(session, [each.user.id for each in there])
    return Choice(min(there, key=lambda each: (each.load, last.get(each.user.id, 0), each.user.id)), by)


async def _last_offered(session: AsyncSession, user_ids: Sequence[int]) -> dict[int, int]:
    """The number of the last referral of each: of two who have the same to do, who was given one longest ago."""
    newest = select(Referral.expert_id, func.max(Referral.id)).where(Referral.expert_id.in_(user_ids))
    return {
        user_id: number for user_id, number in await session.execute(newest.group_by(Referral.expert_id)) if user_id
    }


def named(expert_id: int, among: Sequence[Candidate]) -> Candidate:
    """The one whom somebody has chosen. Raises `Refused` for somebody who is no expert of the campaign."""
    found = next((each for each in among if each.user.id == expert_id), None)
    if found is None:
        raise Refused("referral.no_expert")
    return found
