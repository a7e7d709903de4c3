"""How long clients who were handed over waited for their expert: from the outcome to the expert's first talk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.do_not_call import asked
from crm.base.organisations import Organisation
from crm.base.whom import Whom
from crm.clientele.clients import Client
from crm.experts.limits import working_minutes
from crm.experts.referrals import Referral, ReferralState
from crm.group import Group
from crm.office.users import Role, User
from crm.plan.attempt_rows import Attempt
from crm.preparation.campaigns import Campaign


@dataclass(frozen=True, slots=True)
class FirstContact:
    """One client that was handed over by one call. `expert`: with whom it is, "" for nobody; `attempt_id`: the call
    that handed it over, `talk_id` the expert's first answered one, "" while it waits. Minutes up to that talk, or up to
    now: `working` those of the campaign's hours, `by_clock` all."""

    client_id: int
    organisation: str
    campaign: str
    group: Group
    expert: str
    attempt_id: str
    handed_at: datetime
    talk_id: str
    working: int
    by_clock: int

    @property
    def waits(self) -> bool:
        return not self.talk_id


@dataclass(frozen=True, slots=True)
class Waiting:
    """Of those who were talked with the median and the longest, `None` while there are none; and how many wait."""

    talked: int
    median_working: int | None
    median_by_clock: int | None
    longest_working: int | None
    longest_by_clock: int | None
    waiting: int


async def first_contacts(
    session: AsyncSession, *, since: datetime, now: datetime, campaign_id: int | None = None
) -> list[FirstContact]:
    """Of what was handed over from `since` on, the one that waited longest first. Without what was withdrawn with its
    outcome, and who waits but is not to be called any more."""
    handed = await _handed_over(session, since, campaign_id)
    talks = await _talks(session, handed)
    named = dict((await session.execute(select(User.id, User.name))).all())
    found = []
    for last, handed_at, client, organisation, campaign, silent in handed:
        since_then = (each for each in talks[client.id] if each.opened_at >= handed_at and each.id != last.attempt_id)
        talk = next(since_then, None)
        if talk is None and (silent or client.off_list_reason):
            continue
        until = (talk.answered_at or talk.opened_at) if talk is not None else now
        expert_id = talk.operator_id if talk is not None else last.expert_id
        found.append(
            FirstContact(
                client_id=client.id, organisation=organisation, campaign=campaign.name, group=client.group,
                expert=named[expert_id] if expert_id is not None else "", attempt_id=last.attempt_id,
                handed_at=handed_at, talk_id=talk.id if talk is not None else "",
                working=working_minutes(campaign, handed_at, until),
                by_clock=int((until - handed_at).total_seconds() // 60),
            )
        )  # fmt: skip
    return sorted(found, key=lambda each: (-each.working, -each.by_clock, each.client_id))


def summary(found: Sequence[FirstContact]) -> Waiting:
    """The counts of these."""
    talked = [each for each in found if not each.waits]
    working, by_clock = [each.working for each in talked], [each.by_clock for each in talked]
    return Waiting(
        talked=len(talked),
        median_working=int(median(working)) if working else None,
        median_by_clock=int(median(by_clock)) if by_clock else None,
        longest_working=max(working, default=None),
        longest_by_clock=max(by_clock, default=None),
        waiting=len(found) - len(talked),
    )


_Handed = tuple[Referral, datetime, Client, str, Campaign, bool]


async def _handed_over(session: AsyncSession, since: datetime, campaign_id: int | None) -> list[_Handed]:
    """The last referral of each call, with the moment of the first."""
    by_call = select(
        Referral.attempt_id, func.max(Referral.id).label("last_id"), func.min(Referral.offered_at).label("first_at")
    )
    calls = by_call.group_by(Referral.attempt_id).subquery()
    found = (
        select(Referral, calls.c.first_at, Client, Organisation.name, Campaign,
               asked(Whom.ORGANISATION, Client.organisation_id))
        .join(calls, calls.c.last_id == Referral.id)
        .join(Client, Client.id == Referral.client_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .where(calls.c.first_at >= since, Referral.state != ReferralState.WITHDRAWN)
        .order_by(Referral.id)
    )  # fmt: skip
    if campaign_id is not None:
        found = found.where(Client.campaign_id == campaign_id)
    return [tuple(each) for each in await session.execute(found)]


async def _talks(session: AsyncSession, handed: Sequence[_Handed]) -> dict[int, list[Attempt]]:
    """The experts' answered calls by client, in their order: of whoever was offered it, and of experts who have it now
    because somebody left."""
    talks: dict[int, list[Attempt]] = defaultdict(list)
    ids = [client.id for _, _, client, *_ in handed]
    was_offered = select(Referral.id).where(
        Referral.client_id == Attempt.client_id, Referral.expert_id == Attempt.operator_id
    )
    experts = or_(was_offered.exists(), and_(User.role == Role.EXPERT, User.id == Client.owner_id))
    for first in range(0, len(ids), 1000):
        found = (
            select(Attempt)
            .join(User, User.id == Attempt.operator_id)
            .join(Client, Client.id == Attempt.client_id)
            .where(Attempt.client_id.in_(ids[first : first + 1000]), Attempt.talked, experts)
            .order_by(Attempt.opened_at, Attempt.id)
        )
        for attempt in await session.scalars(found):
            talks[attempt.client_id].append(attempt)
    return talks
