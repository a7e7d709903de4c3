"""The carrier as its callers meet it: a process of its own, real SIP and RTP."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from dialer.media import rtp
from dialer.media.dtmf import DigitSender
from dialer.practice import voices
from dialer.practice.call_log import LoggedCall
from dialer.practice.processes import NotStarted, PracticeCarrier
from dialer.sip.core import PHRASES
from dialer.sip.endpoint import TrunkAccount
from dialer.sip.events import (
    CallAnswered,
    CallEndCause,
    CallEnded,
    CallProgress,
    Credentials,
    Hop,
    Registered,
    RegistrationFailed,
    Transport,
)
from dialer.sip.sdp import RemoteAudio, read_remote
from tests.peers.addresses import own_address
from tests.peers.ear import ear_of, rms_db
from tests.peers.fixtures import Factory
from tests.peers.our_side import OurSide

EXCHANGE = "+734200012"
REFUSALS = [("20", 486), ("22", 404), ("23", 603), ("28", 480), ("29", 503), ("30", 408), ("31", 302)]
REFUSALS += [("38", 403), ("39", 500)]


async def answered(side: OurSide, call_id: str) -> RemoteAudio:
    return read_remote((await side.until(CallAnswered, call_id)).sdp)


# -- each behaviour gives its code -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "code"), REFUSALS)
async def test_refusals_reach_the_caller(carrier: PracticeCarrier, our_side: OurSide, ending: str, code: int) -> None:
    call_id = our_side.call(EXCHANGE + ending, carrier.address)
    ended = await our_side.until(CallEnded, call_id)
    assert (ended.cause, ended.sip_code) == (CallEndCause.REFUSED, code)
    assert ended.phrase == PHRASES[code]
    if code == 302:
        assert ended.contact_uri == f"sip:{EXCHANGE}00@{carrier.host}:{carrier.port}"
    logged = await carrier.logged(call_id)
    assert (logged.ended_by, logged.sip_code, logged.answered_at) == ("client", code, None)


@pytest.mark.peer
@pytest.mark.parametrize(("ending", "code"), [("20", "486"), ("22", "404"), ("23", "603"), ("29", "503")])
async def test_sipp_is_refused_as_the_table_says(
    carrier: PracticeCarrier, sipp: Factory, ending: str, code: str
) -> None:
    caller = await sipp("call_refused", target=carrier.address, service=EXCHANGE + ending, code=code)
    await caller.succeeded()


@pytest.mark.peer
async def test_sipp_calls_a_client_and_hangs_up(carrier: PracticeCarrier, sipp: Factory) -> None:
    caller = await sipp("call", target=carrier.address, service=EXCHANGE + "05", talk_ms="600")
    await caller.succeeded()
    logged = await carrier.logged_number(EXCHANGE + "05")
    assert (logged.ended_by, logged.number, logged.confirmed) == ("caller", EXCHANGE + "05", True)
    assert logged.talk_seconds >= 0.55


@pytest.mark.peer
async def test_sipp_is_hung_up_on(tmp_path: Path, sipp: Factory) -> None:
    async with PracticeCarrier(log=tmp_path / "log", host=own_address(), ring_s=0.1, talk_s=0.5) as carrier:
        caller = await sipp("call_until_hung_up", target=carrier.address, service=EXCHANGE + "24")
        await caller.succeeded()
        logged = await carrier.logged_number(EXCHANGE + "24")
    assert (logged.ended_by, logged.behaviour) == ("client", "hangs up first")


async def test_nobody_answers_21_and_cancel_ends_it(carrier: PracticeCarrier, our_side: OurSide) -> None:
    call_id = our_side.call(EXCHANGE + "21", carrier.address)
    progress = await our_side.until(CallProgress, call_id)
    assert progress.sip_code == 180
    our_side.hang_up(call_id)
    logged = await carrier.logged(call_id)
    assert (logged.ended_by, logged.answered_at, logged.talk_seconds) == ("cancelled", None, 0.0)


async def test_the_client_who_hangs_up_first_sends_bye(tmp_path: Path, our_side: OurSide) -> None:
    async with PracticeCarrier(log=tmp_path / "log", host=own_address(), ring_s=0.1, talk_s=0.4) as carrier:
        call_id = our_side.call(EXCHANGE + "24", carrier.address)
        ended = await our_side.until(CallEnded, call_id)
        assert ended.cause is CallEndCause.REMOTE_BYE
        logged = await carrier.logged(call_id)
    assert logged.ended_by == "client"
    assert logged.talk_seconds >= 0.39


# -- what is heard ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
async def test_a_talking_client_is_heard_and_hears(carrier: PracticeCarrier, our_side: OurSide, codec: str) -> None:
    async with ear_of(our_side) as ear:
        call_id = our_side.call(EXCHANGE + "05", carrier.address, media=(our_side.host, ear.port), codecs=(codec,))
        remote = await answered(our_side, call_id)
        assert remote.codec == codec
        ear.connect(remote)
        ear.play(itertools.cycle(voices.tone_frames(700.0, codec)))
        sound = await ear.until_heard(150)
        sent = ear.packets_out
        our_side.hang_up(call_id)
        logged = await carrier.logged(call_id)
        assert -30 < rms_db(sound) < -15
        sequences = [packet.sequence for packet in ear.packets]
        assert sequences == [(sequences[0] + step) & 0xFFFF for step in range(len(sequences))]
        stamps = {(packet.timestamp - ear.packets[0].timestamp) & 0xFFFFFFFF for packet in ear.packets}
        assert stamps == {160 * step for step in range(len(ear.packets))}
        # both sides go on until they know of the end; a few packets may lie unread when it comes
        assert 0 <= logged.packets_out - len(ear.packets) <= 5
        assert sent - 5 <= logged.packets_in <= ear.packets_out
    assert logged.heard_dbov == pytest.approx(rms_db(np.array([0.25 / np.sqrt(2)])), abs=0.5)


async def test_different_numbers_have_different_voices(carrier: PracticeCarrier, our_side: OurSide) -> None:
    async with ear_of(our_side) as first, ear_of(our_side) as second:
        for ear, ending in ((first, "00"), (second, "05")):
            our_side.call(EXCHANGE + ending, carrier.address, media=(our_side.host, ear.port))
        one, two = await first.until_heard(100), await second.until_heard(100)
    length = min(len(one), len(two))
    spectra = [np.abs(np.fft.rfft(sound[:length])) for sound in (one, two)]
    likeness = float(np.dot(*spectra) / np.prod([np.linalg.norm(spectrum) for spectrum in spectra]))
    assert likeness < 0.7


async def test_voicemail_greets_beeps_and_is_silent(carrier: PracticeCarrier, our_side: OurSide) -> None:
    async with ear_of(our_side) as ear:
        call_id = our_side.call(EXCHANGE + "25", carrier.address, media=(our_side.host, ear.port))
        await our_side.until(CallAnswered, call_id)
        sound = await ear.until_heard(160)
        assert not any(isinstance(event, CallProgress) for event in our_side.events)
    beep_at = 125 * 160
    beep = np.abs(np.fft.rfft(sound[beep_at : beep_at + 1600]))
    assert int(np.argmax(beep)) * 8000 / 1600 == pytest.approx(1000, abs=5)
    assert rms_db(sound[:beep_at]) > -30
    assert rms_db(sound[beep_at + 1760 :]) < -70


@pytest.mark.parametrize(("ending", "code"), [("26", 0), ("27", 404)])
async def test_early_media_is_heard_before_the_answer(
    carrier: PracticeCarrier, our_side: OurSide, ending: str, code: int
) -> None:
    async with ear_of(our_side) as ear:
        call_id = our_side.call(EXCHANGE + ending, carrier.address, media=(our_side.host, ear.port))
        progress = await our_side.until(CallProgress, call_id)
        assert progress.sip_code == 183
        assert read_remote(progress.sdp).port > 0
        sound = await ear.until_heard(100)
        assert not any(isinstance(event, CallAnswered | CallEnded) for event in our_side.events)
        assert rms_db(sound) > -30
        if code:
            assert (await our_side.until(CallEnded, call_id)).sip_code == code
        else:
            await our_side.until(CallAnswered, call_id)


async def test_echo_comes_back(carrier: PracticeCarrier, our_side: OurSide) -> None:
    async with ear_of(our_side) as ear:
        call_id = our_side.call(EXCHANGE + "32", carrier.address, media=(our_side.host, ear.port))
        ear.connect(await answered(our_side, call_id))
        ear.play(itertools.cycle(voices.tone_frames(700.0, "PCMA")))
        sound = await ear.until_heard(100)
    spectrum = np.abs(np.fft.rfft(sound[-8000:]))
    assert int(np.argmax(spectrum)) == 700
    assert rms_db(sound[-8000:]) == pytest.approx(rms_db(np.array([0.25 / np.sqrt(2)])), abs=1.0)


async def test_digits_are_read_and_spoken_back(carrier: PracticeCarrier, our_side: OurSide) -> None:
    async with ear_of(our_side) as ear:
        call_id = our_side.call(EXCHANGE + "33", carrier.address, media=(our_side.host, ear.port))
        remote = await answered(our_side, call_id)
        assert remote.dtmf_payload_type is not None
        await _press("15#", our_side, remote)
        our_side.endpoint.send_info_digit(call_id, "7", our_side.now())
        our_side.flush()
        heard = await ear.until_heard(110)
        our_side.hang_up(call_id)
        logged = await carrier.logged(call_id)
    assert sorted(logged.digits) == sorted("15#7")
    assert logged.digits.replace("7", "") == "15#"
    assert rms_db(heard) > -30


async def _press(digits: str, side: OurSide, remote: RemoteAudio) -> None:
    """RFC 4733 events, as fast as they can be sent: their order is what counts."""
    sender = DigitSender()
    sender.queue(digits)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=(side.host, 0)
    )
    assert remote.dtmf_payload_type is not None
    started = 0
    for step in itertools.count():
        if sender.idle:
            break
        event = sender.step()
        if event is None:
            continue
        started = step * 160 if event.marker else started
        packet = rtp.RtpPacket(remote.dtmf_payload_type, step, started, 77, event.payload, event.marker)
        transport.sendto(rtp.build(packet), (remote.host, remote.port))
    transport.close()


@pytest.mark.parametrize(("ending", "packets"), [("34", False), ("35", True)])
async def test_one_way_and_muted_clients(
    carrier: PracticeCarrier, our_side: OurSide, ending: str, packets: bool
) -> None:
    async with ear_of(our_side) as ear, ear_of(our_side) as other:
        call_id = our_side.call(EXCHANGE + ending, carrier.address, media=(our_side.host, ear.port))
        await our_side.until(CallAnswered, call_id)
        # another client's packets are the clock: when they have come, this one's had the time too
        our_side.call(EXCHANGE + "00", carrier.address, media=(our_side.host, other.port))
        await other.until_heard(60)
        assert bool(ear.packets) is packets
        if packets:
            assert rms_db(ear.heard()) < -70


# -- the trunk that wants to know who calls ----------------------------------------------------------------------------


async def test_with_a_password_the_carrier_wants_digest(tmp_path: Path) -> None:
    with_digest = PracticeCarrier(log=tmp_path / "log", host=own_address(), ring_s=0.1, user="dialer", password="pw")
    async with with_digest as carrier, OurSide() as side:
        right = side.call(EXCHANGE + "05", carrier.address, credentials=Credentials("dialer", "pw"))
        wrong = side.call(EXCHANGE + "05", carrier.address, credentials=Credentials("dialer", "guess"))
        nobody = side.call(EXCHANGE + "05", carrier.address)
        await side.until(CallAnswered, right)
        assert (await side.until(CallEnded, wrong)).sip_code in (401, 403)
        assert (await side.until(CallEnded, nobody)).sip_code == 401
        side.hang_up(right)
        await carrier.logged(right)
        assert [call.call_id for call in carrier.calls()] == [right]


async def test_with_a_password_the_carrier_is_a_registrar(tmp_path: Path) -> None:
    with_digest = PracticeCarrier(log=tmp_path / "log", host=own_address(), user="dialer", password="pw")
    async with with_digest as carrier, OurSide() as side:
        for name, password in (("right", "pw"), ("wrong", "guess")):
            account = TrunkAccount(
                name=name,
                aor=f"sip:dialer@{carrier.host}",
                registrar_uri=f"sip:{carrier.host}",
                hop=Hop(Transport.UDP, *carrier.address),
                credentials=Credentials("dialer", password),
            )
            side.endpoint.register(account, side.now())
        side.flush()
        assert (await side.until(Registered)).account == "right"
        failed = await side.until(RegistrationFailed)
        assert (failed.account, failed.sip_code) == ("wrong", 401)


# -- life of the process -----------------------------------------------------------------------------------------------


async def test_stopping_hangs_up_and_logs(tmp_path: Path, our_side: OurSide) -> None:
    carrier = PracticeCarrier(log=tmp_path / "log", host=own_address(), ring_s=0.1)
    await carrier.start()
    talking = our_side.call(EXCHANGE + "05", carrier.address)
    ringing = our_side.call(EXCHANGE + "21", carrier.address)
    await our_side.until(CallAnswered, talking)
    await our_side.until(CallProgress, ringing)
    assert await carrier.stop() == 0
    assert (await our_side.until(CallEnded, talking)).cause is CallEndCause.REMOTE_BYE
    assert (await our_side.until(CallEnded, ringing)).cause is CallEndCause.REFUSED
    assert {call.call_id: call.ended_by for call in carrier.calls()} == {talking: "lost", ringing: "lost"}


async def test_a_killed_carrier_leaves_no_account_and_is_not_running(tmp_path: Path, our_side: OurSide) -> None:
    async with PracticeCarrier(log=tmp_path / "log", host=own_address(), ring_s=0.1) as carrier:
        call_id = our_side.call(EXCHANGE + "05", carrier.address)
        await our_side.until(CallAnswered, call_id)
        carrier.kill()
        assert await carrier.stop() == -signal.SIGKILL
        assert not carrier.running
        assert carrier.calls() == []


async def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, own_address(), str(tmp_path / "log"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    parent.kill()
    # the child holds the other end of our pipe: its end is the child's end
    try:
        async with asyncio.timeout(15):
            assert await parent.stdout.read() == b""
    except TimeoutError:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        await parent.wait()


_PARENT = """
import json, subprocess, sys, time
command = [sys.executable, "-m", "dialer.practice", "carrier", "--host", sys.argv[1], "--log", sys.argv[2]]
child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stdout)
json.loads(child.stdout.readline())
print(child.pid, flush=True)
time.sleep(60)
"""


async def test_a_busy_port_is_said_in_words(carrier: PracticeCarrier, tmp_path: Path) -> None:
    second = PracticeCarrier(log=tmp_path / "log", host=carrier.host, port=carrier.port)
    with pytest.raises(NotStarted, match=f"{carrier.host}:{carrier.port}: .*in use"):
        await second.start()
    assert not second.running


async def test_twenty_calls_at_once(carrier: PracticeCarrier, our_side: OurSide) -> None:
    calls = [our_side.call(f"{EXCHANGE}{ending:02}", carrier.address) for ending in range(20)]
    for call_id in calls:
        await our_side.until(CallAnswered, call_id)
    for call_id in calls:
        our_side.hang_up(call_id)
    logged: list[LoggedCall] = [await carrier.logged(call_id) for call_id in calls]
    assert {call.ended_by for call in logged} == {"caller"}
    assert len(carrier.calls()) == 20


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("closed", ["</dev/null", "<&-"])
async def test_with_nobody_at_its_standard_input_it_ends_unless_it_is_told_to_stay(closed: str, kept: bool) -> None:
    words = f"exec {sys.executable} -m dialer.practice carrier {'--keep-running' if kept else ''} {closed}"
    process = await asyncio.create_subprocess_shell(
        words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert b'"ready": true' in await process.stdout.readline()
        if kept:
            process.terminate()
        _, said = await process.communicate()
    assert (process.returncode, said) == (0, b"")
