"""Erasures as rows: what was asked, what was blanked, and by what the erased are known should they come back."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from crm.mapping import Base, UtcDateTime, json_column, one_of


class Erased(enum.StrEnum):
    """Who was erased."""

    PERSON = "person"
    ORGANISATION = "organisation"


class ErasureCompletion(Base):
    """An erasure that is whole: how many texts of which column were `blanked`, by "table.column"."""

    __tablename__ = "erasure_completions"

    erasure_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    blanked: Mapped[dict[str, Any]] = mapped_column(json_column())


class Erasure(Base):
    """An erasure, `reason` in words: who asked, when and how. It is under way until its completion is written, and the
    database lets no transaction end before: only such a transaction may blank what is append-only."""

    __tablename__ = "erasures"
    __table_args__ = (
        CheckConstraint("length(trim(reason)) > 0", name="reason"),
        CheckConstraint("(whom = 'person') = (person_id IS NOT NULL)", name="whom_is_named"),
    )

    id: Mapped[int] = mapped_column(
        ForeignKey("erasure_completions.erasure_id", deferrable=True, initially="DEFERRED"),
        primary_key=True,
        autoincrement=True,
    )
    whom: Mapped[Erased] = mapped_column(one_of(Erased, "whom"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    reason: Mapped[str] = mapped_column(Text)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class Tombstone(Base):
    """A keyed digest of something by which an erased person, organisation or number would come back."""

    __tablename__ = "tombstones"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    erasure_id: Mapped[int] = mapped_column(ForeignKey("erasures.id"))
