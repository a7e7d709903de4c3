"""The desk's promises: one click one call, nothing lost, nobody stuck."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import NoReturn

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import get_organisation
from crm.base.phone_numbers import NumberState, PhoneNumber, numbers_of
from crm.base.whom import Whom
from crm.calls.attempts import Attempt, Result
from crm.calls.recording_facts import Recording, RecordingState
from crm.clientele.clients import get_client
from crm.database import Database
from crm.day.day_plan import claim_next
from crm.errors import ERRORS, Refused
from crm.office.users import Role, add_user
from crm.plan.plan_entries import EntryState, PlanEntry
from crm.plan.silence import keep_request
from crm.wrap_up.contacts import Contact
from crm.wrap_up.outcomes import Outcome, OutcomeForm
from dialer.calls.desk_rules import DeskRules
from dialer.calls.errors import DeskError
from dialer.calls.view import CallState, LineState
from dialer.calls.view import RecordingState as Light
from dialer.demo import seed
from dialer.telephony import (
    LegAnswered,
    LegEarlyMedia,
    LegEnd,
    LegEnded,
    LegLevels,
    LegRecordingFailed,
    LegRinging,
    Sound,
    TrunkStatus,
)
from tests.dialer.calls.conftest import NOON, Office

NO_CONTACT = OutcomeForm(disposition="no_contact")


async def attempt(office: Office, attempt_id: str) -> Attempt:
    async with office.database.reading() as session:
        return await session.get_one(Attempt, attempt_id)


async def test_ready_calls_the_headset_and_lays_a_card_down(office: Office) -> None:
    view = await office.ready()
    assert len(office.telephony.headset_legs) == 1
    assert view.call is CallState.NONE
    assert view.entry_id is not None


async def test_twenty_clicks_and_two_tabs_are_one_call(office: Office) -> None:
    view = await office.ready()
    assert view.client_id is not None
    ids = await asyncio.gather(
        *(office.desk.dial(office.operator, client_id=view.client_id) for _ in range(20)),
    )
    await office.telephony.placed.wait()
    assert len(set(ids)) == 1
    assert len(office.telephony.clients) == 1
    assert office.telephony.clients[0].id == ids[0]


async def test_two_operators_never_get_the_same_client(office: Office) -> None:
    async with office.database.transaction() as session:
        other = await add_user(
            session,
            login="olga",
            name="Ольга",
            role=Role.OPERATOR,
            password="a-long-password",
            now=NOON,
            headset="olga",
        )
    await asyncio.gather(office.desk.go_ready(office.operator), office.desk.go_ready(other.id))
    mine = await office.until(lambda view: view.client_id is not None)
    hers = await office.until(lambda view: view.client_id is not None, operator=other.id)
    assert mine.client_id != hers.client_id


async def test_a_whole_call_is_recorded_and_written_down(office: Office) -> None:
    attempt_id = await office.dial()
    client = office.telephony.clients[0]
    line = office.telephony.headset_legs[0]
    client.emit(LegRinging())
    await office.until_call(CallState.RINGING)
    assert line.playing is Sound.RINGBACK
    client.emit(LegAnswered("PCMA"))
    await office.until(lambda view: view.recording is Light.ON)
    assert line.playing is None
    assert office.telephony.bridged == [(line.id, client.id)]
    await office.desk.send_digits(office.operator, "12#")
    assert client.digits == "12#"
    await office.desk.hang_up(office.operator)
    view = await office.until_call(CallState.WRAP_UP)
    assert view.result == "answered"
    assert view.attempt_id == attempt_id

    await save_when_possible(office, attempt_id, NO_CONTACT)
    async with office.database.reading() as session:
        row = await session.get_one(Attempt, attempt_id)
        assert row.result is Result.ANSWERED
        assert row.talk_seconds is not None
        assert row.invited_at is not None
        recording = await session.scalar(select(Recording).where(Recording.attempt_id == attempt_id))
        assert recording is not None
        assert recording.state is RecordingState.READY
        assert recording.duration_s == 1.0
        assert await session.scalar(select(func.count()).select_from(Outcome)) == 1
        assert await session.scalar(select(func.count()).select_from(Contact)) == 0
    following = await office.until_call(CallState.NONE)
    assert following.client_id not in (None, row.client_id)


async def save_when_possible(office: Office, attempt_id: str, form: OutcomeForm) -> None:
    await office.desk.settled(office.operator)
    await office.desk.save_outcome(office.operator, attempt_id=attempt_id, form=form)


@pytest.mark.parametrize(
    ("ended", "result", "proposal"),
    [
        (LegEnded(LegEnd.REFUSED, 486), "busy", "no_contact"),
        (LegEnded(LegEnd.REFUSED, 404), "no_such_number", "nonexistent"),
        (LegEnded(LegEnd.RING_TIMEOUT), "no_answer", "no_contact"),
        (LegEnded(LegEnd.NETWORK_FAILURE), "trunk_failure", None),
    ],
)
async def test_an_unanswered_call_frees_the_operator(
    office: Office, ended: LegEnded, result: str, proposal: str | None
) -> None:
    await office.dial()
    office.telephony.clients[0].emit(ended)
    view = await office.until_call(CallState.WRAP_UP)
    assert view.result == result
    if proposal is not None:
        assert view.proposal == proposal
    assert view.recording is Light.OFF


async def test_early_media_is_heard_before_the_answer_and_not_recorded(office: Office) -> None:
    await office.dial()
    office.telephony.clients[0].emit(LegRinging())
    office.telephony.clients[0].emit(LegEarlyMedia())
    view = await office.until_call(CallState.EARLY_MEDIA)
    await office.until(lambda _: bool(office.telephony.bridged))
    assert office.telephony.headset_legs[0].playing is None
    assert view.recording is Light.OFF
    assert office.telephony.recording is None


async def test_an_answer_that_crosses_the_hang_up_is_no_conversation(office: Office) -> None:
    attempt_id = await office.dial()
    client = office.telephony.clients[0]
    client.obeys = False
    await office.desk.hang_up(office.operator)
    client.emit(LegEnded(LegEnd.CANCELLED))
    view = await office.until_call(CallState.WRAP_UP)
    assert view.result == "cancelled"
    await office.desk.settled(office.operator)
    assert (await attempt(office, attempt_id)).talk_seconds is None


async def test_a_headset_that_drops_ends_the_call_and_is_told(office: Office) -> None:
    await office.dial()
    client = office.telephony.clients[0]
    client.emit(LegAnswered("PCMA"))
    await office.until_call(CallState.TALKING)
    office.telephony.headset_legs[0].emit(LegEnded(LegEnd.NETWORK_FAILURE))
    view = await office.until(lambda view: view.call is CallState.WRAP_UP and view.line is LineState.FAULT)
    assert client.hang_ups == 1
    assert view.message is not None
    assert view.message.code == "desk.headset_dropped"
    await save_when_possible(office, view.attempt_id or "", NO_CONTACT)
    view = await office.desk.view(office.operator)
    assert view.client_id is None  # no line, no client


async def test_nobody_is_given_a_client_without_a_headset(office: Office) -> None:
    office.telephony.registered = False
    await office.desk.go_ready(office.operator)
    view = await office.desk.view(office.operator)
    assert view.line is LineState.FAULT
    assert view.message is not None
    assert view.message.code == "desk.headset_not_registered"
    assert view.client_id is None


async def test_a_dead_trunk_refuses_in_words(office: Office) -> None:
    view = await office.ready()
    office.telephony.change_trunk(TrunkStatus(False, "no answer from 127.0.0.1:5060"))
    assert view.client_id is not None
    with pytest.raises(DeskError, match="no answer from"):
        await office.desk.dial(office.operator, client_id=view.client_id)
    assert (await office.desk.view(office.operator)).trunk_detail == "no answer from 127.0.0.1:5060"
    async with office.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Attempt)) == 0


async def test_a_number_outside_the_allowed_prefixes_leaves_no_attempt(office: Office) -> None:
    office.desk = office.new_desk(DeskRules(allowed_prefixes=("+49",), minimum_free_bytes=1))
    view = await office.ready()
    assert view.client_id is not None
    with pytest.raises(DeskError) as refused:
        await office.desk.dial(office.operator, client_id=view.client_id)
    assert refused.value.code == "desk.number_not_allowed"
    async with office.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Attempt)) == 0
    await office.desk.stop()


async def test_who_asked_off_meanwhile_gives_way_to_the_next_client(office: Office) -> None:
    view = await office.ready()
    assert view.client_id is not None
    async with office.database.transaction() as session:
        client = await get_client(session, view.client_id)
        await keep_request(
            session, whom=Whom.ORGANISATION, target=client.organisation_id, evidence="письмо", now=NOON
        )  # fmt: skip
        name = (await get_organisation(session, client.organisation_id)).name
    assert await office.desk.dial(office.operator, client_id=view.client_id) is None
    after = await office.desk.view(office.operator)
    assert after.client_id not in (None, view.client_id)
    assert after.message is not None
    assert after.message.code == "desk.client_left"
    assert (after.message.params["name"], after.message.params["reason"]) == (name, ERRORS["dial.do_not_call"])
    async with office.database.reading() as session:
        left = await session.get_one(PlanEntry, view.entry_id)
        assert (left.state, left.reason) == (EntryState.DROPPED, "dial.do_not_call")
    assert await office.desk.dial(office.operator, client_id=after.client_id)


async def test_a_card_whose_lease_ran_out_gives_way_to_the_next_client(office: Office) -> None:
    view = await office.ready()
    assert view.client_id is not None
    async with office.database.transaction() as session:
        other = await add_user(
            session, login="olga", name="Ольга", role=Role.OPERATOR, password="a-long-password", now=NOON
        )
        later = NOON + timedelta(hours=1)
        entry = await claim_next(session, operator_id=other.id, now=later, lease_s=900)
        assert entry is not None
        assert entry.id == view.entry_id
    assert await office.desk.dial(office.operator, client_id=view.client_id) is None
    after = await office.desk.view(office.operator)
    assert after.client_id not in (None, view.client_id)
    assert after.message is not None
    assert after.message.code == "desk.client_left"


async def test_a_refused_number_leaves_the_card_whose_other_number_will_do(office: Office) -> None:
    view = await office.ready()
    assert view.client_id is not None
    async with office.database.transaction() as session:
        client = await get_client(session, view.client_id)
        (number,) = await numbers_of(session, client.organisation_id)
        dead = PhoneNumber(
            organisation_id=client.organisation_id, e164="+73420000099", raw="", rank=9, state=NumberState.DEAD
        )
        session.add(dead)
    with pytest.raises(Refused) as refused:
        await office.desk.dial(office.operator, client_id=view.client_id, phone_number_id=dead.id)
    assert refused.value.code == "dial.number_dead"
    assert (await office.desk.view(office.operator)).client_id == view.client_id
    await office.desk.dial(office.operator, client_id=view.client_id, phone_number_id=number.id)


async def test_the_manager_stops_all_dialling(office: Office) -> None:
    view = await office.ready()
    assert view.client_id is not None
    await office.desk.stop_all_dialling(office.manager, stopped=True)
    assert (await office.desk.view(office.operator)).dialling_stopped
    with pytest.raises(DeskError) as refused:
        await office.desk.dial(office.operator, client_id=view.client_id)
    assert refused.value.code == "desk.dialling_stopped"
    again = office.new_desk()
    await again.start()
    assert (await again.view(office.operator)).dialling_stopped  # also after a restart
    await again.stop()


@pytest.mark.parametrize("trouble", ["at the start", "in the middle"])
async def test_a_recording_that_fails_is_told_and_known(office: Office, trouble: str) -> None:
    attempt_id = await office.dial()
    client = office.telephony.clients[0]
    if trouble == "at the start":
        office.telephony.recording_trouble = "No space left on device"
    client.emit(LegAnswered("PCMA"))
    if trouble == "in the middle":
        client.emit(LegRecordingFailed("No space left on device"))
    view = await office.until(lambda view: view.recording is Light.FAILED and view.message is not None)
    assert view.call is CallState.TALKING  # the call goes on
    client.emit(LegEnded(LegEnd.REMOTE_HUNG_UP))
    await office.until_call(CallState.WRAP_UP)
    await office.desk.settled(office.operator)
    async with office.database.reading() as session:
        recording = await session.scalar(select(Recording).where(Recording.attempt_id == attempt_id))
    assert recording is not None
    assert recording.state is RecordingState.FAILED
    assert "No space left" in recording.failure


async def test_a_full_disk_begins_no_recording(office: Office) -> None:
    office.desk = office.new_desk(DeskRules(minimum_free_bytes=2**62))
    await office.dial()
    office.telephony.clients[0].emit(LegAnswered("PCMA"))
    view = await office.until(lambda view: view.recording is Light.FAILED)
    message = (await office.until(lambda view: view.message is not None)).message
    assert message is not None
    assert message.code == "desk.recording_not_started"
    assert view.call is CallState.TALKING
    await office.desk.stop()


async def test_a_call_without_recording_by_policy_is_exempt(office: Office) -> None:
    office.desk = office.new_desk(DeskRules(recording_policy="never"))
    attempt_id = await office.dial()
    office.telephony.clients[0].emit(LegAnswered("PCMA"))
    await office.until_call(CallState.TALKING)
    office.telephony.clients[0].emit(LegEnded(LegEnd.REMOTE_HUNG_UP))
    await office.until_call(CallState.WRAP_UP)
    await office.desk.settled(office.operator)
    async with office.database.reading() as session:
        recording = await session.scalar(select(Recording).where(Recording.attempt_id == attempt_id))
    assert recording is not None
    assert recording.state is RecordingState.EXEMPT
    await office.desk.stop()


async def test_a_recording_has_its_key_from_its_first_second(office: Office) -> None:
    office.desk = office.new_desk(DeskRules(new_recording_key=lambda attempt_id: f"key of {attempt_id}"))
    attempt_id = await office.dial()
    office.telephony.clients[0].emit(LegAnswered("PCMA"))
    await office.until_call(CallState.TALKING)
    office.telephony.clients[0].emit(LegEnded(LegEnd.REMOTE_HUNG_UP))
    await office.until_call(CallState.WRAP_UP)
    await office.desk.settled(office.operator)
    async with office.database.reading() as session:
        keys = await session.scalars(select(Recording.wrapped_key).where(Recording.attempt_id == attempt_id))
    assert keys.all() == [f"key of {attempt_id}"]
    await office.desk.stop()


async def test_after_a_restart_the_desk_comes_back_to_the_call_without_outcome(office: Office) -> None:
    attempt_id = await office.dial()
    office.telephony.clients[0].emit(LegEnded(LegEnd.REFUSED, 486))
    await office.until_call(CallState.WRAP_UP)
    await office.desk.settled(office.operator)
    again = office.new_desk()
    view = await again.view(office.operator)
    assert view.call is CallState.WRAP_UP
    assert view.attempt_id == attempt_id
    assert view.proposal == "no_contact"
    with pytest.raises(DeskError) as refused:
        await again.dial(office.operator, client_id=view.client_id or 0)
    assert refused.value.code == "desk.wrap_up_pending"
    await again.save_outcome(office.operator, attempt_id=attempt_id, form=NO_CONTACT)
    assert (await again.view(office.operator)).call is CallState.NONE
    await again.stop()


async def test_three_silent_seconds_of_a_side_are_worth_a_word(office: Office) -> None:
    await office.dial()
    client = office.telephony.clients[0]
    client.emit(LegAnswered("PCMA"))
    await office.until_call(CallState.TALKING)
    for _ in range(3):
        office.telephony.headset_legs[0].emit(LegLevels(-127.0, 0, 0, 0.0))
    view = await office.until(lambda view: view.silent != "")
    assert view.silent == "operator"
    office.telephony.headset_legs[0].emit(LegLevels(-20.0, 50, 0, 0.0))
    await office.until(lambda view: view.silent == "")


async def test_a_fault_of_ours_does_not_leave_the_operator_in_a_call(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt_id = await office.dial()

    async def broken(operator: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(office.telephony, "unbridge", broken)
    office.telephony.clients[0].emit(LegEnded(LegEnd.REFUSED, 486))
    view = await office.until_call(CallState.WRAP_UP)
    assert view.result == "busy"
    await save_when_possible(office, attempt_id, NO_CONTACT)


async def test_a_stale_outcome_is_refused(office: Office) -> None:
    attempt_id = await office.dial()
    office.telephony.clients[0].emit(LegEnded(LegEnd.REFUSED, 486))
    await office.until_call(CallState.WRAP_UP)
    await save_when_possible(office, attempt_id, NO_CONTACT)
    with pytest.raises(DeskError) as refused:
        await office.desk.save_outcome(office.operator, attempt_id=attempt_id, form=NO_CONTACT)
    assert refused.value.code == "desk.stale_attempt"


async def test_a_database_that_is_away_is_told_until_it_is_back(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = await office.ready()
    client_id = view.client_id
    assert client_id is not None
    with monkeypatch.context() as away:
        away.setattr(Database, "transaction", _full)
        with pytest.raises(DeskError) as refused:
            await office.desk.dial(office.operator, client_id=client_id)
        assert refused.value.code == "desk.database_away", "nobody talks: no call goes on"
    await office.desk.pause(office.operator)
    async with office.database.transaction() as session:
        await session.execute(update(PlanEntry).values(closes_at=NOON))
    with monkeypatch.context() as away:
        away.setattr(Database, "transaction", _full)
        await office.desk.go_ready(office.operator)
        view = await office.until(lambda view: view.message is not None)
        assert view.message is not None
        assert view.message.code == "desk.database_away"
    async with aclosing(office.desk.watch(office.operator)) as views:  # only for a page that looks is a card looked for
        await anext(views)
        await office.desk.wake()
        view = await office.desk.view(office.operator)
    assert view.message is not None
    assert view.message.code == "desk.nothing_to_call"


def _full(_database: Database) -> NoReturn:
    raise OperationalError("INSERT", {}, Exception("database or disk is full"))


async def test_a_call_does_not_wait_for_a_database_that_is_away(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialer.calls.journal.FIRST_PAUSE_S", 0.01)
    attempt_id = await office.dial()
    client = office.telephony.clients[0]
    real = Database.transaction
    away = True

    @contextlib.asynccontextmanager
    async def transaction(database: Database) -> AsyncIterator[AsyncSession]:
        if away:
            raise OperationalError("INSERT", {}, Exception("disk I/O error"))
        async with real(database) as session:
            yield session

    monkeypatch.setattr(Database, "transaction", transaction)
    client.emit(LegAnswered("PCMA"))
    await office.until_call(CallState.TALKING)
    view = await office.until(lambda view: view.message is not None)
    assert view.message is not None
    assert view.message.code == "desk.database_trouble"
    client.emit(LegEnded(LegEnd.REMOTE_HUNG_UP))
    await office.until_call(CallState.WRAP_UP)
    away = False
    await office.desk.settled(office.operator)
    row = await attempt(office, attempt_id)
    assert row.result is Result.ANSWERED
    assert row.answered_at is not None


async def test_a_headset_that_falls_silent_between_calls_is_told_and_gets_no_client(office: Office) -> None:
    view = await office.ready()
    leg = office.telephony.headset_legs[0]
    for received in (50, 100, 100, 100, 100):
        leg.emit(LegLevels(-60.0, received, 0, 0.0))
    told = await office.until(lambda view: view.message is not None and view.message.code == "desk.headset_silent")
    assert told.line is LineState.READY
    assert view.client_id is not None
    office.telephony.change_headset(seed.HEADSET, registered=False)  # it does not come back
    with pytest.raises(DeskError) as refused:
        await office.desk.dial(office.operator, client_id=view.client_id)
    assert refused.value.code == "desk.headset_silent"
    leg.emit(LegLevels(-60.0, 150, 0, 0.0))
    await office.until(lambda view: view.message is None)
    await office.desk.dial(office.operator, client_id=view.client_id)


@pytest.mark.parametrize("how", ["refused", "given up", "early sound"])
async def test_the_ringback_stops_when_nobody_answers(office: Office, how: str) -> None:
    await office.dial()
    client, line = office.telephony.clients[0], office.telephony.headset_legs[0]
    client.emit(LegRinging())
    await office.until_call(CallState.RINGING)
    assert line.playing is Sound.RINGBACK
    if how == "refused":
        client.emit(LegEnded(LegEnd.REFUSED, sip_code=486))
        await office.until_call(CallState.WRAP_UP)
    elif how == "given up":
        await office.desk.hang_up(office.operator)
        await office.until_call(CallState.WRAP_UP)
    else:
        client.emit(LegEarlyMedia())
        await office.until_call(CallState.EARLY_MEDIA)
        await asyncio.wait_for(office.telephony.bridged_once.wait(), 30)
    assert line.playing is None


async def test_an_undone_outcome_brings_the_call_back_to_the_desk(office: Office) -> None:
    attempt_id = await office.dial()
    office.telephony.clients[0].emit(LegEnded(LegEnd.REFUSED, 486))
    ended = await office.until_call(CallState.WRAP_UP)
    with pytest.raises(DeskError) as pending:
        await office.desk.undo_outcome(office.operator, attempt_id=attempt_id)
    assert pending.value.code == "desk.wrap_up_pending"
    await save_when_possible(office, attempt_id, NO_CONTACT)
    following = await office.desk.view(office.operator)
    assert following.client_id not in (None, ended.client_id)
    await office.desk.undo_outcome(office.operator, attempt_id=attempt_id)
    view = await office.desk.view(office.operator)
    assert (view.call, view.client_id, view.attempt_id) == (CallState.WRAP_UP, ended.client_id, attempt_id)
    assert (view.entry_id, view.result) == (ended.entry_id, "busy")
    await office.desk.save_outcome(office.operator, attempt_id=attempt_id, form=OutcomeForm("nonexistent"))
    assert (await office.desk.view(office.operator)).client_id == following.client_id


async def test_two_presses_skip_one_client(office: Office) -> None:
    view = await office.ready()
    assert view.client_id is not None
    skips = [office.desk.skip(office.operator, client_id=view.client_id, reason="дубль") for _ in range(2)]
    done = await asyncio.gather(*skips, return_exceptions=True)
    assert sorted(str(getattr(each, "code", "done")) for each in done) == ["desk.other_client", "done"]
    async with office.database.reading() as session:
        dropped = await session.scalars(select(PlanEntry.client_id).where(PlanEntry.state == EntryState.DROPPED))
    assert list(dropped) == [view.client_id]


async def test_a_skip_is_taken_back_and_the_card_that_came_goes_back(office: Office) -> None:
    first = await office.ready()
    assert first.client_id is not None
    assert first.entry_id is not None
    await office.desk.skip(office.operator, client_id=first.client_id, reason="дубль")
    second = await office.desk.view(office.operator)
    await office.desk.undo_skip(office.operator, entry_id=first.entry_id)
    again = await office.desk.view(office.operator)
    assert (again.client_id, again.entry_id) == (first.client_id, first.entry_id)
    assert await office.desk.dial(office.operator, client_id=first.client_id)
    async with office.database.reading() as session:
        returned = await session.get_one(PlanEntry, second.entry_id)
    assert (returned.state, returned.claimed_by) == (EntryState.WAITING, None)
