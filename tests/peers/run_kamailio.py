"""Kamailio as a registrar and a record-routing proxy with digest (`kamailio/kamailio.cfg`)."""

from __future__ import annotations

import re
from pathlib import Path

from tests.peers.addresses import free_port, own_address, until_bound
from tests.peers.process import PeerProcess

CONFIG = Path(__file__).parent / "kamailio" / "kamailio.cfg"
MODULE_FOLDERS = ("/usr/lib/x86_64-linux-gnu/kamailio/modules/", "/usr/lib/aarch64-linux-gnu/kamailio/modules/")
REALM = "kamailio.test"


class KamailioRun:
    """A running Kamailio; the password of every user is `password_of(user)`."""

    realm = REALM

    def __init__(self, process: PeerProcess, host: str, port: int) -> None:
        self.process = process
        self.host = host
        self.port = port

    @staticmethod
    def password_of(user: str) -> str:
        return f"{user}-secret"

    def complaints(self) -> list[str]:
        """Lines about requests that did not follow their dialog or transaction, and about malformed ones."""
        return [line for line in self.process.output if re.search("STRAY|WITHOUT ROUTE|INSANE", line)]

    async def registered(self, user: str, *, times: int = 1, patience_s: float = 15.0) -> None:
        """Return once `user` has registered `times` times."""
        pattern = rf"REGISTERED {re.escape(user)}\b"
        await self.process.wrote(pattern, times=times, patience_s=patience_s)


def _modules() -> str:
    return next(name for name in MODULE_FOLDERS if Path(name).exists())


def _config(values: dict[str, str]) -> str:
    return re.sub(r"@([A-Z_0-9]+)@", lambda match: values.get(match.group(1), match.group(0)), CONFIG.read_text())


async def start_kamailio(
    *, folder: Path, trunk: tuple[str, int], sha256: bool = False, nonce_expire_s: int = 60, host: str = ""
) -> KamailioRun:
    """Start Kamailio and return when it serves UDP and TCP. `trunk`: where telephone numbers go."""
    host = host or own_address()
    port = free_port(host)
    values = {
        "DEFINES": "#!define WITH_SHA256" if sha256 else "",
        "HOST": host,
        "PORT": str(port),
        "REALM": REALM,
        "MODULES": _modules(),
        "NONCE_EXPIRE": str(nonce_expire_s),
        "TRUNK_HOST": trunk[0],
        "TRUNK_PORT": str(trunk[1]),
    }
    config = folder / "kamailio.cfg"
    config.write_text(_config(values))
    command = ["kamailio", "-DD", "-E", "-f", str(config), "-m", "32", "-M", "4", "-Y", str(folder)]
    process = await PeerProcess.start("kamailio", [*command, "-P", str(folder / "pid")], folder=folder)
    for table in ("udp", "tcp"):
        await until_bound(host, port, table=table)
    return KamailioRun(process, host, port)
