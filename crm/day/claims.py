"""Who has the right to dial a client at the moment. A claim is a lease: whoever holds it may dial, and it ends by
itself when the holder goes away, unless a call was made whose outcome is missing.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit, transitions
from crm.base.organisations import get_organisation
from crm.calls.attempts import Attempt
from crm.calls.dial_rules import dialling_stopped, may_dial
from crm.calls.refusals import Leaves
from crm.clientele.clients import Client, get_client
from crm.day.turns import next_waiting
from crm.errors import Conflict, Finding, Refused
from crm.office.users import User, hold_user
from crm.plan.callbacks import open_callback
from crm.plan.plan_entries import (
    CLAIMED,
    RANK_HANDPICKED,
    WAITING,
    EntryKind,
    EntryState,
    PlanEntry,
    claimed_entry,
    own_entry,
    put_in_plan,
    set_state,
    set_states,
)
from crm.preparation.calling_hours import Window, window_at_or_after
from crm.preparation.campaigns import Campaign
from crm.text_rules import required
from crm.time_zones import local

SKIPPED_PROMISE_RETURNS: Final = timedelta(minutes=10)
MOST_TRIES: Final = 50


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
    await free_expired(session, now=now)
    passed_over = set(exclude_client_ids)
    for _ in range(MOST_TRIES):
        entry = await next_waiting(session, operator_id=operator_id, now=now, passed_over=passed_over)
        if entry is None:
            return None
        if await _is_promised(session, entry):
            await _leave_plan(session, entry, Leaves.ENTRY, reason="callback", now=now)
            continue
        verdict = await may_dial(session, client_id=entry.client_id, operator_id=operator_id, now=now)
        if verdict.allowed and await _claim(session, entry, operator_id=operator_id, now=now, lease_s=lease_s):
            return entry
        passed_over.add(entry.client_id)
        if verdict.code == "dial.owned":
            entry.operator_id = verdict.params["owner_id"]  # the client was given to somebody after the plan was built
            await session.flush()
        elif verdict.refusal is not None:
            await _leave_plan(session, entry, verdict.refusal.leaves, reason=verdict.code, now=now)
    return None


async def _is_promised(session: AsyncSession, entry: PlanEntry) -> bool:
    """Whether the client's turn came by the groups or by a rule, though a call is promised: the plan may have been
    built while the promise was being written down."""
    return (
        entry.kind in (EntryKind.GROUP, EntryKind.RETRY) and await open_callback(session, entry.client_id) is not None
    )


async def _leave_plan(session: AsyncSession, entry: PlanEntry, leaves: Leaves, *, reason: str, now: datetime) -> None:
    match leaves:
        case Leaves.LIST:
            await _drop_list(session, entry.client_id, reason=reason, now=now)
        case Leaves.ENTRY:
            set_state(session, entry, EntryState.DROPPED, on=reason)
            entry.reason, entry.done_at = reason, now
            await session.flush()
        case Leaves.NOTHING:
            pass


async def _drop_list(session: AsyncSession, client_id: int, *, reason: str, now: datetime) -> None:
    of_list = select(Client.call_list_id).where(Client.id == client_id).scalar_subquery()
    waiting = select(PlanEntry.id).where(
        PlanEntry.state == WAITING, PlanEntry.client_id.in_(select(Client.id).where(Client.call_list_id == of_list))
    )
    # Whoever holds another entry of the list finds out by it, and would wait for this one.
    waiting = waiting.with_for_update(skip_locked=True, key_share=True)
    await set_states(
        session,
        update(PlanEntry)
        .where(PlanEntry.id.in_(waiting))
        .values(reason=reason, done_at=now)
        .execution_options(synchronize_session=False),
        was=EntryState.WAITING,
        on=reason,
        now=EntryState.DROPPED,
    )


async def free_expired(session: AsyncSession, *, now: datetime) -> None:
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


async def assert_callable(session: AsyncSession, *, client_id: int, operator_id: int, now: datetime) -> None:
    """Raises `Refused`, with the client's name and the reason, unless this operator may call the client now."""
    verdict = await may_dial(session, client_id=client_id, operator_id=operator_id, now=now)
    if not verdict.allowed:
        client = await get_client(session, client_id)
        name = (await get_organisation(session, client.organisation_id)).name
        raise Refused("plan.not_now", name=name, reason=Finding(verdict.code, **verdict.params))


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
    await free_expired(session, now=now)
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


async def give_up_refused(session: AsyncSession, *, entry_id: int, operator_id: int, now: datetime) -> bool:
    """The client on the card turned out not to be callable: it goes back to the plan, out of which `claim_next` takes
    it as the refusal says. `False` when the card stays: some number may be dialled, the manager has stopped everything,
    or whoever picked the client by hand may wait for the moment. Raises as `release`."""
    entry = await _own(session, entry_id, operator_id)
    verdict = await may_dial(session, client_id=entry.client_id, operator_id=operator_id, now=now)
    if verdict.refusal is None or verdict.refusal.any_client:
        return False
    if entry.kind is EntryKind.HANDPICKED and not verdict.refusal.any_day:
        return False
    set_state(session, entry, EntryState.WAITING, on=verdict.code)
    await session.flush()
    return True


async def skip(session: AsyncSession, *, entry_id: int, operator_id: int, reason: str, now: datetime) -> None:
    """Not this client today, and why. A promise cannot be skipped away: it comes back after ten minutes. Raises
    `Refused` without a reason, or while a call or its outcome is open; `Conflict` when the entry is another's."""
    reason = required(reason, "plan.skip_needs_reason")
    entry = await _own(session, entry_id, operator_id)
    audit.note(
        session, at=now, user_id=operator_id, action=audit.PLAN_SKIPPED, subject=f"plan_entry:{entry.id}",
        details={
            "client": entry.client_id, "opened": entry.opens_at.isoformat(), "closed": entry.closes_at.isoformat(),
        },
    )  # fmt: skip
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
    entry = await own_entry(session, entry_id, operator_id)
    open_call = await session.scalar(
        select(Attempt).where(Attempt.plan_entry_id == entry.id, Attempt.wrapped_up_at.is_(None))
    )
    if open_call is not None:
        raise Refused("attempt.still_open" if open_call.ended_at is None else "attempt.outcome_missing")
    return entry
