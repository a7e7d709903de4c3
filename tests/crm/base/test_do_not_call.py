"""The register of requests not to be called: what holds, for whom, with which evidence."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from crm.audit import DO_NOT_CALL_ASKED, DO_NOT_CALL_LIFTED, AuditEntry
from crm.base.do_not_call import DoNotCall, ask, lift, requests
from crm.base.phone_numbers import PhoneNumber
from crm.base.whom import Whom
from crm.calls.dial_rules import may_dial
from crm.clientele.clients import add_client, get_client
from crm.day.day_plan import build
from crm.errors import CrmError
from crm.plan.callbacks import open_callback
from crm.plan.plan_entries import EntryState, PlanEntry
from crm.plan.silence import keep_request
from crm.preparation.call_lists import list_named
from crm.preparation.campaigns import add_campaign
from crm.reading.views import card
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World

EVIDENCE = "письмо директора от 20 ноября"


async def code_of(world: World, client_id: int, operator_id: int, number_id: int | None = None) -> str:
    async with world.database.reading() as session:
        verdict = await may_dial(
            session, client_id=client_id, operator_id=operator_id, now=NOON, phone_number_id=number_id
        )
    return verdict.code


async def numbers(world: World, client_id: int) -> list[PhoneNumber]:
    async with world.database.reading() as session:
        client = await get_client(session, client_id)
        return list(
            await session.scalars(
                select(PhoneNumber)
                .where(PhoneNumber.organisation_id == client.organisation_id)
                .order_by(PhoneNumber.rank)
            )
        )


async def test_a_company_that_comes_into_another_campaign_later_is_not_called_there_either(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    await world.silence(client_id)
    async with world.transaction() as session:
        known = await get_client(session, client_id)
        other = await add_campaign(session, name="Вторая", now=NOON)
        call_list = await list_named(session, campaign_id=other.id, name="Список")
        later = await add_client(
            session, campaign_id=other.id, organisation_id=known.organisation_id, call_list_id=call_list.id, now=NOON
        )
        assert await build(session, campaign_id=other.id, day=NOON.date(), now=NOON) == 0
    assert await code_of(world, later.id, operator) == "dial.do_not_call"


async def test_a_number_is_not_called_at_whichever_company_it_is_found(world: World) -> None:
    operator, first, second = await world.operator(), await world.client("Первая"), await world.client("Вторая")
    (shared,) = await numbers(world, first)
    async with world.transaction() as session:
        await ask(session, whom=Whom.NUMBER, target=shared.e164, evidence=EVIDENCE, now=NOON)
        client = await get_client(session, second)
        session.add(PhoneNumber(organisation_id=client.organisation_id, e164=shared.e164, raw="", rank=-1))
    again, own = await numbers(world, second)
    assert await code_of(world, first, operator) == "dial.no_number"
    assert await code_of(world, second, operator, again.id) == "dial.number_do_not_call"
    assert await code_of(world, second, operator) == "", "its own number is the first that may be dialled"
    async with world.database.reading() as session:
        shown = {number.id: number.state for number in (await card(session, client_id=second)).numbers}
    assert shown == {again.id: "do_not_call", own.id: "ok"}


async def test_a_person_is_not_called_at_any_of_their_numbers(world: World) -> None:
    operator, client_id = await world.operator(), await world.client(phones=3)
    person_id = await world.person(client_id)
    first, second, switchboard = await numbers(world, client_id)
    async with world.transaction() as session:
        for number in (first, second):
            (await session.get_one(PhoneNumber, number.id)).person_id = person_id
        await ask(session, whom=Whom.PERSON, target=person_id, evidence=EVIDENCE, now=NOON)
    assert await code_of(world, client_id, operator, second.id) == "dial.number_do_not_call"
    assert await code_of(world, client_id, operator, switchboard.id) == ""
    assert await code_of(world, client_id, operator) == ""


async def test_promises_to_a_company_that_asks_in_writing_hold_no_more(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator)
    await world.outcome(attempt_id, OutcomeForm("callback", callback_words="завтра в 11"), operator, at=NOON)
    waiting = await world.client("Ждёт")
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
        for client in (client_id, waiting):
            organisation_id = (await get_client(session, client)).organisation_id
            await keep_request(session, whom=Whom.ORGANISATION, target=organisation_id, evidence=EVIDENCE, now=NOON)
        assert await open_callback(session, client_id) is None
        entry = (await session.scalars(select(PlanEntry).where(PlanEntry.client_id == waiting))).one()
        assert (entry.state, entry.reason) == (EntryState.DROPPED, "dial.do_not_call")


async def test_it_holds_until_it_is_lifted_and_stays_in_the_register(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    (number,) = await numbers(world, client_id)
    later = NOON + timedelta(hours=1)
    async with world.transaction() as session:
        first = await ask(
            session, whom=Whom.NUMBER, target=number.e164, evidence=f" {EVIDENCE}\n", now=NOON, author_id=operator
        )
        again = await ask(session, whom=Whom.NUMBER, target=number.e164, evidence="ещё раз", now=later)
        assert (again.id, again.evidence) == (first.id, EVIDENCE)
    async with world.transaction() as session:
        await lift(session, request_id=first.id, reason="просят звонить", now=later, author_id=operator)
    assert await code_of(world, client_id, operator) == ""
    async with world.transaction() as session:
        second = await ask(session, whom=Whom.NUMBER, target=number.e164, evidence="снова", now=later)
        assert [request.id for request in await requests(session)] == [second.id]
        assert [request.id for request in await requests(session, in_force_only=False)] == [second.id, first.id]
        noted = await session.scalars(select(AuditEntry).where(AuditEntry.subject == f"do_not_call:{first.id}"))
        assert [(entry.action, entry.user_id, entry.details["target"]) for entry in noted] == [
            (DO_NOT_CALL_ASKED, operator, number.e164),
            (DO_NOT_CALL_LIFTED, operator, number.e164),
        ]


async def test_what_is_refused(world: World) -> None:
    async with world.transaction() as session:
        request = await ask(session, whom=Whom.NUMBER, target="+73420000001", evidence=EVIDENCE, now=NOON)
        gone = await ask(session, whom=Whom.NUMBER, target="+73420000002", evidence=EVIDENCE, now=NOON)
        await lift(session, request_id=gone.id, reason="ошибка", now=NOON)
        for wrong, code in (
            (
                ask(session, whom=Whom.NUMBER, target="+73420000003", evidence=" ", now=NOON),
                "do_not_call.needs_evidence",
            ),
            (lift(session, request_id=request.id, reason=" ", now=NOON), "do_not_call.needs_reason"),
            (lift(session, request_id=gone.id, reason="ещё раз", now=NOON), "do_not_call.lifted"),
            (lift(session, request_id=999, reason="нет", now=NOON), "do_not_call.unknown"),
        ):
            with pytest.raises(CrmError) as refused:
                await wrong
            assert refused.value.code == code


@pytest.mark.parametrize(
    "values",
    [
        "'number', NULL, 1, NULL, 'письмо', NULL, ''",  # not what it says
        "'number', NULL, NULL, NULL, 'письмо', NULL, ''",
        "'number', '+73420000009', NULL, 1, 'письмо', NULL, ''",
        "'anybody', '+73420000009', NULL, NULL, 'письмо', NULL, ''",
        "'number', '+73420000009', NULL, NULL, ' ', NULL, ''",  # without evidence
        "'number', '+73420000009', NULL, NULL, 'письмо', CURRENT_TIMESTAMP, ''",  # lifted without a reason
        "'number', '+73420000001', NULL, NULL, 'письмо', NULL, ''",  # a second one that holds
    ],
)
async def test_plain_sql_is_held_to_the_same(world: World, values: str) -> None:
    await world.client()
    async with world.transaction() as session:
        await ask(session, whom=Whom.NUMBER, target="+73420000001", evidence=EVIDENCE, now=NOON)
    columns = "whom, e164, person_id, organisation_id, evidence, lifted_at, lift_reason, asked_at"
    with pytest.raises(DBAPIError):
        async with world.transaction() as session:
            await session.execute(text(f"INSERT INTO do_not_call ({columns}) VALUES ({values}, CURRENT_TIMESTAMP)"))


async def test_what_an_operator_wrote_down_names_its_call(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator)
    await world.outcome(attempt_id, OutcomeForm("do_not_call"), operator, at=NOON + timedelta(minutes=2))
    async with world.database.reading() as session:
        request = (await session.scalars(select(DoNotCall))).one()
        assert (request.whom, request.attempt_id, request.author_id) == (Whom.ORGANISATION, attempt_id, operator)
