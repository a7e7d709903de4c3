"""The sound of a recording out of the store, whether it is sealed or not; and sealing what is finished."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import BinaryIO

import structlog

from crm.calls import recording_facts
from crm.calls.recording_facts import Recording
from crm.database import Database
from recordings.errors import RecordingError
from recordings.sealing import open_sound, seal, unwrapped
from recordings.store import Store

AT_ONCE = 50

log = structlog.get_logger("dialer.recordings")


def sound_of(store: Store, recording: Recording, office_key: bytes) -> BinaryIO:
    """The recording's sound, for the caller to close. Raises `RecordingError` when it cannot be had."""
    return open_sound(store.path(recording.key), recording.wrapped_key, office_key)


async def warn_of_another_key(database: Database) -> bool:
    """Whether the newest key of a recording opens with the office's key; says in the log when it does not. A lost key
    is made anew, so that calls go on; what was sealed before waits for the file to come back."""
    async with database.reading() as session:
        newest = await recording_facts.newest_with_key(session)
    if newest is None:
        return True
    try:
        unwrapped(newest.wrapped_key, database.office_key, Path(newest.key))
    except RecordingError as error:
        log.error("office key", was="another", on="start", now="sealed recordings stay closed", reason=str(error))
        return False
    return True


async def seal_finished(database: Database, store: Store) -> None:
    """Once a minute: finished recordings that have a key are sealed, those of this machine."""
    async with database.reading() as session:
        waiting = await recording_facts.unsealed_recordings(session, limit=AT_ONCE)
    for recording in waiting:
        try:
            if not await asyncio.to_thread(store.exists, recording.key):
                continue  # it lies on another machine, whose service seals it
            path = store.path(recording.key)
            await asyncio.to_thread(seal, path, unwrapped(recording.wrapped_key, database.office_key, path))
        except RecordingError as error:
            log.error("recording", call=recording.attempt_id, was="ready", on="sealing", now="plain", reason=str(error))
            continue
        async with database.transaction() as session:
            await recording_facts.mark_sealed(session, recording_id=recording.id)
        log.info("recording", call=recording.attempt_id, was="ready", on="sealed", now="sealed")
