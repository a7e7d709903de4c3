"""Outcomes: what the operator writes down after an attempt, and everything that follows from it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from crm.database import Base, UtcDateTime, json_column

_FIRST = text("supersedes_id IS NULL")


class Outcome(Base):
    """One outcome. A correction names the one that it `supersedes`; the outcomes of an attempt are one chain, of which
    the last counts."""

    __tablename__ = "outcomes"
    __table_args__ = (
        UniqueConstraint("id", "attempt_id", name="uq_outcomes_of_attempt"),
        UniqueConstraint("supersedes_id"),
        ForeignKeyConstraint(["supersedes_id", "attempt_id"], ["outcomes.id", "outcomes.attempt_id"]),
        Index("uq_outcomes_first", "attempt_id", unique=True, sqlite_where=_FIRST, postgresql_where=_FIRST),
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
    number_only: Mapped[bool] = mapped_column(default=False)
    note: Mapped[str] = mapped_column(Text, default="")
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    supersedes_id: Mapped[int | None]


class OutcomeDraft(Base):
    """What was typed and not yet saved, so that a reload loses nothing."""

    __tablename__ = "outcome_drafts"

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    fields: Mapped[dict[str, Any]] = mapped_column(json_column())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
