"""Sealed recordings: the same sound with the key, none without, and none that was tampered with."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from recordings.errors import BrokenRecording
from recordings.integrity import KnownRecording, check_integrity
from recordings.playback import peaks
from recordings.sealing import PIECE_BYTES, is_sealed, new_wrapped_key, open_sound, seal, unwrapped
from recordings.store import LocalStore
from tests.dialer.console.seed import write_talk

OFFICE = b"key of an office"
CALL = "0" * 32
SIZES = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 77]


@pytest.fixture
def wrapped() -> str:
    return new_wrapped_key(OFFICE, CALL)


def kept(path: Path, content: bytes, wrapped: str) -> Path:
    path.write_bytes(content)
    seal(path, unwrapped(wrapped, OFFICE, path, CALL))
    return path


@pytest.mark.parametrize("size", SIZES)
def test_with_its_key_the_sound_is_the_same(tmp_path: Path, wrapped: str, size: int) -> None:
    content = os.urandom(size)
    path = kept(tmp_path / "call.wav", content, wrapped)
    assert is_sealed(path)
    if size > 16:  # fewer bytes may well be in the key's by chance
        assert content[:64] not in path.read_bytes()
    with open_sound(path, wrapped, OFFICE, CALL) as file:
        assert file.read() == content
    assert [each.name for each in tmp_path.iterdir()] == ["call.wav"]


@pytest.mark.parametrize("at", [0, 5, PIECE_BYTES - 2, PIECE_BYTES, 2 * PIECE_BYTES + 3, 3 * PIECE_BYTES])
def test_it_may_be_begun_anywhere(tmp_path: Path, wrapped: str, at: int) -> None:
    content = os.urandom(3 * PIECE_BYTES)
    path = kept(tmp_path / "call.wav", content, wrapped)
    with open_sound(path, wrapped, OFFICE, CALL) as file:
        file.seek(at)
        assert file.read(PIECE_BYTES + 10) == content[at : at + PIECE_BYTES + 10]
        assert file.seek(-4, os.SEEK_END) == len(content) - 4
        assert file.read() == content[-4:]


def test_two_who_seal_one_file_at_once_seal_it_once(
    tmp_path: Path, wrapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has opened the plain file and waits; meanwhile the first puts the sealed one in its place."""
    path = tmp_path / "call.wav"
    content = os.urandom(PIECE_BYTES)
    path.write_bytes(content)
    key = unwrapped(wrapped, OFFICE, path, CALL)
    locked, first = fcntl.flock, list[bytes]()

    def overtaken(file: BinaryIO, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", locked)
        seal(path, key)
        first.append(path.read_bytes())
        locked(file, how)

    monkeypatch.setattr(fcntl, "flock", overtaken)
    seal(path, key)
    assert [path.read_bytes()] == first
    with open_sound(path, wrapped, OFFICE, CALL) as file:
        assert file.read() == content


def test_a_plain_recording_from_before_goes_on_playing(tmp_path: Path) -> None:
    path = tmp_path / "old.wav"
    write_talk(path, seconds=1)
    assert not is_sealed(path)
    with open_sound(path, "", b"", CALL) as file:
        assert file.read() == path.read_bytes()


def test_its_outline_is_that_of_the_plain_one(tmp_path: Path, wrapped: str) -> None:
    path = tmp_path / "call.wav"
    write_talk(path, seconds=6)
    plain = peaks(path).as_json()
    seal(path, unwrapped(wrapped, OFFICE, path, CALL))
    with open_sound(path, wrapped, OFFICE, CALL) as file:
        assert peaks(path, sound_file=file).as_json() == plain


def test_without_its_key_it_is_noise(tmp_path: Path, wrapped: str) -> None:
    path = kept(tmp_path / "call.wav", b"RIFF" + bytes(1000), wrapped)
    for key, office, code in (
        ("", OFFICE, "file.no_key"),
        (wrapped, b"", "file.no_key"),
        (wrapped, b"another office", "file.other_key"),
    ):
        with pytest.raises(BrokenRecording) as broken:
            open_sound(path, key, office, CALL)
        assert broken.value.code == code
    with (
        open_sound(path, new_wrapped_key(OFFICE, CALL), OFFICE, CALL) as file,
        pytest.raises(BrokenRecording) as broken,
    ):
        file.read()
    assert broken.value.code == "file.other_key"


@pytest.mark.parametrize(
    "harm", ["a byte", "the size", "two pieces changed over", "cut off", "cut off, and the size put right"]
)
def test_what_was_tampered_with_is_not_played(tmp_path: Path, wrapped: str, harm: str) -> None:
    path = kept(tmp_path / "call.wav", os.urandom(2 * PIECE_BYTES), wrapped)
    sealed, piece = bytearray(path.read_bytes()), PIECE_BYTES + 16
    if harm == "a byte":
        sealed[-40] ^= 1
    elif harm == "the size":
        sealed[12] ^= 1
    elif harm.startswith("cut off"):
        del sealed[-piece:]
        if harm != "cut off":
            sealed[12:20] = PIECE_BYTES.to_bytes(8, "little")
    else:
        first, second = sealed[28 : 28 + piece], sealed[28 + piece :]
        sealed[28:] = second + first
    path.write_bytes(sealed)
    with open_sound(path, wrapped, OFFICE, CALL) as file, pytest.raises(BrokenRecording):
        file.read()


def test_sealing_again_changes_nothing(tmp_path: Path, wrapped: str) -> None:
    path = kept(tmp_path / "call.wav", b"RIFF and the sound", wrapped)
    before = path.read_bytes()
    seal(path, unwrapped(wrapped, OFFICE, path, CALL))
    assert path.read_bytes() == before


def test_a_full_disk_leaves_the_plain_one(tmp_path: Path, wrapped: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"RIFF and the sound")

    def refuse(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(BrokenRecording) as broken:
        seal(path, unwrapped(wrapped, OFFICE, path, CALL))
    assert broken.value.code == "file.not_written"
    assert path.read_bytes() == b"RIFF and the sound"
    assert list(tmp_path.iterdir()) == [path]


def test_integrity_is_of_the_sound(tmp_path: Path, wrapped: str) -> None:
    store, key = LocalStore(tmp_path), "2026/11/23/" + "0" * 32 + ".wav"
    path = store.path_for_writing(key)
    kept(path, b"RIFF and the sound", wrapped)
    known = [KnownRecording(key, hashlib.sha256(b"RIFF and the sound").hexdigest())]
    assert check_integrity(store, known).changed == [key]
    report = check_integrity(store, known, open_sound=lambda each: open_sound(store.path(each), wrapped, OFFICE, CALL))
    assert report.whole
    assert store.remove(key)
    assert not store.remove(key)


def test_a_plain_file_in_the_place_of_a_sealed_one_is_refused(tmp_path: Path, wrapped: str) -> None:
    path = kept(tmp_path / "call.wav", b"RIFF and the sound", wrapped)
    path.write_bytes(b"RIFF and another")
    with pytest.raises(BrokenRecording) as broken:
        open_sound(path, wrapped, OFFICE, CALL, was_sealed=True)
    assert broken.value.code == "file.not_sealed"


def test_a_key_opens_no_recording_in_the_place_of_another_call(tmp_path: Path, wrapped: str) -> None:
    path = kept(tmp_path / "call.wav", b"RIFF and the sound", wrapped)
    with pytest.raises(BrokenRecording) as broken:
        open_sound(path, wrapped, OFFICE, "1" * 32)
    assert broken.value.code == "file.other_key"


def test_a_key_from_before_still_opens(tmp_path: Path) -> None:
    old = "jg2n3Wpe6CkWQaYg4QnGzfW4yJPxwthdGjMeIQmt6TQb4C3T9f9wiGi7qYy9/l7h7vasupgVg95Ph/8C"
    path = kept(tmp_path / "call.wav", b"RIFF and the sound", old)
    with open_sound(path, old, OFFICE, CALL) as file:
        assert file.read() == b"RIFF and the sound"
