"""Everything that somebody has of clients, and giving it to others: looked at first, then carried out as one batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.owners import callers
from crm.care import portfolios
from crm.care.portfolios import Belonging, DealtBy, Item
from crm.errors import CrmError
from crm.office.users import User, get_user
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.people import to_choose
from dialer.console.web.visitors import visitor, words_of, zone_of
from dialer.crm_words import explain
from dialer.shown.formats import moment
from dialer.words import Words, mark

BELONGINGS: Final = {
    Belonging.CLIENT: mark("owned clients"),
    Belonging.CALLBACK: mark("promised calls"),
    Belonging.REFERRAL: mark("clients who wait to be accepted"),
    Belonging.DEAL: mark("deals"),
    Belonging.PLAN_ENTRY: mark("places in the plan"),
}
DEALT_BY: Final = (
    (DealtBy.LOAD.value, mark("to who has least to do")),
    (DealtBy.INDUSTRY.value, mark("by industry, then to who has least to do")),
)
MOST_ROWS: Final = 300


@dataclass(frozen=True, slots=True)
class Share:
    """What one person would take, in words."""

    name: str
    clients: int
    what: str


@dataclass(frozen=True, slots=True)
class ClientLine:
    """What there is of one client, and who would take it, "" while nobody is chosen."""

    client_id: int
    client: str
    what: str
    to: str


async def portfolio(request: web.Request) -> web.StreamResponse:
    """GET /users/{user_id}/portfolio?to=...&by=: what there is, and with `to` who would take what."""
    query = request.query
    return await _page(request, query.getall("to", []), query.get("by", ""))


async def carry_out(request: web.Request) -> web.StreamResponse:
    """POST /users/{user_id}/portfolio with `to`..., `by`, `reason`, and the `digest` of what was shown."""
    deps, fields = request.app[DEPS], await request.post()
    chosen, by = [str(each) for each in fields.getall("to", [])], str(fields.get("by", ""))
    reason, author_id = str(fields.get("reason", "")), visitor(request).user_id
    shown = str(fields.get("digest", ""))

    async def carried_out(session: AsyncSession) -> list[Item]:
        of = await get_user(session, _id(request))
        takers = [await get_user(session, sent.number(each)) for each in chosen]
        return await portfolios.hand_over(
            session, of=of, to=takers, by=_by(by), reason=reason, now=deps.clock(), author_id=author_id, shown=shown
        )

    try:
        await deps.database.carry_out(carried_out)
    except CrmError as refusal:
        return await _page(request, chosen, by, reason=reason, refusal=refusal)
    return see_other(f"/users/{_id(request)}/portfolio")


async def _page(
    request: web.Request, chosen: Sequence[str], by: str, *, reason: str = "", refusal: CrmError | None = None
) -> web.StreamResponse:
    deps, words = request.app[DEPS], words_of(request)
    now, taking = deps.clock(), {sent.number(each) for each in chosen}
    async with deps.database.reading() as session:
        of = await get_user(session, _id(request))
        others = [each for each in await callers(session) if each.id != of.id]
        takers = [each for each in others if each.id in taking]
        items = await _items(session, of, takers, _by(by), now)
        named = await to_choose(session, words, others, now.astimezone(zone_of(request)).date())
        before = [
            (moment(words, move.at, zone_of(request)), move.reason, _counted(words, counts))
            for move, counts in await portfolios.moves_of(session, of.id)
        ]
    context = {
        "user": of,
        "takers": [(each, name, each in taking) for each, name in named],
        "by": [(value, label, value == _by(by).value) for value, label in DEALT_BY],
        "shown": bool(takers),
        "digest": portfolios.digest_of(items),
        "has": _counted(words, Counter(item.belonging for item in items)),
        "shares": _shares(words, items, takers),
        "rows": _lines(words, items, takers)[:MOST_ROWS],
        "more": max(0, len({item.client_id for item in items}) - MOST_ROWS),
        "before": before,
        "reason": reason,
        "trouble": explain(words, refusal.code, refusal.params) if refusal is not None else "",
    }
    response = await office_page(request, "portfolio.html", context)
    if refusal is not None:
        response.set_status(422)
    return response


async def _items(session: AsyncSession, of: User, takers: Sequence[User], by: DealtBy, now: datetime) -> list[Item]:
    if not takers:
        return await portfolios.portfolio_of(session, of.id)
    return await portfolios.preview(session, of=of, to=takers, by=by, now=now)


def _by(text: str) -> DealtBy:
    return DealtBy(text) if text in set(DealtBy) else DealtBy.LOAD


def _counted(words: Words, counts: Mapping[Belonging, int]) -> str:
    """`клиенты: 200, обещанные звонки: 30`"""
    return ", ".join(f"{words.gettext(BELONGINGS[each])}: {counts[each]}" for each in BELONGINGS if counts.get(each))


def _shares(words: Words, items: Sequence[Item], takers: Sequence[User]) -> list[Share]:
    found = []
    for each in takers:
        theirs = [item for item in items if item.to == each.id]
        counts = Counter(item.belonging for item in theirs)
        found.append(Share(each.name, len({item.client_id for item in theirs}), _counted(words, counts)))
    return found


def _lines(words: Words, items: Sequence[Item], takers: Sequence[User]) -> list[ClientLine]:
    names = {each.id: each.name for each in takers}
    by_client: dict[int, list[Item]] = {}
    for item in items:
        by_client.setdefault(item.client_id, []).append(item)
    return [
        ClientLine(
            client_id, theirs[0].organisation,
            ", ".join(words.gettext(BELONGINGS[item.belonging]) for item in theirs), names.get(theirs[0].to or 0, ""),
        )
        for client_id, theirs in by_client.items()
    ]  # fmt: skip


def _id(request: web.Request) -> int:
    return int(request.match_info["user_id"])
