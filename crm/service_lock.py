"""The lock that keeps a second service off a database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from crm.database import Base, UtcDateTime


class ServiceNode(Base):
    """The service that last took the lock of this name, to be named to whoever is refused."""

    __tablename__ = "service_nodes"

    lock_name: Mapped[str] = mapped_column(String(64), primary_key=True)
    node: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
