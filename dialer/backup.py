"""A backup of the office: database, recordings, files and settings in one folder with a manifest, and the way back.

The database is copied first. What it names is in the store by then and never changes there, so the copy of the files
that follows has all of it; what came in between is in the next backup.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from config.redaction import without_secrets
from config.settings import Settings, load_settings
from crm.care.breaking_off import Asked, in_thread
from crm.care.snapshots import RowCounts, assert_empty, load_snapshot, take_snapshot
from crm.database import Database
from crm.offers.batches import stop_running
from dialer import __version__
from dialer.backup_lock import copying_files
from dialer.upkeep_errors import BackupError

MANIFEST: Final = "manifest.json"
SETTINGS_FILE: Final = "dialer.toml"
FORMAT: Final = 2
_READABLE: Final = (1, FORMAT)
_DATABASES: Final = {"sqlite": "database.sqlite", "postgresql": "database.pgdump"}
_RECORDINGS: Final = "recordings"
_FILES: Final = "files"
_BLOCK_BYTES: Final = 1 << 20
_MEGABYTE: Final = 1 << 20
_MATERIALS: Final = "materials"
UNFINISHED: Final = ".unfinished"
"""Ends the name of a backup's folder until it is whole."""


Progress = Callable[[int], None]
"""Told after each file how many are copied."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of a backup: its place in the backup's folder, bytes, SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `format`: 1 held what passwords are known by also without `secrets`. `made_at` is ISO 8601
    with its zone; `kind` is "sqlite" or "postgresql"; `rows` by table."""

    format: int
    made_at: str
    program: str
    kind: str
    secrets: bool
    rows: RowCounts
    files: tuple[KeptFile, ...]


async def back_up(
    settings: Settings,
    database: Database,
    target: Path,
    *,
    settings_file: Path,
    secrets: bool,
    now: datetime,
    progress: Progress | None = None,
) -> Manifest:
    """Write a backup into the new folder `target`, while the service goes on. With `secrets` passwords and keys are in
    it; without them only what is known to hold none is copied, and of users nothing by which their passwords could be
    found out. Until it is whole the folder has another name.

    Raises `BackupError` when `target` exists, lies among the files to be kept or has no room for them, and as
    `take_snapshot` does. Cancelled it ends with the file that it is at.
    """
    unfinished = await in_thread(lambda _: _new_folder(settings, target))
    with contextlib.ExitStack() as stack:
        # In a thread: a recording is just being given its key, for a moment.
        await in_thread(lambda _: stack.enter_context(copying_files(settings.data_dir)))
        rows = await take_snapshot(database, unfinished / _DATABASES[database.dialect], secrets=secrets)
        await in_thread(lambda asked: _copy_all(settings, unfinished, asked, secrets=secrets, progress=progress))
    await in_thread(lambda _: _copy_settings(settings_file, unfinished / SETTINGS_FILE, secrets=secrets))
    files = await in_thread(lambda asked: tuple(_described(unfinished, asked)))
    manifest = Manifest(FORMAT, now.isoformat(), __version__, database.dialect, secrets, rows, files)
    (unfinished / MANIFEST).write_text(json.dumps(asdict(manifest), ensure_ascii=False, indent=1), encoding="utf-8")
    unfinished.rename(target)
    return manifest


def assert_new(settings: Settings, target: Path) -> None:
    """Raises `BackupError` unless a backup can be made there."""
    for kept in (settings.data_dir, settings.recordings_dir):
        if target.absolute().is_relative_to(kept.absolute()):
            raise BackupError("backup.inside", folder=str(kept))
    if target.exists():
        raise BackupError("backup.exists", folder=str(target))


