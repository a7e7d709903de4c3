"""Silence for all legs that are sent nothing else: address translators and headsets keep a path open that is used.

An operator's line is idle for much of the day, so this is done in batches: a frame costs little more than its system
call.
"""

from __future__ import annotations

import numpy as np

from dialer.media import g711, rtp, tones
from dialer.media.agenda import Agenda
from dialer.media.board import Board, Rows
from dialer.media.leg import Leg

_GROUPS = 10
"""Legs are spread over the 20 ms of a frame, so that packets of others never wait for all of them."""

_FEW = 6  # so few legs are quicker one by one
_FALLEN_BEHIND_S = 0.2
_DATAGRAM_BYTES = rtp.HEADER.size + rtp.FRAME_SAMPLES
_HEADER = np.dtype(
    {
        "names": ["first", "second", "sequence", "timestamp", "ssrc"],
        "formats": ["u1", "u1", ">u2", ">u4", ">u4"],
        "offsets": [0, 1, 2, 4, 8],
        "itemsize": _DATAGRAM_BYTES,
    }
)
_CODES = {codec: tones.silence_frame(codec)[0] for codec in g711.CODECS.values()}


class Silence:
    """A leg is in one group from `begin` until it is seen that it is `filling` no more."""

    def __init__(self, board: Board, agenda: Agenda) -> None:
        self._board = board
        self._agenda = agenda
        self._groups: list[list[Leg]] = [[] for _ in range(_GROUPS)]
        self._members: set[Leg] = set()

    def begin(self, leg: Leg, now: float) -> None:
        """Send silence to `leg` until its `filling` is set back, the first within the time of a frame."""
        leg.filling = True
        if leg in self._members:
            return
        self._members.add(leg)
        group = min(self._groups, key=len)
        group.append(leg)
        if len(group) == 1:
            self._agenda.add(now, lambda due, present: self._send(group, due, present))

    def _send(self, group: list[Leg], due: float, now: float) -> float | None:
        """One frame to each leg of the group."""
        over = [leg for leg in group if not leg.filling or leg.gone or not leg.can_send]
        for leg in over:
            leg.filling = False
            self._members.discard(leg)
            group.remove(leg)
        if not group:
            return None
        if len(group) <= _FEW:
            for leg in group:
                leg.write_audio(tones.silence_frame(leg.codec_out), due)
        else:
            self._send_batch(group, due)
        return due + rtp.FRAME_S if now - due < _FALLEN_BEHIND_S else now + rtp.FRAME_S

    def _send_batch(self, group: list[Leg], due: float) -> None:
        board = self._board
        rows = np.array([leg.row for leg in group])
        outgoing = board.outgoing[rows]
        since = np.rint((due - outgoing["at"]) * rtp.CLOCK_RATE_HZ)
        gaps = np.where(outgoing["at"] > 0, np.maximum(since, rtp.FRAME_SAMPLES), 0.0)
        outgoing["timestamp"] += gaps.astype(np.uint64).astype(np.uint32)
        outgoing["sequence"] += 1
        outgoing["at"] = due
        outgoing["packets"] += 1
        outgoing["octets"] += rtp.FRAME_SAMPLES
        board.outgoing[rows] = outgoing
        block = bytearray(len(group) * _DATAGRAM_BYTES)
        datagrams = np.frombuffer(block, np.uint8).reshape(-1, _DATAGRAM_BYTES)
        datagrams[:] = np.array([[_CODES[leg.codec_out]] for leg in group], np.uint8)
        headers: Rows = datagrams.view(_HEADER)[:, 0]
        headers["first"], headers["second"] = rtp.VERSION_2, outgoing["type"]
        for field in ("sequence", "timestamp", "ssrc"):
            headers[field] = outgoing[field]
        datagram = memoryview(block)
        for at, leg in enumerate(group):
            try:
                board.senders[leg.row](datagram[at * _DATAGRAM_BYTES : (at + 1) * _DATAGRAM_BYTES])
            except OSError:
                leg.dropped += 1
