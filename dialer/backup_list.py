"""The backups that lie in a folder, told from their manifests."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from dialer.backup import MANIFEST, UNFINISHED, read_manifest
from dialer.upkeep_errors import BackupError

LONGEST_NAME: Final = 80
_NAME: Final = re.compile(r"[^\W_][\w.-]*")


@dataclass(frozen=True, slots=True)
class KeptBackup:
    """A backup in its folder. `size` in bytes. One without `made_at` is being made, or was broken off."""

    name: str
    made_at: datetime | None = None
    size: int = 0
    files: int = 0
    rows: int = 0
    secrets: bool = True


def kept_backups(folder: Path) -> list[KeptBackup]:
    """Those in `folder`, the newest first; what is no backup is passed over."""
    if not folder.is_dir():
        return []
    return sorted(_in(folder), key=_age, reverse=True)


def _age(kept: KeptBackup) -> tuple[bool, float, str]:
    """What is being made comes first."""
    return kept.made_at is None, kept.made_at.timestamp() if kept.made_at is not None else 0.0, kept.name


def _in(folder: Path) -> Iterator[KeptBackup]:
    for path in folder.iterdir():
        if path.name.endswith(UNFINISHED) and path.is_dir():
            yield KeptBackup(path.name.removesuffix(UNFINISHED))
            continue
        try:
            state = (path / MANIFEST).stat()
            yield _read(path, state.st_mtime_ns, state.st_size)
        except (OSError, BackupError):
            continue


@functools.lru_cache(maxsize=200)
def _read(path: Path, _changed_ns: int, _size: int) -> KeptBackup:
    """A manifest names each file, so that it may be long: read once."""
    made = read_manifest(path)
    return KeptBackup(
        name=path.name,
        made_at=datetime.fromisoformat(made.made_at),
        size=sum(each.size for each in made.files),
        files=len(made.files),
        rows=sum(made.rows.values()),
        secrets=made.secrets,
    )


def new_name(now: datetime) -> str:
    """How a backup is called that nobody gave a name: by its moment, on the clock of `now`."""
    return f"dialer-{now:%Y-%m-%d-%H%M%S}"


def is_name(text: str) -> bool:
    """Whether a folder may be called so: letters, digits, dots, dashes; it leads nowhere else."""
    return len(text) <= LONGEST_NAME and _NAME.fullmatch(text) is not None and not text.endswith(UNFINISHED)
