"""Rules that somebody thinks of: a campaign as it would be with them, not in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.disposition_sets import dispositions_of
from crm.calls.retry_rules import Key, Rule, as_if_set, own_rules
from crm.plan.dispositions import Disposition
from crm.preparation.campaigns import Campaign, as_if_changed

OF_THE_ORDER: Final = (
    "group_order", "calls_a_day", "shares_by", "shares", "owner_keeps_days", "away_keeps", "tries_to_no_contact",
)  # fmt: skip
"""Of the columns that can be tried those that say whom the plan brings, and in which order."""
COLUMNS: Final = (
    "calls_from", "calls_until", "calls_on_days_off", "attempts_a_day", "number_attempts_a_day", "gap_min",
    *OF_THE_ORDER,
)  # fmt: skip
"""The campaign's columns that can be tried."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody would change: `columns` of the campaign, and rules for next tries (`None`: the usual one)."""

    columns: Mapping[str, Any] = field(default_factory=dict)
    retries: Mapping[Key, Rule | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that decide when a client is called: a campaign's, its own for next tries, and what its dispositions
    mean."""

    campaign: Campaign
    own: Mapping[Key, Rule]
    dispositions: Mapping[str, Disposition]


def order_differs(before: Rules, after: Rules) -> bool:
    """Whether the plan may bring others, or in another order."""
    return any(getattr(before.campaign, column) != getattr(after.campaign, column) for column in OF_THE_ORDER)


async def present(session: AsyncSession, campaign: Campaign) -> Rules:
    """The rules that hold."""
    return Rules(campaign, await own_rules(session, campaign.id), await dispositions_of(session, campaign.id))


async def drafted(session: AsyncSession, campaign: Campaign, draft: Draft) -> Rules:
    """The rules that would hold. Raises `Refused` as saving them would."""
    imagined = await as_if_changed(session, campaign, draft.columns)
    own = await as_if_set(session, campaign.id, draft.retries)
    return Rules(imagined, own, await dispositions_of(session, campaign.id))
