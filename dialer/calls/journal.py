"""What happened in a call, written down in order, also when the database is away for a while.

A call does not wait for a disk: facts are noted with the time they happened at and written one after the other by the
journal's task. If the database cannot be written they stay in line and are tried again; the operator is told once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from crm.database import Database
from crm.errors import CrmError
from dialer.reasons import of_database

log = structlog.get_logger("dialer.calls")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0

Fact = Callable[[AsyncSession], Awaitable[object]]

DATABASE_TROUBLE = (OperationalError, DBAPIError, PoolTimeout, OSError)


@dataclass(frozen=True, slots=True)
class _Entry:
    what: str
    write: Fact
    written: asyncio.Event


class Journal:
    """One for each call."""

    def __init__(self, database: Database, call_id: str, on_trouble: Callable[[str], None]) -> None:
        self._database = database
        self._call_id = call_id
        self._on_trouble = on_trouble
        self._entries: deque[_Entry] = deque()
        self._more = asyncio.Event()
        self._closed = False

    def note(self, what: str, write: Fact) -> asyncio.Event:
        """Put `write` in line; it runs in a transaction of its own and must be safe to run again. The event returned is
        set once it is committed."""
        written = asyncio.Event()
        self._entries.append(_Entry(what, write, written))
        self._more.set()
        return written

    def close(self) -> None:
        """Nothing more will be noted: `run` returns when all is written."""
        self._closed = True
        self._more.set()

    async def run(self) -> None:
        while True:
            while self._entries:
                await self._write(self._entries[0])
                self._entries.popleft().written.set()
            if self._closed:
                return
            self._more.clear()
            await self._more.wait()

    async def _write(self, entry: _Entry) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with self._database.transaction() as session:
                    await entry.write(session)
                return
            except CrmError as refused:  # a fact cannot be refused: a fault of ours, but not a reason to lose the next
                log.error("fact refused", call=self._call_id, what=entry.what, code=refused.code)
                return
            except (IntegrityError, DataError) as refused:  # trying again would change nothing
                log.error("fact refused", call=self._call_id, what=entry.what, reason=of_database(refused))
                return
            except DATABASE_TROUBLE as error:
                reason = of_database(error)
                log.error("not written yet", call=self._call_id, what=entry.what, reason=reason, again_in_s=pause_s)
                self._on_trouble(reason)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
