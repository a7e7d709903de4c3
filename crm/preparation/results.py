"""What the network said of an attempt."""

from __future__ import annotations

import enum
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
