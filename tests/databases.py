"""The fixtures `database` and `database_url`: every test that asks for one runs on SQLite and on PostgreSQL.

SQLite tests get a copy of a migrated file. For PostgreSQL the first test that needs it starts a cluster in a temporary
folder, shared by all workers of the run and stopped at its end; each test gets a database made from a migrated
template. Tests that all begin with the same rows override `filling`: it is done once, and copied for each. A run that
is killed leaves nothing behind: see `tests/database_watchdog.py`. The run ends with the numbers of tests executed on
each, and fails when they differ.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pwd
import secrets
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache

from crm.database import Database
from tests.database_watchdog import PARENTS, new_folder, remove_leftovers, watch

KINDS = ("sqlite", "postgresql")
FOLDER = pytest.StashKey[Path]()
EXECUTED = pytest.StashKey[Counter[str]]()
TEMPLATE = "migrated"
KEY = b"key of the office, for tests"
COMPILED: LRUCache[Any, Any] = LRUCache(5000)

Filling = Callable[[Database], Awaitable[Any]]


@event.listens_for(Engine, "engine_connect")
def _share_compiled_statements(connection: Connection) -> None:
    """An office compiles a statement once for all its days; thousands of tests, each with an engine of its own, would
    compile it thousands of times, which took a third of their time."""
    connection.execution_options(compiled_cache=COMPILED)


# The key of that cache holds the dialect: those of one database are alike here, whichever engine they belong to.
DefaultDialect.__hash__ = lambda dialect: hash(type(dialect))  # type: ignore[method-assign, assignment]
DefaultDialect.__eq__ = lambda one, other: type(one) is type(other)  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class Filled:
    """A template, a file of SQLite or the name of a PostgreSQL database, and what filling it returned."""

    template: str
    told: Any


FILLED = pytest.StashKey[dict[tuple[str, Filling | None], Filled]]()


class Cluster:
    """A PostgreSQL server of our own, reached by a Unix socket in `folder`. It is locale C on purpose: nothing may lean
    on what the server holds for a letter."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def start(self) -> None:
        if os.geteuid() == 0:  # the server refuses to run as root
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.folder.chmod(0o755)
        files = str(self.folder / "data")
        self._run("initdb", "-D", files, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=200"
        self._run("pg_ctl", "-D", files, "-l", str(self.folder / "log"), "-o", options, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        finished = subprocess.run(
            command, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if finished.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {finished.stdout}{finished.stderr}")

    async def execute(self, statement: str, *, name: str = "postgres") -> None:
        connection: Any = await asyncpg.connect(host=str(self.folder), user="postgres", database=name)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def find_postgresql() -> Path | None:
    """The folder of the newest installed server's programs."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda folder: int(folder.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


def _wait_for(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end in a loop of its own: fixtures ask for this from within a running loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.upgrade()
    await database.dispose()


@pytest.fixture(scope="session")
def sqlite_template(pytestconfig: pytest.Config) -> Path:
    """A migrated, empty file of this worker."""
    path = pytestconfig.stash[FOLDER] / f"template-{os.getpid()}.db"
    _wait_for(_migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgresql_cluster(pytestconfig: pytest.Config) -> Cluster:
    """The cluster of this run, with a migrated template; started by whichever worker comes first."""
    programs = find_postgresql()
    if programs is None:
        reason = "PostgreSQL is not installed (apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = pytestconfig.stash[FOLDER]
    cluster = Cluster(programs, folder / "pg")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = folder / "started.json"
        if not started.exists():
            watch(folder)
            cluster.folder.mkdir()
            cluster.start()
            started.write_text(json.dumps({"programs": str(programs)}))
            _wait_for(cluster.execute(f"CREATE DATABASE {TEMPLATE}"))
            _wait_for(_migrate(cluster.url(TEMPLATE)))
    return cluster


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """The kind of all databases of a test; what counts as a test on it."""
    kind: str = request.param
    request.node.user_properties.append(("database", kind))
    return kind


@pytest.fixture
async def empty_database_url(request: pytest.FixtureRequest, database_kind: str) -> AsyncIterator[str]:
    """The URL of a database without any table."""
    if database_kind == "sqlite":
        with _file_folder(request) as folder:
            yield f"sqlite:///{folder / 'empty.db'}"
        return
    cluster: Cluster = request.getfixturevalue("postgresql_cluster")
    async with made_database(cluster, "template0") as url:
        yield url


@pytest.fixture
def filling() -> Filling | None:
    """What fills the databases of a test, for modules that override it."""
    return None


@pytest.fixture
async def filled(request: pytest.FixtureRequest, database_kind: str, filling: Filling | None) -> Filled:
    """The template of this test's database, and what `filling` returned."""
    kept = request.config.stash[FILLED]
    if (database_kind, filling) in kept:
        return kept[database_kind, filling]
    if database_kind == "sqlite":
        migrated: Path = request.getfixturevalue("sqlite_template")
        made = Filled(str(migrated), None)
        if filling is not None:
            file = migrated.with_name(f"filled-{secrets.token_hex(8)}.db")
            shutil.copyfile(migrated, file)
            made = Filled(str(file), await _fill(f"sqlite:///{file}", filling))
    else:
        cluster: Cluster = request.getfixturevalue("postgresql_cluster")
        made = Filled(TEMPLATE, None)
        if filling is not None:
            template = f"filled_{secrets.token_hex(8)}"
            await cluster.execute(f"CREATE DATABASE {template} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
            made = Filled(template, await _fill(cluster.url(template), filling))
    kept[database_kind, filling] = made
    return made


async def _fill(url: str, filling: Filling) -> Any:
    database = Database(url, KEY)
    try:
        return await filling(database)
    finally:
        await database.dispose()


@pytest.fixture
async def database_url(request: pytest.FixtureRequest, database_kind: str, filled: Filled) -> AsyncIterator[str]:
    """The URL of a migrated database that holds what `filling` put there, else nothing."""
    if database_kind == "sqlite":
        with _file_folder(request) as folder:
            shutil.copyfile(filled.template, folder / "test.db")
            yield f"sqlite:///{folder / 'test.db'}"
        return
    cluster: Cluster = request.getfixturevalue("postgresql_cluster")
    async with made_database(cluster, filled.template) as url:
        yield url


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest, sqlite_template: Path) -> Iterator[str]:
    """As `database_url`, for tests of things that no database is part of."""
    with _file_folder(request) as folder:
        shutil.copyfile(sqlite_template, folder / "test.db")
        yield f"sqlite:///{folder / 'test.db'}"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The database at `database_url`, opened."""
    opened = Database(database_url, KEY)
    yield opened
    await opened.dispose()


@contextmanager
def _file_folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    with TemporaryDirectory(dir=request.config.stash[FOLDER], prefix="sqlite-") as folder:
        yield Path(folder)


@asynccontextmanager
async def made_database(cluster: Cluster, template: str = TEMPLATE) -> AsyncIterator[str]:
    """The URL of a database of its own, removed at the end."""
    name = f"test_{secrets.token_hex(8)}"
    await cluster.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield cluster.url(name)
    finally:
        await cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")


class _ExecutedTests:
    """Counts by database; the reports of all workers arrive at the controller."""

    def __init__(self, config: pytest.Config) -> None:
        self._executed = config.stash[EXECUTED]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and not report.skipped:
            self._executed.update(str(value) for key, value in report.user_properties if key == "database")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[EXECUTED] = Counter()
    config.stash[FILLED] = {}
    config.pluginmanager.register(_ExecutedTests(config))
    given = getattr(config, "workerinput", {}).get("database_folder")
    config.stash[FOLDER] = Path(given) if given else new_folder()
    if not given:
        remove_leftovers(*PARENTS)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["database_folder"] = str(node.config.stash[FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash.get(FOLDER, None)
    if folder is None or hasattr(config, "workerinput"):
        return
    started = folder / "started.json"
    if started.exists():
        Cluster(Path(json.loads(started.read_text())["programs"]), folder / "pg").stop()
    shutil.rmtree(folder)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _fewer_on_one(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    executed = config.stash[EXECUTED]
    if not executed:
        return
    line = ", ".join(f"{executed[kind]} on {kind}" for kind in KINDS)
    terminalreporter.section("databases")
    terminalreporter.line(f"database tests executed: {line}", red=_fewer_on_one(config))


def _fewer_on_one(config: pytest.Config) -> bool:
    """Different numbers, in a run that was meant to be whole and had both databases."""
    executed = config.stash[EXECUTED]
    chosen = config.option.keyword or config.option.markexpr or any("::" in argument for argument in config.args)
    if chosen or hasattr(config, "workerinput") or (find_postgresql() is None and not os.environ.get("CI")):
        return False
    return len({executed[kind] for kind in KINDS}) > 1
