"""Stops the database server of a test run that was killed, and removes its folder.

`python -m tests.database_watchdog FOLDER` goes on by itself in the background until the process in `FOLDER/owner` has
ended, however it ends. A folder whose watchdog was killed too is removed by the next run: `remove_leftovers`.

Only what proves to be ours is touched: the owner is known by its pid and the time it began, the server by the pid that
it wrote into its data folder and by working in that folder.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

PARENTS: Final = (Path("/dev/shm"), Path("/tmp"))  # short: a Unix socket's path has at most 107 bytes
ROOM_WANTED: Final = 2 << 30
PREFIX: Final = "dialer-db-"
STOPS_WITHIN_S: Final = 60


def new_folder() -> Path:
    """A folder that the calling process owns; in memory where there is room: on a disk every commit of a test waits."""
    parent = next(path for path in PARENTS if path is PARENTS[-1] or _has_room(path))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    folder.chmod(0o755)
    claim(folder)
    return folder


def _has_room(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= ROOM_WANTED


def claim(folder: Path) -> None:
    """Say that the calling process owns the folder."""
    prepared = folder / "owner.new"
    prepared.write_text(f"{os.getpid()} {_began(os.getpid())}")
    prepared.rename(folder / "owner")


def watch(folder: Path) -> None:
    """Start the watchdog of the folder. It leaves its pid in `FOLDER/watchdog`."""
    subprocess.run(
        [sys.executable, "-m", __name__, str(folder)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.DEVNULL,
        check=True,
    )


def remove_leftovers(*parents: Path) -> None:
    """Remove the folders of runs that are dead. One that names no owner is left alone."""
    for owner in (path for parent in parents for path in parent.glob(f"{PREFIX}*/owner")):
        try:
            alive = _owner_of(owner.parent) is not None
        except OSError:  # another run is just removing it, or it is another user's
            continue
        if not alive:
            remove(owner.parent)


def remove(folder: Path) -> None:
    """Stop the folder's server at once, if it runs, and remove the folder."""
    server = server_of(folder)
    if server is not None:
        handle = os.pidfd_open(server)
        try:
            signal.pidfd_send_signal(handle, signal.SIGQUIT)  # immediate shutdown
            _wait(handle, STOPS_WITHIN_S)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)
    shutil.rmtree(folder, ignore_errors=True)


def server_of(folder: Path) -> int | None:
    """The pid of the PostgreSQL server that works in this folder."""
    files = folder / "pg" / "data"
    try:
        pid = int((files / "postmaster.pid").read_text().split()[0])
        works_there = Path(f"/proc/{pid}/cwd").readlink() == files
    except (OSError, ValueError, IndexError):
        return None
    return pid if works_there else None


def _owner_of(folder: Path) -> int | None:
    """The pid of the process that owns the folder, `None` when it has ended."""
    pid, began = (folder / "owner").read_text().split()
    return int(pid) if _began(int(pid)) == began else None


def _began(pid: int) -> str:
    """When the process began, in the kernel's ticks since its own start; "" when there is none. proc(5), `stat`."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _wait(handle: int, timeout_s: float | None = None) -> None:
    """Until the process behind a pidfd has ended."""
    ended = select.poll()
    ended.register(handle, select.POLLIN)
    ended.poll(None if timeout_s is None else timeout_s * 1000)


def _go_into_background() -> None:
    """As a daemon does: no terminal, no group, none of the descriptors that somebody waits for the end of."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.closerange(3, 256)


def main() -> None:
    folder = Path(sys.argv[1])
    owner = _owner_of(folder)
    if owner is None:
        return
    _go_into_background()
    try:
        handle = os.pidfd_open(owner)
        (folder / "watchdog").write_text(str(os.getpid()))
        _wait(handle)
    except OSError:  # it has just ended
        pass
    if folder.exists():
        remove(folder)


if __name__ == "__main__":
    main()
