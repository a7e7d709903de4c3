"""Campaigns: limited in time, with a product, lists of clients, and hours in which they may be called."""

from __future__ import annotations

from datetime import datetime, time

from sqlalchemy import CheckConstraint, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.errors import Conflict, NotFound, Refused
from crm.mapping import Base, UtcDateTime
from crm.text_rules import tidy
from crm.time_zones import zone


class Campaign(Base):
    """A campaign. `calls_from` and `calls_until` are read on the client's clock; `ring_timeout_s` in seconds, or `None`
    for the service's own; `attempts_a_day` caps the tries at one client; a callback that is overdue by
    `overdue_to_all_min` minutes is offered to every operator."""

    __tablename__ = "campaigns"
    __table_args__ = (
        CheckConstraint("calls_from < calls_until", name="hours"),
        CheckConstraint("length(trim(name)) > 0", name="named"),
        CheckConstraint("ring_timeout_s IS NULL OR ring_timeout_s > 0", name="ring_timeout"),
        CheckConstraint("attempts_a_day > 0", name="attempts_a_day"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    time_zone: Mapped[str] = mapped_column(Text, default="Europe/Moscow")
    calls_from: Mapped[time] = mapped_column(default=time(9))
    calls_until: Mapped[time] = mapped_column(default=time(18))
    lists_need_approval: Mapped[bool] = mapped_column(default=False)
    ring_timeout_s: Mapped[int | None]
    target_contacts: Mapped[int] = mapped_column(default=600)
    attempts_a_day: Mapped[int] = mapped_column(default=3)
    overdue_to_all_min: Mapped[int] = mapped_column(default=15)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


async def add_campaign(
    session: AsyncSession,
    *,
    name: str,
    now: datetime,
    time_zone: str = "Europe/Moscow",
    calls_from: time = time(9),
    calls_until: time = time(18),
    lists_need_approval: bool = False,
    target_contacts: int = 600,
) -> Campaign:
    """A new campaign. Raises `Conflict` when the name is taken, `Refused` for hours or a zone that cannot be."""
    name = tidy(name)
    zone(time_zone)
    if calls_from >= calls_until:
        raise Refused("campaign.hours")
    if await session.scalar(select(Campaign.id).where(Campaign.name == name)) is not None:
        raise Conflict("campaign.exists", name=name)
    campaign = Campaign(
        name=name,
        time_zone=time_zone,
        calls_from=calls_from,
        calls_until=calls_until,
        lists_need_approval=lists_need_approval,
        target_contacts=target_contacts,
        created_at=now,
    )
    session.add(campaign)
    await session.flush()
    return campaign


async def campaign_named(session: AsyncSession, name: str) -> Campaign:
    """Raises `NotFound`."""
    campaign = await session.scalar(select(Campaign).where(Campaign.name == tidy(name)))
    if campaign is None:
        raise NotFound("campaign.unknown", name=name)
    return campaign


async def list_campaigns(session: AsyncSession) -> list[Campaign]:
    """All campaigns, the newest first."""
    return list(await session.scalars(select(Campaign).order_by(Campaign.id.desc())))
