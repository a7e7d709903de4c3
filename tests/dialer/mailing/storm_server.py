"""A mail server that goes wrong, as a process of its own: `storm_server PORT FOLDER SEED`.

`FOLDER` has `ca.pem` and `key.pem`. What the server takes, it writes into `taken.log` there (the Message-ID, one a
line), and has that on the disk before it answers; what it does goes into `did.log`. It kills itself with SIGKILL, and
asks for the same for whoever sends, by saying so on its output.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import ssl
import sys
from collections import Counter
from email import message_from_bytes
from pathlib import Path
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session

ON_CONNECTING: Final = ("busy", "hang up at once", "drop the TLS")
BEFORE_THE_MESSAGE: Final = ("put the sender off", "greylist", "never answer the reader", "kill who sends before")
IN_THE_MESSAGE: Final = ("hang up within", "die within")
AFTER_IT: Final = (
    "put off",
    "answer late",
    "take and never answer",
    "never answer",
    "take and hang up",
    "hang up",
    "take and die",
    "die",
    "take and kill who sends",
    "kill who sends",
    "take and kill who sends while it hears of it",
    "take and say 251",
    "take and say nothing known",
    "say nothing known",
)
ALL: Final = (*ON_CONNECTING, *BEFORE_THE_MESSAGE, *IN_THE_MESSAGE, *AFTER_IT)
NOBODY: Final = "nobody"
"""Readers that begin so are refused for good, at RCPT; `UNWANTED` when the message has been said."""
UNWANTED: Final = "unwanted"
_WRONG: Final = 0.2
_NEW_ONE: Final = 0.15  # how often it does what it has not done yet, so that fewer messages see everything
_LATE_BY_S: Final = 0.05


class Storm:
    """What it has done and will do, over all processes of one storm."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        done = folder / "did.log"
        self.did = Counter(done.read_text().splitlines() if done.exists() else ())

    def choose(self, kinds: tuple[str, ...]) -> str:
        """One of `kinds`, or "" for nothing out of the ordinary."""
        new = [kind for kind in kinds if not self.did[kind]]
        if new and self.chance.random() < _NEW_ONE:
            return self.chance.choice(new)
        return self.chance.choice(kinds) if self.chance.random() < _WRONG else ""

    def do(self, kind: str) -> None:
        """Write down what is done now."""
        self.did[kind] += 1
        self._keep("did.log", kind)
        tell("kill" if "kill" in kind else "did")

    def take(self, content: bytes) -> None:
        self._keep("taken.log", str(message_from_bytes(content)["Message-ID"]).strip())

    def _keep(self, name: str, line: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def die() -> None:
    """As a crash would be: nothing gets the chance to say anything."""
    os.kill(os.getpid(), signal.SIGKILL)


async def never() -> None:
    """Until the other side has left: its leaving cancels who waits here."""
    await asyncio.Event().wait()


class Server(SMTP):
    """One connection. What goes wrong with it is drawn when it begins, with a message when its sender is said."""

    def __init__(self, storm: Storm, **options: Any) -> None:
        super().__init__(Handler(storm), **options)
        self.storm = storm
        self.plan = ""
        self.drops_tls = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        again = self.transport is not None  # with TLS now
        kind = "" if again or self.storm.chance.random() < 0.5 else self.storm.choose(ON_CONNECTING)
        super().connection_made(transport)
        self.drops_tls = kind == "drop the TLS"
        if not kind:
            return
        self.storm.do(kind)
        assert isinstance(transport, asyncio.Transport)
        if kind == "busy":
            transport.write(b"421 busy, come again\r\n")
            transport.close()
        elif kind == "hang up at once":
            transport.abort()

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's
        if not self.drops_tls:
            await super().smtp_STARTTLS(arg)
            return
        await self.push("220 go on")
        self.hang_up()

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's
        if self.plan not in IN_THE_MESSAGE:
            await super().smtp_DATA(arg)
            return
        await self.push("354 go on")
        await self._reader.readline()
        self.storm.do(self.plan)
        if self.plan == "die within":
            die()
        self.hang_up()

    def hang_up(self) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.abort()


class Handler:
    """What is answered; the names are aiosmtpd's."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm

    async def handle_MAIL(  # noqa: N802
        self, server: Server, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        server.plan = self.storm.choose(BEFORE_THE_MESSAGE + IN_THE_MESSAGE + AFTER_IT)
        if server.plan == "put the sender off":
            self.storm.do(server.plan)
            return "451 later"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: Server, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith(NOBODY):
            return "550 nobody of that name"
        if server.plan in BEFORE_THE_MESSAGE:
            self.storm.do(server.plan)
            if server.plan == "greylist":
                return "450 come again"
            await never()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Server, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        if envelope.rcpt_tos[0].startswith(UNWANTED):
            return "554 not wanted"
        kind = server.plan
        if kind in ("", "answer late") or kind.startswith("take"):
            self.storm.take(envelope.content)
        if kind:
            self.storm.do(kind)
        if kind == "put off":
            return "451 later"
        if kind.endswith("die"):
            die()
        if kind.endswith("hang up"):
            server.hang_up()
        elif kind == "answer late":
            await asyncio.sleep(_LATE_BY_S)
        elif kind.endswith("say 251"):
            return "251 queued"
        elif kind.endswith("nothing known"):
            return "OK queued as 77"
        elif kind and not kind.endswith("hears of it"):
            await never()
        return "250 OK"


async def main(port: int, folder: Path, seed: int) -> None:
    """Serve until killed."""
    loop, storm = asyncio.get_running_loop(), Storm(folder, seed)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "ca.pem", folder / "key.pem")

    def protocol() -> Server:
        return Server(storm, loop=loop, hostname="localhost", ident="mail", tls_context=tls, require_starttls=True)

    server = await loop.create_server(protocol, "127.0.0.1", port)
    tell(f"port {server.sockets[0].getsockname()[1]}")
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
