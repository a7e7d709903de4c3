"""Settings of the service: frozen, documented, read from one TOML file plus the environment.

Parts of the program are handed the section that they need; none reads the file or the environment itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from config.contradictions import contradictions
from config.errors import Problem, SettingsError
from config.reading import absolute_paths, problems_of, read_environment, read_file
from config.sections import (
    BackupsSettings,
    ConsoleSettings,
    DatabaseSettings,
    DialingSettings,
    InboxSettings,
    LogSettings,
    MailSettings,
    MediaSettings,
    RecordingsSettings,
    SchedulerSettings,
    Section,
    ServiceSettings,
    SipSettings,
    TrunkSettings,
)

__all__ = [
    "BackupsSettings",
    "ConsoleSettings",
    "DatabaseSettings",
    "DialingSettings",
    "InboxSettings",
    "LogSettings",
    "MailSettings",
    "MediaSettings",
    "Problem",
    "RecordingsSettings",
    "SchedulerSettings",
    "ServiceSettings",
    "Settings",
    "SettingsError",
    "SipSettings",
    "TrunkSettings",
    "load_settings",
]


class Settings(Section):
    """All settings. Without a [trunk] table no client can be called, but everything else works."""

    service: ServiceSettings = Field(default_factory=ServiceSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    console: ConsoleSettings = Field(default_factory=ConsoleSettings)
    sip: SipSettings = Field(default_factory=SipSettings)
    media: MediaSettings = Field(default_factory=MediaSettings)
    trunk: TrunkSettings | None = Field(default=None)
    dialing: DialingSettings = Field(default_factory=DialingSettings)
    recordings: RecordingsSettings = Field(default_factory=RecordingsSettings)
    backups: BackupsSettings = Field(default_factory=BackupsSettings)
    mail: MailSettings = Field(default_factory=MailSettings)
    inbox: InboxSettings = Field(default_factory=InboxSettings)
    scheduler: SchedulerSettings = Field(default_factory=SchedulerSettings)

    @property
    def data_dir(self) -> Path:
        """Folder for everything that the service writes."""
        return Path(self.service.data_dir)

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL with an asyncio driver."""
        url = self.database.url
        if not url:
            return f"sqlite+aiosqlite:///{(self.data_dir / 'dialer.db').absolute()}"
        scheme, rest = url.split("://", 1)
        return f"{_ASYNC_DRIVER[scheme]}://{rest}"

    @property
    def materials_dir(self) -> Path:
        """Where the files of campaigns are kept."""
        return self.data_dir / "materials"

    @property
    def recordings_dir(self) -> Path:
        """Folder of the recordings."""
        return Path(self.recordings.folder) if self.recordings.folder else self.data_dir / "recordings"

    @property
    def backups_dir(self) -> Path:
        """Folder of the backups."""
        return Path(self.backups.folder) if self.backups.folder else self.data_dir.absolute().parent / "backups"


_ASYNC_DRIVER = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read `path` (TOML, UTF-8) and the overrides `DIALER__SECTION__KEY` of `environ`.

    Raises `SettingsError` with every problem that was found.
    """
    tables = read_file(path)
    problems = read_environment(environ, tables, Settings)
    absolute_paths(tables, Settings, path.absolute().parent)
    try:
        settings = Settings.model_validate(tables)
    except ValidationError as wrong:
        problems += problems_of(wrong, tables, Settings)
        raise SettingsError(path, problems) from None
    problems += contradictions(settings)
    if problems:
        raise SettingsError(path, problems)
    return settings
