"""Whose turn it is: the clients that the plan of a day lacks."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from crm.base.organisations import Organisation
from crm.base.sources import Source
from crm.calls.refusals import COME_BACK
from crm.clientele.clients import Client
from crm.day.order_rules import NO_SHARE, REST_DAYS, comes_last, rested_since, shares_in, weight_of
from crm.group import Group
from crm.plan.attempt_rows import Attempt
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.plan_entries import CLAIMED, PlanEntry
from crm.plan.reachable import reachable
from crm.preparation.campaigns import Campaign
from crm.preparation.plan_rules import SharesBy, order_of


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
    since = rested_since(campaign, day, rest_days)
    called = exists().where(Attempt.client_id == Client.id, ~Attempt.imported, Attempt.opened_at >= since)
    return and_(Client.group.in_(groups), ~called)


def mixed(turns: Select[Any], campaign: Campaign) -> Select[Any]:
    """The same clients as `order_rules.mixed_turns` mixes them, by the database: there may be a million."""
    shares = shares_in(campaign)
    if not shares:
        return turns.order_by(Client.id)
    if campaign.shares_by is SharesBy.SOURCE:
        turns = turns.join(Source, Source.id == Client.source_id, isouter=True)
    name = of_share(campaign)
    named = case((name.in_(list(shares)), name), else_=NO_SHARE)
    weight = case(
        *[(name == each, literal(weight_of(shares, each))) for each in shares],
        else_=literal(weight_of(shares, NO_SHARE)),
    )
    turn = func.row_number().over(partition_by=named, order_by=Client.id)
    last = case((name.in_(list(shares)), 0), else_=comes_last(shares, NO_SHARE))
    return turns.order_by(last, (turn - 0.5) / weight, Client.id)


def of_share(campaign: Campaign) -> InstrumentedAttribute[str]:
    """What a client's share goes by; of sources the query must join them."""
    return Source.name if campaign.shares_by is SharesBy.SOURCE else Organisation.industry
