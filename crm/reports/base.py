"""Of whom a report is: the clients of a campaign, or of one of its lists."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_
from sqlalchemy.ext.asyncio import AsyncSession

from crm.call_lists import existing_list
from crm.campaigns import Campaign, campaign_named
from crm.clients import Client


@dataclass(frozen=True, slots=True)
class Base:
    """The campaign, and the list if it is one of them alone. Who was taken off the list still counts: what was done is
    reported, not what is left to do."""

    campaign: Campaign
    call_list_id: int | None = None

    def clients(self) -> ColumnElement[bool]:
        """The condition on `Client`."""
        of_campaign = Client.campaign_id == self.campaign.id
        return of_campaign if self.call_list_id is None else and_(of_campaign, Client.call_list_id == self.call_list_id)


async def base_named(session: AsyncSession, *, campaign: str, call_list: str | None = None) -> Base:
    """By the names that people use. Raises `NotFound`."""
    found = await campaign_named(session, campaign)
    if call_list is None:
        return Base(found)
    return Base(found, (await existing_list(session, campaign_id=found.id, name=call_list)).id)
