"""Where the header of a table stands: programs write a title, a date and an empty line above it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from crm.importing.mapping import is_known

LOOKED_AT: Final = 20
"""Rows among which the header is looked for."""


def header_place(rows: Sequence[Sequence[str]]) -> int:
    """The place of the header in `rows`, the first ones of a table without the empty ones: the first with known
    headings, else after a title of one cell the first with several cells that is followed by one as wide, else 0."""
    if not rows or any(map(is_known, rows[0])):
        return 0
    for place, row in enumerate(rows[:LOOKED_AT]):
        if sum(map(is_known, row)) > 1:
            return place
    if _filled(rows[0]) > 1:
        return 0
    for place, (row, following) in enumerate(pairwise(rows[:LOOKED_AT])):
        if _filled(row) > 1 and len(row) == len(following) and _filled(following) > 1:
            return place
    return 0


def _filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)
