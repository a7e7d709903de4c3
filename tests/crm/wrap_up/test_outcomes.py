"""Outcomes: what each disposition asks and does, and how a correction takes it back."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from crm.base.people import people_at
from crm.base.phone_numbers import NumberState, asked_off, first_working, numbers_of
from crm.calls.attempts import Result, get_attempt, recover
from crm.calls.disposition_sets import set_disposition
from crm.clientele.clients import get_client
from crm.clientele.groups import MoveCause, moves_of
from crm.errors import Conflict, CrmError, NotAllowed, NotFound, Refused
from crm.group import Group
from crm.office.users import Role
from crm.plan.callbacks import CallbackState, agree, open_callback
from crm.plan.plan_entries import EntryKind, EntryState, PlanEntry, active_entries
from crm.wrap_up.contacts import Contact, contact_of
from crm.wrap_up.outcomes import Outcome, OutcomeForm, current_outcome, load_draft, record, save_draft
from tests.crm.builders import NOON, World, open_call, wall

AFTER = NOON + timedelta(minutes=3)
SUMMARY = "Директор в отпуске до пятницы"


async def refused_with(world: World, attempt_id: str, form: OutcomeForm, author_id: int) -> str:
    with pytest.raises(CrmError) as refused:
        await world.outcome(attempt_id, form, author_id, at=AFTER)
    return refused.value.code


async def contact_after(world: World, attempt_id: str) -> Contact | None:
    async with world.database.reading() as session:
        return await contact_of(session, attempt_id)


class TestContacts:
    @pytest.mark.parametrize("disposition", ["hot", "warm", "competitor", "cold", "abandoned", "callback"])
    async def test_a_talk_with_the_decider_is_a_main_contact(self, world: World, disposition: str) -> None:
        operator, client_id = await world.operator(), await world.client()
        person_id = await world.person(client_id)
        attempt_id = await world.call(client_id, operator)
        form = OutcomeForm(
            disposition, person_id=person_id, reason="так", competitor="Ветерок", callback_words="завтра в 11"
        )
        await world.outcome(attempt_id, form, operator, at=AFTER)
        contact = await contact_after(world, attempt_id)
        assert contact is not None
        assert (contact.main, contact.person_id, contact.full_name) == (True, person_id, "Петрова Анна")

    @pytest.mark.parametrize(
        ("name", "summary", "counts"),
        [("Сидоров Олег", SUMMARY, True), ("Олег", SUMMARY, False), ("Сидоров Олег", "нет", False), ("", "", False)],
    )
    async def test_without_the_decider_name_and_summary_make_it_a_contact(
        self, world: World, name: str, summary: str, *, counts: bool
    ) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator)
        form = OutcomeForm("warm", person_name=name, summary=summary)
        await world.outcome(attempt_id, form, operator, at=AFTER)
        contact = await contact_after(world, attempt_id)
        assert (contact is not None) is counts
        assert (await world.get_client(client_id)).group is Group.WARM
        if contact is not None:
            assert not contact.main

    async def test_a_new_name_marked_as_deciding_becomes_a_person(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator)
        form = OutcomeForm("hot", person_name=" Ёлкина  Мария ", person_position="директор", person_decides=True)
        await world.outcome(attempt_id, form, operator, at=AFTER)
        again = await world.call(client_id, operator, at=AFTER)
        await world.outcome(again, OutcomeForm("hot", person_name="елкина мария"), operator, at=AFTER)
        async with world.database.reading() as session:
            client = await get_client(session, client_id)
            people = await people_at(session, client.organisation_id)
        assert [(person.full_name, person.position, person.decides) for person in people] == [
            ("Ёлкина Мария", "директор", True)
        ]
        for made in (attempt_id, again):
            contact = await contact_after(world, made)
            assert contact is not None
            assert contact.main

    async def test_not_the_main_one_demands_name_and_summary(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator)
        for form, code in (
            (OutcomeForm("not_main"), "outcome.needs_full_name"),
            (OutcomeForm("not_main", person_name="Олег", summary=SUMMARY), "outcome.needs_full_name"),
            (OutcomeForm("not_main", person_name="Сидоров Олег", summary="нет"), "outcome.needs_summary"),
        ):
            assert await refused_with(world, attempt_id, form, operator) == code
        form = OutcomeForm("not_main", person_name="Сидоров Олег", summary=SUMMARY)
        await world.outcome(attempt_id, form, operator, at=AFTER)
        contact = await contact_after(world, attempt_id)
        assert contact is not None
        assert not contact.main
        assert (await world.get_client(client_id)).group is Group.NEW

    async def test_a_refused_outcome_leaves_no_person_behind(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator)
        form = OutcomeForm("not_main", person_name="Сидоров Олег", summary="нет")
        assert await refused_with(world, attempt_id, form, operator) == "outcome.needs_summary"
        async with world.database.reading() as session:
            assert await people_at(session, (await get_client(session, client_id)).organisation_id) == []

    async def test_a_call_that_broke_off_at_the_answer_is_an_attempt(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        person_id = await world.person(client_id)
        attempt_id = await world.call(client_id, operator, talk_seconds=0.0)
        await world.outcome(attempt_id, OutcomeForm("warm", person_id=person_id), operator, at=AFTER)
        assert await contact_after(world, attempt_id) is None

    async def test_a_stranger_is_refused(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        stranger = await world.person(await world.client("Чужая"))
        attempt_id = await world.call(client_id, operator)
        assert (
            await refused_with(world, attempt_id, OutcomeForm("warm", person_id=stranger), operator) == "person.unknown"
        )


class TestQuestions:
    async def test_what_is_missing(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator)
        for form, code in (
            (OutcomeForm("competitor"), "outcome.needs_competitor"),
            (OutcomeForm("cold"), "outcome.needs_reason"),
            (OutcomeForm("cold", reason="  "), "outcome.needs_reason"),
            (OutcomeForm("callback"), "outcome.callback_needs_time"),
            (OutcomeForm("callback", callback_words="когда-нибудь"), "callback.words"),
            (OutcomeForm("callback", callback_words="завтра"), "callback.words_no_time"),
            (OutcomeForm("callback", callback_at_local=wall("2026-11-20T10:00")), "callback.in_the_past"),
            (OutcomeForm("paid"), "outcome.unknown_disposition"),
        ):
            assert await refused_with(world, attempt_id, form, operator) == code
        async with world.database.reading() as session:
            assert await current_outcome(session, attempt_id) is None
            assert (await get_attempt(session, attempt_id)).wrapped_up_at is None

    @pytest.mark.parametrize("disposition", ["hot", "cold", "not_main", "callback", "do_not_call"])
    async def test_an_abandoned_client_is_asked_why_it_left_whichever_key(self, world: World, disposition: str) -> None:
        operator, client_id = await world.operator(), await world.client(group=Group.ABANDONED)
        attempt_id = await world.call(client_id, operator)
        form = OutcomeForm(
            disposition, person_name="Сидоров Олег", summary=SUMMARY, callback_words="завтра в 11", competitor="Ветер"
        )
        assert await refused_with(world, attempt_id, form, operator) == "outcome.needs_reason_left"

    async def test_an_unanswered_abandoned_client_cannot_be_asked_and_stays(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client(group=Group.ABANDONED)
        attempt_id = await world.call(client_id, operator, result=Result.NO_ANSWER)
        await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=AFTER)
        assert (await world.get_client(client_id)).group is Group.ABANDONED

    @pytest.mark.parametrize("disposition", ["hot", "warm", "competitor", "cold", "abandoned", "not_main"])
    async def test_an_unanswered_call_has_no_such_outcome(self, world: World, disposition: str) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator, result=Result.NO_ANSWER)
        form = OutcomeForm(disposition, person_name="Сидоров Олег", summary=SUMMARY, reason="r", competitor="c")
        assert await refused_with(world, attempt_id, form, operator) == "outcome.not_answered"

    async def test_only_after_the_call_and_only_the_operator(self, world: World) -> None:
        anna, boris, head = (
            await world.operator(),
            await world.operator("Борис"),
            await world.operator("Рук", Role.MANAGER),
        )
        client_id = await world.client()
        async with world.transaction() as session:
            attempt_id = (await open_call(session, client_id, anna)).id
        form = OutcomeForm("no_contact")
        assert await refused_with(world, attempt_id, form, anna) == "attempt.still_open"
        async with world.transaction() as session:
            await recover(session, now=AFTER)
        with pytest.raises(NotAllowed):
            await world.outcome(attempt_id, form, boris, at=AFTER)
        assert (await world.outcome(attempt_id, form, head, at=AFTER)).author_id == head
        with pytest.raises(NotFound):
            await world.outcome("0" * 32, form, anna, at=AFTER)


class TestGroups:
    @pytest.mark.parametrize(
        ("group", "result", "expected"),
        [
            (Group.NEW, Result.BUSY, Group.NEW),
            (Group.NEW, Result.ANSWERED, Group.NO_CONTACT),
            (Group.COLD, Result.NO_ANSWER, Group.COLD),
            (Group.HOT, Result.NO_ANSWER, Group.HOT),
            (Group.WARM, Result.UNAVAILABLE, Group.WARM),
            (Group.WARM, Result.ANSWERED, Group.NO_CONTACT),
            (Group.NEW, Result.TRUNK_FAILURE, Group.NEW),
            (Group.NEW, Result.CANCELLED, Group.NEW),
        ],
    )
    async def test_no_contact(self, world: World, group: Group, result: Result, expected: Group) -> None:
        operator, client_id = await world.operator(), await world.client(group=group)
        attempt_id = await world.call(client_id, operator, result=result)
        await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=AFTER)
        assert (await world.get_client(client_id)).group is expected

    async def test_the_move_names_time_author_and_call(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator)
        await world.outcome(attempt_id, OutcomeForm("cold", reason="дорого"), operator, at=AFTER)
        async with world.database.reading() as session:
            (made,) = await moves_of(session, client_id)
        assert (made.from_group, made.to_group, made.at) == (Group.NEW, Group.COLD, AFTER)
        assert (made.cause, made.author_id, made.attempt_id) == (MoveCause.CALL, operator, attempt_id)

    async def test_the_last_dead_number_makes_the_organisation_nonexistent(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client(phones=2)
        first = await world.call(client_id, operator, result=Result.NO_SUCH_NUMBER)
        await world.outcome(first, OutcomeForm("nonexistent"), operator, at=AFTER)
        assert (await world.get_client(client_id)).group is Group.NEW
        async with world.database.reading() as session:
            entries = await active_entries(session, client_id)
        assert [(entry.kind, entry.due_at) for entry in entries] == [(EntryKind.RETRY, AFTER)]
        second = await world.call(client_id, operator, result=Result.NO_SUCH_NUMBER, at=AFTER)
        await world.outcome(second, OutcomeForm("nonexistent"), operator, at=AFTER + timedelta(minutes=1))
        assert (await world.get_client(client_id)).group is Group.NONEXISTENT
        async with world.database.reading() as session:
            client = await get_client(session, client_id)
            states = [number.state for number in await numbers_of(session, client.organisation_id)]
            assert await active_entries(session, client_id) == []
        assert states == [NumberState.DEAD, NumberState.DEAD]

    async def test_the_owner_of_what_is_warm(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator)
        await world.outcome(attempt_id, OutcomeForm("warm"), operator, at=AFTER)
        assert (await world.get_client(client_id)).owner_id == operator


class TestDoNotCall:
    async def test_a_company_is_called_no_more_in_any_campaign(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        promised = await world.call(client_id, operator)
        await world.outcome(promised, OutcomeForm("callback", callback_words="завтра в 11"), operator, at=AFTER)
        attempt_id = await world.call(client_id, operator, at=AFTER)
        await world.outcome(attempt_id, OutcomeForm("do_not_call"), operator, at=AFTER)
        assert await world.is_silent(client_id)
        async with world.database.reading() as session:
            assert await open_callback(session, client_id) is None
            assert await active_entries(session, client_id) == []

    async def test_a_number_alone(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client(phones=2)
        attempt_id = await world.call(client_id, operator)
        await world.outcome(attempt_id, OutcomeForm("do_not_call", number_only=True), operator, at=AFTER)
        assert not await world.is_silent(client_id)
        async with world.database.reading() as session:
            client = await get_client(session, client_id)
            first, second = await numbers_of(session, client.organisation_id)
            assert await asked_off(session, client.organisation_id) == {first.id}
            working = await first_working(session, client.organisation_id)
        assert working is not None
        assert working.id == second.id


class TestRetries:
    @pytest.mark.parametrize(
        ("result", "wait"),
        [
            (Result.BUSY, timedelta(minutes=10)),
            (Result.NO_ANSWER, timedelta(hours=2)),
            (Result.UNAVAILABLE, timedelta(hours=2)),
        ],
    )
    async def test_by_result(self, world: World, result: Result, wait: timedelta) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator, result=result)
        await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=AFTER)
        async with world.database.reading() as session:
            ended_at = (await get_attempt(session, attempt_id)).ended_at
            (entry,) = await active_entries(session, client_id)
        assert ended_at is not None
        assert (entry.kind, entry.state, entry.due_at) == (EntryKind.RETRY, EntryState.WAITING, ended_at + wait)

    async def test_after_hours_it_is_tomorrow_morning_at_the_clients(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        late = NOON + timedelta(hours=3)  # 17:00 in Perm
        attempt_id = await world.call(client_id, operator, result=Result.NO_ANSWER, at=late)
        await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=late + timedelta(minutes=1))
        async with world.database.reading() as session:
            (entry,) = await active_entries(session, client_id)
        assert entry.due_at == datetime.fromisoformat("2026-11-24T09:00+05:00")
        assert entry.day == date(2026, 11, 24)

    async def test_not_after_the_cap_and_not_after_an_answer(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        at = NOON
        for _ in range(3):
            attempt_id = await world.call(client_id, operator, result=Result.BUSY, at=at)
            at += timedelta(minutes=20)
            await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=at)
        answered_id = await world.client("Другая")
        attempt_id = await world.call(answered_id, operator)
        await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=AFTER)
        async with world.database.reading() as session:
            assert await active_entries(session, client_id) == []
            assert await active_entries(session, answered_id) == []


class TestCorrections:
    async def test_everything_is_taken_back(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        person_id = await world.person(client_id)
        attempt_id = await world.call(client_id, operator)
        first = await world.outcome(
            attempt_id,
            OutcomeForm("hot", person_id=person_id, callback_words="завтра в 11"),
            operator,
            at=AFTER,
        )
        second = await world.outcome(attempt_id, OutcomeForm("nonexistent"), operator, at=AFTER, corrects=first.id)
        assert (await world.get_client(client_id)).group is Group.NONEXISTENT
        third = await world.outcome(attempt_id, OutcomeForm("do_not_call"), operator, at=AFTER, corrects=second.id)
        client = await world.get_client(client_id)
        assert (client.group, await world.is_silent(client_id)) == (Group.NEW, True)
        manager = await world.operator("Борис", Role.MANAGER)
        await world.outcome(
            attempt_id, OutcomeForm("cold", reason="дорого", person_name="Олег"), manager, at=AFTER, corrects=third.id
        )
        async with world.database.reading() as session:
            client = await get_client(session, client_id)
            assert (client.group, await world.is_silent(client_id)) == (Group.COLD, False)
            assert [number.state for number in await numbers_of(session, client.organisation_id)] == [NumberState.OK]
            assert await contact_of(session, attempt_id) is None
            assert await open_callback(session, client_id) is None
            chain = list(await session.scalars(select(Outcome).order_by(Outcome.id)))
            assert [outcome.disposition for outcome in chain] == ["hot", "nonexistent", "do_not_call", "cold"]
            moves = [(made.from_group, made.to_group) for made in await moves_of(session, client_id)]
        assert moves == [
            (Group.NEW, Group.HOT),
            (Group.HOT, Group.NONEXISTENT),
            (Group.NONEXISTENT, Group.NEW),
            (Group.NEW, Group.COLD),
        ]

    async def test_the_group_stays_when_a_later_call_has_moved_the_client(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        early = await world.call(client_id, operator)
        first = await world.outcome(early, OutcomeForm("warm"), operator, at=AFTER)
        late = await world.call(client_id, operator, at=AFTER)
        await world.outcome(late, OutcomeForm("hot"), operator, at=AFTER + timedelta(minutes=5))
        form = OutcomeForm("cold", reason="дорого")
        await world.outcome(early, form, operator, at=AFTER + timedelta(minutes=9), corrects=first.id)
        assert (await world.get_client(client_id)).group is Group.HOT

    async def test_saving_twice_writes_once(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator)
        forms = (OutcomeForm("warm"), OutcomeForm("cold", reason="дорого"))
        ends = await asyncio.gather(
            *(world.outcome(attempt_id, form, operator, at=AFTER) for form in forms), return_exceptions=True
        )
        assert [end.code for end in ends if isinstance(end, Conflict)] == ["outcome.already_recorded"]
        async with world.database.reading() as session:
            assert len(list(await session.scalars(select(Outcome)))) == 1

    async def test_the_chain_in_plain_sql(self, world: World) -> None:
        operator, client_id = await world.operator(), await world.client()
        attempt_id = await world.call(client_id, operator)
        await world.outcome(attempt_id, OutcomeForm("warm"), operator, at=AFTER)
        for statement in (
            "UPDATE outcomes SET disposition = 'cold'",
            "DELETE FROM outcomes",
            "INSERT INTO outcomes (attempt_id, disposition, full_name, summary, reason, competitor, callback_words,"
            " asked_by, number_only, note, recorded_at, author_id) SELECT attempt_id, 'cold', '', '', '', '', '', '',"
            " false, '', recorded_at, author_id FROM outcomes",
        ):
            with pytest.raises(DBAPIError, match=r"(?i)append-only|unique"):
                async with world.database.engine.begin() as connection:
                    await connection.execute(text(statement))


async def test_the_entry_is_done_and_the_promise_kept(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator)
    await world.outcome(attempt_id, OutcomeForm("warm"), operator, at=AFTER)
    async with world.database.reading() as session:
        (entry,) = await session.scalars(select(PlanEntry))
    assert (entry.state, entry.done_at, entry.claimed_by) == (EntryState.DONE, AFTER, operator)


async def test_a_new_promise_moves_the_old_one(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    for words in ("завтра в 11", "чт 1530"):
        attempt_id = await world.call(client_id, operator)
        await world.outcome(attempt_id, OutcomeForm("callback", callback_words=words), operator, at=AFTER)
    async with world.database.reading() as session:
        promises = list(await session.execute(text("SELECT state FROM callbacks ORDER BY id")))
        present = await open_callback(session, client_id)
    assert [state for (state,) in promises] == [CallbackState.MOVED, CallbackState.OPEN]
    assert present is not None
    assert (present.local_at, present.owner_id) == (wall("2026-11-26T15:30"), operator)


async def test_a_late_correction_ends_no_colleagues_promise(world: World) -> None:
    """The client went on to somebody else: an old call of one's own is no way back to it."""
    anna, olga = await world.operator(), await world.operator("Ольга")
    manager, client_id = await world.operator("Борис", Role.MANAGER), await world.client()
    old_call = await world.call(client_id, anna)
    first = await world.outcome(old_call, OutcomeForm("warm"), anna, at=AFTER)
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        await agree(session, client=client, owner_id=olga, local_at=wall("2026-11-26T15:30"), now=AFTER)
    moved = OutcomeForm("callback", callback_words="завтра в 11")
    with pytest.raises(NotAllowed) as caught:
        await world.outcome(old_call, moved, anna, at=AFTER, corrects=first.id)
    assert caught.value.code == "outcome.promise_of_another"
    async with world.database.reading() as session:
        promise = await open_callback(session, client_id)
    assert promise is not None
    assert promise.owner_id == olga
    await world.outcome(old_call, moved, manager, at=AFTER, corrects=first.id)


