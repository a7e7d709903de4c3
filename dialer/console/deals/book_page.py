"""The sales book: deals by stage, owner, product and day, what they come to, and the same as a file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.deals.deal_stages import OPEN, DealStage
from crm.deals.deals import LONGEST_PRODUCT
from crm.office.users import CALLERS, User
from crm.reading import sales_book
from crm.reading.sales_book import BookFilters, BookKey, DealDay, DealRow
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page
from dialer.console.web.visitors import OFFICE_ROLES, scope_of, visitor, words_of, zone_of
from dialer.shown.book_sheets import XLSX_TYPE, book_csv, book_workbook
from dialer.shown.deal_words import DAYS, ReasonNames, day, money, stage_name
from dialer.words import Words

PAGE_ROWS: Final = 50
_IN_WORK: Final = "open"
_ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The filters as they came; what makes no sense is left out. Without any the book shows what is in work."""

    campaign: str = ""
    stage: str = _IN_WORK
    owner: str = ""
    product: str = ""
    by: str = DealDay.EXPECTED
    first: str = ""
    last: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Chosen:
        stage, by = query.get("stage", _IN_WORK), query.get("by", DealDay.EXPECTED)
        campaign, owner = query.get("campaign", ""), query.get("owner", "")
        first, last = (sent.day(query.get(name, "")) for name in ("first", "last"))
        return cls(
            campaign=campaign if sent.is_id(campaign) else "",
            stage=stage if stage in {_IN_WORK, _ALL, *DealStage} else _IN_WORK,
            owner=owner if sent.is_id(owner) else "",
            product=query.get("product", "")[:LONGEST_PRODUCT].replace("\0", ""),
            by=by if by in set(DealDay) else DealDay.EXPECTED,
            first=first.isoformat() if first else "",
            last=last.isoformat() if last else "",
        )

    def query(self, **other: str) -> str:
        """For a link; `other` filters instead."""
        named = {
            "campaign": self.campaign, "stage": self.stage, "owner": self.owner, "product": self.product,
            "by": self.by, "first": self.first, "last": self.last, **other,
        }  # fmt: skip
        return urlencode({name: value for name, value in named.items() if value})

    def filters(self, zone_name: str, *, stages: bool = True) -> BookFilters:
        """As the book takes them; without `stages` those of all of them."""
        wanted = frozenset(OPEN) if self.stage == _IN_WORK else frozenset()
        if self.stage in set(DealStage):
            wanted = frozenset({DealStage(self.stage)})
        return BookFilters(
            campaign_id=int(self.campaign) if self.campaign else None,
            stages=wanted if stages else frozenset(),
            owner_id=int(self.owner) if self.owner else None,
            product=self.product,
            by=DealDay(self.by),
            first=date.fromisoformat(self.first) if self.first else None,
            last=date.fromisoformat(self.last) if self.last else None,
            time_zone=zone_name,
        )


@dataclass(frozen=True, slots=True)
class BookLine:
    """A deal in the book, in words. `late`: a contract was expected before today."""

    id: int
    client: str
    campaign: str
    product: str
    amount: str
    stage: str
    why: str
    owner: str
    expected: str
    contract: str
    late: bool


@dataclass(frozen=True, slots=True)
class SumLine:
    """Deals of one kind: how many, what they come to, and a detail such as working days. `address` narrows the book to
    them, "" where it cannot."""

    name: str
    deals: int
    amount: str
    detail: str = ""
    address: str = ""


async def book(request: web.Request) -> web.StreamResponse:
    """GET /deals?campaign=&stage=&owner=&product=&by=&first=&last=&after=&id="""
    words, zone, chosen = words_of(request), zone_of(request), Chosen.of(request.query)
    scope, today = scope_of(request), request.app[DEPS].clock().astimezone(zone).date()
    filters, after = chosen.filters(str(zone)), _key(chosen, request.query)
    async with request.app[DEPS].database.reading() as session:
        found = await sales_book.book_page(session, filters=filters, after=after, limit=PAGE_ROWS, scope=scope)
        reasons = await ReasonNames.read(session, words)
        campaigns = await sales_book.selling_campaigns(session)
        context: dict[str, Any] = {
            "rows": [_line(words, reasons, row, today) for row in found.rows],
            "chosen": chosen,
            "campaigns": [(str(campaign_id), name) for campaign_id, name in campaigns],
            "owners": await _owners(session),
            "products": await sales_book.products(session, scope=scope),
            **await _sums(session, request, chosen, reasons, today),
        }
    context |= {
        "stages": [(stage.value, stage_name(words, stage)) for stage in DealStage],
        "days": [(key, words.gettext(name)) for key, name in DAYS.items()],
        "sees_all": visitor(request).role in OFFICE_ROLES,
        "is_first": after is None,
        "filtered": chosen != Chosen(),
        "beginning": f"/deals?{chosen.query()}",
        "further": _further(chosen, found.next_after),
        "query": chosen.query(),
    }
    return await office_page(request, "deals.html", context)


