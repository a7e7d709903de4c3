import hashlib
import math
import os
import signal
import struct
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from recordings.errors import BrokenRecording
from recordings.finalise import finalise, repair_sizes

RATE = 8000


def two_tones(seconds: float) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """Left: 700 Hz at half scale; right: 1004 Hz at a tenth."""
    at = np.arange(int(seconds * RATE)) / RATE
    left = 0.5 * np.sin(2 * np.pi * 700 * at)
    right = 0.1 * np.sin(2 * np.pi * 1004 * at)
    return np.asarray(np.round(np.stack([left, right], axis=1) * 32767), dtype=np.int16)


def write_wav(path: Path, seconds: float = 3.0) -> bytes:
    samples = two_tones(seconds).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples)
    return samples


def set_sizes(path: Path, riff: int, sound: int) -> None:
    with path.open("r+b") as file:
        file.seek(4)
        file.write(struct.pack("<I", riff))
        file.seek(40)
        file.write(struct.pack("<I", sound))


def frames_by_wave(path: Path) -> bytes:
    with wave.open(str(path), "rb") as file:
        return file.readframes(file.getnframes())


def test_a_whole_file_is_measured_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    write_wav(path, 3.0)
    before = path.read_bytes()
    facts = finalise(path)
    assert path.read_bytes() == before
    assert facts.sha256 == hashlib.sha256(before).hexdigest()
    assert facts.bytes == len(before)
    assert (facts.frames, facts.channels, facts.duration_s) == (24000, 2, 3.0)
    assert facts.rms == pytest.approx((0.5 / math.sqrt(2), 0.1 / math.sqrt(2)), rel=1e-3)


@pytest.mark.parametrize(("riff", "sound"), [(0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (36, 0), (36 + 8000, 8000)])
def test_sizes_that_a_killed_writer_left_behind_are_put_right(tmp_path: Path, riff: int, sound: int) -> None:
    path = tmp_path / "killed.wav"
    samples = write_wav(path, 2.0)
    whole = path.read_bytes()
    set_sizes(path, riff, sound)
    facts = finalise(path)
    assert path.read_bytes() == whole
    assert facts.frames == 16000
    assert frames_by_wave(path) == samples
    assert soundfile.info(path).frames == 16000


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 9001])
def test_a_file_cut_in_mid_frame_keeps_its_whole_frames(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.wav"
    samples = write_wav(path, 2.0)
    os.truncate(path, path.stat().st_size - cut)
    facts = finalise(path)
    kept = (len(samples) - cut) // 4
    assert facts.frames == kept
    assert frames_by_wave(path) == samples[: 4 * kept]
    assert facts.bytes == path.stat().st_size == 44 + 4 * kept


def test_finalising_twice_gives_the_same_facts(tmp_path: Path) -> None:
    path = tmp_path / "twice.wav"
    write_wav(path)
    set_sizes(path, 0, 0)
    first = finalise(path)
    assert finalise(path) == first
    assert not repair_sizes(path)


def test_a_call_without_a_second_of_sound_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    write_wav(path, 0)
    facts = finalise(path)
    assert (facts.frames, facts.duration_s, facts.rms) == (0, 0.0, (0.0, 0.0))


def test_chunks_after_the_sound_are_not_taken_for_sound(tmp_path: Path) -> None:
    path = tmp_path / "noted.wav"
    write_wav(path, 1.0)
    with path.open("ab") as file:
        file.write(b"LIST" + struct.pack("<I", 4) + b"INFO")
    before = path.read_bytes()
    assert finalise(path).frames == RATE
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file.no_header"),
        (b"RIFF\0\0\0\0WAV", "file.no_header"),
        (b"RIFF\0\0\0\0WAVE", "file.no_header"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0", "file.no_header"),
        (b"OggS" + bytes(60), "file.not_wav"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "file.not_wav"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 6, 1, 8000, 8000, 1, 8) + b"data", "file.not_wav"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 0, 8000, 0, 0, 16) + b"data", "file.not_wav"),
    ],
)
def test_what_is_no_recording_is_told_and_left_alone(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "odd.wav"
    path.write_bytes(content)
    with pytest.raises(BrokenRecording) as caught:
        finalise(path)
    assert caught.value.code == code
    assert path.read_bytes() == content


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BrokenRecording) as caught:
        finalise(tmp_path / "nothing.wav")
    assert caught.value.code == "file.missing"


@given(content=st.binary(max_size=80), header=st.booleans())
def test_any_bytes_end_in_facts_or_a_clear_error(
    content: bytes, header: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "any.wav"
    start = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 2, 8000, 32000, 4, 16) if header else b""
    path.write_bytes(start + content)
    try:
        facts = finalise(path)
    except BrokenRecording:
        return
    assert facts.bytes == path.stat().st_size
    assert facts.channels == 2


WRITER = """
import struct, sys
path, seconds = sys.argv[1], int(sys.argv[2])
with open(path, "wb", buffering=0) as file:
    file.write(b"RIFF" + struct.pack("<I", 0) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 8000, 32000, 4, 16))
    file.write(b"data" + struct.pack("<I", 0))
    for _ in range(seconds):
        file.write(struct.pack("<hh", 16384, -8192) * 8000)
    file.write(b"\\x00\\x40\\x00")
    print("written", flush=True)
    sys.stdin.read()
"""


def test_the_file_of_a_process_killed_while_writing_is_finished_whole(tmp_path: Path) -> None:
    path = tmp_path / "sigkill.wav"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), "5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    facts = finalise(path)
    assert (facts.frames, facts.duration_s) == (40000, 5.0)
    assert facts.rms == (0.5, 0.25)
    assert soundfile.info(path).frames == 40000
    assert len(frames_by_wave(path)) == 160000
