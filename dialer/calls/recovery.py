"""After a crash, and once a minute: nothing stays open that nobody owns.

Attempts that were in progress when the service died are ended ("interrupted", or "uncertain" when it is not known
whether the INVITE went out); recordings that were being written are repaired, checked and settled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

import structlog

from crm.calls import attempts, recording_facts
from crm.calls.attempts import Attempt
from crm.database import Database
from dialer.calls.call_recording import note_failure
from dialer.reasons import Reason, of_error, packed
from recordings.errors import RecordingError
from recordings.finalise import finalise
from recordings.store import Store

log = structlog.get_logger("dialer.calls")

LEFT_AFTER = timedelta(seconds=45)  # a call that ended so long ago is being settled by nobody any more


async def recover_calls(database: Database, store: Store, *, node: str, now: datetime) -> None:
    """To be called once, before the first call of this process: whatever is open under its name, or that of no service
    that runs, belongs to nobody."""
    others = await database.running_nodes() - {node}
    await _end_attempts(database, now=now, except_nodes=others)
    # Nobody else is settling them, however short ago they ended.
    await _settle_left(database, store, node=node, ended_before=now + LEFT_AFTER, now=now, except_nodes=others)


async def recover_forgotten(
    database: Database, *, now: datetime, except_nodes: AbstractSet[str], except_ids: AbstractSet[str]
) -> list[Attempt]:
    """End the calls that nobody follows: those of services that died, so of all but `except_nodes`, and of our own
    whose beginning or end could not be written down, so of all but `except_ids`."""
    return await _end_attempts(
        database, now=now, except_nodes=except_nodes, except_ids=except_ids, opened_before=now - LEFT_AFTER
    )


async def settle_left_recordings(database: Database, store: Store, *, node: str, now: datetime) -> None:
    """Settle what ended more than `LEFT_AFTER` before `now` and has no settled recording."""
    others = await database.running_nodes() - {node}
    await _settle_left(database, store, node=node, ended_before=now - LEFT_AFTER, now=now, except_nodes=others)


async def _end_attempts(
    database: Database,
    *,
    now: datetime,
    except_nodes: AbstractSet[str],
    except_ids: AbstractSet[str] = frozenset(),
    opened_before: datetime | None = None,
) -> list[Attempt]:
    async with database.transaction() as session:
        recovered = await attempts.recover(
            session, now=now, except_nodes=except_nodes, except_ids=except_ids, opened_before=opened_before
        )
    for attempt in recovered:
        log.warning("call", call=attempt.id, was="in progress", on="nobody follows it", now=attempt.result)
    return recovered


async def _settle_left(
    database: Database,
    store: Store,
    *,
    node: str,
    ended_before: datetime,
    now: datetime,
    except_nodes: AbstractSet[str],
) -> None:
    async with database.reading() as session:
        left = await recording_facts.unsettled(session, ended_before=ended_before, except_nodes=except_nodes)
    for item in left:
        if item.node == node or (item.key and store.path(item.key).is_file()):
            await _settle(database, store, item, now)
        # Otherwise the file lies on another machine, whose service will settle it when it is back.


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
