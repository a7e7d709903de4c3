"""The talk with the mailbox (IMAP, RFC 3501): one connection, opened for a look and closed after it. It changes nothing
there: the folder is opened for reading alone."""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from config.sections import InboxSettings
from dialer.logs import masked_text
from dialer.reasons import Reason

LARGEST: Final = 262_144
"""Octets of a message that are read; what a failure quotes and what people write stands in front."""
AT_ONCE: Final = 20
_UID: Final = re.compile(rb"\bUID (\d+)")
_CAME: Final = re.compile(rb'\bINTERNALDATE "[^"]+"')
LONGEST_SAID: Final = 200


class InboxTrouble(Exception):
    """The mailbox could not be read; `reason` in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Raw:
    """A message as it lies there: at most `LARGEST` octets of it, and when the mailbox got it."""

    uid: int
    content: bytes
    came_at: datetime


class Mailbox:
    """The folder of the settings. Its calls wait for the network: make them in a thread. Each raises `InboxTrouble`."""

    def __init__(self, settings: InboxSettings) -> None:
        self._settings = settings
        self._where = f"{settings.host}:{settings.port}"
        self._connection: imaplib.IMAP4 | None = None

    def open(self) -> int:
        """Reach it, protected and signed in as the settings say; returns the folder's UIDVALIDITY."""
        try:
            with self._in_words():
                self._connection = _connected(self._settings)
                return self._opened(self._connection)
        except InboxTrouble:
            self.close()
            raise

    def _opened(self, connection: imaplib.IMAP4) -> int:
        settings = self._settings
        try:
            _sign_in(connection, settings.user, settings.password.get_secret_value())
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise InboxTrouble(Reason("inbox.auth", address=self._where, said=_said(error))) from error
        folder = settings.folder.replace("\\", "\\\\").replace('"', '\\"')
        said, data = connection.select(f'"{folder}"', readonly=True)
        if said != "OK":
            raise InboxTrouble(Reason("inbox.no_folder", folder=settings.folder, address=self._where, said=_text(data)))
        validity = connection.response("UIDVALIDITY")[1]
        return int(validity[-1] or 0)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(imaplib.IMAP4.error, OSError):
                connection.logout()

    def first_since(self, day: datetime) -> int:
        """The lowest UID of messages that came on this day or later; where there is none, the next one's."""
        since = f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}"
        return min(self._search("SINCE", since), default=max(self._search("UID", "*"), default=0) + 1)

    def uids_after(self, last_uid: int) -> list[int]:
        """Those that have not been read, the lowest first."""
        # n:* names the last message even where its number is less (RFC 3501 section 6.4.8)
        return sorted(uid for uid in self._search("UID", f"{last_uid + 1}:*") if uid > last_uid)

    def fetch(self, uids: list[int]) -> list[Raw]:
        """These messages, the lowest UID first; some may have gone meanwhile."""
        numbers = ",".join(map(str, uids))
        data = self._asked("FETCH", numbers, f"(UID INTERNALDATE BODY.PEEK[]<0.{LARGEST}>)")
        return sorted(_messages(data), key=lambda each: each.uid)

    def _search(self, *criteria: str) -> list[int]:
        return [int(each) for each in (self._asked("SEARCH", *criteria)[0] or b"").split()]

    def _asked(self, command: str, *arguments: str) -> list[Any]:
        assert self._connection is not None
        with self._in_words():
            said, data = self._connection.uid(command, *arguments)
            if said != "OK":
                raise imaplib.IMAP4.error(_text(data))
            return data

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (imaplib.IMAP4.error, OSError) as error:
            raise InboxTrouble(_reason(error, self._where)) from error


_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _messages(data: list[Any]) -> Iterator[Raw]:
    """What a FETCH answered: (what was said before the octets, the octets), and what was said after them."""
    for place, each in enumerate(data):
        if not isinstance(each, tuple):
            continue
        after = data[place + 1] if place + 1 < len(data) and isinstance(data[place + 1], bytes) else b""
        told = each[0] + b" " + after
        uid, came = _UID.search(told), _CAME.search(told)
        if uid is not None:
            yield Raw(int(uid.group(1)), each[1], _moment(came.group(0) if came else b""))


def _moment(told: bytes) -> datetime:
    parsed = imaplib.Internaldate2tuple(told)
    if parsed is None:
        return datetime.now(UTC)
    return datetime(*parsed[:6]).astimezone(UTC)  # it is told on this machine's clock


def _sign_in(connection: imaplib.IMAP4, user: str, password: str) -> None:
    """By PLAIN, whose words may be of any alphabet (RFC 4616), or by LOGIN, whose may not."""
    if "AUTH=PLAIN" in connection.capabilities:
        connection.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
    elif f"{user}{password}".isascii():
        connection.login(user, password)
    else:
        raise imaplib.IMAP4.error("this server takes user and password in Latin letters alone")


def _connected(settings: InboxSettings) -> imaplib.IMAP4:
    if settings.tls == "none":
        return imaplib.IMAP4(settings.host, settings.port, timeout=settings.timeout_s)
    context = ssl.create_default_context(cafile=settings.ca_file or None)
    if settings.tls == "tls":
        return imaplib.IMAP4_SSL(settings.host, settings.port, ssl_context=context, timeout=settings.timeout_s)
    connection = imaplib.IMAP4(settings.host, settings.port, timeout=settings.timeout_s)
    try:
        connection.starttls(context)
    except BaseException:
        with suppress(OSError):  # a handshake that failed has taken the socket with it
            connection.shutdown()
        raise
    return connection


def _reason(error: Exception, where: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Reason("mail.certificate", address=where, reason=error.verify_message)
    if isinstance(error, ssl.SSLError):
        return Reason("mail.no_tls", address=where)
    if isinstance(error, ConnectionRefusedError):
        return Reason("inbox.nobody_there", address=where)
    if isinstance(error, OSError):
        return Reason("inbox.no_answer", address=where)
    return Reason("inbox.refused", address=where, said=_said(error))


def _text(data: list[Any]) -> str:
    return _said(b" ".join(each for each in data if isinstance(each, bytes)).decode("utf-8", "replace"))


def _said(words: object) -> str:
    """What the server said, in one line."""
    return masked_text(" ".join(str(words).split()))[:LONGEST_SAID]
