"""Cutting a TCP stream into SIP messages by Content-Length (RFC 3261 section 18.3)."""

from __future__ import annotations

import re

from dialer.sip.errors import SipError

MAX_HEAD_BYTES = 65536
MAX_BODY_BYTES = 1 << 20
_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_KEEP_ALIVE = b"\r\n\r\n"


class FramingError(SipError):
    """Where the next message of this stream begins cannot be known: the connection has to be closed."""


class StreamFramer:
    """`feed` gives back whole messages; `pings` counts keep-alives (RFC 5626 section 3.5.1) that want a CRLF back."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # no end of a head before here
        self._whole = 0  # how long the message is that has begun, once its head was read
        self.pings = 0

    def feed(self, received: bytes) -> list[bytes]:
        """Raises `FramingError` for a head without a readable Content-Length, or one that is too long."""
        self._buffer += received
        messages: list[bytes] = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> bytes | None:
        if not self._whole and not self._read_head():
            return None
        if len(self._buffer) < self._whole:
            return None
        message = bytes(self._buffer[: self._whole])
        del self._buffer[: self._whole]
        self._searched = self._whole = 0
        return message

    def _read_head(self) -> bool:
        """Whether the head is here; then `_whole` says how long the message is. What was searched is not searched
        again: somebody may send byte by byte."""
        if not self._searched:
            self._skip_blank_lines()
        end = self._buffer.find(b"\r\n\r\n", max(self._searched - 3, 0))
        if end < 0 or end > MAX_HEAD_BYTES:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise FramingError("the head of a message is too long")
            begun = bool(self._buffer) and not self._buffer.startswith(b"\r")  # else blank lines may still come
            self._searched = len(self._buffer) if begun else 0
            return False
        lengths = _LENGTH.findall(bytes(self._buffer[: end + 2]))
        if len(lengths) != 1:
            raise FramingError("a message without one Content-Length")
        if int(lengths[0]) > MAX_BODY_BYTES:
            raise FramingError("the body of a message is too long")
        self._whole = end + 4 + int(lengths[0])
        return True

    def _skip_blank_lines(self) -> None:
        while self._buffer.startswith(_KEEP_ALIVE):
            del self._buffer[: len(_KEEP_ALIVE)]
            self.pings += 1
        while self._buffer.startswith(b"\r\n") and len(self._buffer) > 2 and self._buffer[2:3] != b"\r":
            del self._buffer[:2]
