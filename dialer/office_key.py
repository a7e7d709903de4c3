"""The office's key: a file of its own, beside no database and in no backup that was not asked for it.

It opens the keys of the recordings, and by it the erased are known. Without it neither can be had back.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from config.settings import Settings

KEY_FILE: Final = "office.key"
KEY_BYTES: Final = 32


def key_file(settings: Settings) -> Path:
    """Where the key lies."""
    return settings.data_dir / KEY_FILE


def read_key(settings: Settings) -> bytes:
    """The office's key, b"" where there is none. Raises `OSError` for a file that cannot be read."""
    with contextlib.suppress(FileNotFoundError):
        return bytes.fromhex(key_file(settings).read_text(encoding="ascii").strip())
    return b""


def make_key(settings: Settings) -> bytes:
    """The office's key, made now if there is none; its file is for its owner's eyes alone."""
    found = read_key(settings)
    if found:
        return found
    made = secrets.token_bytes(KEY_BYTES)
    path = key_file(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(f"{made.hex()}\n")
        file.flush()
        os.fsync(file.fileno())
    return made
