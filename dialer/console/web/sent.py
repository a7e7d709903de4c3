"""What was sent in an address or a form, read so that nonsense is nothing rather than an error."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from typing import Final

_LONGEST_ID: Final = 9
"""Digits: whatever has more is the id of nothing, in either database."""
YEARS: Final = range(1900, 2200)
"""In which somebody may have called or will."""


def is_id(text: str) -> bool:
    """Whether `text` can be an id, or any other whole number of its size."""
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID


def number(text: str) -> int:
    """The whole number in `text`; 0, which is the id or the version of nothing, for anything else."""
    return int(text) if is_id(text) else 0


def day(text: str) -> date | None:
    """The day in `text`, as 2026-12-31, of a year in which somebody may have called or will."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year in YEARS else None


def moment(text: str, zone: tzinfo) -> datetime | None:
    """The instant at which the clock of `zone` shows `text`, as 2026-12-31T18:30, of the same years."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is not None or found.year not in YEARS:
        return None
    return found.replace(tzinfo=zone).astimezone(UTC)
