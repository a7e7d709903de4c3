"""What an operating system's refusal means, in words."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import MappingProxyType

DISK_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "disk.full": "the disk is full",
        "disk.quota": "the disk quota is used up",
        "disk.too_big": "the file may not grow any further",
        "disk.error": "the disk reports an error",
        "disk.read_only": "the disk is read-only",
        "disk.denied": "access is denied",
        "disk.no_folder": "the folder does not exist",
        "disk.exists": "there is already a file of this name",
        "disk.not_a_folder": "a part of the path is no folder",
    }
)

_CODES = {
    errno.ENOSPC: "disk.full",
    errno.EDQUOT: "disk.quota",
    errno.EFBIG: "disk.too_big",
    errno.EIO: "disk.error",
    errno.EROFS: "disk.read_only",
    errno.EACCES: "disk.denied",
    errno.EPERM: "disk.denied",
    errno.ENOENT: "disk.no_folder",
    errno.EEXIST: "disk.exists",
    errno.ENOTDIR: "disk.not_a_folder",
}


def in_words(error: OSError) -> str:
    """Why the disk refused, for a person."""
    code = _CODES.get(error.errno or 0)
    return DISK_REASONS[code] if code else error.strerror or str(error)
