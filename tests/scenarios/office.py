"""A whole office for scenarios: `dialer serve` as a process of its own (so that it can be killed), a practice carrier,
a practice headset, and an operator who works through the console's own addresses, as the page does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import soundfile
from sqlalchemy import func, select

from crm.calls.attempts import Attempt
from crm.calls.recording_facts import Recording
from crm.database import Database
from dialer.demo import seed
from dialer.practice.processes import PracticeCarrier, PracticeHeadset

PATIENCE_S = 40.0
LOOK_EVERY_S = 0.05
T = TypeVar("T")


def free_port() -> int:
    """A port that is free now; the service that takes it says so if somebody was quicker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """`dialer serve` on one folder; may be killed and started again."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder = folder
        self.config = folder / "dialer.toml"
        self.config.write_text(settings, encoding="utf-8")
        self.process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        """Returns when the console answers."""
        with (self.folder / "service.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).with_name("dialer")), "serve", "-c", str(self.config),
                stdout=asyncio.subprocess.PIPE, stderr=log,
                env={**os.environ, "LANG": "C.UTF-8"},
            )  # fmt: skip
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = (await self.process.stdout.readline()).decode()
        found = re.search(r"http://\S+", line)
        assert found, (line, self.log())
        self.url = found.group().rstrip("/")

    def log(self) -> str:
        return (self.folder / "service.log").read_text(encoding="utf-8")

    async def kill(self) -> None:
        """SIGKILL: nothing gets the chance to tidy up."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(how)
            async with asyncio.timeout(PATIENCE_S):
                await self.process.wait()

    def worker_pids(self) -> list[int]:
        """The media workers: the service's children."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"dialer.media.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


class Operator:
    """Signed in at the console; posts what the page's buttons post, and sees what its live connection shows."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._csrf = ""
        self.regions: dict[str, str] = {}  # what the page shows, by part

    async def sign_in(self, login: str = seed.OPERATOR, password: str = seed.PASSWORD) -> None:
        token = await self._token("/sign-in")
        fields = {"login": login, "password": password, "csrf": token}
        async with self._http.post(f"{self._url}/sign-in", data=fields, headers={"Origin": self._url}) as answer:
            assert answer.status == 200, await answer.text()
        self._csrf = await self._token("/operator")

    async def _token(self, path: str) -> str:
        async with self._http.get(self._url + path) as answer:
            page = await answer.text()
        found = re.search(r'name="csrf"[^>]*(?:value|content)="([^"]+)"', page)
        assert found, page[:2000]
        return found.group(1)

    async def post(self, action: str, **content: Any) -> dict[str, Any]:
        """The JSON answer; a refusal fails the test with its words."""
        headers = {"Origin": self._url, "X-CSRF-Token": self._csrf}
        async with self._http.post(f"{self._url}/operator/{action}", json=content, headers=headers) as answer:
            text = await answer.text()
            assert answer.status == 200, (action, answer.status, text)
            found: dict[str, Any] = json.loads(text)
            return found

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self._http.get(self._url + path) as answer:
            return answer.status, await answer.read()

    async def until(self, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first snapshot of the desk for which `reached` holds."""
        async with (
            asyncio.timeout(PATIENCE_S),
            self._http.ws_connect(f"{self._url}/operator/live", headers={"Origin": self._url}) as live,
        ):
            await live.send_json({"have": {}})
            async for message in live:
                view: dict[str, Any] = json.loads(message.data)
                self.regions |= {name: part["html"] for name, part in view["regions"].items()}
                if reached(view):
                    return view
        raise AssertionError("the live connection ended")

    async def call_the_next(self) -> str:
        """Ready, next call, and the client has answered. Returns the attempt's id."""
        await self.post("ready")
        view = await self.until(lambda view: view["line"] == "ready" and view["client"] is not None)
        attempt = await self.post("dial", client_id=view["client"])
        await self.until(lambda view: view["call"] == "talking")
        return str(attempt["attempt_id"])


class World:
    """Everything that a scenario needs."""

    def __init__(
        self,
        service: Service,
        http: aiohttp.ClientSession,
        sip_port: int,
        database_url: str,
        carrier: PracticeCarrier | None,
    ) -> None:
        self.service = service
        self.database_url = database_url
        self.http = http
        self.sip_port = sip_port
        self._carrier = carrier

    @property
    def carrier(self) -> PracticeCarrier:
        """The practice carrier, in an office that has one."""
        assert self._carrier is not None
        return self._carrier

    def headset(self, user: str = seed.HEADSET) -> PracticeHeadset:
        return PracticeHeadset(registrar=("127.0.0.1", self.sip_port), user=user, password=seed.HEADSET_PASSWORD)

    async def operator(self, login: str = seed.OPERATOR) -> Operator:
        operator = Operator(self.http, self.service.url)
        await operator.sign_in(login)
        return operator

    async def stored(self, read: Callable[[Any], Awaitable[T]]) -> T:
        """What the database holds, read from outside the service."""
        database = Database(self.database_url)
        try:
            async with database.reading() as session:
                return await read(session)
        finally:
            await database.dispose()

    async def change(self, write: Callable[[Any], Awaitable[None]]) -> None:
        """Change the database from outside the service, as a command or another service does."""
        database = Database(self.database_url)
        try:
            async with database.transaction() as session:
                await write(session)
        finally:
            await database.dispose()

    async def attempt(self, attempt_id: str) -> Attempt:
        async def read(session: Any) -> Attempt:
            found: Attempt = await session.get_one(Attempt, attempt_id)
            return found

        return await self.stored(read)

    async def recording_begun(self, attempt_id: str) -> Recording:
        """The recording's row, as soon as there is one; another process writes it, so it is looked for."""
        for _ in range(int(PATIENCE_S / LOOK_EVERY_S)):
            if (found := await self.recording(attempt_id)) is not None:
                return found
            await asyncio.sleep(LOOK_EVERY_S)
        raise AssertionError(f"no recording of {attempt_id} was begun")

    async def recording(self, attempt_id: str) -> Recording | None:
        async def read(session: Any) -> Recording | None:
            found: Recording | None = await session.scalar(select(Recording).where(Recording.attempt_id == attempt_id))
            return found

        return await self.stored(read)

    def recording_path(self, recording: Recording) -> Path:
        return self.service.folder / "data" / "recordings" / recording.key

    async def number_of_attempts(self) -> int:
        async def read(session: Any) -> int:
            return int(await session.scalar(select(func.count()).select_from(Attempt)) or 0)

        return await self.stored(read)


def playable_seconds(path: Path) -> float:
    """The length of a recording of two channels, by both readers."""
    with wave.open(str(path), "rb") as file:
        assert file.getnchannels() == 2
        seconds = file.getnframes() / file.getframerate()
    samples, rate = soundfile.read(path)
    assert len(samples) / rate == seconds
    return seconds


async def until_recorded(path: Path, seconds: float) -> None:
    """Returns once the file holds so much (two channels of 16 bits at 8 kHz; a file gives no event)."""
    async with asyncio.timeout(PATIENCE_S):
        while not _holds(path, seconds):  # noqa: ASYNC110 - see the docstring
            await asyncio.sleep(LOOK_EVERY_S)


def _holds(path: Path, seconds: float) -> bool:
    return path.stat().st_size >= 44 + seconds * 32000


def settings(*, sip_port: int, carrier: tuple[str, int], further: str = "") -> str:
    return f"""
[console]
port = 0
[sip]
port = {sip_port}
[media]
first_port = 0
last_port = 0
[trunk]
host = "{carrier[0]}"
port = {carrier[1]}
caller_id = "+73420000000"
options_interval_s = 5
[recordings]
minimum_free_mb = 1
encrypt = false
[scheduler]
poll_s = 1
{further}
"""


@contextlib.asynccontextmanager
async def office(
    folder: Path, *, further: str = "", talk_s: float | None = None, database_url: str = ""
) -> AsyncIterator[World]:
    """A service that runs, with the practice clients of the demonstration in its plan and the practice carrier behind
    its trunk; on SQLite, or on the database of that URL."""
    async with (
        PracticeCarrier(log=folder / "far-end.jsonl", ring_s=0.2, talk_s=talk_s) as carrier,
        office_at(folder, carrier.address, further=further, database_url=database_url, practice=carrier) as world,
    ):
        yield world


@contextlib.asynccontextmanager
async def office_at(
    folder: Path,
    carrier: tuple[str, int],
    *,
    further: str = "",
    database_url: str = "",
    practice: PracticeCarrier | None = None,
) -> AsyncIterator[World]:
    """As `office`, with whatever speaks SIP at `carrier` behind the trunk."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    if database_url:
        further += f'[database]\nurl = "{database_url}"\n'
    database_url = database_url or f"sqlite:///{data / 'dialer.db'}"
    database = Database(database_url)
    await database.upgrade()
    async with database.transaction() as session:
        await seed.seed(session, now=datetime.now(UTC), realm="dialer")
    await database.dispose()
    async with contextlib.AsyncExitStack() as stack:
        sip_port = free_port()
        service = Service(folder, settings(sip_port=sip_port, carrier=carrier, further=further))
        stack.push_async_callback(service.stop)
        await service.start()
        jar = aiohttp.CookieJar(unsafe=True)  # an address is no host name
        http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        yield World(service, http, sip_port, database_url, practice)


@contextlib.asynccontextmanager
async def further_node(world: World, folder: Path, name: str) -> AsyncIterator[World]:
    """Another service on the same database and carrier, with ports and a folder (there already) of its own."""
    sip_port = free_port()
    further = f'[service]\nnode = "{name}"\nfurther_node = true\n[database]\nurl = "{world.database_url}"\n'
    service = Service(folder, settings(sip_port=sip_port, carrier=world.carrier.address, further=further))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(service.stop)
        await service.start()
        jar = aiohttp.CookieJar(unsafe=True)
        http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        yield World(service, http, sip_port, world.database_url, world.carrier)
