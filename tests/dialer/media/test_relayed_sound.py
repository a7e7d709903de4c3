"""Sound through a real worker: both ways, in the right channel, at its place."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio import RATE_HZ, Sound, clicks_each_second, find_clicks, read_wav, snr_db, tone
from tests.dialer.media.conftest import Media

OPERATOR_HZ = 700.0
CLIENT_HZ = 1004.0


def middle(sound: Sound) -> Sound:
    """Without the beginning, where silence or another stream may be."""
    return sound[RATE_HZ : RATE_HZ + 2 * RATE_HZ]


@pytest.mark.parametrize(
    ("operator_codec", "client_codec", "least_snr_db"),
    [
        ("PCMA", "PCMA", 35.0),
        ("PCMU", "PCMU", 35.0),
        ("PCMA", "PCMU", 33.0),  # coded twice by two laws
    ],
)
async def test_tones_arrive_at_the_other_side_and_in_their_channel(
    media: Media, tmp_path: Path, operator_codec: str, client_codec: str, least_snr_db: float
) -> None:
    operator, client = await media.bridge(operator_codec, client_codec)
    path = tmp_path / "call.wav"
    await media.controller.start_recording("operator", "client", path)
    await asyncio.gather(operator.talk(tone(OPERATOR_HZ, 4)), client.talk(tone(CLIENT_HZ, 4)))
    summary = await media.controller.stop_recording("operator")

    assert snr_db(middle(client.heard()), OPERATOR_HZ) >= least_snr_db
    assert snr_db(middle(operator.heard()), CLIENT_HZ) >= least_snr_db
    left, right = read_wav(path)
    assert snr_db(middle(left), OPERATOR_HZ) >= 35
    assert snr_db(middle(right), CLIENT_HZ) >= 35
    assert summary is not None
    assert (summary.path, summary.failure) == (path, "")
    assert summary.frames == len(left) == soundfile.info(path).frames


async def test_the_payload_is_passed_on_untouched_when_both_sides_share_a_codec(media: Media) -> None:
    operator, client = await media.bridge()
    every_code = bytes(range(96, 256))
    client.send(every_code)
    await operator.until(lambda packets: any(packet.payload == every_code for packet in packets))


async def test_clicks_are_recorded_in_their_places(media: Media, tmp_path: Path) -> None:
    operator, client = await media.bridge()
    path = tmp_path / "call.wav"
    await media.controller.start_recording("operator", "client", path)
    await asyncio.gather(operator.talk(clicks_each_second(6, 0.3)), client.talk(clicks_each_second(6, 0.6)))
    await media.controller.stop_recording("operator")

    channels = [find_clicks(channel) for channel in read_wav(path)]
    for clicks, first_s in zip(channels, (0.3, 0.6), strict=True):
        assert [click.number for click in clicks] == list(range(6))
        places = np.array([click.at_s - click.number - first_s for click in clicks])
        assert np.ptp(places) < 0.02
    apart = [right.at_s - left.at_s for left, right in zip(*channels, strict=True)]
    assert np.max(np.abs(np.array(apart) - 0.3)) < 0.02


async def test_what_is_heard_has_no_click_doubled_or_missing(media: Media) -> None:
    operator, client = await media.bridge()
    await asyncio.gather(operator.talk(clicks_each_second(3)), client.talk(clicks_each_second(3)))
    for end in (operator, client):
        assert [click.number for click in find_clicks(end.heard())] == [0, 1, 2]
