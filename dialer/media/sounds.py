"""Sounds to play into a leg: a tone by name, or a WAV file."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from dialer.media import g711, rtp, tones

LONGEST_S = 120


class UnusableSound(ValueError):
    """This file cannot be played."""


def load(sound: str, codec: str) -> tones.Sound:
    """A name of `tones.NAMES`, or the path of an 8 kHz mono 16-bit WAV of at most `LONGEST_S`, played once.

    Raises `UnknownSound` or `UnusableSound`.
    """
    if sound in tones.NAMES or not sound.lower().endswith(".wav"):
        return tones.tone(sound, codec)
    return tones.Sound(tones.frames(_samples(Path(sound)), codec), loops=False)


def _samples(path: Path) -> g711.Samples:
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            if form != (rtp.CLOCK_RATE_HZ, 1, 2):
                raise UnusableSound(f"{path} is not 8 kHz, mono, 16 bits")
            if file.getnframes() > LONGEST_S * rtp.CLOCK_RATE_HZ:
                raise UnusableSound(f"{path} is longer than {LONGEST_S} s")
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
    except (OSError, EOFError, wave.Error) as error:
        raise UnusableSound(f"{path} cannot be read: {error}") from error
