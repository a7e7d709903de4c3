"""Entries of the day's plan: one client on one day, waiting, claimed, done or dropped."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, cast

from sqlalchemy import (
    CheckConstraint,
    CursorResult,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Insert,
    Text,
    UniqueConstraint,
    Update,
    false,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import transitions
from crm.clientele.clients import Client
from crm.errors import Conflict, NotFound
from crm.mapping import WEAK_LOCK, Base, UtcDateTime, one_of
from crm.preparation.calling_hours import Window

RANK_CALLBACK: Final = 0
RANK_RETRY: Final = 1
RANK_HANDPICKED: Final = 2
_AT_ONCE: Final = 1_000  # values in one statement


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


def _only(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class PlanEntry(Base):
    """One client on one day. The lowest `rank` comes first, then the earliest `due_at`. It may be claimed from
    `opens_at` until before `closes_at`. `operator_id` `None`: anyone's. `day` is the campaign's. `place`: where
    somebody has put it in that person's day. `assigned`: somebody has decided whose it is, whoever owns the client."""

    __tablename__ = "plan_entries"
    __table_args__ = (
        CheckConstraint(
            "state <> 'claimed' OR (claimed_by IS NOT NULL AND claimed_until IS NOT NULL AND claimed_at IS NOT NULL)",
            name="claim_is_whole",
        ),
        CheckConstraint("opens_at < closes_at", name="window"),
        CheckConstraint("kind <> 'callback' OR callback_id IS NOT NULL", name="callback_named"),
        CheckConstraint("place IS NULL OR operator_id IS NOT NULL", name="place"),
        CheckConstraint("NOT assigned OR operator_id IS NOT NULL", name="assigned"),
        ForeignKeyConstraint(["client_id", "campaign_id"], ["clients.id", "clients.campaign_id"]),
        UniqueConstraint("id", "client_id", name="uq_plan_entries_of_client"),
        Index("uq_plan_entries_active", "client_id", "day", unique=True, **_only("state IN ('waiting', 'claimed')")),
        Index("uq_plan_entries_claimed_client", "client_id", unique=True, **_only("state = 'claimed'")),
        Index("uq_plan_entries_claimed_by", "claimed_by", unique=True, **_only("state = 'claimed'")),
        Index(
            "ix_plan_entries_singled_out",
            *("rank", "due_at", "id", "opens_at", "closes_at", "operator_id", "client_id"),
            **_only("state = 'waiting' AND kind <> 'group'"),
        ),
        Index(
            "ix_plan_entries_windows",
            *("rank", "opens_at", "closes_at", "id", "operator_id", "client_id"),
            **_only("state = 'waiting' AND kind = 'group'"),
        ),
        Index("ix_plan_entries_placed", "operator_id", "place", **_only("state = 'waiting' AND place IS NOT NULL")),
        Index("ix_plan_entries_of_person", "operator_id", "day", **_only("operator_id IS NOT NULL")),
        Index("ix_plan_entries_waiting_day", "campaign_id", "day", **_only("state = 'waiting' AND kind <> 'callback'")),
        Index(None, "campaign_id", "day", "rank", "due_at", "id"),
        Index(None, "client_id", "day"),
        Index("ix_plan_entries_callback", "callback_id", **_only("callback_id IS NOT NULL")),
        Index("ix_plan_entries_claimed_by", "claimed_by", "day", **_only("claimed_by IS NOT NULL")),
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
    place: Mapped[int | None]
    assigned: Mapped[bool] = mapped_column(default=False, server_default=false())


# Written into the statements: a partial index serves only a statement whose condition can be read when it is planned.
WAITING: Final = literal(EntryState.WAITING, PlanEntry.__table__.c.state.type, literal_execute=True)
CLAIMED: Final = literal(EntryState.CLAIMED, PlanEntry.__table__.c.state.type, literal_execute=True)
OF_GROUP: Final = literal(EntryKind.GROUP, PlanEntry.__table__.c.kind.type, literal_execute=True)
PROMISED: Final = literal(EntryKind.CALLBACK, PlanEntry.__table__.c.kind.type, literal_execute=True)


def group_rank(priority: int, utc_offset_min: int) -> int:
    """Groups by priority (0 the first), within a group the east before the west: its clients' day ends first."""
    return 1000 * (1 + priority) + (14 * 60 - utc_offset_min) // 15


async def get_entry(session: AsyncSession, entry_id: int) -> PlanEntry:
    """The entry, its row held until the transaction ends. Raises `NotFound`."""
    entry = await session.get(PlanEntry, entry_id, with_for_update=WEAK_LOCK, populate_existing=True)
    if entry is None:
        raise NotFound("plan.entry_unknown")
    return entry


class NotYours(Conflict):
    """Somebody else has the entry, or nobody any more."""


async def own_entry(session: AsyncSession, entry_id: int, operator_id: int) -> PlanEntry:
    """The entry that the operator has, held as `get_entry` holds it. Raises `NotYours`, `NotFound`."""
    entry = await get_entry(session, entry_id)
    if entry.state is not EntryState.CLAIMED or entry.claimed_by != operator_id:
        raise NotYours("plan.not_yours")
    return entry


async def active_entries(session: AsyncSession, client_id: int) -> list[PlanEntry]:
    """Waiting and claimed entries of a client on any day."""
    found = await session.scalars(
        select(PlanEntry)
        .where(PlanEntry.client_id == client_id, PlanEntry.state.in_((EntryState.WAITING, EntryState.CLAIMED)))
        .order_by(PlanEntry.day)
    )
    return list(found)


async def with_active_entries(session: AsyncSession, client_ids: Sequence[int]) -> set[int]:
    """Which of these clients have a waiting or claimed entry on any day."""
    found = set[int]()
    for first in range(0, len(client_ids), _AT_ONCE):
        these = client_ids[first : first + _AT_ONCE]
        active = PlanEntry.state.in_((EntryState.WAITING, EntryState.CLAIMED))
        found.update(await session.scalars(select(PlanEntry.client_id).where(PlanEntry.client_id.in_(these), active)))
    return found


async def claimed_entry(session: AsyncSession, operator_id: int) -> PlanEntry | None:
    """The one entry that the operator holds."""
    return await session.scalar(
        select(PlanEntry).where(PlanEntry.claimed_by == operator_id, PlanEntry.state == CLAIMED)
    )


def set_state(session: AsyncSession, entry: PlanEntry, state: EntryState, *, on: str) -> None:
    """One entry goes to `state` because of `on` (a code), with its line in the log. A claim is given up with it."""
    transitions.note(session, "plan entry", entry=entry.id, client=entry.client_id, was=entry.state, on=on, now=state)
    entry.state = state
    if state is EntryState.WAITING:
        entry.claimed_by, entry.claimed_at, entry.claimed_until = None, None, None


async def set_states(
    session: AsyncSession, these: Update, *, was: EntryState, on: str, now: EntryState, **labels: Any
) -> None:
    """All entries that `these` finds go from `was` to `now`: one statement, and one line in the log with their number.
    Entries that the session holds already learn of it only where the caller reads them again."""
    done = await session.execute(these.values(state=now))
    if entries := cast("CursorResult[Any]", done).rowcount:
        transitions.note(session, "plan entries", entries=entries, was=was, on=on, now=now, **labels)


def adding_new(session: AsyncSession) -> Insert:
    """An INSERT of entries that leaves out clients who have got one for that day meanwhile: somebody has picked them
    by hand."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    adding: Insert = dialect.insert(PlanEntry.metadata.tables[PlanEntry.__tablename__]).on_conflict_do_nothing()
    return adding


async def drop_waiting(session: AsyncSession, *, client_id: int, reason: str, now: datetime) -> None:
    """Take the client out of the plan, on every day; what is claimed stays."""
    await set_states(
        session,
        update(PlanEntry)
        .where(PlanEntry.client_id == client_id, PlanEntry.state == EntryState.WAITING)
        .values(reason=reason, done_at=now),
        was=EntryState.WAITING,
        on=reason,
        now=EntryState.DROPPED,
        client=client_id,
    )


async def put_in_plan(
    session: AsyncSession,
    *,
    client: Client,
    day: date,
    kind: EntryKind,
    rank: int,
    window: Window,
    due_at: datetime | None = None,
    operator_id: int | None = None,
    callback_id: int | None = None,
    is_new: bool = False,
) -> PlanEntry | None:
    """One entry for the client on that day: the waiting one is changed, otherwise one is made. `None` when the client
    is claimed at the moment. Hold the client's row. `is_new`: whoever calls knows that the client has no entry, and
    flushes, so that thousands are written at once."""
    active = [] if is_new else await active_entries(session, client.id)
    if any(entry.state is EntryState.CLAIMED for entry in active):
        return None
    entry = next((entry for entry in active if entry.day == day), None)
    if entry is None:
        entry = PlanEntry(campaign_id=client.campaign_id, client_id=client.id, day=day, state=EntryState.WAITING)
        session.add(entry)
    entry.kind, entry.rank, entry.due_at, entry.operator_id = kind, rank, due_at, operator_id
    entry.opens_at, entry.closes_at, entry.callback_id = window.opens_at, window.closes_at, callback_id
    entry.place, entry.assigned = None, False
    if not is_new:
        await session.flush()
    return entry
