"""What an operator learns in mid-call: another number, another person; to be called next."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from crm.mapping import Base, UtcDateTime


class LearntNumber(Base):
    """Where a number comes from: a call. `call_next`: it is to be dialled once that call is written down."""

    __tablename__ = "learnt_numbers"
    __table_args__ = (Index(None, "attempt_id"),)

    phone_number_id: Mapped[int] = mapped_column(ForeignKey("phone_numbers.id"), primary_key=True)
    attempt_id: Mapped[str] = mapped_column(String(32), ForeignKey("attempts.id"))
    call_next: Mapped[bool]
    learnt_at: Mapped[datetime] = mapped_column(UtcDateTime)
