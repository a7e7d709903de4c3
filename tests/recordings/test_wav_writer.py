from __future__ import annotations

import resource
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recordings.errors import RecordingStopped
from recordings.wav_writer import HEADER_BYTES, WavWriter


def frames_of(path: Path) -> tuple[int, int]:
    """As both readers count them."""
    with wave.open(str(path), "rb") as file:
        by_wave = len(file.readframes(file.getnframes())) // 4
    read, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert (rate, read.shape[1]) == (8000, 2)
    return by_wave, len(read)


def block(frames: int, first: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    left = np.arange(first, first + frames).astype(np.int16)
    return np.stack([left, -left], axis=1)


def test_readable_after_every_block(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    writer = WavWriter(path)
    assert frames_of(path) == (0, 0)
    for second in range(1, 4):
        writer.write(writer.frames, block(8000))
        assert frames_of(path) == (second * 8000, second * 8000)
    writer.close()
    writer.close()
    assert path.stat().st_size == HEADER_BYTES + 3 * 8000 * 4


def test_channels_are_left_and_right(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    writer = WavWriter(path)
    writer.write(0, block(100))
    writer.close()
    read, _ = soundfile.read(path, dtype="int16")
    assert read.tolist() == block(100).tolist()


def test_a_block_may_correct_the_end_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    writer = WavWriter(path)
    writer.write(0, block(100))
    writer.write(50, block(100, first=1000))
    writer.close()
    read, _ = soundfile.read(path, dtype="int16")
    assert read[:, 0].tolist() == [*range(50), *range(1000, 1100)]


def test_no_holes(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "call.wav")
    with pytest.raises(ValueError, match="hole"):
        writer.write(1, block(10))
    writer.close()


def test_samples_that_the_header_does_not_count_yet_do_no_harm(tmp_path: Path) -> None:
    """As a writer leaves it that is killed between the samples and their header."""
    path = tmp_path / "call.wav"
    writer = WavWriter(path)
    writer.write(0, block(8000))
    writer.close()
    with path.open("ab") as file:
        file.write(block(7200).tobytes())
    assert frames_of(path) == (8000, 8000)


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"kept")
    with pytest.raises(RecordingStopped, match="already a file"):
        WavWriter(path)
    assert path.read_bytes() == b"kept"


def test_a_missing_folder_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(RecordingStopped, match="the folder does not exist"):
        WavWriter(tmp_path / "none" / "call.wav")


@pytest.fixture
def small_files() -> Iterator[int]:
    """No file may grow beyond this many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = HEADER_BYTES + 10_002 * 4
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_written_stays_readable_when_the_disk_refuses_more(tmp_path: Path, small_files: int) -> None:
    path = tmp_path / "call.wav"
    writer = WavWriter(path)
    writer.write(0, block(8000))
    with pytest.raises(RecordingStopped, match="may not grow"):
        writer.write(8000, block(8000))
    assert path.stat().st_size == small_files
    writer.abandon()
    assert writer.closed
    assert frames_of(path) == (8000, 8000)
    assert path.stat().st_size == HEADER_BYTES + 8000 * 4
