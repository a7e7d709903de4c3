"""A correction takes back all that followed from what it corrects, as undoing does, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from crm.base.competitors import used_by
from crm.base.people import people_at
from crm.calls.attempts import Result
from crm.clientele.clients import get_client
from crm.errors import NotFound, Refused
from crm.office.users import Role, get_user, set_active
from crm.plan.callbacks import Callback, CallbackState, agree, bring_due, open_callback, withdraw
from crm.plan.outcome_chain import Outcome
from crm.plan.plan_entries import EntryKind, active_entries
from crm.wrap_up.contacts import contact_of
from crm.wrap_up.correcting import as_it_stands, version_of
from crm.wrap_up.outcomes import OutcomeForm
from crm.wrap_up.undo import undo
from tests.crm.builders import LEASE_S, NOON, World, wall

SAVED = NOON + timedelta(minutes=5)
LATER = NOON + timedelta(hours=3)
FRIDAY = wall("2026-11-27T15:00")
NO_CONTACT = OutcomeForm("no_contact")
NEW_DECIDER = OutcomeForm("competitor", person_name="Петрова Анна", person_decides=True, competitor="ООО Чужие")


async def promise(world: World, client_id: int, owner_id: int) -> int:
    async with world.transaction() as session:
        client = await get_client(session, client_id, lock=True)
        return (await agree(session, client=client, owner_id=owner_id, local_at=FRIDAY, now=NOON)).id


async def saved(world: World, form: OutcomeForm, client_id: int, operator_id: int) -> Outcome:
    attempt_id = await world.call(client_id, operator_id)
    return await world.outcome(attempt_id, form, operator_id, at=SAVED)


async def corrected(world: World, outcome: Outcome, form: OutcomeForm) -> Outcome:
    head = await world.operator("Мария", Role.MANAGER)
    return await world.outcome(outcome.attempt_id, form, head, at=LATER, corrects=outcome.id)


async def promises(world: World) -> list[tuple[object, CallbackState]]:
    async with world.database.reading() as session:
        found = await session.scalars(select(Callback).order_by(Callback.id))
        return [(callback.local_at, callback.state) for callback in found]


@pytest.mark.parametrize(
    "form", [OutcomeForm("callback", callback_words="завтра в 11"), OutcomeForm("do_not_call", reason="не звонить")]
)
async def test_a_promise_that_it_ended_holds_again(world: World, form: OutcomeForm) -> None:
    anna, client_id = await world.operator(), await world.client()
    promised = await promise(world, client_id, anna)
    await corrected(world, await saved(world, form, client_id, anna), NO_CONTACT)
    async with world.database.reading() as session:
        open_one = await open_callback(session, client_id)
    assert open_one is not None
    assert (open_one.id, open_one.local_at, open_one.settled_at, open_one.owner_id) == (promised, FRIDAY, None, anna)


TOMORROW = OutcomeForm("callback", callback_words="завтра в 11", asked_by="Пётр", note="опечатка")
DAY_AFTER = NOON + timedelta(days=2)


async def note_corrected(world: World, outcome: Outcome, *, at: datetime) -> Outcome:
    """As the form that begins with what is written, and with another note."""
    async with world.database.reading() as session:
        form = await as_it_stands(session, outcome)
    form = replace(form, note="верно")
    return await world.outcome(outcome.attempt_id, form, outcome.author_id, at=at, corrects=outcome.id)


async def test_a_note_is_corrected_while_the_promise_is_late(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    earlier = await promise(world, client_id, anna)
    outcome = await saved(world, TOMORROW, client_id, anna)
    before = await promises(world)
    second = await note_corrected(world, outcome, at=DAY_AFTER)
    assert await promises(world) == before
    assert (second.note, second.callback_at_local) == ("верно", outcome.callback_at_local)
    async with world.transaction() as session:
        await bring_due(session, now=DAY_AFTER)
        (entry,) = await active_entries(session, client_id)
    assert entry.kind is EntryKind.CALLBACK
    cold = OutcomeForm("cold", reason="Дорого")
    await world.outcome(outcome.attempt_id, cold, anna, at=DAY_AFTER, corrects=second.id)
    async with world.database.reading() as session:
        open_one = await open_callback(session, client_id)
    assert open_one is not None
    assert open_one.id == earlier, "what the first version had put off holds again"


async def test_a_note_is_corrected_after_the_promise_is_over(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    outcome = await saved(world, TOMORROW, client_id, anna)
    async with world.transaction() as session:
        await bring_due(session, now=DAY_AFTER)
    again = await world.call(client_id, anna, at=DAY_AFTER)
    await world.outcome(again, OutcomeForm("cold", reason="Дорого"), anna, at=DAY_AFTER + timedelta(minutes=5))
    before = await promises(world)
    assert [state for _, state in before] == [CallbackState.BROKEN], "by a call a day late"
    second = await note_corrected(world, outcome, at=DAY_AFTER + timedelta(hours=1))
    assert await promises(world) == before
    assert (second.note, second.callback_at_local) == ("верно", outcome.callback_at_local)


async def test_another_time_in_the_correction_puts_off_what_was_promised_first(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await promise(world, client_id, anna)
    first = await saved(world, OutcomeForm("callback", callback_words="завтра в 11"), client_id, anna)
    second = await corrected(world, first, OutcomeForm("callback", callback_words="завтра в 12"))
    assert [state for _, state in await promises(world)] == [
        CallbackState.MOVED, CallbackState.WITHDRAWN, CallbackState.OPEN,
    ]  # fmt: skip
    head = await world.operator("Глеб", Role.MANAGER)
    later = LATER + timedelta(hours=1)
    await world.outcome(second.attempt_id, NO_CONTACT, head, at=later, corrects=second.id)
    assert [state for _, state in await promises(world)] == [
        CallbackState.OPEN, CallbackState.WITHDRAWN, CallbackState.WITHDRAWN,
    ]  # fmt: skip


async def test_a_promise_that_was_never_made_does_not_come_back(world: World) -> None:
    """Another call put it off, and both were corrected."""
    anna, client_id = await world.operator(), await world.client()
    first = await saved(world, OutcomeForm("callback", callback_words="завтра в 11"), client_id, anna)
    second = await saved(world, OutcomeForm("callback", callback_words="завтра в 12"), client_id, anna)
    await corrected(world, first, NO_CONTACT)
    async with world.database.reading() as session:
        stands = await open_callback(session, client_id)
        assert stands is not None
        assert stands.made_by_attempt_id == second.attempt_id
    await corrected(world, second, NO_CONTACT)
    async with world.database.reading() as session:
        assert await open_callback(session, client_id) is None


async def test_what_was_agreed_since_stands_and_who_is_silent_is_promised_nothing(world: World) -> None:
    anna, agreed_again, silent = await world.operator(), await world.client("Иначе"), await world.client("Тихая")
    outcomes = {}
    for client_id in (agreed_again, silent):
        await promise(world, client_id, anna)
        outcomes[client_id] = await saved(world, OutcomeForm("callback", callback_words="завтра в 11"), client_id, anna)
    async with world.transaction() as session:
        tomorrow = await open_callback(session, agreed_again)
        assert tomorrow is not None
        await withdraw(session, callback_id=tomorrow.id, now=SAVED)
        client = await get_client(session, agreed_again, lock=True)
        last = await agree(session, client=client, owner_id=anna, local_at=wall("2026-11-30T10:00"), now=SAVED)
    await world.silence(silent)
    for client_id in (agreed_again, silent):
        await corrected(world, outcomes[client_id], NO_CONTACT)
    async with world.database.reading() as session:
        stands = await open_callback(session, agreed_again)
        assert stands is not None
        assert stands.id == last.id
        assert await open_callback(session, silent) is None


async def test_the_promise_of_somebody_who_has_left_is_kept_by_who_called(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await promise(world, client_id, boris)
    outcome = await saved(world, OutcomeForm("do_not_call"), client_id, anna)
    async with world.transaction() as session:
        await set_active(session, user=await get_user(session, boris), active=False, now=SAVED)
    await corrected(world, outcome, NO_CONTACT)
    async with world.database.reading() as session:
        open_one = await open_callback(session, client_id)
    assert open_one is not None
    assert open_one.owner_id == anna


async def test_what_was_learnt_is_taken_back_and_the_owner_with_it(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    outcome = await saved(world, NEW_DECIDER, client_id, anna)
    assert (await world.get_client(client_id)).owner_id == anna
    await corrected(world, outcome, OutcomeForm("nonexistent"))
    client = await world.get_client(client_id)
    assert (client.owner_id, client.owned_since) == (None, None)
    async with world.database.reading() as session:
        assert await used_by(session, client.organisation_id) == []
        assert [person.decides for person in await people_at(session, client.organisation_id)] == [False]


async def test_who_decides_still_does_where_the_correction_names_the_same_person(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    outcome = await saved(world, NEW_DECIDER, client_id, anna)
    second = await corrected(
        world, outcome, OutcomeForm("cold", person_id=outcome.person_id, reason="дорого", summary="не сейчас")
    )
    client = await world.get_client(client_id)
    async with world.database.reading() as session:
        contact = await contact_of(session, outcome.attempt_id)
        assert contact is not None
        assert contact.main
    # The talk is as old as it was: a correction gives nobody fresh days.
    assert client.owned_since is not None
    assert (client.owner_id, client.owned_since < SAVED) == (anna, True)
    head = await world.operator("Глеб", Role.MANAGER)
    await world.outcome(
        second.attempt_id, NO_CONTACT, head, at=LATER + timedelta(hours=1), corrects=second.id
    )  # fmt: skip
    async with world.database.reading() as session:
        assert [person.decides for person in await people_at(session, client.organisation_id)] == [False]


async def test_a_main_contact_of_another_talk_holds_the_mark_and_the_owner(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    outcome = await saved(world, NEW_DECIDER, client_id, anna)
    again = await world.call(client_id, anna, at=SAVED)
    await world.outcome(again, OutcomeForm("warm", person_id=outcome.person_id), anna, at=SAVED + timedelta(minutes=5))
    await corrected(world, outcome, OutcomeForm("nonexistent"))
    client = await world.get_client(client_id)
    assert client.owner_id == anna
    async with world.database.reading() as session:
        assert [person.decides for person in await people_at(session, client.organisation_id)] == [True]
        assert await contact_of(session, again) is not None


async def test_the_next_try_goes_and_comes_with_the_disposition(world: World) -> None:
    anna, silent, tried = await world.operator(), await world.client("А", phones=2), await world.client("Б")
    for client_id, form, kinds in (
        (silent, OutcomeForm("do_not_call", number_only=True), []),
        (tried, OutcomeForm("no_contact", note="номер верный"), [EntryKind.RETRY]),
    ):
        attempt_id = await world.call(client_id, anna, result=Result.BUSY)
        outcome = await world.outcome(attempt_id, NO_CONTACT, anna, at=SAVED)
        async with world.database.reading() as session:
            assert [entry.kind for entry in await active_entries(session, client_id)] == [EntryKind.RETRY]
        await corrected(world, outcome, form)
        async with world.database.reading() as session:
            assert [entry.kind for entry in await active_entries(session, client_id)] == kinds


async def test_a_version_that_is_not_there_cannot_be_corrected(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    outcome = await saved(world, NO_CONTACT, client_id, anna)
    async with world.transaction() as session:
        assert (await version_of(session, outcome.attempt_id, 1)).id == outcome.id
        for number in (0, 2):
            with pytest.raises(NotFound) as unknown:
                await version_of(session, outcome.attempt_id, number)
            assert (unknown.value.code, unknown.value.params) == ("outcome.no_version", {"version": number})
        await undo(
            session, attempt_id=outcome.attempt_id, operator_id=anna, now=SAVED + timedelta(seconds=3), lease_s=LEASE_S
        )
    async with world.database.reading() as session:
        with pytest.raises(Refused) as taken_back:
            await version_of(session, outcome.attempt_id, 2)
    assert taken_back.value.code == "outcome.nothing_to_correct"
