"""The words for deals: stages, days, reasons, sums, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from babel.dates import format_date
from babel.numbers import format_decimal, get_currency_symbol
from sqlalchemy.ext.asyncio import AsyncSession

from crm.deals.lost_reasons import LostReason, lost_reasons, own_reason_labels
from crm.reading.sales_book import DealDay, MoveRow, whole_units
from dialer.words import Words, mark

STAGES: Final[Mapping[str, str]] = {
    "interest": mark("Interest"),
    "offer": mark("Offer made"),
    "negotiation": mark("Negotiation"),
    "contract": mark("Contract"),
    "lost": mark("Lost"),
}
REASONS: Final[Mapping[str, str]] = {
    "price": mark("Too dear"),
    "competitor": mark("Bought from a competitor"),
    "no_money": mark("No money for it"),
    "no_need": mark("No need any more"),
    "terms": mark("Our terms did not suit"),
    "silent": mark("Fell silent"),
    "other": mark("Another reason"),
    "mistake": mark("Opened by mistake"),
}
CAUSES: Final[Mapping[str, str]] = {
    "call": mark("in a call"),
    "user": mark("by hand"),
    "correction": mark("the outcome was taken back"),
}
DAYS: Final[Mapping[str, str]] = {
    DealDay.OPENED: mark("opened"),
    DealDay.STAGE: mark("came into its stage"),
    DealDay.EXPECTED: mark("contract expected"),
    DealDay.CONTRACT: mark("contract signed"),
    DealDay.DELIVERED: mark("first delivery"),
    DealDay.PAID: mark("first payment"),
}


def stage_name(words: Words, stage: str) -> str:
    return words.gettext(STAGES[stage])


def money(words: Words, amount_minor: int | None, currency: str) -> str:
    """`125 000,50 ₽`, `125,000.50 RUB`, to the hundredth; "" for a sum that nobody knows."""
    if amount_minor is None:
        return ""
    amount = format_decimal(whole_units(amount_minor), "#,##0.00", locale=words.locale)
    return f"{amount}\N{NO-BREAK SPACE}{get_currency_symbol(currency, locale=words.locale)}"


def typed_amount(words: Words, amount_minor: int | None) -> str:
    """As somebody would type it: `125000,50`, `125000`."""
    if amount_minor is None:
        return ""
    whole, rest = divmod(amount_minor, 100)
    point = "," if words.language == "ru" else "."
    return f"{whole}{point}{rest:02}" if rest else str(whole)


def day(words: Words, when: date | None) -> str:
    """`20 дек. 2026 г.`; "" for none."""
    return format_date(when, "d MMM y", locale=words.locale) if when is not None else ""


class ReasonNames:
    """What reasons are called, in each campaign."""

    def __init__(self, words: Words, own: Mapping[tuple[int, str], str]) -> None:
        self._words = words
        self._own = own

    @classmethod
    async def read(cls, session: AsyncSession, words: Words) -> ReasonNames:
        return cls(words, await own_reason_labels(session, words.language))

    def of(self, campaign_id: int, key: str) -> str:
        """The campaign's own name, or the usual one; "" for no reason."""
        if not key:
            return ""
        own = self._own.get((campaign_id, key))
        return own or (self._words.gettext(REASONS[key]) if key in REASONS else key)


def move_words(words: Words, reasons: ReasonNames, campaign_id: int, move: MoveRow) -> tuple[str, str]:
    """A move in one line: from where to where with the sum, and why."""
    left = f"{stage_name(words, move.from_stage)} → " if move.from_stage else ""
    step = f"{left}{stage_name(words, move.to_stage)}"
    amount = money(words, move.amount_minor, move.currency)
    why = (words.gettext(CAUSES[move.cause]), reasons.of(campaign_id, move.reason), move.note)
    return f"{step}, {amount}" if amount else step, " · ".join(part for part in why if part)


def reason_label(words: Words, reason: LostReason) -> str:
    """Its own name, or the usual one."""
    own = reason.labels[0] if words.language == "ru" else reason.labels[1]
    return own or words.gettext(REASONS[reason.key])


async def reasons_to_choose(session: AsyncSession, words: Words, campaign_id: int) -> list[tuple[str, str]]:
    """Keys and names of the reasons that the campaign offers."""
    found = await lost_reasons(session, campaign_id)
    return [(each.key, reason_label(words, each)) for each in found.values() if each.active]
