"""Packets of all legs of a worker: in batches where they are ordinary, one by one where they are not.

A packet is ordinary when its leg's far end is known, it is the next of a known source, and its leg hears nobody or is
joined to the leg that hears it. Everything else goes through `_unusual`.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import call

import numpy as np
import numpy.typing as npt

from dialer.media import g711, rtp
from dialer.media.board import LOG_BYTES, LOG_PACKETS, Board, Rows
from dialer.media.leg import Address, Leg

BATCH = 256
"""Events taken from the kernel at once: the time is read and other tasks are looked at in between."""

_FEW = 3  # so few packets are quicker one by one
_ROW_BYTES = 2048
_HEADER_BYTES = rtp.HEADER.size
_ORDINARY_BYTES = _HEADER_BYTES + rtp.FRAME_SAMPLES
_DRAIN = 1024
_DYNAMIC_TYPES = range(96, 128)
_HEADER = np.dtype(
    {
        "names": ["first", "second", "sequence", "timestamp", "ssrc"],
        "formats": ["u1", "u1", ">u2", ">u4", ">u4"],
        "offsets": [0, 1, 2, 4, 8],
        "itemsize": _ROW_BYTES,
    }
)

_NOT_GUARDED = -1
_MOST_MISSING = 50  # so many packets lost before this one leave it an ordinary one: a second


def _not_guarded(space: memoryview) -> int:
    """In place of a leg's `recv_into`: what belongs to no leg, or to one whose packets need their source's address."""
    return _NOT_GUARDED


Integers = npt.NDArray[np.intp]


class Traffic:
    """`on_digit(leg, digit)` is called for every touch tone that comes."""

    def __init__(self, board: Board, on_digit: Callable[[str, str], None]) -> None:
        self._board = board
        self._on_digit = on_digit
        self._receivers: list[Callable[[memoryview], int]] = []  # by file descriptor
        self._row_of: Integers = np.zeros(0, np.intp)  # by file descriptor
        self._learning: dict[int, Leg] = {}  # by file descriptor: legs whose far end is not locked
        block = bytearray(BATCH * _ROW_BYTES)
        self._bytes = np.frombuffer(block, np.uint8).reshape(BATCH, _ROW_BYTES)
        self._headers: Rows = self._bytes.view(_HEADER)[:, 0]
        self._spaces = [memoryview(block)[at : at + _ROW_BYTES] for at in range(0, len(block), _ROW_BYTES)]
        self._ordinary_spaces = [space[:_ORDINARY_BYTES] for space in self._spaces]

    def cover(self, fd: int) -> None:
        """Events of `fd` may be served: it is a leg's, or it comes back as another's."""
        missing = fd + 1 - len(self._receivers)
        if missing > 0:
            self._receivers += [_not_guarded] * missing
            self._row_of = np.concatenate([self._row_of, np.zeros(missing, np.intp)])

    def add(self, leg: Leg) -> None:
        """Its far end is to be learned."""
        self.cover(leg.fd)
        self._receivers[leg.fd] = _not_guarded
        self._learning[leg.fd] = leg

    def remove(self, leg: Leg) -> None:
        self._receivers[leg.fd] = _not_guarded
        self._learning.pop(leg.fd, None)

    def serve(self, events: list[tuple[int, int]], now: float) -> list[tuple[int, int]]:
        """Take one packet for each of at most `BATCH` events; returns the events that are not of a leg."""
        fds = [fd for fd, _ in events]
        lengths: list[int] = []
        received = map(call, map(self._receivers.__getitem__, fds), self._spaces)
        while len(lengths) < len(fds):
            try:
                lengths.extend(received)
            except OSError:  # nothing there after all, or an ICMP error about what was sent
                lengths.append(0)
        legs = self._row_of[fds]
        if len(events) > _FEW:
            self._serve_batch(legs, np.array(lengths), now)
        else:
            for at, length in enumerate(lengths):
                self._serve_one(at, int(legs[at]), length, now)
        if _NOT_GUARDED not in lengths:
            return []
        return [
            event
            for event, length in zip(events, lengths, strict=True)
            if length < 0 and not self._learn(event[0], now)
        ]

    def _serve_one(self, at: int, row: int, length: int, now: float) -> None:
        if length != _NOT_GUARDED:
            self._unusual(self._leg(row), self._spaces[at][:length], now)

    def _leg(self, row: int) -> Leg:
        leg = self._board.legs[row]
        assert leg is not None
        return leg

    def _drop(self, row: int) -> None:
        self._leg(row).dropped += 1

    # Ordinary packets. Each leg has at most one packet in a batch, and is heard by at most one other.

    def _serve_batch(self, legs: Integers, lengths: Integers, now: float) -> None:
        headers = self._headers[: len(legs)]
        incoming = self._board.incoming[legs]
        sequences = headers["sequence"].astype(np.uint16)
        ordinary = (
            (headers["first"] == rtp.VERSION_2)
            & (headers["second"] == incoming["second"])
            & (headers["ssrc"] == incoming["ssrc"])
            & (sequences - incoming["next_sequence"] <= _MOST_MISSING)
            & (incoming["ordinary"] == 1)
            & (incoming["logged"] < LOG_PACKETS)
            & (lengths > _HEADER_BYTES)
            & (lengths <= _HEADER_BYTES + LOG_BYTES)
        )
        if ordinary.all():
            self._take(slice(len(legs)), legs, lengths, incoming, sequences, now)
            return
        at = np.flatnonzero(ordinary)
        if len(at):
            self._take(at, legs[at], lengths[at], incoming[at], sequences[at], now)
        for each in np.flatnonzero(~ordinary).tolist():
            self._serve_one(each, int(legs[each]), int(lengths[each]), now)

    def _take(
        self,
        at: Integers | slice,
        legs: Integers,
        lengths: Integers,
        incoming: Rows,
        sequences: npt.NDArray[np.uint16],
        now: float,
    ) -> None:
        """Count, keep and pass on the packets in the rows `at`; `incoming`: a copy of their legs' state."""
        board = self._board
        timestamps = self._headers["timestamp"][at].astype(np.uint32)
        incoming["next_sequence"] = sequences + np.uint16(1)
        incoming["received"] += 1
        transit = now * rtp.CLOCK_RATE_HZ - timestamps
        difference = np.abs(transit - incoming["transit"])
        jitter = incoming["jitter"]
        jitter += np.where(difference < rtp.CLOCK_RATE_HZ, (difference - jitter) / 16, 0.0)
        incoming["transit"] = transit
        logged = incoming["logged"].astype(np.intp)
        longest = int(lengths.max())
        board.payloads[legs, logged, : longest - _HEADER_BYTES] = self._bytes[at, _HEADER_BYTES:longest]
        board.timestamps[legs, logged] = timestamps
        board.lengths[legs, logged] = lengths - _HEADER_BYTES
        board.arrivals[legs, logged] = now
        incoming["logged"] += 1
        board.incoming[legs] = incoming
        heard = np.flatnonzero(incoming["target"] >= 0)
        if len(heard):
            if len(heard) < len(legs):
                at = heard if isinstance(at, slice) else at[heard]
                legs, lengths, incoming = legs[heard], lengths[heard], incoming[heard]
                sequences, timestamps = sequences[heard], timestamps[heard]
            self._pass_on(at, legs, lengths, incoming, sequences, timestamps, now)

    def _pass_on(
        self,
        at: Integers | slice,
        legs: Integers,
        lengths: Integers,
        incoming: Rows,
        sequences: npt.NDArray[np.uint16],
        timestamps: npt.NDArray[np.uint32],
        now: float,
    ) -> None:
        board, headers = self._board, self._headers
        targets, translated = incoming["target"], incoming["translated"]
        sequences = sequences + incoming["sequence_shift"]
        timestamps = timestamps + incoming["timestamp_shift"]
        outgoing = board.outgoing[targets]
        outgoing["sequence"], outgoing["timestamp"], outgoing["at"] = sequences, timestamps, now
        outgoing["packets"] += 1
        outgoing["octets"] += (lengths - _HEADER_BYTES).astype(np.uint32)
        board.outgoing[targets] = outgoing
        headers["second"][at] = outgoing["type"]
        headers["sequence"][at] = sequences
        headers["timestamp"][at] = timestamps
        headers["ssrc"][at] = outgoing["ssrc"]
        spaces = self._ordinary_spaces
        datagrams = spaces[at] if isinstance(at, slice) else [spaces[row] for row in at.tolist()]
        if not (lengths == _ORDINARY_BYTES).all():
            rows = range(len(lengths)) if isinstance(at, slice) else at.tolist()
            datagrams = [self._spaces[row][:length] for row, length in zip(rows, lengths.tolist(), strict=True)]
        for each in np.flatnonzero(translated).tolist():
            translate = self._leg(int(legs[each])).translate
            if translate is not None:
                sound = datagrams[each][_HEADER_BYTES:]
                sound[:] = bytes(sound).translate(translate)
        self._send(targets.tolist(), datagrams)

    def _send(self, targets: list[int], datagrams: list[memoryview]) -> None:
        """One datagram to each of the legs in the rows `targets`."""
        sent: list[int] = []
        sending = map(call, map(self._board.senders.__getitem__, targets), datagrams)
        while len(sent) < len(targets):
            try:
                sent.extend(sending)
            except OSError:
                self._drop(targets[len(sent)])
                sent.append(0)

    # Packets that are not the next ordinary one.

    def _unusual(self, leg: Leg, datagram: memoryview, now: float) -> None:
        try:
            packet = rtp.parse(datagram)
        except rtp.RtpError:
            leg.dropped += 1
            return
        if packet.ssrc != leg.source_ssrc or leg.reception.highest < 0:
            leg.adopt_source(packet.ssrc)
        newest = leg.note(packet, now)
        codec = g711.CODECS.get(packet.payload_type)
        if codec is not None and packet.payload:
            self._take_audio(leg, packet, codec, now, newest=newest)
        elif packet.payload_type in _DYNAMIC_TYPES and len(packet.payload) == 4:
            self._take_event(leg, packet, now, newest=newest)
        # else: comfort noise or a codec that was not agreed on: the recording keeps silence in its place

    def _take_audio(self, leg: Leg, packet: rtp.RtpPacket, codec: str, now: float, *, newest: bool) -> None:
        if packet.payload_type != leg.payload_type_in:
            leg.payload_type_in = packet.payload_type
            leg.relay_to = None
            if codec != leg.codec_in:
                leg.change_codec(codec)
        leg.keep(packet, now)
        target = self._target(leg, packet, now)
        if target is not None:
            payload = packet.payload if leg.translate is None else packet.payload.translate(leg.translate)
            target.pass_on(leg, packet, target.payload_type_out, payload, now, newest=newest)

    def _take_event(self, leg: Leg, packet: rtp.RtpPacket, now: float, *, newest: bool) -> None:
        digit = leg.digit_receiver.packet(packet.payload, packet.timestamp)
        if digit is not None:
            self._on_digit(leg.name, digit)
        target = self._target(leg, packet, now)
        if target is None or target.remote is None:
            return
        payload_type = target.remote.dtmf_payload_type
        if payload_type is not None:
            target.pass_on(leg, packet, payload_type, packet.payload, now, newest=newest)
        elif newest:
            leg.skip_in_stream()

    def _target(self, leg: Leg, packet: rtp.RtpPacket, now: float) -> Leg | None:
        """The peer, with its stream joined to this source; None while it hears something else."""
        if leg.relay_to is not None:
            return leg.relay_to
        peer = leg.peer
        if peer is None or peer.busy or not peer.can_send or leg.remote is None or not leg.remote.we_receive:
            return None
        peer.join(leg, packet, now)
        return peer

    # The far end's address.

    def _learn(self, fd: int, now: float) -> bool:
        """One packet of a leg whose far end is not locked yet; False: there is no such leg."""
        leg = self._learning.get(fd)
        if leg is None:
            return False
        received = self._receive_from(leg)
        if received is not None:
            datagram, source = received
            if self._looks_right(datagram) and leg.accept(source, now):
                self._unusual(leg, datagram, now)
                if leg.locked:
                    self.guard(leg, now)
            else:
                leg.dropped += 1
        return True

    @staticmethod
    def _looks_right(datagram: memoryview) -> bool:
        """Nothing but sound or touch tones may teach an address."""
        try:
            packet = rtp.parse(datagram)
        except rtp.RtpError:
            return False
        return packet.payload_type in g711.CODECS or packet.payload_type in _DYNAMIC_TYPES

    def _receive_from(self, leg: Leg) -> tuple[memoryview, Address] | None:
        space = self._spaces[0]
        try:
            length, source = leg.sock.recvfrom_into(space)
        except BlockingIOError:
            return None
        except OSError:
            leg.dropped += 1
            return None
        return space[:length], source[:2]

    def discard(self, leg: Leg) -> None:
        """Drop what came before the far end's address was known: nobody may be learned from it."""
        for _ in range(_DRAIN):
            if self._receive_from(leg) is None:
                return
            leg.dropped += 1

    def guard(self, leg: Leg, now: float) -> None:
        """The address is locked: sort what was queued before by its source, then leave that to the kernel."""
        locked_to = leg.sock.getpeername()[:2]
        for _ in range(_DRAIN):
            received = self._receive_from(leg)
            if received is None:
                break
            datagram, source = received
            if source == locked_to:
                self._unusual(leg, datagram, now)
            else:
                leg.dropped += 1
        self._learning.pop(leg.fd, None)
        self._receivers[leg.fd] = leg.sock.recv_into
        self._row_of[leg.fd] = leg.row
