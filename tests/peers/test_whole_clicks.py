"""Two minutes of coded clicks both ways through the whole service: every one is in the recording, at its place.

This takes two minutes of real time, in which this process and the peers have next to nothing to do.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from tests import audio
from tests.peers.fixtures import Factory
from tests.peers.tones import alaw
from tests.peers.whole import exchange, headset, number, trunk_of, whole_service

SECONDS = 120
PLACE_S = 0.02
CLIENT = number(1)


def write_clicks(folder: Path) -> tuple[Path, Path]:
    """A WAV with every click that there is, for the headset, and as much as needed as raw A-law, for the client."""
    pcm = audio.to_pcm(audio.clicks_each_second(audio.CLICK_NUMBERS))
    wav, raw = folder / "clicks.wav", folder / "clicks.raw"
    with wave.open(str(wav), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(audio.RATE_HZ)
        out.writeframes(pcm.astype("<i2").tobytes())
    raw.write_bytes(alaw(audio.clicks_each_second(SECONDS + 20)))
    return wav, raw


def assert_in_place(channel: audio.Sound) -> list[audio.FoundClick]:
    """At least 120 clicks, numbered without a gap or a repetition, each a second after the one before."""
    found = audio.find_clicks(channel)
    assert len(found) >= SECONDS
    first = found[0]
    expected = [(first.number + index) % audio.CLICK_NUMBERS for index in range(len(found))]
    assert [click.number for click in found] == expected
    places = np.array([click.at_s - index for index, click in enumerate(found)])
    # a constant delay of the whole stream is allowed; neither drift nor a jump is
    assert np.max(np.abs(places - np.median(places))) <= PLACE_S
    return found


async def test_each_click_of_two_minutes_is_recorded_at_its_place(
    sipp: Factory, baresip: Factory, sqlite_url: str, tmp_path: Path
) -> None:
    wav, raw = write_clicks(tmp_path)
    routes: dict[str, tuple[str, int]] = {}
    async with (
        exchange(routes) as carrier,
        whole_service(tmp_path, sqlite_url, trunk=trunk_of(carrier), numbers=[CLIENT]) as whole,
    ):
        await headset(baresip, whole, wav)
        await whole.ready()
        client = await sipp("answer_with_tone", tone=raw, call_ms="148000")
        routes[CLIENT] = (client.host, client.port)
        attempt_id = await whole.talk()
        recording = await whole.recording_begun(attempt_id)
        await whole.recorded(recording, SECONDS + 2.0, patience_s=SECONDS + 25.0)
        await whole.hang_up()
        await whole.over()
        await client.succeeded()
    left, right = audio.read_wav(whole.recording_path(recording))
    assert_in_place(left)
    # the client's sound begins with its answer, and so does the recording
    assert assert_in_place(right)[0].number <= 1
