"""One leg inside a worker: its UDP socket, where it sends to, what it received, and the stream that it sends."""

from __future__ import annotations

import ctypes
import functools
import ipaddress
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dialer.media import g711, rtp, tones
from dialer.media.board import LOG_BYTES, LOG_PACKETS, NO_TARGET, NOT_YET, Board
from dialer.media.dtmf import DigitReceiver, DigitSender, EventPacket
from recordings.recorder import SILENCE_DBOV, Track, level_dbov

LEARNING_WINDOW_S = 2.0
"""How long after `connect` a far end behind a NAT may still show its address by sending."""

_MASK_32 = 0xFFFFFFFF

Address = tuple[str, int]


class BadRemote(ValueError):
    """The far end's media address cannot be sent to."""


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a leg sends to and how; see `controller.RemoteMedia`."""

    host: str
    port: int
    codec: str
    payload_type: int
    dtmf_payload_type: int | None
    we_send: bool
    we_receive: bool
    signalled_from: str = ""

    def address(self) -> Address:
        """Raises `BadRemote`: names are not resolved here, SDP carries addresses."""
        try:
            host = ipaddress.ip_address(self.host)
        except ValueError:
            raise BadRemote(f"{self.host} is not an IP address") from None
        if not 0 < self.port < 65536:
            raise BadRemote(f"{self.port} is not a port")
        return str(host), self.port


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


_libc = ctypes.CDLL(None, use_errno=True)
_UNSPECIFIED = (socket.AF_UNSPEC).to_bytes(2, sys.byteorder) + bytes(26)


def disconnect(sock: socket.socket) -> None:
    """Let a connected UDP socket receive from anyone again, on the same port (connect(2), AF_UNSPEC)."""
    bound_to = sock.getsockname()
    if _libc.connect(sock.fileno(), _UNSPECIFIED, len(_UNSPECIFIED)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if sock.getsockname()[1] != bound_to[1]:  # Linux takes back a port that it chose itself
        sock.bind(bound_to)


class Leg:
    """What is needed for each packet lies in a row of `board`; everything else here."""

    def __init__(self, name: str, sock: socket.socket, board: Board) -> None:
        self.name = name
        self.sock = sock
        self.fd = sock.fileno()
        self.board = board
        self.row = board.take(self)
        self.gone = False
        # the far end
        self.send = sock.send
        self.remote: Remote | None = None
        self.address: Address | None = None  # of the SDP
        self.learned: Address | None = None  # another one that sent first
        self.locked = False
        self.connected_at = 0.0
        self.dropped = 0  # from strangers, malformed, or refused by the network
        # what arrives
        self.codec_in = g711.PCMA
        self.reception = rtp.Reception()
        self.digit_receiver = DigitReceiver()
        self.track: Track | None = None
        self.level_dbov = SILENCE_DBOV
        # where it goes
        self._peer: Leg | None = None
        self._relay_to: Leg | None = None
        self._translate: bytes | None = None
        # what we send
        board.outgoing[self.row] = (8, secrets.randbits(16), secrets.randbits(32), secrets.randbits(32), 0.0, 0, 0)
        self.playing: Iterator[bytes] | None = None
        self.digits = DigitSender()
        self.filling = False  # silence is sent because nothing else is, see `silence.Silence`
        self.speaking = False  # what is played or dialled is sent each 20 ms

    # Its row of the board.

    @property
    def send(self) -> Callable[[Any], int]:
        return self.board.senders[self.row]

    @send.setter
    def send(self, send: Callable[[Any], int]) -> None:
        self.board.senders[self.row] = send

    @property
    def peer(self) -> Leg | None:
        """The other leg of the bridge."""
        return self._peer

    @peer.setter
    def peer(self, peer: Leg | None) -> None:
        self._peer = peer
        self._set_ordinary()

    @property
    def relay_to(self) -> Leg | None:
        """The peer, once its stream has been joined to this source."""
        return self._relay_to

    @relay_to.setter
    def relay_to(self, target: Leg | None) -> None:
        self._relay_to = target
        self.board.incoming["target"][self.row] = NO_TARGET if target is None else target.row
        self._set_ordinary()

    @property
    def translate(self) -> bytes | None:
        """For `bytes.translate`, where the target's codec is another."""
        return self._translate

    @translate.setter
    def translate(self, table: bytes | None) -> None:
        self._translate = table
        self.board.incoming["translated"][self.row] = table is not None

    def _set_ordinary(self) -> None:
        """A packet needs a closer look while the peer could be joined and is not."""
        self.board.incoming["ordinary"][self.row] = self._relay_to is self._peer

    @property
    def payload_type_in(self) -> int:
        """Of the present source's sound, -1: none yet."""
        second = int(self.board.incoming["second"][self.row])
        return -1 if second == NOT_YET else second

    @payload_type_in.setter
    def payload_type_in(self, payload_type: int) -> None:
        self.board.incoming["second"][self.row] = NOT_YET if payload_type < 0 else payload_type

    @property
    def was_heard(self) -> bool:
        """Whether any packet was taken since the leg was opened."""
        self.settle_reception()
        return self.reception.received > 0

    @property
    def source_ssrc(self) -> int:
        return int(self.board.incoming["ssrc"][self.row])

    def note(self, packet: rtp.RtpPacket, now: float) -> bool:
        """Count a packet of the slow path; returns whether it is the newest."""
        self.settle_reception()
        newest = self.reception.note(packet.sequence, packet.timestamp, now * rtp.CLOCK_RATE_HZ)
        row = self.board.incoming[self.row]
        row["next_sequence"] = (self.reception.highest + 1) & 0xFFFF
        row["transit"] = self.reception.transit
        row["jitter"] = self.reception.jitter
        return newest

    def settle_reception(self) -> None:
        """Tell `reception` what the fast path counted."""
        row = self.board.incoming[self.row]
        if row["received"]:
            highest = (int(row["next_sequence"]) - 1) & 0xFFFF
            self.reception.absorb(int(row["received"]), highest, float(row["transit"]), float(row["jitter"]))
            row["received"] = 0

    def adopt_source(self, ssrc: int) -> None:
        """Packets come from a synchronisation source that is new."""
        self.settle_reception()
        self.drain_log()
        self.board.incoming["ssrc"][self.row] = ssrc
        self.payload_type_in = -1
        self.relay_to = None
        self.reception.restart()
        self.digit_receiver.restart()
        if self.track is not None:
            self.track.restart()

    def change_codec(self, codec: str) -> None:
        """What arrives is of `codec` from now on."""
        self.drain_log()
        self.codec_in = codec
        if self.track is not None:
            self.track.use_codec(codec)

    def skip_in_stream(self) -> None:
        """A packet of this leg is not passed on, and its target must not take that for a loss."""
        row = self.board.incoming[self.row]
        row["sequence_shift"] = (int(row["sequence_shift"]) - 1) & 0xFFFF

    # Packets kept until they are recorded or measured.

    def keep(self, packet: rtp.RtpPacket, now: float) -> None:
        """As the fast path does, for one packet."""
        length = len(packet.payload)
        if length > LOG_BYTES:
            self.drain_log()
            if self.track is not None:
                self.track.push(packet.timestamp, packet.payload, now)
            return
        if self.board.incoming["logged"][self.row] == LOG_PACKETS:
            self.drain_log()
        at = int(self.board.incoming["logged"][self.row])
        self.board.timestamps[self.row, at] = packet.timestamp
        self.board.lengths[self.row, at] = length
        self.board.arrivals[self.row, at] = now
        self.board.payloads[self.row, at, :length] = np.frombuffer(packet.payload, np.uint8)
        self.board.incoming["logged"][self.row] = at + 1

    def drain_log(self) -> None:
        """Hand the kept packets to the recording; without one, measure them."""
        count = int(self.board.incoming["logged"][self.row])
        if not count:
            return
        self.board.incoming["logged"][self.row] = 0
        board, kept = self.board, (self.row, slice(count))
        payloads, lengths = board.payloads[kept], board.lengths[kept]
        if self.track is not None:
            self.track.push_many(board.timestamps[kept], payloads, lengths, board.arrivals[kept])
        else:
            self.level_dbov = level_dbov(g711.decode(payloads[:, : int(lengths.max())].tobytes(), self.codec_in))

    def take_level(self) -> float:
        """Of about the last second, in dBov."""
        if self.track is not None:
            return self.track.level_dbov
        self.level_dbov = SILENCE_DBOV
        self.drain_log()
        return self.level_dbov

    # The far end's address.

    def connect(self, remote: Remote, now: float) -> bool:
        """Send to `remote` from now on. Returns whether a learning window is open: it begins where the address is new,
        and anew where nobody was heard yet, or only somebody from elsewhere, who may have been a stranger. A far end
        behind a NAT that was silent while it rang shows its address only when it answers, with the description that it
        rang with.

        Raises `BadRemote` or `OSError` (unreachable), leaving the leg as it was.
        """
        address = remote.address()
        if address != self.address or not self.was_heard or self.learned is not None:
            if family_of(address[0]) != self.sock.family:
                raise BadRemote(f"{address[0]} is of another address family than this leg")
            if self.locked:
                disconnect(self.sock)
            self.locked = False
            self.learned = None
            self.address = address
            self.connected_at = now
            self.send = functools.partial(self._send_to, address)
        if self.remote is None or remote.codec != self.remote.codec:
            self.playing = None
        self.remote = remote
        self.board.outgoing["type"][self.row] = remote.payload_type
        return not self.locked

    def _send_to(self, address: Address, datagram: bytes | memoryview) -> int:
        return self.sock.sendto(datagram, address)

    def accept(self, source: Address, now: float) -> bool:
        """Whether a packet from `source` may be taken while the address is not locked; learns and locks."""
        if self.address is None or self.locked:
            return False
        if source[:2] == self.address:
            self.lock(self.address)
            return True
        if self.learned is not None:
            return source[:2] == self.learned
        if now - self.connected_at > LEARNING_WINDOW_S or not self._may_be_learned(source[0]):
            return False
        self.learned = source[:2]
        self.send = functools.partial(self._send_to, self.learned)
        return True

    def _may_be_learned(self, host: str) -> bool:
        """Another port, as an address translator shows it, but of the far end's own machine or of the one that its SIP
        comes from: anybody on the internet can send a packet. Within a network of our own a machine may have several
        addresses."""
        if self.remote is None:
            return False
        named = {self.remote.address()[0], self.remote.signalled_from} - {""}
        return host in named or not any(ipaddress.ip_address(each).is_global for each in named)

    def lock(self, address: Address) -> None:
        """The kernel drops everything that is not from `address` from now on."""
        self.sock.connect(address)
        self.send = self.sock.send
        self.locked = True

    # The stream that we send.

    @property
    def can_send(self) -> bool:
        return self.remote is not None and self.remote.we_send

    @property
    def busy(self) -> bool:
        """Something is played or dialled into it, so nothing is relayed to it."""
        return self.playing is not None or not self.digits.idle

    @property
    def codec_out(self) -> str:
        return self.remote.codec if self.remote else g711.PCMA

    def join(self, source: Leg, packet: rtp.RtpPacket, now: float) -> None:
        """Make `source`, whose next packet this is, continue the stream sent to this leg."""
        out, row = self.board.outgoing[self.row], self.board.incoming[source.row]
        row["sequence_shift"] = (int(out["sequence"]) + 1 - packet.sequence) & 0xFFFF
        row["timestamp_shift"] = (int(out["timestamp"]) + self.gap_samples(now) - packet.timestamp) & _MASK_32
        source.translate = g711.transcode_table(source.codec_in, self.codec_out)
        source.relay_to = self
        self.filling = False

    def gap_samples(self, at: float) -> int:
        """By how much the timestamp goes on for a packet sent at `at`: the time since the last one."""
        last = float(self.board.outgoing["at"][self.row])
        return max(rtp.FRAME_SAMPLES, round((at - last) * rtp.CLOCK_RATE_HZ)) if last else 0

    def leave_bridge(self) -> None:
        """Forget the peer, in both directions."""
        peer, self.peer = self.peer, None
        self.relay_to = None
        if peer is not None:
            peer.peer = None
            peer.relay_to = None

    def stop_relaying_to(self) -> None:
        """Something else is sent to this leg now; the next relayed packet joins anew."""
        if self.peer is not None:
            self.peer.relay_to = None

    def write_audio(self, payload: bytes, at: float) -> None:
        """Send one frame of our own making, due at `at`."""
        self._go_on(at)
        self._write(self.payload_type_out, payload, marker=False)

    def write_event(self, event: EventPacket, at: float) -> None:
        """Send one packet of a touch tone; all of an event bear the timestamp of its first."""
        if event.marker:
            self._go_on(at)
        if self.remote is not None and self.remote.dtmf_payload_type is not None:
            self._write(self.remote.dtmf_payload_type, event.payload, marker=event.marker)

    def _go_on(self, at: float) -> None:
        out = self.board.outgoing[self.row]
        out["timestamp"] = (int(out["timestamp"]) + self.gap_samples(at)) & _MASK_32
        out["at"] = at

    def _write(self, payload_type: int, payload: bytes, *, marker: bool) -> None:
        out = self.board.outgoing[self.row]
        sequence = (int(out["sequence"]) + 1) & 0xFFFF
        out["sequence"] = sequence
        self.emit(rtp.RtpPacket(payload_type, sequence, int(out["timestamp"]), int(out["ssrc"]), payload, marker))

    def pass_on(
        self, source: Leg, packet: rtp.RtpPacket, payload_type: int, payload: bytes, now: float, *, newest: bool
    ) -> None:
        """Send a packet of `source`, which is joined, with `payload`."""
        row, out = self.board.incoming[source.row], self.board.outgoing[self.row]
        sequence = (packet.sequence + int(row["sequence_shift"])) & 0xFFFF
        timestamp = (packet.timestamp + int(row["timestamp_shift"])) & _MASK_32
        if newest:
            out["sequence"], out["timestamp"], out["at"] = sequence, timestamp, now
        self.emit(rtp.RtpPacket(payload_type, sequence, timestamp, int(out["ssrc"]), payload, packet.marker))

    @property
    def payload_type_out(self) -> int:
        return int(self.board.outgoing["type"][self.row])

    @property
    def last_sent_at(self) -> float:
        return float(self.board.outgoing["at"][self.row])

    def emit(self, packet: rtp.RtpPacket) -> None:
        out = self.board.outgoing[self.row]
        out["packets"] = (int(out["packets"]) + 1) & _MASK_32
        out["octets"] = (int(out["octets"]) + len(packet.payload)) & _MASK_32
        try:
            self.send(rtp.build(packet))
        except OSError:
            self.dropped += 1

    def play(self, sound: tones.Sound) -> None:
        self.playing = _endless(sound.frames) if sound.loops else iter(sound.frames)

    def next_played(self) -> bytes | None:
        """The next frame of what is played, `None` at its end."""
        frame = next(self.playing, None) if self.playing is not None else None
        if frame is None:
            self.playing = None
        return frame

    def close(self) -> None:
        """Free the port and the row. The leg must have left its bridge."""
        self.gone = True
        self.board.give_back(self.row)
        self.sock.close()


def _endless(frames: tuple[bytes, ...]) -> Iterator[bytes]:
    while True:
        yield from frames
