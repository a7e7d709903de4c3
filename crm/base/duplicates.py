"""Organisations that may be one: found by keys and by likeness of names, and kept as a queue to decide."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, UniqueConstraint, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.base.similar import Ground
from crm.mapping import Base, UtcDateTime, one_of


class PairState(enum.StrEnum):
    """What was decided about two organisations."""

    OPEN = "open"
    NOT_DUPLICATE = "not_duplicate"
    MERGED = "merged"


class DuplicatePair(Base):
    """Two organisations, the older one first. `score`: how alike the names are, 0 to 100."""

    __tablename__ = "duplicate_pairs"
    __table_args__ = (
        CheckConstraint("one_id < other_id", name="in_order"),
        UniqueConstraint("one_id", "other_id"),
        Index(None, "state", "score", "id"),
        Index(None, "other_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    one_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    other_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    ground: Mapped[Ground] = mapped_column(one_of(Ground, "ground"))
    score: Mapped[float] = mapped_column(Double)
    state: Mapped[PairState] = mapped_column(one_of(PairState, "state"), default=PairState.OPEN)
    found_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


async def pair_of(session: AsyncSession, one_id: int, other_id: int) -> DuplicatePair | None:
    """The pair of the two, whatever was decided."""
    first, second = sorted((one_id, other_id))
    return await session.scalar(
        select(DuplicatePair).where(DuplicatePair.one_id == first, DuplicatePair.other_id == second)
    )


async def settle_pair(
    session: AsyncSession,
    one_id: int,
    other_id: int,
    state: PairState,
    *,
    now: datetime,
    author_id: int | None,
    ground: Ground = Ground.NAME,
    score: float = 0.0,
) -> DuplicatePair:
    """Write down what was decided about the two; the pair is made if nobody has found it before."""
    pair = await pair_of(session, one_id, other_id)
    if pair is None:
        first, second = sorted((one_id, other_id))
        pair = DuplicatePair(one_id=first, other_id=second, ground=ground, score=score, found_at=now)
        session.add(pair)
    pair.state = state
    pair.decided_at, pair.decided_by = (None, None) if state is PairState.OPEN else (now, author_id)
    await session.flush()
    return pair
