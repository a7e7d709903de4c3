"""The outbox: every message that is to be sent is a row, written in the transaction of the deed that it tells of.

A row is sent at least once: whoever claimed it and was gone before noting that it went leaves it to the next, who sends
the same message with the same Message-ID again.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    DateTime,
    ForeignKey,
    Index,
    String,
    Text,
    and_,
    case,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit, transitions
from crm.errors import Conflict, NotFound
from crm.mapping import Base, UtcDateTime, one_of
from crm.office.users import User

UNDO_FOR: Final = timedelta(seconds=10)
"""For so long an outcome can be taken back."""
GOES_OUT_AFTER: Final = UNDO_FOR + timedelta(seconds=2)
"""An undoing that was asked for in the last moment is written a little later than that."""

MOST_TRIES: Final = 30
_FIRST_WAIT: Final = timedelta(seconds=30)
_LONGEST_WAIT: Final = timedelta(hours=2)
LONGEST_ERROR: Final = 500


class Purpose(enum.StrEnum):
    """What a message does to the reader's calendar."""

    PUT_IN = "put_in"  # or brought up to date
    TAKE_OUT = "take_out"


class MailState(enum.StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"  # overtaken before it was sent


_NOT_SENT: Final = (MailState.WAITING, MailState.FAILED)
_IS_WAITING = text("state = 'waiting'")


class OutgoingMail(Base):
    """A message to a user about a promised call. Its texts are as they were when it was written, so that a repetition
    is the same to the letter. `uid` is the calendar entry's; `key` makes the Message-ID; `local_at` (naive) is on the
    clock of `time_zone`. `may_have_arrived`: a try ended without our knowing what became of it."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent"),
        CheckConstraint("sequence >= 0 AND tries >= 0", name="counted"),
        CheckConstraint("length(address) > 0", name="addressed"),
        Index(
            "uq_outbox_waiting", "uid", "user_id", unique=True,
            sqlite_where=_IS_WAITING, postgresql_where=_IS_WAITING,
        ),
        Index("ix_outbox_due", "next_try_at", sqlite_where=_IS_WAITING, postgresql_where=_IS_WAITING),
        Index(None, "callback_id"),
        Index(None, "uid"),
        Index(None, "user_id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[Purpose] = mapped_column(one_of(Purpose, "purpose"))
    callback_id: Mapped[int] = mapped_column(ForeignKey("callbacks.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    address: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(2))
    uid: Mapped[str] = mapped_column(String(32))
    sequence: Mapped[int]
    key: Mapped[str] = mapped_column(String(32), unique=True, default=lambda: uuid4().hex)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    organisation: Mapped[str] = mapped_column(Text, default="")
    person: Mapped[str] = mapped_column(Text, default="")
    words: Mapped[str] = mapped_column(Text, default="")
    local_at: Mapped[datetime] = mapped_column(DateTime(timezone=False))
    time_zone: Mapped[str] = mapped_column(Text)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[MailState] = mapped_column(one_of(MailState, "state"), default=MailState.WAITING)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    not_before: Mapped[datetime] = mapped_column(UtcDateTime)
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claimed_by: Mapped[str] = mapped_column(Text, default="")
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    may_have_arrived: Mapped[bool] = mapped_column(default=False)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str] = mapped_column(Text, default="")

    @property
    def is_known(self) -> bool:
        """Whether the reader has it, or may have."""
        return self.state is MailState.SENT or self.may_have_arrived or self.claimed_until is not None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages wait, how many of them have been tried in vain, and how many were given up."""

    waiting: int = 0
    tried: int = 0
    failed: int = 0


def _is_due(now: datetime) -> ColumnElement[bool]:
    """Waiting, its time has come, and nobody is at it."""
    return and_(
        OutgoingMail.state == MailState.WAITING,
        OutgoingMail.next_try_at <= now,
        or_(OutgoingMail.claimed_until.is_(None), OutgoingMail.claimed_until < now),
    )


async def is_any_due(session: AsyncSession, *, now: datetime) -> bool:
    """Whether a message is to be sent now."""
    return bool(await session.scalar(select(exists().where(_is_due(now)))))


async def claim_due(session: AsyncSession, *, now: datetime, node: str, lease: timedelta) -> OutgoingMail | None:
    """The next message whose time has come, for this node alone until the lease is over; `None` when there is none."""
    due = (
        select(OutgoingMail)
        .where(_is_due(now))
        .order_by(OutgoingMail.next_try_at, OutgoingMail.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    mail = await session.scalar(due)
    if mail is None:
        return None
    # Whoever had it before was gone without a word: it may have been sent.
    mail.may_have_arrived = mail.may_have_arrived or mail.claimed_until is not None
    mail.claimed_by, mail.claimed_until = node, now + lease
    await session.flush()
    return mail


async def drop_pointless(session: AsyncSession, *, now: datetime) -> int:
    """Cancel what need not be said any more: to somebody who has left or wants no such mail, or of a call whose time
    has passed. Returns how many."""
    nobody = select(User.id).where(~User.active | ~User.callbacks_by_mail)
    over = (OutgoingMail.purpose == Purpose.PUT_IN) & (OutgoingMail.due_at <= now)
    dropped = await session.execute(
        update(OutgoingMail)
        .where(OutgoingMail.state == MailState.WAITING, OutgoingMail.claimed_until.is_(None))
        .where(over | OutgoingMail.user_id.in_(nobody))
        .values(state=MailState.CANCELLED)
        .returning(OutgoingMail.id)
        .execution_options(synchronize_session=False)
    )
    ids = list(dropped.scalars())
    for mail_id in ids:
        transitions.note(session, "mail", mail=mail_id, was="waiting", on="no use any more", now=MailState.CANCELLED)
    return len(ids)


async def mark_sent(session: AsyncSession, *, mail_id: int, now: datetime) -> None:
    """The mail server has taken it. So it was, even if it had been overtaken meanwhile."""
    mail = await get_mail(session, mail_id, lock=True)
    was, mail.state = mail.state, MailState.SENT
    mail.sent_at, mail.tries, mail.last_error = now, mail.tries + 1, ""
    mail.claimed_by, mail.claimed_until = "", None
    await session.flush()
    transitions.note(session, "mail", mail=mail.id, was=was, on="taken by the server", now=mail.state, tries=mail.tries)


async def mark_tried(
    session: AsyncSession, *, mail_id: int, reason: str, now: datetime, for_good: bool = False, in_doubt: bool = False
) -> None:
    """It did not go. It is tried again later and later, and given up after `MOST_TRIES` or when refused `for_good`;
    `in_doubt`: it may have gone after all."""
    mail = await get_mail(session, mail_id, lock=True)
    mail.claimed_by, mail.claimed_until = "", None
    mail.tries, mail.last_error = mail.tries + 1, reason.replace("\0", "")[:LONGEST_ERROR]
    mail.may_have_arrived = mail.may_have_arrived or in_doubt
    mail.next_try_at = now + wait_after(mail.tries)
    was = mail.state
    if was is MailState.WAITING and (for_good or mail.tries >= MOST_TRIES):
        mail.state = MailState.FAILED
    await session.flush()
    transitions.note(session, "mail", mail=mail.id, was=was, on="not taken", now=mail.state, tries=mail.tries)


def wait_after(tries: int) -> timedelta:
    """How long to wait after so many tries in vain."""
    doublings = min(tries - 1, 16)
    return min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT)


async def send_again(session: AsyncSession, *, mail_id: int, now: datetime, author_id: int | None = None) -> None:
    """Let a message that was given up be tried anew. Raises `NotFound`, and `Conflict` for any other."""
    mail = await get_mail(session, mail_id, lock=True)
    if mail.state is not MailState.FAILED:
        raise Conflict("mail.not_failed")
    mail.state, mail.tries, mail.next_try_at = MailState.WAITING, 0, now
    await session.flush()
    audit.note(session, at=now, user_id=author_id, action=audit.MAIL_SENT_AGAIN, subject=f"mail:{mail.id}")
    transitions.note(session, "mail", mail=mail.id, was=MailState.FAILED, on="asked to", now=mail.state)


async def get_mail(session: AsyncSession, mail_id: int, *, lock: bool = False) -> OutgoingMail:
    """Raises `NotFound`."""
    mail = await session.get(OutgoingMail, mail_id, with_for_update=lock or None, populate_existing=lock)
    if mail is None:
        raise NotFound("mail.unknown")
    return mail


async def counts(session: AsyncSession) -> Counts:
    """How the outbox stands."""
    tried = func.sum(case((OutgoingMail.tries > 0, 1), else_=0))
    standing = select(OutgoingMail.state, func.count(), tried).where(OutgoingMail.state.in_(_NOT_SENT))
    found = {
        state: (count, so_many)
        for state, count, so_many in await session.execute(standing.group_by(OutgoingMail.state))
    }
    waiting, waiting_tried = found.get(MailState.WAITING, (0, 0))
    failed, _ = found.get(MailState.FAILED, (0, 0))
    return Counts(waiting, waiting_tried, failed)


async def list_mail(
    session: AsyncSession, *, states: Collection[MailState] = tuple(MailState), limit: int = 200
) -> list[tuple[OutgoingMail, str]]:
    """The newest messages in these states, each with its reader's name."""
    found = await session.execute(
        select(OutgoingMail, User.name)
        .join(User, User.id == OutgoingMail.user_id)
        .where(OutgoingMail.state.in_(tuple(states)))
        .order_by(OutgoingMail.id.desc())
        .limit(limit)
    )
    return [(mail, name) for mail, name in found]
