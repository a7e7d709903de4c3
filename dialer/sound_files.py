"""The sound of a recording out of the store, whether it is sealed or not; and sealing what is finished."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from crm.calls import recording_facts
from crm.calls.recording_facts import Recording
from crm.care.audit_chain import is_of_this_key
from crm.database import Database
from recordings.errors import BrokenRecording, RecordingError
from recordings.sealing import is_of_a_call, is_sealed, open_sound, seal, unwrapped
from recordings.store import Store

AT_ONCE = 50
_BLOCK_BYTES: Final = 1 << 20
_REMEMBERED: Final = 1_000
_compared: Final[dict[tuple[str, int, int, int], str]] = {}

log = structlog.get_logger("dialer.recordings")


def sound_of(store: Store, recording: Recording, office_key: bytes) -> BinaryIO:
    """The recording's sound, for the caller to close. Raises `RecordingError` when it cannot be had, or is not what was
    recorded: what its own key opens cannot be anything else, all else is compared with its digest."""
    path, call = store.path(recording.key), recording.attempt_id
    file = open_sound(path, recording.wrapped_key, office_key, call, was_sealed=recording.sealed)
    try:
        if recording.sha256 and not (is_of_a_call(recording.wrapped_key) and is_sealed(path)):
            _assert_as_it_was(path, file, recording.sha256)
    except BaseException:
        file.close()
        raise
    return file


def _assert_as_it_was(path: Path, file: BinaryIO, sha256: str) -> None:
    """A player asks for many parts of one file, so what was compared is remembered until the file changes."""
    found = os.stat(path)
    # The system alone sets the time of a change; that of what was written anybody may.
    state = (str(path), found.st_ino, found.st_size, found.st_ctime_ns)
    if _compared.get(state) == sha256:
        return
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    file.seek(0)
    if digest.hexdigest() != sha256:
        raise BrokenRecording("file.changed", path=str(path))
    if len(_compared) >= _REMEMBERED:
        _compared.clear()
    _compared[state] = sha256


async def is_offices_key(database: Database) -> bool:
    """Whether the office's key is the one that it began with, and opens the keys of the oldest and the newest
    recording; says in the log when it does not. A lost key is made anew, so that calls go on; what was sealed before
    waits for the file to come back."""
    async with database.reading() as session:
        begun_with, ends = await is_of_this_key(session), await recording_facts.ends_with_key(session)
    reason = "" if begun_with else "the audit was begun with another key"
    try:
        for end in ends:
            unwrapped(end.wrapped_key, database.office_key, Path(end.key), end.attempt_id)
    except RecordingError as error:
        reason = str(error)
    if reason:
        log.error("office key", was="another", on="look", now="sealed recordings stay closed", reason=reason)
    return not reason


def _seal(store: Store, recording: Recording, office_key: bytes) -> None:
    sound_of(store, recording, office_key).close()  # what was changed since it was recorded is not to look genuine
    path = store.path(recording.key)
    seal(path, unwrapped(recording.wrapped_key, office_key, path, recording.attempt_id))


async def plain_ones(database: Database, *, keyed_only: bool = False) -> AsyncIterator[Recording]:
    """All finished recordings that are not known to be sealed, the oldest first; read in pages, so that whatever has to
    stay plain keeps none waiting."""
    after = 0
    while True:
        async with database.reading() as session:
            found = await recording_facts.plain_recordings(
                session, after_id=after, limit=AT_ONCE, keyed_only=keyed_only
            )
        for recording in found:
            yield recording
        if len(found) < AT_ONCE:
            return
        after = found[-1].id


async def seal_finished(database: Database, store: Store) -> None:
    """Once a minute: finished recordings that have a key are sealed, those of this machine."""
    async for recording in plain_ones(database, keyed_only=True):
        try:
            if not await asyncio.to_thread(store.exists, recording.key):
                continue  # it lies on another machine, whose service seals it
            await seal_one(database, store, recording)
        except RecordingError as error:
            log.error("recording", call=recording.attempt_id, was="ready", on="sealing", now="plain", reason=str(error))


async def seal_one(database: Database, store: Store, recording: Recording) -> None:
    """Seal the file of a recording that has a key, and write that down. Raises `RecordingError`."""
    await asyncio.to_thread(_seal, store, recording, database.office_key)
    async with database.transaction() as session:
        await recording_facts.mark_sealed(session, recording_id=recording.id)
    log.info("recording", call=recording.attempt_id, was="ready", on="sealed", now="sealed")
