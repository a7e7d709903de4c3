"""The engine contract: who hears whom, what is recorded, keys that the far end presses."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dialer.telephony import LegAnswered, LegDigit, LegEnd, LegLevels, Sound, TelephonyError
from tests.dialer.engines.office import (
    HEADSET,
    HEADSET_TONE_HZ,
    PASSWORD,
    Engine,
    Line,
    Office,
    Watched,
    build_engine,
    trunk_settings,
)
from tests.peers import tones
from tests.peers.addresses import own_address
from tests.peers.run_baresip import BaresipRun

CLIENT_TONE_HZ = 1004.0
CLIENT_NUMBER = "+73420001200"
CLEAR_DB = 30.0


def clearness_db(samples: tones.Samples, frequency_hz: float) -> float:
    """SNR of the tone in the middlemost of the tenths of the loudest second: a softphone that stumbles once on a busy
    machine must not count, the wrong tone or noise must."""
    tenths = np.split(tones.steady_part(samples), 10)
    return float(np.median([tones.snr_db(tenth, frequency_hz) for tenth in tenths]))


async def talking(office: Office, ending: int) -> tuple[Watched, Watched]:
    """The operator and a practice client, bridged."""
    operator = await office.operator()
    client = await office.client(ending, beside=operator)
    await operator.until(LegAnswered)
    await client.until(LegAnswered)
    await office.engine.bridge(operator.leg, client.leg)
    return operator, client


async def hung_up(*watched: Watched) -> None:
    for one in watched:
        await one.leg.hang_up()
        assert (await one.ended()).end is LegEnd.WE_HUNG_UP


@pytest.mark.asyncio(loop_scope="module")
class TestPracticeNetwork:
    """One office for all of these."""

    async def test_both_hear_each_other(self, office: Office) -> None:
        operator, client = await talking(office, 1)
        await client.until(LegLevels, times=2)
        await hung_up(client, operator)
        assert (await office.carrier.logged(client.leg.id)).heard_dbov > -30
        assert (await office.headset.happened("ended", call_id=operator.leg.id))["heard_dbov"] > -45

    async def test_levels_are_those_of_what_comes_from_the_leg(self, office: Office) -> None:
        operator, client = await talking(office, 35)
        silent = await client.until(LegLevels, times=3)
        speaking = await operator.until(LegLevels, times=3)
        assert speaking.level_dbov > -30 > -60 > silent.level_dbov
        assert speaking.received > 0
        assert speaking.lost == 0
        await hung_up(client, operator)

    async def test_one_way_audio_is_seen(self, office: Office) -> None:
        operator, client = await talking(office, 34)
        levels = await client.until(LegLevels, times=2)
        assert (levels.received, levels.level_dbov) == (0, -127)
        await hung_up(client, operator)

    async def test_the_recording_has_the_operator_left_and_the_client_right(
        self, office: Office, tmp_path: Path
    ) -> None:
        operator, client = await talking(office, 32)
        path = tmp_path / "call.wav"
        await office.engine.start_recording(operator.leg, client.leg, path)
        await client.until(LegLevels, times=4)
        facts = await office.engine.stop_recording(operator.leg)
        assert facts is not None
        left, right = tones.read_wav(path, channel=0), tones.read_wav(path, channel=1)
        assert (facts.path, facts.frames, facts.failure) == (path, len(left), "")
        assert len(left) > 2 * tones.RATE_HZ
        # The client sends back what it hears, so the right channel shows the way to the client and back again.
        for channel in (left, right):
            assert clearness_db(channel, HEADSET_TONE_HZ) > CLEAR_DB
        assert await office.engine.stop_recording(operator.leg) is None
        await hung_up(client, operator)

    async def test_a_recording_ends_with_the_client_and_is_told_afterwards(
        self, office: Office, tmp_path: Path
    ) -> None:
        operator, client = await talking(office, 32)
        path = tmp_path / "call.wav"
        await office.engine.start_recording(operator.leg, client.leg, path)
        await client.until(LegLevels, times=2)
        await hung_up(client)
        facts = await office.engine.stop_recording(operator.leg)
        assert facts is not None
        assert facts.frames == len(tones.read_wav(path))
        await hung_up(operator)

    async def test_a_recording_that_cannot_be_opened(self, office: Office, tmp_path: Path) -> None:
        operator, client = await talking(office, 32)
        with pytest.raises(TelephonyError, match="folder"):
            await office.engine.start_recording(operator.leg, client.leg, tmp_path / "nowhere" / "call.wav")
        await hung_up(client, operator)

    async def test_parted_legs_do_not_hear_each_other(self, office: Office, tmp_path: Path) -> None:
        operator, client = await talking(office, 32)
        await client.until(LegLevels, times=2)
        await office.engine.unbridge(operator.leg)
        before = len([event for event in client.events if isinstance(event, LegLevels)])
        parted = await client.until(LegLevels, times=before + 2)
        assert parted.level_dbov < -60  # the echo of nothing
        await hung_up(client, operator)

    async def test_a_sound_is_played_into_a_leg(self, office: Office) -> None:
        client = await office.client(32)
        await client.until(LegAnswered)
        quiet = await client.until(LegLevels, times=2)
        await client.leg.play(Sound.RINGBACK)
        ringing = await client.until(LegLevels, times=4)
        await client.leg.stop_playing()
        loudest = max(event.level_dbov for event in client.events if isinstance(event, LegLevels))
        assert quiet.level_dbov < -60 < -30 < loudest, ringing
        await hung_up(client)

    async def test_a_prompt_is_played_once(self, office: Office, tmp_path: Path) -> None:
        prompt = tmp_path / "prompt.wav"
        soundfile.write(prompt, 0.3 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000), 8000, subtype="PCM_16")
        client = await office.client(32)
        await client.until(LegAnswered)
        await client.until(LegLevels, times=2)
        await client.leg.play(prompt)
        await client.until(LegLevels, times=5)
        levels = [event.level_dbov for event in client.events if isinstance(event, LegLevels)]
        assert max(levels) > -30, levels
        assert levels[-1] < -60, "it is over after a second by itself"
        assert sum(level > -50 for level in levels) <= 2, levels
        for unusable in (tmp_path / "nothing.wav", tmp_path / "text.wav"):
            (tmp_path / "text.wav").write_text("no sound")
            with pytest.raises(TelephonyError):
                await client.leg.play(unusable)
        await hung_up(client)

    async def test_the_line_stays_up_over_several_clients(self, office: Office) -> None:
        operator, first = await talking(office, 32)
        await hung_up(first)
        second = await office.client(32, beside=operator)
        await second.until(LegAnswered)
        await office.engine.bridge(operator.leg, second.leg)
        await second.until(LegLevels, times=2)
        await hung_up(second, operator)
        assert (await office.carrier.logged(second.leg.id)).heard_dbov > -30


@dataclass
class Talk:
    """An operator's headset and a client, each a softphone with a tone of its own; bridged."""

    engine: Engine
    headset: BaresipRun
    client: BaresipRun
    operator_leg: Watched
    client_leg: Watched


