"""Callbacks: agreed repeat contacts, each with exactly one owner, due at a time on the client's clock."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.database import Base, UtcDateTime, one_of


class CallbackState(enum.StrEnum):
    """What became of a promise."""

    OPEN = "open"
    KEPT = "kept"
    LATE = "late"
    BROKEN = "broken"
    MOVED = "moved"  # another time was agreed before it was tried
    WITHDRAWN = "withdrawn"  # written by mistake, or the client asked not to be called


_OPEN = text("state = 'open'")


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
