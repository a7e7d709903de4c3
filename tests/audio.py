"""Sound for tests: tones and coded clicks to send, and ways to find them again in what was heard or recorded.

Samples are float64 in -1..1 at 8 kHz unless said otherwise.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE_HZ = 8000
FRAME = 160
Sound = npt.NDArray[np.float64]
Pcm = npt.NDArray[np.int16]

CLICK_HZ = (1000.0, 1400.0, 1800.0, 2200.0)
"""A click is four bursts of 10 ms, each of one of these: two bits of its number, the highest first."""

_BURST = 80
_CLICK = 4 * _BURST
CLICK_NUMBERS = 4**4


def tone(frequency_hz: float, seconds: float, amplitude: float = 0.5) -> Sound:
    """A sine."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.asarray(amplitude * np.sin(2 * np.pi * frequency_hz * time_s), np.float64)


def to_pcm(sound: Sound) -> Pcm:
    return np.clip(np.round(sound * 32767), -32768, 32767).astype(np.int16)


def from_pcm(pcm: Pcm) -> Sound:
    return pcm.astype(np.float64) / 32768


def read_wav(path: Path) -> list[Sound]:
    """The channels of a 16-bit WAV file, by the standard library's reader."""
    with wave.open(str(path), "rb") as file:
        assert (file.getsampwidth(), file.getframerate()) == (2, RATE_HZ)
        interleaved = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return [from_pcm(interleaved[channel :: file.getnchannels()]) for channel in range(file.getnchannels())]


def snr_db(sound: Sound, frequency_hz: float) -> float:
    """Power of the best fitting sine of `frequency_hz` (least squares, with a constant) over that of the rest."""
    phase = 2 * np.pi * frequency_hz * np.arange(len(sound)) / RATE_HZ
    basis = np.stack([np.sin(phase), np.cos(phase), np.ones_like(phase)], axis=1)
    factors, *_ = np.linalg.lstsq(basis, sound, rcond=None)
    wanted = basis[:, :2] @ factors[:2]
    rest = sound - basis @ factors
    power, noise = float(np.mean(wanted**2)), float(np.mean(rest**2))
    if power == 0:
        return -np.inf
    return 10 * np.log10(power / noise) if noise > 0 else np.inf


def click(number: int, amplitude: float = 0.5) -> Sound:
    """40 ms that carry `number` (0..255)."""
    bursts = [(number >> shift) & 3 for shift in (6, 4, 2, 0)]
    return np.concatenate([tone(CLICK_HZ[digit], _BURST / RATE_HZ, amplitude) for digit in bursts])


def clicks_each_second(count: int, first_s: float = 0.5, amplitude: float = 0.5) -> Sound:
    """`count` seconds with click number n (modulo 256) beginning at `first_s` + n seconds."""
    sound = np.zeros(count * RATE_HZ)
    for number in range(count):
        start = round((number + first_s) * RATE_HZ)
        sound[start : start + _CLICK] = click(number % CLICK_NUMBERS, amplitude)
    return sound


@dataclass(frozen=True, slots=True)
class FoundClick:
    number: int
    at_s: float


def find_clicks(sound: Sound, threshold: float = 0.1) -> list[FoundClick]:
    """Every click, in order, with the place of its first sample; `threshold`: amplitude below which all is silence."""
    loud = np.abs(sound) > threshold
    found: list[FoundClick] = []
    at = 0
    while True:
        following = np.flatnonzero(loud[at:])
        if not len(following):
            return found
        start = at + int(following[0])
        if start + _CLICK > len(sound) + _BURST // 2:
            return found
        found.append(FoundClick(_number_at(sound, start), start / RATE_HZ))
        at = start + _CLICK + _BURST


def _number_at(sound: Sound, start: int) -> int:
    number = 0
    for burst in range(4):
        part = sound[start + burst * _BURST : start + (burst + 1) * _BURST]
        phases = 2j * np.pi * np.arange(len(part)) / RATE_HZ
        energies = [abs(np.sum(part * np.exp(-phases * frequency))) for frequency in CLICK_HZ]
        number = number << 2 | int(np.argmax(energies))
    return number
