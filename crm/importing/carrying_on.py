"""Imports that are being confirmed or undone, carried on transaction by transaction until they are through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.importing.clients import BATCH, Progress
from crm.importing.confirming import confirm_some
from crm.importing.imports import Import, UnderWay, get_import
from crm.importing.undoing import undo_some

if TYPE_CHECKING:
    from crm.database import Database

_BREATH_S: Final = 0.15  # SQLite: another process that waits to write looks again at least every 100 ms


async def left_under_way(session: AsyncSession) -> list[int]:
    """The imports that are being confirmed or undone, or were when somebody was interrupted."""
    return list(await session.scalars(select(Import.id).where(Import.under_way.is_not(None)).order_by(Import.id)))


async def carry_on(
    database: Database,
    import_id: int,
    *,
    region: str,
    clock: Callable[[], datetime],
    progress: Progress | None = None,
    most: int | None = None,
    limit: int = BATCH,
    stopped: Callable[[], bool] = lambda: False,
    breathe: Callable[[], Awaitable[None]] | None = None,
) -> Import:
    """Confirm or undo the next rows of the import, `limit` in each transaction, until it is through, after `most`
    transactions, or when `stopped`; one that is not under way is left as it is. Several may do it at once: they take
    turns. Between two transactions `breathe` lets others write. Raises `NotFound`, and `Refused` when the erased
    cannot be told."""
    done = 0
    while True:
        async with database.transaction() as session:
            found = await get_import(session, import_id, lock=True)
            if found.under_way is UnderWay.CONFIRMING:
                await confirm_some(session, found, region=region, now=clock(), limit=limit)
            elif found.under_way is UnderWay.UNDOING:
                await undo_some(session, found, now=clock(), limit=limit)
        done += 1
        if progress is not None:
            progress(found.done, found.row_count)
        if found.under_way is None or done == most or stopped():
            return found
        if breathe is not None:
            await breathe()
        else:
            await asyncio.sleep(_BREATH_S if database.dialect == "sqlite" else 0)
