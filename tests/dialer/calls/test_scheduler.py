"""The clock's part: a promise comes back at its minute, also when nobody was there at that minute."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.do_not_call import lift, requests
from crm.base.whom import Whom
from crm.calls.attempts import Attempt, Result, open_attempt
from crm.calls.recording_facts import Recording, RecordingState
from crm.clientele.clients import Client, put_back_on_list
from crm.database import Database
from crm.day import day_plan
from crm.day.day_plan import EntryKind, EntryState, PlanEntry, claim_client, claim_next
from crm.experts.referrals import Referral, ReferralState
from crm.importing.carrying_on import carry_on
from crm.importing.clients import import_clients
from crm.importing.confirming import begin_confirming
from crm.importing.imports import ImportState, UnderWay, get_import
from crm.importing.keeping import bring_in
from crm.importing.mapping import guess_mapping
from crm.importing.staging import Choices, try_out
from crm.importing.tables import read_table
from crm.office.users import Role, add_user
from crm.plan.plan_entries import active_entries
from crm.plan.silence import keep_request, off_list
from crm.preparation.call_lists import CallList, ListState, set_list_state
from crm.preparation.campaign_setup import change_setup, set_expert
from crm.preparation.campaigns import Campaign, change_campaign, list_campaigns, set_calendar_day
from crm.questionnaires.finding import count_found
from crm.questionnaires.marking import being_filled, set_for_reports
from crm.questionnaires.questionnaires import Purpose, add_questionnaire
from crm.questionnaires.sheets import write_sheet
from crm.questionnaires.wanted import wanted_of
from crm.questionnaires.wording import parse
from crm.wrap_up.outcomes import OutcomeForm
from dialer.calls.view import CallState, LineState
from dialer.scheduler import Scheduler
from dialer.telephony import LegAnswered, LegEnd, LegEnded
from tests.dialer.calls.conftest import NOON, Office

Change = Callable[[AsyncSession, datetime], Awaitable[None]]

# Those that hold an advisory lock of this database: the server is shared by all tests.
BREAK_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def scheduler_of(office: Office, poll_s: float = 3600.0) -> Scheduler:
    return Scheduler(office.database, office.desk, office.store, node="main", poll_s=poll_s, clock=office.clock)


async def promise(office: Office) -> int:
    """A call that ends in a promise for 15:00 on the client's clock. Returns the client."""
    return await called(office, OutcomeForm(disposition="callback", callback_words="сегодня в 15:00"))


async def called(office: Office, form: OutcomeForm) -> int:
    """A talk with such an outcome. Returns the client."""
    attempt_id = await office.dial()
    client = office.telephony.clients[-1]
    client.emit(LegAnswered("PCMA"))
    await office.until_call(CallState.TALKING)
    client.emit(LegEnded(LegEnd.REMOTE_HUNG_UP))
    view = await office.until_call(CallState.WRAP_UP)
    assert view.client_id is not None
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


async def offered_to(office: Office, client_id: int) -> list[tuple[ReferralState, int | None]]:
    async with office.database.reading() as session:
        rows = await session.scalars(select(Referral).where(Referral.client_id == client_id).order_by(Referral.id))
        return [(row.state, row.expert_id) for row in rows]


async def test_a_limit_that_passed_while_the_service_was_down_gives_the_client_to_the_next_expert(
    office: Office,
) -> None:
    experts = []
    async with office.database.transaction() as session:
        (campaign,) = await list_campaigns(session)
        for login in ("egor", "zoya"):
            user = await add_user(
                session, login=login, name=login, role=Role.EXPERT, password="long enough", time_zone="Europe/Moscow",
                now=NOON,
            )  # fmt: skip
            await set_expert(session, campaign=campaign, user=user, belongs=True, now=NOON)
            experts.append(user.id)
    first, second = experts
    client_id = await called(office, OutcomeForm("warm", person_name="Петрова Анна", person_decides=True))
    scheduler = scheduler_of(office)
    await scheduler.start()
    assert await offered_to(office, client_id) == [(ReferralState.OFFERED, first)]
    await scheduler.stop()
    await office.desk.go_offline(office.operator)
    office.desk = office.new_desk()
    for minutes, passed_on in ((59, False), (61, True), (62, True)):  # the service is started three times
        office.now = NOON + timedelta(minutes=minutes)
        scheduler = scheduler_of(office)
        await scheduler.start()
        expected = [(ReferralState.LAPSED, first), (ReferralState.OFFERED, second)]
        assert await offered_to(office, client_id) == (expected if passed_on else [(ReferralState.OFFERED, first)])
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
        await office.desk.skip(office.operator, client_id=view.client_id, reason="позже")
        view = await office.desk.view(office.operator)
    office.now = NOON + timedelta(hours=6)
    scheduler = scheduler_of(office, poll_s=0.05)
    waiting = asyncio.create_task(office.until(lambda view: view.client_id is not None))
    await scheduler.start()
    assert (await waiting).client_id == promised
    await scheduler.stop()


