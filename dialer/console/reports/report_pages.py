"""Reports: chosen by campaign, list and days, read on the page or downloaded for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.csv_sheets import csv_bytes
from crm.errors import NotFound, Refused
from crm.preparation.call_lists import CallList, lists_of
from crm.preparation.campaigns import Campaign, get_campaign, list_campaigns
from crm.reports.base import Base
from crm.reports.headcount import attributes_of
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page
from dialer.console.web.visitors import words_of, zone_of
from dialer.crm_words import explain
from dialer.shown.report_sheets import REPORTS, Asked, Sheet, make_sheet

LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the address asks for, 0 and `None` for nothing; what cannot be read in it is passed over. Without a campaign
    it is the newest."""

    report: str
    campaign: int
    call_list: int
    first: date | None
    last: date | None
    attribute: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        report = query.get("report", "")
        return cls(
            report=report if report in REPORTS else next(iter(REPORTS)),
            campaign=sent.number(query.get("campaign", "")),
            call_list=sent.number(query.get("list", "")),
            first=sent.day(query.get("from", "")),
            last=sent.day(query.get("to", "")),
            attribute=query.get("attribute", "").strip()[:LONGEST_NAME],
        )

    def address(self) -> str:
        """Of the same sheet as a file."""
        named = {
            "report": self.report, "campaign": self.campaign, "list": self.call_list, "from": self.first,
            "to": self.last, "attribute": self.attribute,
        }  # fmt: skip
        return f"/reports.csv?{urlencode({name: value for name, value in named.items() if value})}"

    def asked(self, today: date) -> Asked:
        """As the sheets want it."""
        return Asked(self.first, self.last, self.attribute, today)


async def reports(request: web.Request) -> web.StreamResponse:
    """GET /reports?report=&campaign=&list=&from=&to=&attribute="""
    words, chosen = words_of(request), Chosen.of(request.query)
    sheet: Sheet | None = None
    trouble = ""
    lists: list[CallList] = []
    attributes: list[str] = []
    async with request.app[DEPS].database.reading() as session:
        campaigns = await list_campaigns(session)
        campaign = await _campaign(session, chosen, campaigns)
        if campaign is not None:
            lists = await lists_of(session, campaign_id=campaign.id)
            base = _base(campaign, chosen, lists)
            attributes = await attributes_of(session, base) if chosen.report == "headcount" else []
            try:
                sheet = await make_sheet(session, base, chosen.report, chosen.asked(_today(request)), words)
            except Refused as refusal:
                trouble = explain(words, refusal.code, refusal.params)
    context = {
        "chosen": chosen,
        "campaign_id": campaign.id if campaign else None,
        "campaigns": campaigns,
        "lists": lists,
        "attributes": attributes,
        "reports": [(key, words.gettext(title)) for key, title in REPORTS.items()],
        "title": words.gettext(REPORTS[chosen.report]),
        "sheet": sheet,
        "trouble": trouble,
        "download": chosen.address(),
    }
    response = await office_page(request, "reports.html", context)
    if trouble:
        response.set_status(422)
    return response


async def download(request: web.Request) -> web.StreamResponse:
    """GET /reports.csv, with what /reports takes."""
    words, chosen = words_of(request), Chosen.of(request.query)
    async with request.app[DEPS].database.reading() as session:
        campaign = await _campaign(session, chosen, await list_campaigns(session))
        if campaign is None:
            raise NotFound("campaign.unknown", name="")
        lists = await lists_of(session, campaign_id=campaign.id)
        sheet = await make_sheet(
            session, _base(campaign, chosen, lists), chosen.report, chosen.asked(_today(request)), words
        )
    return web.Response(
        body=csv_bytes(sheet.all_rows()),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{chosen.report}.csv"'},
    )


async def _campaign(session: AsyncSession, chosen: Chosen, campaigns: list[Campaign]) -> Campaign | None:
    if chosen.campaign:
        return await get_campaign(session, chosen.campaign)
    return max(campaigns, key=lambda campaign: campaign.id, default=None)


def _base(campaign: Campaign, chosen: Chosen, lists: list[CallList]) -> Base:
    """A list of another campaign is none."""
    call_list = next((each for each in lists if each.id == chosen.call_list), None)
    return Base(campaign, call_list.id if call_list else None)


def _today(request: web.Request) -> date:
    return request.app[DEPS].clock().astimezone(zone_of(request)).date()
