"""What a media worker and its parent say to each other: JSON objects, each behind its length, over a socket pair.

Requests carry `id` and `do`, answers `re` and `ok` or `error` (with `kind`), events `event`.
"""

from __future__ import annotations

import json
import struct
from typing import Any

Message = dict[str, Any]

LENGTH = struct.Struct("!I")
LONGEST = 1 << 20


class WireError(Exception):
    """What came over the socket pair is no message: the other side is out of step."""


def pack(message: Message) -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode()
    return LENGTH.pack(len(body)) + body


def unpack(body: bytes) -> Message:
    """Raises `WireError`."""
    try:
        message = json.loads(body)
    except ValueError as error:
        raise WireError(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise WireError("not an object")
    return message


class Inbox:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, received: bytes) -> list[Message]:
        """The messages that are whole now. Raises `WireError`."""
        self._rest += received
        messages = []
        while len(self._rest) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._rest)
            if length > LONGEST:
                raise WireError(f"a message of {length} bytes")
            end = LENGTH.size + length
            if len(self._rest) < end:
                break
            messages.append(unpack(bytes(self._rest[LENGTH.size : end])))
            del self._rest[:end]
        return messages
