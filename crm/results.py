"""What the network said of an attempt, and how long to wait before the next one."""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import Final


class Result(enum.StrEnum):
    """What the network said."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    NO_SUCH_NUMBER = "no_such_number"
    UNAVAILABLE = "unavailable"
    DIVERTED = "diverted"  # the far end named another address (3xx); followed only where a rule says so
    TRUNK_FAILURE = "trunk_failure"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # the service stopped while the call was on its way
    UNCERTAIN = "uncertain"  # the service stopped between the row and the INVITE: nobody knows


# Results that say something of the client, and not only of us or of the network on the way.
OF_THE_CLIENT: Final = frozenset(
    {
        Result.ANSWERED,
        Result.BUSY,
        Result.NO_ANSWER,
        Result.DECLINED,
        Result.NO_SUCH_NUMBER,
        Result.UNAVAILABLE,
        Result.DIVERTED,
    }
)

# Once the operator has said "no contact". An answered call (nobody let us through) waits for another day.
RETRY_AFTER: Final[dict[Result, timedelta]] = {
    Result.BUSY: timedelta(minutes=10),
    Result.NO_ANSWER: timedelta(hours=2),
    Result.DECLINED: timedelta(hours=4),
    Result.UNAVAILABLE: timedelta(hours=2),
    Result.DIVERTED: timedelta(hours=4),
    Result.NO_SUCH_NUMBER: timedelta(hours=4),
    Result.TRUNK_FAILURE: timedelta(minutes=5),
    Result.CANCELLED: timedelta(hours=1),
    Result.INTERRUPTED: timedelta(minutes=30),
    Result.UNCERTAIN: timedelta(minutes=5),
}
