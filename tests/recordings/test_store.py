import os
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from recordings.errors import StoreError
from recordings.store import LocalStore, Store

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    made = LocalStore(tmp_path / "recordings")
    made.prepare()
    return made


def keep(store: Store, sound: bytes = b"sound", at: datetime = AT) -> str:
    key = store.new_key(at)
    store.path_for_writing(key).write_bytes(sound)
    return key


def test_a_key_tells_the_utc_day_and_nothing_else(store: LocalStore) -> None:
    late_in_perm = datetime(2026, 11, 24, 2, 0, tzinfo=timezone(timedelta(hours=5)))
    first, second = store.new_key(late_in_perm), store.new_key(late_in_perm)
    assert first.startswith("2026/11/23/")
    assert first != second
    assert len(first) == len("2026/11/23/") + 32 + len(".wav")


def test_a_time_without_a_zone_has_no_day(store: LocalStore) -> None:
    with pytest.raises(ValueError, match="time zone"):
        store.new_key(AT.replace(tzinfo=None))


def test_what_was_written_is_read_back(store: LocalStore) -> None:
    key = keep(store, b"RIFF and so on")
    assert store.exists(key)
    assert store.size(key) == 14
    with store.open(key) as file:
        assert file.read() == b"RIFF and so on"
    assert store.path(key) == store.root / key


@pytest.mark.parametrize("ask", ["open", "size", "path"])
def test_a_key_without_a_file_is_told(store: LocalStore, ask: str) -> None:
    key = store.new_key(AT)
    assert not store.exists(key)
    with pytest.raises(StoreError) as caught:
        getattr(store, ask)(key)
    assert caught.value.code == "store.unknown_key"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../../secret.wav",
        "2026/11/23/../../../../secret.wav",
        "2026/11/../../" + "0" * 32 + ".wav",
        "2026/11/23/" + "0" * 32 + ".wav\n",
        "2026/11/23/" + "0" * 32 + ".wav\x00",
        "2026/11/23/" + "A" * 32 + ".wav",
        "٢٠٢٦/11/23/" + "0" * 32 + ".wav",
        "2026\\11\\23\\" + "0" * 32 + ".wav",
    ],
)
def test_nothing_but_a_key_reaches_the_disk(store: LocalStore, key: str) -> None:
    (store.root.parent / "secret.wav").write_bytes(b"secret")
    for ask in (store.open, store.size, store.path, store.path_for_writing, store.exists):
        with pytest.raises(StoreError) as caught:
            ask(key)
        assert caught.value.code == "store.bad_key"


def test_a_link_does_not_lead_out_of_the_store(store: LocalStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    name = "0" * 32 + ".wav"
    (outside / name).write_bytes(b"secret")
    (store.root / "2026" / "11").mkdir(parents=True)
    (store.root / "2026" / "11" / "23").symlink_to(outside, target_is_directory=True)
    with pytest.raises(StoreError) as caught:
        store.open(f"2026/11/23/{name}")
    assert caught.value.code == "store.bad_key"


def test_a_recording_is_never_written_over(store: LocalStore) -> None:
    key = keep(store)
    with pytest.raises(StoreError) as caught:
        store.path_for_writing(key)
    assert caught.value.code == "store.key_taken"


def test_keys_come_in_the_order_of_days_and_other_files_are_passed_over(store: LocalStore) -> None:
    written = {keep(store, at=AT + timedelta(days=days)) for days in (40, 0, 3, 3, 400)}
    (store.root / "2026" / "11" / "23" / "notes.txt").write_text("not a recording")
    (store.root / "lost.wav").write_bytes(b"not in a day")
    found = list(store.iter_keys())
    assert found == sorted(written)


def test_a_missing_root_is_told_and_never_made_in_passing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "unmounted")
    for ask in (store.check, store.free_bytes, lambda: store.path_for_writing(store.new_key(AT))):
        with pytest.raises(StoreError, match="does not exist") as caught:
            ask()
        assert caught.value.code == "store.folder_missing"
        assert str(store.root) in str(caught.value)
    assert not store.root.exists()


def test_a_file_in_the_place_of_the_root_is_told(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "file")
    store.root.write_text("a file")
    for ask in (store.prepare, store.check):
        with pytest.raises(StoreError) as caught:
            ask()
        assert caught.value.code == "store.not_a_folder"


def test_a_file_in_the_place_of_a_year_is_told(store: LocalStore) -> None:
    (store.root / "2026").write_text("in the way")
    with pytest.raises(StoreError) as caught:
        store.path_for_writing(store.new_key(AT))
    assert caught.value.code == "store.not_writable"
    assert caught.value.params["reason"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a folder that even root cannot write to")
def test_a_folder_that_takes_no_files_is_told() -> None:
    store = LocalStore(Path("/proc/self"))
    for ask in (store.check, lambda: store.path_for_writing(store.new_key(AT))):
        with pytest.raises(StoreError) as caught:
            ask()
        assert caught.value.code == "store.not_writable"


def test_a_healthy_store_passes_its_check_and_is_left_empty(store: LocalStore) -> None:
    store.check()
    assert os.listdir(store.root) == []
    assert store.free_bytes() > 0
    assert store.root.stat().st_mode & 0o077 == 0
