"""The service itself sends what is due, and says how its mail is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import aiohttp

from config.settings import Settings
from crm.clientele.clients import get_client
from crm.database import Database
from crm.office.users import get_user
from crm.plan.callbacks import agree
from crm.plan.promise_mail import set_mail
from dialer.app import running_service, utc_now
from tests.crm.builders import build_world
from tests.dialer.mailing.conftest import Letterbox, mail_server, settings_for


async def promise(settings: Settings) -> None:
    """One that was made a minute ago, by somebody who wants it in the calendar."""
    settings.recordings_dir.mkdir(parents=True)
    database, now = Database(settings.database_url), utc_now() - timedelta(minutes=1)
    try:
        await database.upgrade()
        world = await build_world(database)
        anna, client_id = await world.operator(), await world.client()
        async with world.transaction() as session:
            user = await get_user(session, anna)
            await set_mail(session, user=user, email="anna@example.ru", callbacks=True, now=now)
            at = (now + timedelta(days=3)).replace(tzinfo=None)
            await agree(session, client=await get_client(session, client_id), owner_id=anna, local_at=at, now=now)
    finally:
        await database.dispose()


async def test_the_running_service_sends_what_is_due(tmp_path: Path) -> None:
    box = Letterbox()
    async with mail_server(box) as port:
        settings = Settings.model_validate(
            {
                "service": {"data_dir": str(tmp_path / "data")},
                "console": {"port": 0},
                "sip": {"port": 0},
                "media": {"first_port": 0, "last_port": 0},
                "recordings": {"minimum_free_mb": 1},
                "scheduler": {"poll_s": 1},
                "mail": settings_for(port),
            }
        )
        await promise(settings)
        async with running_service(settings, settings_file=tmp_path / "dialer.toml") as service:
            async with asyncio.timeout(60):
                await box.arrived.wait()
            async with aiohttp.ClientSession() as client, client.get(f"{service.url.rstrip('/')}/status") as answer:
                said = (await answer.json())["mail"]
    assert [address for address, _ in box.taken] == ["anna@example.ru"]
    assert (said["on"], said["trouble"], said["failed"]) == (True, "", 0)
