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

from dialer.media import g711, rtp, tones
from dialer.media.dtmf import DigitReceiver, DigitSender, EventPacket

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
    """Let a connected UDP socket receive from anyone again; it keeps its port (connect(2), AF_UNSPEC)."""
    if _libc.connect(sock.fileno(), _UNSPECIFIED, len(_UNSPECIFIED)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Leg:
    """State only; `relay.Relay` moves the packets. Attributes used for each packet are plain, not properties."""

    __slots__ = (
        "address",
        "codec_in",
        "connected_at",
        "digit_receiver",
        "digits",
        "dropped",
        "fd",
        "filling",
        "gone",
        "heard",
        "learned",
        "locked",
        "name",
        "out_at",
        "out_sequence",
        "out_ssrc",
        "out_timestamp",
        "out_type",
        "peer",
        "playing",
        "reception",
        "recv_into",
        "relay_to",
        "remote",
        "second_in",
        "send",
        "seq_shift",
        "sock",
        "source_ssrc",
        "speaking",
        "track",
        "translate",
        "ts_shift",
    )

    def __init__(self, name: str, sock: socket.socket) -> None:
        self.name = name
        self.sock = sock
        self.fd = sock.fileno()
        self.recv_into = sock.recv_into
        self.send: Callable[[Any], int] = sock.send
        self.gone = False
        # the far end
        self.remote: Remote | None = None
        self.address: Address | None = None  # of the SDP
        self.learned: Address | None = None  # another one that sent first
        self.locked = False
        self.connected_at = 0.0
        self.dropped = 0  # from strangers, malformed, or refused by the network
        # what arrives
        self.second_in = -1  # the header's second byte of an ordinary packet of this source, -1: none yet
        self.source_ssrc = 0
        self.codec_in = g711.PCMA
        self.reception = rtp.Reception()
        self.digit_receiver = DigitReceiver()
        self.track: Any = None  # recordings.recorder.Track
        self.heard: list[bytes] = []  # payloads of the last second while nothing is recorded
        # where it goes
        self.peer: Leg | None = None
        self.relay_to: Leg | None = None  # the peer, once its stream has been joined to this source
        self.seq_shift = 0
        self.ts_shift = 0
        self.translate: bytes | None = None
        # what we send
        self.out_ssrc = secrets.randbits(32)
        self.out_sequence = secrets.randbits(16)
        self.out_timestamp = secrets.randbits(32)
        self.out_at = 0.0  # when the last packet was sent
        self.out_type = 8
        self.playing: Iterator[bytes] | None = None
        self.digits = DigitSender()
        self.filling = False  # silence is sent because nothing else is
        self.speaking = False  # a 20 ms tick is scheduled

    # The far end's address.

    def connect(self, remote: Remote, now: float) -> bool:
        """Send to `remote` from now on. Returns whether a learning window begins (the address is new).

        Raises `BadRemote` or `OSError` (unreachable), leaving the leg as it was.
        """
        address = remote.address()
        if address != self.address:
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
        self.out_type = remote.payload_type
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
        if now - self.connected_at > LEARNING_WINDOW_S:
            return False
        self.learned = source[:2]
        self.send = functools.partial(self._send_to, self.learned)
        return True

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

    def join(self, source: Leg, sequence: int, timestamp: int, now: float) -> None:
        """Make `source`, whose next packet is (`sequence`, `timestamp`), continue the stream sent to this leg."""
        gap = self.gap_samples(now)
        source.seq_shift = (self.out_sequence + 1 - sequence) & 0xFFFF
        source.ts_shift = (self.out_timestamp + gap - timestamp) & _MASK_32
        source.translate = g711.transcode_table(source.codec_in, self.codec_out)
        source.relay_to = self
        self.filling = False

    def gap_samples(self, at: float) -> int:
        """By how much the timestamp goes on for a packet sent at `at`: the time since the last one."""
        if not self.out_at:
            return 0
        return max(rtp.FRAME_SAMPLES, round((at - self.out_at) * rtp.CLOCK_RATE_HZ))

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
        self.out_timestamp = (self.out_timestamp + self.gap_samples(at)) & _MASK_32
        self.out_at = at
        self._write(self.out_type, payload, marker=False)

    def write_event(self, event: EventPacket, at: float) -> None:
        """Send one packet of a touch tone; all of an event bear the timestamp of its first."""
        if event.marker:
            self.out_timestamp = (self.out_timestamp + self.gap_samples(at)) & _MASK_32
            self.out_at = at
        if self.remote is not None and self.remote.dtmf_payload_type is not None:
            self._write(self.remote.dtmf_payload_type, event.payload, marker=event.marker)

    def _write(self, payload_type: int, payload: bytes, *, marker: bool) -> None:
        self.out_sequence = (self.out_sequence + 1) & 0xFFFF
        self.emit(rtp.RtpPacket(payload_type, self.out_sequence, self.out_timestamp, self.out_ssrc, payload, marker))

    def emit(self, packet: rtp.RtpPacket) -> None:
        try:
            self.send(rtp.build(packet))
        except OSError:
            self.dropped += 1

    def play(self, sound: tones.Sound) -> None:
        self.playing = _endless(sound.frames) if sound.loops else iter(sound.frames)

    def close(self) -> None:
        self.gone = True
        self.sock.close()


def _endless(frames: tuple[bytes, ...]) -> Iterator[bytes]:
    while True:
        yield from frames
