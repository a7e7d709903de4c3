"""Bridged and recorded calls on one core: `python -m tests.benchmarks.bench_relay --calls 800 --seconds 120`.

The worker and this process, which stands for the service, are pinned to one core, the generator to another. CPU is
that of both over the whole run; latency is from before the generator's system call to the kernel's time of arrival on
the way back, hence an upper bound of what the relay adds. Every file is read back and every packet looked for in it.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from dialer.media import g711
from dialer.media.controller import LegMeasured, MediaConfig, MediaController, MediaEvent, RecordingStopped, RemoteMedia
from recordings.finalise import finalise
from tests.audio import read_wav, to_pcm
from tests.benchmarks.bench_generator import recorded_counts, slot_of

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def waited_s(pid: int) -> float:
    """How long a process was ready to run while its core did other things: the disturbance by other programs."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def prefer(pid: int, core: int, *, real_time: bool) -> None:
    """Pin to `core`, before other programs if that is allowed: what they take is not to be measured."""
    os.sched_setaffinity(pid, {core})
    if real_time:
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
        return
    with contextlib.suppress(PermissionError, FileNotFoundError):
        os.setpriority(os.PRIO_PROCESS, pid, -20)
        Path(f"/proc/{pid}/autogroup").write_text("-20")  # of the terminal's session, see sched(7)


def memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"no VmRSS of process {pid}")


