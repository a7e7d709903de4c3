"""Whether the store still holds what the database says, byte for byte, and nothing that it does not know."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

from recordings.errors import RecordingError
from recordings.store import Store

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class KnownRecording:
    """What the database knows: `sha256` in hexadecimal, or "" while the recording has not been finished."""

    key: str
    sha256: str


@dataclass(frozen=True)
class IntegrityReport:
    """The keys that are not as they should be, sorted; `sound` recordings are whole, `unfinished` not judged."""

    sound: int
    unfinished: int
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, changed or unknown."""
        return not (self.missing or self.changed or self.orphans)


def check_integrity(
    store: Store,
    known: Iterable[KnownRecording],
    *,
    progress: Callable[[int], None] | None = None,
    open_sound: Callable[[str], BinaryIO] | None = None,
) -> IntegrityReport:
    """Hash every finished recording that the database knows and look for files that it does not know.

    `open_sound` opens the recording of a key where files may be sealed: digests are of the sound.
    `progress` is told after each recording how many are done. A file that cannot be read counts as missing;
    trouble with the store as a whole raises `StoreError`.
    """
    unexplained = set(store.iter_keys())
    sound = unfinished = 0
    missing: list[str] = []
    changed: list[str] = []
    for done, recording in enumerate(known, start=1):
        unexplained.discard(recording.key)
        if not recording.sha256 and _held(store, recording.key):
            unfinished += 1
        elif (held := _hash(open_sound or store.open, recording.key)) is None:
            missing.append(recording.key)
        elif held == recording.sha256:
            sound += 1
        else:
            changed.append(recording.key)
        if progress is not None:
            progress(done)
    # A recording that began after the keys were listed is in neither set; one that ended is known by now.
    return IntegrityReport(sound, unfinished, sorted(missing), sorted(changed), sorted(unexplained))


def _held(store: Store, key: str) -> bool:
    try:
        return store.exists(key)
    except RecordingError:
        return False


def _hash(opened: Callable[[str], BinaryIO], key: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with opened(key) as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except (RecordingError, OSError):
        return None
    return digest.hexdigest()
