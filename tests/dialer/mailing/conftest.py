"""A mail server on loopback that this project did not write, and an office that promises calls."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from icalendar import Calendar, Event

from config.sections import MailSettings
from crm.database import Database
from crm.mail.outbox import GOES_OUT_AFTER
from dialer.mailing.sender import Mailer
from tests.crm.builders import NOON, World, build_world

WRITTEN = NOON
DUE = WRITTEN + GOES_OUT_AFTER


@dataclass
class Letterbox:
    """What arrived, and what to answer to the next message ("" takes it)."""

    taken: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    cut_after: int | None = None  # the wire is cut when so many have been taken, before the answer

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        answer = self.answers.pop(0) if self.answers else ""
        if answer:
            return answer
        assert isinstance(envelope.content, bytes)
        self.taken.append((envelope.rcpt_tos[0], envelope.content))
        self.arrived.set()
        if len(self.taken) == self.cut_after:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 OK"

    @property
    def letters(self) -> list[EmailMessage]:
        return [message_from_bytes(content, policy=default) for _, content in self.taken]


def entry_of(letter: EmailMessage) -> tuple[str, Event]:
    """The method and the event of a message; the part for programs and the attachment say the same."""
    (part,) = [each for each in letter.walk() if each.get_content_type() == "text/calendar"]
    (file,) = [each for each in letter.walk() if each.get_content_type() == "application/ics"]
    assert part.get_payload(decode=True) == file.get_payload(decode=True)
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    calendar = Calendar.from_ical(payload)
    (event,) = calendar.walk("VEVENT")
    assert isinstance(event, Event)
    assert part.get_param("method") == calendar["METHOD"]
    return str(calendar["METHOD"]), event


def start_of(event: Event) -> datetime:
    """The event's start, aware of its zone."""
    start = event.start
    assert isinstance(start, datetime)
    return start


@asynccontextmanager
async def mail_server(box: Letterbox, *, port: int = 0, **options: Any) -> AsyncIterator[int]:
    """The port of a server that puts what it takes into `box`. `options` are aiosmtpd's."""
    loop = asyncio.get_running_loop()
    tls: ssl.SSLContext | None = options.pop("ssl", None)
    made: list[SMTP] = []

    def protocol() -> SMTP:
        made.append(SMTP(box, loop=loop, hostname="localhost", ident="mail", **options))
        return made[-1]

    server = await loop.create_server(protocol, "127.0.0.1", port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for each in made:
            if each.transport is not None:
                each.transport.close()
        await server.wait_closed()


def knows(_server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    """Lets in who says the password."""
    return AuthResult(success=getattr(data, "password", b"") == b"right", handled=False)


def settings_for(port: int, **more: Any) -> MailSettings:
    """Open SMTP on loopback, unless said otherwise."""
    return MailSettings(
        **{"host": "127.0.0.1", "port": port, "tls": "none", "sender": "dialer@example.ru", "timeout_s": 5, **more}
    )


@dataclass
class Post:
    """The world, a server, and services that send; `now` is everybody's clock."""

    world: World
    box: Letterbox
    stack: AsyncExitStack
    port: int = 0
    now: datetime = DUE

    def clock(self) -> datetime:
        return self.now

    def mailer(self, *, database: Database | None = None, node: str = "main", **more: Any) -> Mailer:
        return Mailer(
            database or self.world.database, settings_for(self.port, **more), node=node,
            public_url="https://dialer.example.ru", clock=self.clock,
        )  # fmt: skip

    async def open(self, port: int = 0, **options: Any) -> Callable[[], Any]:
        """Let the server run; returns what shuts it."""
        running = AsyncExitStack()
        self.port = await running.enter_async_context(mail_server(self.box, port=port, **options))
        self.stack.push_async_callback(running.aclose)
        return running.aclose


@pytest.fixture
async def post(database: Database) -> AsyncIterator[Post]:
    async with AsyncExitStack() as stack:
        made = Post(await build_world(database), Letterbox(), stack)
        await made.open()
        yield made


@dataclass(frozen=True)
class Certificate:
    """For 127.0.0.1, signed by itself."""

    file: Path
    key: Path
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail for tests")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("mail")
    file, key_file = folder / "ca.pem", folder / "key.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file, key_file)
    return Certificate(file, key_file, server)
