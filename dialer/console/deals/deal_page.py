"""One deal: what it is about, where it stands, how it came there; and the deals of a client on its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.past_deals import deals_of as past_deals_of
from crm.base.past_deals import read_amount
from crm.base.people import people_at
from crm.care.portfolio_history import passed_of_deal
from crm.clientele.clients import get_client
from crm.deals.deal_stages import ONWARD, OPEN, STAGE_MOVES, DealStage
from crm.deals.deals import LONGEST_NOTE, change_deal, get_deal, open_deal, today_of
from crm.deals.moving import Step, asks_group, group_before, move_deal
from crm.errors import NotFound
from crm.group import Group
from crm.office.users import CALLERS, User
from crm.preparation.campaigns import get_campaign
from crm.reading import sales_book
from crm.reading.sales_book import BookFilters, DealDay, DealRow, MoveRow
from crm.reading.scope import EVERYTHING, Scope
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import DESK_ROLES, RULE_ROLES, scope_of, visitor, words_of, zone_of
from dialer.shown.deal_words import (
    CAUSES,
    ReasonNames,
    day,
    money,
    reasons_to_choose,
    stage_name,
    typed_amount,
)
from dialer.shown.formats import moment
from dialer.shown.labels import GROUPS, group_name
from dialer.shown.portfolio_words import passed_words
from dialer.words import Words

_DAYS = ("expected_on", "contract_on", "delivered_on", "paid_on")
_GROUPS_THEN = tuple(key for key in GROUPS if key != Group.NEW.value)


@dataclass(frozen=True, slots=True)
class ShownDeal:
    """A deal of a client, in words. `amount` "" for a sum that nobody knows; `when`: the day that counts now, as
    "expected 20 Dec 2026"; `typed`: the sum as somebody would type it."""

    id: int
    version: int
    product: str
    amount: str
    stage: str
    is_open: bool
    onward: str
    owner: str
    person: str
    when: str
    why: str
    stage_key: str
    onward_key: str
    typed: str


@dataclass(frozen=True, slots=True)
class PastLine:
    """A deal from before, in words."""

    when: str
    amount: str
    what: str
    seller: str


@dataclass(frozen=True, slots=True)
class StageLine:
    """A move in words, or in `entered` that the deal passed to another owner; `call` is an attempt's id, or ""."""

    when: str
    left: str
    entered: str
    amount: str
    why: str
    call: str
    author: str


@dataclass(frozen=True, slots=True)
class ClientDeals:
    """The deals of a client of a campaign that sells by them, with those from before beside."""

    rows: list[ShownDeal]
    past: list[PastLine]
    people: list[tuple[int, str]]
    owners: list[tuple[int, str]]
    owner_id: int | None
    product: str
    stages: list[tuple[str, str]]


async def client_deals(
    session: AsyncSession, words: Words, *, client_id: int, product: str, scope: Scope
) -> ClientDeals | None:
    """Those that `scope` sees; `None` where the campaign does not sell by deals."""
    client = await get_client(session, client_id)
    if not (await get_campaign(session, client.campaign_id)).sells_by_deals:
        return None
    return ClientDeals(
        rows=await shown_deals(session, words, client_id, scope),
        past=[
            PastLine(day(words, deal.made_on), money(words, deal.amount_minor, deal.currency), deal.what, deal.seller)
            for deal in await past_deals_of(session, client.organisation_id)
        ],
        people=await _people(session, client.organisation_id),
        owners=await _owners(session),
        owner_id=client.owner_id,
        product=product,
        stages=[(stage.value, stage_name(words, stage)) for stage in OPEN],
    )


async def shown_deals(
    session: AsyncSession, words: Words, client_id: int, scope: Scope = EVERYTHING
) -> list[ShownDeal]:
    """The client's deals, the newest first; none where its campaign does not sell by them."""
    reasons = await ReasonNames.read(session, words)
    filters = BookFilters(client_id=client_id, by=DealDay.OPENED)
    rows = await sales_book.book_rows(session, filters=filters, scope=scope)
    return [_shown(words, reasons, row) for row in rows]


async def open_deals(session: AsyncSession, words: Words, client_id: int) -> list[ShownDeal] | None:
    """What whoever talks with the client should know of, whosever it is: the deals that are neither signed nor lost;
    `None` where the campaign does not sell by deals."""
    client = await get_client(session, client_id)
    if not (await get_campaign(session, client.campaign_id)).sells_by_deals:
        return None
    return [deal for deal in await shown_deals(session, words, client_id) if deal.is_open]


