"""The time to the first expert contact: counts, and the clients behind them with their calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aiohttp import web

from crm.preparation.campaigns import list_campaigns
from crm.reports.first_contacts import FirstContact, Waiting, first_contacts, summary
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page
from dialer.console.web.visitors import words_of, zone_of
from dialer.shown.formats import duration, moment
from dialer.words import Words

USUAL_DAYS: Final = 30
MOST_DAYS: Final = 366
MOST_ROWS: Final = 300


@dataclass(frozen=True, slots=True)
class ContactLine:
    """One client: when it was handed over, by which call, with whom it is, how long it waited or waits."""

    client_id: int
    client: str
    campaign: str
    group: str
    expert: str
    attempt_id: str
    when: str
    talk_id: str
    working: str
    by_clock: str


async def experts(request: web.Request) -> web.StreamResponse:
    """GET /reports/experts?campaign=&days="""
    deps, words, zone = request.app[DEPS], words_of(request), zone_of(request)
    now, days, campaign_id = deps.clock(), _days(request.query), sent.number(request.query.get("campaign", ""))
    async with deps.database.reading() as session:
        campaigns = [(each.id, each.name) for each in await list_campaigns(session)]
        found = await first_contacts(
            session, since=now - timedelta(days=days), now=now, campaign_id=campaign_id or None
        )  # fmt: skip
    context = {
        "campaigns": campaigns,
        "campaign": campaign_id,
        "days": days,
        "counts": counts_in_words(words, summary(found)),
        "rows": [_line(words, each, moment(words, each.handed_at, zone)) for each in found[:MOST_ROWS]],
        "more": max(0, len(found) - MOST_ROWS),
    }
    return await office_page(request, "experts.html", context)


def _days(query: Mapping[str, str]) -> int:
    return min(sent.number(query.get("days", "")) or USUAL_DAYS, MOST_DAYS)


def _line(words: Words, each: FirstContact, when: str) -> ContactLine:
    return ContactLine(
        client_id=each.client_id,
        client=each.organisation,
        campaign=each.campaign,
        group=each.group.value,
        expert=each.expert,
        attempt_id=each.attempt_id,
        when=when,
        talk_id=each.talk_id,
        working=duration(words, each.working),
        by_clock=duration(words, each.by_clock),
    )


def counts_in_words(words: Words, counts: Waiting) -> list[tuple[str, str, str]]:
    """Name, in working time, by the clock."""
    gettext = words.gettext
    return [
        (gettext("Half of them waited at most"), duration(words, counts.median_working),
         duration(words, counts.median_by_clock)),
        (gettext("The longest waited"), duration(words, counts.longest_working),
         duration(words, counts.longest_by_clock)),
        (gettext("Talked with"), str(counts.talked), ""),
        (gettext("Still waiting"), str(counts.waiting), ""),
    ]  # fmt: skip
