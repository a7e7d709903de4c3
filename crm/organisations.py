"""Organisations: the companies that are called, one row each whatever the number of campaigns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, Text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.errors import NotFound, Refused
from crm.mapping import Base, UtcDateTime, json_column
from crm.text_rules import fold, tidy
from crm.time_zones import zone

__all__ = ["Organisation", "add_organisation", "fold", "get_organisation"]


class Organisation(Base):
    """A company. `time_zone` is an IANA name, or "" while unknown; `attributes` holds what only some campaigns ask,
    such as `{"social_work": "yes"}`."""

    __tablename__ = "organisations"
    __table_args__ = (
        CheckConstraint("length(trim(name)) > 0", name="named"),
        CheckConstraint("headcount IS NULL OR headcount >= 0", name="headcount"),
        Index(None, "name_folded"),
        Index(None, "code"),
        Index(None, "tax_number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    name_folded: Mapped[str] = mapped_column(Text)
    city: Mapped[str] = mapped_column(Text, default="")
    industry: Mapped[str] = mapped_column(Text, default="")
    headcount: Mapped[int | None]
    tax_number: Mapped[str] = mapped_column(Text, default="")
    site: Mapped[str] = mapped_column(Text, default="")
    email: Mapped[str] = mapped_column(Text, default="")
    code: Mapped[str] = mapped_column(Text, default="")
    attributes: Mapped[dict[str, Any]] = mapped_column(json_column(), default=dict)
    time_zone: Mapped[str] = mapped_column(Text, default="")
    note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"eager_defaults": True, "version_id_col": version}  # noqa: RUF012 - as in `Base`


async def add_organisation(session: AsyncSession, *, name: str, now: datetime, **fields: Any) -> Organisation:
    """A new organisation; `fields` are further columns. Raises `Refused`."""
    name = tidy(name)
    if not name:
        raise Refused("organisation.needs_name")
    if fields.get("time_zone"):
        zone(fields["time_zone"])
    organisation = Organisation(name=name, name_folded=fold(name), created_at=now, **fields)
    session.add(organisation)
    await session.flush()
    return organisation


async def get_organisation(session: AsyncSession, organisation_id: int) -> Organisation:
    """Raises `NotFound`."""
    organisation = await session.get(Organisation, organisation_id)
    if organisation is None:
        raise NotFound("organisation.unknown")
    return organisation
