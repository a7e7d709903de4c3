"""When a client whom nobody reached comes up again, and when a new one is given up as "no contact"."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from crm.audit import RETRY_RULES_SET, AuditEntry
from crm.calls.attempts import Result, get_attempt
from crm.calls.retry_rules import DEFAULTS, Key, Rule, own_rules, rules_of, set_rules
from crm.errors import Refused
from crm.group import Group
from crm.plan.plan_entries import EntryKind, PlanEntry, active_entries
from crm.preparation.campaigns import change_campaign, get_campaign
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World

NO_CONTACT = OutcomeForm("no_contact")


async def decide(world: World, rules: dict[Key, Rule | None]) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id, lock=True)
        await set_rules(session, campaign=campaign, rules=rules, now=NOON)


async def change(world: World, **columns: int) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NOON, **columns)


async def in_vain(
    world: World, client_id: int, operator: int, result: Result, at: datetime, form: OutcomeForm = NO_CONTACT
) -> datetime:
    """A call that nobody answered, written down at once; returns when it ended."""
    attempt_id = await world.call(client_id, operator, result=result, at=at)
    await world.outcome(attempt_id, form, operator, at=at + timedelta(minutes=1))
    async with world.database.reading() as session:
        ended_at = (await get_attempt(session, attempt_id)).ended_at
    assert ended_at is not None
    return ended_at


async def next_try(world: World, client_id: int) -> PlanEntry | None:
    async with world.database.reading() as session:
        found = await active_entries(session, client_id)
    assert all(entry.kind is EntryKind.RETRY for entry in found)
    assert len(found) <= 1
    return found[0] if found else None


async def due(world: World, client_id: int) -> datetime | None:
    entry = await next_try(world, client_id)
    return entry.due_at if entry else None


async def test_the_campaigns_own_rule_weighs_more_and_its_rule_for_the_disposition_most(world: World) -> None:
    operator = await world.operator()
    for rules, wait in (
        ({}, 10),
        ({(Result.BUSY, ""): Rule(25)}, 25),
        ({(Result.BUSY, "no_contact"): Rule(7)}, 7),
        ({(Result.BUSY, "no_contact"): None}, 25),
        ({(Result.BUSY, ""): None}, 10),
    ):
        await decide(world, dict(rules))
        client_id = await world.client(f"После {wait}")
        ended_at = await in_vain(world, client_id, operator, Result.BUSY, NOON)
        assert await due(world, client_id) == ended_at + timedelta(minutes=wait)
    async with world.database.reading() as session:
        assert await own_rules(session, world.campaign_id) == {}
        assert (await rules_of(session, world.campaign_id))[Result.BUSY, ""] == DEFAULTS[Result.BUSY]


async def test_a_rule_may_leave_the_client_to_the_days_plan_or_take_one_up_who_answered(world: World) -> None:
    operator, busy, answered = await world.operator(), await world.client(), await world.client("Секретарь")
    await decide(world, {(Result.BUSY, ""): Rule(None), (Result.ANSWERED, ""): Rule(30)})
    await in_vain(world, busy, operator, Result.BUSY, NOON)
    assert await next_try(world, busy) is None
    ended_at = await in_vain(world, answered, operator, Result.ANSWERED, NOON)
    assert await due(world, answered) == ended_at + timedelta(minutes=30)


async def test_after_two_tries_in_vain_another_part_of_the_day(world: World) -> None:
    """By the client's clock in Perm, two hours ahead of Moscow; calls are made there from 9 to 18."""
    operator, client_id = await world.operator(), await world.client()
    morning = datetime.fromisoformat("2026-11-23T09:30+05:00")
    ended_at = await in_vain(world, client_id, operator, Result.NO_ANSWER, morning)
    assert await due(world, client_id) == ended_at + timedelta(hours=2)
    await in_vain(world, client_id, operator, Result.NO_ANSWER, morning + timedelta(hours=2))
    entry = await next_try(world, client_id)
    assert entry is not None
    assert (entry.opens_at, entry.closes_at) == (
        datetime.fromisoformat("2026-11-23T12:00+05:00"),
        datetime.fromisoformat("2026-11-23T18:00+05:00"),
    )
    await change(world, attempts_a_day=9, number_attempts_a_day=9)
    for at, then in (
        ("2026-11-23T12:10+05:00", "2026-11-23T15:00+05:00"),
        ("2026-11-23T15:10+05:00", "2026-11-24T12:00+05:00"),  # the morning was tried twice, the others once
        ("2026-11-24T12:10+05:00", "2026-11-24T15:00+05:00"),
        ("2026-11-24T15:10+05:00", "2026-11-25T09:00+05:00"),  # each twice: the soonest
    ):
        await in_vain(world, client_id, operator, Result.NO_ANSWER, datetime.fromisoformat(at))
        assert await due(world, client_id) == datetime.fromisoformat(then), at


