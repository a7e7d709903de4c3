"""Tones for peers to play, and figures about what arrived."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE_HZ = 8000
Samples = npt.NDArray[np.float64]


def tone(frequency_hz: float, seconds: float, *, amplitude: float = 0.3) -> Samples:
    """A sine, full scale 1.0, whose end joins its beginning when it is looped."""
    cycles = round(frequency_hz * seconds)
    count = round(cycles / frequency_hz * RATE_HZ)
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(count) / RATE_HZ)


def write_tone_wav(path: Path, frequency_hz: float, *, seconds: float = 300.0) -> Path:
    """8 kHz, mono, 16 bit; longer than any test talks, since baresip hangs up where its file ends."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes((tone(frequency_hz, seconds) * 32767).astype("<i2").tobytes())
    return path


def read_wav(path: Path, *, channel: int = 0) -> Samples:
    """One channel, full scale 1.0."""
    with wave.open(str(path), "rb") as source:
        assert source.getframerate() == RATE_HZ
        frames = np.frombuffer(source.readframes(source.getnframes()), dtype="<i2")
        return frames.reshape(-1, source.getnchannels())[:, channel] / 32768


def rms_dbfs(samples: Samples) -> float:
    """RMS in dB relative to a full-scale square wave; -inf for silence."""
    if not len(samples) or not samples.any():
        return float("-inf")
    return float(20 * np.log10(np.sqrt(np.mean(samples**2))))


def snr_db(samples: Samples, frequency_hz: float) -> float:
    """Power of the best-fitting sine of `frequency_hz` over the power of all the rest."""
    phase = 2 * np.pi * frequency_hz * np.arange(len(samples)) / RATE_HZ
    basis = np.stack([np.sin(phase), np.cos(phase), np.ones(len(samples))], axis=1)
    factors, *_ = np.linalg.lstsq(basis, samples, rcond=None)
    wanted = basis[:, :2] @ factors[:2]
    rest = samples - basis @ factors
    return float(10 * np.log10(np.sum(wanted**2) / np.sum(rest**2)))


def steady_part(samples: Samples, *, seconds: float = 1.0) -> Samples:
    """The loudest stretch of `seconds`, away from where the sound began and ended."""
    window = round(seconds * RATE_HZ)
    energy = np.convolve(samples**2, np.ones(window), "valid")
    start = int(np.argmax(energy))
    return samples[start : start + window]


def alaw(samples: Samples) -> bytes:
    """ITU-T G.711 A-law by its definition (section 2), kept apart from the project's own table on purpose."""
    return bytes(_alaw_octet(int(value)) for value in np.round(samples * 32767))


def _alaw_octet(value: int) -> int:
    magnitude = min(value if value >= 0 else -value - 1, 32767) >> 3
    exponent = max(magnitude.bit_length() - 5, 0)
    mantissa = (magnitude >> max(exponent, 1)) & 0x0F
    return ((0x80 if value >= 0 else 0) | exponent << 4 | mantissa) ^ 0x55


def write_raw_alaw(path: Path, frequency_hz: float, *, seconds: float = 10.0) -> Path:
    """A tone as headerless A-law, as sipp's rtp_stream plays it."""
    path.write_bytes(alaw(tone(frequency_hz, seconds)))
    return path
