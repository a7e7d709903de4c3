"""Trying rules in a process of its own, which comes after everything else: calls that go on lose nothing by it. It ends
with whoever asked, or with the service."""

from __future__ import annotations

import asyncio
import os
import pickle
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO, Final

from crm.database import Database
from crm.preparation.campaigns import get_campaign
from crm.what_if.drafts import Draft
from crm.what_if.facts import Period
from crm.what_if.outcome import Outcome
from crm.what_if.trying import try_rules

_LENGTH: Final = struct.Struct("!I")
_STEPS_TOLD: Final = 10
_NICE: Final = 10
_ITSELF: Final = "dialer.console.campaigns.what_if_process"


_Task = tuple[str, int, Draft, date, date]  # url, campaign, what is tried, first and last day


class BrokenOff(Exception):
    """The other process ended without an outcome: it was killed, or something happened that should not."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What goes on in the other process."""

    process: asyncio.subprocess.Process

    async def steps(self) -> AsyncIterator[Outcome | None]:
        """Yields `None` as it goes on, and at the end the outcome. Raises `BrokenOff` when the process ends without."""
        reader = self.process.stdout
        assert reader is not None  # it was asked for
        try:
            while True:
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                if length:
                    yield await asyncio.to_thread(pickle.loads, await reader.readexactly(length))
                    return
                yield None
        except asyncio.IncompleteReadError:
            raise BrokenOff from None


@asynccontextmanager
async def beside(database: Database, campaign_id: int, draft: Draft, period: Period) -> AsyncIterator[Trial]:
    """A trial that has begun; at the end its process is ended, whatever has become of it. The draft is one that
    `crm.what_if.drafts.drafted` takes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _ITSELF, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        url = database.url.render_as_string(hide_password=False)
        assert process.stdin is not None  # it was asked for
        process.stdin.write(pickle.dumps((url, campaign_id, draft, period.first, period.last)))
        process.stdin.write_eof()
        yield Trial(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _carry_out(task: _Task, out: BinaryIO) -> None:
    url, campaign_id, draft, first, last = task
    database = Database(url)
    try:
        async with database.reading() as session:
            campaign = await get_campaign(session, campaign_id)
            steps = try_rules(session, campaign, draft, Period.of(campaign, first, last))
            number = 0
            async for outcome in steps:
                number += 1
                if outcome is not None:
                    told = pickle.dumps(outcome)
                    out.write(_LENGTH.pack(len(told)) + told)
                elif number % _STEPS_TOLD == 0:
                    out.write(_LENGTH.pack(0))
                out.flush()
    finally:
        await database.dispose()


def main() -> None:
    """The other process: the task comes by standard input, how it goes on and the outcome go to standard output."""
    os.nice(_NICE)
    try:
        asyncio.run(_carry_out(pickle.load(sys.stdin.buffer), sys.stdout.buffer))
    except BrokenPipeError:  # nobody waits any more
        os._exit(1)


if __name__ == "__main__":
    main()
