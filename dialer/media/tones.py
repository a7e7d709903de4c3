"""Call progress tones as G.711 frames of 20 ms: what a leg hears instead of a person. Pure."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dialer.media import g711
from dialer.media.rtp import CLOCK_RATE_HZ, FRAME_SAMPLES

PROGRESS_HZ = 425  # ITU-T E.180: the tone of Russia and most of Europe
_AMPLITUDE = 0.25  # of full scale: about -15 dBov, as exchanges send
_RAMP_S = 0.005  # cadences begin and end softly, without a click


class UnknownSound(ValueError):
    """There is no tone of this name."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Frames of 160 codes each; `loops`: until stopped."""

    frames: tuple[bytes, ...]
    loops: bool


def sine(frequency_hz: float, seconds: float, amplitude: float = _AMPLITUDE) -> g711.Samples:
    """A sine of `amplitude` (1.0: full scale), 16-bit samples at 8 kHz."""
    time_s = np.arange(round(seconds * CLOCK_RATE_HZ)) / CLOCK_RATE_HZ
    return np.round(np.sin(2 * np.pi * frequency_hz * time_s) * amplitude * 32767).astype(np.int16)


def frames(samples: g711.Samples, codec: str) -> tuple[bytes, ...]:
    """`samples` as whole frames; the last is filled up with silence."""
    codes = g711.encode(samples, codec)
    codes += g711.silence(codec, -len(codes) % FRAME_SAMPLES)
    return tuple(codes[at : at + FRAME_SAMPLES] for at in range(0, len(codes), FRAME_SAMPLES))


def _burst(frequency_hz: float, on_s: float, off_s: float) -> g711.Samples:
    tone = sine(frequency_hz, on_s).astype(np.float64)
    ramp = np.linspace(0, 1, round(_RAMP_S * CLOCK_RATE_HZ))
    tone[: len(ramp)] *= ramp
    tone[-len(ramp) :] *= ramp[::-1]
    return np.concatenate([tone, np.zeros(round(off_s * CLOCK_RATE_HZ))]).astype(np.int16)


_TONES: dict[str, tuple[Callable[[], g711.Samples], bool]] = {
    "ringback": (lambda: _burst(PROGRESS_HZ, 0.8, 3.2), True),
    "busy": (lambda: _burst(PROGRESS_HZ, 0.4, 0.4), True),
    "beep": (lambda: _burst(1000, 0.2, 0.0), False),
}

NAMES = frozenset(_TONES)


@functools.cache
def tone(name: str, codec: str) -> Sound:
    """The tone `name` ("ringback", "busy", "beep"). Raises `UnknownSound`."""
    if name not in _TONES:
        raise UnknownSound(f"no such sound: {name}")
    make, loops = _TONES[name]
    return Sound(frames(make(), codec), loops)


@functools.cache
def silence_frame(codec: str) -> bytes:
    return g711.silence(codec, FRAME_SAMPLES)
