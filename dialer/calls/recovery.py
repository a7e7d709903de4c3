"""After a crash, and once a minute: nothing stays open that nobody owns.

Attempts that were in progress when the service died are ended ("interrupted", or "uncertain" when it is not known
whether the INVITE went out); recordings that were being written are repaired, checked and settled.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog

from crm import attempts, recording_facts
from crm.database import Database
from dialer.calls.call_recording import note_failure
from dialer.reasons import Reason, of_error, packed
from recordings.errors import RecordingError
from recordings.finalise import finalise
from recordings.store import Store

log = structlog.get_logger("dialer.calls")

LEFT_AFTER = timedelta(seconds=45)  # a call that ended so long ago is being settled by nobody any more


async def recover_calls(database: Database, store: Store, *, now: datetime) -> None:
    """To be called once, before the first call of this process."""
    async with database.transaction() as session:
        recovered = await attempts.recover(session, now=now)
    for attempt in recovered:
        log.warning("call", call=attempt.id, was="in progress", on="service restarted", now=attempt.result)
    await settle_left_recordings(database, store, now=now + 2 * LEFT_AFTER)  # nobody else is settling them


async def settle_left_recordings(database: Database, store: Store, *, now: datetime) -> None:
    """Settle what ended more than `LEFT_AFTER` before `now` and has no settled recording."""
    async with database.reading() as session:
        left = await recording_facts.unsettled(session, ended_before=now - LEFT_AFTER)
    for item in left:
        await _settle(database, store, item, now)


async def _settle(database: Database, store: Store, item: recording_facts.Unsettled, now: datetime) -> None:
    failure = packed(Reason("recording.nothing"))
    facts = None
    if item.key:
        try:
            facts = await asyncio.to_thread(finalise, store.path(item.key))
        except (RecordingError, OSError) as error:
            failure = packed(of_error(error))
    async with database.transaction() as session:
        if facts is None:
            await note_failure(session, attempt_id=item.attempt_id, key=item.key, failure=failure)
        else:
            await recording_facts.settle_recording(
                session,
                attempt_id=item.attempt_id,
                sha256=facts.sha256,
                duration_s=facts.duration_s,
                frames=facts.frames,
                rms_left=facts.rms[0],
                rms_right=facts.rms[1],
                size_bytes=facts.bytes,
            )
    log.warning(
        "recording", call=item.attempt_id, was="left over", on="settled", now="failed" if facts is None else "ready"
    )
