"""What became of the promises to a client, with the hands through which each went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from crm.base.joined import of_clients, read_as_one
from crm.clientele.clients import Client
from crm.office.users import User
from crm.plan.callbacks import Callback, Standing, standing
from crm.plan.handovers import CallbackHandover
from crm.preparation.campaigns import Campaign


@dataclass(frozen=True, slots=True)
class PromiseLine:
    """A promise at a moment. `local_at` is naive, on the client's clock; `passed`: when, from whom, to whom."""

    local_at: datetime
    due_at: datetime
    standing: Standing
    owner: str
    asked_by: str
    words: str
    passed: tuple[tuple[datetime, str, str], ...]


async def promises_of(session: AsyncSession, *, client_id: int, now: datetime) -> tuple[PromiseLine, ...]:
    """All promises to the client, and to those who are read with it, the newest first."""
    client_ids = await read_as_one(session, client_id)
    found = await session.execute(
        select(Callback, User.name, Campaign.overdue_to_all_min)
        .join(User, User.id == Callback.owner_id)
        .join(Client, Client.id == Callback.client_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .where(of_clients(Callback.client_id, client_ids))
        .order_by(Callback.id.desc())
    )
    passed = await _handovers(session, client_ids)
    return tuple(
        PromiseLine(
            local_at=callback.local_at,
            due_at=callback.due_at,
            standing=standing(callback, now=now, overdue_min=overdue_min),
            owner=owner,
            asked_by=callback.asked_by,
            words=callback.words,
            passed=tuple(passed[callback.id]),
        )
        for callback, owner, overdue_min in found
    )


async def _handovers(
    session: AsyncSession, client_ids: Sequence[int]
) -> defaultdict[int, list[tuple[datetime, str, str]]]:
    giver, taker = aliased(User), aliased(User)
    found = await session.execute(
        select(CallbackHandover, giver.name, taker.name)
        .join(Callback, Callback.id == CallbackHandover.callback_id)
        .join(giver, giver.id == CallbackHandover.from_user_id)
        .join(taker, taker.id == CallbackHandover.to_user_id)
        .where(of_clients(Callback.client_id, client_ids))
        .order_by(CallbackHandover.id)
    )
    passed = defaultdict[int, list[tuple[datetime, str, str]]](list)
    for handover, one, other in found:
        passed[handover.callback_id].append((handover.at, one, other))
    return passed
