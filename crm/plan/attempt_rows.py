"""The attempt's row: one persisted try at one number. What happens to it is in `crm.calls.attempts`."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.errors import NotFound
from crm.mapping import WEAK_LOCK, Base, UtcDateTime, one_of
from crm.preparation.results import Result

FIRST_NODE: Final = "main"
_OPEN = text("ended_at IS NULL")
_TO_WRAP_UP = text("wrapped_up_at IS NULL AND NOT imported")


class Attempt(Base):
    """A try. `id` is a uuid4 in hex; `dialled` the E.164 number; `talk_seconds` from the answer to the end; `node` the
    service that makes the call, "" for an imported one. `talked` is generated: contacts point at it."""

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
        Index(None, "dialled", "opened_at"),
        Index(None, "operator_id", "opened_at"),
        Index(None, "opened_at", "id"),
        Index(None, "plan_entry_id"),
        Index("ix_attempts_to_wrap_up", "operator_id", sqlite_where=_TO_WRAP_UP, postgresql_where=_TO_WRAP_UP),
        Index("ix_attempts_to_wrap_up_client", "client_id", sqlite_where=_TO_WRAP_UP, postgresql_where=_TO_WRAP_UP),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    phone_number_id: Mapped[int | None] = mapped_column(ForeignKey("phone_numbers.id"))
    dialled: Mapped[str] = mapped_column(String(16))
    operator_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    plan_entry_id: Mapped[int | None]
    callback_id: Mapped[int | None] = mapped_column(ForeignKey("callbacks.id"))
    node: Mapped[str] = mapped_column(Text, default="")
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


# As the partial index says it: SQLite, which stores truth as a number, would be asked for "imported = 0" otherwise.
NOT_IMPORTED: Final[ColumnElement[bool]] = literal_column("NOT attempts.imported")


async def get_attempt(session: AsyncSession, attempt_id: str, *, lock: bool = False) -> Attempt:
    """The attempt; `lock` holds its row until the transaction ends. Raises `NotFound`."""
    attempt = await session.get(
        Attempt, attempt_id, with_for_update=WEAK_LOCK if lock else None, populate_existing=lock
    )
    if attempt is None:
        raise NotFound("attempt.unknown")
    return attempt
