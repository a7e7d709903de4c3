"""Whose client it is: who spoke with a client keeps it until the campaign's rule lets others call it.

Nothing is taken from the owner by that: the next one who speaks with the client becomes its owner.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.clientele.clients import Client
from crm.office.absences import away_on
from crm.office.users import Role, User
from crm.plan.attempt_rows import Attempt
from crm.preparation.campaigns import Campaign
from crm.time_zones import local

AT_A_DESK: Final = (Role.OPERATOR, Role.EXPERT)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who keeps a client; `until` the rule lets others call it, `None` for ever."""

    owner_id: int
    name: str
    until: datetime | None


def is_kept(campaign: Campaign, now: datetime) -> ColumnElement[bool]:
    """As a condition on `Client`: its owner is at a desk, not away, and has spoken with it lately enough."""
    if campaign.owner_keeps_days == 0:
        return false()
    works = exists().where(User.id == Client.owner_id, User.active, User.role.in_(AT_A_DESK)).correlate(Client)
    return and_(Client.owner_id.is_not(None), works, _present(campaign, now), _lately(campaign, now))


def _present(campaign: Campaign, now: datetime) -> ColumnElement[bool]:
    if campaign.away_keeps:
        return true()
    return ~away_on(Client.owner_id, _day(campaign, now))


def _lately(campaign: Campaign, now: datetime) -> ColumnElement[bool]:
    """Spoken with, or given to the owner, within the days; or neither was ever noted."""
    if campaign.owner_keeps_days is None:
        return true()
    since = now - timedelta(days=campaign.owner_keeps_days)
    spoke = exists().where(Attempt.client_id == Client.id, Attempt.operator_id == Client.owner_id, Attempt.talked)
    spoke = spoke.correlate(Client)
    return or_(
        Client.owned_since >= since, spoke.where(Attempt.opened_at >= since), and_(Client.owned_since.is_(None), ~spoke)
    )


def _day(campaign: Campaign, now: datetime) -> date:
    return local(now, campaign.time_zone).date()


async def keeper_of(session: AsyncSession, *, client: Client, campaign: Campaign, now: datetime) -> Keeper | None:
    """Who alone may call the client now, promises and the manager's decisions apart; `None` when anybody may."""
    if client.owner_id is None:
        return None
    kept = select(User.name).join(Client, Client.owner_id == User.id)
    name = await session.scalar(kept.where(Client.id == client.id, is_kept(campaign, now)))
    if name is None:
        return None
    until = None
    if campaign.owner_keeps_days is not None:
        spoke_at = await session.scalar(
            select(func.max(Attempt.opened_at)).where(
                Attempt.client_id == client.id, Attempt.operator_id == client.owner_id, Attempt.talked
            )
        )
        since = [moment for moment in (spoke_at, client.owned_since) if moment is not None]
        until = max(since) + timedelta(days=campaign.owner_keeps_days) if since else None
    return Keeper(client.owner_id, name, until)


async def set_owner(
    session: AsyncSession, *, client: Client, owner_id: int | None, now: datetime, author_id: int | None
) -> None:
    """The client is this person's from now on. Hold the client's row."""
    if client.owner_id == owner_id:
        return
    details = {"was": client.owner_id, "owner": owner_id}
    client.owner_id, client.owned_since = owner_id, now if owner_id is not None else None
    audit.note(
        session, at=now, user_id=author_id, action=audit.CLIENT_OWNED, subject=f"client:{client.id}", details=details
    )
    await session.flush()


async def callers(session: AsyncSession) -> list[User]:
    """Everybody who is at a desk, by name."""
    found = await session.scalars(
        select(User).where(User.active, User.role.in_(AT_A_DESK)).order_by(User.name, User.id)
    )
    return list(found)
