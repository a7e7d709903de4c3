"""Other rules, tried on what happened: the draft is the form itself, and nothing is saved before it is switched on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.disposition_sets import dispositions_of
from crm.calls.retry_rules import rules_of, set_rules
from crm.csv_sheets import csv_bytes
from crm.day import day_plan
from crm.errors import Conflict, CrmError, NotFound
from crm.preparation.campaigns import Campaign, change_campaign, get_campaign
from crm.what_if.drafts import COLUMNS, OF_THE_ORDER, Draft, drafted
from crm.what_if.facts import Period
from crm.what_if.outcome import Outcome
from crm.what_if.trying import period_of
from dialer.console.campaigns import campaign_form, retry_page
from dialer.console.campaigns.what_if_process import BrokenOff, beside
from dialer.console.web import fields, sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.uploads import attachment
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of
from dialer.shown import what_if_words
from dialer.shown.formats import short_day
from dialer.shown.labels import GROUPS
from dialer.words import Words, mark

_TRIES: Final = fields.Field("tries_to_no_contact", mark("Tries in vain until a new client is “no contact”"), "number")
FIELDS: Final = (*(field for field in campaign_form.FIELDS if field.column in COLUMNS), _TRIES)
SHOWN: Final = 100
"""Clients that differ, on the page; a file has them all."""
_Refusal = fields.Unreadable | retry_page.Unreadable | CrmError


class WentAway(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What is told of a draft that was tried: tables with their headings, and the first `SHOWN` clients."""

    summary: list[tuple[str, ...]]
    reasons: list[tuple[str, ...]]
    days: list[tuple[str, ...]]
    promised: list[tuple[str, ...]]
    calls: list[tuple[str, ...]]
    clients: int


async def what_if(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}/what-if: the rules of today, to be changed and tried."""
    return await _page(request)


async def try_out(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/what-if: the fields of both forms of rules, `first` and `last` ("" for the last
    thirty days), and `as` "csv" or "xlsx" for a file of the calls that differ."""
    words, typed, deps = words_of(request), await _typed(request), request.app[DEPS]
    if deps.trying_rules.locked():  # each takes a processor for a minute
        busy = words.gettext("Somebody is trying rules just now. Try again when that is done: a month takes a minute.")
        return await _page(request, typed=typed, busy=busy)
    try:
        async with deps.trying_rules:
            async with deps.database.reading() as session:
                campaign = await get_campaign(session, _id(request))
                draft, period = await _read(session, request, campaign, typed)
                await drafted(session, campaign, draft)
            outcome = await _tried(request, draft, period)
        async with deps.database.reading() as session:
            clients = [client_id for client_id, _ in outcome.by_client()]
            kind = typed.get("as", "")
            shown = frozenset(clients[:SHOWN])
            promised = [each.client_id for each in outcome.promises()][:SHOWN]
            names = await what_if_words.client_names(session, clients if kind else sorted({*shown, *promised}))
    except NotFound:
        raise
    except WentAway:
        return web.Response(status=204)
    except BrokenOff:
        ended = words.gettext("The trial ended before it was over. Try once more.")
        return await _page(request, typed=typed, busy=ended)
    except (fields.Unreadable, retry_page.Unreadable, CrmError) as refusal:
        return await _page(request, typed=typed, refusal=refusal)
    rows = list(what_if_words.calls(words, outcome, names, campaign.time_zone))
    if kind in ("csv", "xlsx"):
        content = csv_bytes(rows) if kind == "csv" else await asyncio.to_thread(what_if_words.workbook, rows)
        return attachment(content, f"{words.gettext('what-if')}.{kind}")
    tried = Tried(
        what_if_words.summary(words, outcome),
        what_if_words.reasons(words, outcome),
        what_if_words.days(words, outcome),
        [row for row in rows[1:] if row[8]][:SHOWN],
        [row for row in rows[1:] if int(row[0]) in shown],
        len(clients),
    )
    return await _page(request, typed=typed, tried=tried, period=period)


