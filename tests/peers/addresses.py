"""Loopback addresses and ports of our own, so that test processes running side by side never meet."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from pathlib import Path

_counter = itertools.count(1)
_given: set[tuple[str, int]] = set()


def own_address() -> str:
    """A new address of 127.0.0.0/8 for each call: the middle octets from the process id, the last one counted."""
    pid = os.getpid()
    return f"127.{1 + pid // 250 % 250}.{1 + pid % 250}.{1 + next(_counter) % 250}"


def free_port(host: str, *, kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port that is free at `host` now, and that was not given before: a peer gets several before it takes any.
    Nobody else asks there, since the address is the process's own."""
    while True:
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind((host, 0))
            port: int = probe.getsockname()[1]
        if (host, port) not in _given:
            _given.add((host, port))
            return port


def free_even_port(host: str) -> int:
    """A free UDP port with a free odd one above it (RTP and RTCP, RFC 3550 section 11)."""
    while True:
        port = free_port(host)
        if port % 2 or (host, port + 1) in _given:
            continue
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind((host, port + 1))
        except OSError:
            continue
        _given.add((host, port + 1))
        return port


def is_bound(host: str, port: int, *, table: str = "udp") -> bool:
    """Whether some process listens at `host:port`, read from the kernel's table without touching the port."""
    raw = socket.inet_aton(host)[::-1].hex().upper()
    wanted = {f"{raw}:{port:04X}", f"00000000:{port:04X}"}
    lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    return any(line.split()[1] in wanted for line in lines)


async def until_bound(host: str, port: int, *, table: str = "udp", patience_s: float = 10.0) -> None:
    """Return once `host:port` is bound; the kernel gives no event for that, so its table is polled."""
    async with asyncio.timeout(patience_s):
        while not is_bound(host, port, table=table):  # noqa: ASYNC110 - see the docstring
            await asyncio.sleep(0.02)
