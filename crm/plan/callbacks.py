"""Callbacks: agreed repeat contacts, each with exactly one owner, due at a time on the client's clock."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    DateTime,
    ForeignKey,
    Index,
    Row,
    String,
    Text,
    and_,
    exists,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import transitions
from crm.base.do_not_call import asked
from crm.base.whom import Whom
from crm.clientele.clients import Client, time_zone_of
from crm.errors import Conflict, NotFound, Refused
from crm.mail.calendar_entries import Holds, Promised, follow
from crm.mapping import WEAK_LOCK, Base, UtcDateTime, one_of
from crm.office.users import User
from crm.plan.plan_entries import (
    RANK_CALLBACK,
    EntryKind,
    EntryState,
    PlanEntry,
    active_entries,
    drop_waiting,
    put_in_plan,
    with_active_entries,
)
from crm.plan.reachable import reachable
from crm.plan.spoken_time import parse_when
from crm.preparation.calling_hours import promise_window
from crm.preparation.campaigns import Campaign
from crm.time_zones import instant, local

__all__ = [
    "Callback",
    "CallbackState",
    "Standing",
    "agree",
    "bring_due",
    "get_callback",
    "open_callback",
    "parse_when",
    "promised",
    "reopen_ended_by",
    "settle_by_attempt",
    "standing",
    "withdraw",
]

KEPT_WITHIN: Final = timedelta(minutes=15)
_AT_ONCE: Final = 1000  # values in one statement


class CallbackState(enum.StrEnum):
    """What became of a promise."""

    OPEN = "open"
    KEPT = "kept"
    LATE = "late"
    BROKEN = "broken"
    MOVED = "moved"  # another time was agreed before it was tried
    WITHDRAWN = "withdrawn"  # written by mistake, or the client asked not to be called


class Standing(enum.StrEnum):
    """How a promise stands at a moment: its state, where an open one may be due, or overdue and everybody's."""

    OPEN = "open"
    DUE = "due"
    OVERDUE = "overdue"
    KEPT = "kept"
    LATE = "late"
    BROKEN = "broken"
    MOVED = "moved"
    WITHDRAWN = "withdrawn"


_OPEN = text("state = 'open'")
_HOLDS: Final = {CallbackState.OPEN: Holds.YES, CallbackState.MOVED: Holds.NO, CallbackState.WITHDRAWN: Holds.NO}