async def switch_on(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/what-if/switch-on, with the same fields: the rules are saved as on their own pages.
    What somebody else has changed meanwhile is told."""
    deps, typed, author_id = request.app[DEPS], await _typed(request), visitor(request).user_id
    try:
        columns = fields.read(FIELDS, typed)
        async with deps.database.transaction() as session:
            campaign = await get_campaign(session, _id(request), lock=True)
            stored = await rules_of(session, campaign.id)
            if typed.get("seen", "") != retry_page.fingerprint(campaign, stored):
                raise Conflict("campaign.changed_meanwhile")
            changed = await change_campaign(
                session, campaign=campaign, now=deps.clock(), author_id=author_id, version=fields.version_of(typed),
                **columns,
            )  # fmt: skip
            rules = retry_page.read_rules(typed, stored)
            await set_rules(session, campaign=campaign, rules=rules, now=deps.clock(), author_id=author_id)
            await day_plan.follow_rules(session, campaign=campaign, changed=changed, now=deps.clock())
    except NotFound:
        raise
    except (fields.Unreadable, retry_page.Unreadable, CrmError) as refusal:
        return await _page(request, typed=typed, refusal=refusal)
    return see_other(f"/campaigns/{_id(request)}")


async def _typed(request: web.Request) -> dict[str, str]:
    posted = await request.post()
    return {name: ",".join(str(value) for value in posted.getall(name) if value) for name in posted}


async def _read(
    session: AsyncSession, request: web.Request, campaign: Campaign, typed: Mapping[str, str]
) -> tuple[Draft, Period]:
    rules = retry_page.read_rules(typed, await rules_of(session, campaign.id))
    now = request.app[DEPS].clock()
    period = period_of(campaign, sent.day(typed.get("first", "")), sent.day(typed.get("last", "")), now=now)
    return Draft(fields.read(FIELDS, typed), rules), period


async def _tried(request: web.Request, draft: Draft, period: Period) -> Outcome:
    """In a process of its own, which ends when nobody waits any more. Raises `WentAway`."""
    async with beside(request.app[DEPS].database, _id(request), draft, period) as trial:
        async for outcome in trial.steps():
            if outcome is not None:
                return outcome
            if request.transport is None or request.transport.is_closing():
                raise WentAway
    raise AssertionError("the last step has the outcome")


async def _page(
    request: web.Request,
    *,
    typed: Mapping[str, str] | None = None,
    refusal: _Refusal | None = None,
    tried: Tried | None = None,
    period: Period | None = None,
    busy: str = "",
) -> web.StreamResponse:
    """`busy`: why it is not tried now."""
    words = words_of(request)
    async with request.app[DEPS].database.reading() as session:
        campaign = await get_campaign(session, _id(request))
        stored = await rules_of(session, campaign.id)
        known = await dispositions_of(session, campaign.id)
    stale = isinstance(refusal, Conflict)
    beside = typed if stale else None
    if typed is None:
        form = fields.shown(FIELDS, campaign)
    else:
        form = fields.beside(FIELDS, typed, campaign, words) if stale else fields.as_sent(FIELDS, typed)
    period = period or period_of(campaign, None, None, now=request.app[DEPS].clock())
    typed_days = typed or {}
    context = {
        "campaign": campaign,
        "version": campaign.version,
        "seen": retry_page.fingerprint(campaign, stored),
        "fields": [each for each in form if each.field.column not in OF_THE_ORDER],
        "order_fields": [each for each in form if each.field.column in OF_THE_ORDER],
        "groups": tuple(GROUPS),
        **retry_page.rule_table(words, stored, known, typed, beside),
        "first": typed_days.get("first") or period.first.isoformat(),
        "last": typed_days.get("last") or period.last.isoformat(),
        "until": period_of(campaign, None, None, now=request.app[DEPS].clock()).last.isoformat(),
        "days_in_words": f"{short_day(words, period.first)} – {short_day(words, period.last)}",
        "trouble": busy or _told(words, refusal),
        "tried": tried,
        "shown": SHOWN,
        "may_change": visitor(request).role in RULE_ROLES,
    }
    response = await office_page(request, "what_if.html", context)
    if refusal is not None or busy:
        response.set_status(409 if stale or busy else 422)
    return response


def _told(words: Words, refusal: _Refusal | None) -> str:
    if isinstance(refusal, retry_page.Unreadable):
        return retry_page.told(words, refusal)
    return fields.told(words, refusal)


def _id(request: web.Request) -> int:
    return int(request.match_info["campaign_id"])
