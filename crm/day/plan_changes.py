"""What people change in a plan: a client picked by hand for somebody's day, another person, another place."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from sqlalchemy import Select, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.calls.dial_rules import may_dial
from crm.clientele.clients import get_client, time_zone_of
from crm.errors import Conflict, Refused
from crm.office.absences import is_away
from crm.office.users import CALLERS, User, get_user
from crm.plan.callbacks import open_callback
from crm.plan.plan_entries import (
    OF_GROUP,
    PROMISED,
    RANK_HANDPICKED,
    RANK_RETRY,
    WAITING,
    EntryKind,
    EntryState,
    PlanEntry,
    active_entries,
    get_entry,
    put_in_plan,
)
from crm.preparation.calling_hours import Window, window_on
from crm.preparation.campaigns import get_campaign
from crm.time_zones import local

MOST_IN_ORDER: Final = 500
MOST_PICKED: Final = 20  # waiting for one day, by whoever calls: the plan is everybody's


async def hand_pick(
    session: AsyncSession,
    *,
    client_id: int,
    user_id: int,
    day: date,
    now: datetime,
    author_id: int | None,
    from_others: bool = True,
) -> PlanEntry:
    """Put the client into this person's plan of `day`, whoever owns it; without `from_others` only where it is in
    nobody else's plan and not too many picked ones wait. Raises `NotFound`; `Refused` for a day that is over, a person
    who does not call then, a client who must not be called, a day that was picked full; `Conflict` when the client is
    in somebody's hands or plan, or was promised a call."""
    person = await _caller(session, user_id, day)
    client = await get_client(session, client_id, lock=True)
    campaign = await get_campaign(session, client.campaign_id)
    if day < local(now, campaign.time_zone).date():
        raise Refused("plan.day_over")
    window = window_on(campaign, await time_zone_of(session, client), day)
    verdict = await may_dial(session, client_id=client_id, operator_id=user_id, now=max(now, window.opens_at))
    if verdict.refusal is not None and verdict.refusal.any_day:
        raise Refused(verdict.code, **verdict.params)
    if now >= window.closes_at:
        raise Refused("plan.hours_over")
    promise = await open_callback(session, client_id)
    if promise is not None and local(promise.due_at, campaign.time_zone).date() <= day:
        raise Conflict("plan.promised")
    if not from_others:
        await _assert_own_to_pick(session, client_id=client_id, user_id=user_id, day=day)
    entry = await put_in_plan(
        session,
        client=client,
        day=day,
        kind=EntryKind.HANDPICKED,
        rank=RANK_HANDPICKED,
        window=Window(window.opens_at, window.closes_at),
        operator_id=person.id,
    )
    if entry is None:
        raise Conflict("plan.in_hand")
    entry.assigned, entry.place = True, None
    details = {"client": client_id, "user": user_id, "day": day.isoformat()}
    _note(session, entry, audit.PLAN_PICKED, details, now=now, author_id=author_id)
    await session.flush()
    return entry


async def _assert_own_to_pick(session: AsyncSession, *, client_id: int, user_id: int, day: date) -> None:
    """Nobody else has the client in the plan, and the person has not picked the day full."""
    if {entry.operator_id for entry in await active_entries(session, client_id)} - {None, user_id}:
        raise Conflict("plan.others")
    picked = select(func.count()).where(
        PlanEntry.operator_id == user_id,
        PlanEntry.day == day,
        PlanEntry.kind == EntryKind.HANDPICKED,
        PlanEntry.state == EntryState.WAITING,
    )
    if (await session.scalar(picked) or 0) >= MOST_PICKED:
        raise Refused("plan.picked_full", most=MOST_PICKED)


async def reassign(
    session: AsyncSession,
    *,
    entry_id: int,
    to: int | None,
    was: int | None,
    now: datetime,
    author_id: int | None,
) -> PlanEntry:
    """Give a waiting entry to another person, or with `to` `None` to anybody. `was`: whose it was when the author
    looked. Raises `NotFound`, `Refused` for a person who does not call that day, and for a promise: whose that is says
    its owner, and once it is overdue it is everybody's; `Conflict` when the entry is somebody else's by now, in hand,
    or done."""
    entry = await get_entry(session, entry_id)
    if entry.state is not EntryState.WAITING or entry.operator_id != was:
        raise Conflict("plan.changed_meanwhile")
    if entry.kind is EntryKind.CALLBACK:
        raise Refused("plan.of_its_owner")
    if to is not None:
        await _caller(session, to, entry.day)
    entry.operator_id, entry.assigned, entry.place = to, to is not None, None
    _note(session, entry, audit.PLAN_REASSIGNED, {"was": was, "to": to}, now=now, author_id=author_id)
    await session.flush()
    return entry