async def start_generator(core: int, *, real_time: bool) -> tuple[asyncio.subprocess.Process, list[tuple[str, int]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.bench_generator",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    prefer(process.pid, core, real_time=real_time)
    assert process.stdout is not None
    sockets = json.loads(await process.stdout.readline())["sockets"]
    return process, [(host, port) for host, port in sockets]


async def prepare_generator(process: asyncio.subprocess.Process, asked: dict[str, Any]) -> None:
    """Returns when it could begin: what it does before must not be measured."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    await process.stdin.drain()
    assert json.loads(await process.stdout.readline())["ready"]


async def run_generator(process: asyncio.subprocess.Process) -> dict[str, Any]:
    out, _ = await process.communicate(b"\n")
    if process.returncode:
        raise RuntimeError(f"the generator ended with {process.returncode}")
    report: dict[str, Any] = json.loads(out)
    return report


async def generator_alone(legs: int, seconds: float, core: int, *, real_time: bool) -> dict[str, Any]:
    """What the generator does with nobody between its own sockets."""
    process, sockets = await start_generator(core, real_time=real_time)
    asked = {"legs": [sockets[0]] * legs, "seconds": seconds, "warm_up": 1, "direct": True}
    await prepare_generator(process, asked)
    report = await run_generator(process)
    return report | {"legs": legs, "cpu_share": round(report["generator_cpu_s"] / (seconds + 2), 3)}


class Bench:
    def __init__(self, calls: int, folder: Path, *, record: bool) -> None:
        self.calls = calls
        self.folder = folder
        self.record = record
        self.figures = 0
        self.stopped: list[str] = []
        self.controller = MediaController(MediaConfig(), self.on_event)

    def on_event(self, event: MediaEvent) -> None:
        if isinstance(event, LegMeasured):
            self.figures += 1
        elif isinstance(event, RecordingStopped):
            self.stopped.append(event.reason)

    def path(self, call: int) -> Path:
        return self.folder / f"{call:05}.wav"

    async def set_up(self, sockets: list[tuple[str, int]]) -> list[tuple[str, int]]:
        legs = []
        for leg in range(2 * self.calls):
            local = await self.controller.open_leg(str(leg))
            host, port = sockets[slot_of(leg)]
            await self.controller.connect_leg(str(leg), RemoteMedia(host, port, "PCMA", 8, 101))
            legs.append((local.host, local.port))
        for call in range(self.calls):
            left, right = str(2 * call), str(2 * call + 1)
            await self.controller.bridge(left, right)
            if self.record:
                await self.controller.start_recording(left, right, self.path(call))
        return legs

    async def tear_down(self) -> int:
        """How many frames the worker says that it wrote."""
        frames = 0
        for call in range(self.calls):
            summary = await self.controller.stop_recording(str(2 * call))
            frames += summary.frames if summary else 0
        await self.controller.stop()
        return frames

    def check_files(self, packets_a_leg: int) -> dict[str, Any]:
        """Look for every packet of every leg in its channel."""
        whole, missing, disordered, shortest_s = 0, 0, 0, float("inf")
        for call in range(self.calls):
            shortest_s = min(shortest_s, finalise(self.path(call)).duration_s)
            good = True
            for side, channel in enumerate(read_wav(self.path(call))):
                codes = np.frombuffer(g711.encode(to_pcm(channel * 32768 / 32767), "PCMA"), np.uint8)
                numbers = recorded_counts(codes, 2 * call + side)
                lost = packets_a_leg - len(np.unique(numbers))
                missing += lost
                wrong = int(np.count_nonzero(np.diff(numbers) <= 0))
                disordered += wrong
                good = good and not lost and not wrong
            whole += good
        return {
            "files": self.calls,
            "whole": whole,
            "packets_missing": missing,
            "out_of_order": disordered,
            "shortest_s": round(shortest_s, 2),
        }


async def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    os.sched_setaffinity(0, {arguments.core})
    bench = Bench(arguments.calls, folder, record=not arguments.no_recording)
    generator, sockets = await start_generator(arguments.generator_core, real_time=arguments.real_time)
    await bench.controller.start()
    (worker,) = bench.controller.worker_pids
    prefer(worker, arguments.core, real_time=arguments.real_time)
    empty_mb = memory_mb(worker)
    legs = await bench.set_up(sockets)
    asked = {"legs": legs, "seconds": arguments.seconds, "warm_up": arguments.warm_up, "direct": False}
    await prepare_generator(generator, asked)
    before = cpu_s(worker), cpu_s(os.getpid()), time.monotonic()
    waited_before, figures_before = waited_s(worker), bench.figures
    report = await run_generator(generator)
    wall_s = time.monotonic() - before[2]
    worker_s, service_s = cpu_s(worker) - before[0], cpu_s(os.getpid()) - before[1]
    waited = waited_s(worker) - waited_before
    full_mb = memory_mb(worker)
    await bench.tear_down()
    result: dict[str, Any] = {
        "calls": arguments.calls,
        "seconds": arguments.seconds,
        "recorded": bench.record,
        "lost": report["sent"] - report["came"],
        "us_a_packet_worker": round(worker_s / report["sent"] * 1e6, 2),
        "us_a_packet_all": round((worker_s + service_s) / report["sent"] * 1e6, 2),
        "worker_cpu_share": round(worker_s / wall_s, 3),
        "worker_kept_waiting_share": round(waited / wall_s, 3),
        "service_cpu_share": round(service_s / wall_s, 3),
        "memory_kb_a_call": round((full_mb - empty_mb) * 1024 / arguments.calls, 1),
        "figures_a_second": round((bench.figures - figures_before) / wall_s),
        "recordings_stopped": bench.stopped,
        "load_average": os.getloadavg(),
    } | report
    if bench.record and not arguments.keep_unchecked:
        result["files"] = bench.check_files((arguments.seconds + arguments.warm_up) * 50)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=800)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--warm-up", type=int, default=4, help="seconds before latencies count")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--generator-core", type=int, default=1)
    parser.add_argument("--real-time", action="store_true", help="SCHED_RR, on a machine that others use (root)")
    parser.add_argument("--no-recording", action="store_true")
    parser.add_argument("--keep-unchecked", action="store_true", help="do not read the files back")
    parser.add_argument("--alone-seconds", type=int, default=10, help="of the generator without a relay at 1.5 times")
    parser.add_argument("--folder", type=Path, help="where the recordings go (removed afterwards)")
    arguments = parser.parse_args()
    result: dict[str, Any] = {}
    if arguments.alone_seconds:
        legs = 2 * round(arguments.calls * 1.5)
        alone = generator_alone(legs, arguments.alone_seconds, arguments.generator_core, real_time=arguments.real_time)
        result["generator_alone"] = asyncio.run(alone)
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        result |= asyncio.run(measure(arguments, folder))
    finally:
        shutil.rmtree(folder)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