def _shown(words: Words, reasons: ReasonNames, row: DealRow) -> ShownDeal:
    when = ""
    if row.contract_on is not None:
        when = words.gettext("signed {day}", day=day(words, row.contract_on))
    elif row.expected_on is not None and row.stage in OPEN:
        when = words.gettext("expected {day}", day=day(words, row.expected_on))
    onward = ONWARD.get(row.stage)
    return ShownDeal(
        id=row.id, version=row.version, product=row.product, amount=money(words, row.amount_minor, row.currency),
        stage=stage_name(words, row.stage), is_open=row.stage in OPEN,
        onward=stage_name(words, onward) if onward is not None else "", owner=row.owner, person=row.person, when=when,
        why=reasons.of(row.campaign_id, row.lost_reason), stage_key=row.stage.value,
        onward_key=onward.value if onward is not None else "", typed=typed_amount(words, row.amount_minor),
    )  # fmt: skip


async def begin(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/deals with `product`, `amount`, `currency`, `stage`, `owner_id`, `person_id`,
    `expected_on`, `note`."""
    deps, client_id = request.app[DEPS], int(request.match_info["client_id"])
    typed = await _typed(request)
    stage, expected = typed.get("stage", DealStage.INTEREST), typed.get("expected_on", "").strip()
    if stage not in set(DealStage) or (expected and sent.day(expected) is None):
        raise Trouble.unreadable()
    async with deps.database.transaction() as session:
        client_id = await scope_of(request).standing_client(session, client_id)
        deal = await open_deal(
            session, client_id=client_id, now=deps.clock(), author_id=visitor(request).user_id,
            owner_id=sent.number(typed.get("owner_id", "")) or None, stage=DealStage(stage),
            amount=read_amount(typed.get("amount", "")), currency=typed.get("currency", "RUB"),
            product=typed.get("product", ""), expected_on=sent.day(expected) if expected else None,
            person_id=sent.number(typed.get("person_id", "")) or None, note=typed.get("note", ""),
        )  # fmt: skip
    return see_other(f"/deals/{deal.id}")


async def deal_page(request: web.Request) -> web.StreamResponse:
    """GET /deals/{deal_id}"""
    words, zone, deps = words_of(request), zone_of(request), request.app[DEPS]
    async with deps.database.reading() as session:
        row = await sales_book.deal_row(session, _id(request), scope=scope_of(request))
        deal = await get_deal(session, row.id)
        client = await get_client(session, deal.client_id)
        reasons = await ReasonNames.read(session, words)
        steps = await _steps(session, words, zone, reasons, row)
        taking_back = deal.stage is DealStage.CONTRACT and await asks_group(session, deal, client)
        before = await group_before(session, deal.id) if taking_back else None
        context: dict[str, Any] = {
            "row": row,
            "deal": _shown(words, reasons, row),
            "typed": _as_typed(words, row),
            "moves": steps,
            "people": await _people(session, client.organisation_id),
            "owners": await _owners(session, also=deal.owner_id),
            "reasons": await reasons_to_choose(session, words, row.campaign_id),
            "today": (await today_of(session, row.campaign_id, deps.clock())).isoformat(),
            "groups": [(key, words.gettext(group_name(key))) for key in _GROUPS_THEN] if taking_back else [],
            "group_before": (before or Group.HOT).value,
        }
    allowed = STAGE_MOVES[row.stage]
    context |= {
        "open_stages": [(stage.value, stage_name(words, stage)) for stage in OPEN if stage in allowed],
        "onward": (ONWARD.get(row.stage) or "") if ONWARD.get(row.stage) in OPEN else "",
        "may_sign": DealStage.CONTRACT in allowed,
        "may_lose": DealStage.LOST in allowed,
        "is_contract": row.stage is DealStage.CONTRACT,
        "longest_note": LONGEST_NOTE,
        "may_change": visitor(request).role in DESK_ROLES | RULE_ROLES,
    }
    return await office_page(request, "deal.html", context)


def _as_typed(words: Words, row: DealRow) -> dict[str, str]:
    """The columns as the form sends them."""
    days = {name: value.isoformat() if (value := getattr(row, name)) else "" for name in _DAYS}
    return {"amount": typed_amount(words, row.amount_minor), **days}


async def _steps(
    session: AsyncSession, words: Words, zone: tzinfo, reasons: ReasonNames, row: DealRow
) -> list[StageLine]:
    """The moves between stages, and from one owner's portfolio to another's, the newest first."""
    dated = [
        (move.at, _move(words, zone, reasons, row.campaign_id, move))
        for move in await sales_book.moves_to_read(session, [row.id])
    ]
    dated += [
        (each.at, StageLine(moment(words, each.at, zone), "", passed_words(words, each), "", "", "", each.author))
        for each in await passed_of_deal(session, row.id)
    ]
    return [line for _, line in sorted(dated, key=lambda each: each[0], reverse=True)]


def _move(words: Words, zone: tzinfo, reasons: ReasonNames, campaign_id: int, move: MoveRow) -> StageLine:
    why = (words.gettext(CAUSES[move.cause]), reasons.of(campaign_id, move.reason), move.note)
    return StageLine(
        when=moment(words, move.at, zone),
        left=stage_name(words, move.from_stage) if move.from_stage else "",
        entered=stage_name(words, move.to_stage),
        amount=money(words, move.amount_minor, move.currency),
        why=" · ".join(part for part in why if part),
        call=move.attempt_id or "",
        author=move.author,
    )


async def change(request: web.Request) -> web.StreamResponse:
    """POST /deals/{deal_id} with the fields of the form and `version`."""
    deps, typed = request.app[DEPS], await _typed(request)
    days = {name: typed[name].strip() for name in _DAYS if name in typed}
    if any(text and sent.day(text) is None for text in days.values()):
        raise Trouble.unreadable()
    changes: dict[str, Any] = {name: sent.day(text) if text else None for name, text in days.items()}
    changes |= {name: typed[name] for name in ("product", "currency", "note") if name in typed}
    if "amount" in typed:
        changes["amount"] = read_amount(typed["amount"])
    if "owner_id" in typed:
        changes["owner_id"] = sent.number(typed["owner_id"])
    if "person_id" in typed:
        changes["person_id"] = sent.number(typed["person_id"]) or None
    async with deps.database.transaction() as session:
        await _assert_theirs(request, session)
        await change_deal(
            session, deal_id=_id(request), version=sent.number(typed.get("version", "")), now=deps.clock(),
            author_id=visitor(request).user_id, **changes,
        )  # fmt: skip
    return see_other(f"/deals/{_id(request)}")


async def move(request: web.Request) -> web.StreamResponse:
    """POST /deals/{deal_id}/move with `to`, `version`, and as far as it asks for them `amount`, `contract_on`,
    `reason`, `note`, `group_then`."""
    deps, typed = request.app[DEPS], await _typed(request)
    signed, group_then = typed.get("contract_on", "").strip(), typed.get("group_then", "")
    if typed.get("to") not in set(DealStage) or (signed and sent.day(signed) is None):
        raise Trouble.unreadable()
    if group_then and group_then not in _GROUPS_THEN:
        raise Trouble.unreadable()
    step = Step(
        DealStage(typed["to"]), reason=typed.get("reason", ""), note=typed.get("note", ""),
        contract_on=sent.day(signed) if signed else None, amount=read_amount(typed.get("amount", "")),
        group_then=Group(group_then) if group_then else None,
    )  # fmt: skip
    async with deps.database.transaction() as session:
        await _assert_theirs(request, session)
        await move_deal(
            session, deal_id=_id(request), step=step, version=sent.number(typed.get("version", "")),
            now=deps.clock(), author_id=visitor(request).user_id,
        )  # fmt: skip
    return see_other(f"/deals/{_id(request)}")


async def _assert_theirs(request: web.Request, session: AsyncSession) -> None:
    """Raises `NotFound` for a deal that the visitor does not see: to them it is as if it were not there."""
    if not await scope_of(request).has_deal(session, _id(request)):
        raise NotFound("deal.unknown")


async def _people(session: AsyncSession, organisation_id: int) -> list[tuple[int, str]]:
    return [
        (person.id, person.full_name) for person in await people_at(session, organisation_id) if not person.erased_at
    ]


async def _owners(session: AsyncSession, also: int | None = None) -> list[tuple[int, str]]:
    """Who can own a deal, and who owns it."""
    may = (User.active & User.role.in_(CALLERS)) | (User.id == also)
    found = await session.execute(select(User.id, User.name).where(may).order_by(User.name))
    return [(user_id, name) for user_id, name in found]


async def _typed(request: web.Request) -> Mapping[str, str]:
    return {name: str(value) for name, value in (await request.post()).items()}


def _id(request: web.Request) -> int:
    return int(request.match_info["deal_id"])
