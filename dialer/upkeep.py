"""What takes minutes and is begun on a page: a backup, sealing older recordings. One at a time, each a task that this
owns; how far it is can be seen meanwhile. What it leaves is on the disk and in the audit: nothing here must survive."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from config.settings import Settings
from crm import audit
from crm.database import Database
from crm.errors import CrmError, Finding
from dialer import backup
from dialer.backup import Manifest, Progress
from dialer.backup_list import is_name, new_name
from dialer.reasons import of_error
from dialer.sealing_older import SealedOlder, seal_older
from dialer.upkeep_errors import NotBegun
from recordings.store import Store

log = structlog.get_logger("dialer.upkeep")


class Kind(enum.StrEnum):
    """What is being done."""

    BACKUP = "backup"
    SEALING = "sealing"


@dataclass(slots=True)
class Work:
    """A piece of work: the backup's `name`; how many files or recordings are `done`; when it ended, with why it failed
    (`trouble`, for `dialer.crm_words.in_language`; "" when it did not), and what was sealed."""

    kind: Kind
    begun_at: datetime
    name: str = ""
    done: int = 0
    ended_at: datetime | None = None
    trouble: str = ""
    sealed: SealedOlder = field(default_factory=SealedOlder)


class Upkeep:
    """`settings_file`: that of this service, which a backup keeps."""

    def __init__(
        self, database: Database, store: Store, settings: Settings, settings_file: Path, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._store = store
        self._settings = settings
        self._settings_file = settings_file
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self.last: Work | None = None

    @property
    def folder(self) -> Path:
        """Where backups are made from the page."""
        return self._settings.backups_dir

    @property
    def is_busy(self) -> bool:
        return self.last is not None and self.last.ended_at is None

    def begin_backup(self, *, name: str, secrets: bool, author_id: int) -> None:
        """Into a new folder among the backups, of that name, or named by the moment. Raises `NotBegun` for a name
        that is none and while something is being done, `BackupError` when there is a folder of that name."""
        local = self._clock().astimezone(ZoneInfo(self._settings.service.time_zone))
        name = name.strip() or new_name(local)
        if not is_name(name):
            raise NotBegun("backup.bad_name")
        target = self.folder / name
        backup.assert_new(self._settings, target)

        async def work(progress: Progress) -> None:
            await noted_backup(
                self._database, self._settings, target, settings_file=self._settings_file, secrets=secrets,
                clock=self._clock, author_id=author_id, progress=progress,
            )  # fmt: skip

        self._begin(Work(Kind.BACKUP, self._clock(), name), work)

    def begin_sealing(self, *, author_id: int) -> None:
        """As `seal_older`. Raises `NotBegun` while something is being done."""
        begun = Work(Kind.SEALING, self._clock())

        async def work(progress: Progress) -> None:
            begun.sealed = await seal_older(
                self._database, self._store, self._settings, now=self._clock(), author_id=author_id, progress=progress
            )

        self._begin(begun, work)

    def _begin(self, begun: Work, work: Callable[[Progress], Awaitable[None]]) -> None:
        if self.is_busy:
            raise NotBegun("upkeep.busy")
        self.last = begun
        self._task = asyncio.create_task(self._run(begun, work))

    async def _run(self, begun: Work, work: Callable[[Progress], Awaitable[None]]) -> None:
        def told(done: int) -> None:
            begun.done = done

        now = "broken off"
        try:
            await work(told)
            now = "done"
        except Exception as error:  # the page has to say that it came to nothing, whatever the reason
            log.exception("upkeep", work=begun.kind.value, on=type(error).__name__, now="failed")
            now = Finding(error.code, **error.params) if isinstance(error, CrmError) else of_error(error)
            begun.trouble = now
        finally:
            begun.ended_at = self._clock()
            log.info("upkeep", work=begun.kind.value, was="under way", on="ended", now=now)

    def break_off(self) -> None:
        """What is under way ends with the file that it is at. A recording stays plain, or is sealed, as after a crash;
        of a backup an unfinished folder is left."""
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        """Return when nothing is under way."""
        if self._task is not None:
            await asyncio.wait({self._task})


async def noted_backup(
    database: Database,
    settings: Settings,
    target: Path,
    *,
    settings_file: Path,
    secrets: bool,
    clock: Callable[[], datetime],
    author_id: int | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """As `back_up`; the audit keeps who began it, and what came of it."""
    begun: dict[str, object] = {"folder": str(target), "secrets": secrets}
    await _note(database, audit.BACKUP_BEGUN, begun, now=clock(), author_id=author_id)
    made = await backup.back_up(
        settings, database, target, settings_file=settings_file, secrets=secrets, now=clock(), progress=progress
    )
    ended = {**begun, "files": len(made.files), "rows": sum(made.rows.values())}
    await _note(database, audit.BACKUP_MADE, ended, now=clock(), author_id=author_id)
    return made


async def _note(
    database: Database, action: str, details: dict[str, object], *, now: datetime, author_id: int | None
) -> None:
    async with database.transaction() as session:
        audit.note(session, at=now, user_id=author_id, action=action, subject="office", details=details)
