"""Organisations by the number of their people, crossed with an attribute that is yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sqlalchemy import ColumnElement, case, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.clientele.clients import Client
from crm.reports.base import Base
from crm.reports.rounding import percent
from crm.text_rules import NO_WORDS, YES_WORDS, fold, in_every_case

BAND_ENDS: Final = (100, 200, 300, 500, 1000)
"""The highest headcount of each band but the last; headcounts of 0 are in the first."""
_YES: Final = sorted(in_every_case(YES_WORDS))
LOOKED_AT: Final = 2_000
"""Clients whose attributes are looked at for their names."""


@dataclass(frozen=True, slots=True)
class BandRow:
    """Organisations with `lowest` to `highest` people: `lowest` `None` where the headcount is not known, `highest`
    `None` for the last band. `yes` of them have the attribute, `share` in per cent."""

    lowest: int | None
    highest: int | None
    organisations: int
    yes: int

    @property
    def share(self) -> Decimal | None:
        """In per cent, to two decimals; `None` in an empty band."""
        return percent(self.yes, self.organisations)


async def by_headcount(
    session: AsyncSession, base: Base, attribute: str, *, ends: Sequence[int] = BAND_ENDS
) -> list[BandRow]:
    """Every band in its order, also the empty ones, those without data first."""
    counted = (
        select(_band(ends), func.count(), func.sum(case((_says_yes(session, attribute), 1), else_=0)))
        .select_from(Organisation)
        .join(Client, Client.organisation_id == Organisation.id)
        .where(base.clients())
        .group_by("band")
    )
    found = {band: (organisations, yes) for band, organisations, yes in await session.execute(counted)}
    edges: list[tuple[int | None, int | None]] = [(None, None)]
    edges += zip((1, *(end + 1 for end in ends)), (*ends, None), strict=True)
    return [BandRow(*edge, *found.get(band, (0, 0))) for band, edge in enumerate(edges)]


async def attributes_of(session: AsyncSession, base: Base) -> list[str]:
    """The names of what is yes or no of the clients, by those that came last."""
    newest = (
        select(Organisation.attributes)
        .join(Client, Client.organisation_id == Organisation.id)
        .where(base.clients())
        .order_by(Client.id.desc())
        .limit(LOOKED_AT)
    )
    values: dict[str, set[str]] = {}
    for attributes in await session.scalars(newest):
        for name, value in attributes.items():
            values.setdefault(name, set()).add(fold(value))
    return sorted(name for name, said in values.items() if said - {""} and said <= YES_WORDS | NO_WORDS | {""})


def sum_of(rows: Sequence[BandRow]) -> BandRow:
    """The last row of the sheet."""
    return BandRow(None, None, sum(row.organisations for row in rows), sum(row.yes for row in rows))


def _band(ends: Sequence[int]) -> ColumnElement[int]:
    """0 where the headcount is not known, then 1 for the first band."""
    within = ((Organisation.headcount <= end, place) for place, end in enumerate(ends, start=1))
    return case((Organisation.headcount.is_(None), 0), *within, else_=len(ends) + 1).label("band")


def _says_yes(session: AsyncSession, attribute: str) -> ColumnElement[bool]:
    """Whether the attribute is one of the words for yes, in any case. SQLite is asked for the pairs: by its path it
    finds no name that JSON has written with escapes, as every Cyrillic one."""
    if session.get_bind().dialect.name != "sqlite":
        said: ColumnElement[str] = Organisation.attributes[attribute].as_string()
        return said.in_(_YES)
    pair = func.json_each(Organisation.attributes).table_valued("key", "value")
    return exists().where(pair.c.key == attribute, pair.c.value.in_(_YES)).correlate(Organisation)
