"""Clients who are handed to experts: offered by an outcome, accepted, given back, withdrawn with it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from crm.audit import AuditEntry
from crm.calls.owners import set_owner
from crm.care.erasures import erase_organisation
from crm.care.merging import merge
from crm.care.personal import ERASED
from crm.clientele.clients import get_client
from crm.errors import CrmError
from crm.experts.referrals import ChosenBy, Referral, ReferralState
from crm.experts.referring import accept, give_back, give_to, pass_on_lapsed
from crm.office.absences import Absence
from crm.office.users import Role, get_user
from crm.plan.callbacks import open_callback
from crm.plan.plan_entries import EntryKind, active_entries
from crm.preparation.campaign_setup import set_expert
from crm.preparation.campaigns import get_campaign
from crm.reading.scope import Scope
from crm.wrap_up.correcting import as_it_stands
from crm.wrap_up.outcomes import OutcomeForm, current_outcome, load_draft
from crm.wrap_up.undo import undo
from tests.crm.builders import LEASE_S, NOON, World, wall

WRITTEN = NOON + timedelta(minutes=3)
LATER = NOON + timedelta(minutes=10)


async def expert(world: World, name: str) -> int:
    """An expert of the campaign."""
    user_id = await world.operator(name, Role.EXPERT)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        user = await get_user(session, user_id)
        await set_expert(session, campaign=campaign, user=user, belongs=True, now=NOON)
    return user_id


async def warm(world: World, client_id: int, operator_id: int, *, at: datetime = NOON, **answers: object) -> str:
    """A talk that ends with a client who wants to see an offer; returns the call."""
    attempt_id = await world.call(client_id, operator_id, at=at)
    form = OutcomeForm("warm", person_name="Петрова Анна", person_decides=True, **answers)  # type: ignore[arg-type]
    await world.outcome(attempt_id, form, operator_id, at=at + timedelta(minutes=3))
    return attempt_id


async def referrals(world: World, client_id: int) -> list[Referral]:
    async with world.database.reading() as session:
        of_client = select(Referral).where(Referral.client_id == client_id).order_by(Referral.id)
        return list(await session.scalars(of_client))


async def taken(world: World, client_id: int, expert_id: int, *, at: datetime = LATER) -> None:
    (*_, last) = await referrals(world, client_id)
    async with world.transaction() as session:
        await accept(session, referral_id=last.id, expert_id=expert_id, now=at)


async def given_back(world: World, client_id: int, expert_id: int, reason: str = "не моя отрасль") -> None:
    (*_, last) = await referrals(world, client_id)
    async with world.transaction() as session:
        await give_back(session, referral_id=last.id, expert_id=expert_id, reason=reason, now=LATER)


def told(rows: list[Referral]) -> list[tuple[ReferralState, int | None, ChosenBy]]:
    return [(row.state, row.expert_id, row.chosen_by) for row in rows]


async def test_a_warm_client_is_offered_and_then_the_experts_with_its_promise(world: World) -> None:
    anna, egor, client_id = await world.operator(), await expert(world, "Егор"), await world.client()
    await warm(world, client_id, anna, callback_at_local=wall("2026-11-24T10:00"))
    (offered,) = await referrals(world, client_id)
    assert told([offered]) == [(ReferralState.OFFERED, egor, ChosenBy.LOAD)]
    assert (offered.offered_at, offered.settled_by) == (WRITTEN, None)
    async with world.database.reading() as session:
        promise = await open_callback(session, client_id)
        assert promise is not None
        assert promise.owner_id == anna, "until somebody accepts, who spoke answers for it"
    assert (await world.get_client(client_id)).owner_id == anna
    await taken(world, client_id, egor)
    (accepted,) = await referrals(world, client_id)
    assert (accepted.state, accepted.accepted_at, accepted.settled_by) == (ReferralState.ACCEPTED, LATER, egor)
    async with world.database.reading() as session:
        promise = await open_callback(session, client_id)
        actions = await session.scalars(select(AuditEntry.action).where(AuditEntry.subject == f"client:{client_id}"))
        assert {"client.referred", "referral.accepted"} <= set(actions)
    assert promise is not None
    assert (promise.owner_id, (await world.get_client(client_id)).owner_id) == (egor, egor)


async def test_without_a_promise_it_comes_up_in_the_experts_day(world: World) -> None:
    anna, egor, client_id = await world.operator(), await expert(world, "Егор"), await world.client()
    await warm(world, client_id, anna)
    await taken(world, client_id, egor)
    async with world.database.reading() as session:
        (entry,) = await active_entries(session, client_id)
    assert (entry.kind, entry.operator_id, entry.assigned) == (EntryKind.HANDPICKED, egor, True)


async def test_a_campaign_without_experts_hands_nobody_over(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await warm(world, client_id, anna)
    assert await referrals(world, client_id) == []


@pytest.mark.parametrize("key", ["cold", "callback", "not_main"])
async def test_other_outcomes_hand_nobody_over(world: World, key: str) -> None:
    anna, client_id = await world.operator(), await world.client()
    await expert(world, "Егор")
    attempt_id = await world.call(client_id, anna)
    form = OutcomeForm(
        key, person_name="Петрова Анна", summary="решает директор, его нет", reason="дорого", callback_words="завтра 11"
    )
    await world.outcome(attempt_id, form, anna, at=WRITTEN)
    assert await referrals(world, client_id) == []


async def test_to_whom_the_operator_chose(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await expert(world, "Егор")
    zoya = await expert(world, "Зоя")
    await warm(world, client_id, anna, expert_id=zoya)
    assert told(await referrals(world, client_id)) == [(ReferralState.OFFERED, zoya, ChosenBy.NAME)]
    other = await world.client("Юг")
    attempt_id = await world.call(other, anna, at=LATER)
    with pytest.raises(CrmError) as refused:
        await world.outcome(attempt_id, OutcomeForm("warm", person_name="Петрова Анна", expert_id=anna), anna, at=LATER)
    assert refused.value.code == "referral.no_expert"


async def test_an_expert_who_calls_goes_on_with_the_client(world: World) -> None:
    """And whoever calls a client that is offered to them has accepted it."""
    anna, egor, own, offered = await world.operator(), await expert(world, "Егор"), await world.client(), 0
    await warm(world, own, egor)
    assert await referrals(world, own) == []
    offered = await world.client("Юг")
    await warm(world, offered, anna)
    async with world.transaction() as session:  # the manager lets the expert call
        await set_owner(session, client=await get_client(session, offered), owner_id=None, now=NOON, author_id=None)
    attempt_id = await world.call(offered, egor, at=LATER)
    form = OutcomeForm("cold", person_name="Петрова Анна", reason="передумали")
    await world.outcome(attempt_id, form, egor, at=LATER + timedelta(minutes=3))
    (row,) = await referrals(world, offered)
    assert (row.state, row.expert_id) == (ReferralState.ACCEPTED, egor)
    assert (await world.get_client(offered)).owner_id == egor


async def test_what_waits_for_any_expert_is_theirs_who_talks_with_the_client(world: World) -> None:
    anna, egor, olga = await world.operator(), await expert(world, "Егор"), await expert(world, "Ольга")
    async with world.transaction() as session:
        for each in (egor, olga):
            session.add(Absence(user_id=each, first_day=NOON.date(), last_day=NOON.date(), noted_at=NOON))
    client_id, back = await world.client(), NOON + timedelta(days=1)
    await warm(world, client_id, anna)
    assert told(await referrals(world, client_id)) == [(ReferralState.OFFERED, None, ChosenBy.NOBODY)]
    async with world.transaction() as session:  # the manager lets the expert call
        await set_owner(session, client=await get_client(session, client_id), owner_id=None, now=NOON, author_id=None)
    await warm(world, client_id, egor, at=back)
    async with world.transaction() as session:
        await pass_on_lapsed(session, now=back + timedelta(hours=1))
    assert told(await referrals(world, client_id)) == [(ReferralState.ACCEPTED, egor, ChosenBy.TAKEN)]


async def test_given_back_it_goes_to_the_next_and_to_nobody_twice(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    egor, zoya = await expert(world, "Егор"), await expert(world, "Зоя")
    await warm(world, client_id, anna)
    await given_back(world, client_id, egor)
    assert told(await referrals(world, client_id)) == [
        (ReferralState.GIVEN_BACK, egor, ChosenBy.LOAD), (ReferralState.OFFERED, zoya, ChosenBy.LOAD),
    ]  # fmt: skip
    await given_back(world, client_id, zoya)
    *_, first, last = await referrals(world, client_id)
    assert (first.reason, last.expert_id, last.chosen_by) == ("не моя отрасль", None, ChosenBy.NOBODY)
    await taken(world, client_id, egor)
    *_, last = await referrals(world, client_id)
    assert (last.state, last.expert_id, last.chosen_by) == (ReferralState.ACCEPTED, egor, ChosenBy.TAKEN)


async def test_accepted_and_given_back_it_is_the_callers_again(world: World) -> None:
    anna, egor, client_id = await world.operator(), await expert(world, "Егор"), await world.client()
    await warm(world, client_id, anna, callback_at_local=wall("2026-11-24T10:00"))
    await taken(world, client_id, egor)
    await given_back(world, client_id, egor)
    first, last = await referrals(world, client_id)
    assert (first.state, first.accepted_at, last.expert_id) == (ReferralState.GIVEN_BACK, LATER, None)
    async with world.database.reading() as session:
        promise = await open_callback(session, client_id)
    assert promise is not None
    assert (promise.owner_id, (await world.get_client(client_id)).owner_id) == (anna, anna)


async def test_the_manager_gives_it_to_another_expert(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    egor, zoya = await expert(world, "Егор"), await expert(world, "Зоя")
    await warm(world, client_id, anna)
    (offered,) = await referrals(world, client_id)
    async with world.transaction() as session:
        await give_to(session, referral_id=offered.id, expert_id=zoya, now=LATER, author_id=None)
    assert told(await referrals(world, client_id)) == [
        (ReferralState.MOVED, egor, ChosenBy.LOAD), (ReferralState.OFFERED, zoya, ChosenBy.NAME),
    ]  # fmt: skip


async def test_an_outcome_that_is_undone_takes_it_back(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await expert(world, "Егор")
    zoya = await expert(world, "Зоя")
    attempt_id = await warm(world, client_id, anna, expert_id=zoya)
    async with world.transaction() as session:
        await undo(
            session, attempt_id=attempt_id, operator_id=anna, now=WRITTEN + timedelta(seconds=5), lease_s=LEASE_S
        )
    (row,) = await referrals(world, client_id)
    assert (row.state, row.settled_by) == (ReferralState.WITHDRAWN, anna)
    async with world.database.reading() as session:
        assert (await load_draft(session, attempt_id=attempt_id))["expert_id"] == str(zoya)


async def test_corrected_to_cold_it_is_withdrawn(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await expert(world, "Егор")
    attempt_id = await warm(world, client_id, anna)
    async with world.database.reading() as session:
        outcome = await current_outcome(session, attempt_id)
    assert outcome is not None
    form = OutcomeForm("cold", person_name="Петрова Анна", reason="не нужно")
    await world.outcome(attempt_id, form, anna, at=LATER, corrects=outcome.id)
    assert [row.state for row in await referrals(world, client_id)] == [ReferralState.WITHDRAWN]


@pytest.mark.parametrize("accepted", [False, True])
async def test_a_correction_of_something_else_goes_on_with_the_same_expert(world: World, accepted: bool) -> None:
    """Though another one has less to do by now."""
    anna, client_id = await world.operator(), await world.client()
    egor = await expert(world, "Егор")
    attempt_id = await warm(world, client_id, anna)
    await expert(world, "Зоя")
    if accepted:
        await taken(world, client_id, egor)
    async with world.database.reading() as session:
        outcome = await current_outcome(session, attempt_id)
        assert outcome is not None
        form = await as_it_stands(session, outcome)
    assert form.expert_id == egor
    await world.outcome(attempt_id, form, anna, at=LATER + timedelta(hours=1), corrects=outcome.id)
    before, row = await referrals(world, client_id)
    assert (before.state, row.expert_id, row.offered_at, row.due_at) == (
        ReferralState.WITHDRAWN, egor, WRITTEN, before.due_at,
    )  # fmt: skip
    assert (row.state, row.accepted_at) == (
        (ReferralState.ACCEPTED, LATER) if accepted else (ReferralState.OFFERED, None)
    )


async def test_a_client_waits_for_one_expert_at_a_time(world: World) -> None:
    """Called and warm once more, it waits for the same one, since the first time."""
    anna, client_id = await world.operator(), await world.client()
    egor = await expert(world, "Егор")
    zoya = await expert(world, "Зоя")
    await warm(world, client_id, anna)
    await warm(world, client_id, anna, at=LATER, expert_id=zoya)
    assert told(await referrals(world, client_id)) == [(ReferralState.OFFERED, egor, ChosenBy.LOAD)]


async def test_what_cannot_be(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    egor, zoya = await expert(world, "Егор"), await expert(world, "Зоя")
    await warm(world, client_id, anna)
    (row,) = await referrals(world, client_id)

    async def refused(deed: str, expert_id: int, reason: str = "не моя отрасль", number: int = row.id) -> str:
        try:
            async with world.transaction() as session:
                if deed == "accept":
                    await accept(session, referral_id=number, expert_id=expert_id, now=LATER)
                elif deed == "give to":
                    await give_to(session, referral_id=number, expert_id=expert_id, now=LATER, author_id=None)
                else:
                    await give_back(session, referral_id=number, expert_id=expert_id, reason=reason, now=LATER)
        except CrmError as error:
            return error.code
        return ""

    assert await refused("accept", zoya) == "referral.not_yours"
    assert await refused("give back", zoya) == "referral.not_yours"
    assert await refused("give back", egor, reason=" ") == "referral.needs_reason"
    assert await refused("give back", egor, reason="п" * 501) == "referral.reason_too_long"
    assert await refused("accept", egor, number=99) == "referral.unknown"
    assert await refused("give to", anna) == "referral.no_expert"
    assert await refused("accept", egor) == ""
    assert await refused("accept", egor) == "referral.not_offered"
    assert await refused("give to", zoya) == "referral.not_offered"


async def test_the_expert_sees_the_call_that_led_to_it_and_no_other(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    egor, zoya = await expert(world, "Егор"), await expert(world, "Зоя")
    before = await world.call(client_id, anna, at=NOON - timedelta(hours=1))
    form = OutcomeForm("not_main", person_name="Сидоров Олег", summary="решает директор, его нет")
    await world.outcome(before, form, anna, at=NOON - timedelta(minutes=50))
    led = await warm(world, client_id, anna)

    async def seen(user_id: int) -> tuple[bool, bool, bool]:
        scope = Scope(user_id, Role.EXPERT)
        async with world.database.reading() as session:
            calls = [await scope.has_attempt(session, each) for each in (before, led)]
            return await scope.has_client(session, client_id), calls[0], calls[1]

    assert await seen(egor) == (True, False, True)
    assert await seen(zoya) == (False, False, False)
    await given_back(world, client_id, egor)
    assert await seen(egor) == (False, False, False)
    assert await seen(zoya) == (True, False, True)
    await given_back(world, client_id, zoya)
    assert await seen(egor) == (True, False, True), "nobody has it: any of them may look, and take it"
    await taken(world, client_id, egor)
    assert await seen(egor) == (True, True, True), "it is theirs"
    assert await seen(zoya) == (False, False, False)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE referrals SET expert_id = (SELECT min(id) FROM users) WHERE state = 'accepted'",
        "UPDATE referrals SET state = 'offered', accepted_at = NULL WHERE state = 'accepted'",
        "UPDATE referrals SET accepted_at = offered_at WHERE state = 'accepted'",
        "UPDATE referrals SET reason = 'иначе' WHERE state = 'given_back'",
        "UPDATE referrals SET state = 'lapsed', reason = '' WHERE state = 'given_back'",
        "UPDATE referrals SET expert_id = (SELECT min(id) FROM users) WHERE state = 'offered'",
        "UPDATE referrals SET offered_at = ended_at WHERE ended_at IS NOT NULL",
        "UPDATE referrals SET state = 'accepted' WHERE state = 'offered'",
        "DELETE FROM referrals",
    ],
)
async def test_the_database_keeps_what_has_been_settled(world: World, change: str) -> None:
    anna, egor, client_id = await world.operator(), await expert(world, "Егор"), await world.client()
    await expert(world, "Зоя")
    await warm(world, client_id, anna)
    await given_back(world, client_id, egor)
    other = await world.client("Юг")
    await warm(world, other, anna, at=LATER, expert_id=egor)
    (row,) = await referrals(world, other)
    async with world.transaction() as session:
        await accept(session, referral_id=row.id, expert_id=egor, now=LATER + timedelta(hours=1))
    with pytest.raises(DBAPIError):
        async with world.database.engine.begin() as connection:
            await connection.execute(text(change))


async def test_the_database_lets_a_client_wait_once(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await expert(world, "Егор")
    await warm(world, client_id, anna)
    columns = "client_id, outcome_id, attempt_id, expert_id, chosen_by, state, offered_at, reason"
    with pytest.raises(DBAPIError):
        async with world.database.engine.begin() as connection:
            await connection.execute(text(f"INSERT INTO referrals ({columns}) SELECT {columns} FROM referrals"))


async def test_of_a_merged_company_the_offer_goes_on(world: World) -> None:
    anna, egor = await world.operator(), await expert(world, "Егор")
    kept, gone = await world.client("Север"), await world.client("Север плюс")
    await warm(world, gone, anna)
    survivor, duplicate = [(await world.get_client(each)).organisation_id for each in (kept, gone)]
    async with world.transaction() as session:
        await merge(session, survivor_id=survivor, duplicate_id=duplicate, now=LATER)
    (before,), (row,) = await referrals(world, gone), await referrals(world, kept)
    assert before.state is ReferralState.MOVED
    assert (row.state, row.expert_id, row.due_at) == (ReferralState.OFFERED, egor, before.due_at)
    await taken(world, kept, egor)


async def test_what_a_reason_tells_of_the_erased_is_blanked(world: World) -> None:
    anna, egor, client_id = await world.operator(), await expert(world, "Егор"), await world.client()
    await warm(world, client_id, anna)
    await given_back(world, client_id, egor, reason="Петрова просила другого")
    async with world.transaction() as session:
        organisation_id = (await get_client(session, client_id)).organisation_id
        await erase_organisation(
            session, organisation_id=organisation_id, reason="письмо 12", now=LATER, region="RU"
        )  # fmt: skip
    first, _ = await referrals(world, client_id)
    assert (first.reason, first.state) == (ERASED, ReferralState.GIVEN_BACK)
