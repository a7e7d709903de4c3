"""The promises to a client, as its page shows them: what was agreed, who promised, what became of it, whose it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy.ext.asyncio import AsyncSession

from crm.plan.callbacks import Standing
from crm.plan.promise_history import PromiseLine, promises_of
from dialer.shown.formats import moment, naive_moment
from dialer.words import Words, mark

STANDINGS = {
    Standing.OPEN: mark("agreed"),
    Standing.DUE: mark("due"),
    Standing.OVERDUE: mark("overdue"),
    Standing.KEPT: mark("kept"),
    Standing.LATE: mark("kept late"),
    Standing.BROKEN: mark("broken"),
    Standing.MOVED: mark("another time was agreed"),
    Standing.WITHDRAWN: mark("withdrawn"),
}


@dataclass(frozen=True, slots=True)
class ShownPromise:
    """One promise in words. `passed`: a line for each time that it was handed over."""

    when: str
    standing: str
    bad: bool
    owner: str
    asked_by: str
    words: str
    passed: tuple[str, ...]


async def read_promises(
    session: AsyncSession, words: Words, zone: tzinfo, *, client_id: int, now: datetime
) -> tuple[tuple[ShownPromise, ...], int]:
    """The promises, the newest first; and how often the client has put one off."""
    lines = await promises_of(session, client_id=client_id, now=now)
    moved = sum(line.standing is Standing.MOVED for line in lines)
    return tuple(_shown(words, zone, line) for line in lines), moved


def _shown(words: Words, zone: tzinfo, line: PromiseLine) -> ShownPromise:
    return ShownPromise(
        when=naive_moment(words, line.local_at),
        standing=words.gettext(STANDINGS[line.standing]),
        bad=line.standing in (Standing.OVERDUE, Standing.BROKEN),
        owner=line.owner,
        asked_by=line.asked_by,
        words=line.words,
        passed=tuple(
            words.gettext("{time}: {one} → {other}", time=moment(words, at, zone), one=one, other=other)
            for at, one, other in line.passed
        ),
    )
