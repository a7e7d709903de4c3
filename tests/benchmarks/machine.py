"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tests.databases import find_postgresql

_LIBRARIES = ("SQLAlchemy", "aiosqlite", "asyncpg", "aiohttp", "numpy", "structlog")
_WRITES = 200


def describe(folder: Path) -> dict[str, str]:
    """`folder` is where the benchmarks write."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _said_by("git", "describe", "--always", "--dirty"),
        "processor": _line_of("/proc/cpuinfo", r"model name\s*: (.*)"),
        "cores": str(os.cpu_count()),
        "memory": f"{int(_line_of('/proc/meminfo', r'MemTotal: *([0-9]+)') or 0) // 1024} MB",
        "virtual_machine": _said_by("systemd-detect-virt"),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "postgresql": _postgresql(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
        "disk": f"{_said_by('findmnt', '-no', 'FSTYPE', '-T', str(folder))}; 4 KB and fdatasync: {_write_ms(folder)}",
        "load_average": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _line_of(path: str, pattern: str) -> str:
    file = Path(path)
    found = re.search(pattern, file.read_text()) if file.exists() else None
    return found[1].strip() if found else ""


def _said_by(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def _postgresql() -> str:
    programs = find_postgresql()
    return _said_by(str(programs / "postgres"), "--version") if programs else "none"


def _write_ms(folder: Path) -> str:
    """What a commit costs at least here."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for number in range(_WRITES):
            os.pwrite(file.fileno(), bytes(4096), number * 4096)
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"
