"""Attempts: one at a time whatever is clicked, and what becomes of them in a crash."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.phone_numbers import PhoneNumber, numbers_of
from crm.calls.attempts import (
    Attempt,
    Result,
    finish,
    get_attempt,
    mark_answered,
    mark_invited,
    mark_ringing,
    open_attempt,
    pending_wrap_up,
    recover,
)
from crm.clientele.clients import add_client, get_client
from crm.database import Database
from crm.day.day_plan import claim_client, claim_next
from crm.errors import Conflict, CrmError, NotFound, Refused
from crm.plan.dispositions import DISPOSITIONS, possible, propose
from crm.plan.plan_entries import EntryState, PlanEntry
from crm.plan.silence import off_list
from crm.preparation.call_lists import list_named
from crm.preparation.campaigns import add_campaign
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import LEASE_S, NOON, World, open_call
from tests.crm.overlap import overlap


async def dial(database: Database, entry_id: int, operator_id: int) -> str:
    async with database.transaction() as session:
        attempt = await open_attempt(
            session, plan_entry_id=entry_id, phone_number_id=None, operator_id=operator_id, now=NOON
        )
        return attempt.id


async def claim(world: World, client_id: int, operator_id: int) -> int:
    async with world.transaction() as session:
        entry = await claim_client(session, client_id=client_id, operator_id=operator_id, now=NOON, lease_s=LEASE_S)
        return entry.id


async def count_attempts(world: World) -> int:
    async with world.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(Attempt)) or 0


async def test_eight_clicks_in_four_tabs_open_one_attempt(world: World, database_url: str) -> None:
    operator = await world.operator()
    entry_id = await claim(world, await world.client(), operator)
    tabs = [Database(database_url) for _ in range(4)]
    try:
        clicks = await asyncio.gather(
            *(dial(tab, entry_id, operator) for tab in tabs for _ in range(2)), return_exceptions=True
        )
    finally:
        for tab in tabs:
            await tab.dispose()
    opened = [click for click in clicks if isinstance(click, str)]
    refused = [click for click in clicks if isinstance(click, CrmError)]
    assert len(opened) == 1
    assert [error.code for error in refused] == ["attempt.already_open"] * 7
    assert {error.params["attempt_id"] for error in refused} == set(opened)
    assert await count_attempts(world) == 1


async def test_two_operators_open_one_attempt_at_a_client(world: World) -> None:
    client_id = await world.client()
    operators = [await world.operator("Анна"), await world.operator("Борис")]

    async def take_and_dial(operator_id: int) -> str:
        async with world.transaction() as session:
            return (await open_call(session, client_id, operator_id)).id

    ends = await asyncio.gather(*(take_and_dial(operator) for operator in operators), return_exceptions=True)
    assert sorted(isinstance(end, str) for end in ends) == [False, True]
    assert [end.code for end in ends if isinstance(end, CrmError)] == ["plan.taken"]
    assert await count_attempts(world) == 1


async def test_two_clients_with_one_number_are_not_called_at_once(world: World) -> None:
    first, second = await world.client("Первая"), await world.client("Вторая")
    async with world.transaction() as session:
        numbers = [
            (await numbers_of(session, (await get_client(session, client_id)).organisation_id))[0]
            for client_id in (first, second)
        ]
        numbers[1].e164 = numbers[0].e164
    entries = [
        (await claim(world, client_id, operator), operator)
        for client_id, operator in ((first, await world.operator()), (second, await world.operator("Борис")))
    ]
    ends = await asyncio.gather(*(dial(world.database, *entry) for entry in entries), return_exceptions=True)
    assert [end.code for end in ends if isinstance(end, CrmError)] == ["attempt.number_busy"]
    assert await count_attempts(world) == 1


async def in_another_campaign(world: World, client_id: int) -> int:
    """The same company as a client of a second campaign."""
    async with world.transaction() as session:
        other = await add_campaign(session, name="Вторая", now=NOON)
        call_list = await list_named(session, campaign_id=other.id, name="Второй")
        organisation_id = (await get_client(session, client_id)).organisation_id
        client = await add_client(
            session, campaign_id=other.id, organisation_id=organisation_id, call_list_id=call_list.id, now=NOON
        )
        return client.id


async def dial_number(session: AsyncSession, entry_id: int, rank: int, operator_id: int) -> str:
    client = await get_client(session, (await session.get_one(PlanEntry, entry_id)).client_id)
    number = (await numbers_of(session, client.organisation_id))[rank]
    attempt = await open_attempt(
        session, plan_entry_id=entry_id, phone_number_id=number.id, operator_id=operator_id, now=NOON
    )
    return attempt.id


async def test_one_company_is_not_called_by_two_at_once_from_two_campaigns(world: World) -> None:
    """They have different clients and dial different numbers; the cap of a day would be passed unseen as well."""
    anna, boris, first = await world.operator(), await world.operator("Борис"), await world.client(phones=2)
    entries = [await claim(world, first, anna), await claim(world, await in_another_campaign(world, first), boris)]
    ends = await overlap(
        world.database,
        lambda session: dial_number(session, entries[0], 0, anna),
        lambda session: dial_number(session, entries[1], 1, boris),
    )
    assert [getattr(end, "code", "") for end in ends] == ["", "dial.attempt_active"]
    assert await count_attempts(world) == 1
    async with world.transaction() as session:
        await finish(session, attempt_id=ends[0], result=Result.NO_ANSWER, now=NOON)
    with pytest.raises(Refused) as refused:  # what comes of the first call may be that nobody calls them any more
        async with world.transaction() as session:
            await dial_number(session, entries[1], 1, boris)
    assert refused.value.code == "dial.outcome_missing"


async def test_a_client_who_is_taken_off_the_list_at_this_moment_is_not_dialled(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    entry_id = await claim(world, client_id, operator)

    async def take_off(session: AsyncSession) -> None:
        client = await get_client(session, client_id, lock=True)
        await off_list(session, client=client, reason="не тот сегмент", now=NOON)

    _, refused = await overlap(world.database, take_off, lambda session: dial_number(session, entry_id, 0, operator))
    assert getattr(refused, "code", "") == "dial.off_list"
    assert await count_attempts(world) == 0


async def test_a_claim_that_runs_out_while_its_client_is_dialled_is_not_freed(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    entry_id = await claim(world, client_id, anna)
    late = NOON + timedelta(seconds=LEASE_S)

    async def dial_late(session: AsyncSession) -> str:
        attempt = await open_attempt(session, plan_entry_id=entry_id, phone_number_id=None, operator_id=anna, now=late)
        return attempt.id

    attempt_id, given = await overlap(
        world.database, dial_late, lambda session: claim_next(session, operator_id=boris, now=late, lease_s=LEASE_S)
    )
    assert isinstance(attempt_id, str)
    assert given is None
    async with world.database.reading() as session:
        entry = await session.get_one(PlanEntry, entry_id)
    assert (entry.state, entry.claimed_by) == (EntryState.CLAIMED, anna)


async def test_the_database_refuses_a_second_open_attempt_by_itself(world: World) -> None:
    operator = await world.operator()
    client_id = await world.client()
    async with world.transaction() as session:
        attempt = await open_call(session, client_id, operator)
    copy = (
        "INSERT INTO attempts (id, client_id, dialled, operator_id, node, opened_at, phrase, imported)"
        " SELECT :id, {client}, {dialled}, {operator}, 'main', opened_at, '', false FROM attempts"
    )
    other_client, other_operator = await world.client("Другая"), await world.operator("Борис")
    for columns in (
        {"client": "client_id", "dialled": "'+73420009999'", "operator": str(other_operator)},
        {"client": str(other_client), "dialled": "dialled", "operator": str(other_operator)},
        {"client": str(other_client), "dialled": "'+73420009999'", "operator": "operator_id"},
    ):
        with pytest.raises(DBAPIError, match=r"(?i)unique"):
            async with world.database.engine.begin() as connection:
                await connection.execute(text(copy.format(**columns)), {"id": "f" * 32})
    assert len(attempt.id) == 32


async def test_an_operator_in_a_call_opens_no_other(world: World) -> None:
    operator, first, second = await world.operator(), await world.client("Первая"), await world.client("Вторая")
    async with world.transaction() as session:
        await open_call(session, first, operator)
    with pytest.raises(Refused) as refused:
        await claim(world, second, operator)
    assert refused.value.code == "attempt.still_open"


async def test_marks_keep_the_first_moment(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    async with world.transaction() as session:
        attempt_id = (await open_call(session, client_id, operator)).id
        for second in (1, 5):
            at = NOON + timedelta(seconds=second)
            await mark_invited(session, attempt_id=attempt_id, now=at)
            await mark_ringing(session, attempt_id=attempt_id, now=at + timedelta(seconds=10))
            await mark_answered(session, attempt_id=attempt_id, now=at + timedelta(seconds=20))
        attempt = await finish(
            session, attempt_id=attempt_id, result=Result.ANSWERED, now=NOON + timedelta(seconds=81), sip_code=200
        )
    assert attempt.invited_at == NOON + timedelta(seconds=1)
    assert attempt.ringing_at == NOON + timedelta(seconds=11)
    assert attempt.answered_at == NOON + timedelta(seconds=21)
    assert attempt.talk_seconds == 60.0
    async with world.database.reading() as session:
        assert (await get_attempt(session, attempt_id)).talked


async def test_an_attempt_ends_once(world: World) -> None:
    attempt_id = await world.call(await world.client(), await world.operator(), result=Result.BUSY)
    with pytest.raises(Conflict) as refused:
        async with world.transaction() as session:
            await finish(session, attempt_id=attempt_id, result=Result.ANSWERED, now=NOON)
    assert refused.value.code == "attempt.already_ended"


async def test_the_next_call_waits_for_the_outcome_of_the_last(world: World) -> None:
    operator = await world.operator()
    client_id = await world.client()
    attempt_id = await world.call(client_id, operator, result=Result.BUSY)
    async with world.transaction() as session:
        entry = await claim_next(session, operator_id=operator, now=NOON, lease_s=LEASE_S)
        assert entry is not None
        with pytest.raises(Refused) as refused:
            await open_attempt(session, plan_entry_id=entry.id, phone_number_id=None, operator_id=operator, now=NOON)
    assert refused.value.code == "attempt.outcome_missing"
    assert refused.value.params == {"attempt_id": attempt_id}


async def test_a_crash_leaves_attempts_that_nobody_redials(world: World) -> None:
    anna, boris, vera = [await world.operator(name) for name in ("Анна", "Борис", "Вера")]
    clients = [await world.client(name) for name in ("Первая", "Вторая", "Третья")]
    async with world.transaction() as session:
        unsure = await open_call(session, clients[0], anna)
        ringing = await open_call(session, clients[1], boris)
        await mark_invited(session, attempt_id=ringing.id, now=NOON)
        talking = await open_call(session, clients[2], vera)
        await mark_invited(session, attempt_id=talking.id, now=NOON)
        await mark_answered(session, attempt_id=talking.id, now=NOON)
    much_later = NOON + timedelta(hours=3)
    async with world.transaction() as session:
        ended = await recover(session, now=much_later)
        assert {attempt.id: attempt.result for attempt in ended} == {
            unsure.id: Result.UNCERTAIN,
            ringing.id: Result.INTERRUPTED,
            talking.id: Result.INTERRUPTED,
        }
        assert await recover(session, now=much_later) == []
    dora = await world.operator("Дора")
    async with world.transaction() as session:
        assert await claim_next(session, operator_id=dora, now=much_later, lease_s=LEASE_S) is None
        pending = await pending_wrap_up(session, operator_id=anna)
        assert pending is not None
        assert pending.id == unsure.id
        held = await claim_next(session, operator_id=anna, now=much_later, lease_s=LEASE_S)
        assert held is not None
        assert held.client_id == clients[0]
    await world.outcome(unsure.id, OutcomeForm("no_contact"), anna, at=much_later)
    async with world.transaction() as session:
        assert await pending_wrap_up(session, operator_id=anna) is None
        assert await claim_next(session, operator_id=anna, now=much_later, lease_s=LEASE_S) is None


async def test_only_the_claim_of_the_operator_dials(world: World) -> None:
    anna, boris = await world.operator("Анна"), await world.operator("Борис")
    entry_id = await claim(world, await world.client(), anna)
    with pytest.raises(Conflict) as refused:
        await dial(world.database, entry_id, boris)
    assert refused.value.code == "plan.not_yours"


async def test_what_does_not_exist(world: World) -> None:
    operator = await world.operator()
    with pytest.raises(NotFound) as refused:
        await dial(world.database, 12345, operator)
    assert refused.value.code == "plan.entry_unknown"
    with pytest.raises(NotFound) as refused:
        await dial(world.database, 12345, 999)
    assert refused.value.code == "user.unknown"
    async with world.transaction() as session:
        with pytest.raises(NotFound) as refused:
            await mark_invited(session, attempt_id="0" * 32, now=NOON)
    assert refused.value.code == "attempt.unknown"


async def test_the_number_must_be_the_clients_and_work(world: World) -> None:
    operator = await world.operator()
    client_id, other_id = await world.client(phones=2), await world.client("Другая")
    entry_id = await claim(world, client_id, operator)
    async with world.database.reading() as session:
        mine = await numbers_of(session, (await get_client(session, client_id)).organisation_id)
        foreign = await numbers_of(session, (await get_client(session, other_id)).organisation_id)
    async with world.transaction() as session:
        await session.execute(text("UPDATE phone_numbers SET state = 'dead' WHERE id = :id"), {"id": mine[0].id})
    for number_id, code in ((foreign[0].id, "dial.number_of_other"), (mine[0].id, "dial.number_dead")):
        with pytest.raises(Refused) as refused:
            async with world.transaction() as session:
                await open_attempt(
                    session, plan_entry_id=entry_id, phone_number_id=number_id, operator_id=operator, now=NOON
                )
        assert refused.value.code == code
    with pytest.raises(NotFound) as unknown:
        async with world.transaction() as session:
            await open_attempt(session, plan_entry_id=entry_id, phone_number_id=98765, operator_id=operator, now=NOON)
    assert unknown.value.code == "phone.unknown"
    attempt_id = await dial(world.database, entry_id, operator)
    async with world.database.reading() as session:
        attempt = await get_attempt(session, attempt_id)
        number = await session.get_one(PhoneNumber, attempt.phone_number_id)
    assert number.id == mine[1].id
    assert attempt.dialled == mine[1].e164


def test_every_result_proposes_what_may_be_chosen() -> None:
    unanswered = {disposition.key for disposition in possible(answered=False)}
    assert unanswered == {"no_contact", "nonexistent", "callback", "do_not_call"}
    assert {propose(result) for result in Result} - {None} <= unanswered
    assert propose(Result.NO_SUCH_NUMBER) == "nonexistent"
    assert propose(Result.BUSY) == "no_contact"
    assert propose(Result.ANSWERED) is None
    assert "".join(disposition.digit for disposition in DISPOSITIONS.values()) == "1234567890"
