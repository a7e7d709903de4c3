"""How a worker holds its legs' sockets, as the kernel sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dialer.media.controller import LegMeasured
from tests.audio import tone
from tests.dialer.media.conftest import Media
from tests.dialer.media.far_end import FarEnd


def udp_sockets(pid: int) -> dict[int, tuple[int, int]]:
    """By file descriptor the local and the remote port of every UDP socket of a process; 0: not connected."""
    ports = {}
    for line in Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(fields[at].rpartition(":")[2], 16) for at in (1, 2))
        ports[f"socket:[{fields[9]}]"] = (local, remote)
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = str(link.readlink())
        if target in ports:
            found[int(link.name)] = ports[target]
    return found


def watched_by_epoll(pid: int) -> list[set[int]]:
    """For each epoll of a process the file descriptors that it watches."""
    return [
        {
            int(line.split()[1])
            for line in Path(f"/proc/{pid}/fdinfo/{link.name}").read_text().splitlines()
            if "tfd" in line
        }
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if str(link.readlink()) == "anon_inode:[eventpoll]"
    ]


async def heard(media: Media, leg: str) -> None:
    await media.until(LegMeasured, lambda event: event.leg == leg and event.received > 0)


async def test_each_leg_has_one_connected_socket_in_one_epoll(media: Media) -> None:
    bridges: list[tuple[FarEnd, FarEnd]] = []
    for name in ("first", "second"):
        ends = (await media.leg(f"{name} operator"), await media.leg(f"{name} client"))
        await media.controller.bridge(f"{name} operator", f"{name} client")
        bridges.append(ends)
    for name, ends in zip(("first", "second"), bridges, strict=True):
        for side, end in zip(("operator", "client"), ends, strict=True):
            await end.talk(tone(700, 0.1))
            await heard(media, f"{name} {side}")
    (pid,) = media.controller.worker_pids
    sockets = {fd: ports for fd, ports in udp_sockets(pid).items() if ports[1]}
    assert {remote for _, remote in sockets.values()} == {end.port for ends in bridges for end in ends}
    assert len(sockets) == 4
    (epoll,) = watched_by_epoll(pid)
    assert set(sockets) <= epoll
    reporting = {local for local, remote in udp_sockets(pid).values() if not remote}
    assert reporting <= {local + 1 for local, _ in sockets.values()}  # RTCP


def test_no_event_loop_of_python_is_in_a_worker() -> None:
    script = "import sys, dialer.media.worker; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"asyncio", "uvloop", "aiohttp"} & set(done.stdout.split())
