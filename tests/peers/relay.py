"""A UDP relay between one side and a peer that loses what it is told to lose."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from types import TracebackType

Predicate = Callable[[bytes], bool]


def first_line(pattern: str) -> Predicate:
    """True for datagrams whose first line matches, e.g. `first_line("^INVITE ")`."""
    compiled = re.compile(pattern.encode())
    return lambda datagram: compiled.search(datagram.split(b"\r\n", 1)[0]) is not None


class _Side(asyncio.DatagramProtocol):
    def __init__(self, on_datagram: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._on_datagram = on_datagram

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._on_datagram(data, addr)


class LossyRelay:
    """Listens at `host:port`, passes datagrams to `target` and what comes back to the last who sent.

    The first `lose` datagrams (either way) for which `predicate` holds are dropped; `dropped` and `passed` keep them.
    """

    def __init__(self, host: str, target: tuple[str, int], *, lose: int, predicate: Predicate) -> None:
        self.host = host
        self.port = 0
        self.dropped: list[bytes] = []
        self.passed: list[bytes] = []
        self._target = target
        self._lose = lose
        self._predicate = predicate
        self._client: tuple[str, int] | None = None
        self._front: asyncio.DatagramTransport | None = None
        self._back: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> LossyRelay:
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self._from_client), local_addr=(self.host, 0)
        )
        self._back, _ = await loop.create_datagram_endpoint(lambda: _Side(self._from_target), local_addr=(self.host, 0))
        self.port = self._front.get_extra_info("sockname")[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for side in (self._front, self._back):
            if side is not None:
                side.close()

    def _from_client(self, datagram: bytes, source: tuple[str, int]) -> None:
        self._client = source
        if self._survives(datagram) and self._back is not None:
            self._back.sendto(datagram, self._target)

    def _from_target(self, datagram: bytes, source: tuple[str, int]) -> None:
        if self._client is not None and self._survives(datagram) and self._front is not None:
            self._front.sendto(datagram, self._client)

    def _survives(self, datagram: bytes) -> bool:
        if len(self.dropped) < self._lose and self._predicate(datagram):
            self.dropped.append(datagram)
            return False
        self.passed.append(datagram)
        return True
