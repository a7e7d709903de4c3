"""While a backup copies its files no older recording is given a key: the backup has the database as of the moment in
which it began and the files as of later ones, and a file that was sealed in between would lie in it without its key.

A lock of the system on a file in the data folder: it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dialer.upkeep_errors import BackupUnderWay

LOCK_FILE: Final = ".backup.lock"


@contextmanager
def copying_files(data_dir: Path) -> Iterator[None]:
    """For as long as a backup takes, from before it looks at the database. Several may copy at once."""
    with (data_dir / LOCK_FILE).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def nobody_copies(data_dir: Path) -> Iterator[None]:
    """For a moment in which no backup begins. Raises `BackupUnderWay`."""
    with (data_dir / LOCK_FILE).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupUnderWay("backup.under_way") from error
        yield
