"""One peer's process: its output is read, kept and searched; it is ended by its own id."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path


class PeerDied(Exception):
    """The peer ended before it said what was awaited."""


class PeerProcess:
    """A program in a process group of its own. `output` is what it has written so far, line by line."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self.output: list[str] = []
        self._process = process
        self._grew = asyncio.Condition()
        self._closed = False
        self._reader = asyncio.create_task(self._read(), name=f"output of {name}")

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], *, folder: Path, environ: Mapping[str, str] | None = None
    ) -> PeerProcess:
        """Start `command` in `folder`, which must exist; the log goes there too."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={**os.environ, **(environ or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        return cls(name, process, folder / f"{name}.log")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    async def _read(self) -> None:
        assert self._process.stdout is not None
        with self.log.open("w") as log:
            async for raw in self._process.stdout:
                line = raw.decode(errors="replace").rstrip()
                log.write(line + "\n")
                log.flush()
                async with self._grew:
                    self.output.append(line)
                    self._grew.notify_all()
        async with self._grew:
            self._closed = True
            self._grew.notify_all()

    async def wrote(self, pattern: str, *, times: int = 1, patience_s: float = 15.0) -> str:
        """The line, past or coming, in which `pattern` is found for the `times`-th time.

        Raises `PeerDied`, `TimeoutError`."""
        wanted = re.compile(pattern)
        async with asyncio.timeout(patience_s), self._grew:
            while True:
                found = [line for line in self.output if wanted.search(line)]
                if len(found) >= times:
                    return found[times - 1]
                if self._closed:
                    raise PeerDied(f"{self.name} ended without writing {pattern!r}:\n" + "\n".join(self.output[-30:]))
                await self._grew.wait()

    async def finished(self, *, patience_s: float = 20.0) -> int:
        """The exit code, once the process has ended by itself."""
        async with asyncio.timeout(patience_s):
            code = await self._process.wait()
            await self._reader
            return code

    async def stop(self, *, patience_s: float = 2.0) -> None:
        """SIGTERM, and SIGKILL for the whole group after `patience_s`. Safe to call twice."""
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._process.wait()
        self._signal(signal.SIGKILL)
        await self._process.wait()
        await self._reader

    def kill(self) -> None:
        """SIGKILL at once, as a crash would be."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
