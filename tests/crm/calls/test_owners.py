"""Who spoke with a client keeps it until the campaign's rule lets others call it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from crm.audit import CLIENT_OWNED, AuditEntry
from crm.calls.attempts import Result
from crm.calls.dial_rules import Verdict, may_dial
from crm.calls.owners import set_owner
from crm.clientele.clients import get_client
from crm.day.day_plan import build, claim_next
from crm.errors import Refused
from crm.office.absences import Absence
from crm.office.users import get_user, set_active
from crm.plan.callbacks import bring_due
from crm.preparation.campaigns import change_campaign, get_campaign
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import LEASE_S, NOON, World, open_call

COLD = OutcomeForm("cold", reason="дорого")
# Cold clients rest for 30 days; a promise does not.
LATER = NOON + timedelta(days=3)


async def talk(world: World, client_id: int, operator_id: int, form: OutcomeForm = COLD, at: datetime = NOON) -> None:
    await world.outcome(await world.call(client_id, operator_id, at=at), form, operator_id, at=at)


async def verdict(world: World, client_id: int, operator_id: int, at: datetime = LATER) -> Verdict:
    async with world.database.reading() as session:
        return await may_dial(session, client_id=client_id, operator_id=operator_id, now=at)


async def set_rules(world: World, **rules: Any) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id, lock=True)
        await change_campaign(session, campaign=campaign, now=NOON, **rules)


async def away(world: World, user_id: int, first: date, last: date) -> None:
    async with world.transaction() as session:
        session.add(Absence(user_id=user_id, first_day=first, last_day=last, noted_at=NOON))


async def test_who_spoke_keeps_the_client_for_as_long_as_the_rule_says(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await talk(world, client_id, anna)
    refused = await verdict(world, client_id, boris)
    assert (refused.code, refused.params["name"]) == ("dial.owned", "Анна")
    assert refused.next_at == NOON + timedelta(days=14)
    assert (await verdict(world, client_id, anna)).allowed
    with pytest.raises(Refused) as told:
        async with world.transaction() as session:
            await open_call(session, client_id, boris, at=LATER)
    assert told.value.code == "dial.owned"
    fortnight = NOON + timedelta(days=14)
    assert (await verdict(world, client_id, boris, fortnight)).allowed is False
    assert (await verdict(world, client_id, boris, fortnight + timedelta(seconds=1))).allowed
    await talk(world, client_id, boris, at=fortnight + timedelta(hours=1))
    assert (await world.get_client(client_id)).owner_id == boris
    async with world.database.reading() as session:
        noted = await session.scalars(select(AuditEntry.details).where(AuditEntry.action == CLIENT_OWNED))
        assert [(each["was"], each["owner"]) for each in noted] == [(None, anna), (anna, boris)]


async def test_nobody_owns_a_client_who_was_not_spoken_with(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, anna, result=Result.NO_ANSWER)
    await world.outcome(attempt_id, OutcomeForm("no_contact"), anna, at=NOON)
    assert (await world.get_client(client_id)).owner_id is None


@pytest.mark.parametrize(("days", "allowed"), [(None, False), (0, True), (400, False), (2, True)])
async def test_the_days_are_the_campaigns(world: World, days: int | None, allowed: bool) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await talk(world, client_id, anna)
    await set_rules(world, owner_keeps_days=days)
    assert (await verdict(world, client_id, boris)).allowed is allowed


async def test_who_is_away_or_gone_keeps_nobody(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await talk(world, client_id, anna)
    await away(world, anna, LATER.date(), LATER.date())
    assert (await verdict(world, client_id, boris)).allowed
    assert not (await verdict(world, client_id, boris, LATER + timedelta(days=1))).allowed
    await set_rules(world, away_keeps=True)
    assert not (await verdict(world, client_id, boris)).allowed
    async with world.transaction() as session:
        await set_active(session, user=await get_user(session, anna), active=False, now=NOON)
    assert (await verdict(world, client_id, boris)).allowed


async def test_the_plan_gives_a_client_to_the_owner_alone(world: World) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    hers, free = await world.client("Её"), await world.client("Ничей")
    async with world.transaction() as session:
        client = await get_client(session, hers, lock=True)
        await set_owner(session, client=client, owner_id=anna, now=NOON, author_id=None)
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
    async with world.transaction() as session:
        first = await claim_next(session, operator_id=boris, now=NOON, lease_s=LEASE_S)
    async with world.transaction() as session:
        second = await claim_next(session, operator_id=anna, now=NOON, lease_s=LEASE_S)
    assert first is not None
    assert second is not None
    assert (first.client_id, second.client_id) == (free, hers)


async def test_a_client_given_away_after_the_plan_was_built_goes_to_its_owner(world: World) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    client_id = await world.client()
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
        client = await get_client(session, client_id, lock=True)
        await set_owner(session, client=client, owner_id=anna, now=NOON, author_id=None)
    async with world.transaction() as session:
        assert await claim_next(session, operator_id=boris, now=NOON, lease_s=LEASE_S) is None
    async with world.transaction() as session:
        entry = await claim_next(session, operator_id=anna, now=NOON, lease_s=LEASE_S)
    assert entry is not None
    assert (entry.client_id, entry.operator_id) == (client_id, anna)


async def test_an_overdue_promise_may_be_kept_by_anybody(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await talk(world, client_id, anna, OutcomeForm("callback", callback_words="через час"))
    due = NOON + timedelta(hours=1)
    for minutes, code in ((5, "dial.owned"), (15, "")):
        now = due + timedelta(minutes=minutes)
        async with world.transaction() as session:
            await bring_due(session, now=now)
        assert (await verdict(world, client_id, boris, now)).code == code


async def test_the_next_try_at_a_client_waits_for_the_owner(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    await talk(world, client_id, anna, OutcomeForm("warm", person_name="Петров Пётр", summary="Готов смотреть КП"))
    tomorrow = NOON + timedelta(days=1)
    attempt_id = await world.call(client_id, anna, result=Result.BUSY, at=tomorrow)
    await world.outcome(attempt_id, OutcomeForm("no_contact"), anna, at=tomorrow)
    later = tomorrow + timedelta(hours=1)
    async with world.transaction() as session:
        assert await claim_next(session, operator_id=boris, now=later, lease_s=LEASE_S) is None
    async with world.transaction() as session:
        assert await claim_next(session, operator_id=anna, now=later, lease_s=LEASE_S) is not None