async def test_who_asked_not_to_be_called_stays_off_whatever_is_corrected_by_who_called(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    manager = await world.operator("Борис", Role.MANAGER)
    attempt_id = await world.call(client_id, anna)
    asked = await world.outcome(attempt_id, OutcomeForm("do_not_call", reason="просили"), anna, at=AFTER)
    with pytest.raises(NotAllowed) as caught:
        await world.outcome(attempt_id, OutcomeForm("warm"), anna, at=AFTER, corrects=asked.id)
    assert caught.value.code == "outcome.request_stays"
    assert await world.is_silent(client_id)
    await world.outcome(attempt_id, OutcomeForm("warm"), manager, at=AFTER, corrects=asked.id)
    assert not await world.is_silent(client_id)


async def test_an_outcome_that_is_offered_no_more_is_corrected_all_the_same(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, anna)
    first = await world.outcome(attempt_id, OutcomeForm("cold", reason="дорого"), anna, at=AFTER)
    async with world.transaction() as session:
        await set_disposition(session, campaign_id=world.campaign_id, key="cold", now=AFTER, active=False)
    await world.outcome(attempt_id, OutcomeForm("warm"), anna, at=AFTER, corrects=first.id)
    assert (await world.get_client(client_id)).group is Group.WARM


async def test_drafts_survive_and_go_with_the_outcome(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator)
    async with world.transaction() as session:
        assert await load_draft(session, attempt_id=attempt_id) == {}
        for note in ("чт", "чт 1530"):
            await save_draft(session, attempt_id=attempt_id, fields={"callback_words": note}, now=AFTER)
    async with world.database.reading() as session:
        assert await load_draft(session, attempt_id=attempt_id) == {"callback_words": "чт 1530"}
    async with world.transaction() as session:
        await record(session, attempt_id=attempt_id, form=OutcomeForm("warm"), author_id=operator, now=AFTER)
        await save_draft(session, attempt_id=attempt_id, fields={"note": "a late tab"}, now=AFTER)
        assert await load_draft(session, attempt_id=attempt_id) == {}


async def test_refused_is_said_in_words(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator)
    with pytest.raises(Refused, match="Give the reason"):
        await world.outcome(attempt_id, OutcomeForm("cold"), operator, at=AFTER)


@pytest.mark.parametrize("disposition", ["no_contact", "nonexistent", "cold"])
async def test_what_another_choice_left_behind_is_not_taken(world: World, disposition: str) -> None:
    """A promise that nobody sees on the form would be a surprise for both."""
    operator, client_id = await world.operator(), await world.client(phones=2)
    attempt_id = await world.call(client_id, operator)
    form = OutcomeForm(
        disposition, callback_words="завтра в 11", asked_by="Олег", competitor="Вектор", number_only=True,
        reason="дорого", person_name="Петров Пётр" if disposition == "cold" else "",
    )  # fmt: skip
    outcome = await world.outcome(attempt_id, form, operator, at=AFTER)
    assert (outcome.callback_at_local, outcome.callback_words, outcome.asked_by) == (None, "", "")
    assert (outcome.competitor, outcome.number_only) == ("", False)
    assert outcome.reason == ("" if disposition == "no_contact" else "дорого")
    async with world.database.reading() as session:
        assert await open_callback(session, client_id) is None
