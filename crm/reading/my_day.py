"""An operator's day: what is due now, what comes later, what is done, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.calls.attempts import Attempt
from crm.clientele.clients import Client
from crm.group import Group
from crm.office.users import CALLERS, User
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.outcome_chain import UNDONE
from crm.plan.plan_entries import OF_GROUP, RANK_RETRY, WAITING, EntryKind, PlanEntry, claimed_entry
from crm.preparation.campaigns import Campaign
from crm.preparation.results import Result
from crm.time_zones import instant, local
from crm.wrap_up.contacts import Contact
from crm.wrap_up.outcomes import Outcome, superseded

MOST_ROWS: Final = 50
MOST_DONE: Final = 10
COUNTED_UP_TO: Final = 2_000


@dataclass(frozen=True, slots=True)
class DayRow:
    """A line of the day. `at`: when it is due, or was done; `client_local_at` (naive) is that on the client's clock.
    `attempt_id`, `result` and `disposition` belong to what is done."""

    client_id: int
    organisation: str
    group: Group
    kind: EntryKind | None
    at: datetime | None
    client_local_at: datetime | None
    overdue: bool = False
    entry_id: int | None = None
    callback_id: int | None = None
    attempt_id: str | None = None
    result: Result | None = None
    disposition: str | None = None


@dataclass(frozen=True, slots=True)
class MyDay:
    """The three lists, and the counts of the operator's own day. `done_count`: calls that are written down.
    `waiting_count`: what still waits for this operator or anyone, at most 2,001; `shared_count`: what of it waits for
    anyone, and is in everybody's count. `own_count`: what is done, the client in hand, and what waits for this
    operator alone; `planned_count`: the same with an equal part of what is shared by all who call, rounded up."""

    now: tuple[DayRow, ...]
    later: tuple[DayRow, ...]
    done: tuple[DayRow, ...]
    done_count: int
    waiting_count: int
    planned_count: int
    own_count: int
    shared_count: int
    contacts: int
    main_contacts: int

    @property
    def percent(self) -> int:
        """How far the day has come: what is done, of what is planned."""
        return round(100 * self.done_count / self.planned_count) if self.planned_count else 0


async def my_day(session: AsyncSession, *, operator_id: int, now: datetime) -> MyDay:
    """The day of this operator, on the operator's own clock."""
    user = await session.get_one(User, operator_id)
    today = local(now, user.time_zone).date()
    midnight = instant(datetime.combine(today, time()), user.time_zone)
    tomorrow = instant(datetime.combine(today + timedelta(days=1), time()), user.time_zone)
    done_count = await _count(
        session,
        select(func.count()).where(
            Attempt.operator_id == operator_id,
            Attempt.opened_at >= midnight,
            Attempt.wrapped_up_at.is_not(None),
            ~Attempt.imported,
        ),
    )
    reachable = (PlanEntry.state == WAITING, PlanEntry.opens_at < tomorrow, PlanEntry.closes_at > now)
    own_waiting = await _waiting(session, *reachable, PlanEntry.operator_id == operator_id)
    shared_count = await _waiting(session, *reachable, PlanEntry.operator_id.is_(None))
    waiting_count = min(own_waiting + shared_count, COUNTED_UP_TO + 1)
    own_count = done_count + (await claimed_entry(session, operator_id) is not None) + own_waiting
    sharing = await _count(session, select(func.count()).where(User.active, User.role.in_(CALLERS)))
    contacts, main_contacts = await _contacts(session, operator_id=operator_id, since=midnight)
    return MyDay(
        now=await _due(session, operator_id=operator_id, now=now),
        later=await _later(session, operator_id=operator_id, now=now),
        done=await _done(session, operator_id=operator_id, since=midnight),
        done_count=done_count,
        waiting_count=waiting_count,
        planned_count=own_count + -(-shared_count // max(sharing, 1)),
        own_count=own_count,
        shared_count=shared_count,
        contacts=contacts,
        main_contacts=main_contacts,
    )


async def _due(session: AsyncSession, *, operator_id: int, now: datetime) -> tuple[DayRow, ...]:
    """Promises and retries whose moment has come; the groups' clients are not listed, there may be thousands."""
    found = await session.execute(
        select(PlanEntry, Organisation, Client.group, Campaign.time_zone)
        .join(Client, Client.id == PlanEntry.client_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .where(
            PlanEntry.state == WAITING,
            PlanEntry.kind != OF_GROUP,
            PlanEntry.rank <= RANK_RETRY,
            PlanEntry.opens_at <= now,
            PlanEntry.closes_at > now,
            or_(PlanEntry.operator_id.is_(None), PlanEntry.operator_id == operator_id),
        )
        .order_by(PlanEntry.rank, PlanEntry.due_at, PlanEntry.id)
        .limit(MOST_ROWS)
    )
    return tuple(
        DayRow(
            client_id=entry.client_id,
            organisation=organisation.name,
            group=group,
            kind=entry.kind,
            at=entry.due_at,
            client_local_at=_local(entry.due_at, organisation.time_zone or time_zone),
            overdue=entry.kind is EntryKind.CALLBACK and entry.due_at is not None and entry.due_at < now,
            entry_id=entry.id,
            callback_id=entry.callback_id,
        )
        for entry, organisation, group, time_zone in found
    )


async def _later(session: AsyncSession, *, operator_id: int, now: datetime) -> tuple[DayRow, ...]:
    """The operator's next promises."""
    found = await session.execute(
        select(Callback, Organisation.name, Client.group)
        .join(Client, Client.id == Callback.client_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .where(Callback.owner_id == operator_id, Callback.state == CallbackState.OPEN, Callback.due_at > now)
        .order_by(Callback.due_at)
        .limit(MOST_ROWS)
    )
    return tuple(
        DayRow(
            client_id=callback.client_id,
            organisation=name,
            group=group,
            kind=EntryKind.CALLBACK,
            at=callback.due_at,
            client_local_at=callback.local_at,
            callback_id=callback.id,
        )
        for callback, name, group in found
    )


async def _done(session: AsyncSession, *, operator_id: int, since: datetime) -> tuple[DayRow, ...]:
    is_there = Outcome.disposition != UNDONE  # a call whose outcome was taken back waits for one again
    found = await session.execute(
        select(
            Attempt.id,
            Attempt.client_id,
            Attempt.opened_at,
            Attempt.result,
            Organisation.name,
            Organisation.time_zone,
            Client.group,
            Campaign.time_zone,
            Outcome.disposition,
        )
        .join(Client, Client.id == Attempt.client_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .join(Outcome, and_(Outcome.attempt_id == Attempt.id, ~superseded(), is_there), isouter=True)
        .where(Attempt.operator_id == operator_id, Attempt.opened_at >= since, ~Attempt.imported)
        .order_by(Attempt.opened_at.desc())
        .limit(MOST_DONE)
    )
    return tuple(
        DayRow(
            client_id=client_id,
            organisation=name,
            group=group,
            kind=None,
            at=opened_at,
            client_local_at=_local(opened_at, own_zone or campaign_zone),
            attempt_id=attempt_id,
            result=result,
            disposition=disposition,
        )
        for attempt_id, client_id, opened_at, result, name, own_zone, group, campaign_zone, disposition in found
    )


async def _contacts(session: AsyncSession, *, operator_id: int, since: datetime) -> tuple[int, int]:
    found = await session.execute(
        select(func.count(), func.coalesce(func.sum(case((Contact.main, 1), else_=0)), 0)).where(
            Contact.author_id == operator_id, Contact.at >= since, ~Contact.imported
        )
    )
    every, main = found.one()
    return every, int(main)


async def _waiting(session: AsyncSession, *conditions: ColumnElement[bool]) -> int:
    """Entries that can still be reached today; counting stops at 2,001."""
    parts = [
        select(PlanEntry.id).where(*conditions, kind).limit(COUNTED_UP_TO + 1)
        for kind in (PlanEntry.kind == OF_GROUP, PlanEntry.kind != OF_GROUP)
    ]
    found = [await _count(session, select(func.count()).select_from(part.subquery())) for part in parts]
    return min(sum(found), COUNTED_UP_TO + 1)


async def _count(session: AsyncSession, counting: Select[int]) -> int:
    return await session.scalar(counting) or 0


def _local(moment: datetime | None, time_zone: str) -> datetime | None:
    return None if moment is None else local(moment, time_zone)
