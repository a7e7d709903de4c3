"""After the call: a recording's header is put right and what the file holds is measured."""

import hashlib
import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from recordings.disk import in_words
from recordings.errors import BrokenRecording

_RIFF_HEADER = 12
_CHUNK_HEADER = 8
_PCM = 1
_LONGEST = 0xFFFFFFFF
_BLOCK_FRAMES = 65_536
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Facts:
    """What a finished recording holds.

    `rms` has one figure for each channel (left: operator, right: client), 0 for silence and 1 for full scale;
    `duration_s` is in seconds, `sha256` in hexadecimal over the whole file of `bytes` bytes.
    """

    sha256: str
    duration_s: float
    frames: int
    channels: int
    rms: tuple[float, ...]
    bytes: int


def finalise(path: Path) -> Facts:
    """Repair the sizes in the header, then measure the file, block by block.

    A writer that was killed leaves sound that the header does not count. Calling it again changes nothing.
    Raises `BrokenRecording` when the file is missing or holds no readable sound.
    """
    try:
        repair_sizes(path)
        sha256, size = _hash(path)
        return _measure(path, sha256, size)
    except FileNotFoundError as error:
        raise BrokenRecording("file.missing", path=str(path)) from error
    except OSError as error:
        raise BrokenRecording("file.unreadable", path=str(path), reason=in_words(error)) from error


def repair_sizes(path: Path) -> bool:
    """Make the header's two sizes say what the file's length says; whether anything had to change.

    Bytes of a last frame that was not written whole are cut off. Chunks after the sound are left alone if they
    reach exactly to the end of the file; anything else after the counted sound is sound not counted yet.
    """
    with path.open("r+b") as file:
        length = file.seek(0, os.SEEK_END)
        sound_at, declared, frame_bytes = _find_sound(file, length, path)
        if declared and sound_at + declared < length and _only_chunks(file, sound_at + declared, length):
            return False
        held = length - sound_at
        held -= held % frame_bytes
        if sound_at + held - _CHUNK_HEADER > _LONGEST:
            raise BrokenRecording("file.too_long", path=str(path))
        file.seek(4)
        sizes = file.read(4), declared
        right = struct.pack("<I", sound_at + held - _CHUNK_HEADER), held
        if sizes == right and length == sound_at + held:
            return False
        file.truncate(sound_at + held)
        file.seek(4)
        file.write(right[0])
        file.seek(sound_at - 4)
        file.write(struct.pack("<I", held))
        file.flush()
        os.fsync(file.fileno())
        return True


def _find_sound(file: BinaryIO, length: int, path: Path) -> tuple[int, int, int]:
    """Where the samples begin, how many bytes the header says there are, and the bytes of a frame."""
    file.seek(0)
    head = file.read(_RIFF_HEADER)
    if len(head) < _RIFF_HEADER:
        raise BrokenRecording("file.no_header", path=str(path))
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise BrokenRecording("file.not_wav", path=str(path), reason="RIFF/WAVE is missing at its start")
    frame_bytes = 0
    for at, name, size in _chunks(file, _RIFF_HEADER, length):
        if name == b"fmt ":
            file.seek(at)
            frame_bytes = _frame_bytes(file.read(16), path)
        elif name == b"data":
            if not frame_bytes:
                raise BrokenRecording("file.not_wav", path=str(path), reason="the sound comes before its format")
            return at, size, frame_bytes
    raise BrokenRecording("file.no_header", path=str(path))


def _frame_bytes(form: bytes, path: Path) -> int:
    if len(form) < 16:
        raise BrokenRecording("file.no_header", path=str(path))
    coding, channels, _rate, _bytes_a_second, frame_bytes, bits = struct.unpack("<HHIIHH", form)
    if coding != _PCM or bits != 16 or channels < 1 or frame_bytes != 2 * channels:
        reason = f"coding {coding}, {channels} channels, {bits} bits, {frame_bytes} bytes a frame"
        raise BrokenRecording("file.not_wav", path=str(path), reason=reason)
    return int(frame_bytes)


def _chunks(file: BinaryIO, at: int, length: int) -> Iterator[tuple[int, bytes, int]]:
    """(start of the content, name, declared size) of each chunk from `at` on; chunks begin at even places."""
    while at + _CHUNK_HEADER <= length:
        file.seek(at)
        name, size = struct.unpack("<4sI", file.read(_CHUNK_HEADER))
        yield at + _CHUNK_HEADER, name, size
        at += _CHUNK_HEADER + size + size % 2


def _only_chunks(file: BinaryIO, at: int, length: int) -> bool:
    """Whether the bytes from `at` are whole chunks with printable names that end where the file ends."""
    end = at
    for start, name, size in _chunks(file, at, length):
        if not all(0x20 <= byte < 0x7F for byte in name):
            return False
        end = start + size + size % 2
    return at < end == length


def _hash(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def _measure(path: Path, sha256: str, size: int) -> Facts:
    try:
        with soundfile.SoundFile(path) as sound:
            channels, rate = int(sound.channels), int(sound.samplerate)
            energy = np.zeros(channels, dtype=np.float64)
            frames = 0
            for block in sound.blocks(blocksize=_BLOCK_FRAMES, dtype="int16", always_2d=True):
                energy += np.square(block.astype(np.float64)).sum(axis=0)
                frames += len(block)
    except soundfile.LibsndfileError as error:
        raise BrokenRecording("file.unreadable", path=str(path), reason=error.error_string) from error
    rms = tuple(math.sqrt(float(each) / frames) / 32768 if frames else 0.0 for each in energy)
    return Facts(sha256, frames / rate, frames, channels, rms, size)
