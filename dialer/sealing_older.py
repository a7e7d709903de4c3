"""Sealing recordings from before there were keys: one by one, in the order in which they were made.

Of each its key is written down before its file is touched, and the sealed file takes the plain one's place at once; so
a crash leaves it plain without a key, plain with one, or sealed, and the next run goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import structlog

from config.settings import Settings
from crm import audit
from crm.calls import recording_facts
from crm.calls.recording_facts import Recording
from crm.database import Database
from dialer.backup_lock import nobody_copies
from dialer.reasons import of_error
from dialer.sound_files import is_offices_key, plain_ones, seal_one, sound_of
from dialer.upkeep_errors import SealingRefused
from recordings.errors import RecordingError
from recordings.sealing import new_wrapped_key
from recordings.store import Store

log = structlog.get_logger("dialer.recordings")

Progress = Callable[[int], None]
"""Told after each recording how many have been looked at."""


@dataclass(frozen=True, slots=True)
class SealedOlder:
    """What came of it: recordings that were sealed, those whose files lie on no disk of this machine, and of those that
    stay plain the call and why."""

    sealed: int = 0
    elsewhere: int = 0
    refused: dict[str, str] = field(default_factory=dict)


async def seal_older(
    database: Database,
    store: Store,
    settings: Settings,
    *,
    now: datetime,
    author_id: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> SealedOlder:
    """Seal all finished recordings whose files lie here; with `dry_run` only look whether they could be. A file that
    was changed since it was recorded is left as it is. The audit keeps who began it.

    Raises `SealingRefused` where the settings keep recordings plain, and where the office's key is not the one that it
    began with: what was sealed with a key that was made anew would be closed once the right one is back. Raises
    `BackupUnderWay` while files are being copied; what was sealed before stays sealed.
    """
    if not settings.recordings.encrypt:
        raise SealingRefused("recordings.kept_plain")
    if not database.office_key or not await is_offices_key(database):
        raise SealingRefused("recordings.other_key")
    if not dry_run:
        async with database.transaction() as session:
            audit.note(
                session, at=now, user_id=author_id, action=audit.SEALING_BEGUN, subject="office", details={}
            )  # fmt: skip
    found, done = SealedOlder(), 0
    async for recording in plain_ones(database):
        found = await _looked_at(database, store, settings.data_dir, recording, found, dry_run=dry_run)
        done += 1
        if progress is not None:
            progress(done)
    return found


async def _looked_at(
    database: Database, store: Store, data_dir: Path, recording: Recording, found: SealedOlder, *, dry_run: bool
) -> SealedOlder:
    try:
        if not await asyncio.to_thread(store.exists, recording.key):
            return replace(found, elsewhere=found.elsewhere + 1)
        if not recording.wrapped_key:
            # What was changed since it was recorded is not even to get a key.
            await asyncio.to_thread(lambda: sound_of(store, recording, database.office_key).close())
        if not dry_run and not await _sealed(database, store, data_dir, recording):
            return found
    except RecordingError as error:
        log.error("recording", call=recording.attempt_id, was="ready", on="sealing", now="plain", reason=str(error))
        return replace(found, refused={**found.refused, recording.attempt_id: of_error(error)})
    return replace(found, sealed=found.sealed + 1)


async def _sealed(database: Database, store: Store, data_dir: Path, recording: Recording) -> bool:
    """Whether it was; it may have been erased meanwhile, or be somebody else's already."""
    if not recording.wrapped_key:
        with nobody_copies(data_dir):
            key = new_wrapped_key(database.office_key, recording.attempt_id)
            async with database.transaction() as session:
                if not await recording_facts.give_key(session, recording_id=recording.id, wrapped_key=key):
                    return False
        async with database.reading() as session:
            recording = await recording_facts.recording_of(session, recording.attempt_id)
    await seal_one(database, store, recording)
    return True