def _line(words: Words, reasons: ReasonNames, row: DealRow, today: date) -> BookLine:
    return BookLine(
        id=row.id,
        client=row.organisation,
        campaign=row.campaign,
        product=row.product,
        amount=money(words, row.amount_minor, row.currency),
        stage=stage_name(words, row.stage),
        why=reasons.of(row.campaign_id, row.lost_reason),
        owner=row.owner,
        expected=day(words, row.expected_on),
        contract=day(words, row.contract_on),
        late=row.stage in OPEN and row.expected_on is not None and row.expected_on < today,
    )


async def _sums(
    session: AsyncSession, request: web.Request, chosen: Chosen, reasons: ReasonNames, today: date
) -> dict[str, object]:
    """What stands in each stage (of what is in work in those that are), what was won in each month, what was lost for
    which reason, whichever stage is chosen."""
    words, scope, filters = words_of(request), scope_of(request), chosen.filters(str(zone_of(request)), stages=False)
    stages = [
        SumLine(
            stage_name(words, each.stage),
            each.deals,
            money(words, each.amount_minor, each.currency),
            words.gettext("without a sum: {count}", count=each.unknown) if each.unknown else "",
            f"/deals?{chosen.query(stage=each.stage)}",
        )
        for each in await sales_book.sums(session, filters=filters, scope=scope)
        if chosen.stage != _IN_WORK or each.stage in OPEN
    ]
    won = await sales_book.won_by_month(session, filters=filters, today=today, scope=scope)
    campaigns = len({each.campaign for each in won})
    months = [
        SumLine(
            f"{each.month:02}.{each.year}" + (f", {each.campaign}" if campaigns > 1 else ""),
            each.deals,
            money(words, each.amount_minor, each.currency),
            words.gettext(
                "{days} working days, {amount} each", days=each.working_days,
                amount=money(words, each.minor_a_day, each.currency) or "—",
            ),
        )
        for each in won
    ]  # fmt: skip
    lost = [
        SumLine(reasons.of(each.campaign_id, each.reason), each.deals, money(words, each.amount_minor, each.currency))
        for each in await sales_book.lost_by_reason(session, filters=filters, scope=scope)
    ]
    return {"sums": stages, "won": months, "lost": lost}


async def _owners(session: AsyncSession) -> list[tuple[str, str]]:
    found = await session.execute(
        select(User.id, User.name).where(User.active, User.role.in_(CALLERS)).order_by(User.name)
    )
    return [(str(user_id), name) for user_id, name in found]


def _further(chosen: Chosen, key: BookKey | None) -> str:
    return "" if key is None else f"/deals?{chosen.query(after=key.at.isoformat(), id=str(key.deal_id))}"


def _key(chosen: Chosen, query: Mapping[str, str]) -> BookKey | None:
    """The place where the page begins; nonsense is the beginning."""
    number, at = query.get("id", ""), query.get("after", "")
    if not sent.is_id(number):
        return None
    try:
        if chosen.by in (DealDay.OPENED, DealDay.STAGE):
            moment = datetime.fromisoformat(at)
            return BookKey(moment, int(number)) if moment.tzinfo is not None else None
        return BookKey(date.fromisoformat(at), int(number))
    except ValueError:
        return None


async def as_csv(request: web.Request) -> web.StreamResponse:
    """GET /deals.csv with the filters of the book"""
    return await _file(request, "csv")


async def as_workbook(request: web.Request) -> web.StreamResponse:
    """GET /deals.xlsx with the filters of the book"""
    return await _file(request, "xlsx")


async def _file(request: web.Request, kind: str) -> web.StreamResponse:
    words, zone, chosen = words_of(request), zone_of(request), Chosen.of(request.query)
    async with request.app[DEPS].database.reading() as session:
        rows = await sales_book.book_rows(session, filters=chosen.filters(str(zone)), scope=scope_of(request))
        reasons = await ReasonNames.read(session, words)
    write, media_type = (book_csv, "text/csv") if kind == "csv" else (book_workbook, XLSX_TYPE)
    return web.Response(
        body=await asyncio.to_thread(write, rows, words, reasons, zone),
        content_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="deals.{kind}"'},
    )
