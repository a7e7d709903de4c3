"""Offers to many clients over SMTP: written as their turns come, sent once each, beside single ones."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select

from crm.care.bulk_offers import BatchWanted, begin, preview
from crm.offers.batches import BatchClient, batch_row, resume_batch, stop_batch
from crm.offers.offers import Offer
from crm.offers.opt_outs import OptsOut, opt_out
from crm.offers.sending import Lane
from crm.offers.templates import get_template, set_retired
from crm.reading.client_list import ClientFilters
from dialer.mailing.batch_writer import BatchWriter
from dialer.mailing.offer_sender import OfferSender
from dialer.mailing.patience import Patience
from tests.crm.offers.builders import text_of
from tests.crm.offers.test_batches import with_address
from tests.dialer.mailing.conftest import DUE, WRITTEN, Post, settings_for


def writer(post: Post, patience: Patience | None = None) -> BatchWriter:
    return BatchWriter(post.world.database, settings_for(post.port), clock=post.clock, patience=patience)


def sender(post: Post, patience: Patience | None = None, *, lane: Lane = Lane.BATCH) -> OfferSender:
    return OfferSender(
        post.world.database, settings_for(post.port), node="main", materials=Path("none"), clock=post.clock,
        lane=lane, patience=patience,
    )  # fmt: skip


async def begun(post: Post, count: int, *, per_hour: int = 3600) -> int:
    """A batch to so many clients."""
    world = post.world
    await text_of(world)
    for number in range(count):
        await with_address(world, f"Клиент {number}")
    filters, wanted = ClientFilters(campaign_id=world.campaign_id), BatchWanted(1, per_hour, 30)
    async with world.database.reading() as session:
        shown = await preview(session, filters=filters, wanted=wanted, now=WRITTEN)
    async with world.transaction() as session:
        batch = await begin(session, shown=shown, filters=filters, wanted=wanted, key=uuid4().hex, now=WRITTEN)
        return batch.id


async def steps(post: Post, batch_id: int) -> dict[str, int]:
    async with post.world.database.reading() as session:
        return dict((await batch_row(session, batch_id)).steps)


async def minutes(post: Post, count: int, *, step: timedelta = timedelta(seconds=1)) -> None:
    """So many looks, each a step later."""
    for _ in range(count):
        await writer(post).look()
        await sender(post).look()
        post.now += step


async def test_each_gets_it_once_and_as_their_turns_come(post: Post) -> None:
    batch_id = await begun(post, 4, per_hour=1800)
    await minutes(post, 3)
    assert len(post.box.taken) == 2, "every two seconds"
    await minutes(post, 12)
    assert sorted(address for address, _ in post.box.taken) == [f"c{each}@example.ru" for each in (1, 2, 3, 4)]
    assert await steps(post, batch_id) == {"offer.sent": 4}
    (kept, *_) = [part.get_filename() for part in post.box.letters[0].iter_attachments()]
    assert kept == "Вентиляция.pdf"


async def test_whoever_opts_out_meanwhile_gets_nothing_and_the_others_do(post: Post) -> None:
    batch_id = await begun(post, 3)
    async with post.world.transaction() as session:
        await opt_out(session, whom=OptsOut.ADDRESS, target="c2@example.ru", evidence="звонок", now=WRITTEN)
    await minutes(post, 6)
    assert sorted(address for address, _ in post.box.taken) == ["c1@example.ru", "c3@example.ru"]
    assert await steps(post, batch_id) == {"offer.sent": 2, "left_out": 1}
    async with post.world.database.reading() as session:
        left = await session.scalar(select(BatchClient.reason).where(BatchClient.client_id == 2))
    assert left == "offer.opted_out"


async def test_a_service_that_dies_anywhere_sends_none_twice_and_loses_none(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies after each of its steps in turn, and another one goes on."""
    batch_id = await begun(post, 6)

    class Died(BaseException):
        pass

    transaction, left = post.world.database.transaction, [0]

    def dying() -> object:
        left[0] -= 1
        if left[0] == 0:
            raise Died
        return transaction()

    for lives in range(1, 12):
        left[0] = lives
        monkeypatch.setattr(post.world.database, "transaction", dying)
        with contextlib.suppress(Died):
            await minutes(post, 2)
        monkeypatch.undo()
        post.now += timedelta(minutes=30)
    await minutes(post, 10)
    addresses = [address for address, _ in post.box.taken]
    assert len(set(addresses)) == len(addresses), "none twice"
    came = await steps(post, batch_id)
    assert came.get("offer.sent", 0) + came.get("offer.doubtful", 0) == 6, came
    assert len(addresses) == 6
    async with post.world.database.reading() as session:
        assert len(list(await session.scalars(select(Offer.id)))) == 6


async def test_stopped_nothing_goes_and_gone_on_with_the_rest_does(post: Post) -> None:
    batch_id = await begun(post, 3)
    await writer(post).look()
    async with post.world.transaction() as session:
        await stop_batch(session, batch_id=batch_id, now=post.now)
    post.now += timedelta(minutes=1)
    await minutes(post, 4)
    assert post.box.taken == []
    async with post.world.transaction() as session:
        await resume_batch(session, batch_id=batch_id, now=post.now)
    await minutes(post, 6)
    assert len({address for address, _ in post.box.taken}) == len(post.box.taken) == 3


async def test_a_template_that_is_used_no_more_stops_it(post: Post) -> None:
    batch_id = await begun(post, 2)
    async with post.world.transaction() as session:
        await set_retired(session, template=await get_template(session, 1), retired=True, now=WRITTEN)
    await minutes(post, 3)
    assert await steps(post, batch_id) == {"waiting": 2}
    async with post.world.database.reading() as session:
        assert (await batch_row(session, batch_id)).batch.stopped_at == DUE


async def test_a_server_in_trouble_is_given_nothing_more(post: Post) -> None:
    batch_id, patience = await begun(post, 2), Patience("mail server")
    patience.lost("down", post.now)
    await writer(post, patience).look()
    assert await steps(post, batch_id) == {"waiting": 2}
