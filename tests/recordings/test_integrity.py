import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recordings.errors import StoreError
from recordings.integrity import KnownRecording, check_integrity
from recordings.store import LocalStore

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    made = LocalStore(tmp_path / "recordings")
    made.prepare()
    return made


def keep(store: LocalStore, sound: bytes) -> KnownRecording:
    key = store.new_key(AT)
    store.path_for_writing(key).write_bytes(sound)
    return KnownRecording(key, hashlib.sha256(sound).hexdigest())


def test_a_store_that_agrees_with_the_database_is_whole(store: LocalStore) -> None:
    known = [keep(store, b"one"), keep(store, b"two" * 1_000_000)]
    done: list[int] = []
    report = check_integrity(store, known, progress=done.append)
    assert report.whole
    assert (report.sound, report.unfinished) == (2, 0)
    assert done == [1, 2]


def test_missing_changed_and_unknown_files_are_named(store: LocalStore) -> None:
    sound, gone, changed, unknown = (keep(store, word) for word in (b"sound", b"gone", b"changed", b"unknown"))
    store.path(gone.key).unlink()
    path = store.path(changed.key)
    path.write_bytes(b"Changed")
    report = check_integrity(store, [sound, gone, changed])
    assert not report.whole
    assert report.sound == 1
    assert (report.missing, report.changed, report.orphans) == ([gone.key], [changed.key], [unknown.key])


def test_a_recording_in_progress_is_neither_orphan_nor_changed(store: LocalStore) -> None:
    growing = KnownRecording(keep(store, b"growing").key, "")
    lost = KnownRecording(store.new_key(AT), "")
    report = check_integrity(store, [growing, lost])
    assert report.unfinished == 1
    assert report.missing == [lost.key]
    assert not report.orphans


def test_a_key_that_is_none_counts_as_missing(store: LocalStore) -> None:
    report = check_integrity(store, [KnownRecording("../../etc/passwd", "00"), KnownRecording("finished?", "")])
    assert report.missing == ["../../etc/passwd", "finished?"]


def test_a_store_that_is_not_there_is_told_and_not_reported_as_loss(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        check_integrity(LocalStore(tmp_path / "unmounted"), [KnownRecording("2026/11/23/" + "0" * 32 + ".wav", "00")])
    assert caught.value.code == "store.folder_missing"
