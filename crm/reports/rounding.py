"""Figures as people round them: half up, never to the even digit."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

_TENTH: Final = Decimal("0.1")
_HUNDREDTH: Final = Decimal("0.01")


def per_day(count: int, days: int) -> Decimal | None:
    """`count` for each of `days`, to one decimal; `None` when there was no day."""
    return (Decimal(count) / days).quantize(_TENTH, ROUND_HALF_UP) if days else None


def percent(part: int, whole: int) -> Decimal | None:
    """The share of `part` in `whole` in per cent, to two decimals; `None` of nothing."""
    return (Decimal(100 * part) / whole).quantize(_HUNDREDTH, ROUND_HALF_UP) if whole else None
