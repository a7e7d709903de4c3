"""Offers to a mail server that is killed, refuses, greylists and hangs up at random: each is in its own log once.

`make test` sends 60, `make soak` 1,000: `OFFERS_IN_STORM` says how many.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes
from uuid import uuid4

from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import func, select

from crm.offers.offers import Offer, OfferState, send_again
from crm.offers.sending import settle_doubt
from tests.crm.offers.builders import queued, text_of, to
from tests.dialer.mailing.conftest import Letterbox, Post
from tests.dialer.mailing.test_offer_sender import sender

HOW_MANY = int(os.environ.get("OFFERS_IN_STORM", "60"))
SEED = 20261128
KINDS = ("take", "take", "greylist", "refuse reader", "hang up before", "hang up after", "kill")


@dataclass
class Storm(Letterbox):
    """Takes some, and says otherwise to the rest; `log` is what it has taken, by Message-ID."""

    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    log: Counter[str] = field(default_factory=Counter)
    did: Counter[str] = field(default_factory=Counter)
    killed: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.chance.random() < 0.1:
            self.did["greylist reader"] += 1
            return "450 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        kind = self.chance.choice(KINDS)
        self.did[kind] += 1
        assert isinstance(envelope.content, bytes)
        if kind in ("greylist", "refuse reader"):
            return "451 later"
        assert isinstance(server.transport, asyncio.Transport)
        if kind in ("take", "hang up after", "kill"):
            self.log[str(message_from_bytes(envelope.content)["Message-ID"])] += 1
        if kind in ("hang up before", "hang up after"):
            server.transport.abort()
        elif kind == "kill":
            self.killed.set()
            server.transport.abort()
        return "250 OK"


async def test_each_is_in_the_servers_log_once_and_none_is_lost(post: Post) -> None:
    post.box = storm = Storm()
    shut = await post.open()
    text_id = await text_of(post.world)
    clients = await post.world.clients(HOW_MANY)
    offers = {}
    for client_id in clients:
        made = await queued(post.world, to(client_id), text_id, pdf=b"%PDF-", key=uuid4().hex)
        offers[made.id] = f"<{made.key}@example.ru>"
    mailer, looks = sender(post), 0
    while await count(post, OfferState.SENT) < HOW_MANY:
        looks += 1
        assert looks < 60 * HOW_MANY, "it comes to an end"
        await mailer.look()
        post.now += timedelta(minutes=11)
        if storm.killed.is_set():
            storm.killed.clear()
            await shut()
            await mailer.look()  # nobody is there
            post.now += timedelta(minutes=11)
            shut = await post.open(post.port)
        await settle(post, storm, offers)
        assert max(storm.log.values(), default=0) <= 1, "none is there twice"
    assert storm.log == Counter(offers.values())
    assert min(storm.did[kind] for kind in KINDS) > 0, storm.did


async def count(post: Post, state: OfferState) -> int:
    async with post.world.database.reading() as session:
        return await session.scalar(select(func.count()).where(Offer.state == state)) or 0


async def settle(post: Post, storm: Storm, offers: dict[int, str]) -> None:
    """Doubts, as a person settles them who looks for the Message-ID in the server's log."""
    async with post.world.transaction() as session:
        for number in list(await session.scalars(select(Offer.id).where(Offer.state == OfferState.DOUBTFUL))):
            if storm.log[offers[number]]:
                await settle_doubt(session, offer_id=number, now=post.now)
            else:
                await send_again(session, offer_id=number, now=post.now)
