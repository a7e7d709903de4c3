"""One person's day as it is planned, and what the office changes in plans: picks, other people, absences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta, tzinfo

from aiohttp import web

from crm import audit
from crm.calls.owners import callers
from crm.day import day_plan, plan_changes, standing_in
from crm.errors import NotFound
from crm.office.absences import who_is_away
from crm.office.users import CALLERS, get_user
from crm.preparation.campaigns import get_campaign
from crm.reading.person_plan import PlannedRow, person_plan
from crm.time_zones import local
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import DESK_ROLES, RULE_ROLES, scope_of, visitor, words_of, zone_of
from dialer.shown.formats import clock_time, long_day
from dialer.shown.labels import KINDS
from dialer.words import Words

NEARLY_A_DAY = timedelta(hours=23, minutes=59)


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A client in a person's day. `above` and `below`: the neighbours' entries, "" at the ends."""

    entry_id: int | None
    client_id: int
    organisation: str
    campaign: str
    group: str
    why: str
    hours: str
    above: str = ""
    below: str = ""


async def person(request: web.Request) -> web.StreamResponse:
    """GET /plan/{user_id}?day=2026-05-14"""
    deps, words, zone = request.app[DEPS], words_of(request), zone_of(request)
    today = deps.clock().astimezone(zone).date()
    day = sent.day(request.query.get("day", "")) or today
    async with deps.database.reading() as session:
        user = await get_user(session, _id(request, "user_id"))
        if user.role not in CALLERS:
            raise NotFound("user.unknown")
        found = await person_plan(session, user=user, day=day)
        absent = {user.id, *await who_is_away(session, day)}
        others = [(each.id, each.name) for each in await callers(session) if each.id not in absent]
    ids = [str(row.entry_id) for row in found.waiting]
    rows = [
        _entry(words, zone, row, above, below)
        for row, above, below in zip(found.waiting, ["", *ids], [*ids[1:], ""], strict=False)
    ]
    context = {
        "person": user,
        "day": long_day(words, day),
        "iso": day.isoformat(),
        "promised": [_entry(words, zone, row) for row in found.promised],
        "in_hand": _entry(words, zone, found.in_hand) if found.in_hand else None,
        "rows": rows,
        "free": [_entry(words, zone, row) for row in found.free],
        "others": others,
        "may_change": visitor(request).role in RULE_ROLES,
    }
    return await office_page(request, "plan_person.html", context)


def _entry(words: Words, zone: tzinfo, row: PlannedRow, above: str = "", below: str = "") -> EntryRow:
    hours = ""
    if row.opens_at is not None and row.closes_at is not None:
        hours = f"{clock_time(row.opens_at, zone)}–{clock_time(row.closes_at, zone)}"
        if row.closes_at - row.opens_at >= NEARLY_A_DAY:
            hours = words.gettext("all day")
    elif row.due_at is not None:
        hours = clock_time(row.due_at, zone)
    return EntryRow(
        entry_id=row.entry_id,
        client_id=row.client_id,
        organisation=row.organisation,
        campaign=row.campaign,
        group=row.group.value,
        why=words.gettext(KINDS[row.kind.value]),
        hours=hours,
        above=above,
        below=below,
    )


async def move(request: web.Request) -> web.StreamResponse:
    """POST /plan/entries/{entry_id}/move with `past`, the neighbour's entry, and `up` or nothing."""
    deps, fields = request.app[DEPS], await request.post()
    async with deps.database.transaction() as session:
        entry = await plan_changes.move_by_one(
            session, entry_id=_id(request, "entry_id"), up=bool(fields.get("up")),
            neighbour_id=sent.number(str(fields.get("past", ""))), now=deps.clock(), author_id=visitor(request).user_id,
        )  # fmt: skip
    return see_other(f"/plan/{entry.operator_id}?day={entry.day.isoformat()}#entry-{entry.id}")


async def assign(request: web.Request) -> web.StreamResponse:
    """POST /plan/entries/{entry_id}/assign with `to` (a person, or "" for everybody), `was`, and `back`, whose page."""
    deps, fields = request.app[DEPS], await request.post()
    to, was = str(fields.get("to", "")), str(fields.get("was", ""))
    async with deps.database.transaction() as session:
        entry = await plan_changes.reassign(
            session, entry_id=_id(request, "entry_id"), to=sent.number(to) if to else None,
            was=sent.number(was) if was else None, now=deps.clock(), author_id=visitor(request).user_id,
        )  # fmt: skip
    return see_other(f"/plan/{sent.number(str(fields.get('back', '')))}?day={entry.day.isoformat()}")


async def pick(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/plan with `day` and `person`: who calls puts a client into the own plan only."""
    deps, fields, known = request.app[DEPS], await request.post(), visitor(request)
    day = sent.day(str(fields.get("day", "")))
    if day is None:
        raise Trouble.unreadable()
    client_id, user_id = _id(request, "client_id"), known.user_id
    if known.role not in DESK_ROLES:
        user_id = sent.number(str(fields.get("person", "")))
    async with deps.database.transaction() as session:
        client_id = await scope_of(request).standing_client(session, client_id)
        await plan_changes.hand_pick(
            session,
            client_id=client_id,
            user_id=user_id,
            day=day,
            now=deps.clock(),
            author_id=known.user_id,
            from_others=known.role not in DESK_ROLES,
        )
    return see_other(f"/clients/{client_id}")


async def away(request: web.Request) -> web.StreamResponse:
    """POST /plan/away with `person`, `from`, `until`, `reason`, `to` (who stands in, or "" for the others in turn)."""
    deps, fields = request.app[DEPS], await request.post()
    first, last, to = (
        sent.day(str(fields.get("from", ""))),
        sent.day(str(fields.get("until", ""))),
        str(fields.get("to", "")),
    )
    if first is None or last is None:
        raise Trouble.unreadable()
    async with deps.database.transaction() as session:
        await standing_in.set_away(
            session, user=await get_user(session, sent.number(str(fields.get("person", "")))), first_day=first,
            last_day=last, now=deps.clock(), reason=str(fields.get("reason", "")), to=sent.number(to) if to else None,
            author_id=visitor(request).user_id,
        )  # fmt: skip
    return see_other("/plan")


async def back(request: web.Request) -> web.StreamResponse:
    """POST /plan/back with `person`, and `take_back` "yes" for the promised calls too: at work again."""
    deps, fields = request.app[DEPS], await request.post()
    async with deps.database.transaction() as session:
        user = await get_user(session, sent.number(str(fields.get("person", ""))))
        await standing_in.set_back(
            session, user=user, now=deps.clock(), author_id=visitor(request).user_id,
            take_back=fields.get("take_back") == "yes",
        )  # fmt: skip
    return see_other("/plan")


async def build(request: web.Request) -> web.StreamResponse:
    """POST /plan/build with `campaign`: begin today's plan anew."""
    deps, fields = request.app[DEPS], await request.post()
    async with deps.database.transaction() as session:
        campaign = await get_campaign(session, sent.number(str(fields.get("campaign", ""))), lock=True)
        now = deps.clock()
        day = local(now, campaign.time_zone).date()
        await day_plan.build_anew(session, campaign=campaign, day=day, now=now)
        audit.note(
            session, at=now, user_id=visitor(request).user_id, action=audit.PLAN_BUILT,
            subject=f"campaign:{campaign.id}", details={"day": day.isoformat()},
        )  # fmt: skip
    return see_other("/plan")


def _id(request: web.Request, name: str) -> int:
    return int(request.match_info[name])
