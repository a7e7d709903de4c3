"""Keeping the rows of a file that was read and tried, some in each transaction, so that others write in between.

Until the last one is kept the import is under way, and nobody can confirm it. One that somebody left half-way is found
by the time of its last step: whoever goes on reads its file once more and begins anew. Nothing is kept while somebody
is being erased, and what was tried before that is not kept at all: it may tell of them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, and_, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.errors import Conflict
from crm.importing.clients import BATCH
from crm.importing.imports import Import, ImportFile, ImportRow, ImportState, UnderWay, as_shown, get_import
from crm.importing.report import ImportReport
from crm.importing.staging import (
    Choices,
    Tried,
    became_of,
    content_of,
    last_erasure,
    put_what_was_read,
    tells_of_erased,
    try_out,
)
from crm.importing.tables import Table, read_table
from crm.one_at_a_time import Deed, one_at_a_time
from crm.preparation.campaigns import Campaign, get_campaign
from crm.text_rules import tidy

if TYPE_CHECKING:
    from crm.database import Database

LEFT_AFTER: Final = timedelta(seconds=60)
"""So long after the last step nobody is at it any more."""
_BREATH_S: Final = 0.15  # SQLite: another process that waits to write looks again at least every 100 ms
_AT_A_STRETCH_S: Final = 0.25
_LONGEST_NAME: Final = 200

Clock = Callable[[], datetime]
Breathing = Callable[[], Awaitable[None]]


async def bring_in(
    database: Database,
    *,
    campaign: Campaign,
    file_name: str,
    content: bytes,
    table: Table,
    choices: Choices,
    tried: Tried,
    clock: Clock,
    author_id: int | None = None,
    breathe: Breathing | None = None,
    limit: int = BATCH,
) -> Import:
    """Keep a file that has been read and tried until it is confirmed or discarded. Raises `Conflict` when somebody was
    erased meanwhile, or the import was discarded."""
    rows = _rows_of(table, tried.report)
    async with database.transaction() as session:
        await _begin(session, tried)
        staged = Import(
            campaign_id=campaign.id, author_id=author_id, created_at=clock(),
            file_name=tidy(file_name)[:_LONGEST_NAME] or "-", sha256=hashlib.sha256(content).hexdigest(),
            under_way=UnderWay.STAGING,
        )  # fmt: skip
        put_what_was_read(staged, table, choices, tried)
        session.add(staged)
        await session.flush()
        session.add(ImportFile(import_id=staged.id, content=content))
        await _step(session, staged, rows, now=clock(), limit=limit)
    return await _keep(database, staged, rows, clock=clock, breathe=breathe, limit=limit)


async def read_otherwise(
    database: Database,
    *,
    import_id: int,
    version: int | None,
    table: Table,
    choices: Choices,
    tried: Tried,
    clock: Clock,
    breathe: Breathing | None = None,
    limit: int = BATCH,
) -> Import:
    """The same file read, mapped or tried otherwise. Raises `NotFound`, `Refused`, and `Conflict`, also as
    `bring_in`."""
    rows = _rows_of(table, tried.report)
    async with database.transaction() as session:
        await _begin(session, tried)
        staged = await get_import(session, import_id, lock=True)
        as_shown(staged, version, ImportState.STAGED)
        put_what_was_read(staged, table, choices, tried)
        staged.under_way, staged.done = UnderWay.STAGING, 0
        await _step(session, staged, rows, now=clock(), limit=limit)
    return await _keep(database, staged, rows, clock=clock, breathe=breathe, limit=limit)


async def take_over(
    database: Database, import_id: int, *, region: str, clock: Clock, breathe: Breathing | None = None
) -> Import:
    """An import that somebody left half-read: its file is read and tried anew. One that somebody is at stays as it is.
    Raises `NotFound`, `Conflict`, and `Refused` when the file cannot be read."""
    async with database.reading() as session:
        found = await get_import(session, import_id)
        if found.under_way is not UnderWay.STAGING or not _is_left(found, clock()):
            return found
        content = await content_of(session, import_id)
        campaign = await get_campaign(session, found.campaign_id)
    table = await asyncio.to_thread(
        read_table, content, encoding=found.encoding or None, delimiter=found.delimiter or None, part=found.part,
        header_row=found.header_row,
    )  # fmt: skip
    said = found.header_row if found.header_said else None
    choices = Choices(found.mapping, found.list_name, found.area_code, found.time_zone, said)
    async with database.reading() as session:
        tried = await try_out(session, campaign=campaign, table=table, choices=choices, region=region, now=clock())
    rows = _rows_of(table, tried.report)
    async with database.transaction() as session:
        await _begin(session, tried)
        held = await get_import(session, import_id, lock=True)
        if held.version != found.version:
            return held
        put_what_was_read(held, table, choices, tried)
        held.done = 0
        await _step(session, held, rows, now=clock(), limit=BATCH)
    return await _keep(database, held, rows, clock=clock, breathe=breathe, limit=BATCH)


def left_half_read(now: datetime) -> ColumnElement[bool]:
    """Whether nobody is reading the file of an import any more that is to be read."""
    return and_(Import.under_way == UnderWay.STAGING, Import.step_at < now - LEFT_AFTER)


async def forget_some(session: AsyncSession, found: Import, *, limit: int = BATCH) -> None:
    """Forget the next rows of an import that is being discarded, at most `limit`. The caller holds its row."""
    gone = await _forget(session, found, limit)
    found.done = min(found.done + gone, found.row_count)
    if gone < limit:
        found.under_way = None
    await session.flush()


def _is_left(found: Import, now: datetime) -> bool:
    return found.step_at is None or found.step_at < now - LEFT_AFTER


async def _begin(session: AsyncSession, tried: Tried) -> None:
    await one_at_a_time(session, Deed.KEEPING_ROWS)
    if await last_erasure(session) != tried.erasure_id:
        raise Conflict("import.erased_meanwhile")


def breather(database: Database) -> Breathing:
    """What lets others write between two transactions."""
    time = asyncio.get_running_loop().time
    since = time()

    async def breathe() -> None:
        nonlocal since
        if database.dialect == "sqlite" and time() - since >= _AT_A_STRETCH_S:
            await asyncio.sleep(_BREATH_S)
            since = time()
        else:
            await asyncio.sleep(0)

    return breathe


async def _keep(
    database: Database,
    staged: Import,
    rows: Iterator[dict[str, Any]],
    *,
    clock: Clock,
    breathe: Breathing | None,
    limit: int,
) -> Import:
    """One transaction after the other until all rows are kept."""
    breathe = breathe or breather(database)
    while staged.under_way is UnderWay.STAGING:
        await breathe()
        async with database.transaction() as session:
            await one_at_a_time(session, Deed.KEEPING_ROWS)
            held = await get_import(session, staged.id, lock=True)
            if held.version != staged.version:
                raise Conflict("import.broken_off")
            await _step(session, held, rows, now=clock(), limit=limit)
        staged = held
    return staged


async def _step(
    session: AsyncSession, staged: Import, rows: Iterator[dict[str, Any]], *, now: datetime, limit: int
) -> None:
    """Before the first rows are kept, those of an earlier reading go."""
    staged.step_at = now
    if staged.done or await _forget(session, staged, limit) < limit:
        batch = await asyncio.to_thread(lambda: list(islice(rows, limit)))
        if batch:
            await session.execute(insert(ImportRow), [{"import_id": staged.id, **row} for row in batch])
        staged.done += len(batch)
        if len(batch) < limit:
            staged.under_way, staged.step_at = None, None
    await session.flush()


async def _forget(session: AsyncSession, of: Import, limit: int) -> int:
    some = select(ImportRow.id).where(ImportRow.import_id == of.id).order_by(ImportRow.line).limit(limit)
    ids = list(await session.scalars(some))
    await session.execute(delete(ImportRow).where(ImportRow.id.in_(ids)).execution_options(synchronize_session=False))
    return len(ids)


def _rows_of(table: Table, report: ImportReport | None) -> Iterator[dict[str, Any]]:
    """The columns of each `ImportRow`; of those that were refused as somebody's who was erased nothing is kept."""
    if report is None:
        return
    cells = {row.line: row.cells for row in table.rows}
    for line, became in became_of(report):
        kept = [] if tells_of_erased(became["problems"]) else [cell.replace("\0", "") for cell in cells[line]]
        yield {"line": line, "cells": kept, "change": {}, "kept_because": [], **became}
