"""A campaign's files, its script, and its lists as workbooks for the customer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web
from babel.numbers import format_decimal

from crm.errors import CrmError, NotFound
from crm.importing.list_marks import list_for_marks, listed_clients, take_marks
from crm.importing.list_sheets import list_workbook, read_marks
from crm.preparation.approvals import reopen_changed
from crm.preparation.call_lists import CallList
from crm.preparation.campaigns import get_campaign
from crm.preparation.materials import (
    EXTENSIONS,
    LARGEST_BYTES,
    MaterialKind,
    add_material,
    clean_name,
    get_material,
    keep_file,
    materials_of,
    read_file,
    remove_material,
)
from crm.preparation.scripts import CallScript, change_script, parse, script_of
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.uploads import attachment, uploaded
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of, zone_of
from dialer.crm_words import explain
from dialer.shown.formats import moment
from dialer.shown.list_words import all_sheet_words, marks_in_words, sheet_words
from dialer.shown.setup_labels import MATERIAL_KINDS


@dataclass(frozen=True, slots=True)
class MaterialRow:
    """A file in the table."""

    id: int
    name: str
    kind: str
    size: str
    added: str


async def materials_page(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}/materials"""
    deps, words = request.app[DEPS], words_of(request)
    async with deps.database.reading() as session:
        campaign = await get_campaign(session, _id(request))
        found = await materials_of(session, campaign.id)
    rows = [
        MaterialRow(
            each.id, each.file_name, words.gettext(MATERIAL_KINDS[each.kind]),
            words.gettext("{size} KB", size=format_decimal(-(-each.size_bytes // 1024), locale=words.locale)),
            moment(words, each.added_at, zone_of(request)),
        )
        for each in found
    ]  # fmt: skip
    context = {
        "campaign": campaign,
        "rows": rows,
        "kinds": [(kind.value, words.gettext(MATERIAL_KINDS[kind])) for kind in MaterialKind],
        "accept": ",".join(f".{extension}" for extension in sorted(EXTENSIONS)),
        "largest_mb": LARGEST_BYTES // (1024 * 1024),
        "may_change": visitor(request).role in RULE_ROLES,
    }
    return await office_page(request, "materials.html", context)


async def add(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/materials with `kind` and `file`."""
    deps, now, author_id = request.app[DEPS], request.app[DEPS].clock(), visitor(request).user_id
    kind = str((await request.post()).get("kind", ""))
    if kind not in set(MaterialKind):
        raise Trouble.unreadable()
    given, content = await uploaded(request, "file")
    name = clean_name(given)
    sha256 = await asyncio.to_thread(keep_file, deps.settings.materials_dir, content)
    async with deps.database.transaction() as session:
        campaign = await get_campaign(session, _id(request), lock=True)
        await add_material(
            session, campaign=campaign, kind=MaterialKind(kind), file_name=name, sha256=sha256,
            size_bytes=len(content), now=now, author_id=author_id,
        )  # fmt: skip
        await reopen_changed(session, campaign_id=campaign.id, now=now, author_id=author_id)
    return see_other(f"/campaigns/{_id(request)}/materials")


async def download(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}/materials/{material_id}"""
    deps = request.app[DEPS]
    async with deps.database.reading() as session:
        material = await get_material(
            session, campaign_id=_id(request), material_id=int(request.match_info["material_id"])
        )
    content = await asyncio.to_thread(read_file, deps.settings.materials_dir, material)
    return attachment(content, material.file_name)


async def remove(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/materials/{material_id}/remove"""
    deps, now, author_id = request.app[DEPS], request.app[DEPS].clock(), visitor(request).user_id
    async with deps.database.transaction() as session:
        await get_campaign(session, _id(request), lock=True)
        material = await get_material(
            session, campaign_id=_id(request), material_id=int(request.match_info["material_id"])
        )
        await remove_material(session, material=material, now=now, author_id=author_id)
        await reopen_changed(session, campaign_id=_id(request), now=now, author_id=author_id)
    return see_other(f"/campaigns/{_id(request)}/materials")


async def script_page(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}/script"""
    return await _script(request)


async def change(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/script with `script` and the `version` that was shown. What cannot be is told above
    what was typed; what somebody else has changed meanwhile stands below it."""
    deps, form = request.app[DEPS], await request.post()
    typed, version = str(form.get("script", "")), str(form.get("version", ""))
    if not sent.is_id(version):
        raise Trouble.unreadable()
    now, author_id = deps.clock(), visitor(request).user_id
    try:
        async with deps.database.transaction() as session:
            campaign = await get_campaign(session, _id(request), lock=True)
            await change_script(
                session, campaign=campaign, script=typed, now=now, author_id=author_id, version=int(version)
            )
            await reopen_changed(session, campaign_id=campaign.id, now=now, author_id=author_id)
    except NotFound:
        raise
    except CrmError as refusal:
        return await _script(request, typed=typed, refusal=refusal)
    return see_other(f"/campaigns/{_id(request)}/script")


async def _script(
    request: web.Request, *, typed: str | None = None, refusal: CrmError | None = None
) -> web.StreamResponse:
    words = words_of(request)
    async with request.app[DEPS].database.reading() as session:
        campaign = await get_campaign(session, _id(request))
        stored = await script_of(session, campaign.id) or CallScript(script="", version=0)
    stale = refusal is not None and refusal.code == "script.changed_meanwhile"
    context = {
        "campaign": campaign,
        "text": stored.script if typed is None else typed,
        "meanwhile": stored.script if stale else "",
        "version": stored.version,
        "steps": parse(stored.script),
        "trouble": explain(words, refusal.code, refusal.params) if refusal is not None else "",
        "may_change": visitor(request).role in RULE_ROLES,
    }
    response = await office_page(request, "script.html", context)
    if refusal is not None:
        response.set_status(409 if stale else 422)
    return response


async def export_list(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}/lists/{list_id}.xlsx"""
    async with request.app[DEPS].database.reading() as session:
        call_list = await session.get(CallList, int(request.match_info["list_id"]))
        if call_list is None or call_list.campaign_id != _id(request):
            raise NotFound("list.unknown")
        clients = await listed_clients(session, call_list.id)
    content = await asyncio.to_thread(list_workbook, clients, sheet_words(words_of(request)))
    return attachment(content, clean_name(f"{call_list.id} {call_list.name.replace('/', ' ')}.xlsx"))


async def take_list_marks(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/lists/{list_id}/marks with `file` and `by`: the workbook that came back."""
    deps, words = request.app[DEPS], words_of(request)
    signer = str((await request.post()).get("by", ""))
    _name, content = await uploaded(request, "file")
    marks = await asyncio.to_thread(read_marks, content, all_sheet_words(words))
    async with deps.database.transaction() as session:
        campaign = await get_campaign(session, _id(request))
        call_list = await list_for_marks(
            session, campaign_id=campaign.id, call_list_id=int(request.match_info["list_id"])
        )
        taken = await take_marks(
            session, call_list=call_list, marks=marks, signer=signer, now=deps.clock(),
            author_id=visitor(request).user_id,
        )  # fmt: skip
    context = {"campaign": campaign, "name": call_list.name, "approved": taken.approved}
    return await office_page(request, "marks.html", {**context, "told": marks_in_words(words, taken)})


def _id(request: web.Request) -> int:
    return int(request.match_info["campaign_id"])
