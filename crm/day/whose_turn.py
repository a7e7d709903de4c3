"""Whose turn it is: the clients that the plan of a day lacks."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from crm.base.organisations import Organisation
from crm.base.sources import Source
from crm.calls.refusals import COME_BACK
from crm.clientele.clients import Client
from crm.group import Group
from crm.plan.attempt_rows import Attempt
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.plan_entries import CLAIMED, PlanEntry, group_rank
from crm.plan.reachable import reachable
from crm.preparation.calling_hours import Window, window_on
from crm.preparation.campaigns import Campaign
from crm.preparation.plan_rules import ALL, SharesBy, order_of, shares_of
from crm.time_zones import instant, zone

# Days of rest after an attempt before the group's turn comes again; a promise or a retry does not wait for them.
REST_DAYS: Final[dict[Group, int]] = {
    Group.HOT: 1,
    Group.WARM: 1,
    Group.ABANDONED: 1,
    Group.NEW: 1,
    Group.NO_CONTACT: 1,
    Group.COLD: 30,
    Group.COMPETITOR: 30,
}


def whose_turn(campaign: Campaign, day: date) -> Select[int]:
    """Ids of the clients that the plan of `day` lacks. Most are in it already, so that is asked first."""
    in_turn = order_of(campaign.group_order)
    return (
        select(Client.id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .where(
            Client.campaign_id == campaign.id,
            ~exists().where(
                PlanEntry.client_id == Client.id, PlanEntry.day == day, PlanEntry.reason.not_in(COME_BACK)
            ),
            or_(*[rested(campaign, day, [group for group in in_turn if REST_DAYS[group] == rest_days], rest_days)
                  for rest_days in sorted({REST_DAYS[group] for group in in_turn})]),
            *reachable(),
            ~exists().where(PlanEntry.client_id == Client.id, PlanEntry.state == CLAIMED),
            ~exists().where(Callback.client_id == Client.id, Callback.state == CallbackState.OPEN),
        )
    )  # fmt: skip


def rested(campaign: Campaign, day: date, groups: list[Group], rest_days: int) -> ColumnElement[bool]:
    """In a group of so many days' rest, and not called for as long."""
    since = instant(datetime.combine(day - timedelta(days=rest_days - 1), time()), campaign.time_zone)
    called = exists().where(Attempt.client_id == Client.id, ~Attempt.imported, Attempt.opened_at >= since)
    return and_(Client.group.in_(groups), ~called)


def mixed(turns: Select[Any], campaign: Campaign) -> Select[Any]:
    """The same clients in an order in which every beginning holds the campaign's shares, as far as there are clients:
    the k-th of a share of w per cent stands at k/w. What has no share left comes last."""
    shares = shares_of(campaign.shares)
    if campaign.shares_by is SharesBy.NOTHING or not shares:
        return turns.order_by(Client.id)
    if campaign.shares_by is SharesBy.SOURCE:
        turns = turns.join(Source, Source.id == Client.source_id, isouter=True)
    name = of_share(campaign)
    named = case((name.in_(list(shares)), name), else_="")
    rest = ALL - sum(shares.values())
    weight = case(*[(name == each, literal(percent)) for each, percent in shares.items()], else_=literal(rest or 1))
    turn = func.row_number().over(partition_by=named, order_by=Client.id)
    last = case((name.in_(list(shares)), 0), else_=0 if rest else 1)
    return turns.order_by(last, (turn - 0.5) / weight, Client.id)


def of_share(campaign: Campaign) -> InstrumentedAttribute[str]:
    """What a client's share goes by; of sources the query must join them."""
    return Source.name if campaign.shares_by is SharesBy.SOURCE else Organisation.industry


def place_of(campaign: Campaign, group: Group, stored_zone: str, day: date) -> tuple[Window, int]:
    """The hours and the rank of a group's clients in that time zone, "" for the campaign's."""
    time_zone = stored_zone or campaign.time_zone
    window = window_on(campaign, time_zone, day)
    offset = window.opens_at.astimezone(zone(time_zone)).utcoffset() or timedelta()
    return window, group_rank(order_of(campaign.group_order).index(group), int(offset.total_seconds()) // 60)
