"""What the benchmarks share: percentiles, and the event loop and the log that the service has."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import uvloop

from dialer.logs import configure_logging


def percentiles_ms(times_ns: Sequence[int]) -> dict[str, float]:
    """p50, p95, p99 and max in ms, by the nearest rank (no value that was not measured)."""
    if not times_ns:
        return {}
    found = np.percentile(np.asarray(times_ns), [50, 95, 99, 100], method="inverted_cdf") / 1e6
    return {name: round(float(value), 2) for name, value in zip(("p50", "p95", "p99", "max"), found, strict=True)}


@contextlib.contextmanager
def as_served(parent: Path | None = None) -> Iterator[tuple[asyncio.Runner, Path]]:
    """The event loop of `dialer serve`, its log lines in a file, and a folder (in `parent`) that is removed at the
    end."""
    with tempfile.TemporaryDirectory(prefix="dialer-bench-", dir=parent) as name:
        folder = Path(name)
        with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
            configure_logging("info", "json", log)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                yield runner, folder
