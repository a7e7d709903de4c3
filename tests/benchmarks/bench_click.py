"""From the click to the INVITE on the wire: `python -m tests.benchmarks.bench_click [--database postgresql]`.

The whole service with many clients in the plan, and operators' pages in a process of their own (`page.py`): they post
what a browser posts, and wait for what the live connection shows. The far end notes, on the same monotonic clock, when
each INVITE came out of its socket. Every call is answered, recorded and hung up, and its outcome is saved; until the
next card has arrived. Exit 1 when a call is missing, was made twice or is not whole in the database.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from crm.calls.attempts import Attempt
from crm.calls.recording_facts import Recording, RecordingState
from crm.office import web_sessions
from crm.wrap_up.outcomes import Outcome
from tests.benchmarks.durable_postgresql import durable_cluster
from tests.benchmarks.figures import add_precedence, as_served, percentiles_ms, take_precedence
from tests.benchmarks.office import Office, open_office


async def measure(arguments: argparse.Namespace, folder: Path, database_url: str) -> dict[str, Any]:
    begun = time.monotonic()
    each = -(-arguments.calls // arguments.operators)
    async with open_office(
        folder, database_url=database_url, clients=arguments.clients, operators=arguments.operators
    ) as office:
        filling_s = time.monotonic() - begun
        asked = {
            "url": office.service.url.rstrip("/"),
            "tokens": [await _sign_in(office, operator) for operator in office.operators],
            "calls": each,
            "warm_up": arguments.warm_up,
            "think_s": arguments.think_s,
        }
        pages = await _work_the_pages(asked)
        for operator in office.operators:
            await office.service.desk.settled(operator)
        report = await office.far_end.report()
        problems = await _problems(office, pages, report, arguments.operators * (each + arguments.warm_up))
    figures = _figures(pages, report["arrivals"], arguments.warm_up)
    return {
        "database": arguments.database,
        "clients": office.clients,
        "in_the_plan": office.planned,
        "operators": arguments.operators,
        "calls": each * arguments.operators,
        **figures,
        "filling_s": round(filling_s, 1),
        "problems": problems,
        "load_average": os.getloadavg(),
    }


async def _sign_in(office: Office, operator: int) -> tuple[str, str]:
    """The token of a browser's cookie, and what its posts must bring."""
    now = office.clock()
    database = office.service.database
    async with database.transaction() as session:
        token = await web_sessions.start_session(session, user_id=operator, now=now, lifetime=timedelta(hours=12))
        found = await web_sessions.session_by_token(session, token=token, now=now)
    assert found is not None, "it has just begun"
    return token, found.web_session.csrf


async def _work_the_pages(asked: dict[str, Any]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.page",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate(json.dumps(asked).encode() + b"\n")
    if process.returncode:
        raise RuntimeError("the pages did not get through their work")
    pages: dict[str, Any] = json.loads(out)
    return pages


def _figures(pages: dict[str, Any], arrivals: dict[str, int], warm_up: int) -> dict[str, Any]:
    """Without the first calls of every page."""
    delays = [arrivals[attempt] - clicked for clicks in pages["clicked_ns"] for attempt, clicked in clicks[warm_up:]]
    counted = {
        name: [time_ns for times in pages[name] for time_ns in times[warm_up:]]
        for name in ("returned_after_ns", "next_card_after_ns")
    }
    return {
        "click_to_invite": percentiles_ms(delays),
        "click_to_answer_of_the_post": percentiles_ms(counted["returned_after_ns"]),
        "save_to_next_card": percentiles_ms(counted["next_card_after_ns"]),
    }


async def _problems(office: Office, pages: dict[str, Any], report: dict[str, Any], calls: int) -> list[str]:
    """What is not as it must be after `calls` clicks."""
    headsets = len(office.operators)
    clicked = {attempt for clicks in pages["clicked_ns"] for attempt, _ in clicks}
    clients = [client for each in pages["clients"] for client in each]
    invites = report["invites"] - headsets
    found = {
        f"{invites} INVITEs for {calls} clicks": invites != calls,
        "an INVITE never came": not clicked <= report["arrivals"].keys(),
        "a client was called twice": len(set(clients)) != len(clients),
        "a call was not acknowledged or not ended": report["byes"] != calls or report["acks"] != calls + headsets,
    }
    async with office.service.database.reading() as session:
        kept = await session.scalar(select(func.count()).select_from(Attempt).where(Attempt.wrapped_up_at.is_not(None)))
        outcomes = await session.scalar(select(func.count()).select_from(Outcome))
        recorded = await session.scalar(
            select(func.count()).select_from(Recording).where(Recording.state == RecordingState.READY)
        )
    found[f"{kept} attempts, {outcomes} outcomes, {recorded} recordings"] = {kept, outcomes, recorded} != {calls}
    return [words for words, wrong in found.items() if wrong]


@contextlib.contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite+aiosqlite:///{folder / 'benchmark.db'}"
        return
    with durable_cluster() as cluster:
        asyncio.run(cluster.execute("CREATE DATABASE benchmark"))
        yield cluster.url("benchmark")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--operators", type=int, default=1)
    parser.add_argument("--warm-up", type=int, default=5, help="calls of each operator that do not count")
    parser.add_argument("--think-s", type=float, default=0.0, help="mean pause of an operator between two calls")
    parser.add_argument("--folder", type=Path, help="where the database and the recordings go (removed afterwards)")
    add_precedence(parser)
    arguments = parser.parse_args()
    take_precedence(arguments)
    with as_served(arguments.folder) as (runner, folder), _database(arguments.database, folder) as url:
        figures = runner.run(measure(arguments, folder, url))
    print(json.dumps(figures, indent=1))
    return 1 if figures["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
