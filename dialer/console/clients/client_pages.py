"""Clients for the office: found by name, number or person; one client with the history, and what may be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from crm.calls import owners
from crm.calls.letters import LONGEST_NOTE
from crm.care.saved_filters import SavedFilter, filters_seen_by, remove_filter, save_filter
from crm.clientele.clients import get_client, put_back_on_list
from crm.clientele.groups import MoveRow, move_rows
from crm.offers.templates import OfferTemplate, OfferText, newest_texts
from crm.plan.silence import off_list
from crm.preparation.campaign_setup import setup_of
from crm.reading.client_list import ClientKey, clients_page
from dialer.console.clients.batch_pages import NOT_WITHIN, PER_HOUR
from dialer.console.clients.client_filters import Chosen, choices
from dialer.console.clients.sheet_pages import read_client_sheets
from dialer.console.deals.deal_page import client_deals
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.people import to_choose
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import (
    CARE_ROLES,
    DESK_ROLES,
    OFFICE_ROLES,
    RULE_ROLES,
    scope_of,
    visitor,
    words_of,
    zone_of,
)
from dialer.shown.card import read_card, stored_card
from dialer.shown.formats import moment
from dialer.shown.labels import CHANNELS, MOVE_CAUSES, TEXT_LANGUAGES
from dialer.shown.letters import read_letters
from dialer.shown.promises import read_promises
from dialer.shown.referrals import read_referrals
from dialer.shown.wishes import read_wishes
from dialer.words import Words

PAGE_ROWS: Final = 50
LONGEST_NAME: Final = 60


async def clients(request: web.Request) -> web.StreamResponse:
    """GET /clients?text=&group=&campaign=&list=&owner=&after=&id="""
    words, chosen = words_of(request), Chosen.of(request.query)
    after = _key(request.query)
    async with request.app[DEPS].database.reading() as session:
        found = await clients_page(
            session, filters=chosen.filters(), after=after, limit=PAGE_ROWS, scope=scope_of(request)
        )
        offered = await choices(session, words)
        saved = await filters_seen_by(session, visitor(request).user_id)
        texts = await newest_texts(session, sent.number(chosen.campaign) or None)
    query, role = chosen.query(), visitor(request).role
    context = {
        "rows": found.rows,
        "chosen": chosen,
        "filtered": bool(query),
        "query": query,
        "offered": offered,
        "saved": [_saved(request, each) for each in saved],
        "sees_all": role in OFFICE_ROLES,
        "may_save": role in DESK_ROLES | RULE_ROLES,
        "first": after is None,
        "as_they_came_in": not found.by_name,
        "beginning": f"/clients?{urlencode(query)}",
        "further": _further(query, found.next_after),
        "show_campaign": len(offered.campaigns) > 1,
        "may_change": role in RULE_ROLES,
        "texts": [(text.id, _text_label(words, template, text, dict(offered.campaigns))) for template, text in texts],
        "per_hour": PER_HOUR,
        "not_within": NOT_WITHIN,
    }
    return await office_page(request, "clients.html", context)


def _text_label(words: Words, template: OfferTemplate, text: OfferText, campaigns: Mapping[str, str]) -> str:
    """With the campaign's name where there are several."""
    label = f"{template.name}, {words.gettext(TEXT_LANGUAGES[text.language.value])}"
    return f"{campaigns[str(template.campaign_id)]}: {label}" if len(campaigns) > 1 else label


def _further(query: dict[str, str], key: ClientKey | None) -> str:
    if key is None:
        return ""
    place = {"after": key.name_folded, "id": str(key.client_id)}
    if key.organisation_id is not None:
        place = {"organisation": str(key.organisation_id), "id": str(key.client_id)}
    return f"/clients?{urlencode({**query, **place})}"


def _key(query: Mapping[str, str]) -> ClientKey | None:
    number, organisation = query.get("id", ""), query.get("organisation", "")
    if not sent.is_id(number):
        return None
    return ClientKey(query.get("after", ""), int(number), int(organisation) if sent.is_id(organisation) else None)


def _saved(request: web.Request, saved: SavedFilter) -> dict[str, object]:
    known = visitor(request)
    return {
        "id": saved.id,
        "name": saved.name,
        "shared": saved.shared,
        "address": Chosen.from_filters(saved.filters).address(),
        "may_remove": saved.owner_id == known.user_id or known.role in RULE_ROLES,
    }


