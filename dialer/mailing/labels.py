"""The words for what is in the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm.mail.outbox import MailState, Purpose
from dialer.words import mark

PURPOSES: Final[Mapping[Purpose, str]] = {
    Purpose.PUT_IN: mark("into the calendar"),
    Purpose.TAKE_OUT: mark("out of the calendar"),
}
STATES: Final[Mapping[MailState, str]] = {
    MailState.WAITING: mark("waiting"),
    MailState.SENT: mark("sent"),
    MailState.FAILED: mark("given up"),
    MailState.CANCELLED: mark("not needed any more"),
}
