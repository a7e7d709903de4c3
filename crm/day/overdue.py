"""Promises that are overdue by their campaign's minutes: whoever answers for the result sees every one of them, also
those that are in nobody's plan because the client cannot be called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, case, false, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.calls.dial_rules import Verdict, may_dial
from crm.clientele.clients import Client
from crm.mapping import UtcDateTime
from crm.office.users import User
from crm.plan.callbacks import Callback, CallbackState
from crm.preparation.campaigns import Campaign

MOST_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class OverdueRow:
    """An overdue promise. `local_at` is naive, on the client's clock; `verdict`: whether the client may be dialled now
    by whoever is free, and why not."""

    callback_id: int
    client_id: int
    organisation: str
    campaign: str
    owner: str
    local_at: datetime
    due_at: datetime
    verdict: Verdict


async def overdue_count(session: AsyncSession, *, now: datetime) -> int:
    """How many there are."""
    counting = select(func.count()).select_from(Callback).join(Client, Client.id == Callback.client_id)
    return await session.scalar(counting.where(await _is_overdue(session, now))) or 0


async def overdue_promises(session: AsyncSession, *, now: datetime, limit: int = MOST_ROWS) -> tuple[OverdueRow, ...]:
    """The oldest of them."""
    found = await session.execute(
        select(Callback, Organisation.name, Campaign.name, User.name)
        .join(Client, Client.id == Callback.client_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .join(User, User.id == Callback.owner_id)
        .where(await _is_overdue(session, now))
        .order_by(Callback.due_at, Callback.id)
        .limit(limit)
    )
    return tuple(
        [
            OverdueRow(
                callback_id=callback.id,
                client_id=callback.client_id,
                organisation=organisation,
                campaign=campaign,
                owner=owner,
                local_at=callback.local_at,
                due_at=callback.due_at,
                verdict=await may_dial(session, client_id=callback.client_id, operator_id=callback.owner_id, now=now),
            )
            for callback, organisation, campaign, owner in found.all()
        ]
    )


async def _is_overdue(session: AsyncSession, now: datetime) -> ColumnElement[bool]:
    """The campaigns' minutes are written as one value to compare with, so that what is open and late is looked for, not
    the campaigns' clients."""
    late_by = await session.execute(select(Campaign.id, Campaign.overdue_to_all_min))
    latest = {campaign_id: literal(now - timedelta(minutes=minutes), UtcDateTime) for campaign_id, minutes in late_by}
    if not latest:
        return false()
    by_campaign = case(latest, value=Client.campaign_id)
    return and_(Callback.state == CallbackState.OPEN, Callback.due_at <= now, Callback.due_at <= by_campaign)
