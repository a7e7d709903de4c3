"""Attempts: one persisted try at one number. The row is committed before anything goes to the network; its id is the
SIP Call-ID."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.clients import get_client
from crm.dispositions import propose
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import WEAK_LOCK, Base, UtcDateTime, one_of
from crm.phone_numbers import PhoneNumber, first_working, get_number
from crm.plan_entries import EntryState, get_entry
from crm.results import Result
from crm.users import hold_user

__all__ = [
    "Attempt",
    "Result",
    "finish",
    "get_attempt",
    "mark_answered",
    "mark_invited",
    "mark_ringing",
    "open_attempt",
    "pending_wrap_up",
    "recover",
]


_OPEN = text("ended_at IS NULL")
_TO_WRAP_UP = text("wrapped_up_at IS NULL AND NOT imported")


class Attempt(Base):
    """A try. `id` is a uuid4 in hex; `dialled` the E.164 number; `talk_seconds` from the answer to the end. `talked` is
    generated: contacts point at it."""

    __tablename__ = "attempts"
    __table_args__ = (
        CheckConstraint("length(id) = 32", name="id"),
        CheckConstraint("(ended_at IS NULL) = (result IS NULL)", name="ended_with_result"),
        CheckConstraint(
            "talk_seconds IS NULL OR (talk_seconds >= 0 AND answered_at IS NOT NULL)", name="talk_answered"
        ),
        CheckConstraint("result IS NULL OR result <> 'answered' OR answered_at IS NOT NULL", name="answered_at"),
        CheckConstraint("NOT imported OR ended_at IS NOT NULL", name="imported_ended"),
        ForeignKeyConstraint(["plan_entry_id", "client_id"], ["plan_entries.id", "plan_entries.client_id"]),
        UniqueConstraint("id", "client_id", name="uq_attempts_of_client"),
        UniqueConstraint("id", "talked", name="uq_attempts_talked"),
        Index("uq_attempts_open_client", "client_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("uq_attempts_open_operator", "operator_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("uq_attempts_open_number", "dialled", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index(None, "client_id", "opened_at"),
        Index(None, "operator_id", "opened_at"),
        Index(None, "opened_at", "id"),
        Index(None, "plan_entry_id"),
        Index("ix_attempts_to_wrap_up", "operator_id", sqlite_where=_TO_WRAP_UP, postgresql_where=_TO_WRAP_UP),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    phone_number_id: Mapped[int | None] = mapped_column(ForeignKey("phone_numbers.id"))
    dialled: Mapped[str] = mapped_column(String(16))
    operator_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    plan_entry_id: Mapped[int | None]
    callback_id: Mapped[int | None] = mapped_column(ForeignKey("callbacks.id"))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    invited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ringing_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    wrapped_up_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    talk_seconds: Mapped[float | None]
    result: Mapped[Result | None] = mapped_column(one_of(Result, "result"))
    sip_code: Mapped[int | None]
    phrase: Mapped[str] = mapped_column(Text, default="")
    proposed_disposition: Mapped[str | None] = mapped_column(String(24))
    imported: Mapped[bool] = mapped_column(default=False)
    talked: Mapped[bool] = mapped_column(
        Computed("answered_at IS NOT NULL AND talk_seconds IS NOT NULL AND talk_seconds > 0", persisted=True)
    )


async def get_attempt(session: AsyncSession, attempt_id: str, *, lock: bool = False) -> Attempt:
    """The attempt; `lock` holds its row until the transaction ends. Raises `NotFound`."""
    attempt = await session.get(
        Attempt, attempt_id, with_for_update=WEAK_LOCK if lock else None, populate_existing=lock
    )
    if attempt is None:
        raise NotFound("attempt.unknown")
    return attempt


async def open_attempt(
    session: AsyncSession, *, plan_entry_id: int, phone_number_id: int | None, operator_id: int, now: datetime
) -> Attempt:
    """The row that precedes an INVITE. Commit before dialling.

    `phone_number_id` `None` takes the first number that works. All rules are asked again here, in the transaction that
    writes the row; clicking twice, two tabs and two operators leave one attempt, the others get `Conflict`. Raises
    `Refused` for a rule, `Conflict` when the entry is another's or a call is open, `NotFound`.
    """
    from crm.dial_rules import may_dial  # the rules read attempts, so they cannot be imported above

    await hold_user(session, operator_id)
    entry = await get_entry(session, plan_entry_id)
    if entry.state is not EntryState.CLAIMED or entry.claimed_by != operator_id:
        raise Conflict("plan.not_yours")
    client = await get_client(session, entry.client_id, lock=True)
    await _assert_line_free(session, operator_id=operator_id, client_id=client.id)
    number = await _number_to_dial(session, organisation_id=client.organisation_id, phone_number_id=phone_number_id)
    verdict = await may_dial(
        session,
        client_id=client.id,
        phone_number_id=number.id if number else None,
        operator_id=operator_id,
        now=now,
    )
    if not verdict.allowed or number is None:
        raise Refused(verdict.code or "dial.no_number", **verdict.params)
    attempt = Attempt(
        id=uuid.uuid4().hex,
        client_id=client.id,
        phone_number_id=number.id,
        dialled=number.e164,
        operator_id=operator_id,
        plan_entry_id=entry.id,
        callback_id=entry.callback_id,
        opened_at=now,
    )
    try:
        async with session.begin_nested():
            session.add(attempt)
    except IntegrityError as error:  # another client has the same number, and it is being called
        raise Conflict("attempt.number_busy") from error
    return attempt


async def _number_to_dial(
    session: AsyncSession, *, organisation_id: int, phone_number_id: int | None
) -> PhoneNumber | None:
    if phone_number_id is None:
        return await first_working(session, organisation_id)
    return await get_number(session, phone_number_id)


async def _assert_line_free(session: AsyncSession, *, operator_id: int, client_id: int) -> None:
    pending = await pending_wrap_up(session, operator_id=operator_id)
    if pending is not None:
        raise Refused("attempt.outcome_missing", attempt_id=pending.id)
    active = await session.scalar(
        select(Attempt).where(
            Attempt.ended_at.is_(None), (Attempt.operator_id == operator_id) | (Attempt.client_id == client_id)
        )
    )
    if active is not None:
        same_client = active.client_id == client_id
        raise Conflict("attempt.already_open" if same_client else "attempt.operator_busy", attempt_id=active.id)


async def mark_invited(session: AsyncSession, *, attempt_id: str, now: datetime) -> Attempt:
    """The INVITE is about to be handed to the network. The first time counts."""
    attempt = await _not_ended(session, attempt_id)
    attempt.invited_at = attempt.invited_at or now
    await session.flush()
    return attempt


async def mark_ringing(session: AsyncSession, *, attempt_id: str, now: datetime) -> Attempt:
    """The far end rings. The first time counts."""
    attempt = await _not_ended(session, attempt_id)
    attempt.ringing_at = attempt.ringing_at or now
    await session.flush()
    return attempt


async def mark_answered(session: AsyncSession, *, attempt_id: str, now: datetime) -> Attempt:
    """The far end answered. The first time counts."""
    attempt = await _not_ended(session, attempt_id)
    attempt.answered_at = attempt.answered_at or now
    await session.flush()
    return attempt


async def finish(
    session: AsyncSession,
    *,
    attempt_id: str,
    result: Result,
    now: datetime,
    sip_code: int | None = None,
    phrase: str = "",
    talk_seconds: float | None = None,
) -> Attempt:
    """The call is over. `talk_seconds` belongs to an answered call; without it, it is counted from the answer. Raises
    `Conflict` when the attempt has ended."""
    attempt = await _not_ended(session, attempt_id)
    if result is Result.ANSWERED and attempt.answered_at is None:
        attempt.answered_at = now - timedelta(seconds=talk_seconds or 0.0)
    if attempt.answered_at is not None:
        attempt.talk_seconds = max(
            (now - attempt.answered_at).total_seconds() if talk_seconds is None else talk_seconds, 0.0
        )
    _end(attempt, result, now)
    attempt.sip_code, attempt.phrase = sip_code, phrase.replace("\0", "")
    await session.flush()
    return attempt


async def recover(session: AsyncSession, *, now: datetime) -> list[Attempt]:
    """After a crash: end what was open. An attempt whose INVITE went out is interrupted, one whose INVITE may or may
    not have gone out is uncertain. Nothing is dialled again by itself: the operator is asked for the outcome first, and
    until then the client's plan entry stays claimed."""
    left_open = list(
        await session.scalars(
            select(Attempt).where(Attempt.ended_at.is_(None)).order_by(Attempt.opened_at).with_for_update()
        )
    )
    for attempt in left_open:
        _end(attempt, Result.UNCERTAIN if attempt.invited_at is None else Result.INTERRUPTED, now)
    await session.flush()
    return left_open


async def pending_wrap_up(session: AsyncSession, *, operator_id: int) -> Attempt | None:
    """The oldest ended attempt of the operator whose outcome is not written down."""
    return await session.scalar(
        select(Attempt)
        .where(
            Attempt.operator_id == operator_id,
            Attempt.wrapped_up_at.is_(None),
            ~Attempt.imported,
            Attempt.ended_at.is_not(None),
        )
        .order_by(Attempt.opened_at)
        .limit(1)
    )


def _end(attempt: Attempt, result: Result, now: datetime) -> None:
    attempt.result, attempt.ended_at = result, now
    attempt.proposed_disposition = propose(result)


async def _not_ended(session: AsyncSession, attempt_id: str) -> Attempt:
    attempt = await get_attempt(session, attempt_id, lock=True)
    if attempt.ended_at is not None:
        raise Conflict("attempt.already_ended")
    return attempt
