"""The customer's marks on a call list: whom they do not want is called no more, and a settled list is approved."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.audit import LIST_MARKS_TAKEN, AuditEntry
from crm.clientele.clients import get_client, put_back_on_list, take_off_list
from crm.database import Database
from crm.errors import NotFound, Refused
from crm.importing.list_marks import Mark, MarksTaken, list_for_marks, listed_clients, take_marks
from crm.plan.callbacks import open_callback
from crm.preparation.call_lists import CallList, ListState, list_named, set_list_state
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World, build_world


async def taken(world: World, *marks: Mark, signer: str = "Орлова") -> MarksTaken:
    async with world.transaction() as session:
        call_list = await list_for_marks(session, campaign_id=world.campaign_id, call_list_id=world.call_list_id)
        return await take_marks(session, call_list=call_list, marks=marks, signer=signer, now=NOON)


async def state_of(world: World) -> tuple[ListState, str]:
    async with world.database.reading() as session:
        call_list = await session.get_one(CallList, world.call_list_id)
        return call_list.state, call_list.approved_by


async def off_list_reason(world: World, client_id: int) -> str:
    async with world.database.reading() as session:
        return (await get_client(session, client_id)).off_list_reason


async def test_marks_settle_a_list_bit_by_bit(world: World) -> None:
    first, second, third = [await world.client(name) for name in "АБВ"]
    answer = await taken(
        world, Mark(2, first, True, "лучшие"), Mark(3, second, False, " наш  партнёр "), Mark(4, third, None)
    )
    assert answer == MarksTaken(agreed=1, taken_off=1, strangers=(), open_clients=1, approved=False)
    assert await off_list_reason(world, second) == "Орлова: наш партнёр"
    assert await state_of(world) == (ListState.DRAFT, "")
    async with world.database.reading() as session:
        left = await listed_clients(session, world.call_list_id)
    assert [(each.client_id, each.agreed, each.remark) for each in left] == [(first, True, "лучшие"), (third, None, "")]
    answer = await taken(world, Mark(2, third, False), signer="Петров")
    assert answer == MarksTaken(agreed=0, taken_off=1, strangers=(), open_clients=0, approved=True)
    assert await off_list_reason(world, third) == "Петров: —"
    assert await state_of(world) == (ListState.APPROVED, "Петров")
    async with world.database.reading() as session:
        noted = await session.scalars(
            select(AuditEntry.details).where(AuditEntry.action == LIST_MARKS_TAKEN).order_by(AuditEntry.id)
        )
        assert [(each["agreed"], each["taken_off"], each["open"]) for each in noted] == [(1, 1, 1), (0, 1, 0)]


async def test_who_is_not_wanted_is_promised_nothing_any_more(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator)
    await world.outcome(attempt_id, OutcomeForm("callback", callback_words="завтра в 11"), operator, at=NOON)
    await taken(world, Mark(2, client_id, False, "не звонить"))
    async with world.database.reading() as session:
        assert await open_callback(session, client_id) is None


async def test_a_list_on_which_nobody_is_left_is_not_approved(world: World) -> None:
    client_id = await world.client()
    assert not (await taken(world, Mark(2, client_id, False))).approved


async def test_a_returned_list_is_approved_too(world: World) -> None:
    client_id = await world.client()
    async with world.transaction() as session:
        for state in (ListState.SUBMITTED, ListState.RETURNED):
            await set_list_state(session, call_list_id=world.call_list_id, to=state, now=NOON, remarks="сверить")
    assert (await taken(world, Mark(2, client_id, True))).approved
    assert await state_of(world) == (ListState.APPROVED, "Орлова")


async def test_a_yes_taken_back_is_a_no_and_the_last_row_counts(world: World) -> None:
    first, second = await world.client("А"), await world.client("Б")
    await taken(world, Mark(2, first, True))
    answer = await taken(world, Mark(2, first, False, "передумали"), Mark(3, second, True))
    assert (answer.taken_off, answer.approved) == (1, True)


async def test_who_was_refused_and_is_put_back_needs_the_customers_word_again(world: World) -> None:
    first, second = await world.client("А"), await world.client("Б")
    await taken(world, Mark(2, first, False))
    async with world.transaction() as session:
        await put_back_on_list(session, client=await get_client(session, first, lock=True), now=NOON)
    assert (await taken(world, Mark(2, second, True))).open_clients == 1


@pytest.mark.parametrize("asks", [True, False])
async def test_whom_the_customer_did_not_sign_for_stays_off_the_approved_list(database: Database, asks: bool) -> None:
    world = await build_world(database, lists_need_approval=asks)
    signed, refused, later = [await world.client(name) for name in "АБВ"]
    await taken(world, Mark(2, signed, True), Mark(3, refused, False), Mark(4, later, True))

    async def put_back(client_id: int) -> None:
        async with world.transaction() as session:
            client = await get_client(session, client_id, lock=True)
            await put_back_on_list(session, client=client, now=NOON + timedelta(hours=2))

    async with world.transaction() as session:
        client = await get_client(session, later, lock=True)
        await take_off_list(session, client=client, reason="закрыты на ремонт", now=NOON + timedelta(hours=1))
    await put_back(later)
    if not asks:
        await put_back(refused)
        return
    with pytest.raises(Refused) as not_signed:
        await put_back(refused)
    assert (not_signed.value.code, not_signed.value.params) == ("client.not_signed_for", {"name": "Первый"})
    async with world.transaction() as session:
        await set_list_state(session, call_list_id=world.call_list_id, to=ListState.RETURNED, now=NOON)
    await put_back(refused)


async def test_a_sheet_of_another_list_changes_nothing(world: World) -> None:
    mine = await world.client("А")
    async with world.transaction() as session:
        other = (await list_named(session, campaign_id=world.campaign_id, name="Другой")).id
    strange = await world.client("Чужая", call_list_id=other)
    with pytest.raises(Refused) as refused:
        await taken(world, Mark(2, strange, False), Mark(3, 999, True))
    assert (refused.value.code, refused.value.params) == ("list.marks_of_another", {"name": "Первый"})
    answer = await taken(world, Mark(2, strange, False), Mark(3, mine, True))
    assert (answer.strangers, answer.approved) == ((2,), True)
    assert await off_list_reason(world, strange) == ""


async def test_what_cannot_be(world: World) -> None:
    client_id = await world.client()
    with pytest.raises(Refused) as refused:
        await taken(world, Mark(2, client_id, True), signer=" ")
    assert refused.value.code == "list.needs_signature"
    await taken(world, Mark(2, client_id, True))
    with pytest.raises(Refused) as refused:
        await taken(world, Mark(2, client_id, False))
    assert refused.value.code == "list.marks_too_late"
    with pytest.raises(NotFound):
        async with world.transaction() as session:
            await list_for_marks(session, campaign_id=world.campaign_id + 1, call_list_id=world.call_list_id)
