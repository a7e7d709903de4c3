"""What goes wrong with backups and with sealing older recordings."""

from __future__ import annotations

from dialer.reasons import Reason


class UpkeepError(Exception):
    """The root; `reason` says why, in a whole sentence."""

    def __init__(self, code: str, **params: object) -> None:
        self.reason = Reason(code, **params)
        super().__init__(self.reason)


class NotBegun(UpkeepError):
    """What was asked on the page is not begun."""


class BackupError(UpkeepError):
    """A backup cannot be made or restored."""


class BackupUnderWay(UpkeepError):
    """Files are being copied."""


class SealingRefused(UpkeepError):
    """Recordings are not to be sealed, or not with this key."""
