"""How long a server that is in trouble is left alone: later and later, until it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

log = structlog.get_logger("dialer.mailing")

FIRST_PAUSE: Final = timedelta(seconds=10)
LONGEST_PAUSE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class MailHealth:
    """How this node's mail is: `on`, a server is set up; `trouble`, why it does nothing, or "" """

    on: bool = False
    trouble: str = ""


class Patience:
    """With one server, of whoever talks to it; `name` is for the log."""

    def __init__(self, name: str) -> None:
        self.trouble = ""
        self._name = name
        self._pause = FIRST_PAUSE
        self._resume_at: datetime | None = None

    def waits(self, now: datetime) -> bool:
        """Whether the server is not to be asked yet."""
        return self._resume_at is not None and now < self._resume_at

    def lost(self, reason: str, now: datetime) -> None:
        """It did not answer, or would take nothing from anybody."""
        log.error(self._name, was="trouble" if self.trouble else "ok", on=str(reason), now="trouble")
        self.trouble = reason
        self._resume_at, self._pause = now + self._pause, min(2 * self._pause, LONGEST_PAUSE)

    def regained(self) -> None:
        """It did what was asked of it."""
        if self.trouble:
            log.info(self._name, was="trouble", on="it answered", now="ok")
        self.trouble, self._pause, self._resume_at = "", FIRST_PAUSE, None
