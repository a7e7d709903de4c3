"""What a replay says of single calls under changed rules, of facts that are made up here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crm.calls.retry_rules import Key, Rule
from crm.group import Group
from crm.plan.dispositions import DISPOSITIONS
from crm.plan.plan_entries import EntryKind
from crm.preparation.campaigns import Campaign
from crm.preparation.plan_rules import GROUPS_IN_TURN, SharesBy
from crm.preparation.results import Result
from crm.what_if.as_it_was import AsItWas, look_back
from crm.what_if.drafts import Rules
from crm.what_if.facts import Elsewhere, Facts, Known, Period, Promised, RecordedTry
from crm.what_if.outcome import Change, Outcome, Why
from crm.what_if.replay import Replay

MONDAY = date(2026, 11, 23)
NUMBERS = count()


def at(clock: str, day: int = 0) -> datetime:
    """That time on Moscow's clock, so many days after Monday."""
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 11, 23 + day, hour, minute, tzinfo=UTC) - timedelta(hours=3)


def rules(own: dict[Key, Rule] | None = None, **columns: Any) -> Rules:
    usual = {
        "time_zone": "Europe/Moscow", "calls_from": time(9), "calls_until": time(18), "calls_on_days_off": False,
        "country": "RU", "attempts_a_day": 3, "number_attempts_a_day": 3, "gap_min": 5, "days": [],
        "group_order": GROUPS_IN_TURN, "calls_a_day": None, "shares_by": SharesBy.NOTHING, "shares": "",
        "owner_keeps_days": 14, "away_keeps": False, "tries_to_no_contact": 3,
    }  # fmt: skip
    return Rules(Campaign(**usual | columns), own or {}, DISPOSITIONS)


USUAL = rules()


def call(
    opened_at: datetime, result: Result = Result.BUSY, *, kind: EntryKind = EntryKind.GROUP, client: int = 1,
    **fields: Any,
) -> RecordedTry:  # fmt: skip
    """A call of half a minute whose outcome is written down a minute after its beginning."""
    answered_at = opened_at + timedelta(seconds=9) if result is Result.ANSWERED else None
    usual = {
        "disposition": "no_contact", "callback_id": None, "contact": False, "main": False, "promised": False,
        "number": f"+7495000000{client}",
    }  # fmt: skip
    return RecordedTry(
        id=f"{next(NUMBERS):032x}", client_id=client, kind=kind, opened_at=opened_at, answered_at=answered_at,
        ended_at=opened_at + timedelta(seconds=30), written_at=opened_at + timedelta(minutes=1), result=result,
        **usual | fields,
    )  # fmt: skip


def somebody_works(day: int) -> RecordedTry:
    """A call of somebody else's, by which there are people at work on that day."""
    return call(at("12:00", day), Result.ANSWERED, client=9, kind=EntryKind.HANDPICKED, disposition="cold")


def facts(*tries: RecordedTry, promises: Sequence[Promised] = (), elsewhere: Sequence[Elsewhere] = ()) -> Facts:
    found = Facts(Period.of(USUAL.campaign, MONDAY, MONDAY + timedelta(days=4)))
    found.tries += sorted(tries, key=lambda one: one.opened_at)
    for client_id in {one.client_id for one in tries}:
        found.clients[client_id] = Known(client_id, client_id, "Europe/Moscow", Group.NEW, reachable=True)
    for promise in promises:
        found.promises[promise.client_id].append(promise)
    found.elsewhere += elsewhere
    return found


def replayed(happened: Facts, after: Rules, before: Rules = USUAL, *, with_order: bool = False) -> Outcome:
    was = AsItWas()
    for _ in look_back(happened, before, was, with_order=with_order):
        pass
    replay = Replay(happened, after, was, with_order=with_order)
    for _ in replay.run():
        pass
    return replay.outcome


def told(outcome: Outcome) -> list[tuple[Change, str, datetime | None, datetime | None]]:
    return [(each.change, each.reason, each.at, each.new_at) for each in outcome.differences]


