"""A console on a real database, with a desk that has no telephones."""

from __future__ import annotations

import copy
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from jinja2.bccache import Bucket

from config.settings import ConsoleSettings, ServiceSettings, Settings
from crm.database import Database
from crm.office import users
from dialer.console.app import ConsoleDeps, create_console
from dialer.upkeep import Upkeep
from recordings.store import LocalStore
from tests.databases import Filled, Filling
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import NOW, PASSWORD, Office, seed_office


class _Compiled(jinja2.BytecodeCache):
    """Templates compiled once for all tests of a worker: each has an application of its own."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


COMPILED = _Compiled()
SignIn = Callable[[str], Awaitable["Browser"]]


@dataclass(slots=True)
class Clock:
    """A clock that the test moves."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **step: float) -> None:
        self.now += timedelta(**step)


@dataclass(slots=True)
class Browser:
    """A client with a cookie jar that sends what a browser's page sends."""

    client: TestClient[Any, Any]
    csrf: str = ""

    @property
    def origin(self) -> str:
        return str(self.client.make_url("/")).rstrip("/")

    async def get(self, path: str, **options: Any) -> ClientResponse:
        return await self.client.get(path, allow_redirects=False, **options)

    async def text(self, path: str) -> str:
        response = await self.get(path)
        assert response.status == 200, f"{path}: {response.status}"
        page = await response.text()
        keys = re.findall(r'data-key="([^"]+)"', page)
        assert len(set(keys)) == len(keys), f"{path}: one key presses one button, not {keys}"
        return page

    async def post_form(self, path: str, *, page: str = "", **fields: str) -> ClientResponse:
        """`page`: that which the form stands on, as browsers say; without it none is said."""
        return await self.client.post(
            path,
            data={"csrf": self.csrf, **fields},
            headers={"Origin": self.origin, **({"Referer": f"{self.origin}{page}"} if page else {})},
            allow_redirects=False,
        )

    async def act(self, action: str, **content: object) -> ClientResponse:
        """What the operator's page posts."""
        headers = {"Origin": self.origin, "X-CSRF-Token": self.csrf, "Accept": "application/json"}
        return await self.client.post(f"/operator/{action}", json=content, headers=headers)

    async def sign_in(self, login: str, password: str = PASSWORD, **fields: str) -> ClientResponse:
        self.csrf = token_in(await self.text("/sign-in"))
        response = await self.post_form("/sign-in", login=login, password=password, **fields)
        if response.status == 303:
            first = await self.get("/")
            self.csrf = token_in(await self.text(first.headers["Location"]))
        return response


def token_in(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found, page
    return found[1]


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real argon2, at its least cost: an office has seven users, and every test signs somebody in."""
    monkeypatch.setattr(users, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def filling(request: pytest.FixtureRequest) -> Filling | None:
    """Where a test asks for the office its database begins with it."""
    return seed_office if "office" in request.fixturenames else None


@pytest.fixture
def office(database: Database, filled: Filled) -> Office:
    """What is in the database, at `NOW`."""
    told: Office = copy.deepcopy(filled.told)
    return told


@pytest.fixture
def desk(database: Database, clock: Clock) -> FakeDesk:
    return FakeDesk(database, clock)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    kept = LocalStore(tmp_path / "recordings")
    kept.prepare()
    return kept


@pytest.fixture
def console_settings() -> ConsoleSettings:
    """To be overridden where a test needs other settings."""
    return ConsoleSettings()


@pytest.fixture
def settings(console_settings: ConsoleSettings, tmp_path: Path) -> Settings:
    service = ServiceSettings(data_dir=str(tmp_path / "data"))
    return Settings().model_copy(update={"console": console_settings, "service": service})


@pytest.fixture
def upkeep(database: Database, store: LocalStore, settings: Settings, clock: Clock, tmp_path: Path) -> Upkeep:
    """To be overridden where a test makes backups."""
    return Upkeep(database, store, settings, tmp_path / "dialer.toml", clock)


@pytest.fixture
async def server(
    database: Database,
    desk: FakeDesk,
    store: LocalStore,
    clock: Clock,
    settings: Settings,
    upkeep: Upkeep,
) -> AsyncIterator[TestServer]:
    deps = ConsoleDeps(database=database, desk=desk, store=store, settings=settings, clock=clock, upkeep=upkeep)
    app = create_console(deps)
    aiohttp_jinja2.get_env(app).bytecode_cache = COMPILED
    running = TestServer(app)
    async with running:
        yield running


@pytest.fixture
async def visit(server: TestServer) -> AsyncIterator[Callable[[], Browser]]:
    """Makes browsers that nobody has signed in."""
    clients: list[TestClient[Any, Any]] = []

    def make() -> Browser:
        client = TestClient(server)
        clients.append(client)
        return Browser(client)

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
async def signed_in(visit: Callable[[], Browser], office: Office) -> SignIn:
    """Makes browsers that somebody of the office has signed in."""

    async def make(login: str) -> Browser:
        browser = visit()
        response = await browser.sign_in(login)
        assert response.status == 303, await response.text()
        return browser

    return make
