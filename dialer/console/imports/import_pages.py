"""Imports: files that were brought in, and the page of one: how it was read, what it holds, what its rows become."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.errors import Conflict, CrmError, Refused
from crm.importing.carrying_on import carry_on
from crm.importing.confirming import begin_confirming
from crm.importing.imports import (
    Import,
    ImportFile,
    ImportRow,
    ImportState,
    RowUndone,
    UnderWay,
    get_import,
    list_imports,
    list_mappings,
    save_mapping,
    saved_mapping,
)
from crm.importing.keeping import bring_in, read_otherwise
from crm.importing.mapping import FIELDS, REASON_COLUMNS, mapping_with
from crm.importing.report import refused_csv
from crm.importing.staging import (
    BEGINNING_CELLS,
    Choices,
    content_of,
    discard,
    refused_of,
    remarks_of,
    try_out,
)
from crm.importing.tables import DELIMITERS, ENCODINGS, Table, read_table
from crm.importing.undoing import begin_undoing
from crm.preparation.campaigns import Campaign, get_campaign, list_campaigns
from crm.problems import Problem
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.uploads import kept_as, uploaded
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of, zone_of
from dialer.crm_words import explain, sentence
from dialer.shown.formats import moment
from dialer.shown.import_words import FIELD_NAMES, form_in_words, state_in_words
from dialer.words import Words, mark

SHOWN_ROWS: Final = 20
_STEPS_AT_ONCE: Final = 3  # what a page does by itself; a larger import is carried on by the scheduler
WRITTEN_AT_ONCE: Final = 200
_COLUMN: Final = "column"
_DELIMITER_NAMES: Final = {"\t": mark("tabs")}


@dataclass(frozen=True, slots=True)
class ListedImport:
    """An import in the list."""

    id: int
    when: str
    campaign: str
    file_name: str
    state: str
    rows: int
    taken: int
    merged: int
    refused: int


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """A column with cells from the first rows and what it may hold; `chosen` is what it does."""

    name: str
    title: str
    cells: str
    chosen: str


async def imports(request: web.Request) -> web.StreamResponse:
    """GET /imports"""
    return await _list_page(request)


async def upload(request: web.Request) -> web.StreamResponse:
    """POST /imports with `file`, `campaign`, `list_name`, `area_code`, `time_zone` and `saved`, the name of a saved
    mapping: the file is read and tried, and waits to be confirmed. What is no table is told on the page of the list."""
    deps, fields = request.app[DEPS], await request.post()
    file_name, content = await uploaded(request, "file")
    try:
        table = await asyncio.to_thread(read_table, content)
        async with deps.database.reading() as session:
            campaign = await get_campaign(session, sent.number(str(fields.get("campaign", ""))))
            said = await _saved(session, str(fields.get("saved", "")), table)
            choices = _choices(table, said, {name: str(value) for name, value in fields.items()})
            tried = await try_out(session, campaign=campaign, table=table, choices=choices, now=deps.clock(),
                                  region=deps.settings.dialing.region)  # fmt: skip
        staged = await bring_in(
            deps.database, campaign=campaign, file_name=file_name, content=content, table=table, choices=choices,
            tried=tried, clock=deps.clock, author_id=visitor(request).user_id,
        )  # fmt: skip
    except (Refused, Conflict) as refusal:
        return await _list_page(request, refusal)
    return see_other(f"/imports/{staged.id}")


async def import_page(request: web.Request) -> web.StreamResponse:
    """GET /imports/{import_id}"""
    return await _page(request)


async def try_again(request: web.Request) -> web.StreamResponse:
    """POST /imports/{import_id} with `version`, `encoding`, `delimiter`, `part`, `header_row` ("": to be found, "0":
    there is none), `list_name`, `area_code`, `time_zone`, a field for each column, `saved` to use a saved mapping, and
    `save_as` to save this one: read, mapped and tried anew."""
    deps = request.app[DEPS]
    typed = {name: str(value) for name, value in (await request.post()).items()}
    header_row = int(typed["header_row"]) if sent.is_id(typed.get("header_row", "")) else None
    async with deps.database.reading() as session:
        found = await get_import(session, _id(request))
    try:
        async with deps.database.reading() as session:
            content = await content_of(session, found.id)
        table = await asyncio.to_thread(
            read_table, content, encoding=typed.get("encoding") or None, delimiter=typed.get("delimiter") or None,
            part=typed.get("part", ""), header_row=header_row,
        )  # fmt: skip
        async with deps.database.reading() as session:
            said = _columns(found, typed, table) | await _saved(session, typed.get("saved", ""), table)
            choices = _choices(table, said, typed, header_row)
            tried = await try_out(
                session, campaign=await get_campaign(session, found.campaign_id), table=table, choices=choices,
                region=deps.settings.dialing.region, now=deps.clock(),
            )  # fmt: skip
        await read_otherwise(
            deps.database, import_id=found.id, version=sent.number(typed.get("version", "")), table=table,
            choices=choices, tried=tried, clock=deps.clock,
        )  # fmt: skip
        if typed.get("save_as", "").strip():
            async with deps.database.transaction() as session:
                await save_mapping(session, name=typed["save_as"], mapping=dict(choices.mapping), now=deps.clock(),
                                   author_id=visitor(request).user_id)  # fmt: skip
    except CrmError as refusal:
        return await _page(request, refusal)
    return see_other(f"/imports/{found.id}#tried")


async def take_in(request: web.Request) -> web.StreamResponse:
    """POST /imports/{import_id}/confirm with `version`"""
    deps, version = request.app[DEPS], await _version(request)
    async with deps.database.transaction() as session:
        await begin_confirming(session, import_id=_id(request), version=version, now=deps.clock(),
                               author_id=visitor(request).user_id)  # fmt: skip
    return await go_on(request)


async def go_on(request: web.Request) -> web.StreamResponse:
    """POST /imports/{import_id}/continue: some more rows of an import that is under way; one whose reading was
    interrupted is read anew."""
    await _some_steps(request)
    return see_other(f"/imports/{_id(request)}")


async def forget(request: web.Request) -> web.StreamResponse:
    """POST /imports/{import_id}/discard with `version`"""
    deps, version = request.app[DEPS], await _version(request)
    async with deps.database.transaction() as session:
        await discard(session, import_id=_id(request), version=version, now=deps.clock(),
                      author_id=visitor(request).user_id)  # fmt: skip
    await _some_steps(request)
    return see_other("/imports")


async def take_back(request: web.Request) -> web.StreamResponse:
    """POST /imports/{import_id}/undo with `version`"""
    deps, version = request.app[DEPS], await _version(request)
    async with deps.database.transaction() as session:
        await begin_undoing(session, import_id=_id(request), version=version, now=deps.clock(),
                            author_id=visitor(request).user_id)  # fmt: skip
    return await go_on(request)


async def refused(request: web.Request) -> web.StreamResponse:
    """GET /imports/{import_id}/refused.csv: to be mended and brought in again. Written as it is read, some rows at a
    time: there may be as many as a file has."""
    words, database = words_of(request), request.app[DEPS].database
    async with database.reading() as session:
        found = await get_import(session, _id(request))
        report = await refused_of(session, found, limit=WRITTEN_AT_ONCE)
    listed = "list" in found.mapping.values() or not found.list_name
    written = functools.partial(
        refused_csv,
        words=lambda problem: _told(problem, words),
        reason_column=REASON_COLUMNS[words.language],
        list_column=None if listed else (words.gettext("list"), found.list_name),
    )
    response = web.StreamResponse(
        headers=kept_as(f"{found.file_name.rpartition('.')[0] or found.file_name}.refused.csv")
    )
    await response.prepare(request)
    await response.write(await asyncio.to_thread(written, report))
    while report.refused:
        async with database.reading() as session:
            report = await refused_of(session, found, limit=WRITTEN_AT_ONCE, after=report.refused[-1].line)
        if report.refused:
            await response.write(await asyncio.to_thread(written, report, first=False))
    await response.write_eof()
    return response


async def _some_steps(request: web.Request) -> None:
    deps = request.app[DEPS]
    await carry_on(deps.database, _id(request), region=deps.settings.dialing.region, clock=deps.clock,
                   most=_STEPS_AT_ONCE)  # fmt: skip


async def _list_page(request: web.Request, refusal: CrmError | None = None) -> web.StreamResponse:
    words = words_of(request)
    async with request.app[DEPS].database.reading() as session:
        campaigns = {each.id: each.name for each in await list_campaigns(session)}
        rows = [
            ListedImport(
                each.id, moment(words, each.created_at, zone_of(request)), campaigns.get(each.campaign_id, ""),
                each.file_name, state_in_words(each, words), each.row_count, each.taken, each.merged,
                each.refused,
            )
            for each in await list_imports(session)
        ]  # fmt: skip
        saved = [each.name for each in await list_mappings(session)]
    context = {
        "rows": rows,
        "campaigns": list(campaigns.items()),
        "saved": saved,
        "may_change": visitor(request).role in RULE_ROLES,
        "trouble": explain(words, refusal.code, refusal.params) if refusal else "",
    }
    response = await office_page(request, "imports.html", context)
    if refusal is not None:
        response.set_status(422)
    return response


async def _page(request: web.Request, refusal: CrmError | None = None) -> web.StreamResponse:
    words = words_of(request)
    async with request.app[DEPS].database.reading() as session:
        found = await get_import(session, _id(request))
        campaign = await session.get_one(Campaign, found.campaign_id)
        rows = (await refused_of(session, found, limit=SHOWN_ROWS)).refused
        remarks = await remarks_of(session, found, limit=SHOWN_ROWS)
        kept = select(ImportRow).where(ImportRow.import_id == found.id, ImportRow.undone == RowUndone.KEPT)
        left = list(await session.scalars(kept.order_by(ImportRow.line).limit(SHOWN_ROWS)))
        saved = [each.name for each in await list_mappings(session)]
        waits = found.state is ImportState.STAGED and found.under_way is None
        file_kept = await session.scalar(select(exists().where(ImportFile.import_id == found.id)))
    context = {
        "found": found,
        "campaign": campaign,
        "state": state_in_words(found, words),
        "as_read": form_in_words(found, words),
        "encodings": ENCODINGS if found.encoding else (),
        "delimiters": [(each, words.gettext(_DELIMITER_NAMES.get(each, each))) for each in _delimiters(found)],
        "header_rows": _header_rows(found),
        "columns": _column_rows(found),
        "choices": [(field, words.gettext(FIELD_NAMES[field])) for field in FIELDS],
        "saved": saved,
        "may_try": _may(request, found, ImportState.STAGED),
        "may_read_again": file_kept and _may(request, found, ImportState.STAGED),
        "file_gone": "" if file_kept or not waits else explain(words, "import.file_gone", {}),
        "may_discard": _may(request, found, ImportState.STAGED) or _may_break_off(request, found),
        "may_undo": _may(request, found, ImportState.CONFIRMED),
        "may_carry_on": found.under_way is not None and visitor(request).role in RULE_ROLES,
        "stopped_by": explain(words, found.trouble[0], found.trouble[1]) if found.trouble else "",
        "refused": [(row.line, " ".join(_told(each, words) for each in row.problems)) for row in rows],
        "remarks": [(each.line, _told(each.problem, words)) for each in remarks],
        "left": [(row.line, " ".join(filter(None, row.cells))[:80],
                  " ".join(words.gettext(sentence(code)) for code in row.kept_because)) for row in left],
        "trouble": explain(words, refusal.code, refusal.params) if refusal else "",
    }  # fmt: skip
    response = await office_page(request, "import.html", context)
    if refusal is not None:
        response.set_status(409 if isinstance(refusal, Conflict) else 422)
    return response


def _may(request: web.Request, found: Import, state: ImportState) -> bool:
    return found.state is state and found.under_way is None and visitor(request).role in RULE_ROLES


def _may_break_off(request: web.Request, found: Import) -> bool:
    return found.under_way is UnderWay.STAGING and visitor(request).role in RULE_ROLES


def _delimiters(found: Import) -> tuple[str, ...]:
    if not found.delimiter or found.delimiter in DELIMITERS:
        return DELIMITERS if found.delimiter else ()
    return (found.delimiter, *DELIMITERS)


def _header_rows(found: Import) -> list[tuple[int, str]]:
    """The rows that may be said to be the header, with their first cells."""
    rows = {line: " · ".join(filter(None, cells)) for line, cells in found.beginning}
    if found.header_row:
        rows.setdefault(found.header_row, " · ".join(filter(None, found.header[:BEGINNING_CELLS])))
    return sorted(rows.items())


def _column_rows(found: Import) -> list[ColumnRow]:
    return [
        ColumnRow(
            f"{_COLUMN}{place}",
            column,
            "; ".join(dict.fromkeys(row[place] for row in found.sample if place < len(row) and row[place])),
            found.mapping.get(column, ""),
        )
        for place, column in enumerate(found.header)
    ]


def _columns(found: Import, typed: Mapping[str, str], table: Table) -> dict[str, str]:
    """What the page says of the columns that the table still has."""
    said: dict[str, str] = {}
    for place, column in enumerate(found.header):
        field = typed.get(f"{_COLUMN}{place}")
        if field is not None and column in table.header:
            said[column] = field
    return said


def _choices(table: Table, said: Mapping[str, str], typed: Mapping[str, str], header_row: int | None = None) -> Choices:
    return Choices(
        mapping_with(table.header, said), typed.get("list_name", ""), typed.get("area_code", ""),
        typed.get("time_zone", ""), header_row,
    )  # fmt: skip


async def _saved(session: AsyncSession, name: str, table: Table) -> dict[str, str]:
    if not name:
        return {}
    mapping = (await saved_mapping(session, name)).mapping
    return {column: field for column, field in mapping.items() if column in table.header}


def _told(problem: Problem, words: Words) -> str:
    return explain(words, problem.code, problem.params)


async def _version(request: web.Request) -> int:
    return sent.number(str((await request.post()).get("version", "")))


def _id(request: web.Request) -> int:
    return int(request.match_info["import_id"])
