"""Of whom a report is: the clients of a campaign, or of one of its lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.joined import is_joined, standing_clients
from crm.clientele.clients import Client
from crm.preparation.call_lists import existing_list
from crm.preparation.campaigns import Campaign, campaign_named
from crm.wrap_up.contacts import Contact


@dataclass(frozen=True, slots=True)
class Base:
    """The campaign, and the list if it is one of them alone. Who was taken off the list still counts: what was done is
    reported, not what is left to do. Who was merged with another counts once, as that one."""

    campaign: Campaign
    call_list_id: int | None = None

    def clients(self) -> ColumnElement[bool]:
        """The condition on `Client`."""
        of_campaign = and_(Client.campaign_id == self.campaign.id, ~is_joined(Client.id))
        return of_campaign if self.call_list_id is None else and_(of_campaign, Client.call_list_id == self.call_list_id)

    def contacts(self) -> Select[int, datetime | None]:
        """All contacts: the organisation that each is of, as `organisation_id`, and when, as `at`."""
        standing = standing_clients()
        client_id = func.coalesce(standing.c.into_id, Contact.client_id)
        return (
            select(Client.organisation_id.label("organisation_id"), Contact.at.label("at"))
            .select_from(Contact)
            .outerjoin(standing, standing.c.client_id == Contact.client_id)
            .join(Client, Client.id == client_id)
            .where(self.clients())
        )


async def base_named(session: AsyncSession, *, campaign: str, call_list: str | None = None) -> Base:
    """By the names that people use. Raises `NotFound`."""
    found = await campaign_named(session, campaign)
    if call_list is None:
        return Base(found)
    return Base(found, (await existing_list(session, campaign_id=found.id, name=call_list)).id)
