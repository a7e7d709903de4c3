"""Erasing what files have brought: their rows, whatever has become of them, and the files that wait to be confirmed.

A row tells of the erased when its text does, or when it says who they are in the way that the digests of the erased
know: such a row would be refused if it came again. Bytes of files cannot be blanked in part, and what they may hold
beside the rows that were read nobody has looked at: so all files that wait are let go of. What they would bring can
still be taken in, but not be read otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisation_keys import tax_key
from crm.base.tombstones import Erasures, Hints, Mark
from crm.care.personal import Traces
from crm.errors import Refused
from crm.importing.area_codes import read_area_code
from crm.importing.imports import Import, ImportFile, ImportRow, ImportState, RowEnd, UnderWay
from crm.importing.mapping import Columns, columns_of
from crm.importing.rows import who_is_told_of
from crm.importing.staging import put_away
from crm.importing.tables import Row
from crm.one_at_a_time import Deed, one_at_a_time

_BATCH: Final = 500
_TOLD: Final = [["row.erased", {}]]


async def hold_imports(session: AsyncSession) -> None:
    """Let nobody keep rows of a file, take them in or undo them until this transaction ends. It comes first, before
    organisations are held: whoever takes rows in holds the import and then the organisations."""
    await one_at_a_time(session, Deed.KEEPING_ROWS)
    await session.scalars(select(Import.id).order_by(Import.id).with_for_update(key_share=True))


async def let_go_of_files(session: AsyncSession, *, now: datetime, author_id: int | None) -> int:
    """Forget the bytes of all files that wait, and discard those of which not all rows are kept yet. Returns how many
    files. The caller holds all imports."""
    waiting = await session.scalar(select(func.count()).select_from(ImportFile)) or 0
    half_read = select(Import).where(Import.under_way == UnderWay.STAGING).order_by(Import.id)
    for found in list(await session.scalars(half_read)):
        await put_away(session, found, now=now, author_id=author_id, details={"because": "erasure"})
    await session.execute(delete(ImportFile))
    return waiting


async def blank_imports(session: AsyncSession, known: Traces, organisation_id: int, *, whole: bool) -> int:
    """Blank the rows of imports that tell of the erased, of the organisation all if it is erased as a `whole`, and the
    samples of files. Such a row cannot be undone any more. Returns how many rows."""
    going = [row_id async for row_id in _rows_about(session, known, organisation_id, whole=whole)]
    await _blank(session, going)
    strict = known.strict()
    shown = select(Import.id, Import.sample, Import.beginning, Import.trouble)
    for import_id, *texts in (await session.execute(shown)).all():
        if any(map(strict.are_inside, texts)):
            blank = update(Import).where(Import.id == import_id)
            await session.execute(blank.values(sample=[], beginning=[], trouble=[]))
    return len(going)


async def blank_recognised(session: AsyncSession, marks: Collection[Mark], *, region: str) -> int:
    """Blank the rows that wait or were refused and that the digests recognise, once they are written: `marks` are those
    of whom is being erased. `region`: of numbers without a country's code. Returns how many rows."""
    erasures, hints = await Erasures.read(session), Hints.of(marks)
    asked = select(Import).where(or_(Import.state == ImportState.STAGED, Import.refused > 0)).order_by(Import.id)
    going: list[int] = []
    for found in list(await session.scalars(asked)):
        try:
            columns = columns_of(tuple(found.header), found.mapping)
            area_code = read_area_code(found.area_code)
        except Refused:  # of such a file no rows are kept
            continue
        going += [
            row_id async for row_id in _recognised(session, found.id, columns, area_code, erasures, hints, region)
        ]
    await _blank(session, going)
    return len(going)


async def _recognised(
    session: AsyncSession,
    import_id: int,
    columns: Columns,
    area_code: str,
    erasures: Erasures,
    hints: Hints,
    region: str,
) -> AsyncIterator[int]:
    rows = select(ImportRow.id, ImportRow.line, ImportRow.cells).order_by(ImportRow.id)
    rows = rows.where(ImportRow.import_id == import_id, or_(ImportRow.ended == RowEnd.REFUSED, _waits()))
    async for row_id, line, cells in await session.stream(rows):
        if not cells or not hints.may_be_in(cells):
            continue
        told = who_is_told_of(Row(line, tuple(cells)), columns, region=region, area_code=area_code)
        if erasures.code_of(
            organisation=told.organisation, e164s=told.e164s, tax_number=tax_key(told.tax_number), person=told.person
        ):
            yield row_id


async def _rows_about(session: AsyncSession, known: Traces, organisation_id: int, *, whole: bool) -> AsyncIterator[int]:
    strict = known.strict()
    columns = select(
        ImportRow.id, ImportRow.organisation_id, ImportRow.cells, ImportRow.problems, ImportRow.change,
        ImportRow.kept_because,
    )  # fmt: skip
    async for row_id, of, *texts in await session.stream(columns.order_by(ImportRow.id)):
        theirs = of == organisation_id
        if (theirs and whole) or any(map((known if theirs else strict).are_inside, texts)):
            yield row_id


def _waits() -> ColumnElement[bool]:
    """Whether a row is yet to be taken in."""
    yet = or_(Import.under_way.is_(None), Import.under_way != UnderWay.CONFIRMING, ImportRow.line > Import.done_line)
    return exists().where(Import.id == ImportRow.import_id, Import.state == ImportState.STAGED, yet)


async def _blank(session: AsyncSession, ids: Sequence[int]) -> None:
    """Rows that wait are refused from now on, and those that were refused say why nothing is left of them."""
    for start in range(0, len(ids), _BATCH):
        some = ImportRow.id.in_(ids[start : start + _BATCH])
        blank: dict[str, Any] = {"cells": [], "problems": [], "change": {}, "kept_because": [], "remarked": False}
        for which, values in (
            (some, blank),
            (some & or_(ImportRow.ended == RowEnd.REFUSED, _waits()),
             {"ended": RowEnd.REFUSED, "problems": _TOLD, "remarked": True}),
        ):  # fmt: skip
            changing = update(ImportRow).where(which).values(values)
            await session.execute(changing.execution_options(synchronize_session=False))
        await _count_again(session, ids[start : start + _BATCH])


async def _count_again(session: AsyncSession, ids: Collection[int]) -> None:
    """What the rows of imports that wait would become, where it is not what it was."""
    touched = select(ImportRow.import_id).where(ImportRow.id.in_(ids))
    counted = (
        select(ImportRow.import_id, ImportRow.ended, func.count())
        .join(Import, Import.id == ImportRow.import_id)
        .where(Import.state == ImportState.STAGED, Import.id.in_(touched))
        .group_by(ImportRow.import_id, ImportRow.ended)
    )
    counts: dict[int, dict[str, int]] = defaultdict(lambda: dict.fromkeys(map(str, RowEnd), 0))
    for import_id, ended, count in await session.execute(counted):
        counts[import_id][str(ended)] = count
    for import_id, values in counts.items():
        again = update(Import).where(Import.id == import_id).values(**values, version=Import.version + 1)
        await session.execute(again.execution_options(synchronize_session=False))
