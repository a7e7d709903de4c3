"""Ten thousand promises around both clock changes of five zones come due at the minute that was agreed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update

from crm.base.organisations import Organisation
from crm.clientele.clients import Client, get_client
from crm.plan.callbacks import Callback, CallbackState, agree, bring_due
from crm.plan.plan_entries import EntryState, PlanEntry
from tests.crm.builders import NOON, World

MINUTE = timedelta(minutes=1)
# The days in UTC on which the changes of 2027 happen, or the ones before them. Chatham changes at 2:45, Lord Howe by
# half an hour, Santiago at midnight.
CHANGES = {
    "Europe/Berlin": ("2027-03-27", "2027-10-30"),
    "America/New_York": ("2027-03-13", "2027-11-06"),
    "America/Santiago": ("2027-04-03", "2027-09-04"),
    "Australia/Lord_Howe": ("2027-04-03", "2027-10-02"),
    "Pacific/Chatham": ("2027-04-03", "2027-09-25"),
}
MINUTES_OF_A_CHANGE = 20
APART = 11 * MINUTE
CLIENTS_A_MINUTE = 50


@dataclass(frozen=True)
class Walked:
    """A wall clock watched minute by minute. `first_shown`: the first UTC minute at which it shows that time or a later
    one; `gap` and `twice`: what it skips, and what it shows a second time."""

    first_shown: dict[datetime, datetime]
    gap: frozenset[datetime]
    twice: frozenset[datetime]


def walk(zone_name: str, day: str) -> Walked:
    """Two days from the beginning of `day`, read off the zone's clock: nothing here is computed from a local time."""
    zone = ZoneInfo(zone_name)
    utc = datetime.fromisoformat(f"{day}T00:00+00:00")
    shown = utc.astimezone(zone).replace(tzinfo=None)
    first_shown, gap, twice = {shown: utc}, set[datetime](), set[datetime]()
    furthest = shown
    for _ in range(2 * 24 * 60):
        utc += MINUTE
        shown = utc.astimezone(zone).replace(tzinfo=None)
        while furthest < shown:
            furthest += MINUTE
            first_shown[furthest] = utc
            if furthest != shown:
                gap.add(furthest)
        if shown < furthest or (shown == furthest and first_shown[shown] != utc):
            twice.add(shown)
    return Walked(first_shown, frozenset(gap), frozenset(twice))


def promised_minutes(walked: Walked) -> list[datetime]:
    """Local times at some distance on both sides of the change, with those that the clock skips or repeats."""
    middle = max(walked.gap | walked.twice)
    first = middle - MINUTES_OF_A_CHANGE // 2 * APART
    return [first + step * APART for step in range(MINUTES_OF_A_CHANGE)]


async def agree_on(world: World, owner_id: int, promised: dict[str, list[datetime]]) -> dict[int, tuple[str, datetime]]:
    """Promise each of these local times to so many clients of the zone: to the first in the usual way, the same to the
    others in bulk. Returns the zone and the local time of each promise."""
    async with world.transaction() as session:
        for zone_name, minutes in promised.items():
            found = await session.scalars(
                select(Client.id)
                .join(Organisation, Organisation.id == Client.organisation_id)
                .where(Organisation.time_zone == zone_name)
                .order_by(Client.id)
            )
            client_ids = iter(found.all())
            rows: list[dict[str, object]] = []
            for local_at in minutes:
                client = await get_client(session, next(client_ids))
                made = await agree(session, client=client, owner_id=owner_id, local_at=local_at, now=NOON)
                same = {"owner_id": owner_id, "local_at": local_at, "time_zone": zone_name, "due_at": made.due_at}
                rows += [
                    {"client_id": next(client_ids), "created_at": NOON, **same} for _ in range(CLIENTS_A_MINUTE - 1)
                ]
            await session.execute(insert(Callback), rows)
        found_rows = await session.execute(select(Callback.id, Callback.time_zone, Callback.local_at))
        return {callback_id: (zone_name, local_at) for callback_id, zone_name, local_at in found_rows}


async def poll_and_call(world: World, now: datetime) -> set[int]:
    """Bring what is due; the operators call it at once. What is brought may be called from this minute on."""
    async with world.transaction() as session:
        brought = await bring_due(session, now=now)
        if brought:
            of_these = PlanEntry.callback_id.in_(brought)
            assert set(await session.scalars(select(PlanEntry.opens_at).where(of_these))) == {now}
            await session.execute(update(PlanEntry).where(of_these).values(state=EntryState.DONE, done_at=now))
            settled = {"state": CallbackState.KEPT, "settled_at": now}
            await session.execute(update(Callback).where(Callback.id.in_(brought)).values(settled))
        return set(brought)


def expected_polls(
    agreed: dict[int, tuple[str, datetime]], first_shown: dict[tuple[str, datetime], datetime]
) -> Iterator[tuple[datetime, set[int]]]:
    """The minute before each due one, and the due one itself, with what must come up then."""
    due: dict[datetime, set[int]] = {}
    for callback_id, promised in agreed.items():
        due.setdefault(first_shown[promised], set()).add(callback_id)
    for now in sorted({*due, *(each - MINUTE for each in due)}):
        yield now, due.get(now, set())


async def test_ten_thousand_promises_come_due_at_the_agreed_minute(world: World) -> None:
    operator = await world.operator()
    promised: dict[str, list[datetime]] = {}
    first_shown: dict[tuple[str, datetime], datetime] = {}
    for zone_name, days in CHANGES.items():
        for day in days:
            walked = walk(zone_name, day)
            minutes = promised_minutes(walked)
            assert walked.gap | walked.twice, "the clock is not changed on this day"
            assert set(minutes) & (walked.gap | walked.twice), "none of these times is skipped or repeated"
            assert minutes[0] < min(walked.gap | walked.twice) < max(walked.gap | walked.twice) < minutes[-1]
            promised.setdefault(zone_name, []).extend(minutes)
            first_shown |= {(zone_name, each): walked.first_shown[each] for each in minutes}
        await world.clients(len(promised[zone_name]) * CLIENTS_A_MINUTE, time_zone=zone_name)
    agreed = await agree_on(world, operator, promised)
    assert len(agreed) == 10_000
    for now, expected in expected_polls(agreed, first_shown):
        assert await poll_and_call(world, now) == expected, now
    async with world.database.reading() as session:
        assert await session.scalar(select(Callback.id).where(Callback.state == CallbackState.OPEN).limit(1)) is None
