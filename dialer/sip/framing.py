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
        self.pings = 0

    def feed(self, received: bytes) -> list[bytes]:
        """Raises `FramingError` for a head without a readable Content-Length, or one that is too long."""
        self._buffer += received
        messages: list[bytes] = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> bytes | None:
        self._skip_blank_lines()
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD_BYTES:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise FramingError("the head of a message is too long")
            return None
        lengths = _LENGTH.findall(bytes(self._buffer[: end + 2]))
        if len(lengths) != 1:
            raise FramingError("a message without one Content-Length")
        if int(lengths[0]) > MAX_BODY_BYTES:
            raise FramingError("the body of a message is too long")
        whole = end + 4 + int(lengths[0])
        if len(self._buffer) < whole:
            return None
        message = bytes(self._buffer[:whole])
        del self._buffer[:whole]
        return message

    def _skip_blank_lines(self) -> None:
        while self._buffer.startswith(_KEEP_ALIVE):
            del self._buffer[: len(_KEEP_ALIVE)]
            self.pings += 1
        while self._buffer.startswith(b"\r\n") and len(self._buffer) > 2 and self._buffer[2:3] != b"\r":
            del self._buffer[:2]
