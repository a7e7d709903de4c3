"""Competitors: who they are, what they offer, how many buy there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from crm.base.competitors import change_competitor, competitor_named, get_competitor, list_competitors
from crm.errors import Conflict, CrmError, NotFound
from dialer.console.web import fields
from dialer.console.web.deps import DEPS
from dialer.console.web.fields import Field
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of
from dialer.words import mark

FIELDS: Final = (
    Field("name", mark("Name")),
    Field("product", mark("What they offer"), "lines"),
    Field("terms", mark("On which terms"), "lines"),
    Field("note", mark("Note"), "lines"),
)


async def competitors(request: web.Request) -> web.StreamResponse:
    """GET /competitors"""
    async with request.app[DEPS].database.reading() as session:
        rows = await list_competitors(session)
    context = {"rows": rows, "may_change": visitor(request).role in RULE_ROLES}
    return await office_page(request, "competitors.html", context)


async def add(request: web.Request) -> web.StreamResponse:
    """POST /competitors with `name`."""
    deps, typed = request.app[DEPS], await request.post()
    async with deps.database.transaction() as session:
        named, _ = await competitor_named(
            session, str(typed.get("name", "")), now=deps.clock(), author_id=visitor(request).user_id
        )
    return see_other(f"/competitors/{named.id}")


async def competitor_page(request: web.Request) -> web.StreamResponse:
    """GET /competitors/{competitor_id}"""
    return await _page(request)


async def change(request: web.Request) -> web.StreamResponse:
    """POST /competitors/{competitor_id} with its fields and `version`, the one that was shown."""
    deps = request.app[DEPS]
    typed = {name: str(value) for name, value in (await request.post()).items()}
    texts = {name: str(value) for name, value in fields.read(FIELDS, typed).items()}
    try:
        async with deps.database.transaction() as session:
            await change_competitor(
                session, competitor=await get_competitor(session, _id(request), lock=True), now=deps.clock(),
                version=fields.version_of(typed), author_id=visitor(request).user_id, **texts,
            )  # fmt: skip
    except NotFound:
        raise
    except CrmError as refusal:
        return await _page(request, typed, refusal)
    return see_other("/competitors")


async def _page(
    request: web.Request, typed: Mapping[str, str] | None = None, refusal: CrmError | None = None
) -> web.StreamResponse:
    words = words_of(request)
    async with request.app[DEPS].database.reading() as session:
        competitor = await get_competitor(session, _id(request))
    shown = fields.shown(FIELDS, competitor) if typed is None else fields.as_sent(FIELDS, typed)
    if typed is not None and isinstance(refusal, Conflict) and refusal.code == "record.changed_meanwhile":
        shown = fields.beside(FIELDS, typed, competitor, words)
    context = {
        "competitor": competitor,
        "fields": shown,
        "trouble": fields.told(words, refusal),
        "may_change": visitor(request).role in RULE_ROLES,
    }
    response = await office_page(request, "competitor.html", context)
    if refusal is not None:
        response.set_status(409 if isinstance(refusal, Conflict) else 422)
    return response


def _id(request: web.Request) -> int:
    return int(request.match_info["competitor_id"])
