"""What a message in the mailbox is: an answer, a machine's, a failure (RFC 3464), a notice of the fax gateway; and
which of our offers it names. Nothing of what it says is believed but a key that the reader and we alone know."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage, Message
from email.policy import default
from html.parser import HTMLParser
from typing import Final

import structlog

from crm.offers.incoming import LONGEST_LINE, LONGEST_TEXT, Arrived, IncomingKind
from dialer.mailing.charsets import decoded, escaped_read, storable

log = structlog.get_logger("dialer.mailing")

MOST_PARTS: Final = 200
MOST_KEYS: Final = 20
_KEY: Final = re.compile(r"(?<![0-9a-f])([0-9a-f]{32})@", re.IGNORECASE)
_NO_MORE: Final = re.compile(r"\bunsubscribe[\s_]+([0-9a-f]{32})(?![0-9a-f])", re.IGNORECASE)
_DAEMONS: Final = re.compile(r"^(mailer-daemon|postmaster|mail-daemon|microsoftexchange[0-9a-f]*)@", re.IGNORECASE)
_FAILED: Final = re.compile(
    r"undeliver|not (?:be )?delivered|delivery (?:has )?fail|failure notice|returned mail|returning message"
    r"|недостав|не доставл|не может быть доставлен|возврат",
    re.IGNORECASE,
)
_DELAYED: Final = re.compile(
    r"delayed|\bwarning\b|will retry|still being (?:tried|retried)|задерж|будут продолжены", re.I
)
_MACHINES: Final = ("x-autoreply", "x-autorespond")
_NUMBER: Final = re.compile(r"(?<!\d)\+?(\d[\d ()-]{8,20}\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class FaxNotices:
    """How the gateway's notices are known: they come from `domain` ("" for no gateway), and match one of these."""

    domain: str = ""
    delivered: str = ""
    failed: str = ""


def understood(content: bytes, *, came_at: datetime, fax: FaxNotices | None = None) -> Arrived:
    """The message as it was understood. Never raises, whatever the bytes are: whoever writes to the mailbox would
    keep all that stands behind it from being read. What cannot be read is a machine's, of no offer."""
    try:
        return _understood(content, came_at, fax or FaxNotices())
    except Exception as error:  # the library has faults that are not known yet
        log.error("message", was="new", on=type(error).__name__, now="not understood", bytes=len(content))
        return Arrived(
            kind=IncomingKind.AUTOMATIC, keys=(), faxed_to=(), digest=hashlib.sha256(content).hexdigest(), sender="",
            subject="", body="", came_at=came_at,
        )  # fmt: skip


def _understood(content: bytes, came_at: datetime, fax: FaxNotices) -> Arrived:
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    parts = list(_parts(message))
    sender, subject = _header(message, "From"), _header(message, "Subject")
    body = _text_of(parts)
    thread = " ".join(_header(message, name) for name in ("In-Reply-To", "References"))
    wish = _NO_MORE.search(subject)
    kind, keys = IncomingKind.REPLY, [each.lower() for each in _KEY.findall(thread)]
    numbers: tuple[str, ...] = ()
    if (reported := _of_a_report(message, parts)) is not None:
        kind, keys = reported, [*keys, *_keys_within(content)]
    elif fax.domain and _domain(sender) == fax.domain:
        kind = _of_a_fax(f"{subject}\n{body}", fax)
        keys = [*keys, *_keys_within(content)]
        numbers = tuple(re.sub(r"\D", "", each) for each in _NUMBER.findall(f"{subject}\n{body}"))[:MOST_KEYS]
    elif _is_a_daemons(message, sender):
        kind = _in_words(f"{subject}\n{body}")
        keys = [*keys, *_keys_within(content)]
    elif wish is not None:
        kind, keys = IncomingKind.NO_MORE, [wish.group(1).lower(), *keys]
    elif _is_a_machines(message):
        kind = IncomingKind.AUTOMATIC
    return Arrived(
        kind=kind, keys=tuple(dict.fromkeys(keys))[:MOST_KEYS], faxed_to=numbers,
        digest=hashlib.sha256(content).hexdigest(), sender=sender[:LONGEST_LINE], subject=subject[:LONGEST_LINE],
        body=body[:LONGEST_TEXT], came_at=came_at,
    )  # fmt: skip


def _parts(message: Message) -> Iterator[Message]:
    """All parts, not deeper or more of them than somebody means who writes a letter."""
    waiting: list[Message] = [message]
    for _ in range(MOST_PARTS):
        if not waiting:
            return
        part = waiting.pop(0)
        yield part
        inner = part.get_payload() if part.is_multipart() else []
        waiting += [each for each in inner if isinstance(each, Message)] if isinstance(inner, list) else []


