"""An outcome that was saved just now is taken back: a reversal is appended, and all that followed is as it was."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from crm.base.competitors import list_competitors, used_by
from crm.base.people import people_at
from crm.base.phone_numbers import NumberState, numbers_of
from crm.calls.attempts import Result, get_attempt, pending_wrap_up
from crm.calls.dial_rules import may_dial
from crm.calls.owners import set_owner
from crm.clientele.clients import get_client
from crm.clientele.groups import moves_of
from crm.day.claims import claim_next
from crm.errors import Conflict, CrmError, NotAllowed
from crm.group import Group
from crm.mail.outbox import UNDO_FOR
from crm.office.users import Role
from crm.plan.callbacks import Callback, CallbackState, agree, bring_due, open_callback
from crm.plan.outcome_chain import UNDONE, versions_of
from crm.plan.plan_entries import EntryKind, EntryState, PlanEntry, active_entries
from crm.wrap_up.contacts import contact_of
from crm.wrap_up.outcomes import OutcomeForm, load_draft
from crm.wrap_up.undo import undo, undoable
from tests.crm.builders import LEASE_S, NOON, World, wall

SAVED = NOON + timedelta(minutes=5)
IN_TIME = SAVED + timedelta(seconds=9)


async def take_back(world: World, attempt_id: str, operator_id: int, now: datetime = IN_TIME) -> None:
    async with world.transaction() as session:
        await undo(session, attempt_id=attempt_id, operator_id=operator_id, now=now, lease_s=LEASE_S)


async def refused(world: World, attempt_id: str, operator_id: int, now: datetime = IN_TIME) -> str:
    with pytest.raises(CrmError) as error:
        await take_back(world, attempt_id, operator_id, now)
    return error.value.code


async def saved(world: World, form: OutcomeForm, client_id: int, operator: int, **call: object) -> str:
    attempt_id = await world.call(client_id, operator, **call)  # type: ignore[arg-type]  # by name
    await world.outcome(attempt_id, form, operator, at=SAVED)
    return attempt_id


async def test_all_that_followed_is_taken_back_and_what_was_typed_is_there_again(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    person_id = await world.person(client_id)
    form = OutcomeForm("hot", person_id=person_id, callback_words="завтра в 11", note="просил КП")
    attempt_id = await saved(world, form, client_id, operator)
    await take_back(world, attempt_id, operator)
    client = await world.get_client(client_id)
    assert (client.group, client.owner_id) == (Group.NEW, None)
    async with world.database.reading() as session:
        assert await contact_of(session, attempt_id) is None
        assert await open_callback(session, client_id) is None
        moves = [(made.from_group, made.to_group) for made in await moves_of(session, client_id)]
        chain = await versions_of(session, attempt_id)
        pending = await pending_wrap_up(session, operator_id=operator)
        draft = await load_draft(session, attempt_id=attempt_id)
        (entry,) = await active_entries(session, client_id)
    assert moves == [(Group.NEW, Group.HOT), (Group.HOT, Group.NEW)]
    assert [(each.disposition, each.recorded_at, each.author_id) for each in chain] == [
        ("hot", SAVED, operator),
        (UNDONE, IN_TIME, operator),
    ]
    assert pending is not None
    assert pending.id == attempt_id
    assert {name: text for name, text in draft.items() if text} == {
        "disposition": "hot", "person_id": str(person_id), "when": "завтра в 11", "note": "просил КП",
    }  # fmt: skip
    assert (entry.state, entry.claimed_by, entry.done_at) == (EntryState.CLAIMED, operator, None)


async def test_then_it_is_written_down_anew_as_if_for_the_first_time(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await saved(
        world, OutcomeForm("callback", callback_words="завтра в 11"), client_id, operator, result=Result.BUSY
    )
    await take_back(world, attempt_id, operator)
    later = IN_TIME + timedelta(seconds=5)
    await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=later)
    async with world.database.reading() as session:
        assert [each.disposition for each in await versions_of(session, attempt_id)] == [
            "callback", UNDONE, "no_contact",
        ]  # fmt: skip
        (entry,) = await active_entries(session, client_id)
        assert (await get_attempt(session, attempt_id)).wrapped_up_at == later
        assert await open_callback(session, client_id) is None
    assert entry.kind is EntryKind.RETRY
    await take_back(world, attempt_id, operator, later + timedelta(seconds=1))
    with pytest.raises(Conflict):
        await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=later, corrects=999)


@pytest.mark.parametrize("form", [OutcomeForm("nonexistent"), OutcomeForm("do_not_call"), OutcomeForm("no_contact")])
async def test_numbers_requests_and_retries_too(world: World, form: OutcomeForm) -> None:
    operator, client_id = await world.operator(), await world.client(phones=2)
    attempt_id = await saved(world, form, client_id, operator, result=Result.BUSY)
    await take_back(world, attempt_id, operator)
    assert not await world.is_silent(client_id)
    async with world.database.reading() as session:
        client = await get_client(session, client_id)
        assert {number.state for number in await numbers_of(session, client.organisation_id)} == {NumberState.OK}
        assert [entry.state for entry in await active_entries(session, client_id)] == [EntryState.CLAIMED]


@pytest.mark.parametrize("form", [OutcomeForm("callback", callback_words="чт 1530"), OutcomeForm("do_not_call")])
async def test_a_promise_that_it_ended_holds_again(world: World, form: OutcomeForm) -> None:
    operator, client_id = await world.operator(), await world.client()
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        await agree(session, client=client, owner_id=operator, local_at=wall("2026-11-24T11:00"), now=NOON)
    attempt_id = await saved(world, form, client_id, operator)
    await take_back(world, attempt_id, operator)
    async with world.database.reading() as session:
        promise = await open_callback(session, client_id)
        assert await session.scalar(select(func.count()).where(Callback.state == CallbackState.MOVED)) == 0
    assert promise is not None
    assert (promise.local_at, promise.settled_at) == (wall("2026-11-24T11:00"), None)


async def test_a_promise_that_its_call_kept_stays_kept(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        await agree(session, client=client, owner_id=operator, local_at=wall("2026-11-23T14:01"), now=NOON)
    async with world.transaction() as session:
        await bring_due(session, now=NOON + timedelta(minutes=1))
    attempt_id = await saved(
        world, OutcomeForm("cold", reason="дорого"), client_id, operator, at=NOON + timedelta(minutes=2)
    )
    await take_back(world, attempt_id, operator)
    async with world.database.reading() as session:
        assert (await session.scalars(select(Callback.state))).one() is CallbackState.KEPT


async def test_what_was_learnt_of_people_and_competitors_is_taken_back(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    form = OutcomeForm(
        "competitor", person_name="Петрова Анна", person_position="директор", person_decides=True,
        summary="довольны поставщиком", competitor="ООО Чужие", reason="не нужно",
    )  # fmt: skip
    attempt_id = await saved(world, form, client_id, operator)
    organisation_id = (await world.get_client(client_id)).organisation_id
    await take_back(world, attempt_id, operator)
    async with world.database.reading() as session:
        assert await used_by(session, organisation_id) == []
        assert await list_competitors(session) == []
        (person,) = await people_at(session, organisation_id)
        draft = await load_draft(session, attempt_id=attempt_id)
    assert not person.decides
    typed = ("person_id", "person_name", "person_position", "person_decides")
    assert [draft[name] for name in typed] == ["", "Петрова Анна", "директор", "yes"]
    await world.outcome(attempt_id, form, operator, at=IN_TIME + timedelta(seconds=5))
    async with world.database.reading() as session:
        (person,) = await people_at(session, organisation_id)
        assert person.decides
        contact = await contact_of(session, attempt_id)
        assert contact is not None
        assert contact.main
        ((use, _),) = await used_by(session, organisation_id)
        assert use.noted_at == IN_TIME + timedelta(seconds=5)


async def test_what_was_known_before_stays_known(world: World) -> None:
    """The second talk says what the first one has said; undone, the first one's word holds as it did."""
    operator, client_id = await world.operator(), await world.client()
    form = OutcomeForm(
        "competitor", person_name="Петрова Анна", person_decides=True, competitor="ООО Чужие", reason="не нужно"
    )
    await world.outcome(await world.call(client_id, operator), form, operator, at=NOON + timedelta(minutes=2))
    attempt_id = await saved(world, form, client_id, operator, at=NOON + timedelta(minutes=2))
    await take_back(world, attempt_id, operator)
    client = await world.get_client(client_id)
    async with world.database.reading() as session:
        (person,) = await people_at(session, client.organisation_id)
        ((use, _),) = await used_by(session, client.organisation_id)
    assert (person.decides, use.noted_at) == (True, NOON + timedelta(minutes=2))
    assert (client.owner_id, client.group) == (operator, Group.COMPETITOR)


