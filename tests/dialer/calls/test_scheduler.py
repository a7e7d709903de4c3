"""The clock's part: a promise comes back at its minute, also when nobody was there at that minute."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

from sqlalchemy import select, text

from crm.attempts import Attempt, Result, open_attempt
from crm.campaigns import Campaign, list_campaigns
from crm.clients import Client, add_client
from crm.database import Database
from crm.day_plan import PlanEntry, claim_next
from crm.organisations import add_organisation
from crm.outcomes import OutcomeForm
from crm.phone_numbers import PhoneNumber
from crm.recording_facts import Recording, RecordingState
from crm.users import Role, add_user
from dialer.calls.view import CallState, LineState
from dialer.scheduler import Scheduler
from dialer.telephony import LegAnswered, LegEnd, LegEnded
from tests.dialer.calls.conftest import NOON, Office

# Those that hold an advisory lock of this database: the server is shared by all tests.
BREAK_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def scheduler_of(office: Office, poll_s: float = 3600.0) -> Scheduler:
    return Scheduler(office.database, office.desk, office.store, node="main", poll_s=poll_s, clock=office.clock)


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


async def test_a_call_of_a_dead_service_is_written_down_at_a_desk_here(office: Office, database_url: str) -> None:
    other = Database(database_url)
    lock = await other.acquire_service(node="second", further_node=True, now=NOON)
    async with office.database.transaction() as session:
        entry = await claim_next(session, operator_id=office.operator, now=NOON, lease_s=900)
        assert entry is not None
        attempt = await open_attempt(
            session, plan_entry_id=entry.id, phone_number_id=None, operator_id=office.operator, now=NOON, node="second"
        )
    assert (await office.desk.view(office.operator)).call is CallState.NONE  # the operator looks in here, too
    office.now = NOON + timedelta(minutes=1)
    scheduler = scheduler_of(office)
    if office.database.dialect == "postgresql":  # nobody shares an SQLite database
        await scheduler.reconcile()
        await lock.release()
        await scheduler.reconcile()  # missed once: its connection may have broken for a moment
        assert (await office.desk.view(office.operator)).call is CallState.NONE
    await scheduler.reconcile()
    view = await office.desk.view(office.operator)
    assert (view.call, view.attempt_id, view.result) == (CallState.WRAP_UP, attempt.id, Result.UNCERTAIN)
    form = OutcomeForm(disposition="no_contact")
    await office.desk.save_outcome(office.operator, attempt_id=attempt.id, form=form)
    await lock.release()
    await other.dispose()


async def test_a_lock_that_the_database_forgot_is_taken_again(office: Office, database_url: str) -> None:
    other = Database(database_url)
    lock = await other.acquire_service(node="second", further_node=True, now=NOON)
    assert await lock.keep()
    if office.database.dialect == "postgresql":
        async with office.database.transaction() as session:
            await session.execute(text(BREAK_CONNECTIONS))
        assert "second" not in await office.database.running_nodes()
        assert await lock.keep()
        assert "second" in await office.database.running_nodes()
        await lock.release()
        thief = await office.database.acquire_service(node="second", further_node=True, now=NOON)
        assert not await lock.keep()
        await thief.release()
    await lock.release()
    await other.dispose()


async def test_a_call_of_ours_that_nobody_follows_is_written_down(office: Office) -> None:
    """As when the connection broke while the attempt was committed: the row is there, the call was never placed."""
    attempt_id = await office.dial()
    async with office.database.transaction() as session:
        other = (await add_user(session, login="vera", name="Вера", role=Role.OPERATOR, password="x" * 12, now=NOON)).id
        entry = await claim_next(session, operator_id=other, now=NOON, lease_s=900)
        assert entry is not None
        forgotten = await open_attempt(
            session, plan_entry_id=entry.id, phone_number_id=None, operator_id=other, now=NOON
        )
    assert (await office.desk.view(other)).call is CallState.NONE
    scheduler = scheduler_of(office)
    await scheduler.reconcile()
    assert (await office.desk.view(other)).call is CallState.NONE, "it may still be placed"
    office.now = NOON + timedelta(minutes=1)
    await scheduler.reconcile()
    view = await office.desk.view(other)
    assert (view.call, view.attempt_id, view.result) == (CallState.WRAP_UP, forgotten.id, Result.UNCERTAIN)
    async with office.database.reading() as session:
        assert (await session.get_one(Attempt, attempt_id)).ended_at is None, "the call that is followed goes on"


async def test_a_claim_that_ran_out_leaves_no_card_behind(office: Office) -> None:
    view = await office.ready()
    async with office.database.transaction() as session:
        await session.execute(
            text(
                "UPDATE plan_entries SET state = 'done', claimed_by = NULL, claimed_at = NULL,"
                " claimed_until = NULL, done_at = :now WHERE id = :id"
            ),
            {"id": view.entry_id, "now": str(NOON) if office.database.dialect == "sqlite" else NOON},
        )
    async with aclosing(office.desk.watch(office.operator)) as views:  # the page is back
        await anext(views)
        await office.desk.wake()
        after = await office.desk.view(office.operator)
    assert after.client_id not in (None, view.client_id)


async def test_a_client_who_is_imported_while_it_runs_comes_into_the_plan(office: Office) -> None:
    scheduler = scheduler_of(office)
    await scheduler.start()
    async with office.database.transaction() as session:
        known = await session.get_one(Client, 1)
        organisation = await add_organisation(session, name="Новая", now=office.now)
        session.add(PhoneNumber(organisation_id=organisation.id, e164="+73420000999", raw=""))
        client = await add_client(
            session, campaign_id=known.campaign_id, organisation_id=organisation.id,
            call_list_id=known.call_list_id, now=office.now,
        )  # fmt: skip
    await scheduler.take_up_new_clients()
    async with office.database.reading() as session:
        assert await session.scalar(select(PlanEntry.id).where(PlanEntry.client_id == client.id)) is not None
    await scheduler.stop()
