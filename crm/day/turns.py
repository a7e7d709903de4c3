"""Who waits in the plan and may be called now, in the plan's order, without looking at those who may not.

The clients of the groups can be a hundred thousand, and on any afternoon those of the east stand in front with their
hours over. They share few windows though (one for each group and time zone), and an index lists the entries window by
window: jumping from window to window costs as many steps as there are windows, however many clients stand in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from crm.base.organisations import Organisation
from crm.clientele.clients import Client
from crm.day.order_rules import WINDOW_ORDER
from crm.plan.plan_entries import OF_GROUP, RANK_RETRY, WAITING, PlanEntry

_Window = tuple[int, datetime, datetime]


async def next_waiting(
    session: AsyncSession, *, operator_id: int, now: datetime, passed_over: AbstractSet[int] = frozenset()
) -> PlanEntry | None:
    """The first entry that this operator may claim at `now`; `passed_over` are clients to leave out.

    The entry, its client and the organisation are held until the transaction ends, so that what is asked of the client
    from then on stays true until the claim is there. Whom somebody else is changing at this moment is stepped past:
    nobody is waited for, so the order of locks does not matter.
    """
    due, others = (
        _singled_out(now).where(PlanEntry.place.is_(None), at_rank)
        for at_rank in (PlanEntry.rank <= RANK_RETRY, PlanEntry.rank > RANK_RETRY)
    )
    in_windows = [_in_window(window) for window in await _open_windows(session, now)]
    for waiting in (due, _placed(operator_id, now), others, *in_windows):
        waiting = waiting.where(or_(PlanEntry.operator_id.is_(None), PlanEntry.operator_id == operator_id))
        if passed_over:
            waiting = waiting.where(PlanEntry.client_id.not_in(passed_over))
        entry = await session.scalar(_held(session, waiting.limit(1)))
        if entry is not None:
            return entry
    return None


def _held(session: AsyncSession, waiting: Select[PlanEntry]) -> Select[PlanEntry]:
    if session.get_bind().dialect.name == "sqlite":
        return waiting  # it has one writer
    with_client = waiting.join(Client, Client.id == PlanEntry.client_id).join(
        Organisation, Organisation.id == Client.organisation_id
    )
    return with_client.with_for_update(skip_locked=True, key_share=True)


def _singled_out(now: datetime) -> Select[PlanEntry]:
    """Promises, retries, clients picked by hand: few, each with hours of its own."""
    return (
        select(PlanEntry)
        .where(PlanEntry.state == WAITING, PlanEntry.kind != OF_GROUP, PlanEntry.opens_at <= now)
        .where(PlanEntry.closes_at > now)
        .order_by(PlanEntry.rank, PlanEntry.due_at, PlanEntry.id)
    )


def _placed(operator_id: int, now: datetime) -> Select[PlanEntry]:
    """What somebody has put in an order for this operator."""
    return (
        select(PlanEntry)
        .where(PlanEntry.state == WAITING, PlanEntry.place.is_not(None), PlanEntry.operator_id == operator_id)
        .where(PlanEntry.opens_at <= now, PlanEntry.closes_at > now)
        .order_by(PlanEntry.day, PlanEntry.place)
    )


def _in_window(window: _Window) -> Select[PlanEntry]:
    rank, opens_at, closes_at = window
    return (
        select(PlanEntry)
        .where(PlanEntry.state == WAITING, PlanEntry.kind == OF_GROUP, PlanEntry.rank == rank)
        .where(PlanEntry.opens_at == opens_at, PlanEntry.closes_at == closes_at)
        .order_by(PlanEntry.id)
    )


async def _open_windows(session: AsyncSession, now: datetime) -> list[_Window]:
    windows = group_windows().where(PlanEntry.opens_at <= now, PlanEntry.closes_at > now)
    return [(rank, opens_at, closes_at) for rank, opens_at, closes_at in await session.execute(windows)]


def group_windows() -> Select[int, datetime, datetime]:
    """Each rank and window that clients of the groups wait in, once: `rank`, `opens_at`, `closes_at`, in order.

    Every step seeks the first entry beyond the window that the step before has found, by one column after the other:
    SQLite would walk through all that are equal if it were asked for a greater row of three.
    """
    first, here = aliased(PlanEntry), aliased(PlanEntry)
    walk = select(_first_of(first).scalar_subquery().label("id")).cte("walk", recursive=True)
    beyond = func.coalesce(*[following.correlate(here).scalar_subquery() for following in _beyond(here)])
    walk = walk.union_all(select(beyond).join_from(walk, here, here.id == walk.c.id))
    window = _window_of(PlanEntry)
    return select(*window).join_from(walk, PlanEntry, PlanEntry.id == walk.c.id).order_by(*window)


def _beyond(here: type[PlanEntry]) -> Iterator[Select[int]]:
    """Of the same rank and opening one that closes later; of the same rank one that opens later; of a later rank."""
    for place, column in reversed(list(enumerate(WINDOW_ORDER))):
        there = aliased(PlanEntry)
        alike = [getattr(there, name) == getattr(here, name) for name in WINDOW_ORDER[:place]]
        yield _first_of(there).where(*alike, getattr(there, column) > getattr(here, column))


def _first_of(entries: type[PlanEntry]) -> Select[int]:
    waiting = select(entries.id).where(entries.state == WAITING, entries.kind == OF_GROUP)
    return waiting.order_by(*_window_of(entries)).limit(1)


def _window_of(entries: type[PlanEntry]) -> tuple[Any, Any, Any]:
    rank, opens_at, closes_at = (getattr(entries, name) for name in WINDOW_ORDER)
    return rank, opens_at, closes_at
