"""Voices that nobody owns: harmonics under moving formants, noise for consonants, pauses between phrases. Pure.

They say nothing, but a listener, a level meter and a silence detector take them for speech, and tell them apart.
"""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dialer.media import g711, tones
from dialer.media.rtp import CLOCK_RATE_HZ

LOOP_S: Final = 6.0
"""About how long a voice speaks before it repeats itself."""

_VOWELS_HZ: Final = (
    (730.0, 1090.0, 2440.0),
    (530.0, 1840.0, 2480.0),
    (270.0, 2290.0, 3010.0),
    (570.0, 840.0, 2410.0),
    (300.0, 870.0, 2240.0),
    (500.0, 1500.0, 2500.0),
)
"""The first three formants of an adult's vowels (Peterson and Barney, 1952)."""

_BANDWIDTHS_HZ: Final = (90.0, 130.0, 200.0)
_FORMANT_GAINS: Final = (1.0, 0.55, 0.3)
_HIGHEST_HZ: Final = 3500.0
_SPEECH_RMS: Final = 0.1  # -20 dB of full scale while speaking, as a telephone's

_KEYS_HZ: Final = {
    key: (row, column)
    for row, keys in ((697, "123A"), (770, "456B"), (852, "789C"), (941, "*0#D"))
    for key, column in zip(keys, (1209, 1336, 1477, 1633), strict=True)
}
"""The two frequencies of each key (ITU-T Q.23)."""

Track = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Speaker:
    """`pitch_hz`: mean frequency of the voice. `tract`: how much higher the formants are than an adult man's."""

    seed: int
    pitch_hz: float
    tract: float


OPERATOR: Final = Speaker(seed=1, pitch_hz=98.0, tract=0.95)
"""The headset's voice: lower than any client's."""


def speaker_of(number: str) -> Speaker:
    """The client behind `number`: always the same, and unlike the others."""
    seed = zlib.crc32(number.encode())
    return Speaker(seed=seed, pitch_hz=135.0 + seed % 1009 / 1009 * 120, tract=1.0 + seed // 1009 % 97 / 97 * 0.22)


@dataclass(slots=True)
class _Score:
    """What is to be sung, as points in time: seconds, and at each the pitch, voice, noise and formants."""

    times_s: list[float]
    pitch: list[float]
    voiced: list[float]
    noise: list[float]
    formants: list[tuple[float, float, float]]

    def add(self, at_s: float, pitch: float, voiced: float, noise: float, formants: tuple[float, float, float]) -> None:
        self.times_s.append(at_s)
        self.pitch.append(pitch)
        self.voiced.append(voiced)
        self.noise.append(noise)
        self.formants.append(formants)


def _score(speaker: Speaker, rng: np.random.Generator, seconds: float) -> _Score:
    score = _Score([], [], [], [], [])
    at_s = 0.0
    while at_s < seconds:
        syllables = int(rng.integers(3, 8))
        for index in range(syllables):
            formants = _VOWELS_HZ[int(rng.integers(len(_VOWELS_HZ)))]
            # a phrase falls in pitch, with an accent here and there
            pitch = speaker.pitch_hz * (1.12 - 0.24 * index / syllables) * float(rng.uniform(0.95, 1.08))
            hiss = float(rng.choice((0.0, 0.15, 0.5)))
            consonant_s, vowel_s = float(rng.uniform(0.04, 0.09)), float(rng.uniform(0.09, 0.2))
            score.add(at_s, pitch, 0.05, hiss, formants)
            score.add(at_s + consonant_s, pitch, 0.3, hiss, formants)
            score.add(at_s + consonant_s + 0.02, pitch, 1.0, 0.0, formants)
            score.add(at_s + consonant_s + vowel_s, pitch * 0.98, 0.7, 0.0, formants)
            at_s += consonant_s + vowel_s + 0.02
        score.add(at_s, speaker.pitch_hz, 0.0, 0.0, _VOWELS_HZ[-1])
        at_s += float(rng.uniform(0.35, 0.8))
        score.add(at_s, speaker.pitch_hz, 0.0, 0.0, _VOWELS_HZ[-1])
    return score


def speech(speaker: Speaker, seconds: float = LOOP_S) -> g711.Samples:
    """At least `seconds` of speech at 8 kHz, 16 bit, ending in a pause so that it can be looped."""
    rng = np.random.default_rng(speaker.seed)
    score = _score(speaker, rng, seconds)
    time_s = np.arange(int(score.times_s[-1] * CLOCK_RATE_HZ)) / CLOCK_RATE_HZ

    def track(points: list[float]) -> Track:
        return np.interp(time_s, score.times_s, points)

    pitch = track(score.pitch)
    formants = [track([point[i] * speaker.tract for point in score.formants]) for i in range(3)]
    voice = _harmonics(pitch, formants) * track(score.voiced)
    hiss = np.diff(rng.normal(0.0, 1.0, len(time_s) + 1)) * track(score.noise) * 0.25
    sound = voice / max(float(np.abs(voice).max()), 1e-9) + hiss * 0.3
    speaking = track(score.voiced) > 0.2
    sound *= _SPEECH_RMS / float(np.sqrt(np.mean(sound[speaking] ** 2)))
    return (np.clip(sound, -0.9, 0.9) * 32767).astype(np.int16)


def _harmonics(pitch: Track, formants: list[Track]) -> Track:
    phase = np.cumsum(pitch) * (2 * np.pi / CLOCK_RATE_HZ)
    total = np.zeros_like(pitch)
    for harmonic in range(1, int(_HIGHEST_HZ / float(pitch.min())) + 1):
        frequency = pitch * harmonic
        amplitude = np.zeros_like(pitch)
        for formant, width, gain in zip(formants, _BANDWIDTHS_HZ, _FORMANT_GAINS, strict=True):
            amplitude += gain / (1 + ((frequency - formant) / width) ** 2)
        amplitude *= (frequency < _HIGHEST_HZ) / np.sqrt(harmonic)
        total += amplitude * np.sin(harmonic * phase)
    return total


@functools.lru_cache(maxsize=200)
def speech_frames(speaker: Speaker, codec: str) -> tuple[bytes, ...]:
    """A loop of `speech` as frames of 20 ms."""
    return tones.frames(speech(speaker), codec)


@functools.lru_cache(maxsize=32)
def key_frames(key: str, codec: str) -> tuple[bytes, ...]:
    """200 ms of the two tones of `key` (`0-9*#A-D`; ITU-T Q.23), then 100 ms of silence. Raises `KeyError`."""
    low, high = _KEYS_HZ[key]
    sound = tones.sine(low, 0.2, 0.2) + tones.sine(high, 0.2, 0.2)
    return (*tones.frames(sound, codec), *[tones.silence_frame(codec)] * 5)


@functools.lru_cache(maxsize=8)
def tone_frames(frequency_hz: float, codec: str) -> tuple[bytes, ...]:
    """A tone to measure with, as frames that join without a click when they are looped."""
    # a whole number of periods in a whole number of frames: for a whole number of Hz one second always does
    seconds = 1.0 if frequency_hz == int(frequency_hz) else 10.0
    return tones.frames(tones.sine(frequency_hz, seconds), codec)
