"""Erasing where more than texts stands: rows of imports, journals of merges, names of former owners."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm.clients import Client
from crm.imports import Import, ImportRow
from crm.joined import OrganisationMerge
from crm.past_deals import FormerOwner
from crm.personal import ERASED, Traces


async def blank_imports(session: AsyncSession, known: Traces, *, organisation_id: int | None) -> int:
    """Blank the rows of imports that tell of the erased, all rows of the organisation where one is given, and the
    samples of files. Such a row cannot be undone any more. Returns how many rows."""
    going = [row_id async for row_id in _rows_about(session, known, organisation_id)]
    for start in range(0, len(going), 500):
        some = ImportRow.id.in_(going[start : start + 500])
        await session.execute(
            update(ImportRow)
            .where(some)
            .values(cells=[], problems=[], change={}, kept_because=[], remarked=False)
            .execution_options(synchronize_session=False)
        )
    for import_id, sample, trouble in (await session.execute(select(Import.id, Import.sample, Import.trouble))).all():
        if known.are_inside(sample) or known.are_inside(trouble):
            await session.execute(update(Import).where(Import.id == import_id).values(sample=[], trouble=[]))
    return len(going)


async def _rows_about(session: AsyncSession, known: Traces, organisation_id: int | None) -> AsyncIterator[int]:
    columns = select(
        ImportRow.id, ImportRow.organisation_id, ImportRow.cells, ImportRow.problems, ImportRow.change,
        ImportRow.kept_because,
    )  # fmt: skip
    async for row_id, of, *texts in await session.stream(columns.order_by(ImportRow.id)):
        if (organisation_id is not None and of == organisation_id) or any(map(known.are_inside, texts)):
            yield row_id


async def blank_merges(session: AsyncSession, known: Traces, organisation_id: int, *, whole: bool) -> None:
    """Empty the journals of the organisation's merges, of a person those that tell of them: such a merge stays."""
    touching = or_(OrganisationMerge.survivor_id == organisation_id, OrganisationMerge.duplicate_id == organisation_id)
    for merge in list(await session.scalars(select(OrganisationMerge).where(touching))):
        if whole or known.are_inside(merge.journal):
            emptied = update(OrganisationMerge).where(OrganisationMerge.id == merge.id)
            await session.execute(emptied.values(journal={}))


async def blank_former_owners(session: AsyncSession, known: Traces, organisation_id: int) -> None:
    """Names of salespeople are not the client's; one that is the person's goes."""
    clients = select(Client.id).where(Client.organisation_id == organisation_id)
    for owner in list(await session.scalars(select(FormerOwner).where(FormerOwner.client_id.in_(clients)))):
        if known.are_in(owner.name):
            await session.execute(update(FormerOwner).where(FormerOwner.id == owner.id).values(name=ERASED))


async def merged_into(session: AsyncSession, organisation_id: int) -> list[int]:
    """Ids of the organisations that were merged into this one."""
    standing = select(OrganisationMerge.duplicate_id).where(
        OrganisationMerge.survivor_id == organisation_id, OrganisationMerge.undone_at.is_(None)
    )
    found: list[Any] = list(await session.scalars(standing))
    return [int(each) for each in found]