@pytest.fixture
async def talk(
    engine_class: type[Engine], baresip: Callable[..., Coroutine[Any, Any, BaresipRun]], tmp_path: Path
) -> AsyncIterator[Talk]:
    client_tone = tones.write_tone_wav(tmp_path / "client.wav", CLIENT_TONE_HZ)
    headset_tone = tones.write_tone_wav(tmp_path / "headset.wav", HEADSET_TONE_HZ)
    client = await baresip(user=CLIENT_NUMBER, tone=client_tone, password="not asked for")
    host = own_address()
    engine = build_engine(engine_class, trunk_settings((client.host, client.port)), host=host, sha256=False)
    line = Line(engine)
    async with AsyncExitStack() as stack:
        await engine.start()
        stack.push_async_callback(engine.stop)
        headset = await baresip(user=HEADSET, tone=headset_tone, registrar=(host, engine.sip_port), password=PASSWORD)
        await line.headset(HEADSET, registered=True)
        operator_leg = Watched(await engine.call_headset(HEADSET, call_id=uuid.uuid4().hex))
        await operator_leg.until(LegAnswered)
        client_leg = Watched(
            await engine.call_client(
                CLIENT_NUMBER, call_id=uuid.uuid4().hex, beside=operator_leg.leg, ring_timeout_s=20
            )
        )
        await client_leg.until(LegAnswered)
        await engine.bridge(operator_leg.leg, client_leg.leg)
        yield Talk(engine, headset, client, operator_leg, client_leg)


@pytest.mark.peer
class TestSoftphones:
    """baresip at both ends."""

    async def test_each_tone_arrives_at_the_other_end_and_in_its_channel(self, talk: Talk, tmp_path: Path) -> None:
        path = tmp_path / "call.wav"
        await talk.engine.start_recording(talk.operator_leg.leg, talk.client_leg.leg, path)
        await talk.client_leg.until(LegLevels, times=4)
        await talk.engine.stop_recording(talk.operator_leg.leg)
        await hung_up(talk.client_leg, talk.operator_leg)
        assert clearness_db(tones.read_wav(path, channel=0), HEADSET_TONE_HZ) > CLEAR_DB
        assert clearness_db(tones.read_wav(path, channel=1), CLIENT_TONE_HZ) > CLEAR_DB
        for phone, frequency_hz in ((talk.headset, CLIENT_TONE_HZ), (talk.client, HEADSET_TONE_HZ)):
            heard = tones.read_wav(phone.heard()[0])
            assert clearness_db(heard, frequency_hz) > CLEAR_DB

    async def test_keys_that_the_client_presses(self, talk: Talk) -> None:
        for key in "29#":
            await talk.client.command("sndcode", key)
        await talk.client_leg.until(LegDigit, times=3)
        assert [event.digit for event in talk.client_leg.events if isinstance(event, LegDigit)] == ["2", "9", "#"]
        await hung_up(talk.client_leg, talk.operator_leg)

    async def test_the_client_hangs_up(self, talk: Talk) -> None:
        await talk.client.command("hangup")
        assert (await talk.client_leg.ended()).end is LegEnd.REMOTE_HUNG_UP
        await hung_up(talk.operator_leg)
