"""Rows of which there is one for each thing: whoever writes the first one, two at once too, has that one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


async def insert_or_read(session: AsyncSession, row: T, read: Callable[[], Awaitable[T | None]]) -> tuple[T, bool]:
    """`row`, inserted, or what `read` finds where somebody else has written the same just now; and whether it was
    inserted. PostgreSQL lets the second wait for the first. Raises `IntegrityError` where `read` finds nothing: then
    the database refuses the row for another reason."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        found = await read()
        if found is None:
            raise
        return found, False
    return row, True
