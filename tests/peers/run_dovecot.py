"""Dovecot with one mailbox in a folder of its own: IMAP in the open and over TLS, on free ports of loopback."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import SOCK_STREAM
from typing import Final
from uuid import uuid4

from tests.peers.addresses import free_port, own_address, until_bound
from tests.peers.process import PeerProcess

PROGRAM: Final = "/usr/sbin/dovecot"
USER: Final = "offers"
PASSWORD: Final = "right"
_CONFIG: Final = """\
protocols = imap
listen = {host}
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
login_greeting = ready
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
disable_plaintext_auth = no
ssl = {ssl}
{certificate}
mail_location = maildir:{folder}/mail
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 0
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
"""


@dataclass
class DovecotRun:
    """A running Dovecot. Messages are put into its Maildir as a delivering mail server does it."""

    folder: Path
    host: str
    port: int
    tls_port: int
    owner: tuple[int, int]
    process: PeerProcess | None = field(default=None)

    def deliver(self, content: bytes, *, name: str = "") -> Path:
        """Put a message into the mailbox."""
        new = self.folder / "mail" / "new"
        place = self.folder / "mail" / "tmp" / (name or uuid4().hex)
        place.write_bytes(content)
        os.chown(place, *self.owner)
        return place.rename(new / place.name)

    def forget_uids(self) -> None:
        """All messages get new numbers under another UIDVALIDITY, as after a mailbox was restored."""
        mail = self.folder / "mail"
        validity = int(re.search(r"\bV(\d+)", (mail / "dovecot-uidlist").read_text())[1])  # type: ignore[index]
        for each in mail.glob("dovecot*"):
            each.unlink()
        (mail / "dovecot-uidlist").write_text(f"3 V{validity + 1000} N1 G{uuid4().hex}\n")
        os.chown(mail / "dovecot-uidlist", *self.owner)

    async def start(self) -> None:
        self.process = await PeerProcess.start(
            "dovecot", [PROGRAM, "-F", "-c", str(self.folder / "dovecot.conf")], folder=self.folder
        )
        await self.process.wrote("starting up")
        await until_bound(self.host, self.port, table="tcp")

    async def stop(self) -> None:
        if self.process is not None:
            await self.process.stop()
            self.process = None


@asynccontextmanager
async def running_dovecot(
    *, host: str = "", password: str = PASSWORD, certificate: Path | None = None, key: Path | None = None
) -> AsyncIterator[DovecotRun]:
    """With TLS where there is a certificate. Its folder is short of path: sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
    os.chmod(folder, 0o755)
    as_root = os.getuid() == 0
    own = pwd.getpwuid(os.getuid()).pw_name
    group = grp.getgrgid(os.getgid()).gr_name
    uid, gid = _mail_owner() if as_root else (os.getuid(), os.getgid())
    host = host or own_address()
    ports = (free_port(host, kind=SOCK_STREAM), free_port(host, kind=SOCK_STREAM))
    run = DovecotRun(folder, host, *ports, (uid, gid))
    protected = "" if certificate is None else f"ssl_cert = <{certificate}\nssl_key = <{key}\n"
    (folder / "dovecot.conf").write_text(
        _CONFIG.format(
            host=host, folder=folder, internal="dovecot" if as_root else own,
            internal_group="dovecot" if as_root else group, login="dovenull" if as_root else own,
            ssl="yes" if certificate else "no", certificate=protected, uid=uid, gid=gid, password=password,
            port=run.port, tls_port=run.tls_port,
        )
    )  # fmt: skip
    for name in ("run", "state", "home", "mail", "mail/new", "mail/tmp", "mail/cur"):
        (folder / name).mkdir()
        if name.startswith(("home", "mail")):
            os.chown(folder / name, uid, gid)
    try:
        await run.start()
        yield run
    finally:
        await run.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _mail_owner() -> tuple[int, int]:
    """Nobody's mail is read by root."""
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid
