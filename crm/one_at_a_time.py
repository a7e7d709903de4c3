"""Deeds that only one does at a time in the whole database, because what they rely on is no row that could be held."""

from __future__ import annotations

import enum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


class Deed(enum.IntEnum):
    """What is done; the numbers are any, and differ from those of others on the same database."""

    LINKING = 0x6368_6169  # the chain over audit and outcomes
    TAKING_IN_ORGANISATIONS = 0x6F72_6761
    KEEPING_ROWS = 0x726F_7773  # of files that were read, and erasing whom they may tell of
    CHANGING_DISPOSITIONS = 0x6469_7370
    CHANGING_QUESTIONNAIRES = 0x7175_6573


async def one_at_a_time(session: AsyncSession, deed: Deed) -> None:
    """Wait for others who do the same, and let them wait until this transaction ends. SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(deed)})
