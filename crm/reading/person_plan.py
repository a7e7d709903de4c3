"""One person's plan of a day as rows: what was promised, what waits in which order, what is anyone's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.clientele.clients import Client
from crm.day.plan_changes import waiting_of
from crm.group import Group
from crm.office.users import User
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.plan_entries import CLAIMED, PROMISED, WAITING, EntryKind, PlanEntry
from crm.preparation.campaigns import Campaign
from crm.time_zones import instant


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A client in the plan; `entry_id` `None`: promised. `picked`: somebody has decided whose it is."""

    entry_id: int | None
    client_id: int
    organisation: str
    group: Group
    campaign: str
    kind: EntryKind
    due_at: datetime | None
    opens_at: datetime | None
    closes_at: datetime | None
    picked: bool = False


@dataclass(frozen=True, slots=True)
class PersonPlan:
    """`promised`: by their minute, also those that are overdue; `waiting`: in the order in which they come up; `free`:
    the first that anybody may take."""

    promised: tuple[PlannedRow, ...]
    in_hand: PlannedRow | None
    waiting: tuple[PlannedRow, ...]
    free: tuple[PlannedRow, ...]


async def person_plan(session: AsyncSession, *, user: User, day: date, most_free: int = 20) -> PersonPlan:
    """The plan of `day`; promises by the person's own calendar."""
    free = select(PlanEntry).where(PlanEntry.day == day, PlanEntry.state == WAITING, PlanEntry.operator_id.is_(None))
    free = free.where(PlanEntry.kind != PROMISED).order_by(PlanEntry.rank, PlanEntry.due_at, PlanEntry.id)
    held = select(PlanEntry).where(PlanEntry.claimed_by == user.id, PlanEntry.state == CLAIMED)
    in_hand = await _rows(session, held)
    return PersonPlan(
        promised=await _promised(session, user, day),
        in_hand=in_hand[0] if in_hand else None,
        waiting=await _rows(session, waiting_of(user.id, day)),
        free=await _rows(session, free.limit(most_free)),
    )


async def _promised(session: AsyncSession, user: User, day: date) -> tuple[PlannedRow, ...]:
    end = instant(datetime.combine(day + timedelta(days=1), time()), user.time_zone)
    found = await session.execute(
        select(Callback, Organisation.name, Client.group, Campaign.name)
        .join(Client, Client.id == Callback.client_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .where(Callback.owner_id == user.id, Callback.state == CallbackState.OPEN, Callback.due_at < end)
        .order_by(Callback.due_at, Callback.id)
    )
    return tuple(
        PlannedRow(None, promise.client_id, name, group, campaign, EntryKind.CALLBACK, promise.due_at, None, None)
        for promise, name, group, campaign in found
    )


async def _rows(session: AsyncSession, entries: Select[PlanEntry]) -> tuple[PlannedRow, ...]:
    found = list(await session.scalars(entries))
    named = await session.execute(
        select(Client.id, Organisation.name, Client.group, Campaign.name)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .where(Client.id.in_([entry.client_id for entry in found]))
    )
    clients = {client_id: (name, group, campaign) for client_id, name, group, campaign in named}
    return tuple(
        PlannedRow(
            entry.id, entry.client_id, *clients[entry.client_id], entry.kind, entry.due_at, entry.opens_at,
            entry.closes_at, entry.assigned,
        )
        for entry in found
    )  # fmt: skip
