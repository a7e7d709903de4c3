"""Abandoned clients: the rule, whom it finds, and moving them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from aiohttp import web
from babel.dates import format_date

from crm.care.abandoned import AbandonedRule, Reason, abandoned_clients, move_abandoned
from crm.errors import CrmError
from crm.preparation.campaigns import Campaign, get_campaign, list_campaigns
from crm.time_zones import local
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of
from dialer.crm_words import explain
from dialer.shown.labels import ABANDONED_REASONS
from dialer.words import Words

MOST_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A client that the rule finds, in words."""

    client_id: int
    organisation: str
    city: str
    group: str
    owner: str
    last_deal: str
    last_contact: str
    why: str


async def abandoned(request: web.Request) -> web.StreamResponse:
    """GET /abandoned?campaign=&months=&reason=...&moved="""
    deps, words = request.app[DEPS], words_of(request)
    trouble, found = "", list[FoundRow]()
    chosen = frozenset(each for each in request.query.getall("reason", []) if each in set(Reason))
    async with deps.database.reading() as session:
        campaigns = await list_campaigns(session)
        campaign = await _campaign(request.query, campaigns)
        try:
            rule = _rule(request.query, chosen or frozenset(Reason))
            if campaign is not None:
                rows = await abandoned_clients(
                    session, campaign_id=campaign.id, rule=rule, today=_today(request, campaign), limit=MOST_ROWS
                )
                found = [
                    FoundRow(
                        row.client_id, row.organisation, row.city, row.group.value,
                        row.owner or (f"({row.former_owner})" if row.former_owner else ""), _day(words, row.last_deal),
                        _day(words, row.last_contact.date() if row.last_contact else None),
                        ", ".join(words.gettext(ABANDONED_REASONS[reason]) for reason in row.reasons),
                    )
                    for row in rows
                ]  # fmt: skip
        except CrmError as refusal:
            trouble = explain(words, refusal.code, refusal.params)
    context = {
        "campaigns": [(each.id, each.name) for each in campaigns],
        "campaign": campaign.id if campaign else 0,
        "months": request.query.get("months", "12")[:6],
        "reasons": [(each.value, ABANDONED_REASONS[each], not chosen or each in chosen) for each in Reason],
        "rows": found,
        "more": len(found) == MOST_ROWS,
        "moved": sent.number(request.query.get("moved", "")),
        "trouble": trouble,
        "may_change": visitor(request).role in RULE_ROLES,
    }
    response = await office_page(request, "abandoned.html", context)
    if trouble:
        response.set_status(422)
    return response


async def move(request: web.Request) -> web.StreamResponse:
    """POST /abandoned with `campaign`, `months`, `reason`..., and `client`...: those that were ticked, if the rule
    still finds them."""
    deps, fields, words = request.app[DEPS], await request.post(), words_of(request)
    typed = {name: str(value) for name, value in fields.items()}
    chosen = frozenset(str(each) for each in fields.getall("reason", []) if each in set(Reason))
    async with deps.database.transaction() as session:
        campaign = await get_campaign(session, sent.number(typed.get("campaign", "")))
        moved = await move_abandoned(
            session, campaign_id=campaign.id, rule=_rule(typed, chosen), today=_today(request, campaign),
            now=deps.clock(), words={each: words.gettext(ABANDONED_REASONS[each]) for each in Reason},
            only={sent.number(str(each)) for each in fields.getall("client", [])}, author_id=visitor(request).user_id,
        )  # fmt: skip
    return see_other(f"/abandoned?campaign={campaign.id}&moved={len(moved)}")


def _rule(typed: Mapping[str, str], chosen: frozenset[str]) -> AbandonedRule:
    months = typed.get("months", "12").strip()
    return AbandonedRule(frozenset(map(Reason, chosen)), sent.number(months))


async def _campaign(query: Mapping[str, str], campaigns: list[Campaign]) -> Campaign | None:
    wanted = sent.number(query.get("campaign", ""))
    return next((each for each in campaigns if each.id == wanted), campaigns[0] if campaigns else None)


def _today(request: web.Request, campaign: Campaign) -> date:
    return local(request.app[DEPS].clock(), campaign.time_zone).date()


def _day(words: Words, day: date | None) -> str:
    return format_date(day, "d MMM y", locale=words.locale) if day else ""
