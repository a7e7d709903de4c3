"""What a headset's password is known by, closed with the office's key: to the digest of SIP it *is* the password, so
that nobody is to find it in a copy of the database."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

OFFICE_KEY: Final = "office_key"
"""Under this name a session's `info` holds the bytes of the office's key, b"" where there is none."""

_PURPOSE: Final = b"dialer headsets 1"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class HeadsetDigests(NamedTuple):
    """H(A1) of RFC 7616 section 3.4.2, in MD5 and in SHA-256, in hexadecimal."""

    md5: str
    sha256: str


def closed(office_key: bytes, headset: str, digests: HeadsetDigests) -> str:
    """The digests as text that only the office's key opens, and for this headset alone."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    said = _cipher(office_key).encrypt(nonce, ":".join(digests).encode(), headset.encode())
    return base64.b64encode(nonce + said).decode()


def opened(office_key: bytes, headset: str, text: str) -> HeadsetDigests | None:
    """What was closed, `None` when it was by another key or for another headset."""
    try:
        said = base64.b64decode(text, validate=True)
        plain = _cipher(office_key).decrypt(said[:_NONCE_BYTES], said[_NONCE_BYTES:], headset.encode())
    except (InvalidTag, binascii.Error, ValueError):
        return None
    md5, _, sha256 = plain.decode().partition(":")
    return HeadsetDigests(md5, sha256)


def _cipher(office_key: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), _KEY_BYTES, salt=None, info=_PURPOSE).derive(office_key))
