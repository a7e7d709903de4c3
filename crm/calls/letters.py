"""E-mails and faxes that somebody sent to a client, noted by hand: each is a try at the company, as a call is.

What is noted has been sent already, so no rule refuses it. One that was noted by mistake is withdrawn with a reason and
stays on record.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, ScalarSelect, Text, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from crm import audit
from crm.base.joined import of_clients, read_as_one
from crm.clientele.clients import Client, get_client
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import Base, UtcDateTime, one_of
from crm.office.users import User
from crm.text_rules import lines_of, required

LONGEST_NOTE: Final = 500
"""Characters."""


class Channel(enum.StrEnum):
    """How a letter went."""

    EMAIL = "email"
    FAX = "fax"


class Letter(Base):
    """A letter to a client. `sent_by`: who sent it, `None` where that was not said; `note`: what was sent, at most 500
    characters, "" if nobody said. It counts unless it was withdrawn. Triggers refuse to delete it, and to change more
    than to withdraw it, once, and to blank its texts."""

    __tablename__ = "letters"
    __table_args__ = (
        CheckConstraint("sent_at <= noted_at", name="was_sent"),
        CheckConstraint(f"length(note) <= {LONGEST_NOTE}", name="note"),
        CheckConstraint("(withdrawn_at IS NULL) = (length(trim(withdraw_reason)) = 0)", name="withdrawn"),
        CheckConstraint("withdrawn_by IS NULL OR withdrawn_at IS NOT NULL", name="withdrawn_by"),
        Index(None, "client_id", "sent_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    channel: Mapped[Channel] = mapped_column(one_of(Channel, "channel"))
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    note: Mapped[str] = mapped_column(Text, default="")
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    withdraw_reason: Mapped[str] = mapped_column(Text, default="")


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A letter to be read: `sender` and `withdrawer` are names, "" for nobody; `withdrawn_at` `None`: it counts."""

    id: int
    channel: Channel
    sent_at: datetime
    sender: str
    note: str
    withdrawn_at: datetime | None
    withdrawer: str
    withdraw_reason: str


async def note_letter(
    session: AsyncSession,
    *,
    client_id: int,
    channel: Channel,
    now: datetime,
    sent_at: datetime | None = None,
    note: str = "",
    sent_by: int | None = None,
    author_id: int | None = None,
) -> Letter:
    """Keep that a letter was sent; `sent_at` `None`: just now. Raises `NotFound`, `Refused` for a time to come or a
    `note` of more than 500 characters."""
    note, sent_at = lines_of(note), sent_at or now
    if sent_at > now:
        raise Refused("letter.in_future")
    if len(note) > LONGEST_NOTE:
        raise Refused("letter.note_too_long", limit=LONGEST_NOTE)
    client = await get_client(session, client_id, lock=True)
    letter = Letter(client_id=client.id, channel=channel, sent_at=sent_at, sent_by=sent_by, note=note, noted_at=now)
    session.add(letter)
    await session.flush()
    details = {"letter": letter.id, "channel": channel.value, "sent_at": sent_at.isoformat(), "note": note}
    audit.note(
        session, at=now, user_id=author_id, action=audit.LETTER_NOTED, subject=f"client:{client.id}", details=details
    )
    return letter


async def withdraw_letter(
    session: AsyncSession, *, letter_id: int, reason: str, now: datetime, author_id: int | None = None
) -> Letter:
    """It was noted by mistake: it counts no more, and stays on record. Raises `NotFound`, `Conflict` when it was
    withdrawn before, `Refused` without a reason."""
    client_id = await session.scalar(select(Letter.client_id).where(Letter.id == letter_id))
    if client_id is None:
        raise NotFound("letter.unknown")
    await get_client(session, client_id, lock=True)  # an erasure has read it before the reason, or reads the reason too
    letter = await session.get_one(Letter, letter_id, with_for_update=True)
    if letter.withdrawn_at is not None:
        raise Conflict("letter.withdrawn")
    reason = required(reason, "letter.needs_reason")
    letter.withdrawn_at, letter.withdrawn_by, letter.withdraw_reason = now, author_id, reason
    await session.flush()
    audit.note(
        session, at=now, user_id=author_id, action=audit.LETTER_WITHDRAWN, subject=f"client:{client_id}",
        details={"letter": letter.id, "reason": reason},
    )  # fmt: skip
    return letter


async def letters_of(session: AsyncSession, client_id: int) -> list[LetterRow]:
    """All letters to the client, and to those who are read with it, the newest first; the withdrawn ones too."""
    sender, withdrawer = aliased(User), aliased(User)
    found = await session.execute(
        select(Letter, sender.name, withdrawer.name)
        .outerjoin(sender, sender.id == Letter.sent_by)
        .outerjoin(withdrawer, withdrawer.id == Letter.withdrawn_by)
        .where(of_clients(Letter.client_id, await read_as_one(session, client_id)))
        .order_by(Letter.sent_at.desc(), Letter.id.desc())
    )
    return [
        LetterRow(
            letter.id, letter.channel, letter.sent_at, sent_by or "", letter.note, letter.withdrawn_at,
            withdrawn_by or "", letter.withdraw_reason,
        )
        for letter, sent_by, withdrawn_by in found
    ]  # fmt: skip


def letters_since(whose: ColumnElement[bool], since: datetime) -> ScalarSelect[int]:
    """How many letters that count were sent from `since` on to clients for whom `whose`, a condition, holds."""
    counted = select(func.count()).select_from(Letter).join(Client, Client.id == Letter.client_id)
    return counted.where(whose, counts_since(since)).scalar_subquery()


def counts_since(since: datetime) -> ColumnElement[bool]:
    """As a condition on `Letter`: it counts, and was sent from `since` on."""
    return and_(Letter.sent_at >= since, Letter.withdrawn_at.is_(None))
