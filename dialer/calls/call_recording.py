"""The recording of one call: begun at the answer, checked after the end, and never silently missing.

Every answered call ends with a ready recording, a failed one with its reason, or an exemption.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls import recording_facts
from dialer.calls.journal import Journal
from dialer.reasons import of_error, packed
from dialer.telephony import Leg, Telephony, TelephonyError
from recordings.errors import RecordingError
from recordings.finalise import finalise
from recordings.store import Store, require_room

log = structlog.get_logger("dialer.calls")


async def note_failure(session: AsyncSession, *, attempt_id: str, key: str, failure: str) -> None:
    """The recording failed, whether it had begun or not."""
    if await recording_facts.find_recording(session, attempt_id) is None:
        await recording_facts.open_recording(session, attempt_id=attempt_id, key=key)
    await recording_facts.fail_recording(session, attempt_id=attempt_id, failure=failure)


class CallRecording:
    """`policy` is "all" or "never"; below `minimum_free_bytes` of free disk no recording is begun. `new_key` gives
    the wrapped key for the recording of an attempt, to be sealed when it is finished; without it all stay plain."""

    def __init__(
        self,
        telephony: Telephony,
        store: Store,
        journal: Journal,
        attempt_id: str,
        *,
        policy: str,
        minimum_free_bytes: int,
        new_key: Callable[[str], str] | None = None,
    ) -> None:
        self._telephony = telephony
        self._store = store
        self._journal = journal
        self._attempt_id = attempt_id
        self._policy = policy
        self._minimum_free_bytes = minimum_free_bytes
        self._new_key = new_key
        self._key = ""
        self._path: Path | None = None
        self._begun = False
        self._failure = ""

    async def start(self, operator: Leg, client: Leg, now: datetime) -> str | None:
        """Begin. Returns None when it runs, "" when the policy exempts the call, else what is wrong, in words."""
        attempt_id = self._attempt_id
        if self._policy == "never":
            self._journal.note(
                "recording exempt",
                functools.partial(recording_facts.exempt_recording, attempt_id=attempt_id),
            )
            return ""
        self._key = self._store.new_key(now)
        try:
            require_room(self._store, reserve_bytes=self._minimum_free_bytes)
            self._path = self._store.path_for_writing(self._key)
            await self._telephony.start_recording(operator, client, self._path)
        except (TelephonyError, RecordingError, OSError) as error:
            return self._fail(of_error(error))
        self._begun = True
        wrapped_key = self._new_key(attempt_id) if self._new_key else ""
        self._journal.note(
            "recording begun",
            functools.partial(
                recording_facts.open_recording, attempt_id=attempt_id, key=self._key, wrapped_key=wrapped_key
            ),
        )
        log.info("recording", call=attempt_id, was="off", on="started", now="on", key=self._key)
        return None

    def _fail(self, reason: str) -> str:
        was = "on" if self._begun else "off"
        log.error("recording", call=self._attempt_id, was=was, on="failed", now="failed", reason=reason)
        self._failure = reason
        self._journal.note(
            "recording failed",
            functools.partial(
                note_failure, attempt_id=self._attempt_id, key=self._key if self._path else "", failure=packed(reason)
            ),
        )
        return reason

    def broke(self, reason: str) -> None:
        """The worker gave up on the file in mid-call; what was written until then is kept."""
        self._fail(reason)

    async def stop(self, operator: Leg) -> None:
        """Close the file: quick, the operator waits for it."""
        facts = await self._telephony.stop_recording(operator)
        if facts is not None and facts.failure and not self._failure:
            self._fail(facts.failure)

    async def check(self) -> None:
        """Read the closed file once more and note its facts; an hour of talk takes about half a second, in a thread."""
        if self._path is None or self._failure:
            return
        try:
            found = await asyncio.to_thread(finalise, self._path)
        except (RecordingError, OSError) as error:
            self._fail(of_error(error))
            return
        self._journal.note(
            "recording checked",
            functools.partial(
                recording_facts.settle_recording,
                attempt_id=self._attempt_id,
                sha256=found.sha256,
                duration_s=found.duration_s,
                frames=found.frames,
                rms_left=found.rms[0],
                rms_right=found.rms[1],
                size_bytes=found.bytes,
            ),
        )
        log.info("recording", call=self._attempt_id, was="on", on="checked", now="ready", seconds=found.duration_s)
