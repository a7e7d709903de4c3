"""Where recordings are kept: a port, and its first form, a folder on this machine."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from recordings.disk import in_words
from recordings.errors import StoreError

_KEY = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9a-f]{32}\.wav", re.ASCII)


class Store(Protocol):
    """Keeps recordings under keys like `2026/11/23/<random>.wav`; a key reveals the day and nothing else."""

    def new_key(self, at: datetime) -> str:
        """A key that no recording has, under the UTC day of `at` (an aware time)."""

    def path_for_writing(self, key: str) -> Path:
        """The path at which a recorder creates the file of `key`; its folder exists afterwards.

        Raises `StoreError` when the store is missing, cannot be written to, or already holds `key`.
        """

    def path(self, key: str) -> Path:
        """A path on this machine from which the recording can be read; `StoreError` when there is none."""

    def open(self, key: str) -> BinaryIO:
        """The recording's bytes, for the caller to close; `StoreError` when there is none."""

    def exists(self, key: str) -> bool:
        """Whether the store holds a recording under `key`."""

    def size(self, key: str) -> int:
        """Bytes of the recording; `StoreError` when there is none."""

    def remove(self, key: str) -> bool:
        """Take the recording out of the store; whether it was there."""

    def free_bytes(self) -> int:
        """Bytes that can still be written before the store is full."""

    def iter_keys(self) -> Iterator[str]:
        """Every recording's key, in the order of days."""

    def check(self) -> None:
        """Raise `StoreError`, saying in words what is wrong, unless a recording could be written now."""


def require_room(store: Store, *, reserve_bytes: int) -> None:
    """Raise `StoreError` where a recording must not be begun: less than `reserve_bytes` are free."""
    free = store.free_bytes()
    if free < reserve_bytes:
        raise StoreError("store.full", free_mb=free // 2**20, reserve_mb=reserve_bytes // 2**20)


class LocalStore:
    """A folder with year, month and day folders in it.

    The root is never made in passing: if the disk that holds it is not mounted, recording into the folder underneath
    would fill the wrong disk without a word. `prepare` makes it, once, when the installation is set up.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the root folder if there is none, readable by its owner alone."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError as error:
            raise StoreError("store.not_a_folder", folder=str(self.root)) from error
        except OSError as error:
            raise self._not_writable(error) from error

    def new_key(self, at: datetime) -> str:
        """A key that no recording has: 128 random bits under the UTC day of `at`."""
        if at.tzinfo is None:
            raise ValueError("the time of a recording needs a time zone")
        return f"{at.astimezone(UTC):%Y/%m/%d}/{secrets.token_hex(16)}.wav"

    def path_for_writing(self, key: str) -> Path:
        """The path for a recorder to create; the day's folder is made. Writes no file itself."""
        path = self._place(key)
        self._require_root()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._not_writable(error) from error
        if path.exists():
            raise StoreError("store.key_taken", key=key)
        return path

    def path(self, key: str) -> Path:
        """The recording's file; `StoreError` when there is none."""
        path = self._place(key)
        if not path.is_file():
            raise StoreError("store.unknown_key", key=key)
        return path

    def open(self, key: str) -> BinaryIO:
        """The recording's file, opened for reading; the caller closes it."""
        path = self.path(key)
        try:
            return path.open("rb")
        except OSError as error:
            raise StoreError("store.unknown_key", key=key) from error

    def exists(self, key: str) -> bool:
        """Whether there is a file under `key`."""
        return self._place(key).is_file()

    def size(self, key: str) -> int:
        """Bytes of the recording's file."""
        return self.path(key).stat().st_size

    def remove(self, key: str) -> bool:
        """Delete the file; whether it was there."""
        try:
            self._place(key).unlink()
        except FileNotFoundError:
            return False
        return True

    def free_bytes(self) -> int:
        """Bytes that an ordinary user may still write on the disk that holds the root."""
        self._require_root()
        return shutil.disk_usage(self.root).free

    def iter_keys(self) -> Iterator[str]:
        """Every file under the root that has the shape of a key, in order; other files are not recordings."""
        self._require_root()
        for folder, folders, files in os.walk(self.root):
            folders.sort()
            place = Path(folder).relative_to(self.root).as_posix()
            for name in sorted(files):
                key = f"{place}/{name}"
                if _KEY.fullmatch(key):
                    yield key

    def check(self) -> None:
        """Write and remove a small file, since permissions alone do not tell of a read-only or full disk."""
        self._require_root()
        probe = self.root / f".probe-{secrets.token_hex(8)}"
        try:
            probe.write_bytes(b"probe")
            probe.unlink()
        except OSError as error:
            raise self._not_writable(error) from error

    def _place(self, key: str) -> Path:
        """The path of a key. Its shape leaves no room for `..`; a link in the way may not lead out either."""
        if not _KEY.fullmatch(key):
            raise StoreError("store.bad_key", key=key)
        path = self.root / key
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise StoreError("store.bad_key", key=key)
        return path

    def _require_root(self) -> None:
        if not self.root.exists():
            raise StoreError("store.folder_missing", folder=str(self.root))
        if not self.root.is_dir():
            raise StoreError("store.not_a_folder", folder=str(self.root))

    def _not_writable(self, error: OSError) -> StoreError:
        return StoreError("store.not_writable", folder=str(self.root), reason=in_words(error))
