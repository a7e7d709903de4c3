"""Two transactions of which the second begins while the first has done its work and is not committed yet.

PostgreSQL runs both: what the second reads without a lock is as it was before the first. SQLite has one writer, so
there the second waits for its turn; what they may come to together is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from crm.database import Database
from crm.errors import CrmError

Work = Callable[[AsyncSession], Awaitable[Any]]

_WAITING: Final = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
)


async def overlap(
    database: Database, first: Work, second: Work, *, then: Work | None = None, anew: bool = False
) -> tuple[Any, Any]:
    """What `first` and `second` returned, or the `CrmError` that refused them. `first` is committed once `second` has
    ended or waits for a lock, after `then`, which goes on in its transaction. `anew`: whichever of the two the database
    ends for the sake of the other, is begun again."""
    begun, done = asyncio.Event(), asyncio.Event()

    async def held(session: AsyncSession) -> Any:
        result = await first(session)
        await session.flush()
        begun.set()
        await done.wait()
        if then is not None:
            await then(session)
        return result

    async def hold() -> Any:
        try:
            return await carried_out(held)
        finally:
            begun.set()

    async def carried_out(work: Work) -> Any:
        if anew:
            return await database.carry_out(work)
        async with database.transaction() as session:
            return await work(session)

    holding = asyncio.create_task(_ended(hold()))
    await begun.wait()
    following = asyncio.create_task(_ended(carried_out(second)))
    try:
        while database.dialect == "postgresql" and not following.done() and not await _somebody_waits(database):
            pass
    finally:
        done.set()
    return await holding, await following


async def _ended(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except CrmError as refused:
        return refused


async def _somebody_waits(database: Database) -> bool:
    async with database.reading() as session:
        return bool(await session.scalar(_WAITING))
