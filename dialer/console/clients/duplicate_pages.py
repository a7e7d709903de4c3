"""Organisations that may be one: the queue, the two of a pair side by side, what was merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiohttp import web
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from crm.base.organisations import Organisation, get_organisation
from crm.base.people import people_at
from crm.base.phone_numbers import numbers_of
from crm.care.duplicate_search import PairRow, find_duplicates, last_look, merges, not_duplicates, open_pair, open_pairs
from crm.care.merging import COLUMNS, default_take, merge, undo
from crm.clientele.clients import Client
from crm.group import Group
from crm.office.users import User
from crm.preparation.campaigns import Campaign
from crm.wrap_up.contacts import Contact
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of, zone_of
from dialer.shown.formats import moment, phone
from dialer.shown.labels import GROUNDS, group_name
from dialer.words import Words, mark

_LABELS: Final = {
    "name": mark("Name of the organisation"),
    "city": mark("City"),
    "industry": mark("Industry"),
    "headcount": mark("Headcount"),
    "tax_number": mark("Tax number"),
    "site": mark("Site"),
    "email": mark("E-mail"),
    "code": mark("Code"),
    "time_zone": mark("Time zone"),
    "note": mark("Note"),
    "group": mark("Group"),
    "owner": mark("Whose"),
}

_ALWAYS: Final = ("name", "city")


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field of the two; `take`: the newer one is right unless somebody says otherwise. Nothing is to be chosen where
    both have the same."""

    column: str
    label: str
    one: str
    other: str
    take: bool


async def duplicates(request: web.Request) -> web.StreamResponse:
    """GET /duplicates?left=: the queue, and what was merged; `left` values were left as they are by an undoing."""
    words = words_of(request)
    async with request.app[DEPS].database.reading() as session:
        pairs, made, look = await open_pairs(session), await merges(session), await last_look(session)
    left = request.query.get("left", "")
    context = {
        "pairs": [(pair, words.gettext(GROUNDS[pair.ground]), f"{pair.score:.0f}") for pair in pairs],
        "merges": [(row, moment(words, row.merged_at, zone_of(request))) for row in made],
        "looked": moment(words, look.at, zone_of(request)) if look.at is not None else "",
        "came": look.came,
        "left": int(left) if left.isascii() and left.isdecimal() and len(left) < 4 else 0,
        "may_change": visitor(request).role in RULE_ROLES,
    }
    return await office_page(request, "duplicates.html", context)


async def search(request: web.Request) -> web.StreamResponse:
    """POST /duplicates: look through the whole base."""
    deps = request.app[DEPS]
    async with deps.database.transaction() as session:
        await find_duplicates(session, now=deps.clock(), author_id=visitor(request).user_id)
    return see_other("/duplicates")


async def pair_page(request: web.Request) -> web.StreamResponse:
    """GET /duplicates/{pair_id}: the older one, which stays, beside the newer one."""
    words = words_of(request)
    async with request.app[DEPS].database.reading() as session:
        pair = await open_pair(session, _id(request))
        one, other = await get_organisation(session, pair.one_id), await get_organisation(session, pair.other_id)
        rows = _rows(words, one, other) + await _of_clients(session, words, pair)
        sides = [await _side(session, words, each.id) for each in (one, other)]
    context = {
        "pair": pair,
        "why": words.gettext(GROUNDS[pair.ground]),
        "rows": rows,
        "sides": sides,
        "may_change": visitor(request).role in RULE_ROLES,
    }
    return await office_page(request, "duplicate.html", context)


