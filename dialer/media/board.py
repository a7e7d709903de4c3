"""The hot state of all legs of a worker, in numpy arrays: one row a leg, so that a batch of packets takes few steps.

`leg.Leg` is the face of a row; `traffic.Traffic` is the only other writer. A packet costs a Python loop over objects
about twice what it costs here, most of it in cache misses (see docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from dialer.media.leg import Leg

LOG_PACKETS = 64
"""How many packets of a leg are kept until they are recorded or measured: more than a second of 20 ms."""

LOG_BYTES = 240
"""The longest payload that is kept this way: 30 ms. Longer ones take the slow path."""

NO_TARGET = -1
NOT_YET = 0xFF  # as the second byte of a header: a marker on a payload type that nobody uses

INCOMING = np.dtype(
    [
        ("second", "u1"),  # the second byte of the header of an ordinary packet
        ("ordinary", "u1"),  # the packet may take the fast path
        ("translated", "u1"),  # into the target's codec
        ("next_sequence", "u2"),
        ("ssrc", "u4"),
        ("timestamp_shift", "u4"),  # added on the way to the target
        ("sequence_shift", "u2"),
        ("logged", "u2"),
        ("target", "i4"),  # row of the leg that hears this one
        ("received", "u4"),  # not yet told to `rtp.Reception`
        ("transit", "f8"),  # RFC 3550 A.8, in samples
        ("jitter", "f8"),
    ],
    align=True,
)

OUTGOING = np.dtype(
    [
        ("type", "u1"),
        ("sequence", "u2"),
        ("ssrc", "u4"),
        ("timestamp", "u4"),
        ("at", "f8"),
        ("packets", "u4"),  # that were sent, for RTCP
        ("octets", "u4"),  # of their payload
    ],
    align=True,
)

Rows = npt.NDArray[Any]


def _unset(datagram: Any) -> int:
    """In place of a leg's `send`."""
    raise OSError("there is no leg in this row")


class Board:
    """Rows are given out and taken back; the arrays grow, so they must not be kept by others across calls."""

    def __init__(self, capacity: int = 64) -> None:
        self.incoming: Rows = np.zeros(capacity, INCOMING)
        self.outgoing: Rows = np.zeros(capacity, OUTGOING)
        self.timestamps: npt.NDArray[np.uint32] = np.zeros((capacity, LOG_PACKETS), np.uint32)
        self.lengths: npt.NDArray[np.uint16] = np.zeros((capacity, LOG_PACKETS), np.uint16)
        self.arrivals: npt.NDArray[np.float64] = np.zeros((capacity, LOG_PACKETS), np.float64)
        self.payloads: npt.NDArray[np.uint8] = np.zeros((capacity, LOG_PACKETS, LOG_BYTES), np.uint8)
        self.legs: list[Leg | None] = [None] * capacity
        self.senders: list[Callable[[Any], int]] = [_unset] * capacity
        self._free = list(range(capacity - 1, -1, -1))

    def take(self, leg: Leg) -> int:
        """A row for `leg`, zeroed."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        self.incoming[row] = np.zeros(1, INCOMING)[0]
        self.outgoing[row] = np.zeros(1, OUTGOING)[0]
        self.incoming["target"][row] = NO_TARGET
        self.incoming["second"][row] = NOT_YET
        self.legs[row] = leg
        return row

    def give_back(self, row: int) -> None:
        self.legs[row] = None
        self.senders[row] = _unset
        self.incoming["ordinary"][row] = 0
        self._free.append(row)

    def _grow(self) -> None:
        have = len(self.legs)
        for name in ("incoming", "outgoing", "timestamps", "lengths", "arrivals", "payloads"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros_like(old)]))
        self.legs += [None] * have
        self.senders += [_unset] * have
        self._free += range(2 * have - 1, have - 1, -1)
