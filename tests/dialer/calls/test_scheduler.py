"""The clock's part: a promise comes back at its minute, also when nobody was there at that minute."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import select

from crm.attempts import Attempt
from crm.campaigns import Campaign, list_campaigns
from crm.outcomes import OutcomeForm
from crm.recording_facts import Recording, RecordingState
from dialer.calls.view import CallState, LineState
from dialer.scheduler import Scheduler
from dialer.telephony import LegAnswered, LegEnd, LegEnded
from tests.dialer.calls.conftest import NOON, Office


def scheduler_of(office: Office, poll_s: float = 3600.0) -> Scheduler:
    return Scheduler(office.database, office.desk, office.store, poll_s=poll_s, clock=office.clock)


async def promise(office: Office) -> int:
    """A call that ends in a promise for 15:00 on the client's clock. Returns the client."""
    attempt_id = await office.dial()
    client = office.telephony.clients[-1]
    client.emit(LegAnswered("PCMA"))
    await office.until_call(CallState.TALKING)
    client.emit(LegEnded(LegEnd.REMOTE_HUNG_UP))
    view = await office.until_call(CallState.WRAP_UP)
    assert view.client_id is not None
    form = OutcomeForm(disposition="callback", callback_words="сегодня в 15:00")
    await office.desk.settled(office.operator)
    await office.desk.save_outcome(office.operator, attempt_id=attempt_id, form=form)
    return view.client_id


async def test_a_promise_comes_to_the_front_though_the_service_was_down_at_its_minute(office: Office) -> None:
    promised = await promise(office)
    await office.desk.go_offline(office.operator)
    office.now = NOON + timedelta(hours=6)  # long after 15:00 there; nobody polled in between
    office.desk = office.new_desk()
    scheduler = scheduler_of(office)
    await scheduler.start()
    view = await office.ready()
    assert view.client_id == promised
    await scheduler.stop()


async def test_before_its_minute_a_promise_waits(office: Office) -> None:
    promised = await promise(office)
    scheduler = scheduler_of(office)
    await scheduler.start()
    view = await office.ready()
    assert view.client_id != promised
    await scheduler.stop()


async def test_an_idle_desk_gets_the_promise_by_itself(office: Office) -> None:
    promised = await promise(office)
    seen: set[int | None] = {promised}
    view = await office.until(lambda view: view.line is LineState.READY)
    while view.client_id is not None:  # put the whole day aside
        seen.add(view.client_id)
        await office.desk.skip(office.operator, reason="позже")
        view = await office.desk.view(office.operator)
    office.now = NOON + timedelta(hours=6)
    scheduler = scheduler_of(office, poll_s=0.05)
    waiting = asyncio.create_task(office.until(lambda view: view.client_id is not None))
    await scheduler.start()
    assert (await waiting).client_id == promised
    await scheduler.stop()


async def test_what_was_left_without_a_recording_is_settled(office: Office) -> None:
    attempt_id = await office.dial()
    client = office.telephony.clients[-1]
    client.emit(LegAnswered("PCMA"))
    await office.until_call(CallState.TALKING)
    client.emit(LegEnded(LegEnd.REMOTE_HUNG_UP))
    await office.until_call(CallState.WRAP_UP)
    await office.desk.settled(office.operator)
    async with office.database.transaction() as session:  # as if the service had died between two rows
        await session.delete(await session.scalar(select(Recording).where(Recording.attempt_id == attempt_id)))
        attempt = await session.get_one(Attempt, attempt_id)
        assert attempt.ended_at is not None
    office.now = NOON + timedelta(minutes=1)
    await scheduler_of(office).reconcile()
    async with office.database.reading() as session:
        found = await session.scalar(select(Recording).where(Recording.attempt_id == attempt_id))
    assert found is not None
    assert found.state is RecordingState.FAILED
    assert found.failure


async def test_the_campaign_says_how_long_it_rings(office: Office) -> None:
    async with office.database.transaction() as session:
        campaign = (await list_campaigns(session))[0]
        (await session.get_one(Campaign, campaign.id)).ring_timeout_s = 12
    await office.dial()
    assert office.telephony.clients[-1].ring_timeout_s == 12
