"""From the outcome to the expert's first talk: in working minutes and by the clock, and who still waits."""

from __future__ import annotations

from datetime import timedelta

from crm.experts.referring import pass_on_lapsed
from crm.preparation.results import Result
from crm.reports.first_contacts import FirstContact, first_contacts, summary
from crm.wrap_up.outcomes import OutcomeForm, current_outcome
from tests.crm.builders import NOON, World
from tests.crm.experts.test_referrals import WRITTEN, expert, given_back, taken, warm

CLOSING = NOON.replace(hour=14, minute=50)  # ten minutes before the campaign's evening
EVENING = NOON + timedelta(hours=9)


async def found(world: World) -> list[FirstContact]:
    async with world.database.reading() as session:
        return await first_contacts(session, since=NOON - timedelta(days=1), now=EVENING + timedelta(days=1))


async def talk(world: World, client_id: int, user_id: int, minutes: int, result: Result = Result.ANSWERED) -> None:
    """So many minutes after the outcome was written; it is answered after 20 seconds."""
    at = WRITTEN + timedelta(minutes=minutes) - timedelta(seconds=20)
    attempt_id = await world.call(client_id, user_id, result=result, at=at)
    form = OutcomeForm("cold", person_name="Петрова Анна", reason="дорого") if result is Result.ANSWERED else None
    await world.outcome(attempt_id, form or OutcomeForm("no_contact"), user_id, at=at + timedelta(minutes=2))


async def test_the_first_answered_call_of_the_expert_ends_it(world: World) -> None:
    anna, egor, client_id = await world.operator(), await expert(world, "Егор"), await world.client()
    await warm(world, client_id, anna)
    (row,) = await found(world)
    assert (row.waits, row.expert, row.handed_at) == (True, "Егор", WRITTEN)
    await taken(world, client_id, egor)
    await talk(world, client_id, egor, 20, Result.NO_ANSWER)
    assert (await found(world))[0].waits
    await talk(world, client_id, egor, 34)
    (row,) = await found(world)
    assert (row.waits, row.working, row.by_clock, row.expert) == (False, 34, 34, "Егор")


async def test_the_callers_own_talk_does_not(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    await expert(world, "Егор")
    await warm(world, client_id, anna)
    await talk(world, client_id, anna, 30)
    assert (await found(world))[0].waits


async def test_over_the_night_no_working_time_passes(world: World) -> None:
    anna, egor = await world.operator(), await expert(world, "Егор")
    client_id = await world.client(time_zone="Europe/Moscow")
    await warm(world, client_id, anna, at=CLOSING - timedelta(minutes=3))
    await taken(world, client_id, egor, at=CLOSING)
    at = NOON.replace(day=24, hour=6, minute=30) - timedelta(seconds=20)
    attempt_id = await world.call(client_id, egor, at=at)
    await world.outcome(attempt_id, OutcomeForm("cold", person_name="Петрова Анна", reason="дорого"), egor, at=at)
    (row,) = await found(world)
    assert (row.working, row.by_clock) == (10 + 30, 15 * 60 + 40)


async def test_whoever_had_let_it_pass_it_counts_from_the_first_offer(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    egor, zoya = await expert(world, "Егор"), await expert(world, "Зоя")
    await warm(world, client_id, anna)
    async with world.transaction() as session:
        await pass_on_lapsed(session, now=WRITTEN + timedelta(hours=1))
    await taken(world, client_id, zoya, at=WRITTEN + timedelta(minutes=70))
    await talk(world, client_id, zoya, 90)
    (row,) = await found(world)
    assert (row.working, row.expert) == (90, "Зоя")
    assert egor != zoya


async def test_median_longest_and_who_waits(world: World) -> None:
    anna, egor = await world.operator(), await expert(world, "Егор")
    for name, minutes in (("Север", 10), ("Юг", 20), ("Запад", 60)):
        client_id = await world.client(name)
        await warm(world, client_id, anna)
        await taken(world, client_id, egor)
        await talk(world, client_id, egor, minutes)
    waits = await world.client("Восток")
    await warm(world, waits, anna)
    silent = await world.client("Центр")
    await warm(world, silent, anna)
    await world.silence(silent)
    undone = await world.client("Край")
    attempt_id = await warm(world, undone, anna)
    async with world.database.reading() as session:
        outcome = await current_outcome(session, attempt_id)
    assert outcome is not None
    form = OutcomeForm("cold", person_name="Петрова Анна", reason="дорого")
    await world.outcome(attempt_id, form, anna, at=WRITTEN + timedelta(minutes=9), corrects=outcome.id)
    rows = await found(world)
    assert [row.organisation for row in rows] == ["Восток", "Запад", "Юг", "Север"]
    counts = summary(rows)
    assert (counts.talked, counts.median_working, counts.longest_working, counts.waiting) == (3, 20, 60, 1)
    await given_back(world, waits, egor)
    assert (await found(world))[0].expert == "", "nobody has it, and it waits on"
    assert summary([]).median_working is None
