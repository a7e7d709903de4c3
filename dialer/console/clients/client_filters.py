"""The filters of the list of clients as they stand in an address or a form, and what there is to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.group import Group
from crm.office.users import CALLERS, User
from crm.preparation.call_lists import CallList
from crm.preparation.campaigns import Campaign, list_campaigns
from crm.reading.client_list import NOBODY, ClientFilters
from dialer.console.web import sent
from dialer.shown.labels import GROUPS, group_name
from dialer.words import Words

LONGEST_TEXT: Final = 100
NOBODYS: Final = "nobody"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The filters as they came; what makes no sense is left out rather than refused."""

    text: str = ""
    group: str = ""
    campaign: str = ""
    call_list: str = ""
    owner: str = ""

    @classmethod
    def of(cls, query: Mapping[str, object]) -> Chosen:
        group, campaign, call_list, owner = (
            str(query.get(name, "")) for name in ("group", "campaign", "list", "owner")
        )
        return cls(
            text=str(query.get("text", "")).strip()[:LONGEST_TEXT],
            group=group if group in GROUPS else "",
            campaign=campaign if sent.is_id(campaign) else "",
            call_list=call_list if sent.is_id(call_list) else "",
            owner=owner if owner == NOBODYS or sent.is_id(owner) else "",
        )

    @classmethod
    def from_filters(cls, filters: ClientFilters) -> Chosen:
        owner = "" if filters.owner_id is None else str(filters.owner_id) if filters.owner_id else NOBODYS
        return cls(
            text=filters.text,
            group=filters.group.value if filters.group else "",
            campaign=str(filters.campaign_id or ""),
            call_list=str(filters.call_list_id or ""),
            owner=owner,
        )

    def query(self) -> dict[str, str]:
        """The filters for a link or hidden fields."""
        named = {
            "text": self.text, "group": self.group, "campaign": self.campaign, "list": self.call_list,
            "owner": self.owner,
        }  # fmt: skip
        return {name: value for name, value in named.items() if value}

    def address(self) -> str:
        return f"/clients?{urlencode(self.query())}"

    def filters(self) -> ClientFilters:
        owner_id = None if not self.owner else NOBODY if self.owner == NOBODYS else int(self.owner)
        return ClientFilters(
            text=self.text,
            group=Group(self.group) if self.group else None,
            campaign_id=int(self.campaign) if self.campaign else None,
            call_list_id=int(self.call_list) if self.call_list else None,
            owner_id=owner_id,
        )


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to choose from, each with its key and its name."""

    groups: list[tuple[str, str]]
    campaigns: list[tuple[str, str]]
    call_lists: list[tuple[str, str]]
    owners: list[tuple[str, str]]


async def choices(session: AsyncSession, words: Words) -> Choices:
    """Lists are named with their campaigns where there are several."""
    campaigns = [(str(each.id), each.name) for each in await list_campaigns(session)]
    lists = await session.execute(
        select(CallList.id, CallList.name, Campaign.name)
        .join(Campaign, Campaign.id == CallList.campaign_id)
        .order_by(Campaign.name, CallList.name)
    )
    owners = await session.execute(
        select(User.id, User.name).where(User.active, User.role.in_(CALLERS)).order_by(User.name)
    )
    several = len(campaigns) > 1
    return Choices(
        groups=[(key, words.gettext(group_name(key))) for key in GROUPS],
        campaigns=campaigns,
        call_lists=[
            (str(list_id), f"{campaign}: {name}" if several else name) for list_id, name, campaign in lists.all()
        ],
        owners=[(str(user_id), name) for user_id, name in owners.all()],
    )
