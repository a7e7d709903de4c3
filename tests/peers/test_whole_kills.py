"""The service and its media worker killed in mid-call, with a real softphone as headset and sipp as the client."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from crm.calls.attempts import Result
from crm.calls.recording_facts import RecordingState
from dialer.demo import seed
from tests.peers.fixtures import Factory
from tests.peers.run_sipp import SippRun
from tests.peers.tones import read_wav, rms_dbfs, steady_part, write_raw_alaw
from tests.peers.whole import exchange, write_voice
from tests.scenarios.office import Operator, World, office_at, playable_seconds, until_recorded

TALK_S = 3.0
AUDIBLE_DBFS = -30.0


@asynccontextmanager
async def office_with(client: SippRun, folder: Path) -> AsyncIterator[World]:
    async with (
        exchange({}, otherwise=(client.host, client.port)) as carrier,
        office_at(folder, carrier.address) as world,
    ):
        yield world


async def plug_in(baresip: Factory, world: World, voice: Path) -> None:
    """The operator's softphone, which registers anew every two seconds."""
    account = {"user": seed.HEADSET, "password": seed.HEADSET_PASSWORD, "registrar": ("127.0.0.1", world.sip_port)}
    await baresip(**account, tone=voice, refresh_s=2)


async def connected(operator: Operator) -> None:
    """The page shows headset and provider as connected."""
    await operator.until(lambda _: operator.regions.get("line", "").count("state ok") == 2)


async def client(sipp: Factory, folder: Path) -> SippRun:
    """Whoever is called answers and says 1004 Hz; two calls are awaited."""
    tone = write_raw_alaw(folder / "1004.raw", 1004)
    run: SippRun = await sipp("answer_with_tone", tone=tone, call_ms="60000", calls=2)
    return run


def invites(client: SippRun) -> set[str]:
    """The calls that the client has seen, by their Call-IDs."""
    return {one.header("Call-ID") for one in client.messages() if one.received and one.first_line.startswith("INVITE ")}


def assert_both_heard(path: Path) -> None:
    for channel in (0, 1):
        assert rms_dbfs(steady_part(read_wav(path, channel=channel), seconds=0.2)) > AUDIBLE_DBFS


async def test_sigkill_of_the_service(sipp: Factory, baresip: Factory, tmp_path: Path) -> None:
    called = await client(sipp, tmp_path)
    async with office_with(called, tmp_path) as world:
        await plug_in(baresip, world, write_voice(tmp_path, 700))
        operator = await world.operator()
        await connected(operator)
        attempt_id = await operator.call_the_next()
        left = await world.recording_begun(attempt_id)
        await until_recorded(world.recording_path(left), TALK_S)
        await world.service.kill()
        assert playable_seconds(world.recording_path(left)) >= TALK_S
        assert_both_heard(world.recording_path(left))

        await world.service.start()
        attempt = await world.attempt(attempt_id)
        recording = await world.recording(attempt_id)
        assert recording is not None
        assert (attempt.result, recording.state) == (Result.INTERRUPTED, RecordingState.READY)
        operator = Operator(world.http, world.service.url)
        await operator.sign_in()
        await operator.until(lambda view: view["call"] == "wrap_up")
        assert len(invites(called)) == 1  # nobody was redialled
        await operator.post("outcome", attempt_id=attempt_id, fields={"disposition": "no_contact"})
        await connected(operator)

        following = await operator.call_the_next()  # the operator goes on, on the same softphone
        again = await world.recording_begun(following)
        await until_recorded(world.recording_path(again), 1.5)
        await operator.post("hang-up", attempt_id=following)
        await operator.until(lambda view: view["call"] == "wrap_up")
        await called.received("BYE")
        assert_both_heard(world.recording_path(again))
        assert len(invites(called)) == 2  # a Call-ID of a service that was started anew is another one
        assert (await world.attempt(following)).client_id != attempt.client_id


async def test_sigkill_of_the_media_worker(sipp: Factory, baresip: Factory, tmp_path: Path) -> None:
    called = await client(sipp, tmp_path)
    async with office_with(called, tmp_path) as world:
        await plug_in(baresip, world, write_voice(tmp_path, 700))
        operator = await world.operator()
        await connected(operator)
        attempt_id = await operator.call_the_next()
        first = await world.recording_begun(attempt_id)
        await until_recorded(world.recording_path(first), TALK_S)
        for pid in world.service.worker_pids():
            os.kill(pid, signal.SIGKILL)
        await operator.until(lambda view: view["call"] == "wrap_up")
        assert "Звук разговора пропал" in operator.regions["call"]  # the operator is told
        await called.received("BYE")  # the client is not left on a dead line
        await operator.post("outcome", attempt_id=attempt_id, fields={"disposition": "no_contact"})
        assert (await world.attempt(attempt_id)).result is Result.ANSWERED

        following = await operator.call_the_next()
        again = await world.recording_begun(following)
        await until_recorded(world.recording_path(again), 1.5)
        await operator.post("hang-up", attempt_id=following)
        await operator.until(lambda view: view["call"] == "wrap_up")
        await called.succeeded()  # both calls, each hung up as it should be
        for recording in (first, again):
            assert_both_heard(world.recording_path(recording))
        assert playable_seconds(world.recording_path(first)) >= TALK_S