async def test_another_part_of_the_day_is_on_a_working_day(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    friday = datetime.fromisoformat("2026-11-27T15:10+05:00")
    for at in (friday, friday + timedelta(hours=1)):
        await in_vain(world, client_id, operator, Result.NO_ANSWER, at)
    assert await due(world, client_id) == datetime.fromisoformat("2026-11-30T09:00+05:00")


async def test_an_answer_begins_the_count_anew(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    await change(world, attempts_a_day=9, number_attempts_a_day=9)
    for hour, result in enumerate((Result.NO_ANSWER, Result.NO_ANSWER, Result.ANSWERED)):
        form = OutcomeForm("warm") if result is Result.ANSWERED else NO_CONTACT
        await in_vain(world, client_id, operator, result, NOON + timedelta(minutes=20 * hour), form)
    ended_at = await in_vain(world, client_id, operator, Result.NO_ANSWER, NOON + timedelta(hours=1))
    assert await due(world, client_id) == ended_at + timedelta(hours=2)


@pytest.mark.parametrize(
    ("group", "after"),
    [
        (Group.NEW, [Group.NEW, Group.NO_CONTACT]),
        (Group.HOT, [Group.HOT, Group.HOT]),
        (Group.WARM, [Group.WARM, Group.WARM]),
        (Group.COLD, [Group.COLD, Group.COLD]),
        (Group.ABANDONED, [Group.ABANDONED, Group.ABANDONED]),
    ],
)
async def test_at_the_cap_only_a_new_client_becomes_no_contact(world: World, group: Group, after: list[Group]) -> None:
    operator, client_id = await world.operator(), await world.client(group=group)
    await change(world, tries_to_no_contact=2)
    found = []
    for minutes, result in ((0, Result.BUSY), (20, Result.CANCELLED), (40, Result.NO_ANSWER)):
        await in_vain(world, client_id, operator, result, NOON + timedelta(minutes=minutes))
        found.append((await world.get_client(client_id)).group)
    assert found[1:] == after
    assert found[0] is group


async def test_what_cannot_be_is_refused(world: World) -> None:
    for key, rule, code in (
        ((Result.BUSY, ""), Rule(0), "retry.wait"),
        ((Result.BUSY, ""), Rule(43_201), "retry.wait"),
        ((Result.BUSY, "cold"), Rule(10), "retry.not_after"),
    ):
        with pytest.raises(Refused) as refused:
            await decide(world, {key: rule})
        assert refused.value.code == code
    with pytest.raises(Refused) as refused:
        await change(world, tries_to_no_contact=0)
    assert refused.value.code == "campaign.tries_to_no_contact"
    with pytest.raises(DBAPIError, match=r"(?i)check"):
        async with world.database.engine.begin() as connection:
            await connection.execute(text("INSERT INTO retry_rules VALUES (1, 'busy', '', 0, false)"))


async def test_every_change_is_in_the_audit_and_what_changes_nothing_is_not(world: World) -> None:
    await decide(world, {(Result.BUSY, ""): Rule(10), (Result.NO_ANSWER, ""): None})
    await decide(world, {(Result.BUSY, ""): Rule(11, other_part=True)})
    async with world.database.reading() as session:
        noted = (await session.scalars(select(AuditEntry).where(AuditEntry.action == RETRY_RULES_SET))).one()
    assert noted.details == {"busy": [{"after_min": 10, "other_part": False}, {"after_min": 11, "other_part": True}]}
