"""Campaigns: the list of them, and the page of one with its rules, its calendar and its call lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from aiohttp import web
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.clientele.clients import Client
from crm.day import day_plan
from crm.errors import Conflict, CrmError, NotFound
from crm.preparation.call_lists import TRANSITIONS, CallList, ListState, lists_of, set_list_state
from crm.preparation.campaigns import (
    Campaign,
    add_campaign,
    change_campaign,
    get_campaign,
    list_campaigns,
    set_calendar_day,
)
from crm.preparation.plan_rules import GROUPS_IN_TURN
from crm.preparation.working_calendar import days_between, holiday_name
from crm.time_zones import local
from dialer.console.campaigns import campaign_form
from dialer.console.campaigns.campaign_form import Shown, Unreadable
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.fields import told
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of, zone_of
from dialer.shown.formats import dated, moment
from dialer.shown.labels import STATES
from dialer.words import Words, mark

DAYS_AHEAD: Final = 45
_SATURDAY: Final = 5
_WORKS: Final[Mapping[str, bool | None]] = {"work": True, "off": False, "calendar": None}
_STEPS: Final = {
    ListState.SUBMITTED: mark("Hand in"),
    ListState.APPROVED: mark("Approve"),
    ListState.RETURNED: mark("Return"),
}


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign in the list."""

    id: int
    name: str
    hours: str
    lists: str
    clients: int


@dataclass(frozen=True, slots=True)
class ListRow:
    """A call list with the steps that it may take."""

    id: int
    name: str
    clients: int
    state: str
    detail: str
    steps: list[tuple[str, str]]
    awaits_marks: bool


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day that is not like its weekday."""

    day: str
    works: bool
    reason: str
    own: bool
    iso: str


async def campaigns(request: web.Request) -> web.StreamResponse:
    """GET /campaigns"""
    async with request.app[DEPS].database.reading() as session:
        rows = [await _row(session, campaign) for campaign in await list_campaigns(session)]
    return await office_page(request, "campaigns.html", {"rows": rows, "may_change": _may_change(request)})


async def _row(session: AsyncSession, campaign: Campaign) -> CampaignRow:
    lists = await lists_of(session, campaign_id=campaign.id)
    approved = sum(each.state is ListState.APPROVED for each in lists)
    clients = await session.scalar(select(func.count()).where(Client.campaign_id == campaign.id))
    hours = f"{campaign.calls_from:%H:%M}–{campaign.calls_until:%H:%M}"
    return CampaignRow(campaign.id, campaign.name, hours, f"{approved} / {len(lists)}", clients or 0)


async def add(request: web.Request) -> web.StreamResponse:
    """POST /campaigns with `name`."""
    deps, fields = request.app[DEPS], await request.post()
    async with deps.database.transaction() as session:
        campaign = await add_campaign(
            session, name=str(fields.get("name", "")), now=deps.clock(), author_id=visitor(request).user_id,
            time_zone=deps.service.time_zone,
        )  # fmt: skip
    return see_other(f"/campaigns/{campaign.id}")


async def campaign_page(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}"""
    return await _page(request)


async def change(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}: the rules, and `version`, the one that was shown. What cannot be is told beside
    what was typed; so is what somebody else has changed meanwhile."""
    deps = request.app[DEPS]
    posted = await request.post()
    typed = {name: ",".join(str(value) for value in posted.getall(name) if value) for name in posted}
    try:
        changes = campaign_form.read(typed)
        async with deps.database.transaction() as session:
            campaign = await get_campaign(session, _id(request), lock=True)
            changed = await change_campaign(
                session, campaign=campaign, now=deps.clock(), author_id=visitor(request).user_id,
                version=sent.number(typed.get("version", "")), **changes,
            )  # fmt: skip
            await day_plan.follow_rules(session, campaign=campaign, changed=changed, now=deps.clock())
    except NotFound:
        raise
    except (Unreadable, CrmError) as refusal:
        return await _page(request, typed=typed, refusal=refusal)
    return see_other(f"/campaigns/{_id(request)}")


async def set_day(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/calendar with `day`, `what` and `reason`."""
    deps, fields = request.app[DEPS], await request.post()
    try:
        day, works = date.fromisoformat(str(fields.get("day", ""))), _WORKS[str(fields.get("what", ""))]
    except (ValueError, KeyError):
        raise Trouble.unreadable() from None
    async with deps.database.transaction() as session:
        await set_calendar_day(
            session, campaign=await get_campaign(session, _id(request), lock=True), day=day, works=works,
            reason=str(fields.get("reason", "")), now=deps.clock(), author_id=visitor(request).user_id,
        )  # fmt: skip
    return see_other(f"/campaigns/{_id(request)}#calendar")