async def test_a_promise_waits_for_nobody_who_had_its_client_and_went(office: Office) -> None:
    """Nor until somebody asks for the next client."""
    promised = await promise(office)
    await office.desk.go_offline(office.operator)
    async with office.database.transaction() as session:
        other = await add_user(
            session, login="olga", name="Ольга", role=Role.OPERATOR, password="a-long-password", now=NOON
        )
        await claim_client(session, client_id=promised, operator_id=other.id, now=NOON, lease_s=900)
    office.now = NOON + timedelta(hours=6)
    await scheduler_of(office).poll()
    async with office.database.reading() as session:
        (entry,) = await active_entries(session, promised)
    assert (entry.state, entry.kind) == (EntryState.WAITING, EntryKind.CALLBACK)


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


async def test_the_campaign_says_which_number_of_ours_is_shown(office: Office) -> None:
    async with office.database.transaction() as session:
        campaign = (await list_campaigns(session))[0]
        await change_setup(session, campaign=campaign, now=NOON, caller_id="+73420001299")
    await office.dial()
    assert office.telephony.clients[-1].caller_id == "+73420001299"


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


CSV = "list;name;phone\nspring;Новая;8 (342) 000-09-99\n"


async def imported(session: AsyncSession, now: datetime) -> None:
    (campaign,) = await list_campaigns(session)
    table = read_table(CSV.encode())
    await import_clients(session, campaign=campaign, table=table, mapping=guess_mapping(table.header), now=now)
    await approved(session, now)


async def test_an_import_that_somebody_left_half_done_goes_on_by_itself(office: Office) -> None:
    table = read_table("list;name;phone\nspring;Новая;8 (342) 000-09-99\nspring;Вторая;8 (342) 000-09-98\n".encode())
    choices = Choices(guess_mapping(table.header))
    async with office.database.reading() as session:
        (campaign,) = await list_campaigns(session)
        tried = await try_out(session, campaign=campaign, table=table, choices=choices, region="RU", now=NOON)
    staged = await bring_in(
        office.database, campaign=campaign, file_name="a.csv", content=b"-", table=table, choices=choices, tried=tried,
        clock=office.clock,
    )  # fmt: skip
    async with office.database.transaction() as session:
        await begin_confirming(session, import_id=staged.id, version=None, now=NOON)
    await carry_on(office.database, staged.id, region="RU", clock=office.clock, most=1, limit=1)
    await scheduler_of(office).carry_imports_on()
    async with office.database.reading() as session:
        found = await get_import(session, staged.id)
    assert (found.state, found.under_way, found.done, found.taken) == (ImportState.CONFIRMED, None, 2, 2)


async def test_what_was_marked_for_reports_is_filled_in_by_itself(office: Office) -> None:
    questions = parse("# Сколько\nkey: pieces\nkind: number\n").questions
    async with office.database.transaction() as session:
        clients = list(await session.scalars(select(Client.id).limit(2)))
        made = await add_questionnaire(
            session, name="О клиенте", purpose=Purpose.CLIENT, questions=questions, now=NOON, campaign_id=None
        )
        number = made.questionnaire.id
        for client_id in clients:
            await write_sheet(
                session, client_id=client_id, questionnaire_id=number, typed={"pieces": "5"}, now=NOON
            )  # fmt: skip
        await set_for_reports(session, questionnaire_id=number, keys=["pieces"], now=NOON, at_once=1)
        assert await being_filled(session) == [number]
    await scheduler_of(office).fill_reports()
    async with office.database.reading() as session:
        assert await being_filled(session) == []
        assert await count_found(session, number, await wanted_of(session, number, ["pieces = 5"])) == len(clients)


