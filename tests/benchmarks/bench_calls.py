"""Call set-ups a second: `python -m tests.benchmarks.bench_calls [--seconds 30] [--at-once 20]`.

INVITE, 200, ACK, BYE, 200 through the native engine, each call with its port at the media worker; all processor time of
service and worker is counted. The far end is shown to take more without us. Exit 1 when a call was not whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from typing import Any
from uuid import uuid4

from config.sections import MediaSettings, SipSettings, TrunkSettings
from dialer.engines.native import NativeTelephony
from dialer.telephony import LegAnswered, LegEnd, LegEnded
from tests.benchmarks.bench_relay import cpu_s, prefer, waited_s
from tests.benchmarks.far_end_process import FarEndProcess
from tests.benchmarks.figures import as_served, percentiles_ms


class Caller:
    """Call after call until the time is over."""

    def __init__(self, telephony: NativeTelephony) -> None:
        self.telephony = telephony
        self.whole = 0
        self.broken: list[str] = []
        self.answered_after_ns: list[int] = []

    async def run(self, number: str, until_s: float) -> None:
        while time.monotonic() < until_s:
            await self._call(number)

    async def _call(self, number: str) -> None:
        asked_ns = time.monotonic_ns()
        leg = await self.telephony.call_client(number, call_id=uuid4().hex, beside=None, ring_timeout_s=35)
        answered = False
        async for event in leg.events():
            if isinstance(event, LegAnswered):
                answered = True
                self.answered_after_ns.append(time.monotonic_ns() - asked_ns)
                await leg.hang_up()
            elif isinstance(event, LegEnded):
                if answered and event.end is LegEnd.WE_HUNG_UP:
                    self.whole += 1
                else:
                    self.broken.append(f"{event.end.value} {event.sip_code} {event.phrase}")


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    async with FarEndProcess() as far_end:
        prefer(far_end.pid, arguments.far_end_core, real_time=False)
        capacity = await far_end.capacity(arguments.alone_seconds)
        telephony = NativeTelephony(
            SipSettings(port=0),
            MediaSettings(first_port=0, last_port=0),
            TrunkSettings(host=far_end.host, port=far_end.port),
            {},
        )
        trunk_up = asyncio.Event()
        telephony.on_line_event(lambda _: trunk_up.set() if telephony.trunk().ready else None)
        await telephony.start()
        prefer(os.getpid(), arguments.core, real_time=False)
        (worker,) = telephony.worker_pids
        prefer(worker, arguments.core, real_time=False)
        try:
            await trunk_up.wait()
            caller = Caller(telephony)
            await caller.run("+73420000000", time.monotonic() + arguments.warm_up)
            figures = await _timed(telephony, arguments, far_end)
        finally:
            await telephony.stop()
    return figures | {"far_end_alone_calls_a_second": capacity, "load_average": os.getloadavg()}


async def _timed(telephony: NativeTelephony, arguments: argparse.Namespace, far_end: FarEndProcess) -> dict[str, Any]:
    (worker,) = telephony.worker_pids
    pids = {"service": os.getpid(), "worker": worker, "far_end": far_end.pid}
    before = {name: (cpu_s(pid), waited_s(pid)) for name, pid in pids.items()}
    seen_before = await far_end.report()
    caller = Caller(telephony)
    begun = time.monotonic()
    async with asyncio.TaskGroup() as callers:
        for number in range(arguments.at_once):
            callers.create_task(caller.run(f"+7342000{number:04}", begun + arguments.seconds))
    wall_s = time.monotonic() - begun
    used = {name: cpu_s(pid) - before[name][0] for name, pid in pids.items()}
    waited = {name: waited_s(pid) - before[name][1] for name, pid in pids.items()}
    seen = await far_end.report()
    came = {name: seen[name] - seen_before[name] for name in ("invites", "acks", "byes", "retransmitted_to_us")}
    return {
        "calls": caller.whole,
        "broken": caller.broken[:10],
        "whole_at_the_far_end": came["invites"] == came["acks"] == came["byes"] == caller.whole,
        "seconds": round(wall_s, 2),
        "calls_a_second": round(caller.whole / wall_s, 1),
        "calls_a_second_of_cpu": round(caller.whole / (used["service"] + used["worker"]), 1),
        "cpu_ms_a_call_service": round(used["service"] / caller.whole * 1000, 3),
        "cpu_ms_a_call_worker": round(used["worker"] / caller.whole * 1000, 3),
        "kept_waiting_share": round((waited["service"] + waited["worker"]) / wall_s, 3),
        "far_end_cpu_share": round(used["far_end"] / wall_s, 3),
        "retransmissions": came["retransmitted_to_us"],
        "invite_to_answer": percentiles_ms(caller.answered_after_ns),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--at-once", type=int, default=20, help="calls being set up at the same time")
    parser.add_argument("--alone-seconds", type=float, default=5, help="of the far end without us")
    parser.add_argument("--core", type=int, default=0, help="of service and worker")
    parser.add_argument("--far-end-core", type=int, default=1)
    arguments = parser.parse_args()
    with as_served() as (runner, _):
        figures = runner.run(measure(arguments))
    print(json.dumps(figures, indent=1))
    return 0 if figures["whole_at_the_far_end"] and not figures["broken"] else 1


if __name__ == "__main__":
    sys.exit(main())
