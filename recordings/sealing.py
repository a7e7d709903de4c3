"""Finished recordings that only their key opens: AES-GCM in pieces, so that a player may begin anywhere.

A sealed file: eight letters, the bytes of a piece, the bytes of the sound, eight random bytes; then the pieces, each
with its tag. A piece's nonce is the random bytes and its number, and the header is bound to each, so that pieces cannot
be changed, moved or left out. Whether a file is sealed is seen from its first bytes: recordings from before stay as
they are; where it is known that one was sealed, a plain file in its place is refused.

A recording's key is closed with the office's key for one call, so that it opens no recording in another call's place;
keys from before (without the mark of the second kind) were not.
"""

from __future__ import annotations

import base64
import fcntl
import io
import os
import secrets
import struct
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from recordings.disk import in_words
from recordings.errors import BrokenRecording

MAGIC: Final = b"DIALSEAL"
PIECE_BYTES: Final = 64 * 1024
KEY_BYTES: Final = 32
_HEADER: Final = struct.Struct("<8sIQ8s")
_TAG_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_WRAPPING: Final = b"dialer recordings 1"
_OF_A_CALL: Final = "2:"


def new_wrapped_key(office_key: bytes, call: str) -> str:
    """A new key for the recording of one call, closed with the office's key; as text."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    closed = _wrapping(office_key).encrypt(nonce, secrets.token_bytes(KEY_BYTES), _bound_to(call))
    return _OF_A_CALL + base64.b64encode(nonce + closed).decode()


def is_of_a_call(wrapped_key: str) -> bool:
    """Whether the key opens for its call alone: then what it opens is that call's sound, as it was sealed."""
    return wrapped_key.startswith(_OF_A_CALL)


def unwrapped(wrapped_key: str, office_key: bytes, path: Path, call: str) -> bytes:
    """The key of the call's recording. Raises `BrokenRecording` when there is none, or it is another call's, or the
    office's key is another; `path` is for the message."""
    if not wrapped_key or not office_key:
        raise BrokenRecording("file.no_key", path=str(path))
    bound = _bound_to(call) if is_of_a_call(wrapped_key) else _WRAPPING
    try:
        closed = base64.b64decode(wrapped_key.removeprefix(_OF_A_CALL))
        return _wrapping(office_key).decrypt(closed[:_NONCE_BYTES], closed[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError) as error:
        raise BrokenRecording("file.other_key", path=str(path)) from error


def _bound_to(call: str) -> bytes:
    return _WRAPPING + b" of " + call.encode()


def _wrapping(office_key: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt=None, info=_WRAPPING).derive(office_key))


def is_sealed(path: Path) -> bool:
    """Whether the file opens only with its key. Raises `BrokenRecording` for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise BrokenRecording("file.unreadable", path=str(path), reason=in_words(error)) from error


def seal(path: Path, key: bytes) -> None:
    """Put the sealed file in the place of the plain one, at once or not at all; a sealed one is left alone. Who seals
    it at the same moment, also by another process, waits and finds it sealed."""
    try:
        with path.open("rb") as plain:
            fcntl.flock(plain, fcntl.LOCK_EX)
            if _is_still(plain, path) and plain.read(len(MAGIC)) != MAGIC:
                _put_sealed(plain, path, key)
    except OSError as error:
        raise BrokenRecording("file.unreadable", path=str(path), reason=in_words(error)) from error


def _is_still(file: BinaryIO, path: Path) -> bool:
    """Whether the open file is the one that lies there, and nobody has put another in its place meanwhile."""
    return os.path.samestat(os.fstat(file.fileno()), path.stat())


def _put_sealed(plain: BinaryIO, path: Path, key: bytes) -> None:
    beside = path.with_suffix(".sealing")
    try:
        with beside.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            _write_sealed(plain, file, key)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise BrokenRecording("file.not_written", path=str(beside), reason=in_words(error)) from error


def _write_sealed(plain: BinaryIO, file: BinaryIO, key: bytes) -> None:
    size = plain.seek(0, os.SEEK_END)
    plain.seek(0)
    header = _HEADER.pack(MAGIC, PIECE_BYTES, size, secrets.token_bytes(8))
    file.write(header)
    cipher, number = AESGCM(key), 0
    while piece := plain.read(PIECE_BYTES):
        file.write(cipher.encrypt(_nonce(header, number), piece, header))
        number += 1


def _nonce(header: bytes, number: int) -> bytes:
    return header[-8:] + struct.pack("<I", number)


class SealedFile(io.RawIOBase):
    """The sound of a sealed file: readable and seekable like the plain one. One piece is kept at a time."""

    def __init__(self, path: Path, key: bytes) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._path = path
        self._header = self._file.read(_HEADER.size)
        if len(self._header) < _HEADER.size or not self._header.startswith(MAGIC):
            self._file.close()
            raise BrokenRecording("file.no_header", path=str(path))
        _magic, self._piece_bytes, self.size, _random = _HEADER.unpack(self._header)
        self._cipher = AESGCM(key)
        self._at = 0
        self._number = -1
        self._piece = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what `io` hands over
        if self._at >= self.size:
            return 0
        number, within = divmod(self._at, self._piece_bytes)
        if number != self._number:
            self._piece, self._number = self._read_piece(number), number
        part = self._piece[within : within + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _read_piece(self, number: int) -> bytes:
        self._file.seek(_HEADER.size + number * (self._piece_bytes + _TAG_BYTES))
        closed = self._file.read(min(self._piece_bytes, self.size - number * self._piece_bytes) + _TAG_BYTES)
        try:
            return self._cipher.decrypt(_nonce(self._header, number), closed, self._header)
        except (InvalidTag, ValueError) as error:
            raise BrokenRecording("file.other_key", path=str(self._path)) from error

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def open_sound(path: Path, wrapped_key: str, office_key: bytes, call: str, *, was_sealed: bool = False) -> BinaryIO:
    """The sound of a call's recording, sealed or not, for the caller to close; a plain file where one `was_sealed` is
    not ours. Raises `BrokenRecording`."""
    if is_sealed(path):
        return io.BufferedReader(SealedFile(path, unwrapped(wrapped_key, office_key, path, call)), PIECE_BYTES)
    if was_sealed:
        raise BrokenRecording("file.not_sealed", path=str(path))
    return path.open("rb")
