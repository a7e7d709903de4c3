"""Voices that can be heard, told apart, and told from silence."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from dialer.media import g711
from dialer.media.rtp import FRAME_SAMPLES
from dialer.practice import voices

NUMBERS = [f"+734200012{ending:02}" for ending in range(1, 20)]


def _full_scale(samples: g711.Samples) -> npt.NDArray[np.float64]:
    return samples.astype(np.float64) / 32768


def _pitch_hz(samples: g711.Samples) -> float:
    """Median pitch of the loud frames of 40 ms, from the autocorrelation between 70 and 350 Hz."""
    sound = _full_scale(samples)
    found = []
    for start in range(0, len(sound) - 320, 320):
        frame = sound[start : start + 320]
        if np.sqrt(np.mean(frame**2)) < 0.05:
            continue
        correlation = np.correlate(frame, frame, "full")[319:]
        shortest = 8000 // 350
        found.append(8000 / (shortest + int(np.argmax(correlation[shortest : 8000 // 70]))))
    return float(np.median(found))


@pytest.mark.parametrize("number", NUMBERS[:4])
def test_a_voice_is_as_loud_as_speech_and_has_pauses(number: str) -> None:
    sound = _full_scale(voices.speech(voices.speaker_of(number)))
    frames = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    level = np.sqrt((frames**2).mean(axis=1))
    assert -26 < 20 * np.log10(np.sqrt(np.mean(sound**2))) < -18
    assert np.abs(sound).max() < 0.91
    assert 0.1 < (level < 0.001).mean() < 0.5
    assert len(sound) >= voices.LOOP_S * 8000


def test_a_number_keeps_its_voice_and_shares_it_with_nobody() -> None:
    assert np.array_equal(
        voices.speech(voices.speaker_of("+73420001201")), voices.speech(voices.speaker_of("+73420001201"))
    )
    speakers = [voices.speaker_of(number) for number in NUMBERS]
    for first, second in itertools.combinations(speakers, 2):
        assert abs(first.pitch_hz - second.pitch_hz) + 100 * abs(first.tract - second.tract) > 0.5


def test_the_pitch_is_the_speakers() -> None:
    for speaker in (voices.OPERATOR, voices.speaker_of(NUMBERS[0]), voices.speaker_of(NUMBERS[2])):
        assert _pitch_hz(voices.speech(speaker)) == pytest.approx(speaker.pitch_hz, rel=0.12)


def test_the_operator_speaks_lower_than_every_client() -> None:
    lowest = min(voices.speaker_of(number).pitch_hz for number in NUMBERS)
    assert lowest > voices.OPERATOR.pitch_hz * 1.3


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
def test_a_key_sounds_as_its_two_tones(codec: str) -> None:
    frames = voices.key_frames("5", codec)
    assert [len(frame) for frame in frames] == [FRAME_SAMPLES] * 15
    sound = g711.decode(b"".join(frames[:10]), codec).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(sound, 8000))
    peaks = sorted(
        int(np.argmax(np.where((np.arange(4001) > low) & (np.arange(4001) < high), spectrum, 0)))
        for low, high in ((600, 1000), (1100, 1700))
    )
    assert peaks == [pytest.approx(770, abs=4), pytest.approx(1336, abs=4)]


def test_a_tone_can_be_looped_without_a_click() -> None:
    frames = voices.tone_frames(1004.0, "PCMU")
    sound = g711.decode(b"".join(frames) * 2, "PCMU").astype(np.float64)
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    tone = spectrum[2008]
    assert 10 * np.log10(tone / (spectrum.sum() - tone)) > 35