RETRY = EntryKind.RETRY
HISTORY = st.lists(
    st.builds(
        lambda day, minute, result, kind, client, disposition: call(
            at("07:00", day) + timedelta(minutes=minute), result, kind=kind, client=client, disposition=disposition
        ),
        st.integers(0, 4), st.integers(0, 900), st.sampled_from(list(Result)), st.sampled_from(list(EntryKind)),
        st.integers(1, 4), st.sampled_from(["no_contact", "nonexistent", "cold", ""]),
    ),
    max_size=25,
    unique_by=lambda one: (one.client_id, one.opened_at),
)  # fmt: skip


@given(HISTORY, st.booleans())
@settings(deadline=None, max_examples=60)
def test_the_same_rules_make_no_difference_whatever_happened(history: list[RecordedTry], with_order: bool) -> None:
    found = replayed(facts(*history), rules(), with_order=with_order)
    assert found.differences == []
    total = found.total
    assert (total.before, total.expected.attempts) == (total.stays, 0)
    assert (total.free, total.turned_away) == (0, 0)


@given(HISTORY, st.integers(1, 4), st.integers(0, 120), st.integers(8, 12))
@settings(deadline=None, max_examples=60)
def test_every_call_stays_moves_or_is_lost_and_no_day_has_more_calls(
    history: list[RecordedTry], cap: int, gap: int, begins: int
) -> None:
    own = {(Result.BUSY, ""): Rule(cap * 20), (Result.NO_ANSWER, ""): Rule(None)}
    found = replayed(facts(*history), rules(own, attempts_a_day=cap, gap_min=gap, calls_from=time(begins)))
    differing = [each.attempt_id for each in found.differences if each.attempt_id]
    assert len(differing) == len(set(differing))
    assert found.total.stays.attempts == len(history) - len(differing)
    assert all(each.new_at is None or each.new_at >= found.period.begins_at for each in found.differences)
    for line in found.days.values():
        assert line.turned_away == 0 or line.free == 0


def test_beyond_the_cap_a_call_moves_to_the_next_day_on_which_somebody_works() -> None:
    third = call(at("15:00"), kind=EntryKind.HANDPICKED)
    happened = facts(call(at("10:00")), call(at("12:00"), kind=EntryKind.HANDPICKED), third, somebody_works(2))
    assert told(replayed(happened, rules(attempts_a_day=2))) == [
        (Change.MOVED, "dial.cap", third.opened_at, at("09:00", 2))
    ]


def test_it_is_lost_where_the_client_was_called_on_that_day_anyway() -> None:
    third = call(at("15:00"), kind=EntryKind.HANDPICKED, contact=True, result=Result.ANSWERED)
    happened = facts(
        call(at("10:00")), call(at("12:00"), kind=EntryKind.HANDPICKED), third, call(at("11:00", 1), Result.ANSWERED)
    )
    found = replayed(happened, rules(attempts_a_day=2))
    assert told(found) == [(Change.LOST, "dial.cap", third.opened_at, None)]
    assert (found.total.before.contacts, found.total.after.contacts) == (1, 0)
    assert found.total.free == 1


def test_a_call_that_a_rule_brought_follows_the_rule() -> None:
    """It waited five minutes for somebody then, and would now."""
    second = call(at("10:15") + timedelta(seconds=30), kind=RETRY)
    third = call(at("10:30"), kind=RETRY)
    happened = facts(call(at("10:00")), second, third)
    found = replayed(happened, rules({(Result.BUSY, ""): Rule(60)}))
    moved_to = at("11:05") + timedelta(seconds=30)
    assert told(found)[0] == (Change.MOVED, Why.RETRY, second.opened_at, moved_to)
    assert told(found)[1][:3] == (Change.MOVED, Why.RETRY, third.opened_at)
    assert told(found)[1][3] == moved_to + timedelta(seconds=30, hours=1) + (
        third.opened_at - second.opened_at - timedelta(minutes=10, seconds=30)
    )


