"""People of the office as they stand in a list to choose from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession

from crm.office.absences import who_is_away
from crm.office.users import User
from dialer.words import Words


async def to_choose(session: AsyncSession, words: Words, people: Iterable[User], today: date) -> list[tuple[int, str]]:
    """Ids and names; beside the name of somebody who is away today, that they are. They may be chosen all the same:
    the day that they are chosen for may be another one."""
    away = await who_is_away(session, today)
    return [
        (each.id, words.gettext("{name} (away today)", name=each.name) if each.id in away else each.name)
        for each in people
    ]
