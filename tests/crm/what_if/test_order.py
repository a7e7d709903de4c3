"""What a replay says of whom the plan would have brought under other rules of its order, of facts that are made up
here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crm.group import Group
from crm.preparation.plan_rules import SharesBy
from crm.preparation.results import Result
from crm.what_if.facts import Facts, Known, Person, RecordedTry, Skipped
from crm.what_if.outcome import Change, Outcome, Why
from tests.crm.what_if.test_replay import HISTORY, at, call, facts, replayed, rules, told

ANNA, BORIS = 1, 2


def answered(opened_at: datetime, client: int, *, operator: int = ANNA, **fields: Any) -> RecordedTry:
    """Somebody spoke with the client, who stays in its group."""
    usual: dict[str, Any] = {"disposition": "callback", "operator_id": operator, "talked": True}
    return call(opened_at, Result.ANSWERED, client=client, **usual | fields)


def waiting(happened: Facts, client: int, **fields: object) -> None:
    """A client whom nobody called."""
    known = Known(client, client, "Europe/Moscow", Group.NEW, reachable=True, number=f"+7495000000{client}")
    for name, value in fields.items():
        setattr(known, name, value)
    happened.clients[client] = known


def in_groups(happened: Facts, **groups: Group) -> Facts:
    for name, group in groups.items():
        happened.clients[int(name.removeprefix("client_"))].group = group
    happened.people += [Person(ANNA, True, True), Person(BORIS, True, True)]
    return happened


def tried(happened: Facts, **columns: Any) -> Outcome:
    return replayed(happened, rules(**columns), with_order=True)


def test_another_group_first_moves_calls_to_another_part_of_the_day() -> None:
    """Both were called: the warm one in the morning, the cold one in the afternoon."""
    happened = in_groups(
        facts(answered(at("10:00"), 1), answered(at("15:30"), 2)), client_1=Group.WARM, client_2=Group.COLD
    )
    assert told(tried(happened, group_order="cold,warm")) == [
        (Change.MOVED, Why.ORDER, at("15:30"), at("10:00")),
        (Change.MOVED, Why.ORDER, at("10:00"), at("15:30")),
    ]


def test_in_the_same_part_of_the_day_it_is_as_it_was() -> None:
    happened = in_groups(
        facts(answered(at("10:00"), 1), answered(at("11:30"), 2)), client_1=Group.WARM, client_2=Group.COLD
    )
    found = tried(happened, group_order="cold,warm")
    assert (found.differences, found.total.stays.attempts) == ([], 2)


def test_who_was_not_called_is_gained_and_the_last_one_lost() -> None:
    happened = in_groups(facts(answered(at("10:00"), 1, contact=True)), client_1=Group.NEW)
    waiting(happened, 2, group=Group.NO_CONTACT)
    found = tried(happened, group_order="no_contact,new")
    assert told(found) == [(Change.GAINED, Why.ORDER, None, at("10:00")), (Change.LOST, Why.ORDER, at("10:00"), None)]
    assert [each.client_id for each in found.differences] == [2, 1]
    assert (found.total.before.attempts, found.total.after.attempts) == (1, 1)


def test_a_call_that_waits_is_made_on_the_next_day_on_which_its_turn_comes() -> None:
    """On Monday another one takes its place; on Tuesday it goes before the one who was called then."""
    monday, tuesday = answered(at("10:00"), 1, disposition="cold"), answered(at("10:00", 1), 3)
    happened = in_groups(facts(monday, tuesday), client_1=Group.COLD, client_3=Group.NEW)
    happened.clients[1].moves.append((monday.written_at, Group.NEW))
    happened.moved_to[monday.id] = Group.COLD
    waiting(happened, 2, group=Group.COLD)
    found = tried(happened, group_order="cold,new")
    assert [(each.change, each.client_id, each.at, each.new_at) for each in found.differences] == [
        (Change.GAINED, 2, None, at("10:00")),
        (Change.MOVED, 1, at("10:00"), at("10:00", 1)),
        (Change.LOST, 3, at("10:00", 1), None),
    ]


def test_a_group_that_is_left_out_is_not_called() -> None:
    happened = in_groups(facts(answered(at("10:00"), 1)), client_1=Group.COLD)
    found = tried(happened, group_order="hot,warm,new")
    assert told(found) == [(Change.LOST, Why.ORDER, at("10:00"), None)]
    assert found.total.free == 1


def test_shares_mix_the_day_by_industry() -> None:
    """One of Trade, then one of Transport: the second place goes to Transport, whom nobody had called."""
    happened = in_groups(facts(answered(at("10:00"), 1), answered(at("10:10"), 2)), client_1=Group.NEW)
    for client, industry in ((1, "Trade"), (2, "Trade")):
        happened.clients[client].industry = industry
    waiting(happened, 3, industry="Transport")
    found = tried(happened, shares_by=SharesBy.INDUSTRY, shares="Trade 50; Transport 50")
    assert [(each.change, each.client_id) for each in found.differences] == [(Change.GAINED, 3), (Change.LOST, 2)]


def test_capacity_ends_a_persons_day() -> None:
    """Anna called three, and would be given two."""
    happened = in_groups(facts(*(answered(at(f"1{hour}:00"), hour + 1) for hour in range(3))))
    found = tried(happened, calls_a_day=2)
    assert [(each.change, each.client_id) for each in found.differences] == [
        (Change.MOVED, 3),
        (Change.LOST, 2),
    ] or [each.change for each in found.differences] == [Change.LOST]
    assert found.total.after.attempts == 2


def test_people_who_knew_better_do_so_again() -> None:
    """The last of the plan was called first: under other rules, too."""
    happened = in_groups(
        facts(answered(at("10:00"), 2), answered(at("10:10"), 1)), client_1=Group.WARM, client_2=Group.COLD
    )
    waiting(happened, 3, group=Group.NO_CONTACT)
    found = tried(happened, group_order="no_contact,warm,cold")
    assert [(each.change, each.client_id) for each in found.differences] == [(Change.GAINED, 3), (Change.LOST, 1)]


def test_whom_somebody_skipped_is_skipped_again() -> None:
    happened = in_groups(facts(answered(at("10:00"), 1)), client_1=Group.NEW)
    waiting(happened, 2, group=Group.NO_CONTACT)
    happened.skipped.append(Skipped(2, at("09:30")))
    assert told(tried(happened, group_order="no_contact,new")) == []


def test_who_may_not_be_called_today_gains_nothing() -> None:
    happened = in_groups(facts(answered(at("10:00"), 1)), client_1=Group.NEW)
    waiting(happened, 2, group=Group.NO_CONTACT, reachable=False)
    assert told(tried(happened, group_order="no_contact,new")) == []


def test_sooner_no_contact_lets_the_others_come_first() -> None:
    """After the first try in vain instead of the third; on Tuesday those whom nobody called go before it."""
    vain = [call(at("10:00", day), Result.NO_ANSWER, client=1, operator_id=ANNA) for day in range(2)]
    happened = in_groups(facts(*vain), client_1=Group.NEW)
    waiting(happened, 2)
    found = tried(happened, tries_to_no_contact=1)
    assert [(each.change, each.client_id, each.moment) for each in found.differences] == [
        (Change.GAINED, 2, at("10:00", 1)), (Change.LOST, 1, at("10:00", 1)),
    ]  # fmt: skip


def test_what_its_owner_keeps_another_is_not_given() -> None:
    """Boris kept the client that is hot; so Anna goes on with hers, unless nobody keeps clients."""
    happened = in_groups(facts(answered(at("10:00"), 1)), client_1=Group.NEW)
    waiting(happened, 2, group=Group.NO_CONTACT, owner_id=BORIS, owned_since=at("10:00") - timedelta(days=3))
    assert told(tried(happened, group_order="no_contact,new")) == []
    assert told(tried(happened, group_order="no_contact,new", owner_keeps_days=0))[0][0] is Change.GAINED


@given(HISTORY, st.permutations([Group.NEW, Group.COLD, Group.HOT]), st.one_of(st.none(), st.integers(1, 3)))
@settings(deadline=None, max_examples=60)
def test_every_call_is_accounted_for(history: list[RecordedTry], order: list[Group], capacity: int | None) -> None:
    happened = in_groups(facts(*history))
    for client in (5, 6):
        waiting(happened, client, group=Group.COLD)
    found = tried(happened, group_order=",".join(order), calls_a_day=capacity)
    differing = [each.attempt_id for each in found.differences if each.attempt_id]
    assert len(differing) == len(set(differing))
    assert found.total.stays.attempts == len(history) - len(differing)
    for line in found.days.values():
        assert line.turned_away == 0 or line.free == 0
