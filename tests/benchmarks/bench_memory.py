"""Memory of a call: `python -m tests.benchmarks.bench_memory [--calls 50,200]`.

The whole service; operators' lines are up, each talks to a client, both sides send sound, and all is recorded. The
memory of the service and of the media worker is read before the calls and while they last, for each number of calls in
a service of its own. Exit 1 when a call is lost, its sound does not come through or its recording is not whole.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from crm.calls.recording_facts import Recording, RecordingState
from crm.wrap_up.outcomes import OutcomeForm
from dialer.calls.view import CallState, DeskView, LineState
from dialer.calls.view import RecordingState as RecordingLight
from tests.benchmarks.bench_generator import slot_of
from tests.benchmarks.bench_relay import prepare_generator, run_generator, start_generator
from tests.benchmarks.figures import add_precedence, as_served, take_precedence
from tests.benchmarks.office import Office, open_office

_PATIENCE_S = 30.0
_FORM = OutcomeForm("cold", reason="Нет бюджета")


def memory_kb(pid: int) -> dict[str, int]:
    """In KB: `rss`; `pss`, where pages that n processes have count a nth; `anonymous`, which no file can give back."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("Rss", "Pss", "Anonymous"):
            found[name.lower()] = int(rest.split()[0])
    return found


def memory_of(office: Office) -> dict[str, int]:
    """Of the service and its workers, each and together."""
    gc.collect()
    service, workers = memory_kb(os.getpid()), [memory_kb(pid) for pid in office.worker_pids]
    found = {}
    for kind in ("rss", "pss", "anonymous"):
        found[f"service_{kind}_kb"] = service[kind]
        found[f"worker_{kind}_kb"] = sum(worker[kind] for worker in workers)
        found[f"{kind}_kb"] = found[f"service_{kind}_kb"] + found[f"worker_{kind}_kb"]
    return found


async def _until(office: Office, operator: int, reached: Callable[[DeskView], bool]) -> DeskView:
    views = office.service.desk.watch(operator)
    async with asyncio.timeout(_PATIENCE_S), contextlib.aclosing(views):
        async for view in views:
            if reached(view):
                return view
    raise AssertionError("a desk is watched until the watcher goes")


async def _begin_call(office: Office, operator: int) -> None:
    desk = office.service.desk
    await _until(office, operator, lambda view: view.headset_registered and view.trunk_ready)
    await desk.go_ready(operator)
    view = await _until(office, operator, lambda view: view.line is LineState.READY and view.client_id is not None)
    assert view.client_id is not None
    await desk.dial(operator, client_id=view.client_id)
    await _until(office, operator, lambda view: view.recording is RecordingLight.ON)


async def _end_call(office: Office, operator: int) -> None:
    desk = office.service.desk
    await desk.hang_up(operator)
    view = await _until(office, operator, lambda view: view.call is CallState.WRAP_UP)
    await desk.settled(operator)
    assert view.attempt_id is not None
    await desk.save_outcome(operator, attempt_id=view.attempt_id, form=_FORM)
    await desk.go_offline(operator)


async def _warm_up(office: Office) -> None:
    """One call from the first to the last step: what is loaded once is no part of a call."""
    await _begin_call(office, office.operators[0])
    await _end_call(office, office.operators[0])


async def measure(calls: int, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    generator, sockets = await start_generator(arguments.generator_core, real_time=arguments.real_time)
    # in the order of the INVITEs: headset and client of the warm-up, then of every call
    media = [sockets[0]] * 2 + [sockets[slot_of(leg)] for leg in range(2 * calls)]
    async with open_office(
        folder,
        database_url=f"sqlite+aiosqlite:///{folder / 'benchmark.db'}",
        clients=arguments.clients,
        operators=arguments.operators,
        serve_media=media,
    ) as office:
        await _warm_up(office)
        before = memory_of(office)
        for operator in office.operators[:calls]:
            await _begin_call(office, operator)
        legs = list((await office.far_end.report())["offers"].values())[2:]
        asked = {"legs": legs, "seconds": arguments.seconds, "warm_up": 1, "direct": False}
        await prepare_generator(generator, asked)
        sound = asyncio.create_task(run_generator(generator))
        await asyncio.sleep(arguments.seconds)
        during = memory_of(office)
        heard = await sound
        for operator in office.operators[:calls]:
            await _end_call(office, operator)
        after = memory_of(office)
        problems = await _problems(office, calls, arguments.seconds)
    if heard["sent"] != heard["came"]:
        problems.append(f"{heard['sent'] - heard['came']} of {heard['sent']} packets did not come through")
    return {
        "calls": calls,
        "before": before,
        "growth_kb_a_call": {name: round((during[name] - before[name]) / calls, 1) for name in before},
        "left_kb_a_call": {name: round((after[name] - before[name]) / calls, 1) for name in ("rss_kb", "anonymous_kb")},
        "problems": problems,
        "load_average": os.getloadavg(),
    }


async def _problems(office: Office, calls: int, seconds: float) -> list[str]:
    async with office.service.database.reading() as session:
        recordings = list(await session.scalars(select(Recording).where(Recording.state == RecordingState.READY)))
    whole = [each for each in recordings if each.duration_s is not None and each.duration_s >= seconds]
    problems = [] if len(whole) == calls else [f"{len(whole)} whole recordings of {calls} calls"]
    ended = (await office.far_end.report())["byes"]
    expected = 2 * calls + 2
    return problems if ended == expected else [*problems, f"{ended} of {expected} legs were ended"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", default="50,200", help="numbers of calls, each in a service of its own")
    parser.add_argument("--seconds", type=float, default=15, help="of sound before the memory is read")
    parser.add_argument("--operators", type=int, default=200, help="with registered headsets")
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--generator-core", type=int, default=1)
    add_precedence(parser)
    arguments = parser.parse_args()
    take_precedence(arguments)
    numbers = [int(number) for number in arguments.calls.split(",")]
    if len(numbers) > 1:  # memory that was used once stays with a process
        return _each_alone(numbers)
    with as_served() as (runner, folder):
        figures = runner.run(measure(numbers[0], arguments, folder))
    print(json.dumps(figures, indent=1))
    return 1 if figures["problems"] else 0


def _each_alone(numbers: list[int]) -> int:
    found, codes = [], []
    for number in numbers:
        command = [sys.executable, "-m", "tests.benchmarks.bench_memory", *sys.argv[1:], "--calls", str(number)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        codes.append(done.returncode)
        found.append(json.loads(done.stdout) if done.stdout else {"calls": number, "problems": ["no figures"]})
    print(json.dumps({"services": found}, indent=1))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
