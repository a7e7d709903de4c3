"""Alembic, which makes and changes the tables: imported when a database is not up to date yet, as it takes longer to
load than to find that nothing is to be done."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

MIGRATIONS: Final = Path(__file__).parent


def alembic_config() -> Config:
    """Alembic's settings, made here: there is no `alembic.ini` to lose."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision, in the transaction of `connection`."""
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
