"""An office with its key, and what stands anywhere in its database: so nothing of somebody erased is overlooked."""

from __future__ import annotations

import contextlib
import json

from sqlalchemy import inspect, select, table, text

from crm.database import Database

KEY = b"key of the office, for the tests"


def said(value: object) -> str:
    """A value as text; of JSON what it says, since SQLite's is written in ASCII."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        with contextlib.suppress(ValueError):
            return str(json.loads(value))
    return str(value)


async def rows_of(database: Database) -> dict[str, list[str]]:
    """All that stands in the database, as text."""
    async with database.engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        found = {}
        for name in names:
            if not name.startswith("search_trigrams_"):  # what the index makes of the documents
                rows = await connection.execute(select(text("*")).select_from(table(name)))
                found[name] = [
                    str(tuple(row)).encode().decode("unicode_escape", "ignore") + str(tuple(row)) for row in rows
                ]
        return found


async def places_of(database: Database, needles: tuple[str, ...]) -> list[tuple[str, str]]:
    return [
        (name, needle)
        for name, rows in (await rows_of(database)).items()
        for needle in needles
        if any(needle in row for row in rows)
    ]
