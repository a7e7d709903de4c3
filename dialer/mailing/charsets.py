"""Text that others wrote, in whatever charset: read as it was meant, and so that a database keeps it."""

from __future__ import annotations

import re
from typing import Final

from charset_normalizer import from_bytes

LONGEST_LOOK: Final = 20_000
"""Bytes that are looked at where the charset must be guessed."""
_RUSSIAN: Final = ["cp1251", "koi8_r", "cp866"]
_HALF_OF_A_PAIR: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # and not a byte that could not be decoded


def decoded(content: bytes, charset: str = "") -> str:
    """In the charset that was said, or that it looks like."""
    for name in (charset, "utf-8"):
        try:
            return content.decode(name) if name else content.decode("ascii")
        except (LookupError, ValueError):  # one that decodes nothing, or is none
            continue
    guess = from_bytes(content[:LONGEST_LOOK], cp_isolation=_RUSSIAN).best()
    return content.decode(guess.encoding if guess else "cp1251", "replace")


def escaped_read(text: str) -> str:
    """`text` with the bytes that a library escaped (PEP 383) decoded anew."""
    if not any("\udc80" <= char <= "\udcff" for char in text):
        return text
    return decoded(_HALF_OF_A_PAIR.sub("", text).encode("utf-8", "surrogateescape"))


def storable(text: str) -> str:
    """Without what no database keeps: NUL, and half of a surrogate pair."""
    return re.sub("[\0\ud800-\udfff]", "", text)
