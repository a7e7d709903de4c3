"""Reports as sheets: a heading, rows of text, and the rows below the line, in the reader's language."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

from babel.dates import format_date
from babel.numbers import format_decimal
from sqlalchemy.ext.asyncio import AsyncSession

from crm.reports import distribution, headcount, months
from crm.reports.base import Base
from dialer.shown.labels import group_name
from dialer.words import Words, mark


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is asked for besides its base: the days that it is of, and the attribute that it crosses (""
    for the first that there is); `today`: up to which working days are counted."""

    first: date | None = None
    last: date | None = None
    attribute: str = ""
    today: date | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """`rows` below `heading`, then `foot`; the first cell of each row is its name. `shares` are those of the rows in
    per cent, for bars beside them, where the report is about shares."""

    heading: tuple[str, ...]
    rows: list[tuple[str, ...]]
    foot: list[tuple[str, ...]] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def all_rows(self) -> list[tuple[str, ...]]:
        """From top to bottom."""
        return [self.heading, *self.rows, *self.foot]


REPORTS: Final[Mapping[str, str]] = {
    "groups": mark("Clients by group"),
    "industries": mark("Clients by industry"),
    "contacts": mark("Contacts by industry and month"),
    "organisations": mark("Organisations contacted, by industry and month of the first contact"),
    "headcount": mark("Organisations by headcount, and how many of them have an attribute"),
}
"""The reports by key, with what each shows."""


async def make_sheet(session: AsyncSession, base: Base, report: str, asked: Asked, words: Words) -> Sheet:
    """The report of that key. Raises `Refused` for days that cannot be."""
    return await _SHEETS[report](session, base, asked, words)


async def _groups(session: AsyncSession, base: Base, asked: Asked, words: Words) -> Sheet:
    slices = await distribution.by_group(session, base)
    return _shares(words.gettext("Group"), slices, lambda key: words.gettext(group_name(key)), words)


async def _industries(session: AsyncSession, base: Base, asked: Asked, words: Words) -> Sheet:
    slices = await distribution.by_industry(session, base)
    return _shares(words.gettext("Industry"), slices, lambda key: key or words.gettext("not known"), words)


def _shares(title: str, slices: list[distribution.Slice], name: Callable[[str], str], words: Words) -> Sheet:
    total = sum(each.organisations for each in slices)
    return Sheet(
        heading=(title, words.gettext("Organisations"), words.gettext("Share, %")),
        rows=[(name(each.key), str(each.organisations), _number(each.share, words)) for each in slices],
        foot=[(words.gettext("Total"), str(total), "")],
        shares=[float(each.share or 0) for each in slices],
    )


async def _contacts(session: AsyncSession, base: Base, asked: Asked, words: Words) -> Sheet:
    return _month_sheet(
        await months.contacts_by_month(session, base, first=asked.first, last=asked.last, today=asked.today), words
    )


async def _organisations(session: AsyncSession, base: Base, asked: Asked, words: Words) -> Sheet:
    return _month_sheet(
        await months.organisations_by_month(session, base, first=asked.first, last=asked.last, today=asked.today), words
    )


def _month_sheet(table: months.MonthTable, words: Words) -> Sheet:
    names = [format_date(date(*month, 1), "LLLL y", locale=words.locale) for month in table.months]

    def cells(name: str, row: months.MonthRow) -> tuple[str, ...]:
        return (name, *(str(count) if count else "" for count in (row.undated, *row.counts, row.total)))

    each_day = (_number(figure, words) for figure in table.each_day)
    return Sheet(
        heading=(words.gettext("Industry"), words.gettext("Without a date"), *names, words.gettext("Total")),
        rows=[cells(row.industry or words.gettext("not known"), row) for row in table.rows],
        foot=[
            cells(words.gettext("Total"), table.all_rows),
            (words.gettext("Working days"), "", *map(str, table.working_days), str(sum(table.working_days))),
            (words.gettext("Each working day"), "", *each_day),
        ],
    )


async def _headcount(session: AsyncSession, base: Base, asked: Asked, words: Words) -> Sheet:
    known = await headcount.attributes_of(session, base)
    attribute = asked.attribute or next(iter(known), "")
    rows = await headcount.by_headcount(session, base, attribute)

    def cells(name: str, row: headcount.BandRow) -> tuple[str, ...]:
        crossed = (str(row.yes), _number(row.share, words)) if attribute else ()
        return (name, str(row.organisations), *crossed)

    crossing = (words.gettext("“{attribute}”: yes", attribute=attribute), words.gettext("Share, %"))
    return Sheet(
        heading=(words.gettext("Headcount"), words.gettext("Organisations"), *(crossing if attribute else ())),
        rows=[cells(_band(row, words), row) for row in rows],
        foot=[cells(words.gettext("Total"), headcount.sum_of(rows))],
        shares=[float(row.share or 0) for row in rows] if attribute else [],
    )


def _band(row: headcount.BandRow, words: Words) -> str:
    if row.lowest is None:
        return words.gettext("no data")
    if row.highest is None:
        return words.gettext("over {number}", number=row.lowest - 1)
    if row.lowest == 1:
        return words.gettext("up to {number}", number=row.highest)
    return f"{row.lowest}–{row.highest}"


def _number(figure: Decimal | None, words: Words) -> str:
    """With as many decimals as it was rounded to."""
    if figure is None:
        return ""
    digits = "0" * -int(figure.as_tuple().exponent)
    return format_decimal(figure, f"#,##0.{digits}", locale=words.locale)


_SHEETS: Final[Mapping[str, Callable[[AsyncSession, Base, Asked, Words], Awaitable[Sheet]]]] = {
    "groups": _groups,
    "industries": _industries,
    "contacts": _contacts,
    "organisations": _organisations,
    "headcount": _headcount,
}
