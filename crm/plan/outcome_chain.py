"""The outcomes of an attempt: one chain, of which the last counts."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import (
    ColumnElement,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    exists,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from crm.mapping import Base, UtcDateTime

_FIRST = text("supersedes_id IS NULL")
UNDONE: Final = "undone"  # the disposition of a reversal: the outcome before it was taken back at once


class Outcome(Base):
    """One outcome. A correction names the one that it `supersedes`; the outcomes of an attempt are one chain, of which
    the last counts; one that is "undone" says that there is none yet. Triggers refuse to change or delete one."""

    __tablename__ = "outcomes"
    __table_args__ = (
        UniqueConstraint("id", "attempt_id", name="uq_outcomes_of_attempt"),
        UniqueConstraint("supersedes_id"),
        ForeignKeyConstraint(["supersedes_id", "attempt_id"], ["outcomes.id", "outcomes.attempt_id"]),
        Index("uq_outcomes_first", "attempt_id", unique=True, sqlite_where=_FIRST, postgresql_where=_FIRST),
        Index(None, "attempt_id"),
        Index(None, "recorded_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[str] = mapped_column(String(32), ForeignKey("attempts.id"))
    disposition: Mapped[str] = mapped_column(String(24))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    full_name: Mapped[str] = mapped_column(Text, default="")
    summary: Mapped[str] = mapped_column(Text, default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    competitor: Mapped[str] = mapped_column(Text, default="")
    callback_at_local: Mapped[datetime | None] = mapped_column(DateTime(timezone=False))
    callback_words: Mapped[str] = mapped_column(Text, default="")
    asked_by: Mapped[str] = mapped_column(Text, default="")
    number_only: Mapped[bool] = mapped_column(default=False)
    note: Mapped[str] = mapped_column(Text, default="")
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    supersedes_id: Mapped[int | None]


async def current_outcome(session: AsyncSession, attempt_id: str) -> Outcome | None:
    """The outcome that counts: the last of the attempt's chain."""
    return await session.scalar(select(Outcome).where(Outcome.attempt_id == attempt_id, ~superseded()))


def superseded() -> ColumnElement[bool]:
    """Whether an `Outcome` was corrected by a later one."""
    later = aliased(Outcome)
    return exists().where(later.supersedes_id == Outcome.id)


async def versions_of(session: AsyncSession, attempt_id: str) -> list[Outcome]:
    """The whole chain, the first one first."""
    found = await session.scalars(select(Outcome).where(Outcome.attempt_id == attempt_id).order_by(Outcome.id))
    return list(found)
