"""Attempts: one persisted try at one number. The row is committed before anything goes to the network; its id is the SIP
Call-ID."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from crm.database import Base, UtcDateTime, one_of


class Result(enum.StrEnum):
    """What the network said."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    NO_SUCH_NUMBER = "no_such_number"
    UNAVAILABLE = "unavailable"
    TRUNK_FAILURE = "trunk_failure"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # the service stopped while the call was on its way
    UNCERTAIN = "uncertain"  # the service stopped between the row and the INVITE: nobody knows


_OPEN = text("ended_at IS NULL")


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
    talk_seconds: Mapped[float | None]
    result: Mapped[Result | None] = mapped_column(one_of(Result, "result"))
    sip_code: Mapped[int | None]
    phrase: Mapped[str] = mapped_column(Text, default="")
    proposed_disposition: Mapped[str | None] = mapped_column(String(24))
    imported: Mapped[bool] = mapped_column(default=False)
    talked: Mapped[bool] = mapped_column(
        Computed("answered_at IS NOT NULL AND talk_seconds IS NOT NULL AND talk_seconds > 0", persisted=True)
    )
