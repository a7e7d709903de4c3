"""Working days, and what follows from them and from the limits for who may be dialled."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from crm.audit import CALENDAR_DAY_SET, AuditEntry
from crm.base.phone_numbers import PhoneNumber
from crm.calls.attempts import Result
from crm.calls.dial_rules import Verdict, may_dial
from crm.clientele.clients import add_client, get_client
from crm.day.day_plan import build, claim_next, is_built, recent_changes
from crm.errors import Conflict, CrmError, Refused
from crm.preparation.call_lists import ListState, list_named, set_list_state
from crm.preparation.calling_hours import window_at_or_after
from crm.preparation.campaigns import (
    Campaign,
    add_campaign,
    campaign_named,
    change_campaign,
    get_campaign,
    set_calendar_day,
)
from crm.preparation.working_calendar import CalendarDay, holiday_name, is_working_day
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World, open_call

FRIDAY = datetime(2026, 11, 27, 9, tzinfo=UTC)
SATURDAY, MONDAY = date(2026, 11, 28), date(2026, 11, 30)


@pytest.mark.parametrize(
    ("country", "day", "works"),
    [
        ("RU", "2007-03-30", True),
        ("RU", "2026-01-09", False),  # moved from a Saturday (resolution of the government of 24 September 2025)
        ("RU", "2025-11-01", True),  # a Saturday that was worked
        ("RU", "2026-05-11", False),
        ("RU", "2026-11-28", False),
        ("", "2026-05-11", True),
        ("", "2026-11-28", False),
        ("DE", "2026-10-03", False),
    ],
)
def test_the_calendar_of_a_country(country: str, day: str, works: bool) -> None:
    assert is_working_day(country, date.fromisoformat(day)) is works


def test_a_holiday_has_its_name_in_the_readers_language() -> None:
    day = date(2026, 6, 12)
    assert holiday_name("RU", day, "ru") == "День России"
    assert holiday_name("RU", day, "en") == "Russia Day"
    assert holiday_name("DE", date(2026, 10, 3), "ru") == "German Unity Day"
    assert holiday_name("RU", date(2026, 6, 11), "ru") == holiday_name("", day, "ru") == ""


def test_the_working_days_of_the_known_project() -> None:
    """2007-03-12 to 2007-04-23: 15 in March, 16 in April."""
    campaign = Campaign(country="RU", days=[])
    assert campaign.working_days(date(2007, 3, 12), date(2007, 3, 31)) == 15
    assert campaign.working_days(date(2007, 4, 1), date(2007, 4, 23)) == 16
    assert campaign.working_days(date(2007, 4, 2), date(2007, 4, 1)) == 0


async def set_day(
    world: World, day: date, works: bool | None, reason: str = "решили так", *, now: datetime = NOON
) -> None:
    async with world.transaction() as session:
        campaign = await session.get_one(Campaign, world.campaign_id)
        await set_calendar_day(session, campaign=campaign, day=day, works=works, reason=reason, now=now)


async def verdict_at(world: World, client_id: int, operator_id: int, now: datetime) -> Verdict:
    async with world.database.reading() as session:
        return await may_dial(session, client_id=client_id, operator_id=operator_id, now=now)


async def test_nobody_is_called_on_a_day_off(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    saturday = FRIDAY + timedelta(days=1)
    verdict = await verdict_at(world, client_id, operator, saturday)
    assert (verdict.code, verdict.params) == ("dial.day_off", {"day": SATURDAY})
    assert verdict.next_at == datetime(2026, 11, 30, 4, tzinfo=UTC)
    async with world.transaction() as session:
        assert await is_built(session, campaign_id=world.campaign_id, day=SATURDAY)
        assert await build(session, campaign_id=world.campaign_id, day=SATURDAY, now=saturday) == 0
        assert await build(session, campaign_id=world.campaign_id, day=MONDAY, now=saturday) == 1
    # Saturday is worked in place of Monday.
    await set_day(world, SATURDAY, True)
    await set_day(world, MONDAY, False)
    assert (await verdict_at(world, client_id, operator, saturday)).allowed
    monday = await verdict_at(world, client_id, operator, saturday + timedelta(days=2))
    assert (monday.code, monday.next_at) == ("dial.day_off", datetime(2026, 12, 1, 4, tzinfo=UTC))


async def test_a_campaign_may_call_on_days_off(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    async with world.transaction() as session:
        campaign = await session.get_one(Campaign, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NOON, calls_on_days_off=True)
        assert not campaign.is_working_day(SATURDAY)
        assert campaign.calls_on(SATURDAY)
    assert (await verdict_at(world, client_id, operator, FRIDAY + timedelta(days=1))).allowed


async def test_a_promise_is_kept_on_a_day_off(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator, at=FRIDAY)
    form = OutcomeForm("callback", callback_at_local=datetime.fromisoformat("2026-11-28T12:00"))
    await world.outcome(attempt_id, form, operator, at=FRIDAY)
    due = datetime(2026, 11, 28, 7, tzinfo=UTC)
    assert (await verdict_at(world, client_id, operator, due - timedelta(seconds=1))).code == "dial.day_off"
    assert (await verdict_at(world, client_id, operator, due)).allowed
    assert (await verdict_at(world, client_id, operator, due + timedelta(minutes=60))).code == "dial.day_off"


async def test_a_day_that_becomes_a_working_day_again_has_its_plan_again(world: World) -> None:
    operator = await world.operator()
    client_id = await world.client()
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
        before = await recent_changes(session, now=NOON)
    await set_day(world, NOON.date(), False)
    async with world.transaction() as session:
        assert await claim_next(session, operator_id=operator, now=NOON, lease_s=60) is None
    await set_day(world, NOON.date(), None, "", now=NOON + timedelta(minutes=1))
    await set_day(world, MONDAY, False, now=NOON + timedelta(minutes=1))
    async with world.transaction() as session:
        recent = await recent_changes(session, now=NOON + timedelta(minutes=1))
        assert recent > before, "the service looks for this to build the plan again"
        assert await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON) == 1
        entry = await claim_next(session, operator_id=operator, now=NOON, lease_s=60)
    assert entry is not None
    assert entry.client_id == client_id


async def test_what_was_decided_is_in_the_audit_with_its_reason(world: World) -> None:
    await set_day(world, MONDAY, False, "  переезд  ")
    await set_day(world, MONDAY, True, "остались")
    await set_day(world, MONDAY, None, "")
    with pytest.raises(Refused) as refused:
        await set_day(world, MONDAY, True, " ")
    assert refused.value.code == "calendar.needs_reason"
    async with world.database.reading() as session:
        assert (await session.get_one(Campaign, world.campaign_id)).days == []
        noted = await session.scalars(select(AuditEntry).where(AuditEntry.action == CALENDAR_DAY_SET))
        assert [(each.details["was"], each.details["works"], each.details["reason"]) for each in noted] == [
            (None, False, "переезд"),
            (False, True, "остались"),
            (True, None, ""),
        ]


async def test_the_database_wants_a_reason_too(world: World) -> None:
    day = CalendarDay(campaign_id=world.campaign_id, day=MONDAY, works=True, reason=" ", set_at=NOON)
    with pytest.raises(DBAPIError):
        async with world.transaction() as session:
            session.add(day)


async def test_what_a_campaign_cannot_be(world: World) -> None:
    for values, code in (
        ({"country": "XX"}, "calendar.unknown_country"),
        ({"gap_min": -1}, "campaign.gap"),
        ({"number_attempts_a_day": 0}, "campaign.attempts_a_day"),
    ):
        with pytest.raises(CrmError) as refused:
            async with world.transaction() as session:
                await add_campaign(session, name="Другая", now=NOON, **values)
        assert refused.value.code == code


async def test_what_was_changed_meanwhile_is_not_overwritten(world: World) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id, lock=True)
        seen = campaign.version
        await change_campaign(session, campaign=campaign, now=NOON, gap_min=9, version=seen)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id, lock=True)
        with pytest.raises(Conflict) as refused:
            await change_campaign(session, campaign=campaign, now=NOON, gap_min=1, version=seen)
    assert refused.value.code == "campaign.changed_meanwhile"


async def test_nobody_approves_without_a_name(world: World) -> None:
    with pytest.raises(Refused) as refused:
        async with world.transaction() as session:
            await set_list_state(session, call_list_id=world.call_list_id, to=ListState.APPROVED, by="  ", now=NOON)
    assert refused.value.code == "list.needs_signature"


def test_a_calendar_that_never_works_holds_nobody_up() -> None:
    first = NOON.date()
    never = [CalendarDay(day=first + timedelta(days=n), works=False) for n in range(500)]
    campaign = Campaign(
        country="", days=never, calls_on_days_off=False, time_zone="Europe/Moscow",
        calls_from=time(9), calls_until=time(18),
    )  # fmt: skip
    assert window_at_or_after(campaign, "Europe/Moscow", NOON).opens_at > NOON + timedelta(days=365)


async def other_campaign_of(world: World, client_id: int) -> int:
    """The same company in a second campaign."""
    async with world.transaction() as session:
        other = await add_campaign(session, name="Вторая", now=NOON)
        call_list = await list_named(session, campaign_id=other.id, name="Список")
        known = await get_client(session, client_id)
        client = await add_client(
            session, campaign_id=other.id, organisation_id=known.organisation_id, call_list_id=call_list.id, now=NOON
        )
        return client.id


async def unanswered(world: World, client_id: int, operator: int, at: datetime) -> None:
    attempt_id = await world.call(client_id, operator, result=Result.NO_ANSWER, at=at)
    await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=at)


async def test_between_two_unanswered_tries_at_a_number_time_passes(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    await unanswered(world, client_id, operator, NOON)
    ended = NOON + timedelta(seconds=20)
    verdict = await verdict_at(world, client_id, operator, NOON + timedelta(minutes=4))
    assert (verdict.code, verdict.params) == ("dial.gap", {"minutes": 3, "gap": 5})
    assert verdict.next_at == ended + timedelta(minutes=5)
    assert (await verdict_at(world, client_id, operator, ended + timedelta(minutes=5))).allowed


async def test_the_number_that_may_be_dialled_is_chosen_among_all_of_the_company(world: World) -> None:
    operator, client_id = await world.operator(), await world.client(phones=2)
    await unanswered(world, client_id, operator, NOON)
    now = NOON + timedelta(minutes=1)
    async with world.database.reading() as session:
        first, second = await session.scalars(select(PhoneNumber.id).order_by(PhoneNumber.rank))
        any_number = await may_dial(session, client_id=client_id, operator_id=operator, now=now)
        this_one = await may_dial(session, client_id=client_id, operator_id=operator, now=now, phone_number_id=first)
    assert (any_number.allowed, any_number.phone_number_id) == (True, second)
    assert this_one.code == "dial.gap"
    async with world.transaction() as session:
        assert (await open_call(session, client_id, operator, at=now)).phone_number_id == second


async def test_a_call_that_was_cut_off_may_be_made_again_at_once(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator, at=NOON, talk_seconds=5)
    await world.outcome(attempt_id, OutcomeForm("no_contact"), operator, at=NOON + timedelta(seconds=30))
    assert (await verdict_at(world, client_id, operator, NOON + timedelta(seconds=40))).allowed


async def test_the_company_is_counted_over_all_campaigns(world: World) -> None:
    operator, client_id = await world.operator(), await world.client(phones=3)
    elsewhere = await other_campaign_of(world, client_id)
    for hour, client in enumerate((client_id, elsewhere, client_id)):
        await unanswered(world, client, operator, NOON + timedelta(hours=hour / 2))
    for client in (client_id, elsewhere):
        verdict = await verdict_at(world, client, operator, NOON + timedelta(hours=2))
        assert (verdict.code, verdict.params) == ("dial.cap", {"count": 3, "cap": 3})


async def test_a_number_that_companies_share_is_counted_over_all_of_them(world: World) -> None:
    operator = await world.operator()
    clients = [await world.client(name) for name in ("Первая", "Вторая", "Третья", "Четвёртая")]
    async with world.transaction() as session:
        await session.execute(update(PhoneNumber).values(e164="+73420000555"))
    for number, client in enumerate(clients[:3]):
        await unanswered(world, client, operator, NOON + timedelta(minutes=20 * number))
    verdict = await verdict_at(world, clients[3], operator, NOON + timedelta(hours=2))
    assert (verdict.code, verdict.params) == ("dial.number_cap", {"count": 3, "cap": 3})
    assert verdict.next_at == datetime(2026, 11, 24, 4, tzinfo=UTC)


async def test_a_campaign_is_read_with_its_days(world: World) -> None:
    await set_day(world, MONDAY, False)
    async with world.database.reading() as session:
        name = await session.scalar(select(Campaign.name).where(Campaign.id == world.campaign_id))
        assert name is not None
        assert [each.day for each in (await campaign_named(session, name)).days] == [MONDAY]
