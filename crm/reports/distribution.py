"""How the clients of a campaign are spread: over the groups, and over the industries (two pies)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.clientele.clients import Client
from crm.group import Group
from crm.reports.base import Base
from crm.reports.rounding import percent


@dataclass(frozen=True, slots=True)
class Slice:
    """So many `organisations` of one `key` (a group, or the name of an industry, "" where none is known), and their
    share of all in per cent."""

    key: str
    organisations: int
    share: Decimal | None


async def by_group(session: AsyncSession, base: Base) -> list[Slice]:
    """In the order of the groups; a group that holds nobody has no row."""
    counted = select(Client.group, func.count()).where(base.clients()).group_by(Client.group)
    counts: dict[str, int] = {group.value: count for group, count in await session.execute(counted)}
    return _slices({group.value: counts[group.value] for group in Group if group.value in counts})


async def by_industry(session: AsyncSession, base: Base) -> list[Slice]:
    """By name; those whose industry is not known at the end."""
    counted = (
        select(Organisation.industry, func.count())
        .join(Client, Client.organisation_id == Organisation.id)
        .where(base.clients())
        .group_by(Organisation.industry)
    )
    counts: dict[str, int] = dict((await session.execute(counted)).all())
    return _slices({name: counts[name] for name in sorted(counts, key=lambda name: (not name, name))})


def _slices(counts: Mapping[str, int]) -> list[Slice]:
    total = sum(counts.values())
    return [Slice(key, count, percent(count, total)) for key, count in counts.items()]
