"""The day's plan: whom to call, in which order, and who has the right to at the moment."""

from __future__ import annotations

import enum
from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.database import Base, UtcDateTime, one_of


class EntryKind(enum.StrEnum):
    """Why a client is in the plan."""

    CALLBACK = "callback"
    RETRY = "retry"
    HANDPICKED = "handpicked"
    GROUP = "group"


class EntryState(enum.StrEnum):
    """What became of an entry."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    DONE = "done"
    DROPPED = "dropped"


_WAITING = text("state = 'waiting'")
_CLAIMED = text("state = 'claimed'")
_ACTIVE = text("state IN ('waiting', 'claimed')")


class PlanEntry(Base):
    """One client on one day. The lowest `rank` comes first. It may be claimed from `opens_at` until `closes_at`: the
    campaign's hours on the client's clock, and not before `due_at`. `operator_id` `None`: anyone's."""

    __tablename__ = "plan_entries"
    __table_args__ = (
        CheckConstraint(
            "state <> 'claimed' OR (claimed_by IS NOT NULL AND claimed_until IS NOT NULL AND claimed_at IS NOT NULL)",
            name="claim_is_whole",
        ),
        CheckConstraint("opens_at < closes_at", name="window"),
        CheckConstraint("kind <> 'callback' OR callback_id IS NOT NULL", name="callback_named"),
        ForeignKeyConstraint(["client_id", "campaign_id"], ["clients.id", "clients.campaign_id"]),
        UniqueConstraint("id", "client_id", name="uq_plan_entries_of_client"),
        Index(
            "uq_plan_entries_active", "client_id", "day", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE
        ),
        Index(
            "uq_plan_entries_claimed_client", "client_id", unique=True, sqlite_where=_CLAIMED, postgresql_where=_CLAIMED
        ),
        Index(
            "uq_plan_entries_claimed_by", "claimed_by", unique=True, sqlite_where=_CLAIMED, postgresql_where=_CLAIMED
        ),
        Index(
            "ix_plan_entries_next",
            "rank",
            "due_at",
            "id",
            "opens_at",
            "closes_at",
            "operator_id",
            sqlite_where=_WAITING,
            postgresql_where=_WAITING,
        ),
        Index(None, "campaign_id", "day", "rank", "id"),
        Index(None, "callback_id"),
        Index(None, "claimed_by", "day"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    client_id: Mapped[int]
    day: Mapped[date]
    operator_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[EntryKind] = mapped_column(one_of(EntryKind, "kind"))
    rank: Mapped[int]
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    opens_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closes_at: Mapped[datetime] = mapped_column(UtcDateTime)
    callback_id: Mapped[int | None] = mapped_column(ForeignKey("callbacks.id"))
    state: Mapped[EntryState] = mapped_column(one_of(EntryState, "state"), default=EntryState.WAITING)
    claimed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text, default="")
