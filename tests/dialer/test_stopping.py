"""The service stops: what was begun on a page neither keeps calls waiting nor outlives the service."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from config.settings import Settings
from dialer import app, backup
from dialer.calls.desk import Desk
from dialer.upkeep import Upkeep
from tests.crm.builders import build_world


async def test_a_backup_is_broken_off_before_the_desk_stops_and_waited_for_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    begun, stopped = asyncio.Event(), asyncio.Event()
    made: list[Upkeep] = []

    class Known(Upkeep):
        def __init__(self, *parts: object) -> None:
            super().__init__(*parts)  # type: ignore[arg-type]  # as `running_service` hands them over
            made.append(self)

    async def endless(*_parts: object, **_named: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            told.append("backup broken off")
            await stopped.wait()
            told.append("backup ended")

    async def stop(desk: Desk) -> None:
        await stop_desk(desk)
        told.append("desk stopped")
        stopped.set()

    stop_desk = Desk.stop
    monkeypatch.setattr(app, "Upkeep", Known)
    monkeypatch.setattr(backup, "take_snapshot", endless)
    monkeypatch.setattr(Desk, "stop", stop)
    settings = Settings.model_validate(
        {
            "service": {"data_dir": str(tmp_path / "data")},
            "console": {"port": 0},
            "sip": {"port": 0},
            "media": {"first_port": 0, "last_port": 0},
            "recordings": {"minimum_free_mb": 1},
        }
    )
    settings.recordings_dir.mkdir(parents=True)
    async with asyncio.timeout(60), app.running_service(settings, settings_file=tmp_path / "dialer.toml") as service:
        admin = await (await build_world(service.database)).operator()
        made[0].begin_backup(name="spring", secrets=False, author_id=admin)
        await begun.wait()
    assert told == ["backup broken off", "desk stopped", "backup ended"]
    assert not made[0].is_busy
