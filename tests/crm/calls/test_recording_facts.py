"""Recordings: what is kept of them beside the sound."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from crm.calls.attempts import get_attempt, mark_answered, mark_invited, recover
from crm.calls.recording_facts import (
    RecordingState,
    exempt_recording,
    fail_recording,
    find_recording,
    open_recording,
    settle_recording,
    unsettled_recordings,
)
from crm.errors import Conflict, NotFound
from crm.wrap_up.contacts import contact_of
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World, open_call

KEY = "2026/11/23/a1b2.wav"


async def settle(world: World, attempt_id: str, duration_s: float = 60.5) -> None:
    async with world.transaction() as session:
        await settle_recording(
            session,
            attempt_id=attempt_id,
            sha256="0" * 64,
            duration_s=duration_s,
            frames=484_000,
            rms_left=0.1,
            rms_right=0.2,
            size_bytes=1_936_044,
        )


async def test_from_writing_to_ready(world: World) -> None:
    attempt_id = await world.call(await world.client(), await world.operator())
    async with world.transaction() as session:
        await open_recording(session, attempt_id=attempt_id, key=KEY)
        assert [recording.key for recording in await unsettled_recordings(session)] == [KEY]
    await settle(world, attempt_id)
    async with world.database.reading() as session:
        recording = await find_recording(session, attempt_id)
        assert await unsettled_recordings(session) == []
    assert recording is not None
    assert (recording.state, recording.duration_s, recording.bytes) == (RecordingState.READY, 60.5, 1_936_044)


async def test_failed_exempt_and_wrong(world: World) -> None:
    operator = await world.operator()
    first, second = [await world.client(name) for name in ("Первая", "Вторая")]
    failed = await world.call(first, operator)
    await world.outcome(failed, OutcomeForm("warm"), operator, at=NOON)
    exempt = await world.call(second, operator)
    async with world.transaction() as session:
        await open_recording(session, attempt_id=failed, key=KEY)
        recording = await fail_recording(session, attempt_id=failed, failure="the disk is full")
        assert (recording.state, recording.failure) == (RecordingState.FAILED, "the disk is full")
        assert (await exempt_recording(session, attempt_id=exempt)).state is RecordingState.EXEMPT
        with pytest.raises(Conflict) as conflict:
            await open_recording(session, attempt_id=exempt, key=KEY)
        assert conflict.value.code == "recording.exists"
        with pytest.raises(NotFound) as unknown:
            await fail_recording(session, attempt_id="0" * 32, failure="x")
        assert unknown.value.code == "recording.unknown"


async def test_half_a_recording_is_not_ready(world: World) -> None:
    attempt_id = await world.call(await world.client(), await world.operator())
    async with world.transaction() as session:
        await open_recording(session, attempt_id=attempt_id, key=KEY)
    with pytest.raises(DBAPIError, match=r"(?i)constraint|violates"):
        async with world.database.engine.begin() as connection:
            await connection.execute(text("UPDATE recordings SET state = 'ready'"))


async def test_after_a_crash_the_recording_tells_the_talk_time(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    person_id = await world.person(client_id)
    async with world.transaction() as session:
        attempt_id = (await open_call(session, client_id, operator)).id
        await mark_invited(session, attempt_id=attempt_id, now=NOON)
        await mark_answered(session, attempt_id=attempt_id, now=NOON)
        await open_recording(session, attempt_id=attempt_id, key=KEY)
    later = NOON + timedelta(hours=1)
    async with world.transaction() as session:
        await recover(session, now=later)
    await settle(world, attempt_id, duration_s=42.0)
    await world.outcome(attempt_id, OutcomeForm("warm", person_id=person_id), operator, at=later)
    async with world.database.reading() as session:
        assert (await get_attempt(session, attempt_id)).talk_seconds == 42.0
        contact = await contact_of(session, attempt_id)
    assert contact is not None
    assert contact.main
