"""Each state that changes in the sales day is one log line, and only once it is in the database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from crm.clientele.clients import get_client
from crm.clientele.groups import MoveCause, move
from crm.day.day_plan import build, claim_client, claim_next, release, skip
from crm.errors import Conflict
from crm.group import Group
from crm.preparation.call_lists import ListState, set_list_state
from crm.preparation.results import Result
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import LEASE_S, NOON, World, wall

WRAPPED_UP = NOON + timedelta(minutes=3)


def told(lines: list[Any], *labels: str) -> list[tuple[Any, ...]]:
    """What the lines say: the event, was, on, now, and these labels."""
    return [tuple(line.get(key) for key in ("event", "was", "on", "now", *labels)) for line in lines]


async def test_a_call_with_a_promise_tells_entry_group_and_promise(world: World) -> None:
    anna = await world.operator()
    client_id = await world.client(group=Group.COLD)
    with capture_logs() as lines:
        attempt_id = await world.call(client_id, anna)
        form = OutcomeForm(
            disposition="warm", person_name="Петрова Анна", person_decides=True, summary="Просит расчёт",
            callback_at_local=wall("2026-11-24 10:00"),
        )  # fmt: skip
        await world.outcome(attempt_id, form, anna, at=WRAPPED_UP)
    assert ("plan entry", "waiting", "claimed", "claimed", client_id) in told(lines, "client")
    assert ("plan entry", "claimed", "outcome", "done", client_id) in told(lines, "client")
    assert ("client", "cold", "call", "warm", client_id, attempt_id) in told(lines, "client", "call")
    assert ("callback", "none", "agreed", "open", client_id, attempt_id) in told(lines, "client", "call")
    assert len(told(lines)) == 4
    assert "Петрова" not in str(lines)
    assert "+7" not in str(lines)


async def test_a_dead_number_and_a_wish_not_to_be_called_are_told(world: World) -> None:
    anna = await world.operator()
    first, second = await world.client(), await world.client()
    with capture_logs() as lines:
        dead = await world.call(first, anna, result=Result.NO_SUCH_NUMBER)
        await world.outcome(dead, OutcomeForm(disposition="nonexistent"), anna, at=WRAPPED_UP)
        asked = await world.call(second, anna, at=WRAPPED_UP)
        await world.outcome(asked, OutcomeForm(disposition="do_not_call"), anna, at=WRAPPED_UP + timedelta(minutes=3))
    assert ("phone number", "ok", "no_such_number", "dead") in told(lines)
    assert ("do not call", "none", "asked", "in force") in told(lines)


async def test_what_goes_back_to_the_plan_or_out_of_it_is_told(world: World) -> None:
    anna = await world.operator()
    await world.clients(2)
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
    with capture_logs() as lines:
        for leave in (release, skip):
            async with world.transaction() as session:
                entry = await claim_next(session, operator_id=anna, now=NOON, lease_s=LEASE_S)
                assert entry is not None
                further: Any = {"reason": "обед", "now": NOON} if leave is skip else {}
                await leave(session, entry_id=entry.id, operator_id=anna, **further)
    assert told(lines) == [
        ("plan entry", "waiting", "claimed", "claimed"),
        ("plan entry", "claimed", "released", "waiting"),
        ("plan entry", "waiting", "claimed", "claimed"),
        ("plan entry", "claimed", "skipped", "dropped"),
    ]


async def test_many_at_once_are_one_line_with_their_number(world: World) -> None:
    await world.clients(30)
    with capture_logs() as lines:
        for day in (NOON, NOON + timedelta(days=1)):
            async with world.transaction() as session:
                await build(session, campaign_id=world.campaign_id, day=day.date(), now=day)
    assert told(lines, "entries") == [("plan entries", "waiting", "day_over", "dropped", 30)]


async def test_a_lease_that_ran_out_is_told(world: World) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    first, second = await world.client(), await world.client()
    async with world.transaction() as session:
        await claim_client(session, client_id=first, operator_id=anna, now=NOON, lease_s=LEASE_S)
    later = NOON + timedelta(seconds=LEASE_S + 1)
    with capture_logs() as lines:
        async with world.transaction() as session:
            await claim_client(session, client_id=second, operator_id=boris, now=later, lease_s=LEASE_S)
    assert ("plan entries", "claimed", "lease_over", "waiting", 1) in told(lines, "entries")


async def test_a_list_that_is_approved_is_told(world: World) -> None:
    with capture_logs() as lines:
        async with world.transaction() as session:
            await set_list_state(
                session, call_list_id=world.call_list_id, to=ListState.APPROVED, now=NOON, by="Иванов И. И."
            )
    assert told(lines) == [("call list", "draft", "set", "approved")]
    assert "Иванов" not in str(lines)


async def test_what_is_rolled_back_is_not_told(world: World) -> None:
    client_id = await world.client()

    async def move_and_fail() -> None:
        async with world.transaction() as session:
            client = await get_client(session, client_id)
            await move(session, client=client, to=Group.HOT, at=NOON, cause=MoveCause.USER, author_id=None)
            raise Conflict("client.unknown")

    with capture_logs() as lines, pytest.raises(Conflict):
        await move_and_fail()
    assert lines == []
