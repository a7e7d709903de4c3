"""Sheets as rows: the answers of a client to a questionnaire, and each state that they have had."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.mapping import Base, UtcDateTime, json_column


class Sheet(Base):
    """What a client has answered to a questionnaire, the answers of its state with the number `newest`. Triggers refuse
    to delete it."""

    __tablename__ = "sheets"
    __table_args__ = (
        CheckConstraint("newest > 0", name="has_state"),
        UniqueConstraint("client_id", "questionnaire_id"),
        UniqueConstraint("id", "client_id", "questionnaire_id", name="uq_sheets_whose"),
        Index(None, "questionnaire_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    questionnaire_id: Mapped[int] = mapped_column(ForeignKey("questionnaires.id"))
    newest: Mapped[int]


class SheetState(Base):
    """The answers as somebody wrote them down, in the version that they answer. `complete`: every question that needs
    an answer has one. `attempt_id`: the call in which they were given, `None` for a correction. Triggers refuse to
    delete or to change one, but for an erasure, which sets `erased_at`."""

    __tablename__ = "sheet_states"
    __table_args__ = (
        UniqueConstraint("sheet_id", "number"),
        ForeignKeyConstraint(
            ["sheet_id", "client_id", "questionnaire_id"], ["sheets.id", "sheets.client_id", "sheets.questionnaire_id"]
        ),
        ForeignKeyConstraint(
            ["version_id", "questionnaire_id"], ["questionnaire_versions.id", "questionnaire_versions.questionnaire_id"]
        ),
        ForeignKeyConstraint(["attempt_id", "client_id"], ["attempts.id", "attempts.client_id"]),
        Index(None, "version_id"),
        Index(None, "attempt_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sheet_id: Mapped[int]
    number: Mapped[int]
    client_id: Mapped[int]
    questionnaire_id: Mapped[int]
    version_id: Mapped[int]
    attempt_id: Mapped[str | None] = mapped_column(String(32))
    answers: Mapped[dict[str, Any]] = mapped_column(json_column())
    complete: Mapped[bool]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