async def move_before(
    session: AsyncSession, *, entry_id: int, before_id: int | None, now: datetime, author_id: int | None
) -> PlanEntry:
    """Put an entry of a person's day right before another one of the same day, or with `None` last. Promises stay at
    their minute. Raises `NotFound`, `Refused` for an entry that is nobody's or was promised, `Conflict` when one of the
    two is not waiting there any more."""
    entry = await _movable(session, entry_id)
    order = list(await session.scalars(in_order(entry).with_for_update(key_share=True)))
    others = [each for each in order if each.id != entry_id]
    places = [each.id for each in others]
    if before_id is not None and before_id not in places:
        raise Conflict("plan.changed_meanwhile")
    others.insert(len(others) if before_id is None else places.index(before_id), entry)
    for place, each in enumerate(others, start=1):
        each.place = place
    _note(session, entry, audit.PLAN_MOVED, {"before": before_id}, now=now, author_id=author_id)
    await session.flush()
    return entry


async def move_by_one(
    session: AsyncSession, *, entry_id: int, up: bool, neighbour_id: int, now: datetime, author_id: int | None
) -> PlanEntry:
    """One place up or down, past `neighbour_id`, which the author saw there. Raises as `move_before`."""
    entry = await _movable(session, entry_id)
    order = [each.id for each in await session.scalars(in_order(entry))]
    if entry_id not in order or neighbour_id not in order:
        raise Conflict("plan.changed_meanwhile")
    neighbour = order.index(neighbour_id)
    if neighbour - order.index(entry_id) != (-1 if up else 1):
        raise Conflict("plan.changed_meanwhile")
    before_id = neighbour_id if up else next(iter(order[neighbour + 1 :]), None)
    return await move_before(session, entry_id=entry_id, before_id=before_id, now=now, author_id=author_id)


async def _movable(session: AsyncSession, entry_id: int) -> PlanEntry:
    entry = await get_entry(session, entry_id)
    if entry.state is not EntryState.WAITING:
        raise Conflict("plan.changed_meanwhile")
    if entry.operator_id is None or entry.kind is EntryKind.CALLBACK:
        raise Refused("plan.no_place")
    return entry


def in_order(entry: PlanEntry) -> Select[PlanEntry]:
    """As `waiting_of`, of the entry's person and day."""
    assert entry.operator_id is not None  # the caller has looked
    return waiting_of(entry.operator_id, entry.day)


def waiting_of(user_id: int, day: date) -> Select[PlanEntry]:
    """What waits for one person that day, promises apart, in the order in which it comes up: retries that nobody has
    put elsewhere, what has a place, the rest."""
    windows = (case((PlanEntry.kind == OF_GROUP, column)) for column in (PlanEntry.opens_at, PlanEntry.closes_at))
    retry_first = or_(PlanEntry.rank > RANK_RETRY, PlanEntry.place.is_not(None))
    return (
        select(PlanEntry)
        .where(PlanEntry.operator_id == user_id, PlanEntry.day == day, PlanEntry.state == WAITING)
        .where(PlanEntry.kind != PROMISED)
        .order_by(
            retry_first, PlanEntry.place.is_(None), PlanEntry.place, PlanEntry.rank, PlanEntry.due_at, *windows,
            PlanEntry.id,
        )
        .limit(MOST_IN_ORDER)
    )  # fmt: skip


async def _caller(session: AsyncSession, user_id: int, day: date) -> User:
    """The user, who must be at a desk that day."""
    person = await get_user(session, user_id)
    if not person.active or person.role not in CALLERS or await is_away(session, user_id, day):
        raise Refused("plan.not_at_work", name=person.name)
    return person


def _note(
    session: AsyncSession,
    entry: PlanEntry,
    action: str,
    details: dict[str, object],
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    audit.note(
        session, at=now, user_id=author_id, action=action, subject=f"plan_entry:{entry.id}",
        details={"client": entry.client_id, **details},
    )  # fmt: skip
