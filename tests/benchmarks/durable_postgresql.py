"""A PostgreSQL server for measuring: the tests' own runs without fsync, this one as the server comes."""

from __future__ import annotations

import contextlib
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.databases import Cluster, find_postgresql


class DurableCluster(Cluster):
    """Every commit is on the disk before it is acknowledged."""

    def start(self) -> None:
        if os.geteuid() == 0:  # the server refuses to run as root
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.folder.chmod(0o755)
        files = str(self.folder / "data")
        self._run("initdb", "-D", files, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
        self.resume()

    def resume(self) -> None:
        """Start what was stopped."""
        options = f"-k {self.folder} -c listen_addresses=''"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-o", options, "-w", "start")


class NoPostgresql(Exception):
    """There is no server on this machine."""


@contextlib.contextmanager
def durable_cluster() -> Iterator[DurableCluster]:
    """Raises `NoPostgresql`."""
    programs = find_postgresql()
    if programs is None:
        raise NoPostgresql("PostgreSQL is not installed (apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="dialer-pg-", dir="/tmp") as name:  # a Unix socket's path must be short
        Path(name).chmod(0o755)
        folder = Path(name) / "pg"
        folder.mkdir()
        cluster = DurableCluster(programs, folder)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
