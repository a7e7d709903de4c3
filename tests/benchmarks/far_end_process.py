"""The far end as the benchmarks use it: `async with FarEndProcess() as far_end`."""

from __future__ import annotations

import asyncio
import json
import sys
from types import TracebackType
from typing import Any, Self

_PATIENCE_S = 30.0
_LONGEST_LINE = 64 << 20  # a report names every call


class FarEndProcess:
    """One process of `tests.benchmarks.far_end`."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self.host, self.port = "", 0

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.benchmarks.far_end",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LONGEST_LINE,
        )  # fmt: skip
        self.host, self.port = (await self._answer())["address"]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._running
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "not started"
        return self._process

    @property
    def pid(self) -> int:
        return self._running.pid

    async def tell(self, command: dict[str, Any]) -> None:
        process = self._running
        assert process.stdin is not None
        process.stdin.write(json.dumps(command).encode() + b"\n")
        await process.stdin.drain()

    async def _answer(self) -> dict[str, Any]:
        process = self._running
        assert process.stdout is not None
        async with asyncio.timeout(_PATIENCE_S):
            answer: dict[str, Any] = json.loads(await process.stdout.readline())
        return answer

    async def report(self) -> dict[str, Any]:
        """What came so far: see `far_end.FarEnd.report`."""
        await self.tell({"do": "report"})
        return await self._answer()

    async def register(self, sip_port: int, users: list[str], password: str) -> None:
        """Be the headset of each of `users`. Raises `TimeoutError`."""
        registrar = (self.host, sip_port)
        await self.tell({"do": "register", "registrar": registrar, "users": users, "password": password})
        assert (await self._answer())["registered"] == len(users)

    async def capacity(self, seconds: float) -> float:
        """Calls a second that this program takes without us: another process of it, fed with ready-made messages."""
        async with FarEndProcess() as other:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.benchmarks.far_end", "hammer", other.host, str(other.port), str(seconds),
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError("the hammer lost a packet: its figure is worth nothing")
        return float(json.loads(out)["calls_a_second"])
