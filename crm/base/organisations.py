"""Organisations: the companies that are called, one row each whatever the number of campaigns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, Index, Text, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, validates

from crm.base.organisation_keys import domain_key, email_key, name_key, name_skeleton, tax_key
from crm.errors import NotFound
from crm.mapping import Base, UtcDateTime, Versioned, json_column
from crm.text_rules import fold, required
from crm.time_zones import zone

__all__ = ["Organisation", "add_organisation", "fold", "get_organisation", "hold_organisations"]

_AT_ONCE: Final = 1_000  # values in one statement


def _filled(column: str) -> dict[str, Any]:
    return {"sqlite_where": text(f"{column} <> ''"), "postgresql_where": text(f"{column} <> ''")}


class Organisation(Versioned, Base):
    """A company. `time_zone` is an IANA name, or "" while unknown; `attributes` holds what only some campaigns ask,
    such as `{"social_work": "yes"}`. What it is compared by (`crm.base.organisation_keys`) follows what is set; whoever
    writes past this class writes the keys too."""

    __tablename__ = "organisations"
    __table_args__ = (
        CheckConstraint("length(trim(name)) > 0", name="named"),
        CheckConstraint("headcount IS NULL OR headcount >= 0", name="headcount"),
        Index(None, "name_folded"),
        Index(None, "code"),
        Index(None, "tax_number"),
        # Beginnings of names are looked for, in whatever order the server has letters.
        Index(None, "name_key", "city", postgresql_ops={"name_key": "text_pattern_ops"}),
        *(Index(f"ix_organisations_{key}", key, **_filled(key)) for key in ("tax_key", "domain_key", "email_key")),
        Index(None, "name_skeleton", "city"),
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
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)
    name_key: Mapped[str] = mapped_column(Text, default="", server_default="")
    name_skeleton: Mapped[str] = mapped_column(Text, default="", server_default="")
    tax_key: Mapped[str] = mapped_column(Text, default="", server_default="")
    domain_key: Mapped[str] = mapped_column(Text, default="", server_default="")
    email_key: Mapped[str] = mapped_column(Text, default="", server_default="")

    @validates("name", "tax_number", "site", "email")
    def _keep_keys(self, column: str, value: str) -> str:
        match column:
            case "name":
                self.name_folded = fold(value)
                self.name_key, self.name_skeleton = name_key(value), name_skeleton(value)
            case "tax_number":
                self.tax_key = tax_key(value)
            case "site":
                self.domain_key = domain_key(value)
            case _:
                self.email_key = email_key(value)
        return value


async def add_organisation(session: AsyncSession, *, name: str, now: datetime, **fields: Any) -> Organisation:
    """A new organisation; `fields` are further columns. Raises `Refused`."""
    name = required(name, "organisation.needs_name")
    if fields.get("time_zone"):
        zone(fields["time_zone"])
    organisation = Organisation(name=name, created_at=now, **fields)
    session.add(organisation)
    await session.flush()
    return organisation


async def get_organisation(session: AsyncSession, organisation_id: int) -> Organisation:
    """Raises `NotFound`."""
    organisation = await session.get(Organisation, organisation_id)
    if organisation is None:
        raise NotFound("organisation.unknown")
    return organisation


async def hold_organisations(session: AsyncSession, organisation_ids: Iterable[int]) -> None:
    """Let nobody else call, change, merge or erase these until the transaction ends. Before any row of theirs is
    locked: see "Locks" in `docs/architecture.md`."""
    these = sorted(set(organisation_ids))
    for first in range(0, len(these), _AT_ONCE):
        held = select(Organisation.id).where(Organisation.id.in_(these[first : first + _AT_ONCE]))
        await session.execute(held.order_by(Organisation.id).with_for_update(key_share=True))
