"""What a player needs: the shape of the sound to draw, and the bytes that it asked for."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import soundfile

from recordings.errors import BrokenRecording, RangeNotSatisfiable

MAX_BUCKETS = 400
"""Buckets of an overview: two channels of 400 pairs stay under 8 KB as JSON, whatever the sound."""

_UNIT = re.compile(r"bytes=(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_SPEC = re.compile(r"([0-9]*)-([0-9]*)", re.ASCII)


@dataclass(frozen=True)
class ChannelPeaks:
    """The lowest and highest sample of each bucket, -128..127 (the upper eight of sixteen bits)."""

    low: list[int]
    high: list[int]


@dataclass(frozen=True)
class Peaks:
    """The outline of a recording: one entry for each channel, buckets of equal length over `duration_s` seconds."""

    duration_s: float
    channels: list[ChannelPeaks]

    def as_json(self) -> dict[str, object]:
        """`{"duration_s": 12.3, "channels": [{"low": [...], "high": [...]}, ...]}`."""
        return {
            "duration_s": round(self.duration_s, 3),
            "channels": [{"low": each.low, "high": each.high} for each in self.channels],
        }


def peaks(path: Path, buckets: int = MAX_BUCKETS, *, sound_file: BinaryIO | None = None) -> Peaks:
    """The outline of the WAV file at `path` in `buckets` pieces, or in one piece a frame if it has fewer frames;
    `sound_file` is its sound where it has been opened already.

    Reads one bucket at a time. A file that is still being written is read as far as its header counts.
    Raises `BrokenRecording`; `ValueError` when `buckets` is not 1..`MAX_BUCKETS`.
    """
    if not 1 <= buckets <= MAX_BUCKETS:
        raise ValueError(f"buckets must be 1..{MAX_BUCKETS}, not {buckets}")
    if not path.is_file():
        raise BrokenRecording("file.missing", path=str(path))
    try:
        with soundfile.SoundFile(sound_file or path) as sound:
            frames = int(sound.frames)
            outline = [ChannelPeaks([], []) for _ in range(int(sound.channels))]
            pieces = min(buckets, frames)
            for piece in range(pieces):
                count = (piece + 1) * frames // pieces - piece * frames // pieces
                block = sound.read(count, dtype="int16", always_2d=True) >> 8
                if not len(block):
                    break
                for channel, low, high in zip(outline, block.min(axis=0), block.max(axis=0), strict=True):
                    channel.low.append(int(low))
                    channel.high.append(int(high))
            return Peaks(frames / int(sound.samplerate), outline)
    except soundfile.LibsndfileError as error:
        raise BrokenRecording("file.unreadable", path=str(path), reason=error.error_string) from error


@dataclass(frozen=True)
class ByteRange:
    """Bytes `first`..`last`, both included, of a recording of `size` bytes."""

    first: int
    last: int
    size: int

    @property
    def length(self) -> int:
        """Bytes in the range."""
        return self.last - self.first + 1

    @property
    def content_range(self) -> str:
        """The value of the Content-Range field (RFC 9110 section 14.4)."""
        return f"bytes {self.first}-{self.last}/{self.size}"


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The part of `size` bytes that a Range field asks for (RFC 9110 section 14.2), or None for the whole.

    None also for what a server is to ignore: no field, another unit, an invalid set of ranges; and for several
    ranges at once, which a server may answer with the whole (no player asks for them).
    Raises `RangeNotSatisfiable` (status 416) when no range asked for touches the recording.
    """
    asked = _asked(header)
    if not asked:
        return None
    met = [found for first, last in asked if (found := _clip(first, last, size))]
    if met:
        return met[0] if len(asked) == 1 else None
    if size == 0 and any(first is None and last for first, last in asked):
        return None  # a suffix of nothing is the whole of nothing, which no Content-Range can express
    raise RangeNotSatisfiable("range.not_satisfiable", size=size)


def _asked(header: str | None) -> list[tuple[int | None, int | None]]:
    """The (first, last) pairs of a field value as sent, or [] if it is missing, of another unit, or invalid."""
    unit = _UNIT.fullmatch(header.strip(" \t")) if header else None
    if unit is None:
        return []
    pairs: list[tuple[int | None, int | None]] = []
    for text in unit[1].split(","):
        text = text.strip(" \t")
        if not text:
            continue  # RFC 9110 section 5.6.1: a recipient ignores empty list elements
        spec = _SPEC.fullmatch(text)
        if spec is None or text == "-":
            return []
        first, last = _number(spec[1]), _number(spec[2])
        if first is not None and last is not None and last < first:
            return []  # section 14.1.1: an int-range whose last position is before its first is invalid
        pairs.append((first, last))
    return pairs


def _number(digits: str) -> int | None:
    # Positions may have any number of digits; beyond 18 they are past the end of every file, and equal for us.
    digits = digits.lstrip("0") or digits[:1]
    if len(digits) > 18:
        return 10**18
    return int(digits) if digits else None


def _clip(first: int | None, last: int | None, size: int) -> ByteRange | None:
    """The bytes that exist of one asked range; None if there are none."""
    if first is None:
        if not last or not size:
            return None
        return ByteRange(max(0, size - last), size - 1, size)
    if first >= size:
        return None
    return ByteRange(first, size - 1 if last is None else min(last, size - 1), size)
