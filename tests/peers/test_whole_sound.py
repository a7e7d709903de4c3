"""What both sides hear and what is recorded, measured, with softphones at both ends of the whole service."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import audio
from tests.peers.fixtures import Factory
from tests.peers.tones import Samples, read_wav
from tests.peers.whole import exchange, headset, number, softphone, trunk_of, whole_service, write_voice

CLIENT_HZ, HEADSET_HZ = 1004.0, 700.0
ENOUGH_DB = 35.0
CROSSTALK_DB = 50.0
TALK_S = 5.0
CLIENT = number(1)


def clearest_second(sound: Samples, frequency_hz: float) -> tuple[float, Samples]:
    """The best SNR of any second, and that second: a softphone that stumbles on a busy machine must not count; noise,
    the wrong tone, or a fault that comes every second must."""
    starts = range(0, len(sound) - audio.RATE_HZ + 1, audio.RATE_HZ // 10)
    seconds = [sound[start : start + audio.RATE_HZ] for start in starts]
    return max(((audio.snr_db(second, frequency_hz), second) for second in seconds), key=lambda found: found[0])


def level_db(sound: Samples, wanted_hz: float, other_hz: float) -> float:
    """How far the other tone lies below the wanted one, both fitted together."""
    phases = 2 * np.pi * np.arange(len(sound)) / audio.RATE_HZ
    basis = np.stack([wave(phases * hz) for hz in (wanted_hz, other_hz) for wave in (np.sin, np.cos)], axis=1)
    factors, *_ = np.linalg.lstsq(basis, sound, rcond=None)
    wanted, other = np.hypot(factors[0], factors[1]), np.hypot(factors[2], factors[3])
    return float(20 * np.log10(wanted / max(other, 1e-12)))


def assert_clean(sound: Samples, wanted_hz: float, other_hz: float) -> None:
    snr, second = clearest_second(sound, wanted_hz)
    assert snr >= ENOUGH_DB
    assert level_db(second, wanted_hz, other_hz) >= CROSSTALK_DB


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
async def test_each_tone_is_heard_at_the_other_side_and_recorded_in_its_channel(
    baresip: Factory, sqlite_url: str, tmp_path: Path, codec: str
) -> None:
    client = await softphone(baresip, CLIENT, write_voice(tmp_path, CLIENT_HZ))
    async with (
        exchange({CLIENT: (client.host, client.port)}) as carrier,
        whole_service(tmp_path, sqlite_url, trunk=trunk_of(carrier), numbers=[CLIENT], codecs=[codec]) as whole,
    ):
        operator = await headset(baresip, whole, write_voice(tmp_path, HEADSET_HZ))
        await whole.ready()
        attempt_id = await whole.talk()
        begun = await whole.recording_begun(attempt_id)
        await whole.recorded(begun, TALK_S)
        await whole.hang_up()
        await whole.over()
        await client.process.wrote("terminated")
    for phone in (client, operator):
        await phone.process.wrote(f"[Ss]et audio encoder: {codec}")
        await phone.process.wrote(f"[Ss]et audio decoder: {codec}")
    left, right = audio.read_wav(whole.recording_path(begun))
    assert_clean(left, HEADSET_HZ, CLIENT_HZ)
    assert_clean(right, CLIENT_HZ, HEADSET_HZ)
    assert_clean(read_wav(client.heard()[-1]), HEADSET_HZ, CLIENT_HZ)
    assert_clean(read_wav(operator.heard()[-1]), CLIENT_HZ, HEADSET_HZ)
