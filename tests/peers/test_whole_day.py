"""A morning's work of the whole service with a real softphone as headset and real peers as clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from crm.calls.attempts import Result
from crm.calls.recording_facts import RecordingState
from dialer.calls.view import CallState, LineState
from tests.peers.fixtures import Factory
from tests.peers.tones import read_wav, rms_dbfs, steady_part, write_raw_alaw
from tests.peers.whole import Whole, exchange, headset, number, softphone, trunk_of, whole_service, write_voice

STRICT, SOFTPHONE, HANGS_UP, SECOND_SOFTPHONE = (number(ending) for ending in (1, 2, 3, 4))
NUMBERS = (STRICT, SOFTPHONE, HANGS_UP, SECOND_SOFTPHONE)
SOFTPHONES = (SOFTPHONE, SECOND_SOFTPHONE)
AUDIBLE_DBFS = -30.0


async def _talk_and_end(
    whole: Whole, end: Callable[[], Awaitable[object]] | None, *, seconds: float = 1.0
) -> tuple[str, str]:
    """One call to the client in front, ended by `end` (`None`: by the far end itself), checked and written down."""
    called = await whole.number_in_front()
    attempt_id = await whole.talk()
    recording = await whole.recording_begun(attempt_id)
    if end is not None:
        await whole.recorded(recording, seconds)
        await end()
    view = await whole.over()
    assert (view.result, view.proposal, view.line) == (Result.ANSWERED, None, LineState.READY)
    await _check_stored(whole, attempt_id, called)
    await whole.write_down(attempt_id)
    return attempt_id, called


async def _check_stored(whole: Whole, attempt_id: str, called: str) -> None:
    attempt = await whole.attempt(attempt_id)
    assert (attempt.dialled, attempt.result) == (called, Result.ANSWERED)
    times = [attempt.opened_at, attempt.invited_at, attempt.ringing_at, attempt.answered_at, attempt.ended_at]
    if called in SOFTPHONES:  # it answers by itself, and may do so without a 180
        del times[2]
    assert None not in times
    assert times == sorted(time for time in times if time is not None)
    assert attempt.talk_seconds is not None
    recording = await whole.recording(attempt_id)
    assert recording is not None
    assert (recording.state, recording.failure) == (RecordingState.READY, "")
    assert recording.duration_s is not None
    # the recording is as long as the talk, but for the time in which the file is opened and closed
    assert recording.duration_s == pytest.approx(attempt.talk_seconds, abs=1.5)
    left, right = (read_wav(whole.recording_path(recording), channel=channel) for channel in (0, 1))
    assert rms_dbfs(steady_part(left, seconds=0.2)) > AUDIBLE_DBFS
    if called != HANGS_UP:  # which says nothing
        assert rms_dbfs(steady_part(right, seconds=0.2)) > AUDIBLE_DBFS


@pytest.mark.parametrize("through_proxy", [False, True], ids=["directly", "through Kamailio"])
async def test_four_clients_on_one_line(
    sipp: Factory,
    baresip: Factory,
    kamailio: Factory,
    database_url: str,
    tmp_path: Path,
    through_proxy: bool,
) -> None:
    voice = write_voice(tmp_path, 1004)
    strict = await sipp("answer_with_tone", tone=write_raw_alaw(tmp_path / "1004.raw", 1004), call_ms="60000")
    hangs_up = await sipp("hang_up_first", talk_ms="1500", route="Route:[$recorded_route]\n" if through_proxy else "")
    softphones = {called: await softphone(baresip, called, voice) for called in SOFTPHONES}
    far_ends = {STRICT: strict, HANGS_UP: hangs_up, **softphones}
    async with exchange({called: (far.host, far.port) for called, far in far_ends.items()}) as carrier:
        proxy = await kamailio(trunk=carrier.address) if through_proxy else None
        trunk = trunk_of(carrier, proxy)
        async with whole_service(tmp_path, database_url, trunk=trunk, numbers=NUMBERS) as whole:
            phone = await headset(baresip, whole, write_voice(tmp_path, 700))
            ends: dict[str, Callable[[], Awaitable[object]] | None] = {
                STRICT: whole.hang_up,
                SOFTPHONE: lambda: softphones[SOFTPHONE].command("hangup"),
                HANGS_UP: None,
                SECOND_SOFTPHONE: whole.hang_up,
            }
            await whole.ready()
            called = [(await _talk_and_end(whole, ends[await whole.number_in_front()]))[1] for _ in NUMBERS]
            assert sorted(called) == sorted(NUMBERS)
            assert (await whole.until_call(CallState.NONE)).line is LineState.READY
            # the headset was called once and is still in that call
            assert len(phone.heard()) == 1
            assert "Active calls (1)" in (await phone.command("listcalls"))["data"]
        await strict.succeeded()
        await hangs_up.succeeded()
        if proxy is not None:
            assert proxy.complaints() == []
            routed = [line.split("ROUTED ")[1].split()[0] for line in proxy.process.output if "ROUTED" in line]
            assert (routed.count("ACK"), routed.count("BYE")) == (len(NUMBERS), len(NUMBERS))
