"""`dialer init`: what the first day finds."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

from config.settings import load_settings
from crm.database import Database
from crm.office import users
from crm.preparation import campaigns
from tests.dialer.cli.conftest import Dialer


def passwords_in(text: str) -> dict[str, str]:
    return dict(re.findall(r"^  (administrator|manager) +(\S+)$", text, re.MULTILINE))


async def people_and_campaigns(config: Path) -> tuple[list[users.User], list[campaigns.Campaign]]:
    database = Database(load_settings(config, {}).database_url)
    try:
        async with database.reading() as session:
            return await users.list_users(session), await campaigns.list_campaigns(session)
    finally:
        await database.dispose()


async def can_sign_in(config: Path, login: str, password: str) -> bool:
    database = Database(load_settings(config, {}).database_url)
    try:
        return await users.sign_in(database, login=login, password=password, now=datetime.now(UTC)) is not None
    finally:
        await database.dispose()


def test_it_makes_settings_folders_database_people_and_a_campaign(dialer: Dialer, tmp_path: Path) -> None:
    said = dialer("init", tmp_path / "office", "--campaign", "Spring", "--time-zone", "Asia/Omsk")
    assert said.code == 0
    config = tmp_path / "office" / "dialer.toml"
    settings = load_settings(config, {})
    assert settings.recordings_dir.is_dir()
    people, known = asyncio.run(people_and_campaigns(config))
    assert [(user.login, user.role.value, user.time_zone) for user in people] == [
        ("administrator", "administrator", "Asia/Omsk"),
        ("manager", "manager", "Asia/Omsk"),
    ]
    assert [(campaign.name, campaign.time_zone) for campaign in known] == [("Spring", "Asia/Omsk")]


def test_the_printed_passwords_open_the_door(dialer: Dialer, tmp_path: Path) -> None:
    said = dialer("init", tmp_path / "office")
    passwords = passwords_in(said.out)
    assert set(passwords) == {"administrator", "manager"}
    for login, password in passwords.items():
        assert asyncio.run(can_sign_in(tmp_path / "office" / "dialer.toml", login, password))


def test_what_it_writes_is_for_its_owner_alone(office: Path) -> None:
    def others(path: Path) -> int:
        return stat.S_IMODE(os.stat(path).st_mode) & 0o077

    assert others(office) == 0
    assert others(office.parent / "data") == 0
    assert others(office.parent / "data" / "recordings") == 0


def test_it_says_what_to_do_next_with_the_new_file(dialer: Dialer, tmp_path: Path) -> None:
    said = dialer("init", tmp_path / "office")
    for command in ("users add", "check", "import", "serve"):
        assert re.search(rf"dialer {command} .*-c {tmp_path}/office/dialer.toml", said.out)


def test_a_second_time_it_changes_nothing(dialer: Dialer, office: Path) -> None:
    before = office.read_bytes()
    said = dialer("init", office.parent)
    assert said.code == 1
    assert "set up already; nothing was changed" in said.err
    assert office.read_bytes() == before
    assert len(asyncio.run(people_and_campaigns(office))[0]) == 2


def test_it_goes_on_where_an_earlier_one_was_broken_off(dialer: Dialer, sqlite_office: Path) -> None:
    """The settings are there, the database is not: as after a full disk."""
    (sqlite_office.parent / "data" / "dialer.db").unlink()
    said = dialer("init", sqlite_office.parent)
    assert said.code == 0
    assert passwords_in(said.out)


def test_a_wrong_time_zone_is_refused_in_words(dialer: Dialer, tmp_path: Path) -> None:
    said = dialer("init", tmp_path / "office", "--time-zone", "Mars/Base")
    assert said.code == 1
    assert "there is no such time zone" in said.err
    assert "Traceback" not in said.err


def test_a_folder_that_cannot_be_made_is_said_in_words(dialer: Dialer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = dialer("init", tmp_path / "file" / "office")
    assert said.code == 1
    assert said.err.strip() == f"{tmp_path}/file/office: a part of the path is no folder"
