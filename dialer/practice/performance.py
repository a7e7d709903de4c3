"""What a client or a headset sends: endless iterators of frames of 20 ms. Pure but for what was heard."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Final

from dialer.media import tones
from dialer.practice import voices
from dialer.practice.behaviours import Says
from dialer.practice.sound_port import Frames

GREETING_FRAMES: Final = 125
"""2.5 s: how long the answering machine speaks before its beep."""


def looped(frames: tuple[bytes, ...]) -> Frames:
    return itertools.cycle(frames)


def announcement(codec: str) -> Frames:
    """The exchange's own: three short tones, then a voice that is no client's."""
    opening = [frame for pitch in (950, 1400, 1800) for frame in tones.frames(tones.sine(pitch, 0.3), codec)]
    spoken = voices.speech_frames(voices.speaker_of("announcement"), codec)
    return itertools.chain(opening, itertools.cycle(spoken))


def greeting_and_beep(voice: tuple[bytes, ...], codec: str) -> Frames:
    greeting = itertools.islice(itertools.cycle(voice), GREETING_FRAMES)
    return itertools.chain(greeting, tones.tone("beep", codec).frames, itertools.repeat(tones.silence_frame(codec)))


def echo(take_heard: Callable[[], bytes | None], codec: str) -> Frames:
    """Back what was heard; two frames are held so that jitter does not tear it."""
    held: deque[bytes] = deque()
    speaking = False
    while True:
        while (frame := take_heard()) is not None:
            held.append(frame)
        speaking = len(held) >= (1 if speaking else 2)
        yield held.popleft() if speaking else tones.silence_frame(codec)


def spoken_digits(pressed: deque[str], codec: str) -> Frames:
    """Every key in `pressed`, taken from there, as its two tones; silence in between."""
    while True:
        if pressed:
            yield from voices.key_frames(pressed.popleft(), codec)
        else:
            yield tones.silence_frame(codec)


def of_client(
    says: Says, number: str, codec: str, *, take_heard: Callable[[], bytes | None], pressed: deque[str]
) -> Frames:
    """What the client behind `number` sends once it has answered."""
    match says:
        case Says.VOICE:
            return looped(voices.speech_frames(voices.speaker_of(number), codec))
        case Says.GREETING_AND_BEEP:
            return greeting_and_beep(voices.speech_frames(voices.speaker_of(number), codec), codec)
        case Says.ECHO:
            return echo(take_heard, codec)
        case Says.DIGITS:
            return spoken_digits(pressed, codec)
        case Says.SILENCE:
            return itertools.repeat(tones.silence_frame(codec))
        case Says.NOTHING:
            return itertools.repeat(None)