def _asked(read: Callable[[], object]) -> object:
    """What the library reads, or None: it trips over headers that nobody would write but to make it trip."""
    try:
        return read()
    except (MessageError, ValueError, LookupError, AttributeError, TypeError):
        return None


def _header(message: Message, name: str) -> str:
    """In one line; "" where there is none, or where it cannot be read."""
    value = str(_asked(lambda: message.get(name)) or "")
    return " ".join(storable(escaped_read(value)).split())


def _type(part: Message) -> str:
    return str(_asked(part.get_content_type) or "text/plain")


def _text_of(parts: list[Message]) -> str:
    """What was written, without markup; an HTML text only where there is no other."""
    for wanted in ("text/plain", "text/html"):
        for part in parts:
            if _type(part) != wanted or _asked(part.get_content_disposition) == "attachment":
                continue
            payload = _asked(functools.partial(part.get_payload, decode=True))
            if not isinstance(payload, bytes) or not payload.strip():
                continue
            text = decoded(payload[: 20 * LONGEST_TEXT], str(_asked(part.get_content_charset) or ""))
            if wanted == "text/html":
                text = _without_markup(text)
            return storable(text).replace("\r\n", "\n").strip()
    return ""


_LINES: Final = ("br", "p", "div", "tr", "li", "h1", "h2", "h3", "blockquote")


class _Words(HTMLParser):
    """The words of an HTML text, without those of scripts and styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style", "head")
        if tag in _LINES:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style", "head") and self._hidden > 0
        if tag in _LINES:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def _without_markup(text: str) -> str:
    words = _Words()
    words.feed(text)
    words.close()
    return re.sub(r"\n\s*\n+", "\n\n", "".join(words.words))


def _keys_within(content: bytes) -> list[str]:
    """Of offers that a failure quotes: our Message-ID stands in what was sent back, whichever way."""
    return [each.lower() for each in _KEY.findall(content.decode("latin-1"))]


def _of_a_report(message: Message, parts: list[Message]) -> IncomingKind | None:
    """By a report for programs (RFC 3462): of delivery (RFC 3464), or that it was shown (RFC 8098)."""
    types = {_type(part) for part in parts}
    if _type(message) == "multipart/report" and "message/disposition-notification" in types:
        return IncomingKind.AUTOMATIC
    if "message/delivery-status" not in types:
        return None
    said = [
        (_header(part, "Action").lower(), _header(part, "Status"))
        for part in parts
        if "Action" in part or "Status" in part
    ]
    if any(action == "failed" or (not action and code.startswith("5")) for action, code in said):
        return IncomingKind.BOUNCED
    if any(action == "delayed" or (not action and code.startswith("4")) for action, code in said):
        return IncomingKind.DELAYED
    if any(action in ("delivered", "relayed", "expanded") or code.startswith("2") for action, code in said):
        return IncomingKind.DELIVERED
    return IncomingKind.BOUNCED if not said else IncomingKind.AUTOMATIC


def _is_a_daemons(message: Message, sender: str) -> bool:
    nobody = _header(message, "Return-Path") == "<>" and _FAILED.search(_header(message, "Subject")) is not None
    return nobody or _DAEMONS.match(_address(sender)) is not None or "X-Failed-Recipients" in message


def _in_words(text: str) -> IncomingKind:
    """Of a failure for people alone: servers that write none for programs say it in their own words."""
    first = text[:2_000]
    if _DELAYED.search(first) and not re.search(
        r"permanent|giving up|gave up|failed permanently", first, re.IGNORECASE
    ):
        return IncomingKind.DELAYED
    return IncomingKind.BOUNCED if _FAILED.search(text[:LONGEST_TEXT]) else IncomingKind.AUTOMATIC


def _is_a_machines(message: Message) -> bool:
    """RFC 3834 section 5, and what programs from before it write."""
    automatic = _header(message, "Auto-Submitted").lower()
    precedence = _header(message, "Precedence").lower()
    return (
        (automatic not in ("", "no"))
        or precedence in ("bulk", "junk", "auto_reply", "list")
        or any(name in message for name in _MACHINES)
    )


def _of_a_fax(text: str, fax: FaxNotices) -> IncomingKind:
    if fax.failed and re.search(fax.failed, text, re.IGNORECASE):
        return IncomingKind.BOUNCED
    if fax.delivered and re.search(fax.delivered, text, re.IGNORECASE):
        return IncomingKind.DELIVERED
    return IncomingKind.AUTOMATIC


def _address(sender: str) -> str:
    found = re.search(r"<([^<>]*)>\s*$", sender)
    return (found.group(1) if found else sender).strip()


def _domain(sender: str) -> str:
    return _address(sender).rpartition("@")[2].lower()
