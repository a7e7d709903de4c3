"""The generator of `bench_relay`: legs that send 50 packets a second and measure what comes back.

Prints {"sockets": [[host, port], ...]}, then reads one JSON line {"legs": [[host, port], ...], "seconds": s,
"warm_up": s, "direct": bool}, prints {"ready": true}, and begins at the next line. Leg n sends from socket
`slot_of(n)`, where its own side of the call comes back too. With `direct` every packet goes to its own socket, without
a relay: the generator alone.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.benchmarks.bench_mmsg import SO_TIMESTAMPNS, Receiver, Sender

SLOTS = 20  # of 1 ms, each with its own socket
SLOT_S = 0.001
MAGIC = b"\x11\x92\x33\xb4"
PACKET = np.dtype(
    [
        ("first", "u1"),
        ("second", "u1"),
        ("sequence", ">u2"),
        ("timestamp", ">u4"),
        ("ssrc", ">u4"),
        ("magic", "u1", 4),
        ("leg", "<u4"),
        ("count", "<u4"),
        ("sent", "<i8"),
        ("filling", "u1", 140),
    ]
)
HISTOGRAM_US = 200_000


def open_sockets(host: str) -> list[socket.socket]:
    sockets = []
    for _ in range(SLOTS):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for option in (socket.SO_RCVBUF, 33):  # 33: SO_RCVBUFFORCE, for root
            try:
                sock.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
            except PermissionError:
                continue
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setblocking(False)
        sock.bind((host, 0))
        sockets.append(sock)
    return sockets


def slot_of(leg: int) -> int:
    """Both legs of a call in slots half a period apart."""
    pair, side = divmod(leg, 2)
    return (pair + side * (SLOTS // 2)) % SLOTS


class Generator:
    def __init__(self, sockets: list[socket.socket], to: list[tuple[str, int]], *, direct: bool) -> None:
        self.sockets = sockets
        legs = len(to)
        members = [[leg for leg in range(legs) if slot_of(leg) == slot] for slot in range(SLOTS)]
        self.rows = []
        self.senders = []
        for slot, mine in enumerate(members):
            rows = np.zeros(len(mine), PACKET)
            rows["first"], rows["second"] = 0x80, 8
            rows["ssrc"] = rows["leg"] = np.array(mine)
            rows["magic"] = np.frombuffer(MAGIC, np.uint8)
            rows["filling"] = 0xD5
            own = sockets[slot].getsockname()
            self.rows.append(rows)
            self.senders.append(Sender(sockets[slot], rows, [own if direct else to[leg] for leg in mine]))
        self.receiver = Receiver(PACKET)
        self.latencies = np.zeros(HISTOGRAM_US, np.int64)
        self.longest_ns = 0
        self.refused = 0
        self.behind_s = 0.0
        self.sent = np.zeros(legs, np.int64)
        self.came = np.zeros(legs, np.int64)
        self.counted_from = -1

    def send(self, slot: int, number: int) -> None:
        rows = self.rows[slot]
        rows["sequence"] = number & 0xFFFF
        rows["timestamp"] = (number * 160) & 0xFFFFFFFF
        rows["count"] = number
        rows["sent"] = time.time_ns()
        self.refused += len(rows) - self.senders[slot].send()
        self.sent[rows["leg"]] += 1

    def receive(self, sock: socket.socket) -> None:
        rows, stamps = self.receiver.receive(sock)
        ours = (rows["magic"] == np.frombuffer(MAGIC, np.uint8)).all(axis=1)  # not the worker's silence
        rows, stamps = rows[ours], stamps[ours]
        np.add.at(self.came, rows["leg"], 1)
        counted = rows["count"] >= self.counted_from
        delays = np.maximum(stamps[counted] - rows["sent"][counted], 0)
        if len(delays):
            self.longest_ns = max(self.longest_ns, int(delays.max()))
            np.add.at(self.latencies, np.minimum(delays // 1000, HISTOGRAM_US - 1), 1)

    def run(self, frames: int, counted_from: int) -> None:
        self.counted_from = counted_from
        poll = select.epoll()
        by_fd = {sock.fileno(): sock for sock in self.sockets}
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        self._drain(by_fd, poll)
        began = time.monotonic()
        for step in range(frames * SLOTS):
            due = began + step * SLOT_S
            while (wait := due - time.monotonic()) > 0:
                for fd, _ in poll.poll(wait if wait > SLOT_S else 0):
                    self.receive(by_fd[fd])
                if wait > 0.0002:
                    time.sleep(0.0001)
            self.behind_s = max(self.behind_s, -wait)
            self.send(step % SLOTS, step // SLOTS)
        self._drain(by_fd, poll)

    def _drain(self, by_fd: dict[int, socket.socket], poll: select.epoll) -> None:
        """Take what is there; before the start that is the silence which the relay sends to legs that hear nobody."""
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            for fd, _ in poll.poll(0.1):
                self.receive(by_fd[fd])

    def report(self) -> dict[str, Any]:
        counts = self.latencies
        total = int(counts.sum())
        upto = np.cumsum(counts)
        p50, p99, p999 = (int(np.searchsorted(upto, total * share)) for share in (0.5, 0.99, 0.999))
        return {
            "sent": int(self.sent.sum()),
            "came": int(self.came.sum()),
            "refused_by_kernel": self.refused,
            "counted": total,
            "p50_us": p50,
            "p99_us": p99,
            "p99_9_us": p999,
            "max_us": self.longest_ns // 1000,
            "generator_kept_waiting_s": round(int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9, 2),
            "generator_behind_ms": round(self.behind_s * 1000, 2),
            "generator_cpu_s": round(sum(os.times()[:2]), 2),
        }


def recorded_counts(codes: npt.NDArray[np.uint8], leg: int) -> npt.NDArray[np.int64]:
    """The packet numbers of `leg` found in `codes`, in the order of their places."""
    mark = np.frombuffer(MAGIC + np.uint32(leg).tobytes(), np.uint8)
    at = np.flatnonzero(codes[: len(codes) - 12] == mark[0])
    for offset in range(1, len(mark)):
        at = at[codes[at + offset] == mark[offset]]
    digits = codes[at[:, None] + np.arange(8, 12)].astype(np.int64)
    numbers: npt.NDArray[np.int64] = digits @ np.array([1, 1 << 8, 1 << 16, 1 << 24])
    return numbers


def main() -> None:
    sockets = open_sockets("127.0.0.1")
    print(json.dumps({"sockets": [sock.getsockname() for sock in sockets]}), flush=True)
    asked = json.loads(sys.stdin.readline())
    generator = Generator(sockets, [(host, port) for host, port in asked["legs"]], direct=asked["direct"])
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.readline()
    frames, warm_up = round(asked["seconds"] * 50), round(asked["warm_up"] * 50)
    generator.run(frames + warm_up, warm_up)
    print(json.dumps(generator.report()), flush=True)


if __name__ == "__main__":
    main()