async def test_the_owner_before_is_the_owner_since_when_it_was(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    long_ago = NOON - timedelta(days=60)
    async with world.transaction() as session:
        client = await get_client(session, client_id, lock=True)
        await set_owner(session, client=client, owner_id=anna, now=long_ago, author_id=None)
    attempt_id = await saved(world, OutcomeForm("cold", reason="дорого"), client_id, boris)
    assert (await world.get_client(client_id)).owner_id == boris
    await take_back(world, attempt_id, boris)
    client = await world.get_client(client_id)
    assert (client.owner_id, client.owned_since) == (anna, long_ago)
    async with world.database.reading() as session:
        assert (await may_dial(session, client_id=client_id, operator_id=boris, now=IN_TIME)).code != "dial.owned"


async def test_the_next_client_goes_back_to_the_plan(world: World) -> None:
    operator, client_id, next_id = await world.operator(), await world.client(), await world.client("Следующий")
    attempt_id = await saved(world, OutcomeForm("cold", reason="дорого"), client_id, operator)
    async with world.transaction() as session:
        client = await get_client(session, next_id)
        await agree(session, client=client, owner_id=operator, local_at=wall("2026-11-23T14:05"), now=NOON)
        await bring_due(session, now=SAVED)
        assert await claim_next(session, operator_id=operator, now=SAVED, lease_s=LEASE_S) is not None
    await take_back(world, attempt_id, operator)
    async with world.database.reading() as session:
        states = dict((await session.execute(select(PlanEntry.client_id, PlanEntry.state))).all())
    assert states == {client_id: EntryState.CLAIMED, next_id: EntryState.WAITING}


async def test_when_it_cannot_be_undone(world: World) -> None:
    anna, boris, head = await world.operator(), await world.operator("Борис"), await world.operator("Р", Role.MANAGER)
    client_id = await world.client(phones=2)
    attempt_id = await world.call(client_id, anna, result=Result.NO_SUCH_NUMBER)
    assert await refused(world, attempt_id, anna) == "outcome.nothing_to_undo"
    first = await world.outcome(attempt_id, OutcomeForm("nonexistent"), anna, at=SAVED)
    assert await refused(world, attempt_id, boris) == "outcome.not_yours"
    assert await refused(world, attempt_id, anna, SAVED + UNDO_FOR) == "outcome.undo_too_late"
    async with world.transaction() as session:
        assert await claim_next(session, operator_id=boris, now=SAVED, lease_s=LEASE_S) is not None
    assert await refused(world, attempt_id, anna) == "outcome.undo_overtaken"
    await world.outcome(attempt_id, OutcomeForm("no_contact"), head, at=SAVED, corrects=first.id)
    with pytest.raises(NotAllowed):
        await take_back(world, attempt_id, anna)


async def test_it_is_offered_for_ten_seconds_and_a_correction_is_not(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await saved(world, OutcomeForm("cold", reason="дорого"), client_id, operator)
    async with world.database.reading() as session:
        offered = await undoable(session, operator_id=operator, now=IN_TIME)
        assert await undoable(session, operator_id=operator, now=SAVED + UNDO_FOR) is None
        assert await undoable(session, operator_id=operator + 1, now=IN_TIME) is None
        (written,) = await versions_of(session, attempt_id)
    assert offered is not None
    assert (offered.attempt_id, offered.organisation, offered.disposition, offered.until) == (
        attempt_id, "Северный ветер", "cold", SAVED + UNDO_FOR,
    )  # fmt: skip
    await world.outcome(attempt_id, OutcomeForm("warm"), operator, at=SAVED, corrects=written.id)
    async with world.database.reading() as session:
        assert await undoable(session, operator_id=operator, now=IN_TIME) is None
    assert await refused(world, attempt_id, operator) == "outcome.nothing_to_undo"
