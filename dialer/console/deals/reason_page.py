"""Why a campaign loses deals: the usual reasons, renamed or switched off, and its own."""

from __future__ import annotations

from aiohttp import web

from crm.deals.lost_reasons import USUAL, lost_reasons, set_lost_reason
from crm.preparation.campaigns import get_campaign
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of
from dialer.shown.deal_words import reason_label


async def reasons(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}/lost-reasons"""
    words = words_of(request)
    async with request.app[DEPS].database.reading() as session:
        campaign = await get_campaign(session, _id(request))
        found = await lost_reasons(session, campaign.id)
    context = {
        "campaign": campaign,
        "rows": [(each, reason_label(words, each), each.key in USUAL) for each in found.values()],
        "may_change": visitor(request).role in RULE_ROLES,
    }
    return await office_page(request, "lost_reasons.html", context)


async def change(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/lost-reasons with `key`, `label_ru`, `label_en`, `active`, and `version`, 0 of a
    new one."""
    deps = request.app[DEPS]
    typed = {name: str(value) for name, value in (await request.post()).items()}
    async with deps.database.transaction() as session:
        await set_lost_reason(
            session, campaign_id=_id(request), key=typed.get("key", "").strip(), now=deps.clock(),
            author_id=visitor(request).user_id, version=sent.number(typed.get("version", "")),
            label_ru=typed.get("label_ru", ""), label_en=typed.get("label_en", ""),
            active=typed.get("active") == "yes",
        )  # fmt: skip
    return see_other(f"/campaigns/{_id(request)}/lost-reasons")


def _id(request: web.Request) -> int:
    return int(request.match_info["campaign_id"])
