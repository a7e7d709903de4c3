"""The database itself: migrations, pragmas, transactions, the check in words."""

from __future__ import annotations

from crm.database import Database


async def test_a_migrated_database_has_nothing_wrong(database: Database) -> None:
    assert await database.check() is None
