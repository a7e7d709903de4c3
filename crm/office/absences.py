"""Days on which somebody is away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, Text, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from crm.mapping import Base, UtcDateTime


class Absence(Base):
    """From `first_day` to `last_day`, both included, of the person's own calendar."""

    __tablename__ = "absences"
    __table_args__ = (
        CheckConstraint("first_day <= last_day", name="days"),
        Index(None, "user_id", "last_day"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    first_day: Mapped[date]
    last_day: Mapped[date]
    reason: Mapped[str] = mapped_column(Text, default="")
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


def away_on(user_id: InstrumentedAttribute[Any], day: date) -> ColumnElement[bool]:
    """As a condition: the user in the column `user_id` is away that day."""
    return exists().where(Absence.user_id == user_id, Absence.first_day <= day, Absence.last_day >= day)


async def is_away(session: AsyncSession, user_id: int, day: date) -> bool:
    """Whether the user is away that day."""
    away = select(Absence.id).where(Absence.user_id == user_id, Absence.first_day <= day, Absence.last_day >= day)
    return await session.scalar(away.limit(1)) is not None


async def who_is_away(session: AsyncSession, day: date) -> set[int]:
    """The ids of the users who are away that day."""
    away = select(Absence.user_id).where(Absence.first_day <= day, Absence.last_day >= day)
    return set(await session.scalars(away))


async def absences_from(session: AsyncSession, day: date) -> Sequence[Absence]:
    """Those that are not over on `day`, the earliest first."""
    return list(
        await session.scalars(
            select(Absence).where(Absence.last_day >= day).order_by(Absence.first_day, Absence.user_id, Absence.id)
        )
    )