async def keep_filter(request: web.Request) -> web.StreamResponse:
    """POST /clients/filters with `name`, `shared` and the filters."""
    deps, fields, known = request.app[DEPS], await request.post(), visitor(request)
    shared = bool(fields.get("shared"))
    if shared and known.role not in RULE_ROLES:
        raise Trouble.not_for_you()
    chosen = Chosen.of(fields)
    async with deps.database.transaction() as session:
        await save_filter(
            session, name=str(fields.get("name", ""))[:LONGEST_NAME], filters=chosen.filters(), shared=shared,
            owner_id=known.user_id, now=deps.clock(),
        )  # fmt: skip
    return see_other(chosen.address())


async def drop_filter(request: web.Request) -> web.StreamResponse:
    """POST /clients/filters/{filter_id}/remove"""
    deps, known = request.app[DEPS], visitor(request)
    async with deps.database.transaction() as session:
        await remove_filter(
            session, filter_id=int(request.match_info["filter_id"]), now=deps.clock(), user_id=known.user_id,
            sets_rules=known.role in RULE_ROLES,
        )  # fmt: skip
    return see_other("/clients")


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A move between two groups: when, why, by which `call` (an attempt's id, or ""), through whom."""

    when: str
    left: str
    entered: str
    why: str
    call: str
    author: str


async def client_page(request: web.Request) -> web.StreamResponse:
    """GET /clients/{client_id}"""
    deps, words, known = request.app[DEPS], words_of(request), visitor(request)
    async with deps.database.reading() as session:
        standing = await scope_of(request).standing_client(session, _id(request))
        if standing != _id(request):
            return see_other(f"/clients/{standing}")
        stored = await stored_card(session, _id(request))
        card = await read_card(
            session, words, zone_of(request), client_id=_id(request), operator_id=known.user_id, now=deps.clock(),
            attempt_id=None, found=stored, scope=scope_of(request),
        )  # fmt: skip
        may_change, today = known.role in RULE_ROLES, deps.clock().astimezone(zone_of(request)).date()
        wishes = await read_wishes(session, words, stored) if may_change else None
        callers = await to_choose(session, words, await owners.callers(session), today)
        moves = [_move(words, zone_of(request), row) for row in await move_rows(session, _id(request))]
        referrals = await read_referrals(session, words, zone_of(request), client_id=_id(request))
        been_in = {card.group, *(each for row in moves for each in (row.left, row.entered))}
        sheets = await read_client_sheets(
            request, session, client_id=_id(request), campaign_id=stored.campaign_id, groups=been_in
        )
        letters = await read_letters(session, words, zone_of(request), client_id=_id(request))
        product = (await setup_of(session, stored.campaign_id)).product
        deals = await client_deals(session, words, client_id=_id(request), product=product, scope=scope_of(request))
        promises, moved = await read_promises(
            session, words, zone_of(request), client_id=_id(request), now=deps.clock()
        )
    context = {
        "card": card,
        "moves": moves,
        "abandoned_once": any("abandoned" in (row.left, row.entered) for row in moves) and card.group != "abandoned",
        "source": stored.source,
        "promises": promises,
        "letters": letters,
        **sheets,
        "referrals": referrals,
        "deals": deals,
        "channels": [(value, words.gettext(name)) for value, name in CHANNELS.items()],
        "longest_note": LONGEST_NOTE,
        "moved": moved,
        "owner": stored.owner,
        "off_list": stored.off_list_reason,
        "do_not_call": stored.do_not_call,
        "wishes": wishes,
        "may_change": may_change,
        "may_pick": known.role in RULE_ROLES | DESK_ROLES,
        "may_note": known.role in RULE_ROLES | DESK_ROLES,
        "callers": callers,
        "today": today.isoformat(),
        "offers_link": bool(deps.settings.mail.host),
        "may_care": known.role in CARE_ROLES,
        "may_erase": known.role == "administrator",
        "organisation_id": stored.organisation_id,
    }
    return await office_page(request, "client.html", context)


def _move(words: Words, zone: tzinfo, row: MoveRow) -> GroupLine:
    why = words.gettext(MOVE_CAUSES[row.cause.value])
    return GroupLine(
        when=moment(words, row.at, zone),
        left=row.left.value,
        entered=row.entered.value,
        why=f"{why}: {row.note}" if row.note else why,
        call=row.attempt_id or "",
        author=row.author,
    )


async def set_off_list(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/list with `reason` to take the client off, or `back` to put it on again."""
    deps, fields = request.app[DEPS], await request.post()
    async with deps.database.transaction() as session:
        client = await get_client(session, _id(request), lock=True)
        author_id = visitor(request).user_id
        if fields.get("back"):
            await put_back_on_list(session, client=client, now=deps.clock(), author_id=author_id)
        else:
            reason = str(fields.get("reason", ""))
            await off_list(session, client=client, reason=reason, now=deps.clock(), author_id=author_id)
    return see_other(f"/clients/{_id(request)}")


def _id(request: web.Request) -> int:
    return int(request.match_info["client_id"])
