"""Why an operator is given no client: the plan's answer, in words and with the moment at which it changes by itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.dial_rules import Verdict
from crm.clientele.clients import Client
from crm.day.turns import group_windows
from crm.plan.plan_entries import OF_GROUP, WAITING, PlanEntry
from crm.preparation.call_lists import CallList, ListState
from crm.preparation.calling_hours import window_at_or_after
from crm.preparation.campaigns import Campaign, list_campaigns
from crm.time_zones import local


async def why_nobody(session: AsyncSession, *, operator_id: int, now: datetime) -> Verdict:
    """For an operator to whom `day_plan.claim_next` has given nobody. Never allowed; the code is one of `nobody.*`.

    What may be called later today weighs most, then what people can change (a list to approve, clients to import), then
    a day off, and at last that all has been done.
    """
    opens_at = await _first_opening(session, operator_id, now)
    campaigns = await list_campaigns(session)
    at_work = [each for each in campaigns if each.calls_on(local(now, each.time_zone).date())]
    if opens_at is not None and (at_work or not campaigns):
        return Verdict(False, "nobody.yet", next_at=opens_at)
    if not await _any(session, exists().where(Client.off_list_reason == "")):
        return Verdict(False, "nobody.no_clients")
    if campaigns and not at_work:
        return _day_off(campaigns, now)
    if not await _any(session, exists().where(Client.call_list_id == CallList.id, *_open_list())):
        return Verdict(False, "nobody.not_approved")
    return Verdict(False, "nobody.all_done")


def _day_off(campaigns: list[Campaign], now: datetime) -> Verdict:
    """The day, and when the first of the campaigns calls again."""
    day = local(now, campaigns[0].time_zone).date()
    openings = [window_at_or_after(each, each.time_zone, now).opens_at for each in campaigns]
    return Verdict(False, "nobody.day_off", {"day": day}, next_at=min(openings))


async def _first_opening(session: AsyncSession, operator_id: int, now: datetime) -> datetime | None:
    """When the first entry that waits opens. Those of the groups are asked window by window: there may be many."""
    singled_out = (
        select(func.min(PlanEntry.opens_at))
        .where(PlanEntry.state == WAITING, PlanEntry.kind != OF_GROUP, PlanEntry.opens_at > now)
        .where(or_(PlanEntry.operator_id.is_(None), PlanEntry.operator_id == operator_id))
    )
    windows = group_windows().where(PlanEntry.opens_at > now).subquery()
    of_groups = select(func.min(windows.c.opens_at))
    found = [await session.scalar(each) for each in (singled_out, of_groups)]
    return min((opens_at for opens_at in found if opens_at is not None), default=None)


def _open_list() -> tuple[ColumnElement[bool], ...]:
    needs_none = exists().where(Campaign.id == CallList.campaign_id, ~Campaign.lists_need_approval).correlate(CallList)
    return (Client.off_list_reason == "", or_(CallList.state == ListState.APPROVED, needs_none))


async def _any(session: AsyncSession, condition: ColumnElement[bool]) -> bool:
    return bool(await session.scalar(select(condition)))
