"""Offers to many clients: who gets one and who does not, when, once, stopped and gone on with."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import UpdateBase, delete, func, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.audit import AuditEntry
from crm.base.do_not_call import ask
from crm.base.organisations import Organisation
from crm.base.whom import Whom
from crm.care.bulk_offers import BatchPreview, BatchWanted, begin, preview
from crm.care.merging import merge
from crm.clientele.clients import Client, get_client
from crm.clientele.consents import give
from crm.errors import Conflict, CrmError, NotFound, Refused
from crm.group import Group
from crm.mail.outbox import GOES_OUT_AFTER
from crm.offers.addressees import addressees
from crm.offers.addresses import Whither
from crm.offers.batches import (
    BatchClient,
    BatchStep,
    OfferBatch,
    batch_row,
    batches,
    clients_of_batch,
    hold_turn,
    is_of_a_batch,
    next_turn,
    note_left_out,
    note_written,
    resume_batch,
    stop_batch,
    stop_running,
)
from crm.offers.offers import Offer, OfferState, withdraw_offer
from crm.offers.opt_outs import OptsOut, opt_out
from crm.offers.sending import Lane, claim_due, is_any_due, mark_handing_over, mark_sent, prepare, queue_offer
from crm.offers.templates import OfferTemplate, OfferText
from crm.preparation.campaigns import add_campaign, get_campaign
from crm.preparation.plan_rules import Consent
from crm.reading.client_list import ClientFilters
from tests.crm.builders import NOON, World
from tests.crm.offers.builders import queued, text_of, to
from tests.crm.overlap import overlap

BEGINS = NOON + GOES_OUT_AFTER
LEASE = timedelta(minutes=1)
WANTED = BatchWanted(text_id=1, per_hour=60, not_within=30)


def everybody(world: World) -> ClientFilters:
    return ClientFilters(campaign_id=world.campaign_id)


async def with_address(world: World, name: str, email: str = "") -> int:
    """A client; `email` "": one of its own."""
    client_id = await world.client(name)
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        address = email or f"c{client_id}@example.ru"
        await session.execute(
            update(Organisation).where(Organisation.id == client.organisation_id).values(email=address)
        )
    return client_id


async def looked(world: World, wanted: BatchWanted = WANTED, *, now: datetime = NOON) -> BatchPreview:
    async with world.database.reading() as session:
        return await preview(session, filters=everybody(world), wanted=wanted, now=now)


async def begun(world: World, wanted: BatchWanted = WANTED, *, key: str = "") -> int:
    shown = await looked(world, wanted)
    async with world.transaction() as session:
        made = await begin(
            session, shown=shown, filters=everybody(world), wanted=wanted, key=key or uuid4().hex, now=NOON
        )
        return made.id


async def take_turn(world: World, *, now: datetime) -> Offer | None:
    """As the writer does, of one who may get it."""
    async with world.database.reading() as session:
        turn = await next_turn(session, now=now)
    if turn is None:
        return None
    batch, client_id = turn
    return await written(world, batch, to(client_id, f"c{client_id}@example.ru"), now)


async def written(world: World, batch: OfferBatch, whom: Whither, now: datetime) -> Offer:
    async with world.transaction() as session:
        looked = await prepare(session, whom, text_id=batch.text_id, now=now)
        held, member = await hold_turn(session, batch_id=batch.id, client_id=whom.client_id)
        offer = await queue_offer(session, looked, pdf=b"%PDF", key=uuid4().hex, now=now, batch=held)
        await note_written(session, held, member, offer, now=now)
        return offer


async def steps_of(world: World, batch_id: int) -> dict[str, int]:
    async with world.database.reading() as session:
        return dict((await batch_row(session, batch_id)).steps)


async def test_each_is_told_why_it_goes_or_does_not(world: World) -> None:
    await text_of(world)
    names = ("идёт", "без адреса", "не адрес", "не писать", "не звонить", "уже было", "тот же", "исчерпан")
    goes, none, bad, unwanted, silent, had, same, tried = [await with_address(world, name) for name in names]
    async with world.transaction() as session:
        for client_id, email in ((none, ""), (bad, "nobody"), (same, f"C{goes}@EXAMPLE.ru")):
            client = await get_client(session, client_id)
            await session.execute(
                update(Organisation).where(Organisation.id == client.organisation_id).values(email=email)
            )
        await opt_out(session, whom=OptsOut.ADDRESS, target=f"c{unwanted}@example.ru", evidence="письмо", now=NOON)
    await world.silence(silent)
    await queued(world, to(had, "other@example.ru"), 1, now=NOON - timedelta(days=29))
    await text_of(world, name="Другой")
    for _ in range(3):
        await queued(world, to(tried, "any@example.ru"), 2)
    shown = await looked(world)
    assert {row.organisation: row.code for row in shown.rows} == {
        "идёт": "", "без адреса": "offer.no_address", "не адрес": "offer.bad_address", "не писать": "offer.opted_out",
        "не звонить": "dial.do_not_call", "уже было": "offer.had_already", "тот же": "offer.same_address",
        "исчерпан": "dial.cap",
    }  # fmt: skip
    assert {row.client_id for row in shown.going} == {goes, tried}, "who had enough today waits for tomorrow"
    assert shown.later == {"dial.cap": 1}
    assert sum(shown.left_out.values()) == 6
    older = await looked(world, replace(WANTED, not_within=28))
    assert {row.client_id for row in older.going} == {goes, had, tried}
    assert {row.client_id for row in (await looked(world, replace(WANTED, not_within=0))).going} == {goes, had, tried}


async def test_fields_consent_campaign_and_the_reader_are_looked_at(world: World) -> None:
    await text_of(world, body="Здравствуйте, {person.full_name}!")
    nameless, agreed = await with_address(world, "Без имени"), await with_address(world, "Согласны")
    mute = await with_address(world, "Молчат")
    for client_id in (agreed, mute):
        await world.person(client_id, "Секретарь", decides=False)
    await world.person(agreed, "Директор")
    deciding = await world.person(mute, "Директор")
    async with world.transaction() as session:
        (await get_campaign(session, world.campaign_id)).consent = Consent.REQUIRED
        organisation_id = (await get_client(session, agreed)).organisation_id
        await give(session, whom=Whom.ORGANISATION, target=organisation_id, evidence="договор", now=NOON)
    shown = await looked(world)
    assert {row.organisation: row.code for row in shown.rows} == {
        "Без имени": "offer.missing", "Согласны": "", "Молчат": "offer.no_consent",
    }  # fmt: skip
    assert nameless not in {row.client_id for row in shown.going}
    async with world.transaction() as session:
        (await get_campaign(session, world.campaign_id)).consent = Consent.PRESUMED
        await ask(session, whom=Whom.PERSON, target=deciding, evidence="письмо", now=NOON)
        other = await add_campaign(session, name="Другая", now=NOON)
        await session.execute(update(Client).where(Client.id == nameless).values(campaign_id=other.id))
    async with world.database.reading() as session:
        rows = (await preview(session, filters=ClientFilters(group=Group.NEW), wanted=WANTED, now=NOON)).rows
    assert {row.organisation: row.code for row in rows} == {
        "Без имени": "bulk.other_campaign", "Молчат": "offer.person_do_not_call", "Согласны": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "wanted", "code"),
    [
        (ClientFilters(), WANTED, "batch.narrow_first"),
        (ClientFilters(text="x"), replace(WANTED, per_hour=0), "batch.pace"),
        (ClientFilters(text="x"), replace(WANTED, per_hour=3601), "batch.pace"),
        (ClientFilters(text="x"), replace(WANTED, not_within=-1), "batch.days"),
        (ClientFilters(text="x"), replace(WANTED, text_id=99), "offer.template_unknown"),
        (ClientFilters(text="x"), WANTED, "batch.goes_to_nobody"),
    ],
)
async def test_what_cannot_be_begun(world: World, filters: ClientFilters, wanted: BatchWanted, code: str) -> None:
    await text_of(world)

    async def tried() -> None:
        async with world.transaction() as session:
            shown = await preview(session, filters=filters, wanted=wanted, now=NOON)
            await begin(session, shown=shown, filters=filters, wanted=wanted, key="ab" * 16, now=NOON)

    with pytest.raises(CrmError) as refused:
        await tried()
    assert refused.value.code == code


async def test_what_was_looked_at_is_known_again_unless_something_has_changed(world: World) -> None:
    await text_of(world)
    client_id = await with_address(world, "Ромашка")
    first = await looked(world)
    assert (await looked(world, now=NOON + timedelta(minutes=5))).seen == first.seen
    async with world.transaction() as session:
        await opt_out(session, whom=OptsOut.ADDRESS, target=f"c{client_id}@example.ru", evidence="письмо", now=NOON)
    assert (await looked(world)).seen != first.seen
    assert (await looked(world, replace(WANTED, not_within=0))).seen != first.seen


async def test_clicked_twice_it_is_begun_once(world: World) -> None:
    await text_of(world)
    await with_address(world, "Ромашка")
    assert await begun(world, key="ab" * 16) == await begun(world, key="ab" * 16)
    with pytest.raises(Refused) as refused:
        await begun(world, key="../" + "a" * 29)
    assert refused.value.code == "offer.key"
    async with world.database.reading() as session:
        (row,) = await batches(session)
        entry = await session.scalar(select(AuditEntry).where(AuditEntry.action == "offer_batch.begun"))
    assert (row.template, row.batch.clients, row.waiting) == ("Вентиляция", 1, 1)
    assert entry is not None


async def test_it_goes_so_many_an_hour_after_the_time_to_think(world: World) -> None:
    await text_of(world)
    for number in range(3):
        await with_address(world, f"Клиент {number}")
    batch_id = await begun(world)
    assert await take_turn(world, now=BEGINS - timedelta(seconds=1)) is None
    times = [BEGINS + timedelta(seconds=20) * step for step in range(10)]
    went = [now for now in times if await take_turn(world, now=now) is not None]
    assert went == [BEGINS, BEGINS + timedelta(minutes=1), BEGINS + timedelta(minutes=2)]
    async with world.database.reading() as session:
        row = await batch_row(session, batch_id)
    assert (row.waiting, row.batch.ended_at) == (0, BEGINS + timedelta(minutes=2))


async def test_a_server_that_takes_nothing_is_given_no_more(world: World) -> None:
    await text_of(world)
    for number in range(7):
        await with_address(world, f"Клиент {number}")
    await begun(world, replace(WANTED, per_hour=3600))
    times = [BEGINS + timedelta(seconds=step) for step in range(20)]
    assert len([now for now in times if await take_turn(world, now=now) is not None]) == 5


async def test_two_services_write_each_once(world: World) -> None:
    await text_of(world)
    client_id = await with_address(world, "Ромашка")
    batch_id = await begun(world)

    async def one() -> str:
        try:
            async with world.transaction() as session:
                batch = await session.get_one(OfferBatch, batch_id)
            await written(world, batch, to(client_id, f"c{client_id}@example.ru"), BEGINS)
        except Conflict as overtaken:
            return overtaken.code
        return ""

    assert sorted(await asyncio.gather(one(), one())) == ["", "batch.overtaken"]
    async with world.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Offer)) == 1


async def test_the_database_lets_no_second_offer_of_a_batch_to_a_client(world: World) -> None:
    await text_of(world)
    client_id = await with_address(world, "Ромашка")
    await begun(world)
    assert await take_turn(world, now=BEGINS) is not None
    second = await queued(world, to(client_id, "second@example.ru"), 1)
    statements: tuple[UpdateBase, ...] = (
        update(BatchClient).values(offer_id=second.id),
        update(BatchClient).values(offer_id=None, step=BatchStep.WAITING),
        update(BatchClient).values(place=7),
        update(OfferBatch).values(per_hour=1),
        insert(BatchClient).values(batch_id=1, client_id=client_id, place=1, step=BatchStep.WAITING, reason=""),
        delete(BatchClient),
        delete(OfferBatch),
    )
    for statement in statements:
        with pytest.raises(DBAPIError):
            async with world.transaction() as session:
                await session.execute(statement)


async def test_who_opts_out_or_was_written_to_meanwhile_gets_nothing(world: World) -> None:
    await text_of(world)
    opted, had = await with_address(world, "Отказ"), await with_address(world, "Было")
    await begun(world, replace(WANTED, per_hour=3600))
    for step in range(2):
        assert await take_turn(world, now=BEGINS + timedelta(seconds=step)) is not None
    async with world.transaction() as session:
        await opt_out(session, whom=OptsOut.ADDRESS, target=f"c{opted}@example.ru", evidence="звонок", now=NOON)
    await queued(world, to(had, "director@example.ru"), 1, now=BEGINS)
    async with world.transaction() as session:
        due = await claim_due(session, now=BEGINS + timedelta(minutes=1), node="main", lease=LEASE, lane=Lane.BATCH)
    assert due is None
    async with world.database.reading() as session:
        found = await session.execute(select(Offer.client_id, Offer.last_error).where(is_of_a_batch()))
    assert dict(found.all()) == {opted: "offer.opted_out", had: "offer.had_already"}


async def test_a_single_offer_waits_behind_no_batch(world: World) -> None:
    await text_of(world)
    await with_address(world, "Один")
    single = await with_address(world, "Другой")
    await begun(world)
    of_batch = await take_turn(world, now=BEGINS)
    assert of_batch is not None
    other_text = await text_of(world, name="Другой")
    mine = await queued(world, to(single, "x@example.ru"), other_text, now=BEGINS)
    later = BEGINS + GOES_OUT_AFTER
    for lane, expected in ((Lane.SINGLE, mine.id), (Lane.BATCH, of_batch.id)):
        async with world.transaction() as session:
            assert await is_any_due(session, now=later, lane=lane)
            due = await claim_due(session, now=later, node="main", lease=LEASE, lane=lane)
            assert due is not None
            assert due.id == expected


async def test_stopped_what_has_not_gone_is_withdrawn_and_goes_when_it_goes_on(world: World) -> None:
    await text_of(world)
    clients = [await with_address(world, f"Клиент {number}") for number in range(3)]
    batch_id = await begun(world)
    for minute in range(2):
        assert await take_turn(world, now=BEGINS + timedelta(minutes=minute)) is not None
    async with world.transaction() as session:
        gone = await claim_due(session, now=BEGINS + timedelta(minutes=1), node="main", lease=LEASE, lane=Lane.BATCH)
        assert gone is not None
        await mark_handing_over(session, offer_id=gone.id, node="main", now=BEGINS, lease=LEASE)
        await mark_sent(session, offer_id=gone.id, now=BEGINS)
    async with world.transaction() as session:
        await stop_batch(session, batch_id=batch_id, now=BEGINS + timedelta(minutes=2))
    assert await steps_of(world, batch_id) == {"offer.sent": 1, "waiting": 2}
    later = BEGINS + timedelta(hours=1)
    assert await take_turn(world, now=later) is None
    with pytest.raises(Conflict) as refused:
        async with world.transaction() as session:
            await hold_turn(session, batch_id=batch_id, client_id=clients[2])
    assert refused.value.code == "batch.overtaken"
    with pytest.raises(Conflict) as refused:
        async with world.transaction() as session:
            await stop_batch(session, batch_id=batch_id, now=later)
    assert refused.value.code == "batch.stopped"
    async with world.transaction() as session:
        await resume_batch(session, batch_id=batch_id, now=later)
    with pytest.raises(Conflict) as refused:
        async with world.transaction() as session:
            await resume_batch(session, batch_id=batch_id, now=later)
    assert refused.value.code == "batch.not_stopped"
    for minute in range(2):
        assert await take_turn(world, now=later + timedelta(minutes=minute)) is not None
    async with world.database.reading() as session:
        rows = await clients_of_batch(session, batch_id)
        all_offers = list(await session.scalars(select(Offer.state).order_by(Offer.id)))
    assert [(row.organisation, row.step, row.state) for row in rows] == [
        ("Клиент 0", BatchStep.WRITTEN, "sent"), ("Клиент 1", BatchStep.WRITTEN, "waiting"),
        ("Клиент 2", BatchStep.WRITTEN, "waiting"),
    ]  # fmt: skip
    assert all_offers == [OfferState.SENT, OfferState.WITHDRAWN, OfferState.WAITING, OfferState.WAITING]


async def test_one_that_has_all_gone_cannot_be_stopped(world: World) -> None:
    await text_of(world)
    client_id = await with_address(world, "Ромашка")
    batch_id = await begun(world)
    async with world.transaction() as session:
        held, member = await hold_turn(session, batch_id=batch_id, client_id=client_id)
        await note_left_out(session, held, member, reason="offer.opted_out", now=BEGINS)
    with pytest.raises(Conflict) as refused:
        async with world.transaction() as session:
            await stop_batch(session, batch_id=batch_id, now=BEGINS)
    assert refused.value.code == "batch.ended"
    with pytest.raises(NotFound) as unknown:
        async with world.transaction() as session:
            await stop_batch(session, batch_id=99, now=BEGINS)
    assert unknown.value.code == "batch.unknown"


async def test_in_an_office_that_was_restored_nothing_goes_by_itself(world: World) -> None:
    """What went after the backup was made nobody knows."""
    await text_of(world)
    await with_address(world, "Ромашка")
    batch_id = await begun(world)
    assert await take_turn(world, now=BEGINS) is not None
    later = BEGINS + timedelta(days=1)
    async with world.transaction() as session:
        assert await stop_running(session, now=later) == 1
    assert await take_turn(world, now=later) is None
    assert await steps_of(world, batch_id) == {"waiting": 1}


async def test_one_taken_back_by_hand_is_not_sent_again(world: World) -> None:
    await text_of(world)
    await with_address(world, "Ромашка")
    batch_id = await begun(world)
    offer = await take_turn(world, now=BEGINS)
    assert offer is not None
    async with world.transaction() as session:
        await withdraw_offer(session, offer_id=offer.id, now=BEGINS)
    assert await take_turn(world, now=BEGINS + timedelta(hours=1)) is None
    assert await steps_of(world, batch_id) == {"offer.withdrawn": 1}


async def test_a_client_that_was_merged_is_not_written_to_twice(world: World) -> None:
    await text_of(world)
    first, second = await with_address(world, "Ромашка"), await with_address(world, "Ромашка и К")
    async with world.transaction() as session:
        survivor, duplicate = [(await get_client(session, each)).organisation_id for each in (first, second)]
        await merge(session, survivor_id=survivor, duplicate_id=duplicate, now=NOON)
    assert [row.client_id for row in (await looked(world)).rows] == [first]
    async with world.database.reading() as session:
        text, template = await session.get_one(OfferText, 1), await session.get_one(OfferTemplate, 1)
        (met,) = await addressees(session, [second], text=text, template=template, now=NOON)
    assert (met.code, met.goes) == ("offer.client_merged", False), "of a batch that was begun before"


async def test_stopping_meets_writing(world: World) -> None:
    """Whoever comes second waits, and then sees what the other did."""
    await text_of(world)
    client_id = await with_address(world, "Ромашка")
    batch_id = await begun(world)
    async with world.database.reading() as session:
        looked_at = await prepare(session, to(client_id, f"c{client_id}@example.ru"), text_id=1, now=BEGINS)

    async def write(session: AsyncSession) -> None:
        held, member = await hold_turn(session, batch_id=batch_id, client_id=client_id)
        offer = await queue_offer(session, looked_at, pdf=b"%PDF", key=uuid4().hex, now=BEGINS, batch=held)
        await note_written(session, held, member, offer, now=BEGINS)

    async def stop(session: AsyncSession) -> None:
        await stop_batch(session, batch_id=batch_id, now=BEGINS)

    assert await overlap(world.database, write, stop) == (None, None)
    assert await steps_of(world, batch_id) == {"waiting": 1}
    async with world.database.reading() as session:
        assert list(await session.scalars(select(Offer.state))) == [OfferState.WITHDRAWN]
    async with world.transaction() as session:
        await resume_batch(session, batch_id=batch_id, now=BEGINS)
    _, refused = await overlap(world.database, stop, write)
    assert isinstance(refused, Conflict)
    assert refused.code == "batch.overtaken"
    assert await steps_of(world, batch_id) == {"waiting": 1}