def _new_folder(settings: Settings, target: Path) -> Path:
    """The folder under the name that it has until it is whole."""
    assert_new(settings, target)
    unfinished = target.with_name(f"{target.name}{UNFINISHED}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    _assert_room(settings, unfinished)
    return unfinished


def _assert_room(settings: Settings, folder: Path) -> None:
    """A backup must not fill the disk that calls are recorded on. An estimate: of what a PostgreSQL database needs
    nothing is known here, and without secrets less is copied."""
    data, recordings = settings.data_dir.absolute(), settings.recordings_dir.absolute()
    homes = [data] if recordings.is_relative_to(data) else [data, recordings]
    needed = sum(_size(home / place) for home in homes for place in _under(home))
    free = shutil.disk_usage(folder).free
    if needed + settings.recordings.minimum_free_mb * _MEGABYTE > free:
        folder.rmdir()
        raise BackupError(
            "backup.no_room", needed=needed // _MEGABYTE, free=free // _MEGABYTE, folder=str(folder.parent)
        )


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _copy_all(settings: Settings, target: Path, asked: Asked, *, secrets: bool, progress: Progress | None) -> None:
    sources = [
        (settings.recordings_dir, place, target / _RECORDINGS)
        for place in _under(settings.recordings_dir)
        if secrets or (place.suffix == ".wav" and not (settings.recordings_dir / place).is_symlink())
    ]
    sources += [(settings.data_dir, place, target / _FILES) for place in _further_files(settings, secrets=secrets)]
    for done, (root, place, folder) in enumerate(sources, start=1):
        if asked():
            return
        copy = folder / place
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            shutil.copyfile(root / place, copy)
        except FileNotFoundError:
            continue  # it was taken away since it was listed, so nothing in the database needs it
        if progress is not None:
            progress(done)


def _further_files(settings: Settings, *, secrets: bool) -> Iterator[Path]:
    """What else lies in the data folder: all of it if secrets are wanted, else the materials. Of whatever else somebody
    has put there nobody can tell that it is no key."""
    recordings, database = settings.recordings_dir.absolute(), _sqlite_file(settings)
    for place in _under(settings.data_dir):
        path = (settings.data_dir / place).absolute()
        of_database = database is not None and path.name.startswith(database.name) and path.parent == database.parent
        if path.is_relative_to(recordings) or of_database:
            continue
        if not secrets and (place.parts[0] != _MATERIALS or path.is_symlink()):
            continue
        yield place


def _under(folder: Path) -> Iterator[Path]:
    """The files under `folder`, as places in it, in order; probes and other hidden files are nobody's."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if not name.startswith("."):
                yield (Path(root) / name).relative_to(folder)


def _sqlite_file(settings: Settings) -> Path | None:
    scheme, _, rest = settings.database_url.partition(":///")
    return Path(rest.split("?")[0]).absolute() if scheme.startswith("sqlite") else None


def _copy_settings(source: Path, target: Path, *, secrets: bool) -> None:
    text = source.read_text(encoding="utf-8-sig")
    target.touch(mode=0o600)
    target.write_text(text if secrets else without_secrets(text), encoding="utf-8")


def _described(folder: Path, asked: Asked) -> Iterator[KeptFile]:
    for place in _under(folder):
        size, sha256 = _hash(folder / place, asked)
        yield KeptFile(place.as_posix(), size, sha256)


def _hash(path: Path, asked: Asked) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while not asked() and (block := file.read(_BLOCK_BYTES)):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def read_manifest(backup: Path) -> Manifest:
    """What the folder says it holds. Raises `BackupError` for a folder that is no backup, or of a later
    program."""
    try:
        found: dict[str, Any] = json.loads((backup / MANIFEST).read_text(encoding="utf-8"))
        manifest = Manifest(**{**found, "files": tuple(KeptFile(**each) for each in found["files"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError("backup.not_one", folder=str(backup)) from error
    if manifest.format not in _READABLE or manifest.kind not in _DATABASES:
        raise BackupError("backup.later_program", program=manifest.program)
    return manifest


def verify(backup: Path, manifest: Manifest, asked: Asked) -> None:
    """Raises `BackupError` unless every file of the backup is there, byte for byte, in its folder and by no link: who
    made the backup is not to say where anything is written."""
    if not {SETTINGS_FILE, _DATABASES[manifest.kind]} <= {kept.path for kept in manifest.files}:
        raise BackupError("backup.not_one", folder=str(backup))
    for kept in manifest.files:
        path = _place_in(backup, kept.path)
        if path is None:
            raise BackupError("backup.outside", file=kept.path)
        if not path.is_file() or _hash(path, asked) != (kept.size, kept.sha256):
            raise BackupError("backup.damaged", file=kept.path)


def _place_in(folder: Path, place: str) -> Path | None:
    """The path of a place in a folder, `None` when it leads out of it or over a link."""
    parts = place.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in place or "\0" in place:
        return None
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            return None
    return path


async def restore(
    backup: Path, folder: Path, environ: Mapping[str, str], *, progress: Progress | None = None
) -> tuple[Settings, Manifest]:
    """Bring the office back into `folder`, from a backup that is whole; nothing is written before that is known.

    A settings file that is there already decides where everything goes, otherwise the backup's is put there; what it
    says must lie within `folder`. Raises `BackupError` when recordings or files are there already, and for a backup
    that is damaged, of the other kind of database, or leads elsewhere; `SettingsError`; and as `load_snapshot` does.
    """
    manifest = read_manifest(backup)
    await in_thread(lambda asked: verify(backup, manifest, asked))
    settings = await asyncio.to_thread(_settings_in, folder, backup, environ)
    database = Database(settings.database_url)
    try:
        if database.dialect != manifest.kind:
            raise BackupError("backup.other_database", kind=manifest.kind, present=database.dialect)
        await assert_empty(database)
        _assert_no_files(settings)
        rows = await load_snapshot(database, backup / _DATABASES[manifest.kind])
        if await database.check() is None:  # an older one knows no batches
            async with database.transaction() as session:
                await stop_running(session, now=datetime.now(UTC))
    finally:
        await database.dispose()
    if rows != manifest.rows:
        raise BackupError("backup.rows_differ")
    await asyncio.to_thread(_put_files, backup, manifest, settings, progress)
    return settings, manifest


def _settings_in(folder: Path, backup: Path, environ: Mapping[str, str]) -> Settings:
    file = folder / SETTINGS_FILE
    if file.exists():
        return load_settings(file, environ)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _copy_settings(backup / SETTINGS_FILE, file, secrets=True)
    try:
        settings = load_settings(file, environ)
        _assert_within(folder, settings, backup / SETTINGS_FILE)
    except BaseException:
        file.unlink()  # or the next try would take it for what somebody here has written
        raise
    return settings


def _assert_within(folder: Path, settings: Settings, file: Path) -> None:
    """`file`: the backup's own settings. What is not said there lies in the folder of the settings by itself."""
    database = _sqlite_file(settings) if settings.database.url else None
    named = {
        "[service] data_dir": settings.data_dir,
        "[recordings] folder": settings.recordings_dir if settings.recordings.folder else None,
        "[backups] folder": settings.backups_dir if settings.backups.folder else None,
        "[database] url": database,
    }
    inside = folder.resolve()
    outside = {key: path for key, path in named.items() if path and not path.resolve().is_relative_to(inside)}
    if outside:
        raise BackupError(
            "backup.settings_outside",
            path=str(next(iter(outside.values()))), folder=str(folder), file=str(file), keys=", ".join(outside),
        )  # fmt: skip


def _assert_no_files(settings: Settings) -> None:
    taken = [settings.recordings_dir / place for place in _under(settings.recordings_dir)]
    taken += [settings.data_dir / place for place in _further_files(settings, secrets=True)]
    if taken:
        raise BackupError("backup.folder_not_empty", file=str(taken[0]))


def _put_files(backup: Path, manifest: Manifest, settings: Settings, progress: Progress | None) -> None:
    homes = {_RECORDINGS: settings.recordings_dir, _FILES: settings.data_dir}
    for home in homes.values():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    done = 0
    for kept in manifest.files:
        first, _, rest = kept.path.partition("/")
        if first not in homes or not rest:
            continue
        path = _place_in(homes[first], rest)
        if path is None:
            raise BackupError("backup.outside", file=kept.path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            with (backup / kept.path).open("rb") as content:
                shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
        done += 1
        if progress is not None:
            progress(done)
