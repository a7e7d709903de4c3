"""The day's plan: whom to call, in which order, and who has the right to at the moment.

The order: promised callbacks at their minute, retries that are due, clients picked by hand, then the groups by
priority and within a group the east before the west. A claim is a lease: whoever holds it may dial, and it ends by
itself when the holder goes away, unless a call was made whose outcome is missing.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit, transitions
from crm.attempts import Attempt
from crm.audit import AuditEntry
from crm.callbacks import Callback, CallbackState
from crm.calling_hours import Window, window_at_or_after, window_on
from crm.campaigns import Campaign, get_campaign
from crm.clients import Client, get_client
from crm.dial_rules import dialling_stopped, may_dial
from crm.errors import Conflict, Refused
from crm.groups import Group
from crm.my_day import DayRow, MyDay, my_day
from crm.organisations import Organisation
from crm.plan_entries import (
    CLAIMED,
    OF_GROUP,
    PROMISED,
    RANK_HANDPICKED,
    WAITING,
    EntryKind,
    EntryState,
    PlanEntry,
    claimed_entry,
    get_entry,
    group_rank,
    put_in_plan,
    set_state,
    set_states,
)
from crm.reachable import reachable
from crm.text_rules import tidy
from crm.time_zones import instant, local, zone
from crm.turns import next_waiting
from crm.users import User, hold_user

__all__ = [
    "DayRow",
    "EntryKind",
    "EntryState",
    "MyDay",
    "PlanEntry",
    "build",
    "claim_client",
    "claim_next",
    "fit_hours",
    "is_built",
    "last_change",
    "my_day",
    "release",
    "renew",
    "skip",
]

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
SKIPPED_PROMISE_RETURNS: Final = timedelta(minutes=10)
MOST_TRIES: Final = 50
# Entries that were dropped for these come back on the same day once the reason is gone.
_MAY_COME_BACK: Final = ("dial.day_off", "dial.do_not_call", "dial.list_not_approved", "dial.off_list")
_BRING_CLIENTS: Final = (
    audit.CALENDAR_DAY_SET,
    audit.CAMPAIGN_ADDED,
    audit.CAMPAIGN_CHANGED,
    audit.CLIENTS_IMPORTED,
    audit.CLIENT_ON_LIST,
    audit.DO_NOT_CALL_LIFTED,
    audit.LIST_STATE_SET,
)
# Verdicts that will not change today by themselves: the entry goes, and the reason stays with it.
_FOR_TODAY: Final = frozenset(
    {
        "dial.cap",
        "dial.day_off",
        "dial.do_not_call",
        "dial.no_number",
        "dial.nonexistent",
        "dial.number_cap",
        "dial.off_list",
    }
)


async def fit_hours(session: AsyncSession, *, campaign: Campaign, day: date) -> None:
    """Give the clients that wait in the plan of `day` the campaign's hours, after those were changed."""
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
    turns = _whose_turn(campaign, day)
    missing = await session.execute(turns.with_only_columns(Client.group, Organisation.time_zone).distinct())
    added = 0
    for group, stored_zone in sorted((group, stored_zone) for group, stored_zone in missing):
        time_zone = stored_zone or campaign.time_zone
        window = window_on(campaign, time_zone, day)
        offset = window.opens_at.astimezone(zone(time_zone)).utcoffset() or timedelta()
        rank = group_rank(group, int(offset.total_seconds()) // 60)
        these = turns.where(Client.group == group, Organisation.time_zone == stored_zone).order_by(Client.id)
        added += await _add_group(session, these, campaign_id=campaign_id, day=day, rank=rank, window=window)
    return added


async def last_change(session: AsyncSession, *, after: int = 0) -> int:
    """The newest entry of the audit that may bring clients into the plan, `after` when there has been none since: an
    import, an approval, a campaign's rules, its calendar, a client put back. Cheap to ask for."""
    newest = await session.scalar(
        select(func.max(AuditEntry.id)).where(AuditEntry.id > after, AuditEntry.action.in_(_BRING_CLIENTS))
    )
    return newest or after


async def is_built(session: AsyncSession, *, campaign_id: int, day: date) -> bool:
    """Whether `build` would change nothing: a question that disturbs no writer. Raises `NotFound`."""
    campaign = await get_campaign(session, campaign_id)
    missing = [_whose_turn(campaign, day)] if campaign.calls_on(day) else []
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


def _whose_turn(campaign: Campaign, day: date) -> Select[int]:
    """The clients that the plan of `day` lacks. Most are in it already, so that is asked first."""
    return (
        select(Client.id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .where(
            Client.campaign_id == campaign.id,
            ~exists().where(
                PlanEntry.client_id == Client.id, PlanEntry.day == day, PlanEntry.reason.not_in(_MAY_COME_BACK)
            ),
            or_(*[_rested(campaign, day, rest_days) for rest_days in sorted(set(REST_DAYS.values()))]),
            *reachable(),
            ~exists().where(PlanEntry.client_id == Client.id, PlanEntry.state == CLAIMED),
            ~exists().where(Callback.client_id == Client.id, Callback.state == CallbackState.OPEN),
        )
    )


def _rested(campaign: Campaign, day: date, rest_days: int) -> ColumnElement[bool]:
    """In a group of so many days' rest, and not called for as long."""
    since = instant(datetime.combine(day - timedelta(days=rest_days - 1), time()), campaign.time_zone)
    groups = [group for group, days in REST_DAYS.items() if days == rest_days]
    called = exists().where(Attempt.client_id == Client.id, ~Attempt.imported, Attempt.opened_at >= since)
    return and_(Client.group.in_(groups), ~called)


async def _add_group(
    session: AsyncSession, turn: Select[int], *, campaign_id: int, day: date, rank: int, window: Window
) -> int:
    columns = PlanEntry.__table__.c
    rows = turn.add_columns(
        literal(campaign_id),
        literal(day),
        literal(rank),
        literal(window.opens_at, columns.opens_at.type),
        literal(window.closes_at, columns.closes_at.type),
        literal(EntryKind.GROUP, columns.kind.type),
        literal(EntryState.WAITING, columns.state.type),
        literal(""),
    )
    names = ["client_id", "campaign_id", "day", "rank", "opens_at", "closes_at", "kind", "state", "reason"]
    connection = await session.connection()
    made = await connection.execute(insert(PlanEntry).from_select(names, rows, include_defaults=False))
    return made.rowcount


async def claim_next(
    session: AsyncSession,
    *,
    operator_id: int,
    now: datetime,
    lease_s: float,
    exclude_client_ids: AbstractSet[int] = frozenset(),
) -> PlanEntry | None:
    """The entry that the operator works on: the one held already, or the next that may be dialled now. `None` when
    there is none, or all dialling has been stopped. Two tabs get the same entry, two operators different ones."""
    await hold_user(session, operator_id)
    held = await claimed_entry(session, operator_id)
    if held is not None:
        held.claimed_until = now + timedelta(seconds=lease_s)
        await session.flush()
        return held
    if await dialling_stopped(session):
        return None
    await _free_expired(session, now)
    passed_over = set(exclude_client_ids)
    for _ in range(MOST_TRIES):
        entry = await next_waiting(session, operator_id=operator_id, now=now, passed_over=passed_over)
        if entry is None:
            return None
        verdict = await may_dial(session, client_id=entry.client_id, operator_id=operator_id, now=now)
        if verdict.allowed and await _claim(session, entry, operator_id=operator_id, now=now, lease_s=lease_s):
            return entry
        passed_over.add(entry.client_id)
        if verdict.code == "dial.list_not_approved":
            await _drop_list(session, entry.client_id, reason=verdict.code, now=now)
        elif verdict.code in _FOR_TODAY:
            set_state(session, entry, EntryState.DROPPED, on=verdict.code)
            entry.reason, entry.done_at = verdict.code, now
            await session.flush()
    return None


async def _drop_list(session: AsyncSession, client_id: int, *, reason: str, now: datetime) -> None:
    """The whole list of this client goes: it was returned, and may hold thousands."""
    of_list = select(Client.call_list_id).where(Client.id == client_id).scalar_subquery()
    await set_states(
        session,
        update(PlanEntry)
        .where(
            PlanEntry.state == WAITING, PlanEntry.client_id.in_(select(Client.id).where(Client.call_list_id == of_list))
        )
        .values(reason=reason, done_at=now)
        .execution_options(synchronize_session=False),
        was=EntryState.WAITING,
        on=reason,
        now=EntryState.DROPPED,
    )


async def _free_expired(session: AsyncSession, now: datetime) -> None:
    """Leases that ran out go back to the plan, but never with a call whose outcome is missing."""
    await set_states(
        session,
        update(PlanEntry)
        .where(PlanEntry.state == CLAIMED, PlanEntry.claimed_until <= now, ~_has_open_call())
        .values(claimed_by=None, claimed_at=None, claimed_until=None)
        .execution_options(synchronize_session=False),
        was=EntryState.CLAIMED,
        on="lease_over",
        now=EntryState.WAITING,
    )


def _has_open_call() -> ColumnElement[bool]:
    return exists().where(Attempt.plan_entry_id == PlanEntry.id, Attempt.wrapped_up_at.is_(None))


async def _claim(session: AsyncSession, entry: PlanEntry, *, operator_id: int, now: datetime, lease_s: float) -> bool:
    try:
        async with session.begin_nested():
            entry.state, entry.claimed_by = EntryState.CLAIMED, operator_id
            entry.claimed_at, entry.claimed_until = now, now + timedelta(seconds=lease_s)
    except IntegrityError:  # the client is claimed on another day's entry
        await session.refresh(entry)
        return False
    transitions.note(
        session,
        "plan entry",
        entry=entry.id,
        client=entry.client_id,
        was=EntryState.WAITING,
        on="claimed",
        now=EntryState.CLAIMED,
        operator=operator_id,
    )
    return True


async def claim_client(
    session: AsyncSession, *, client_id: int, operator_id: int, now: datetime, lease_s: float
) -> PlanEntry:
    """Take this client now, out of turn. What the operator held goes back to the plan. Whether the client may be
    dialled is asked when dialling. Raises `Refused` while an outcome is missing, `Conflict` when another has the
    client."""
    await hold_user(session, operator_id)
    client = await get_client(session, client_id, lock=True)
    held = await claimed_entry(session, operator_id)
    if held is not None and held.client_id == client_id:
        held.claimed_until = now + timedelta(seconds=lease_s)
        await session.flush()
        return held
    if held is not None:
        await release(session, entry_id=held.id, operator_id=operator_id)
    await _free_expired(session, now)
    holder = await session.scalar(
        select(User.name)
        .join(PlanEntry, PlanEntry.claimed_by == User.id)
        .where(PlanEntry.client_id == client_id, PlanEntry.state == EntryState.CLAIMED)
    )
    if holder is not None:
        raise Conflict("plan.taken", name=holder)
    entry = await _entry_for(session, client, operator_id=operator_id, now=now)
    if not await _claim(session, entry, operator_id=operator_id, now=now, lease_s=lease_s):
        raise Conflict("plan.taken", name="")
    return entry


async def _entry_for(session: AsyncSession, client: Client, *, operator_id: int, now: datetime) -> PlanEntry:
    """The client's waiting entry, of whatever kind, or a handpicked one for today."""
    waiting = await session.scalar(
        select(PlanEntry)
        .where(PlanEntry.client_id == client.id, PlanEntry.state == EntryState.WAITING)
        .order_by(PlanEntry.rank, PlanEntry.day)
        .limit(1)
        .with_for_update(key_share=True)
    )
    if waiting is not None:
        return waiting
    campaign = await session.get_one(Campaign, client.campaign_id)
    made = await put_in_plan(
        session,
        client=client,
        day=local(now, campaign.time_zone).date(),
        kind=EntryKind.HANDPICKED,
        rank=RANK_HANDPICKED,
        window=Window(
            now, max(window_at_or_after(campaign, campaign.time_zone, now).closes_at, now + timedelta(hours=1))
        ),
        operator_id=operator_id,
    )
    if made is None:
        raise Conflict("plan.taken", name="")
    return made


async def renew(session: AsyncSession, *, operator_id: int, now: datetime, lease_s: float) -> bool:
    """The operator is still there: the lease runs anew. `False` when nothing is held."""
    held = await claimed_entry(session, operator_id)
    if held is None:
        return False
    held.claimed_until = now + timedelta(seconds=lease_s)
    await session.flush()
    return True


async def release(session: AsyncSession, *, entry_id: int, operator_id: int) -> None:
    """Give the entry back to the plan. Raises `Conflict` when it is another's, `Refused` while a call or its outcome is
    open."""
    entry = await _own(session, entry_id, operator_id)
    set_state(session, entry, EntryState.WAITING, on="released")
    await session.flush()


async def skip(session: AsyncSession, *, entry_id: int, operator_id: int, reason: str, now: datetime) -> None:
    """Not this client today, and why. A promise cannot be skipped away: it comes back after ten minutes. Raises
    `Refused` without a reason, or while a call or its outcome is open; `Conflict` when the entry is another's."""
    reason = tidy(reason)
    if not reason:
        raise Refused("plan.skip_needs_reason")
    entry = await _own(session, entry_id, operator_id)
    if entry.kind is EntryKind.CALLBACK:
        set_state(session, entry, EntryState.WAITING, on="skipped")
        entry.opens_at = now + SKIPPED_PROMISE_RETURNS
        entry.closes_at = max(entry.closes_at, entry.opens_at + SKIPPED_PROMISE_RETURNS)
    else:
        set_state(session, entry, EntryState.DROPPED, on="skipped")
        entry.done_at = now
    entry.reason = reason
    await session.flush()


async def _own(session: AsyncSession, entry_id: int, operator_id: int) -> PlanEntry:
    entry = await get_entry(session, entry_id)
    if entry.state is not EntryState.CLAIMED or entry.claimed_by != operator_id:
        raise Conflict("plan.not_yours")
    open_call = await session.scalar(
        select(Attempt).where(Attempt.plan_entry_id == entry.id, Attempt.wrapped_up_at.is_(None))
    )
    if open_call is not None:
        raise Refused("attempt.still_open" if open_call.ended_at is None else "attempt.outcome_missing")
    return entry