class Callback(Base):
    """A promise. `local_at` (naive) is what was agreed, on the clock of `time_zone`; `due_at` is that moment in UTC;
    `words` is what the operator typed; `asked_by` who asked for it."""

    __tablename__ = "callbacks"
    __table_args__ = (
        CheckConstraint("(state = 'open') = (settled_at IS NULL)", name="settled"),
        Index("uq_callbacks_open_of_client", "client_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_callbacks_due", "due_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index(None, "client_id"),
        Index(None, "owner_id", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    local_at: Mapped[datetime] = mapped_column(DateTime(timezone=False))
    time_zone: Mapped[str] = mapped_column(Text)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    words: Mapped[str] = mapped_column(Text, default="")
    asked_by: Mapped[str] = mapped_column(Text, default="")
    made_by_attempt_id: Mapped[str | None] = mapped_column(String(32), ForeignKey("attempts.id", use_alter=True))
    state: Mapped[CallbackState] = mapped_column(one_of(CallbackState, "state"), default=CallbackState.OPEN)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settled_by_attempt_id: Mapped[str | None] = mapped_column(String(32), ForeignKey("attempts.id", use_alter=True))


# Written into the statements, so that the partial indexes serve them.
_STILL_OPEN: Final = literal(CallbackState.OPEN, Callback.__table__.c.state.type, literal_execute=True)


async def agree(
    session: AsyncSession,
    *,
    client: Client,
    owner_id: int,
    local_at: datetime,
    now: datetime,
    words: str = "",
    asked_by: str = "",
    attempt_id: str | None = None,
) -> Callback:
    """Promise a call at `local_at` (naive) on the client's clock. A promise that was open is moved to this one. Raises
    `Refused` for a time that has passed, and for an owner who has left."""
    time_zone = await time_zone_of(session, client)
    due_at = instant(local_at, time_zone)
    if due_at <= now:
        raise Refused("callback.in_the_past", local_at=local_at.strftime("%d.%m.%Y %H:%M"))
    open_one = await open_callback(session, client.id)
    if open_one is not None:
        await _settle(session, open_one, CallbackState.MOVED, now=now, attempt_id=attempt_id)
    await drop_waiting(session, client_id=client.id, reason="callback", now=now)
    callback = Callback(
        client_id=client.id,
        owner_id=owner_id,
        local_at=local_at,
        time_zone=time_zone,
        due_at=due_at,
        words=words,
        asked_by=asked_by,
        made_by_attempt_id=attempt_id,
        created_at=now,
    )
    session.add(callback)
    await session.flush()
    # Asked after the row is there: whoever switches the owner off at this moment waits for it.
    if not await session.scalar(select(User.active).where(User.id == owner_id)):
        raise Refused("callback.owner_left")
    _note(session, callback, was="none", on="agreed", attempt_id=attempt_id)
    goes_on_with = [open_one.id] if open_one else await _made_before_by(session, callback)
    await follow(session, promised(callback), now=now, instead_of=goes_on_with)
    return callback


async def _made_before_by(session: AsyncSession, callback: Callback) -> Sequence[int]:
    """What the same call had promised before its outcome was corrected, the newest first."""
    if callback.made_by_attempt_id is None:
        return ()
    before = select(Callback.id).where(Callback.made_by_attempt_id == callback.made_by_attempt_id)
    before = before.where(Callback.id < callback.id, Callback.state == CallbackState.WITHDRAWN)
    return (await session.scalars(before.order_by(Callback.id.desc()))).all()


def promised(callback: Callback) -> Promised:
    """The promise as calendars need it."""
    return Promised(
        callback_id=callback.id,
        client_id=callback.client_id,
        owner_id=callback.owner_id,
        local_at=callback.local_at,
        time_zone=callback.time_zone,
        due_at=callback.due_at,
        words=callback.words,
        person=callback.asked_by,
        holds=_HOLDS.get(callback.state, Holds.DONE),
    )


async def open_callback(session: AsyncSession, client_id: int) -> Callback | None:
    """The promise that is open for the client: there is at most one."""
    return await session.scalar(
        select(Callback).where(Callback.client_id == client_id, Callback.state == CallbackState.OPEN)
    )


def standing(callback: Callback, *, now: datetime, overdue_min: int) -> Standing:
    """How the promise stands; `overdue_min` is the campaign's time after which an open one is overdue."""
    if callback.state is not CallbackState.OPEN or callback.due_at > now:
        return Standing(callback.state.value)
    return Standing.OVERDUE if callback.due_at + timedelta(minutes=overdue_min) <= now else Standing.DUE


async def get_callback(session: AsyncSession, callback_id: int, *, lock: bool = False) -> Callback:
    """The promise; `lock` holds its row until the transaction ends. Raises `NotFound`."""
    callback = await session.get(
        Callback, callback_id, with_for_update=WEAK_LOCK if lock else None, populate_existing=lock
    )
    if callback is None:
        raise NotFound("callback.unknown")
    return callback


async def settle_by_attempt(
    session: AsyncSession, *, callback_id: int, attempt_id: str, called_at: datetime, now: datetime
) -> Callback:
    """The promised call was made at `called_at`: kept within a quarter of an hour, late on the agreed day of the
    client's calendar, broken after it. What is settled already stays as it is."""
    callback = await get_callback(session, callback_id, lock=True)
    if callback.state is CallbackState.OPEN:
        if called_at <= callback.due_at + KEPT_WITHIN:
            state = CallbackState.KEPT
        elif local(called_at, callback.time_zone).date() == callback.local_at.date():
            state = CallbackState.LATE
        else:
            state = CallbackState.BROKEN
        await _settle(session, callback, state, now=now, attempt_id=attempt_id)
        await follow(session, promised(callback), now=now)
    return callback


async def withdraw(
    session: AsyncSession, *, callback_id: int, now: datetime, attempt_id: str | None = None
) -> Callback:
    """The promise holds no more. Raises `Conflict` when it was settled already."""
    callback = await get_callback(session, callback_id, lock=True)
    if callback.state is not CallbackState.OPEN:
        raise Conflict("callback.not_open")
    await _settle(session, callback, CallbackState.WITHDRAWN, now=now, attempt_id=attempt_id)
    await drop_waiting(session, client_id=callback.client_id, reason="callback", now=now)
    await follow(session, promised(callback), now=now)
    return callback


async def unmake(session: AsyncSession, *, attempt_id: str, now: datetime) -> None:
    """What an outcome of this call promised was never promised: it is withdrawn where it is open, and does not hold
    again where another call put it off or withdrew it."""
    made = await session.scalars(
        select(Callback)
        .where(Callback.made_by_attempt_id == attempt_id)
        .where(Callback.state.in_((CallbackState.OPEN, CallbackState.MOVED, CallbackState.WITHDRAWN)))
    )
    for callback in made.all():
        if callback.state is CallbackState.OPEN:
            await withdraw(session, callback_id=callback.id, now=now, attempt_id=attempt_id)
        else:
            callback.settled_by_attempt_id = attempt_id
    await session.flush()


async def reopen_ended_by(
    session: AsyncSession, *, attempt_id: str, at: Collection[datetime], owner_id: int, now: datetime
) -> None:
    """The promises that outcomes of this call put off or withdrew at these moments hold again: the last one was undone
    or corrected. What the call kept stays kept; where another promise was made since, or the client must not be called,
    that stands.
    `owner_id`: who keeps the promise of somebody who has left."""
    ended = await session.scalars(
        select(Callback)
        .join(Client, Client.id == Callback.client_id)
        .where(Callback.settled_by_attempt_id == attempt_id, Callback.settled_at.in_(at))
        .where(Callback.state.in_((CallbackState.MOVED, CallbackState.WITHDRAWN)))
        .where(Callback.made_by_attempt_id.is_distinct_from(attempt_id))
        .where(Client.off_list_reason == "", ~asked(Whom.ORGANISATION, Client.organisation_id))
        .order_by(Callback.client_id, Callback.id.desc())
    )
    for callback in ended.all():
        if await open_callback(session, callback.client_id) is None:
            await _reopen(session, callback, owner_id=owner_id, now=now)


async def _reopen(session: AsyncSession, callback: Callback, *, owner_id: int, now: datetime) -> None:
    """It comes up at its time, or at the next poll; until then the plan leaves its client alone."""
    if not await session.scalar(select(User.active).where(User.id == callback.owner_id)):
        callback.owner_id = owner_id
    was, callback.state = callback.state, CallbackState.OPEN
    callback.settled_at, callback.settled_by_attempt_id = None, None
    await session.flush()
    await drop_waiting(session, client_id=callback.client_id, reason="callback", now=now)
    _note(session, callback, was=was, on="taken back", attempt_id=None)
    await follow(session, promised(callback), now=now)


async def bring_due(session: AsyncSession, *, now: datetime) -> list[int]:
    """Bring every callback whose time has come to the front of the plan, also those that came due while nothing ran.

    Returns the ids of the callbacks that were brought now; asked again it changes nothing. An overdue one is offered to
    everybody after the campaign's time. A client who is claimed at the moment waits for the next poll; one who cannot
    be called stays out of the plan, and the promise stays open.
    """
    overdue_since = {
        campaign.id: now - timedelta(minutes=campaign.overdue_to_all_min)
        for campaign in await session.scalars(select(Campaign))
    }
    await _offer_to_everybody(session, overdue_since, now)
    due = await session.execute(
        select(Callback, Client, Campaign)
        .join(Client, Client.id == Callback.client_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .where(Callback.state == _STILL_OPEN, Callback.due_at <= now, ~_in_the_plan(now), *reachable())
        .order_by(Callback.due_at, Callback.id)
        .with_for_update(of=Client, key_share=True, skip_locked=True)  # of two nodes one brings it
    )
    found = await _still_to_bring(session, due.all(), now)
    planned = await with_active_entries(session, [client.id for _, client, _ in found])
    brought = []
    for callback, client, campaign in found:
        if client.id in planned and await _is_in_the_plan(session, callback):
            await drop_waiting(session, client_id=client.id, reason="hours", now=now)
        window = promise_window(campaign, callback.time_zone, due_at=callback.due_at, now=now)
        entry_made = await put_in_plan(
            session,
            client=client,
            day=local(max(now, window.opens_at), campaign.time_zone).date(),
            kind=EntryKind.CALLBACK,
            rank=RANK_CALLBACK,
            window=window,
            due_at=callback.due_at,
            operator_id=None if callback.due_at <= overdue_since[campaign.id] else callback.owner_id,
            callback_id=callback.id,
            is_new=client.id not in planned,
        )
        if entry_made is not None:
            brought.append(callback.id)
    await session.flush()
    return brought


async def _still_to_bring(
    session: AsyncSession, held: Sequence[Row[Callback, Client, Campaign]], now: datetime
) -> list[Row[Callback, Client, Campaign]]:
    """Those whose callback is not in the plan now that their clients are held.

    PostgreSQL found them as things stood when its statement began, and does not look again at what changed between
    that and the lock, unless it is the locked row itself (13.2.1, Read Committed): another node may have brought them.
    """
    still = set[int]()
    for first in range(0, len(held), _AT_ONCE):
        these = [callback.id for callback, _, _ in held[first : first + _AT_ONCE]]
        still.update(
            await session.scalars(
                select(Callback.id).where(Callback.id.in_(these), Callback.state == _STILL_OPEN, ~_in_the_plan(now))
            )
        )
    return [row for row in held if row[0].id in still]


async def _is_in_the_plan(session: AsyncSession, callback: Callback) -> bool:
    return any(entry.callback_id == callback.id for entry in await active_entries(session, callback.client_id))


async def _offer_to_everybody(session: AsyncSession, overdue_since: Mapping[int, datetime], now: datetime) -> None:
    """What is in the plan for its owner alone, and was due at `overdue_since` of its campaign or before."""
    of_one = await session.scalars(
        select(PlanEntry)
        .join(Callback, Callback.id == PlanEntry.callback_id)
        .where(Callback.state == _STILL_OPEN, Callback.due_at <= now)
        .where(PlanEntry.operator_id.is_not(None), PlanEntry.state.in_((EntryState.WAITING, EntryState.CLAIMED)))
        # What somebody changes at this moment is looked at by the next poll.
        .with_for_update(of=PlanEntry, key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    for entry in of_one:
        if entry.due_at is not None and entry.due_at <= overdue_since[entry.campaign_id]:
            entry.operator_id, entry.assigned = None, False
    await session.flush()


def _in_the_plan(now: datetime) -> ColumnElement[bool]:
    """Whether a callback has its entry: claimed, or waiting with hours that are not over."""
    return exists().where(
        PlanEntry.callback_id == Callback.id,
        or_(
            PlanEntry.state == EntryState.CLAIMED,
            and_(PlanEntry.state == EntryState.WAITING, PlanEntry.closes_at > now),
        ),
    )


async def _settle(
    session: AsyncSession, callback: Callback, state: CallbackState, *, now: datetime, attempt_id: str | None
) -> None:
    was, callback.state = callback.state, state
    callback.settled_at, callback.settled_by_attempt_id = now, attempt_id
    await session.flush()
    _note(session, callback, was=was, on="settled", attempt_id=attempt_id)


def _note(session: AsyncSession, callback: Callback, *, was: str, on: str, attempt_id: str | None) -> None:
    transitions.note(
        session,
        "callback",
        callback=callback.id,
        client=callback.client_id,
        was=was,
        on=on,
        now=callback.state,
        call=attempt_id,
    )
