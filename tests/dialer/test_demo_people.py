"""The demonstration has everybody whom a day in the office needs, and a file of settings for other commands."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import select

from config.settings import load_settings
from crm.database import Database
from crm.office.users import Role, User, user_by_login
from dialer.demo import seed
from dialer.demo.run import demo_settings, settings_file
from tests.crm.builders import NOON


async def test_everybody_is_there_also_in_a_folder_of_before(database: Database) -> None:
    async with database.transaction() as session:
        await seed.seed(session, now=NOON, realm="dialer")
        roles = set(await session.scalars(select(User.role)))
        assert {Role.OPERATOR, Role.MANAGER, Role.CONSULTANT, Role.ADMINISTRATOR} <= roles
        administrator = await user_by_login(session, seed.ADMINISTRATOR)
        assert administrator is not None
        await session.delete(administrator)
    async with database.transaction() as session:
        await seed.seed(session, now=NOON, realm="dialer")
        assert await user_by_login(session, seed.ADMINISTRATOR) is not None


def test_the_file_of_settings_says_what_the_demonstration_runs_with(tmp_path: Path) -> None:
    settings = demo_settings(tmp_path, console_port=8080, carrier_port=5070)
    file = tmp_path / "dialer.toml"
    file.write_text(settings_file(settings), encoding="utf-8")
    read = load_settings(file, {})
    assert json.loads(read.model_dump_json()) == json.loads(settings.model_dump_json())
