from __future__ import annotations

import numpy as np
import pytest

from dialer.media import g711, tones
from tests.audio import Sound, from_pcm, snr_db


def heard(sound: tones.Sound, codec: str) -> Sound:
    return from_pcm(g711.decode(b"".join(sound.frames), codec))


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
@pytest.mark.parametrize(("name", "on_s", "off_s"), [("ringback", 0.8, 3.2), ("busy", 0.4, 0.4)])
def test_progress_tones_have_their_pitch_and_cadence(name: str, on_s: float, off_s: float, codec: str) -> None:
    sound = tones.tone(name, codec)
    samples = heard(sound, codec)
    assert sound.loops
    assert len(samples) == round((on_s + off_s) * 8000)
    on = round(on_s * 8000)
    assert snr_db(samples[100 : on - 100], 425) > 30
    assert np.max(np.abs(samples[on:])) < 0.001


def test_the_beep_is_heard_once() -> None:
    sound = tones.tone("beep", "PCMA")
    assert not sound.loops
    assert snr_db(heard(sound, "PCMA")[100:1500], 1000) > 30


def test_frames_are_whole() -> None:
    frames = tones.frames(np.ones(161, np.int16), "PCMU")
    assert [len(frame) for frame in frames] == [160, 160]
    assert g711.decode(frames[1][1:], "PCMU").tolist() == [0] * 159


def test_an_unknown_sound_is_refused() -> None:
    with pytest.raises(tones.UnknownSound, match="no such sound: gong"):
        tones.tone("gong", "PCMA")
