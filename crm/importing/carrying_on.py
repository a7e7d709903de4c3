"""Imports that are under way, carried on transaction by transaction until they are through."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.importing.clients import BATCH, Progress
from crm.importing.confirming import confirm_some
from crm.importing.imports import Import, UnderWay, get_import
from crm.importing.keeping import Breathing, breather, forget_some, left_half_read, take_over
from crm.importing.undoing import undo_some

if TYPE_CHECKING:
    from crm.database import Database


async def left_under_way(session: AsyncSession, *, now: datetime) -> list[int]:
    """The imports that are being confirmed, undone or discarded, or were when somebody was interrupted, and those whose
    reading was interrupted."""
    goes_on = or_(Import.under_way != UnderWay.STAGING, left_half_read(now))
    return list(await session.scalars(select(Import.id).where(goes_on).order_by(Import.id)))


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
    breathe: Breathing | None = None,
) -> Import:
    """Confirm, undo or forget the next rows of the import, `limit` in each transaction, until it is through, after
    `most` transactions, or when `stopped`; one that is not under way is left as it is. Several may do it at once: they
    take turns. One whose reading was interrupted is read anew. Between two transactions `breathe` lets others write.
    Raises `NotFound`, `Conflict`, and `Refused` when the erased cannot be told."""
    breathe, done = breathe or breather(database), 0
    while True:
        async with database.transaction() as session:
            found = await get_import(session, import_id, lock=True)
            if found.under_way is UnderWay.CONFIRMING:
                await confirm_some(session, found, region=region, now=clock(), limit=limit)
            elif found.under_way is UnderWay.UNDOING:
                await undo_some(session, found, now=clock(), limit=limit)
            elif found.under_way is UnderWay.DISCARDING:
                await forget_some(session, found, limit=limit)
        if found.under_way is UnderWay.STAGING:
            return await take_over(database, import_id, region=region, clock=clock, breathe=breathe)
        done += 1
        if progress is not None:
            progress(found.done, found.row_count)
        if found.under_way is None or done == most or stopped():
            return found
        await breathe()
