"""Tables as CSV for a spreadsheet: UTF-8 with BOM, semicolons, nothing that would be computed when it is opened."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final

FORMULA_SIGNS: Final = ("=", "+", "-", "@")
"""A spreadsheet takes a cell that begins with one of these for a formula."""
_HIDDEN: Final = re.compile(f"[,\t](?=[{re.escape(''.join(FORMULA_SIGNS))}])")


def csv_bytes(rows: Iterable[Sequence[str]], *, first: bool = True) -> bytes:
    """The rows as a file, or as what follows in one when they are not the `first`. A cell that a
    spreadsheet would compute gets an apostrophe in front, which an import takes off again; where a
    formula could begin behind a comma or a tab within a cell, a semicolon stands in its place."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig" if first else "utf-8")


def _harmless(cell: str) -> str:
    # A spreadsheet may part at these, whatever we part at; no quotes help in the middle of what it takes for a cell.
    cell = _HIDDEN.sub(";", cell)
    if ";" in cell:
        cell = " ".join(cell.splitlines())  # or its lines would look like rows that an open quote has swallowed
    return f"'{cell}" if cell.lstrip().startswith(FORMULA_SIGNS) else cell