def test_where_the_rule_leaves_the_client_to_the_plan_the_next_day_brings_it() -> None:
    second = call(at("10:12"), kind=RETRY)
    happened = facts(call(at("10:00")), second, somebody_works(1))
    assert told(replayed(happened, rules({(Result.BUSY, ""): Rule(None)}))) == [
        (Change.MOVED, Why.NO_RETRY, second.opened_at, at("09:00", 1))
    ]


def test_a_try_that_nobody_made_is_gained_where_there_is_room() -> None:
    """The last call of the groups makes room for it."""
    other = call(at("16:00"), Result.ANSWERED, client=2, contact=True, disposition="warm")
    happened = facts(call(at("10:00"), Result.CANCELLED), other)
    before = rules({(Result.CANCELLED, ""): Rule(None)})
    found = replayed(happened, rules({(Result.CANCELLED, ""): Rule(30)}), before)
    assert told(found) == [
        (Change.GAINED, Why.RETRY, None, at("10:30") + timedelta(seconds=30)),
        (Change.LOST, Why.NO_ROOM, other.opened_at, None),
    ]
    assert found.total.before.attempts == found.total.stays.attempts + found.total.expected.attempts


def test_what_a_lost_call_promised_is_not_called() -> None:
    maker = call(at("17:30"), Result.ANSWERED, promised=True, disposition="callback")
    promise = Promised(7, 1, at("11:00", 3), "Europe/Moscow", maker.written_at, at("11:02", 3), maker.id, "x")
    kept = call(at("11:01", 3), Result.ANSWERED, kind=EntryKind.CALLBACK, callback_id=7)
    between = call(at("12:00", 1), Result.ANSWERED, disposition="cold")
    found = replayed(facts(maker, between, kept, promises=[promise]), rules(calls_until=time(17)))
    assert told(found) == [
        (Change.LOST, "dial.hours", maker.opened_at, None),
        (Change.LOST, Why.PROMISE, kept.opened_at, None),
    ]


def test_a_promised_call_is_made_whatever_the_hours_and_the_caps_say() -> None:
    promise = Promised(7, 1, at("17:30"), "Europe/Moscow", at("09:00") - timedelta(days=9), at("17:40"), None, "x")
    kept = call(at("17:31"), Result.ANSWERED, kind=EntryKind.CALLBACK, callback_id=7)
    happened = facts(call(at("10:00"), Result.ANSWERED, disposition="cold"), kept, promises=[promise])
    assert told(replayed(happened, rules(calls_until=time(15), attempts_a_day=1))) == []


def test_other_campaigns_and_letters_count_for_the_cap() -> None:
    late = call(at("15:00"))
    letter = Elsewhere(1, "", at("10:00"), at("10:00"), None)
    happened = facts(late, elsewhere=[letter])
    assert [each[1] for each in told(replayed(happened, rules(attempts_a_day=1)))] == ["dial.cap"]


def test_what_is_expected_is_what_came_of_calls_of_that_kind() -> None:
    """Of thirty first calls in the morning half were contacts; a call that moves to a morning counts for half a one."""
    mornings = [
        call(at("10:00", 1) + timedelta(minutes=number), Result.ANSWERED, client=number + 10, contact=number % 2 == 0,
             number=f"+7812{number}", disposition="cold")
        for number in range(30)
    ]  # fmt: skip
    evening = call(at("17:45"), Result.ANSWERED, contact=True, disposition="cold")
    found = replayed(facts(evening, *mornings), rules(calls_until=time(17)))
    moved, makes_room = found.differences
    assert (makes_room.reason, makes_room.attempt_id) == (Why.NO_ROOM, mornings[-1].id)
    assert (moved.had.contacts, moved.expected.contacts) == (1, 0.5)
    assert replace(moved.expected, attempts=0).answered == 1