async def test_a_file_that_somebody_left_half_read_is_read_anew(office: Office) -> None:
    table = read_table(CSV.encode())
    choices = Choices(guess_mapping(table.header))
    async with office.database.reading() as session:
        (campaign,) = await list_campaigns(session)
        tried = await try_out(session, campaign=campaign, table=table, choices=choices, region="RU", now=NOON)
    staged = await bring_in(
        office.database, campaign=campaign, file_name="a.csv", content=CSV.encode(), table=table, choices=choices,
        tried=tried, clock=office.clock,
    )  # fmt: skip
    for ago, under_way in ((timedelta(seconds=30), UnderWay.STAGING), (timedelta(seconds=90), None)):
        async with office.database.transaction() as session:
            half = await get_import(session, staged.id)
            half.under_way, half.step_at, half.done = UnderWay.STAGING, office.clock() - ago, 0
        await scheduler_of(office).carry_imports_on()
        async with office.database.reading() as session:
            found = await get_import(session, staged.id)
        assert (found.state, found.under_way, found.row_count) == (ImportState.STAGED, under_way, 1)


async def approved(session: AsyncSession, now: datetime) -> None:
    for call_list in await session.scalars(select(CallList).where(CallList.state != ListState.APPROVED)):
        await set_list_state(session, call_list_id=call_list.id, to=ListState.APPROVED, by="Заказчик", now=now)


async def open_again(session: AsyncSession, now: datetime) -> None:
    (campaign,) = await list_campaigns(session)
    await set_calendar_day(session, campaign=campaign, day=now.date(), works=None, reason="", now=now)


async def on_the_list_again(session: AsyncSession, now: datetime) -> None:
    for client in await session.scalars(select(Client).where(Client.off_list_reason != "")):
        await put_back_on_list(session, client=client, now=now)


async def not_silent_any_more(session: AsyncSession, now: datetime) -> None:
    for request in await requests(session):
        await lift(session, request_id=request.id, reason="передумали", now=now)


async def nobody(session: AsyncSession, now: datetime) -> None:
    """Before an import there is nobody new."""


async def day_off(session: AsyncSession, now: datetime) -> None:
    (campaign,) = await list_campaigns(session)
    await change_campaign(session, campaign=campaign, now=now, calls_on_days_off=False)
    await set_calendar_day(session, campaign=campaign, day=now.date(), works=False, reason="переезд", now=now)
    await session.execute(
        update(PlanEntry).where(PlanEntry.state == EntryState.WAITING).values(state="dropped", reason="dial.day_off")
    )


async def all_off_the_list(session: AsyncSession, now: datetime) -> None:
    for client in list(await session.scalars(select(Client))):
        later = now + timedelta(minutes=1)  # than the list's approval, so that the customer has signed for all
        await off_list(session, client=client, reason="проба", now=later)


async def all_silent(session: AsyncSession, now: datetime) -> None:
    for organisation_id in list(await session.scalars(select(Client.organisation_id))):
        await keep_request(session, whom=Whom.ORGANISATION, target=organisation_id, evidence="письмо", now=now)


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (nobody, imported),
        (day_off, open_again),
        (all_off_the_list, on_the_list_again),
        (all_silent, not_silent_any_more),
    ],
)
async def test_what_brings_clients_into_the_plan_does_so_while_it_runs(
    office: Office, before: Change, change: Change
) -> None:
    async with office.database.transaction() as session:
        await before(session, office.now)
    scheduler = scheduler_of(office)
    await scheduler.start()
    waiting = select(func.count()).where(PlanEntry.state == EntryState.WAITING)
    async with office.database.transaction() as session:
        there = await session.scalar(waiting) or 0
        await change(session, office.now)
    await scheduler.take_up_new_clients()
    async with office.database.reading() as session:
        assert (await session.scalar(waiting) or 0) > there
    await scheduler.stop()


async def test_a_plan_that_cannot_be_built_keeps_no_promise_waiting(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    promised = await promise(office)
    await office.desk.go_offline(office.operator)
    office.now = NOON + timedelta(hours=6)
    office.desk = office.new_desk()

    async def fail(*_: object, **__: object) -> bool:
        raise OperationalError("", {}, Exception("deadlock detected"))

    monkeypatch.setattr(day_plan, "is_built", fail)
    with pytest.raises(OperationalError):
        await scheduler_of(office).poll()
    assert (await office.ready()).client_id == promised
