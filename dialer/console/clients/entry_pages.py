"""A client entered by hand: the form, who looks alike while it is filled in, and the entry itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import get_organisation
from crm.base.phone_parsing import read_phones
from crm.base.similar import Sought, similar_to
from crm.clientele.clients import clients_of
from crm.errors import Conflict, CrmError, NotFound
from crm.importing.entering import Entry, enter_client, take_in
from crm.preparation.call_lists import lists_of
from crm.preparation.campaigns import get_campaign, list_campaigns
from dialer.console.web import fields, sent
from dialer.console.web.deps import DEPS
from dialer.console.web.fields import Field, Unreadable
from dialer.console.web.pages import fragment, office_page, see_other
from dialer.console.web.visitors import visitor, words_of
from dialer.shown.labels import GROUNDS
from dialer.words import mark

LONGEST: Final = 500
FIELDS: Final = (
    Field("name", mark("Name of the organisation")),
    Field("city", mark("City")),
    Field("phones", mark("Numbers"), hint=mark("several with commas; extensions as “ext. 12”")),
    Field("tax_number", mark("Tax number")),
    Field("site", mark("Site")),
    Field("email", mark("E-mail")),
    Field("industry", mark("Industry")),
    Field("source", mark("Source"), hint=mark("where it was found")),
    Field("person", mark("Whom to ask for")),
    Field("position", mark("Position")),
    Field("decides", mark("decides"), "tick"),
    Field("note", mark("Note"), "lines"),
)
_TEXTS: Final = tuple(field.column for field in FIELDS if field.kind != "tick")


@dataclass(frozen=True, slots=True)
class AlikeRow:
    """Somebody who looks alike: why, and the client's page if there is one."""

    organisation_id: int
    name: str
    place: str
    why: str
    address: str


async def new_client(request: web.Request) -> web.StreamResponse:
    """GET /clients/new"""
    return await _page(request, dict(request.query))


async def similar(request: web.Request) -> web.StreamResponse:
    """GET /clients/similar?name=&city=&phones=&tax_number=&site=&email=: a part of the page, for its script."""
    async with request.app[DEPS].database.reading() as session:
        rows = await _alike(request, session, request.query)
    return web.Response(text=fragment(request, "_alike.html", {"alike": rows}), content_type="text/html")


async def enter(request: web.Request) -> web.StreamResponse:
    """POST /clients: a new organisation, or with `organisation` one that is known, as a client. What stops it is told
    beside what was typed; who looks alike must be seen before it is done with `though_alike`."""
    deps = request.app[DEPS]
    typed = {name: str(value)[:LONGEST] for name, value in (await request.post()).items()}
    now, author_id = deps.clock(), visitor(request).user_id
    try:
        fields.read(FIELDS, typed)
        async with deps.database.transaction() as session:
            campaign = await get_campaign(session, sent.number(typed.get("campaign", "")))
            list_name = typed.get("list_name", "")
            if known_id := sent.number(typed.get("organisation", "")):
                client = await take_in(
                    session, campaign=campaign, organisation=await get_organisation(session, known_id),
                    list_name=list_name, source=typed.get("source", ""), now=now, author_id=author_id,
                )  # fmt: skip
            else:
                entered = await enter_client(
                    session, campaign=campaign, entry=_entry(typed, list_name), now=now, author_id=author_id,
                    region=deps.settings.dialing.region, though_alike=typed.get("though_alike") == "yes",
                )  # fmt: skip
                client = entered.client
    except NotFound:
        raise
    except (Unreadable, CrmError) as refusal:
        return await _page(request, typed, refusal)
    return see_other(f"/clients/{client.id}")


def _entry(typed: Mapping[str, str], list_name: str) -> Entry:
    texts: dict[str, Any] = {name: typed.get(name, "") for name in _TEXTS}
    return Entry(list_name=list_name, decides=typed.get("decides") == "yes", **texts)


async def _page(
    request: web.Request, typed: Mapping[str, str], refusal: Unreadable | CrmError | None = None
) -> web.StreamResponse:
    async with request.app[DEPS].database.reading() as session:
        campaigns = await list_campaigns(session)
        chosen = sent.number(typed.get("campaign", "")) or (campaigns[0].id if campaigns else 0)
        lists = [each.name for each in await lists_of(session, campaign_id=chosen)]
        alike = await _alike(request, session, typed)
    context = {
        "campaigns": [(each.id, each.name) for each in campaigns],
        "campaign": chosen,
        "lists": lists,
        "list_name": typed.get("list_name", lists[0] if lists else ""),
        "fields": fields.as_sent(FIELDS, typed),
        "alike": alike,
        "trouble": fields.told(words_of(request), refusal),
        "stopped_by_alike": isinstance(refusal, Conflict) and refusal.code == "client.alike",
    }
    response = await office_page(request, "new_client.html", context)
    if refusal is not None:
        response.set_status(409 if isinstance(refusal, Conflict) else 422)
    return response


async def _alike(request: web.Request, session: AsyncSession, typed: Mapping[str, str]) -> list[AlikeRow]:
    words = words_of(request)
    said = {name: typed.get(name, "")[:LONGEST] for name in ("name", "city", "tax_number", "site", "email")}
    numbers = read_phones(typed.get("phones", "")[:LONGEST], region=request.app[DEPS].settings.dialing.region)
    found = await similar_to(session, Sought(**said, phones=tuple(phone.e164 for phone in numbers.phones)))
    clients = await clients_of(session, [each.organisation_id for each in found])
    return [
        AlikeRow(
            each.organisation_id, each.name, each.city,
            ", ".join(words.gettext(GROUNDS[ground]) for ground in each.grounds),
            f"/clients/{clients[each.organisation_id]}" if each.organisation_id in clients else "",
        )
        for each in found
    ]  # fmt: skip
