"""Clients for the office: found by name, number or person; one client with the history, and what may be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from crm import owners
from crm.campaigns import list_campaigns
from crm.client_list import ClientFilters, ClientKey, clients_page
from crm.clients import get_client, put_back_on_list
from crm.do_not_call import Whom
from crm.errors import NotFound
from crm.groups import Group, MoveRow, move_rows
from crm.joined import standing_client
from crm.silence import keep_request, off_list
from crm.views import card as stored_card
from dialer.console.card import read_card
from dialer.console.deps import DEPS
from dialer.console.formats import moment
from dialer.console.labels import GROUPS, MOVE_CAUSES, group_name
from dialer.console.pages import office_page, see_other
from dialer.console.promises import read_promises
from dialer.console.visitors import CARE_ROLES, DESK_ROLES, RULE_ROLES, scope_of, visitor, words_of, zone_of
from dialer.words import Words

PAGE_ROWS: Final = 50
LONGEST_TEXT: Final = 100
_LONGEST_ID: Final = 9


@dataclass(frozen=True, slots=True)
class Chosen:
    """The filters as they came; what makes no sense is left out rather than refused."""

    text: str = ""
    group: str = ""
    campaign: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Chosen:
        group, campaign = query.get("group", ""), query.get("campaign", "")
        return cls(
            text=query.get("text", "").strip()[:LONGEST_TEXT],
            group=group if group in GROUPS else "",
            campaign=campaign if _is_id(campaign) else "",
        )

    def query(self) -> dict[str, str]:
        """The filters for a link."""
        named = {"text": self.text, "group": self.group, "campaign": self.campaign}
        return {name: value for name, value in named.items() if value}

    def filters(self) -> ClientFilters:
        return ClientFilters(
            text=self.text,
            group=Group(self.group) if self.group else None,
            campaign_id=int(self.campaign) if self.campaign else None,
        )


async def clients(request: web.Request) -> web.StreamResponse:
    """GET /clients?text=&group=&campaign=&after=&id="""
    words, chosen = words_of(request), Chosen.of(request.query)
    after = _key(request.query)
    async with request.app[DEPS].database.reading() as session:
        found = await clients_page(
            session, filters=chosen.filters(), after=after, limit=PAGE_ROWS, scope=scope_of(request)
        )
        known = [(str(each.id), each.name) for each in await list_campaigns(session)]
    query = chosen.query()
    context = {
        "rows": found.rows,
        "chosen": chosen,
        "filtered": bool(query),
        "groups": [(key, words.gettext(group_name(key))) for key in GROUPS],
        "campaigns": known,
        "first": after is None,
        "as_they_came_in": not found.by_name,
        "beginning": f"/clients?{urlencode(query)}",
        "further": _further(query, found.next_after),
        "show_campaign": len(known) > 1,
        "may_change": visitor(request).role in RULE_ROLES,
    }
    return await office_page(request, "clients.html", context)


def _further(query: dict[str, str], key: ClientKey | None) -> str:
    if key is None:
        return ""
    place = {"after": key.name_folded, "id": str(key.client_id)}
    if key.organisation_id is not None:
        place = {"organisation": str(key.organisation_id), "id": str(key.client_id)}
    return f"/clients?{urlencode({**query, **place})}"


def _key(query: Mapping[str, str]) -> ClientKey | None:
    number, organisation = query.get("id", ""), query.get("organisation", "")
    if not _is_id(number):
        return None
    return ClientKey(query.get("after", ""), int(number), int(organisation) if _is_id(organisation) else None)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID


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
        if not await scope_of(request).has_client(session, _id(request)):
            raise NotFound("client.unknown")  # to whom it is hidden, it is as if it were not there
        standing = await standing_client(session, _id(request))
        if standing != _id(request):
            return see_other(f"/clients/{standing}")
        stored = await stored_card(session, client_id=_id(request))
        card = await read_card(
            session, words, zone_of(request), client_id=_id(request), operator_id=known.user_id, now=deps.clock(),
            attempt_id=None,
        )  # fmt: skip
        callers = [(each.id, each.name) for each in await owners.callers(session)]
        moves = [_move(words, zone_of(request), row) for row in await move_rows(session, _id(request))]
        promises, moved = await read_promises(
            session, words, zone_of(request), client_id=_id(request), now=deps.clock()
        )
    context = {
        "card": card,
        "moves": moves,
        "abandoned_once": any("abandoned" in (row.left, row.entered) for row in moves) and card.group != "abandoned",
        "source": stored.source,
        "promises": promises,
        "moved": moved,
        "owner": stored.owner,
        "off_list": stored.off_list_reason,
        "do_not_call": stored.do_not_call,
        "may_change": known.role in RULE_ROLES,
        "may_pick": known.role in RULE_ROLES | DESK_ROLES,
        "callers": callers,
        "today": deps.clock().astimezone(zone_of(request)).date().isoformat(),
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


async def ask_off(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/do-not-call with `evidence`: the company asks not to be called."""
    deps, fields = request.app[DEPS], await request.post()
    async with deps.database.transaction() as session:
        client = await get_client(session, _id(request), lock=True)
        await keep_request(
            session, whom=Whom.ORGANISATION, target=client.organisation_id, now=deps.clock(),
            evidence=str(fields.get("evidence", "")), author_id=visitor(request).user_id,
        )  # fmt: skip
    return see_other(f"/clients/{_id(request)}")


def _id(request: web.Request) -> int:
    return int(request.match_info["client_id"])
