"""What is left after a process is killed in the middle of a call: the file plays, the truth is stored, work goes on."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from crm.calls.attempts import Result
from crm.calls.recording_facts import RecordingState
from dialer.practice.processes import PracticeCarrier
from tests.scenarios.office import Operator, World, office, playable_seconds

TALK_S = 3.0
NO_TRUNK = "Нет связи с оператором"


async def talk(seconds: float) -> None:
    """Sound takes its time: this much of it has to be on disk before the kill."""
    await asyncio.sleep(seconds)


async def write_down(operator: Operator, attempt_id: str) -> None:
    fields = {"disposition": "no_contact"}
    await operator.post("outcome", attempt_id=attempt_id, fields=fields)


async def test_sigkill_of_the_service_in_mid_call(tmp_path: Path, database_url: str) -> None:
    async with office(tmp_path, database_url=database_url) as world:
        async with world.headset() as headset:
            await headset.registered()
            operator = await world.operator()
            attempt_id = await operator.call_the_next()
            await world.recording_begun(attempt_id)
            await talk(TALK_S)
            await world.service.kill()
        left = await world.recording(attempt_id)
        assert left is not None
        assert left.state is RecordingState.WRITING
        assert playable_seconds(world.recording_path(left)) >= TALK_S - 1.0  # at most a second is lost

        await world.service.start()
        attempt = await world.attempt(attempt_id)
        assert attempt.result is Result.INTERRUPTED
        recording = await world.recording(attempt_id)
        assert recording is not None
        assert recording.state is RecordingState.READY
        assert recording.duration_s == pytest.approx(playable_seconds(world.recording_path(recording)))

        async with world.headset() as headset:
            await headset.registered()
            operator = Operator(world.http, world.service.url)
            await operator.sign_in()
            view = await operator.until(lambda view: view["call"] == "wrap_up")
            assert view["attempt"] == attempt_id
            assert await world.number_of_attempts() == 1  # nobody was redialled
            await write_down(operator, attempt_id)
            following = await operator.call_the_next()
            assert (await world.attempt(following)).client_id != attempt.client_id
            await operator.post("hang-up", attempt_id=following)
            await operator.until(lambda view: view["call"] == "wrap_up")
        assert following != attempt_id
        await world.carrier.logged(following)  # the Call-ID on the wire, which did not begin anew with the service


async def test_sigkill_of_a_media_worker_in_mid_call(tmp_path: Path, database_url: str) -> None:
    async with office(tmp_path, database_url=database_url) as world, world.headset() as headset:
        await headset.registered()
        operator = await world.operator()
        attempt_id = await operator.call_the_next()
        await world.recording_begun(attempt_id)
        await talk(TALK_S)
        for pid in world.service.worker_pids():
            os.kill(pid, signal.SIGKILL)
        await operator.until(lambda view: view["call"] == "wrap_up")
        assert "Звук разговора пропал" in operator.regions["call"]  # the operator is told
        far_end = await world.carrier.logged(attempt_id)
        assert far_end.ended_by == "caller"  # the client is not left on a dead line
        await write_down(operator, attempt_id)
        attempt = await world.attempt(attempt_id)
        assert attempt.result is Result.ANSWERED

        following = await operator.call_the_next()  # the next call works
        await talk(1.5)
        await operator.post("hang-up", attempt_id=following)
        await operator.until(lambda view: view["call"] == "wrap_up")
        await write_down(operator, following)
        for called, least in ((attempt_id, TALK_S - 1.2), (following, 1.0)):
            recording = await world.recording(called)
            assert recording is not None
            assert playable_seconds(world.recording_path(recording)) >= least


async def test_a_carrier_that_dies_in_mid_call_leaves_nobody_stuck(tmp_path: Path) -> None:
    async with office(tmp_path) as world, world.headset() as headset:
        await headset.registered()
        operator = await world.operator()
        attempt_id = await operator.call_the_next()
        port = world.carrier.port
        world.carrier.kill()
        view = await operator.until(lambda view: view["silent"] == "client")
        assert view["call"] == "talking"
        await operator.post("hang-up", attempt_id=attempt_id)
        await operator.until(lambda view: view["call"] == "wrap_up")
        await operator.until(lambda _: NO_TRUNK in operator.regions["banner"])
        await write_down(operator, attempt_id)
        async with PracticeCarrier(log=tmp_path / "again.jsonl", port=port, ring_s=0.2):
            await operator.until(lambda _: NO_TRUNK not in operator.regions["banner"])
            following = await operator.call_the_next()
            await operator.post("hang-up", attempt_id=following)
            await operator.until(lambda view: view["call"] == "wrap_up")


async def test_two_services_on_one_database_are_refused_in_words(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        second = await asyncio.create_subprocess_exec(
            *world_command(world), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await second.communicate()
    assert second.returncode == 1
    words = (out + err).decode()
    assert "Traceback" not in words
    assert "main" in words  # names the node that runs


def world_command(world: World) -> list[str]:
    import sys

    return [str(Path(sys.executable).with_name("dialer")), "serve", "-c", str(world.service.config)]
