"""Offers to a mail server that is killed, slow, refuses, greylists and hangs up at random, sent by a process that is
killed too: each is in the server's own log once.

`make test` sends 20, `make soak` 1,000: `OFFERS_IN_STORM` says how many.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from sqlalchemy import func, select

from crm.calls.letters import Letter
from crm.database import Database
from crm.offers.offers import Offer, OfferState, send_again
from crm.offers.sending import settle_doubt
from tests.crm.builders import World, build_world
from tests.crm.offers.builders import queued, text_of, to
from tests.dialer.mailing import storm_sender, storm_server
from tests.dialer.mailing.conftest import DUE, Certificate
from tests.dialer.mailing.storm_server import ALL, NOBODY, UNWANTED

log = structlog.get_logger(__name__)

HOW_MANY = int(os.environ.get("OFFERS_IN_STORM", "20"))
EVERYTHING_IN = 500  # offers; with fewer some kinds of trouble are left to chance, so that the suite is not slow
SEED = 20261128
LOOKED_AT = frozenset({OfferState.DOUBTFUL, OfferState.GIVEN_UP})
A_LOOK = timedelta(minutes=11)  # longer than any pause after trouble, and than a lease


async def started(module: str, *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, stdin=PIPE, stdout=PIPE)


async def heard(process: Process) -> str:
    """The next line that it says; "" when it is gone."""
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


@dataclass
class Storm:
    """The two processes; whichever has died is started anew. `begun` counts how often both were."""

    folder: Path
    database_url: str
    begun: Counter[str] = field(default_factory=Counter)
    port: int = 0
    server: Process | None = None
    sender: Process | None = None
    obeying: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        self.begun["server"] += 1
        self.server = await started(
            storm_server.__name__, str(self.port), str(self.folder), str(SEED + self.begun["server"])
        )
        self.port = int((await heard(self.server)).removeprefix("port "))
        self.obeying = asyncio.create_task(self._obey(self.server))

    async def _obey(self, server: Process) -> None:
        """Kill the sender when the server says so."""
        while said := await heard(server):
            if said == "kill" and self.sender is not None and self.sender.returncode is None:
                self.sender.kill()

    async def look(self, now: datetime) -> None:
        """Let the sender look once; it may not live to the end of it."""
        if self.sender is None:
            self.begun["sender"] += 1
            ca_file = str(self.folder / "ca.pem")
            self.sender = await started(storm_sender.__name__, self.database_url, str(self.port), ca_file)
        assert self.sender.stdin is not None
        self.sender.stdin.write(f"{now.isoformat()}\n".encode())
        if not await heard(self.sender):
            assert await self.sender.wait() == -9, "it dies of nothing else"
            self.sender = None

    @property
    def is_down(self) -> bool:
        """Whether the server has died."""
        return self.obeying is not None and self.obeying.done()

    async def rest(self) -> None:
        """Until the server is through with what came before, it has one thread; or dead."""
        with contextlib.suppress(ConnectionError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            await reader.readline()
            writer.close()

    def lines(self, name: str) -> Counter[str]:
        file = self.folder / name
        return Counter(file.read_text().splitlines() if file.exists() else ())

    async def end(self) -> None:
        for process in (self.sender, self.server):
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()
        if self.obeying is not None:
            await self.obeying


@pytest.fixture
async def storm(tmp_path: Path, certificate: Certificate, database_url: str) -> AsyncIterator[Storm]:
    shutil.copyfile(certificate.file, tmp_path / "ca.pem")
    shutil.copyfile(certificate.key, tmp_path / "key.pem")
    made = Storm(tmp_path, database_url)
    await made.serve()
    yield made
    await made.end()


@pytest.fixture
async def world(database: Database) -> World:
    return await build_world(database)


def reader_of(number: int) -> str:
    """One in thirty is refused for good, before the message or after it."""
    name = {7: NOBODY, 22: UNWANTED}.get(number % 30, "klient")
    return f"{name}{number}@example.ru"


@pytest.mark.timeout(0 if HOW_MANY > 20 else 300)
async def test_each_is_in_the_servers_log_once_and_none_is_lost(storm: Storm, world: World) -> None:
    text_id = await text_of(world)
    offers, refused = {}, set()
    for number, client_id in enumerate(await world.clients(HOW_MANY)):
        address = reader_of(number)
        made = await queued(world, to(client_id, address), text_id, pdf=b"%PDF-", key=uuid4().hex)
        offers[made.id] = f"<{made.key}@example.ru>"
        if not address.startswith("klient"):
            refused.add(made.id)
    now, states = DUE, await states_of(world)
    for looks in count():
        assert looks < 60 * HOW_MANY, "it comes to an end"
        await storm.look(now)
        now += A_LOOK
        if storm.is_down:
            await storm.look(now)  # nobody is there
            now += A_LOOK
            await storm.serve()
        states = await states_of(world)
        if set(states.values()) <= {OfferState.SENT, OfferState.BOUNCED}:
            break
        await settle(storm, world, offers, states, now)
        assert max(storm.lines("taken.log").values(), default=0) <= 1, "none is there twice"
    assert storm.lines("taken.log") == Counter(told for number, told in offers.items() if number not in refused)
    assert {number for number, state in states.items() if state is OfferState.BOUNCED} == refused
    async with world.database.reading() as session:
        assert await session.scalar(select(func.count(Letter.id))) == HOW_MANY - len(refused)
    did = storm.lines("did.log")
    log.info("storm", offers=HOW_MANY, refused=len(refused), looks=looks + 1, begun=dict(storm.begun), did=dict(did))
    assert len(did) == len(ALL) or HOW_MANY < EVERYTHING_IN, set(ALL) - set(did)
    assert storm.begun["server"] > 1
    assert storm.begun["sender"] > 1


async def states_of(world: World) -> dict[int, OfferState]:
    async with world.database.reading() as session:
        return dict((await session.execute(select(Offer.id, Offer.state))).all())


async def settle(
    storm: Storm, world: World, offers: dict[int, str], states: dict[int, OfferState], now: datetime
) -> None:
    """Doubts, as a person settles them who looks for the Message-ID in the server's log; and what was given up goes
    again."""
    if not (open_ones := [number for number, state in states.items() if state in LOOKED_AT]):
        return
    await storm.rest()
    taken = storm.lines("taken.log")
    async with world.transaction() as session:
        for number in open_ones:
            if states[number] is OfferState.DOUBTFUL and taken[offers[number]]:
                await settle_doubt(session, offer_id=number, now=now)
            else:
                await send_again(session, offer_id=number, now=now)
