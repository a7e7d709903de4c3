"""What goes into the outbox when promises are made, moved, handed over, withdrawn, undone and kept."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.audit import PERSON_SET, USER_CHANGED, AuditEntry
from crm.care.editing import change_organisation, set_person
from crm.care.merging import merge
from crm.care.merging import undo as part
from crm.clientele.clients import get_client
from crm.errors import CrmError
from crm.mail.outbox import GOES_OUT_AFTER, MailState, OutgoingMail, Purpose, mark_sent, send_again
from crm.office.users import get_user
from crm.plan.callbacks import agree, get_callback, open_callback, settle_by_attempt, withdraw
from crm.plan.handovers import hand_over_all
from crm.plan.promise_mail import set_mail
from crm.plan.silence import off_list
from crm.wrap_up.outcomes import OutcomeForm, current_outcome
from crm.wrap_up.undo import undo
from tests.crm.builders import LEASE_S, NOON, World, wall
from tests.crm.overlap import overlap

SENT = NOON + timedelta(minutes=1)
LATER = NOON + timedelta(minutes=10)


async def reader(world: World, name: str = "Анна", address: str = "anna@example.ru") -> int:
    user_id = await world.operator(name)
    await wish(world, user_id, address)
    return user_id


async def wish(world: World, user_id: int, address: str, *, callbacks: bool = True) -> None:
    async with world.transaction() as session:
        user = await get_user(session, user_id)
        await set_mail(session, user=user, email=address, callbacks=callbacks, now=NOON)


async def promise(
    world: World, client_id: int, owner_id: int, shown: str = "2026-11-25T11:00", *, now: datetime = NOON
) -> int:
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        made = await agree(
            session, client=client, owner_id=owner_id, local_at=wall(shown), now=now, words="в среду в 11",
            asked_by="Петрова Анна",
        )  # fmt: skip
        return made.id


async def outbox(world: World) -> list[OutgoingMail]:
    async with world.database.reading() as session:
        return list(await session.scalars(select(OutgoingMail).order_by(OutgoingMail.id)))


async def brief(world: World) -> list[tuple[str, str, int, str]]:
    """Purpose, address, sequence and state of each message."""
    return [(mail.purpose, mail.address, mail.sequence, mail.state) for mail in await outbox(world)]


async def send_all(world: World) -> None:
    waiting = [mail.id for mail in await outbox(world) if mail.state is MailState.WAITING]
    async with world.transaction() as session:
        for mail_id in waiting:
            await mark_sent(session, mail_id=mail_id, now=SENT)


async def test_who_wants_it_is_told_of_a_promise_when_it_cannot_be_undone_any_more(world: World) -> None:
    anna, client_id = await reader(world), await world.client("Северный ветер")
    boris = await world.operator("Борис")
    await promise(world, client_id, anna)
    await promise(world, await world.client(), boris)
    (mail,) = await outbox(world)
    assert (mail.purpose, mail.address, mail.sequence) == (Purpose.PUT_IN, "anna@example.ru", 0)
    assert (mail.organisation, mail.person, mail.words) == ("Северный ветер", "Петрова Анна", "в среду в 11")
    assert (mail.local_at, mail.time_zone) == (wall("2026-11-25T11:00"), "Asia/Yekaterinburg")
    assert mail.not_before == mail.next_try_at == NOON + GOES_OUT_AFTER


async def test_an_outcome_undone_in_time_leaves_nothing_to_be_sent(world: World) -> None:
    anna, client_id = await reader(world), await world.client()
    attempt_id = await world.call(client_id, anna)
    person_id = await world.person(client_id)
    form = OutcomeForm("warm", person_id=person_id, callback_words="завтра в 11")
    await world.outcome(attempt_id, form, anna, at=LATER)
    assert await brief(world) == [("put_in", "anna@example.ru", 0, "waiting")]
    async with world.transaction() as session:
        now = LATER + timedelta(seconds=9)
        await undo(session, attempt_id=attempt_id, operator_id=anna, now=now, lease_s=LEASE_S)
    assert await brief(world) == [("put_in", "anna@example.ru", 0, "cancelled")]


async def test_undoing_a_move_leaves_the_first_time_in_the_calendar(world: World) -> None:
    anna, client_id = await reader(world), await world.client()
    await promise(world, client_id, anna)
    await send_all(world)
    attempt_id = await world.call(client_id, anna)
    form = OutcomeForm("callback", callback_at_local=wall("2026-11-26T15:00"), asked_by="Петрова")
    await world.outcome(attempt_id, form, anna, at=LATER)
    assert [each[2:] for each in await brief(world)] == [(0, "sent"), (1, "waiting")]
    async with world.transaction() as session:
        now = LATER + timedelta(seconds=9)
        await undo(session, attempt_id=attempt_id, operator_id=anna, now=now, lease_s=LEASE_S)
    assert {state for *_, state in (await brief(world))[1:]} == {"cancelled"}


async def test_a_moved_promise_is_the_same_entry_with_a_higher_sequence(world: World) -> None:
    anna, client_id = await reader(world), await world.client()
    await promise(world, client_id, anna)
    await send_all(world)
    await promise(world, client_id, anna, "2026-11-26T15:00")
    first, second = await outbox(world)
    assert (second.purpose, second.uid, second.sequence) == (Purpose.PUT_IN, first.uid, 1)
    assert second.key != first.key
    assert second.local_at == wall("2026-11-26T15:00")


async def test_a_promise_moved_before_it_went_out_is_told_once(world: World) -> None:
    anna, client_id = await reader(world), await world.client()
    await promise(world, client_id, anna)
    await promise(world, client_id, anna, "2026-11-26T15:00")
    assert [state for *_, state in await brief(world)] == ["cancelled", "waiting"]


async def test_a_corrected_outcome_goes_on_with_the_entry_of_the_first(world: World) -> None:
    anna, client_id = await reader(world), await world.client()
    attempt_id = await world.call(client_id, anna)
    form = OutcomeForm("callback", callback_at_local=wall("2026-11-26T15:00"), asked_by="Петрова")
    outcome = await world.outcome(attempt_id, form, anna, at=LATER)
    await send_all(world)
    form = OutcomeForm("callback", callback_at_local=wall("2026-11-27T16:00"), asked_by="Петрова")
    await world.outcome(attempt_id, form, anna, at=LATER + timedelta(hours=1), corrects=outcome.id)
    mails = await outbox(world)
    assert len({mail.uid for mail in mails}) == 1
    waiting = [(mail.purpose, mail.local_at) for mail in mails if mail.state is MailState.WAITING]
    assert waiting == [(Purpose.PUT_IN, wall("2026-11-27T16:00"))]


async def test_a_promise_handed_over_leaves_one_calendar_and_comes_into_the_other(world: World) -> None:
    anna, boris = await reader(world), await reader(world, "Борис", "boris@example.ru")
    await promise(world, await world.client(), anna)
    await send_all(world)
    async with world.transaction() as session:
        of, to = await get_user(session, anna), await get_user(session, boris)
        await hand_over_all(session, of=of, to=to, now=LATER)
    assert (await brief(world))[1:] == [
        ("take_out", "anna@example.ru", 1, "waiting"),
        ("put_in", "boris@example.ru", 1, "waiting"),
    ]
    assert len({mail.uid for mail in await outbox(world)}) == 1
    await send_all(world)
    async with world.transaction() as session:
        of, to = await get_user(session, boris), await get_user(session, anna)
        await hand_over_all(session, of=of, to=to, now=LATER)
    assert (await brief(world))[3:] == [
        ("take_out", "boris@example.ru", 2, "waiting"),
        ("put_in", "anna@example.ru", 2, "waiting"),
    ]


async def test_a_withdrawn_promise_is_taken_out_of_the_calendar(world: World) -> None:
    anna, client_id = await reader(world), await world.client()
    await promise(world, client_id, anna)
    await send_all(world)
    async with world.transaction() as session:
        await off_list(session, client=await get_client(session, client_id), reason="не наш", now=LATER)
    assert (await brief(world))[1:] == [("take_out", "anna@example.ru", 1, "waiting")]


async def test_what_may_have_arrived_is_taken_out_too(world: World) -> None:
    anna, client_id = await reader(world), await world.client()
    callback_id = await promise(world, client_id, anna)
    async with world.transaction() as session:
        (mail,) = await session.scalars(select(OutgoingMail))
        mail.may_have_arrived = True
    async with world.transaction() as session:
        await withdraw(session, callback_id=callback_id, now=LATER)
    assert [each[0::3] for each in await brief(world)] == [("put_in", "cancelled"), ("take_out", "waiting")]


async def test_of_a_call_that_was_made_nothing_more_is_said(world: World) -> None:
    anna, first, second = await reader(world), await world.client(), await world.client()
    told, untold = await promise(world, first, anna), await promise(world, second, anna)
    mails = await outbox(world)
    async with world.transaction() as session:
        await mark_sent(session, mail_id=mails[0].id, now=SENT)
    for callback_id, client_id in ((told, first), (untold, second)):
        attempt_id = await world.call(client_id, anna)
        async with world.transaction() as session:
            await settle_by_attempt(session, callback_id=callback_id, attempt_id=attempt_id, called_at=LATER, now=LATER)
        await world.outcome(attempt_id, OutcomeForm("no_contact"), anna, at=LATER)
    assert [state for *_, state in await brief(world)] == ["sent", "cancelled"]


async def test_the_wish_brings_in_what_is_promised_already_and_is_audited(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await promise(world, client_id, anna)
    assert await outbox(world) == []
    await wish(world, anna, "anna@пример.рф")
    assert await brief(world) == [("put_in", "anna@xn--e1afmkfd.xn--p1ai", 0, "waiting")]
    await send_all(world)
    await wish(world, anna, "anna@example.ru")
    assert (await brief(world))[1:] == [("put_in", "anna@example.ru", 1, "waiting")]
    await send_all(world)
    await wish(world, anna, "anna@example.ru", callbacks=False)
    async with world.transaction() as session:
        found = await open_callback(session, client_id)
        assert found is not None
        await withdraw(session, callback_id=found.id, now=LATER)
    assert len(await outbox(world)) == 2
    await wish(world, anna, "anna@example.ru")
    assert (await brief(world))[2:] == [("take_out", "anna@example.ru", 2, "waiting")]
    async with world.database.reading() as session:
        noted = list(await session.scalars(select(AuditEntry.details).where(AuditEntry.action == USER_CHANGED)))
    assert noted[-1] == {"email": "anna@example.ru", "callbacks_by_mail": True}


@pytest.mark.parametrize(
    "address",
    ["anna", "anna@", "@example.ru", "anna@example", "a\r\nBcc: all@example.ru", "анна@example.ru", "a b@c.ru"],
)
async def test_what_is_no_address_is_refused(world: World, address: str) -> None:
    anna = await world.operator()
    with pytest.raises(CrmError) as refused:
        await wish(world, anna, address)
    assert refused.value.code == "mail.address"


async def test_a_wish_needs_an_address_also_in_the_database(world: World) -> None:
    anna = await world.operator()
    with pytest.raises(CrmError) as refused:
        await wish(world, anna, "")
    assert refused.value.code == "user.needs_email"
    with pytest.raises(DBAPIError):
        async with world.database.engine.begin() as connection:
            await connection.execute(text("UPDATE users SET callbacks_by_mail = true"))


async def test_a_merged_company_has_its_new_name_in_the_calendar_and_parted_the_old_one(world: World) -> None:
    anna, one, other = await reader(world), await world.client("Ветер"), await world.client("Северный ветер")
    await promise(world, one, anna)
    await send_all(world)
    survivor, duplicate = (await world.get_client(other)).organisation_id, (await world.get_client(one)).organisation_id
    async with world.transaction() as session:
        merged = await merge(session, survivor_id=survivor, duplicate_id=duplicate, now=LATER)
    assert [(mail.organisation, mail.sequence) for mail in await outbox(world)] == [("Ветер", 0), ("Северный ветер", 1)]
    await send_all(world)
    async with world.transaction() as session:
        await part(session, merge_id=merged.id, now=LATER)
    assert (await outbox(world))[-1].organisation == "Ветер"


async def test_two_nodes_that_undo_and_correct_leave_one_waiting_message(world: World) -> None:
    anna, client_id = await reader(world), await world.client()
    attempt_id = await world.call(client_id, anna)
    form = OutcomeForm("callback", callback_at_local=wall("2026-11-26T15:00"), asked_by="Петрова")
    await world.outcome(attempt_id, form, anna, at=LATER)
    async with world.transaction() as session:
        await undo(session, attempt_id=attempt_id, operator_id=anna, now=LATER, lease_s=LEASE_S)
    await world.outcome(attempt_id, form, anna, at=LATER + timedelta(seconds=5))
    async with world.database.reading() as session:
        assert await current_outcome(session, attempt_id) is not None
    assert [state for *_, state in await brief(world)] == ["cancelled", "waiting"]


async def test_only_what_was_given_up_is_sent_again(world: World) -> None:
    await promise(world, await world.client(), await reader(world))
    [mail] = await outbox(world)
    for mail_id, code in ((mail.id, "mail.not_failed"), (mail.id + 1, "mail.unknown")):
        with pytest.raises(CrmError) as caught:
            async with world.transaction() as session:
                await send_again(session, mail_id=mail_id, now=LATER)
        assert caught.value.code == code


async def test_of_two_who_change_an_address_at_once_the_second_is_told(world: World) -> None:
    user_id = await world.operator()
    async with world.database.reading() as session:
        seen = (await get_user(session, user_id)).version
    await wish(world, user_id, "anna@example.ru")
    async with world.transaction() as session:
        user = await get_user(session, user_id)
        with pytest.raises(CrmError) as caught:
            await set_mail(session, user=user, email="b@example.ru", callbacks=True, now=NOON, version=seen)
    assert caught.value.code == "user.changed_meanwhile"


async def rename(world: World, name: str) -> None:
    async with world.transaction() as session:
        await change_organisation(session, organisation_id=1, version=None, name=name, now=LATER)


async def test_who_is_renamed_is_renamed_in_the_calendars_once(world: World) -> None:
    anna, boris, client_id = await reader(world), await world.operator("Борис"), await world.client("Северный ветер")
    await promise(world, client_id, anna)
    await promise(world, await world.client("Альфа"), anna)
    await promise(world, await world.client("Бета"), boris)
    await send_all(world)
    await rename(world, "Южный ветер")
    await rename(world, "Западный ветер")
    before, _, *after = await outbox(world)
    assert [(mail.organisation, mail.state) for mail in after] == [
        ("Южный ветер", "cancelled"), ("Западный ветер", "waiting"),
    ]  # fmt: skip
    assert (after[-1].purpose, after[-1].uid, after[-1].local_at) == (Purpose.PUT_IN, before.uid, before.local_at)
    assert (after[-1].sequence, after[-1].not_before) == (2, LATER + GOES_OUT_AFTER)
    await send_all(world)
    await rename(world, "Западный  ветер ")
    assert len(await outbox(world)) == 4


async def test_a_rename_taken_back_before_it_went_out_is_not_told(world: World) -> None:
    anna = await reader(world)
    await promise(world, await world.client("Северный ветер"), anna)
    await send_all(world)
    await rename(world, "Южный ветер")
    await rename(world, "Северный ветер")
    assert [state for *_, state in await brief(world)] == ["sent", "cancelled"]


async def test_who_asked_is_renamed_with_the_person(world: World) -> None:
    anna, client_id = await reader(world), await world.client()
    person_id, callback_id = await world.person(client_id, "Петрова Анна"), await promise(world, client_id, anna)
    await send_all(world)
    async with world.transaction() as session:
        await set_person(session, organisation_id=1, person_id=person_id, full_name="Орлова Анна", now=LATER)
    assert [(mail.person, mail.sequence, mail.state) for mail in await outbox(world)] == [
        ("Петрова Анна", 0, "sent"), ("Орлова Анна", 1, "waiting"),
    ]  # fmt: skip
    async with world.database.reading() as session:
        assert (await get_callback(session, callback_id)).asked_by == "Орлова Анна"
        noted = select(AuditEntry.details).where(AuditEntry.action == PERSON_SET)
        assert (await session.scalars(noted)).one()["callbacks"] == [callback_id]


async def test_another_of_the_same_name_or_none_of_it_leaves_the_promise_as_it_was_made(world: World) -> None:
    anna, client_id = await reader(world), await world.client()
    one, _ = await world.person(client_id, "Петрова Анна"), await world.person(client_id, "Петрова  анна")
    other = await world.person(client_id, "Седов Олег")
    await promise(world, client_id, anna)
    await send_all(world)
    for person_id in (one, other):
        async with world.transaction() as session:
            await set_person(session, organisation_id=1, person_id=person_id, full_name="Орлова Анна", now=LATER)
    assert [mail.person for mail in await outbox(world)] == ["Петрова Анна"]


async def test_a_promise_of_the_moment_of_a_rename_says_the_new_name(world: World) -> None:
    anna, client_id = await reader(world), await world.client("Северный ветер")

    async def agreed(session: AsyncSession) -> None:
        client = await get_client(session, client_id, lock=True)
        await agree(session, client=client, owner_id=anna, local_at=wall("2026-11-25T11:00"), now=NOON)

    async def renamed(session: AsyncSession) -> None:
        await change_organisation(session, organisation_id=1, version=None, name="Южный ветер", now=LATER)

    assert await overlap(world.database, agreed, renamed) == (None, None)
    assert [mail.organisation for mail in await outbox(world) if mail.state is MailState.WAITING] == ["Южный ветер"]
