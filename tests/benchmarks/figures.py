"""What the benchmarks share: percentiles, and the event loop and the log that the service has."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dialer.logs import configure_logging


def percentiles_ms(times_ns: Sequence[int]) -> dict[str, float]:
    """p50, p95, p99 and max in ms, by the nearest rank (no value that was not measured)."""
    if not times_ns:
        return {}
    found = np.percentile(np.asarray(times_ns), [50, 95, 99, 100], method="inverted_cdf") / 1e6
    return {name: round(float(value), 2) for name, value in zip(("p50", "p95", "p99", "max"), found, strict=True)}


def add_precedence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--real-time",
        action="store_true",
        help="run before all other programs (SCHED_RR), on a machine that others use",
    )


def take_precedence(arguments: argparse.Namespace) -> None:
    """For this process and those that it will start, before it has other threads. As root only."""
    if arguments.real_time:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


@contextlib.contextmanager
def as_served(parent: Path | None = None) -> Iterator[tuple[asyncio.Runner, Path]]:
    """The event loop of `dialer serve`, its log lines in a file, and a folder (in `parent`) that is removed at the
    end."""
    with tempfile.TemporaryDirectory(prefix="dialer-bench-", dir=parent) as name:
        folder = Path(name)
        with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
            configure_logging("info", "json", log)
            with asyncio.Runner() as runner:
                yield runner, folder
