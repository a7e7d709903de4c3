"""The day's plan: whom to call, and in which order.

Promised callbacks at their minute, retries that are due, clients picked by hand, then the groups by the campaign's
priority and within a group the east before the west. Who may dial a client at the moment is `crm.day.claims`'.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, delete, exists, literal, null, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.audit import AuditEntry
from crm.base.organisations import Organisation
from crm.calls.owners import is_kept
from crm.clientele.clients import Client
from crm.day import dealing
from crm.day.claims import (
    MOST_TRIES,
    assert_callable,
    claim_client,
    claim_next,
    free_expired,
    give_up_refused,
    release,
    renew,
    skip,
)
from crm.day.order_rules import place_of
from crm.day.whose_turn import mixed, whose_turn
from crm.office.absences import away_on
from crm.office.users import User
from crm.plan.attempt_rows import Attempt
from crm.plan.plan_entries import (
    OF_GROUP,
    PROMISED,
    WAITING,
    EntryKind,
    EntryState,
    PlanEntry,
    active_entries,
    adding_new,
    set_states,
)
from crm.preparation.calling_hours import Window, retry_window, window_on
from crm.preparation.campaigns import Campaign, get_campaign
from crm.time_zones import local

__all__ = [
    "MOST_TRIES",
    "EntryKind",
    "EntryState",
    "PlanEntry",
    "assert_callable",
    "build",
    "build_anew",
    "claim_client",
    "claim_next",
    "fit_hours",
    "follow_rules",
    "free_expired",
    "give_up_refused",
    "is_built",
    "recent_changes",
    "release",
    "renew",
    "skip",
]

_BRING_CLIENTS: Final = (
    audit.CALENDAR_DAY_SET,
    audit.CAMPAIGN_ADDED,
    audit.CAMPAIGN_CHANGED,
    audit.CLIENTS_IMPORTED,
    audit.CLIENT_ON_LIST,
    audit.CONSENT_GIVEN,
    audit.DO_NOT_CALL_LIFTED,
    audit.LIST_STATE_SET,
    audit.NUMBER_SET,
)
_RECENT: Final = timedelta(hours=1)  # longer than any transaction

_OF_THE_ORDER: Final = frozenset(
    {"away_keeps", "calls_a_day", "consent", "group_order", "owner_keeps_days", "shares", "shares_by"}
)


async def build(session: AsyncSession, *, campaign_id: int, day: date, now: datetime) -> int:
    """Fill the plan of `day` (the campaign's date) with the clients whose turn it is; returns how many were added.

    Asked again it adds only who is new; on a day off nobody. Clients with a promise are left to the promise; what
    waited on earlier days is dropped. Raises `NotFound`.
    """
    campaign = await get_campaign(session, campaign_id)
    await set_states(
        session,
        update(PlanEntry)
        .where(*_of_earlier_days(campaign_id, day))
        .values(reason="day_over", done_at=now)
        .execution_options(synchronize_session=False),
        was=EntryState.WAITING,
        on="day_over",
        now=EntryState.DROPPED,
        campaign=campaign_id,
    )
    if not campaign.calls_on(day):
        return 0
    await _free_of_the_absent(session, campaign_id=campaign_id, day=day)
    if campaign.calls_a_day is not None:
        return await dealing.deal(session, campaign=campaign, day=day, now=now)
    turns = whose_turn(campaign, day)
    missing = await session.execute(turns.with_only_columns(Client.group, Organisation.time_zone).distinct())
    added = 0
    for group, stored_zone in sorted((group, stored_zone) for group, stored_zone in missing):
        window, rank = place_of(campaign, group, stored_zone, day)
        these = mixed(turns.where(Client.group == group, Organisation.time_zone == stored_zone), campaign)
        added += await _add_group(session, these, campaign=campaign, day=day, rank=rank, window=window, now=now)
    return added


async def build_anew(session: AsyncSession, *, campaign: Campaign, day: date, now: datetime) -> int:
    """Begin the plan of `day` again by the rules of now. What is claimed, done, promised, or decided by somebody stays.
    Returns how many wait in it for the first time."""
    await session.execute(
        delete(PlanEntry)
        .where(PlanEntry.campaign_id == campaign.id, PlanEntry.day == day, PlanEntry.state == WAITING)
        .where(PlanEntry.kind == OF_GROUP, PlanEntry.place.is_(None), ~PlanEntry.assigned)
        .where(~exists().where(Attempt.plan_entry_id == PlanEntry.id))
        .execution_options(synchronize_session=False)
    )
    return await build(session, campaign_id=campaign.id, day=day, now=now)


async def _free_of_the_absent(session: AsyncSession, *, campaign_id: int, day: date) -> None:
    """What waits for people who are away or gone is anyone's; their promises have a way of their own."""
    gone = ~exists().where(User.id == PlanEntry.operator_id, User.active)
    await session.execute(
        update(PlanEntry)
        .where(PlanEntry.campaign_id == campaign_id, PlanEntry.day == day, PlanEntry.state == WAITING)
        .where(PlanEntry.operator_id.is_not(None), PlanEntry.kind != PROMISED)
        .where(gone | away_on(PlanEntry.operator_id, day))
        .values(operator_id=None, place=None, assigned=False)
        .execution_options(synchronize_session=False)
    )


async def _add_group(
    session: AsyncSession, turn: Select[Any], *, campaign: Campaign, day: date, rank: int, window: Window, now: datetime
) -> int:
    columns = PlanEntry.__table__.c
    rows = turn.add_columns(
        literal(campaign.id),
        literal(day),
        literal(rank),
        literal(window.opens_at, columns.opens_at.type),
        literal(window.closes_at, columns.closes_at.type),
        literal(EntryKind.GROUP, columns.kind.type),
        literal(EntryState.WAITING, columns.state.type),
        literal(""),
        case((is_kept(campaign, now), Client.owner_id), else_=null()),
        literal(False),
    )
    names = ["client_id", "campaign_id", "day", "rank", "opens_at", "closes_at", "kind", "state", "reason"]
    names += ["operator_id", "assigned"]
    connection = await session.connection()
    made = await connection.execute(adding_new(session).from_select(names, rows, include_defaults=False))
    return made.rowcount


async def follow_rules(session: AsyncSession, *, campaign: Campaign, changed: AbstractSet[str], now: datetime) -> None:
    """Let today's plan follow the columns of the campaign that were changed: what decides who comes up and in which
    order begins the plan anew, anything else may be the hours."""
    today = local(now, campaign.time_zone).date()
    if changed & _OF_THE_ORDER:
        await build_anew(session, campaign=campaign, day=today, now=now)
    await fit_hours(session, campaign=campaign, day=today)


async def fit_hours(session: AsyncSession, *, campaign: Campaign, day: date) -> None:
    """Give the clients that wait in the plan of `day` the campaign's hours, after those were changed, and those that
    were picked by hand or are to be tried again on later days as well. Promises keep their minute."""
    await _fit_singled_out(session, campaign=campaign, day=day)
    waiting = (PlanEntry.campaign_id == campaign.id, PlanEntry.day == day, PlanEntry.state == WAITING)
    of_groups = select(Organisation.time_zone, PlanEntry.rank).distinct()
    of_groups = of_groups.join(Client, Client.organisation_id == Organisation.id)
    of_groups = of_groups.join(PlanEntry, PlanEntry.client_id == Client.id).where(*waiting, PlanEntry.kind == OF_GROUP)
    for stored_zone, rank in (await session.execute(of_groups)).all():
        window = window_on(campaign, stored_zone or campaign.time_zone, day)
        there = select(Client.id).join(Organisation, Organisation.id == Client.organisation_id)
        there = there.where(Client.campaign_id == campaign.id, Organisation.time_zone == stored_zone)
        await session.execute(
            update(PlanEntry)
            .where(*waiting, PlanEntry.kind == OF_GROUP, PlanEntry.rank == rank, PlanEntry.client_id.in_(there))
            .values(opens_at=window.opens_at, closes_at=window.closes_at)
            .execution_options(synchronize_session=False)
        )


async def _fit_singled_out(session: AsyncSession, *, campaign: Campaign, day: date) -> None:
    found = await session.execute(
        select(PlanEntry, Organisation.time_zone)
        .join(Client, Client.id == PlanEntry.client_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .where(PlanEntry.campaign_id == campaign.id, PlanEntry.day >= day, PlanEntry.state == WAITING)
        .where(PlanEntry.kind.in_((EntryKind.RETRY, EntryKind.HANDPICKED)))
        .order_by(PlanEntry.client_id, PlanEntry.id)
        .with_for_update(of=PlanEntry, key_share=True)
        .execution_options(populate_existing=True)
    )
    for entry, stored_zone in found.all():
        zone_name = stored_zone or campaign.time_zone
        if entry.kind is EntryKind.HANDPICKED:
            window = window_on(campaign, zone_name, entry.day)
        else:
            window = retry_window(campaign, zone_name, due_at=entry.due_at or entry.opens_at)
            new_day = local(window.opens_at, campaign.time_zone).date()
            if new_day != entry.day and any(
                each.day == new_day for each in await active_entries(session, entry.client_id)
            ):
                await session.delete(entry)  # the client comes up that day as it is
                continue
            entry.day, entry.due_at = new_day, window.opens_at
        entry.opens_at, entry.closes_at = window.opens_at, window.closes_at
        await session.flush()


async def recent_changes(session: AsyncSession, *, now: datetime) -> frozenset[int]:
    """Ids of the audit's entries of the last hour that may bring clients into the plan: an import, an approval, a
    campaign's rules, its calendar, a client put back, a number. Cheap to ask for.

    All of them, not the newest: an entry has its number and its time when it is written, and is seen when its
    transaction is committed, which of a long import may be after later ones."""
    recent = select(AuditEntry.id).where(AuditEntry.at > now - _RECENT, AuditEntry.action.in_(_BRING_CLIENTS))
    return frozenset(await session.scalars(recent))


async def is_built(session: AsyncSession, *, campaign_id: int, day: date) -> bool:
    """Whether `build` would change nothing: a question that disturbs no writer. Raises `NotFound`."""
    campaign = await get_campaign(session, campaign_id)
    missing = []
    if campaign.calls_on(day) and await dealing.has_room(session, campaign=campaign, day=day):
        missing.append(whose_turn(campaign, day))
    for left_over in (select(PlanEntry.id).where(*_of_earlier_days(campaign_id, day)), *missing):
        if await session.scalar(left_over.limit(1)) is not None:
            return False
    return True


def _of_earlier_days(campaign_id: int, day: date) -> tuple[ColumnElement[bool], ...]:
    return (
        PlanEntry.campaign_id == campaign_id,
        PlanEntry.day < day,
        PlanEntry.state == WAITING,
        PlanEntry.kind != PROMISED,
    )
