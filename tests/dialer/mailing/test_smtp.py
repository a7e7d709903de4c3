"""The talk with the mail server: protected, signed in, and what is wrong in words."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dialer.mailing.messages import probe
from dialer.mailing.smtp import MailTrouble, Postman
from dialer.reasons import Reason, advice_for
from dialer.words import words
from tests.dialer.mailing.conftest import WRITTEN, Certificate, Letterbox, knows, mail_server, settings_for

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


async def send(port: int, **more: object) -> None:
    settings = settings_for(port, **more)
    message = probe(sender=settings.sender, address="anna@example.ru", speech=words("en"), now=WRITTEN, key="ab" * 16)
    async with Postman(settings) as postman:
        await postman.send(message, "anna@example.ru")


async def trouble(port: int, **more: object) -> MailTrouble:
    with pytest.raises(MailTrouble) as failed:
        await send(port, **more)
    assert advice_for(failed.value.reason) or _code(failed.value) == "mail.broke_off"
    return failed.value


def _code(failed: MailTrouble) -> str:
    assert isinstance(failed.reason, Reason)
    return failed.reason.code


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_over_a_protected_connection_with_a_password(certificate: Certificate, tls: str) -> None:
    box = Letterbox()
    how: dict[str, Any] = (
        {"ssl": certificate.server} if tls == "tls" else {"tls_context": certificate.server, "require_starttls": True}
    )
    # To aiosmtpd a connection that was protected from its first byte on looks open.
    options: dict[str, Any] = {"authenticator": knows, "auth_required": True, "auth_require_tls": tls == "starttls"}
    async with mail_server(box, **how, **options) as port:
        good = {"tls": tls, "ca_file": str(certificate.file), "user": "dialer", "password": "right"}
        await send(port, **good)
        assert (len(box.taken), _code(await trouble(port, **good | {"password": "wrong"}))) == (1, "mail.auth")
        untrusted = await trouble(port, **good | {"ca_file": ""})
        assert (_code(untrusted), untrusted.of_server) == ("mail.certificate", True)
        other = await trouble(port, **good | {"host": "localhost"})
        assert _code(other) == "mail.certificate", "the certificate is another's"
    assert len(box.taken) == 1


async def test_what_does_not_fit_together_is_said(certificate: Certificate) -> None:
    box, trusted = Letterbox(), {"ca_file": str(certificate.file)}
    async with mail_server(box) as port:
        assert _code(await trouble(port, tls="starttls", **trusted)) == "mail.no_starttls"
        assert _code(await trouble(port, tls="tls", **trusted)) == "mail.no_tls"
        assert _code(await trouble(port, user="dialer", password="right")) == "mail.no_auth"
    assert _code(await trouble(port)) == "mail.nobody_there"
    async with mail_server(box, authenticator=knows, auth_required=True, auth_require_tls=False) as port:
        assert _code(await trouble(port)) == "mail.refused", "it wants a sign-in"
    assert box.taken == []


async def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    assert _code(await trouble(25, host="mail.example.ru", tls="starttls")) == "mail.no_address"


async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_set() -> None:
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _reader, writer: held.append(writer), "127.0.0.1", 0)
    try:
        silent = await trouble(server.sockets[0].getsockname()[1], timeout_s=1)
    finally:
        for writer in held:
            writer.close()
        server.close()
        await server.wait_closed()
    assert (_code(silent), silent.of_server, silent.in_doubt) == ("mail.no_answer", True, False)


async def test_what_the_server_refuses_is_told_with_its_words() -> None:
    box = Letterbox(answers=["550 5.1.1 nobody of that name", "451 4.3.0 later"])
    async with mail_server(box) as port:
        refused, put_off = await trouble(port), await trouble(port)
    assert (_code(refused), refused.for_good, refused.of_server) == ("mail.refused", True, False)
    assert "nobody of that name" in refused.reason
    assert (_code(put_off), put_off.for_good, put_off.of_server) == ("mail.later", False, False)


@asynccontextmanager
async def scripted(*answers: bytes) -> AsyncIterator[int]:
    """The port of a server that says these things one after the other: as it is connected to, to each command, and
    after the message."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[0] + b"\r\n")
        for number, answer in enumerate(answers[1:], start=1):
            await (reader.readuntil(b"\r\n.\r\n") if number == AFTER_THE_MESSAGE else reader.readline())
            writer.write(answer + b"\r\n")
        while await reader.readline():
            writer.write(b"221 bye\r\n")
        writer.close()
        over.set()

    over = asyncio.Event()
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await over.wait()
    finally:
        server.close()
        await server.wait_closed()


TALK = (b"220 mail", b"250 mail", b"250 sender", b"250 reader", b"354 go on")
AFTER_THE_MESSAGE = len(TALK)


@pytest.mark.parametrize("answer", [b"251 queued", b"252 will see", b"200 ok"])
async def test_any_yes_to_the_message_is_a_yes(answer: bytes) -> None:
    async with scripted(*TALK, answer) as port:
        await send(port)


@pytest.mark.parametrize("answer", [b"OK queued as 77", b"350 and now", b"999 what", b"250 " + b"x" * 40_000])
async def test_what_is_neither_yes_nor_no_to_the_message_is_a_doubt(answer: bytes) -> None:
    async with scripted(*TALK, answer) as port:
        failed = await trouble(port)
    assert (_code(failed), failed.in_doubt, failed.for_good) == ("mail.broke_off", True, False)


@pytest.mark.parametrize("when", [3, AFTER_THE_MESSAGE])
@pytest.mark.parametrize("charset", ["koi8-r", "cp1251", "utf-8"])
async def test_a_refusal_in_russian_is_told_as_it_was_written(charset: str, when: int) -> None:
    words = "Почтовый ящик получателя переполнен, письмо не принято"
    async with scripted(*TALK[:when], b"550 " + words.encode(charset)) as port:
        failed = await trouble(port)
    assert (_code(failed), failed.for_good, failed.in_doubt) == ("mail.refused", True, False)
    assert words in failed.reason
