"""The talk with the mail server, and what is wrong when it fails."""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from email.message import EmailMessage
from typing import Final

import aiosmtplib

from config.sections import MailSettings
from dialer.logs import masked_text
from dialer.mailing.charsets import escaped_read, storable
from dialer.mailing.messages import POLICY
from dialer.reasons import Reason

_DATA: Final = b"DATA\r\n"
LONGEST_SAID: Final = 200
_OF_THE_SERVER: Final = frozenset({421, 530})  # it closes; it wants a sign-in


class MailTrouble(Exception):
    """A message did not go. `of_server`: no other would have gone either; `for_good`: it will never be taken;
    `in_doubt`: it may have been taken."""

    def __init__(self, reason: str, *, of_server: bool = False, for_good: bool = False, in_doubt: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.of_server = of_server
        self.for_good = for_good
        self.in_doubt = in_doubt


class _Said:
    """Whether anything of a message itself went out: before that no server can have taken it."""

    any_of_it = False

    def listen_to(self, client: aiosmtplib.SMTP) -> None:
        """From now on, until the connection ends."""
        protocol = client.protocol
        if protocol is None:
            return
        write = functools.partial(type(protocol).write, protocol)  # not what listened before

        def heard(content: bytes) -> None:
            self.any_of_it = self.any_of_it or content != _DATA
            write(content)

        protocol.write = heard  # type: ignore[method-assign, assignment]


class Postman:
    """One connection to the mail server, opened when there is something to send. Use it as a context."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._where = f"{settings.host}:{settings.port}"
        self._client: aiosmtplib.SMTP | None = None

    async def __aenter__(self) -> Postman:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leave()

    async def connect(self) -> None:
        """Reach the server, protected and signed in as the settings say. Raises `MailTrouble`."""
        client = await asyncio.to_thread(_client, self._settings)  # it may read a file of certificates
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await client.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:  # a name that is none is a ValueError
            client.close()
            raise MailTrouble(self._no_connection(error), of_server=True) from error
        self._client = client

    async def send(
        self, message: EmailMessage | bytes, address: str, *, before: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Hand the message over. `before`: done when sender and reader have been taken and the message itself has not
        been said; the answer to it may then take as long as RFC 5321 section 4.5.3.2.6 wants. An answer to the message
        that is neither yes nor no leaves a doubt. Raises `MailTrouble`."""
        if self._client is None:
            await self.connect()
        assert self._client is not None
        client, said = self._client, _Said()
        content = message if isinstance(message, bytes) else message.as_bytes(policy=POLICY)
        patience = self._settings.timeout_s if before is None else self._settings.taken_within_s
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await client.mail(self._settings.sender)
                await client.rcpt(address)
            if before is not None:
                async with AsyncExitStack() as refused:
                    refused.push_async_callback(self._leave)  # its sender and reader are not those of the next message
                    await before()
                    refused.pop_all()
            async with asyncio.timeout(patience):
                said.listen_to(client)
                await client.data(content, timeout=patience)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            if isinstance(error, aiosmtplib.SMTPResponseException) and 400 <= error.code < 600:
                await self._leave()
                raise self._refused(error) from error
            if isinstance(error, aiosmtplib.SMTPDataError) and 200 <= error.code < 300 and said.any_of_it:
                return  # taken (RFC 5321 section 4.2.1), whatever its last two digits tell
            await self._leave(at_once=True)
            raise MailTrouble(
                Reason("mail.broke_off", address=self._where), of_server=True, in_doubt=said.any_of_it
            ) from error

    async def _leave(self, *, at_once: bool = False) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            if not at_once:
                async with asyncio.timeout(self._settings.timeout_s):
                    await client.quit()
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            pass  # it has what we wanted to say
        finally:
            client.close()

    def _refused(self, error: aiosmtplib.SMTPResponseException) -> MailTrouble:
        of_server = isinstance(error, aiosmtplib.SMTPSenderRefused) or error.code in _OF_THE_SERVER
        for_good = error.code >= 500 and not of_server
        code = "mail.refused" if error.code >= 500 else "mail.later"
        return MailTrouble(
            Reason(code, address=self._where, code=error.code, said=_said(error.message)),
            of_server=of_server,
            for_good=for_good,
        )

    def _no_connection(self, error: Exception) -> str:
        cause = _cause(error)
        where, host = self._where, self._settings.host
        if isinstance(error, aiosmtplib.SMTPAuthenticationError):
            return Reason("mail.auth", address=where, code=error.code, said=_said(error.message))
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Reason("mail.certificate", address=where, reason=cause.verify_message)
        if isinstance(cause, ssl.SSLError):
            return Reason("mail.no_tls", address=where)
        if isinstance(cause, socket.gaierror):
            return Reason("mail.no_address", host=host)
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return Reason("mail.later", address=where, code=error.code, said=_said(error.message))
        if isinstance(error, aiosmtplib.SMTPServerDisconnected):
            return Reason("mail.broke_off", address=where)
        if isinstance(cause, ConnectionRefusedError):
            return Reason("mail.nobody_there", address=where)
        if "AUTH extension" in str(error) or "authentication method" in str(error):
            return Reason("mail.no_auth", address=where)
        if "STARTTLS extension" in str(error):
            return Reason("mail.no_starttls", address=where)
        return Reason("mail.no_answer", address=where)


def _client(settings: MailSettings) -> aiosmtplib.SMTP:
    context = None
    if settings.tls != "none":
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    password = settings.password.get_secret_value()
    return aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.port,
        username=settings.user or None,
        password=password or None,
        timeout=settings.timeout_s,
        use_tls=settings.tls == "tls",
        start_tls=settings.tls == "starttls",
        tls_context=context,
        local_hostname=settings.sender.rpartition("@")[2],
    )


def _cause(error: BaseException) -> BaseException:
    """The innermost error of ours or the system's."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return error


def _said(words: str) -> str:
    """What the server said, in one line."""
    return masked_text(" ".join(storable(escaped_read(words)).split()))[:LONGEST_SAID]
