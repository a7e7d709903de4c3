"""Filters of the list of clients that are saved by a name: for oneself, or for everybody."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.errors import Conflict, NotAllowed, NotFound, Refused
from crm.group import Group
from crm.mapping import Base, UtcDateTime, Versioned, json_column
from crm.reading.client_list import ClientFilters
from crm.text_rules import fold, tidy

_SHARED: Final = text("shared")
_PRIVATE: Final = text("NOT shared")


class SavedFilter(Versioned, Base):
    """A filter. `narrowing`: the fields of `ClientFilters` that are set. A private one is seen by its owner alone; no
    two that somebody sees side by side have one name. `owner_id` is None for one that was shared from the command
    line."""

    __tablename__ = "saved_filters"
    __table_args__ = (
        CheckConstraint("length(trim(name)) > 0", name="named"),
        CheckConstraint("shared OR owner_id IS NOT NULL", name="private_is_somebodys"),
        Index("uq_saved_filters_shared", "name_folded", unique=True, sqlite_where=_SHARED, postgresql_where=_SHARED),
        Index(
            "uq_saved_filters_private", "owner_id", "name_folded", unique=True,
            sqlite_where=_PRIVATE, postgresql_where=_PRIVATE,
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    name_folded: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    shared: Mapped[bool] = mapped_column(default=False)
    narrowing: Mapped[dict[str, Any]] = mapped_column(json_column())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    @property
    def filters(self) -> ClientFilters:
        return filters_of(self.narrowing)


def narrowing_of(filters: ClientFilters) -> dict[str, Any]:
    """What is set, to be stored."""
    return {name: value for name, value in asdict(filters).items() if value not in ("", None)}


def filters_of(narrowing: dict[str, Any]) -> ClientFilters:
    """As it was before it was stored."""
    group = narrowing.get("group")
    return ClientFilters(**(narrowing | {"group": Group(group) if group else None}))


async def save_filter(
    session: AsyncSession,
    *,
    name: str,
    filters: ClientFilters,
    now: datetime,
    shared: bool = False,
    owner_id: int | None = None,
) -> SavedFilter:
    """A new filter. Raises `Refused` without a name, or when it narrows nothing; `Conflict` when one of that name is
    seen by those who would see this one."""
    name, narrowing = tidy(name), narrowing_of(replace(filters, text=tidy(filters.text)))
    if not name:
        raise Refused("filter.needs_name")
    if not narrowing:
        raise Refused("filter.narrows_nothing")
    folded = fold(name)
    same = select(SavedFilter.id).where(SavedFilter.name_folded == folded)
    if not shared:
        same = same.where(_seen_by(owner_id))
    if await session.scalar(same.limit(1)) is not None:
        raise Conflict("filter.exists", name=name)
    saved = SavedFilter(
        name=name, name_folded=folded, owner_id=owner_id, shared=shared, narrowing=narrowing, created_at=now
    )
    session.add(saved)
    await session.flush()
    details = {"name": name, "shared": shared, "narrowing": narrowing}
    _note(session, saved, audit.FILTER_SAVED, details, now=now, author_id=owner_id)
    return saved


async def remove_filter(
    session: AsyncSession, *, filter_id: int, now: datetime, user_id: int | None, sets_rules: bool
) -> None:
    """Remove one's own filter; whoever `sets_rules` also one that is shared. Raises `NotFound`, also for what is
    another's alone, and `NotAllowed`."""
    saved = await session.scalar(select(SavedFilter).where(SavedFilter.id == filter_id, _seen_by(user_id)))
    if saved is None:
        raise NotFound("filter.unknown", name=filter_id)
    if saved.owner_id != user_id and not sets_rules:
        raise NotAllowed("filter.not_yours")
    _note(session, saved, audit.FILTER_REMOVED, {"name": saved.name}, now=now, author_id=user_id)
    await session.delete(saved)
    await session.flush()


async def filters_seen_by(session: AsyncSession, user_id: int | None) -> list[SavedFilter]:
    """Those shared, and the user's own, by name."""
    found = await session.scalars(
        select(SavedFilter).where(_seen_by(user_id)).order_by(SavedFilter.name_folded, SavedFilter.id)
    )
    return list(found)


async def filter_named(session: AsyncSession, *, name: str, user_id: int | None) -> SavedFilter:
    """The filter of that name that the user sees. Raises `NotFound`."""
    named = select(SavedFilter).where(SavedFilter.name_folded == fold(name), _seen_by(user_id))
    found = await session.scalar(named.order_by(SavedFilter.shared).limit(1))
    if found is None:
        raise NotFound("filter.unknown", name=name)
    return found


def _seen_by(user_id: int | None) -> Any:
    return or_(SavedFilter.shared, SavedFilter.owner_id == user_id)


def _note(
    session: AsyncSession,
    saved: SavedFilter,
    action: str,
    details: dict[str, object],
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    audit.note(session, at=now, user_id=author_id, action=action, subject=f"filter:{saved.id}", details=details)