async def decide(request: web.Request) -> web.StreamResponse:
    """POST /duplicates/{pair_id} with `what`: "merge", and for each field "one" or "other"; or "two"."""
    deps, fields = request.app[DEPS], await request.post()
    now, author_id, what = deps.clock(), visitor(request).user_id, fields.get("what")
    if what not in ("merge", "two"):
        raise Trouble.unreadable()
    take = [column for column in _LABELS if fields.get(column) == "other"]

    async def settle(session: AsyncSession) -> None:
        pair = await open_pair(session, _id(request))
        if what == "two":
            await not_duplicates(session, one_id=pair.one_id, other_id=pair.other_id, now=now, author_id=author_id)
        else:
            await merge(
                session, survivor_id=pair.one_id, duplicate_id=pair.other_id, take=take, now=now, author_id=author_id
            )

    await deps.database.carry_out(settle)
    return see_other("/duplicates")


async def part(request: web.Request) -> web.StreamResponse:
    """POST /duplicates/merges/{merge_id}: two organisations again."""
    deps, merge_id = request.app[DEPS], int(request.match_info["merge_id"])
    _, left = await deps.database.carry_out(
        lambda session: undo(session, merge_id=merge_id, now=deps.clock(), author_id=visitor(request).user_id)
    )
    return see_other(f"/duplicates?left={len(left)}" if left else "/duplicates")


def _rows(words: Words, one: Organisation, other: Organisation) -> list[FieldRow]:
    """Which firm it is, and where else the two differ."""
    wanted = default_take(one, other)
    shown = [(column, _text(getattr(one, column)), _text(getattr(other, column))) for column in COLUMNS]
    return [
        FieldRow(column, words.gettext(_LABELS[column]), mine, theirs, column in wanted)
        for column, mine, theirs in shown
        if mine != theirs or column in _ALWAYS
    ]


def _text(value: object) -> str:
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Side:
    """What else the two have: it all goes to the one that stays."""

    address: str
    clients: str
    numbers: str
    people: str
    contacts: int


async def _side(session: AsyncSession, words: Words, organisation_id: int) -> Side:
    clients = (
        await session.execute(
            select(Client.id, Client.group, Campaign.name)
            .join(Campaign, Campaign.id == Client.campaign_id)
            .where(Client.organisation_id == organisation_id)
            .order_by(Client.id)
        )
    ).all()
    contacts = await session.scalar(select(func.count()).where(Contact.organisation_id == organisation_id))
    return Side(
        address=f"/clients/{clients[-1].id}" if clients else "",
        clients=", ".join(f"{name} ({words.gettext(group_name(group.value))})" for _, group, name in clients),
        numbers=", ".join(phone(number.e164) for number in await numbers_of(session, organisation_id)),
        people=", ".join(person.full_name for person in await people_at(session, organisation_id)),
        contacts=contacts or 0,
    )


async def _of_clients(session: AsyncSession, words: Words, pair: PairRow) -> list[FieldRow]:
    """Group and owner, where the two are clients of one campaign and differ in them."""
    mine, theirs = aliased(Client), aliased(Client)
    my_owner, their_owner = aliased(User), aliased(User)
    found = await session.execute(
        select(mine.group, theirs.group, my_owner.name, their_owner.name)
        .join(theirs, theirs.campaign_id == mine.campaign_id)
        .join(my_owner, my_owner.id == mine.owner_id, isouter=True)
        .join(their_owner, their_owner.id == theirs.owner_id, isouter=True)
        .where(mine.organisation_id == pair.one_id, theirs.organisation_id == pair.other_id)
        .order_by(mine.id.desc())
        .limit(1)
    )
    row = found.one_or_none()
    if row is None:
        return []
    group, their_group, owner, their_name = row
    rows = []
    if group is not their_group:
        one, other = words.gettext(group_name(group.value)), words.gettext(group_name(their_group.value))
        rows.append(FieldRow("group", words.gettext(_LABELS["group"]), one, other, group is Group.NEW))
    if owner != their_name:
        rows.append(FieldRow("owner", words.gettext(_LABELS["owner"]), owner or "", their_name or "", owner is None))
    return rows


def _id(request: web.Request) -> int:
    return int(request.match_info["pair_id"])