async def move_list(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/lists/{list_id} with `to`, `by` and `remarks`."""
    deps, fields = request.app[DEPS], await request.post()
    list_id, to = int(request.match_info["list_id"]), str(fields.get("to", ""))
    if to not in STATES:
        raise Trouble.unreadable()
    async with deps.database.transaction() as session:
        call_list = await session.get(CallList, list_id)
        if call_list is None or call_list.campaign_id != _id(request):
            raise NotFound("list.unknown")
        await set_list_state(
            session, call_list_id=list_id, to=ListState(to), now=deps.clock(), by=str(fields.get("by", "")),
            remarks=str(fields.get("remarks", "")), author_id=visitor(request).user_id,
        )  # fmt: skip
    return see_other(f"/campaigns/{_id(request)}#lists")


async def _page(
    request: web.Request,
    *,
    typed: Mapping[str, str] | None = None,
    refusal: Unreadable | CrmError | None = None,
) -> web.StreamResponse:
    deps, words = request.app[DEPS], words_of(request)
    async with deps.database.reading() as session:
        campaign = await get_campaign(session, _id(request))
        lists = [await _list_row(request, session, each) for each in await lists_of(session, campaign_id=campaign.id)]
    today = local(deps.clock(), campaign.time_zone).date()
    last = today + timedelta(days=DAYS_AHEAD)
    context = {
        "campaign": campaign,
        "fields": _fields(campaign, typed, refusal, words),
        "groups": GROUPS_IN_TURN.split(","),
        "trouble": told(words, refusal),
        "may_change": _may_change(request),
        "lists": lists,
        "days": _days(campaign, today, last, words),
        "today": today.isoformat(),
        "working_days": campaign.working_days(today, last),
        "last": dated(words, last),
    }
    response = await office_page(request, "campaign.html", context)
    if refusal is not None:
        response.set_status(409 if isinstance(refusal, Conflict) else 422)
    return response


def _fields(
    campaign: Campaign, typed: Mapping[str, str] | None, refusal: Exception | None, words: Words
) -> list[Shown]:
    if typed is None:
        return campaign_form.shown(campaign, words)
    if isinstance(refusal, Conflict):
        return campaign_form.beside(typed, campaign, words)
    return [Shown(field, typed.get(field.column, "")) for field in campaign_form.FIELDS]


async def _list_row(request: web.Request, session: AsyncSession, call_list: CallList) -> ListRow:
    words = words_of(request)
    clients = await session.scalar(select(func.count()).where(Client.call_list_id == call_list.id))
    detail = call_list.remarks
    if call_list.approved_at is not None:
        detail = f"{call_list.approved_by}, {moment(words, call_list.approved_at, zone_of(request))}"
    steps = [(to.value, words.gettext(_STEPS[to])) for to in _STEPS if to in TRANSITIONS[call_list.state]]
    state = words.gettext(STATES[call_list.state])
    awaits_marks = bool(clients) and call_list.state is not ListState.APPROVED
    return ListRow(call_list.id, call_list.name, clients or 0, state, detail, steps, awaits_marks)


def _days(campaign: Campaign, first: date, last: date, words: Words) -> list[DayRow]:
    own = {each.day: each.reason for each in campaign.days}
    rows = []
    for day in days_between(first, last):
        works = campaign.is_working_day(day)
        if day in own or works != (day.weekday() < _SATURDAY):
            reason = own.get(day) or holiday_name(campaign.country, day, words.language) or words.gettext("moved")
            rows.append(DayRow(dated(words, day), works, reason, day in own, day.isoformat()))
    return rows


def _may_change(request: web.Request) -> bool:
    return visitor(request).role in RULE_ROLES


def _id(request: web.Request) -> int:
    return int(request.match_info["campaign_id"])
