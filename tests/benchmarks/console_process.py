"""The console alone on a base that is there already, in a process of its own: `python -m
tests.benchmarks.console_process DATABASE_URL` prints its port, and serves until its input ends.

The base gets a manager who can sign in, if it has none yet.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from sqlalchemy import select

from config.settings import ServiceSettings, Settings
from crm.database import Database
from crm.office.users import Role, User, add_user
from dialer.console.app import ConsoleDeps, create_console
from dialer.logs import configure_logging
from dialer.upkeep import Upkeep
from recordings.store import LocalStore
from tests.dialer.console.fake_desk import FakeDesk

LOGIN = "visitor"
PASSWORD = "practice-makes-perfect"


def clock() -> datetime:
    return datetime.now(UTC)


async def serve(url: str, folder: Path) -> None:
    database = Database(url)
    async with database.transaction() as session:
        if await session.scalar(select(User.id).where(User.login == LOGIN)) is None:
            await add_user(
                session, login=LOGIN, name="Benchmark", role=Role.MANAGER, password=PASSWORD, now=clock()
            )  # fmt: skip
    store = LocalStore(folder / "recordings")
    store.prepare()
    settings = Settings().model_copy(update={"service": ServiceSettings(data_dir=str(folder / "data"))})
    deps = ConsoleDeps(
        database=database, desk=FakeDesk(database, clock), store=store, settings=settings, clock=clock,
        upkeep=Upkeep(database, store, settings, folder / "dialer.toml", clock),
    )  # fmt: skip
    runner = web.AppRunner(create_console(deps))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    try:
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await runner.cleanup()
        await database.dispose()


if __name__ == "__main__":
    configure_logging("warning", "json", sys.stderr)
    with tempfile.TemporaryDirectory(prefix="dialer-bench-") as name:
        asyncio.run(serve(sys.argv[1], Path(name)))
