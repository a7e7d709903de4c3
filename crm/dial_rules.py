"""Whether a client may be dialled now, and if not, why: the one function that both decides and explains."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from crm.database import Base, UtcDateTime


class Switch(Base):
    """The one row that says whether all dialling has been stopped."""

    __tablename__ = "switches"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    dialling_stopped: Mapped[bool] = mapped_column(default=False)
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
