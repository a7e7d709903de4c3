"""How long the text of a single field may be: a cell that holds a book is a mistake, or made to do harm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm.importing.mapping import Columns
from crm.importing.tables import Row
from crm.problems import Problem

LONGEST: Final = 1_000
LONGEST_OF: Final[Mapping[str, int]] = {"name": 500, "note": 10_000, "summary": 10_000}
"""Signs that a field may have, where it is not `LONGEST`."""
LONGEST_ATTRIBUTE: Final = 4_000
_SHORTEST: Final = min(LONGEST, *LONGEST_OF.values())


def too_long(field: str, column: str, cell: str) -> Problem | None:
    """Why the cell of that column does not fit into the field."""
    return _beyond(LONGEST_OF.get(field, LONGEST), column, cell)


def cells_too_long(row: Row, columns: Columns) -> list[Problem]:
    """Every cell of the row that is longer than its field may be, in the order of the columns."""
    if max(map(len, row.cells), default=0) <= _SHORTEST:
        return []
    limits = {place: LONGEST_OF.get(field, LONGEST) for field, place in columns.places.items()}
    limits |= dict.fromkeys((*columns.phones, *columns.competitors), LONGEST)
    limits |= dict.fromkeys(columns.attributes.values(), LONGEST_ATTRIBUTE)
    found = (
        _beyond(limit, columns.header[place], row.cells[place])
        for place, limit in sorted(limits.items())
        if place < len(row.cells)
    )
    return [problem for problem in found if problem is not None]


def _beyond(limit: int, column: str, cell: str) -> Problem | None:
    return (
        Problem("row.too_long", {"column": column, "letters": len(cell), "limit": limit}) if len(cell) > limit else None
    )
