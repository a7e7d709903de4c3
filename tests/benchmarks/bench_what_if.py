"""How long trying other rules on a month of fifty callers takes: `python -m tests.benchmarks.bench_what_if`.

Prints one JSON object: calls, seconds in all, of them reading, and how long the steps were between which others come
first (p50, p99, the longest). The database is a SQLite file in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert

from crm.base.organisations import Organisation
from crm.base.phone_numbers import PhoneNumber
from crm.calls.retry_rules import Rule
from crm.clientele.clients import Client
from crm.clientele.groups import GroupMove, MoveCause
from crm.database import Database
from crm.group import Group
from crm.plan.attempt_rows import Attempt
from crm.plan.outcome_chain import Outcome
from crm.preparation.campaigns import get_campaign
from crm.preparation.results import Result
from crm.what_if.drafts import Draft
from crm.what_if.facts import Period
from crm.what_if.outcome import Outcome as Found
from crm.what_if.trying import try_rules
from tests.benchmarks.figures import percentiles_ms
from tests.crm.builders import NOON, World, build_world

FIRST: Final = date(2026, 10, 19)
WORKING_DAYS: Final = 22
DRAFT: Final = Draft(
    {"attempts_a_day": 2, "gap_min": 30},
    {(Result.BUSY, ""): Rule(25), (Result.NO_ANSWER, ""): Rule(60), (Result.CANCELLED, ""): Rule(None)},
)
LONG_AGO: Final = NOON - timedelta(days=90)
OF_THE_ORDER: Final = Draft({"group_order": "no_contact,new,warm,cold", "tries_to_no_contact": 2})
RESULTS: Final = (Result.ANSWERED, Result.NO_ANSWER, Result.NO_ANSWER, Result.BUSY, Result.DECLINED)


async def fill(database: Database, calls: int, others: int, *, in_turn: bool) -> World:
    """A fifth as many clients as calls, each called about five times within the month, or `in_turn` one for each call,
    who is cold then; and others whom nobody called, half of them without contact."""
    world = await build_world(database)
    callers = [await world.operator(f"Оператор {number}") for number in range(50)]
    called = calls if in_turn else calls // 5
    ids = range(1, called + others + 1)
    named = {"name": "Клиент", "name_folded": "клиент", "time_zone": "Europe/Moscow", "created_at": NOON}
    client = {"campaign_id": world.campaign_id, "call_list_id": world.call_list_id, "created_at": LONG_AGO}
    phones = [{"organisation_id": each, "e164": f"+7495{each:07}", "raw": ""} for each in ids]
    chosen = random.Random(1)
    attempts = sorted((_attempt(chosen, number, callers, called) for number in range(calls)), key=_opened)
    moves = [_move(each, Group.NO_CONTACT, LONG_AGO) for each in ids if each > called and each % 2]
    if in_turn:
        for number, each in enumerate(attempts, start=1):
            each |= {"client_id": number, "phone_number_id": number, "dialled": f"+7495{number:07}"}
            moves.append(_move(number, Group.COLD, each["wrapped_up_at"], each["id"]))
    outcomes = [
        {"attempt_id": each["id"],
         "disposition": "cold" if in_turn else "not_main" if each["answered_at"] else "no_contact",
         "recorded_at": each["wrapped_up_at"], "author_id": each["operator_id"]}
        for each in attempts
    ]  # fmt: skip
    async with database.transaction() as session:
        await session.execute(insert(Organisation), [{"id": each, **named} for each in ids])
        await session.execute(insert(PhoneNumber), phones)
        await session.execute(insert(Client), [{"id": each, "organisation_id": each, **client} for each in ids])
        await session.execute(insert(Attempt), attempts)
        await session.execute(insert(Outcome), outcomes)
        for first in range(0, len(moves), 10_000):
            await session.execute(insert(GroupMove), moves[first : first + 10_000])
    return world


def _move(client_id: int, to: Group, at: datetime, attempt_id: str | None = None) -> dict[str, Any]:
    cause = MoveCause.CALL if attempt_id else MoveCause.IMPORT
    return {
        "client_id": client_id, "from_group": Group.NEW, "to_group": to, "at": at, "cause": cause,
        "attempt_id": attempt_id, "note": "",
    }  # fmt: skip


def _opened(attempt: dict[str, Any]) -> datetime:
    opened_at: datetime = attempt["opened_at"]
    return opened_at


def _attempt(chosen: random.Random, number: int, callers: list[int], clients: int) -> dict[str, Any]:
    day = chosen.randrange(WORKING_DAYS)
    at = datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(days=day // 5 * 7 + day % 5)
    at += timedelta(hours=6, seconds=chosen.randrange(9 * 3600))
    client_id, result = chosen.randrange(clients) + 1, chosen.choice(RESULTS)
    answered = result is Result.ANSWERED
    return {
        "id": f"{number:032x}", "client_id": client_id, "phone_number_id": client_id, "dialled": f"+7495{client_id:07}",
        "operator_id": chosen.choice(callers), "opened_at": at, "ended_at": at + timedelta(seconds=40), "node": "",
        "wrapped_up_at": at + timedelta(seconds=50), "answered_at": at + timedelta(seconds=9) if answered else None,
        "talk_seconds": 31.0 if answered else None, "result": result, "imported": False,
    }  # fmt: skip


async def measure(calls: int, others: int, draft: Draft) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'bench.db'}")
        await database.upgrade()
        world = await fill(database, calls, others, in_turn=draft is OF_THE_ORDER)
        steps, began = [], time.perf_counter_ns()
        cpu, found = time.process_time(), list[Found]()
        async with database.reading() as session:
            campaign = await get_campaign(session, world.campaign_id)
            period = Period.of(campaign, FIRST, FIRST + timedelta(days=30))
            last = time.perf_counter_ns()
            async for outcome in try_rules(session, campaign, draft, period):
                steps.append(time.perf_counter_ns() - last)
                await asyncio.sleep(0)
                found += [outcome] if outcome is not None else []
                last = time.perf_counter_ns()
        seconds, cpu = (time.perf_counter_ns() - began) / 1e9, time.process_time() - cpu
        await database.dispose()
    (outcome,) = found
    assert outcome.total.before.attempts == calls
    return {
        "calls": calls, "clients_not_called": others, "seconds": round(seconds, 2), "processor_s": round(cpu, 2),
        "steps": len(steps), "step_ms": percentiles_ms(steps), "differences": len(outcome.differences),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--others", type=int, default=0, help="clients whom nobody called")
    parser.add_argument("--order", action="store_true", help="rules of the plan's order instead of those of next tries")
    given = parser.parse_args()
    draft = OF_THE_ORDER if given.order else DRAFT
    print(json.dumps(asyncio.run(measure(given.calls, given.others, draft)), indent=1))


if __name__ == "__main__":
    main()
