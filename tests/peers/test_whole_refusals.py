"""Calls of the whole service that come to nothing: refused, given up, crossed, or nearly lost by the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm.calls.attempts import Result
from crm.calls.recording_facts import RecordingState, unsettled_recordings
from dialer.calls.view import CallState, LineState
from tests.peers.fixtures import Factory
from tests.peers.run_sipp import PHRASES, status_line
from tests.peers.whole import Whole, exchange, headset, number, trunk_of, whole_service, write_voice

EXPECTED = {
    486: (Result.BUSY, "no_contact"),
    404: (Result.NO_SUCH_NUMBER, "nonexistent"),
    480: (Result.UNAVAILABLE, "no_contact"),
    408: (Result.NO_ANSWER, "no_contact"),
    603: (Result.DECLINED, "no_contact"),
    503: (Result.TRUNK_FAILURE, "no_contact"),
    302: (Result.DIVERTED, "no_contact"),
}


async def test_seven_refusals_one_after_the_other(
    sipp: Factory, baresip: Factory, database_url: str, tmp_path: Path
) -> None:
    codes = {number(ending): code for ending, code in enumerate(EXPECTED, start=20)}
    contact = "Contact: <sip:elsewhere@127.0.0.9>\n"
    far_ends = {
        called: await sipp("refuse", status_line=status_line(code), headers=contact if code == 302 else "")
        for called, code in codes.items()
    }
    routes = {called: (far.host, far.port) for called, far in far_ends.items()}
    async with (
        exchange(routes) as carrier,
        whole_service(tmp_path, database_url, trunk=trunk_of(carrier), numbers=list(codes)) as whole,
    ):
        await headset(baresip, whole, write_voice(tmp_path, 700))
        await whole.ready()
        told: dict[int, tuple[str | None, str | None]] = {}
        for _ in codes:
            called = await whole.number_in_front()
            attempt_id = await whole.dial()
            view = await whole.over()
            await far_ends[called].succeeded()  # it was acknowledged, rightly
            code = codes[called]
            told[code] = (view.result, view.proposal)
            attempt = await whole.attempt(attempt_id)
            assert (attempt.dialled, attempt.sip_code, attempt.phrase) == (called, code, PHRASES[code])
            assert (attempt.result, attempt.proposed_disposition) == EXPECTED[code]
            assert (attempt.answered_at, attempt.talk_seconds) == (None, None)
            assert await whole.recording(attempt_id) is None
            assert view.proposal is not None
            await whole.write_down(attempt_id, view.proposal)
        assert told == EXPECTED
        assert len({result for result, _ in told.values()}) == len(codes), "each refusal is told apart"
        assert (await whole.until_call(CallState.NONE)).line is LineState.READY


@pytest.mark.parametrize("through_proxy", [False, True], ids=["directly", "through Kamailio"])
async def test_given_up_before_the_answer_and_as_it_comes(
    sipp: Factory,
    baresip: Factory,
    kamailio: Factory,
    database_url: str,
    tmp_path: Path,
    through_proxy: bool,
) -> None:
    recorded = "Record-Route:[$recorded_route]\n" if through_proxy else ""
    far_ends = {
        number(30): await sipp("expect_cancel"),
        number(31): await sipp("answer_crosses_cancel", record_route=recorded),
        number(32): await sipp("answer"),
    }
    routes = {called: (far.host, far.port) for called, far in far_ends.items()}
    async with exchange(routes) as carrier:
        proxy = await kamailio(trunk=carrier.address) if through_proxy else None
        trunk = trunk_of(carrier, proxy)
        async with whole_service(tmp_path, database_url, trunk=trunk, numbers=list(routes)) as whole:
            await headset(baresip, whole, write_voice(tmp_path, 700))
            await whole.ready()
            for called in (number(30), number(31)):
                assert await whole.number_in_front() == called
                attempt_id = await whole.dial()
                await whole.until_call(CallState.RINGING)
                await whole.hang_up()
                await _was_cancelled(whole, attempt_id)
                # CANCEL and, where the answer crossed it, ACK and BYE: or sipp's exit code is not 0
                await far_ends[called].succeeded()
            await _then_a_call_that_works(whole)
            await far_ends[number(32)].succeeded()
        assert proxy is None or proxy.complaints() == []


async def _was_cancelled(whole: Whole, attempt_id: str) -> None:
    view = await whole.over()
    attempt = await whole.attempt(attempt_id)
    assert (attempt.result, attempt.proposed_disposition) == (Result.CANCELLED, view.proposal)
    assert (attempt.answered_at, attempt.talk_seconds) == (None, None)
    assert await whole.recording(attempt_id) is None
    async with whole.service.database.reading() as session:
        assert await unsettled_recordings(session) == []
    assert view.line is LineState.READY
    await whole.write_down(attempt_id)


async def _then_a_call_that_works(whole: Whole) -> None:
    attempt_id = await whole.talk()
    await whole.hang_up()
    view = await whole.over()
    assert view.result == Result.ANSWERED
    recording = await whole.recording(attempt_id)
    assert recording is not None
    assert recording.state is RecordingState.READY
    await whole.write_down(attempt_id)


async def test_the_first_two_packets_of_everything_are_lost(
    sipp: Factory, baresip: Factory, kamailio: Factory, database_url: str, tmp_path: Path
) -> None:
    routes: dict[str, tuple[str, int]] = {}
    lose = {"REGISTER": 2, "INVITE": 2, "BYE": 2}
    registrar = await kamailio(trunk=("127.0.0.9", 5060))
    async with exchange(routes, otherwise=(registrar.host, registrar.port), lose=lose) as carrier:
        # its Contact is the exchange's address, so that ACK and BYE go through there as well
        far = await sipp("answer", contact=f"{carrier.host}:{carrier.port}")
        routes |= {number(1): (far.host, far.port), "far-end": (far.host, far.port)}
        account = {"user": "dialer", "password": registrar.password_of("dialer"), "register": True}
        trunk = {**trunk_of(carrier), **account, "domain": registrar.realm}
        async with whole_service(tmp_path, database_url, trunk=trunk, numbers=[number(1)]) as whole:
            await headset(baresip, whole, write_voice(tmp_path, 700))
            await whole.ready()
            await registrar.registered("dialer")
            await _then_a_call_that_works(whole)
            await far.succeeded()
            assert carrier.lost == lose
