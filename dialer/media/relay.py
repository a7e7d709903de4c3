"""The relay: packets from every leg to its peer, with what is heard, played and recorded on the way.

One thread, one epoll, one connected socket for each leg. `_serve` is the loop that sees every packet; all that is not
the next ordinary packet of a known source leaves it for `_unusual`.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from dialer.media import g711, rtp, tones
from dialer.media.agenda import Agenda
from dialer.media.leg import LEARNING_WINDOW_S, Address, Leg, Remote
from dialer.media.taps import Summary, Taps
from recordings.recorder import level_dbov

_BATCH = 128  # events taken from the kernel at once: the time is read and tasks are looked at in between
_TASKS_A_ROUND = 4
_BUFFER_BYTES = 2048
_HEADER_BYTES = rtp.HEADER.size
_MASK_16 = 0xFFFF
_MASK_32 = 0xFFFFFFFF
_MEASURE_S = 1.0
_QUIET_S = 0.5  # a leg that was sent nothing for so long gets silence: NAT bindings and headsets stay alive
_HEARD_PACKETS = 64  # more than a second of 20 ms packets
_FALLEN_BEHIND_S = 0.2
_DRAIN = 1024
_DYNAMIC_TYPES = range(96, 128)


@dataclass(frozen=True, slots=True)
class Measured:
    """A leg's last second, see `controller.LegMeasured`."""

    leg: str
    level_dbov: float
    received: int
    lost: int
    jitter_ms: float
    dropped: int


@dataclass(frozen=True, slots=True)
class Told:
    """Where the relay reports what happens by itself."""

    digit: Callable[[str, str], None]
    measured: Callable[[Measured], None]
    recording_stopped: Callable[[str, Summary], None]


class Relay:
    """The legs of one worker."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._epoll = select.epoll()
        self._agenda = Agenda()
        self.taps = Taps(self._agenda, told.recording_stopped)
        self._locked: dict[int, Leg] = {}  # by file descriptor: the address is known, the kernel guards it
        self._learning: dict[int, Leg] = {}
        self._others: dict[int, Callable[[int], None]] = {}
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._stopping = False

    # The loop.

    def watch(self, fd: int, ready: Callable[[int], None], mask: int = select.EPOLLIN) -> None:
        """Call `ready(events)` when `fd` is."""
        if fd in self._others:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)
        self._others[fd] = ready

    def run(self) -> None:
        """Until `stop`."""
        poll, agenda = self._epoll.poll, self._agenda
        while not self._stopping:
            wait_s = agenda.next_due - time.monotonic()
            events = poll(-1 if wait_s > 3600 else max(wait_s, 0), _BATCH)
            now = time.monotonic()
            if agenda.next_due <= now:
                agenda.run_due(now, _TASKS_A_ROUND)
            if events:
                self._serve(events, now)

    def stop(self) -> None:
        self._stopping = True

    def close(self) -> None:
        """Close every recording and socket."""
        self.taps.close_all(time.monotonic())
        for leg in [*self._locked.values(), *self._learning.values()]:
            leg.close()
        self._epoll.close()

    def _serve(self, events: list[tuple[int, int]], now: float) -> None:
        """Every packet passes here; see the measurements in docs/performance.md before making it prettier."""
        legs, buffer, view = self._locked, self._buffer, self._view
        unpack, pack = rtp.HEADER.unpack_from, rtp.HEADER.pack_into
        now_samples = now * rtp.CLOCK_RATE_HZ
        for fd, mask in events:
            leg = legs.get(fd)
            if leg is None:
                self._serve_other(fd, mask, now)
                continue
            try:
                length = leg.recv_into(buffer)
            except OSError:  # nothing there after all, or an ICMP error about what was sent
                leg.dropped += 1
                continue
            first, second, sequence, timestamp, ssrc = unpack(buffer)
            target = leg.relay_to
            if (
                first != rtp.VERSION_2
                or second != leg.second_in
                or ssrc != leg.source_ssrc
                or target is not leg.peer
                or length <= _HEADER_BYTES
            ):
                self._unusual(leg, length, now)
                continue
            newest = leg.reception.note(sequence, timestamp, now_samples)
            payload = view[_HEADER_BYTES:length]
            track = leg.track
            if track is not None:
                track.push(timestamp, payload, now)
            elif len(leg.heard) < _HEARD_PACKETS:
                leg.heard.append(bytes(payload))
            if target is None:
                continue
            sequence = (sequence + leg.seq_shift) & _MASK_16
            timestamp = (timestamp + leg.ts_shift) & _MASK_32
            pack(buffer, 0, rtp.VERSION_2, target.out_type, sequence, timestamp, target.out_ssrc)
            if leg.translate is not None:
                buffer[_HEADER_BYTES:length] = bytes(payload).translate(leg.translate)
            if newest:
                target.out_sequence = sequence
                target.out_timestamp = timestamp
                target.out_at = now
            try:
                target.send(view[:length])
            except OSError:
                target.dropped += 1

    def _serve_other(self, fd: int, mask: int, now: float) -> None:
        leg = self._learning.get(fd)
        if leg is not None:
            self._learn(leg, now)
        elif fd in self._others:
            self._others[fd](mask)
        # else: a leg that was closed by an earlier event of this batch

    # Packets that are not the next ordinary one.

    def _unusual(self, leg: Leg, length: int, now: float) -> None:
        try:
            packet = rtp.parse(self._view[:length])
        except rtp.RtpError:
            leg.dropped += 1
            return
        self._take(leg, packet, now)

    def _take(self, leg: Leg, packet: rtp.RtpPacket, now: float) -> None:
        if packet.ssrc != leg.source_ssrc or not leg.reception.received:
            self._adopt_source(leg, packet.ssrc)
        newest = leg.reception.note(packet.sequence, packet.timestamp, now * rtp.CLOCK_RATE_HZ)
        codec = g711.CODECS.get(packet.payload_type)
        if codec is not None and packet.payload:
            self._take_audio(leg, packet, codec, now, newest=newest)
        elif packet.payload_type in _DYNAMIC_TYPES and len(packet.payload) == 4:
            self._take_event(leg, packet, now, newest=newest)
        # else: comfort noise or a codec that was not agreed on: the recording keeps silence in its place

    def _adopt_source(self, leg: Leg, ssrc: int) -> None:
        leg.source_ssrc = ssrc
        leg.second_in = -1
        leg.relay_to = None
        leg.reception.restart()
        leg.digit_receiver.restart()
        if leg.track is not None:
            leg.track.restart()

    def _take_audio(self, leg: Leg, packet: rtp.RtpPacket, codec: str, now: float, *, newest: bool) -> None:
        if packet.payload_type != leg.second_in:
            leg.second_in = packet.payload_type
            leg.relay_to = None
            if codec != leg.codec_in:
                leg.codec_in = codec
                leg.heard.clear()
                if leg.track is not None:
                    leg.track.use_codec(codec)
        if leg.track is not None:
            leg.track.push(packet.timestamp, packet.payload, now)
        elif len(leg.heard) < _HEARD_PACKETS:
            leg.heard.append(packet.payload)
        joined = leg.relay_to is None
        target = self._target(leg, packet, now)
        if target is not None:
            payload = packet.payload if leg.translate is None else packet.payload.translate(leg.translate)
            marker = packet.marker or joined
            self._pass_on(leg, target, packet, target.out_type, payload, now, newest=newest, marker=marker)

    def _take_event(self, leg: Leg, packet: rtp.RtpPacket, now: float, *, newest: bool) -> None:
        digit = leg.digit_receiver.packet(packet.payload, packet.timestamp)
        if digit is not None:
            self._told.digit(leg.name, digit)
        target = self._target(leg, packet, now)
        if target is None or target.remote is None:
            return
        payload_type = target.remote.dtmf_payload_type
        if payload_type is None:
            if newest:
                leg.seq_shift = (leg.seq_shift - 1) & _MASK_16  # the peer must not take it for a loss
            return
        self._pass_on(leg, target, packet, payload_type, packet.payload, now, newest=newest, marker=packet.marker)

    def _target(self, leg: Leg, packet: rtp.RtpPacket, now: float) -> Leg | None:
        """The peer, with its stream joined to this source; None while it hears something else."""
        if leg.relay_to is not None:
            return leg.relay_to
        peer = leg.peer
        if peer is None or peer.busy or not peer.can_send or leg.remote is None or not leg.remote.we_receive:
            return None
        peer.join(leg, packet.sequence, packet.timestamp, now)
        return peer

    def _pass_on(
        self,
        leg: Leg,
        target: Leg,
        packet: rtp.RtpPacket,
        payload_type: int,
        payload: bytes,
        now: float,
        *,
        newest: bool,
        marker: bool,
    ) -> None:
        sequence = (packet.sequence + leg.seq_shift) & _MASK_16
        timestamp = (packet.timestamp + leg.ts_shift) & _MASK_32
        if newest:
            target.out_sequence, target.out_timestamp, target.out_at = sequence, timestamp, now
        target.emit(rtp.RtpPacket(payload_type, sequence, timestamp, target.out_ssrc, payload, marker))

    # The far end's address.

    def _learn(self, leg: Leg, now: float) -> None:
        """One packet of a leg whose far end is not locked yet."""
        source = self._receive_from(leg)
        if source is None:
            return
        length, address = source
        if not self._looks_right(length) or not leg.accept(address, now):
            leg.dropped += 1
            return
        self._unusual(leg, length, now)
        if leg.locked:
            self._settle(leg, now)

    def _looks_right(self, length: int) -> bool:
        """Nothing but sound or touch tones may teach an address."""
        try:
            packet = rtp.parse(self._view[:length])
        except rtp.RtpError:
            return False
        return packet.payload_type in g711.CODECS or packet.payload_type in _DYNAMIC_TYPES

    def _receive_from(self, leg: Leg) -> tuple[int, Address] | None:
        try:
            length, address = leg.sock.recvfrom_into(self._buffer)
        except BlockingIOError:
            return None
        except OSError:
            leg.dropped += 1
            return None
        return length, address[:2]

    def _settle(self, leg: Leg, now: float) -> None:
        """The address is locked: take what was queued before, by source, then leave the rest to the kernel."""
        locked_to = leg.sock.getpeername()[:2]
        for _ in range(_DRAIN):
            source = self._receive_from(leg)
            if source is None:
                break
            length, address = source
            if address == locked_to:
                self._unusual(leg, length, now)
            else:
                leg.dropped += 1
        self._learning.pop(leg.fd, None)
        self._locked[leg.fd] = leg

    # What the parent asks for.

    def open(self, name: str, sock: socket.socket) -> Leg:
        leg = Leg(name, sock)
        self._learning[leg.fd] = leg
        self._epoll.register(leg.fd, select.EPOLLIN)
        return leg

    def connect(self, leg: Leg, remote: Remote, now: float) -> None:
        """Raises `BadRemote`, `OSError`; see `Leg.connect`."""
        first = leg.remote is None
        was_locked = leg.locked
        leg.connect(remote, now)
        leg.stop_relaying_to()
        leg.relay_to = None
        if was_locked and not leg.locked:
            self._learning[leg.fd] = self._locked.pop(leg.fd)
        if not leg.locked and leg.connected_at == now:
            self._agenda.add(now + LEARNING_WINDOW_S, lambda due, present: self._window_ends(leg, due, present))
        if first:
            self._agenda.add(now + _MEASURE_S, lambda due, present: self._measure(leg, due, present))
        self._fill(leg, now)

    def _window_ends(self, leg: Leg, due: float, now: float) -> float | None:
        if leg.gone or leg.locked or leg.address is None or due < leg.connected_at + LEARNING_WINDOW_S:
            return None
        try:
            leg.lock(leg.learned or leg.address)
        except OSError:
            leg.dropped += 1  # unreachable now; the next connect may be better
            return None
        self._settle(leg, now)
        return None

    def bridge(self, left: Leg, right: Leg, now: float) -> None:
        if left.peer is right:
            return
        for leg in (left, right):
            self.unbridge(leg, now)
        left.peer, right.peer = right, left

    def unbridge(self, leg: Leg, now: float) -> None:
        peer = leg.peer
        leg.leave_bridge()
        for each in (leg, peer):
            if each is not None:
                self._fill(each, now)

    def play(self, leg: Leg, sound: tones.Sound, now: float) -> None:
        leg.stop_relaying_to()
        leg.play(sound)
        self._speak(leg, now)

    def stop_playing(self, leg: Leg, now: float) -> None:
        leg.playing = None
        self._fill(leg, now)

    def send_digits(self, leg: Leg, digits: str, now: float) -> None:
        """Raises `ValueError`."""
        leg.digits.queue(digits)
        leg.stop_relaying_to()
        self._speak(leg, now)

    def close_leg(self, leg: Leg, now: float) -> None:
        self.taps.leg_closes(leg, now)
        self.unbridge(leg, now)
        self._learning.pop(leg.fd, None)
        self._locked.pop(leg.fd, None)
        self._epoll.unregister(leg.fd)
        leg.close()

    # What is sent each 20 ms, and told each second.

    def _fill(self, leg: Leg, now: float) -> None:
        """Send silence until there is something better."""
        if leg.can_send and not leg.gone and not (leg.peer is not None and leg.peer.relay_to is leg):
            leg.filling = True
            self._speak(leg, now)

    def _speak(self, leg: Leg, now: float) -> None:
        if not leg.speaking:
            leg.speaking = True
            self._agenda.add(now, lambda due, present: self._speak_frame(leg, due, present))

    def _speak_frame(self, leg: Leg, due: float, now: float) -> float | None:
        if leg.gone or not leg.can_send:
            leg.speaking = False
            return None
        if not leg.digits.idle:
            event = leg.digits.step()
            if event is not None:
                leg.write_event(event, due)
            leg.filling = True
        elif leg.playing is not None:
            frame = next(leg.playing, None)
            leg.filling = True
            if frame is None:
                leg.playing = None
                frame = tones.silence_frame(leg.codec_out)
            leg.write_audio(frame, due)
        elif leg.filling:
            leg.write_audio(tones.silence_frame(leg.codec_out), due)
        else:
            leg.speaking = False
            return None
        return due + rtp.FRAME_S if now - due < _FALLEN_BEHIND_S else now + rtp.FRAME_S

    def _measure(self, leg: Leg, due: float, now: float) -> float | None:
        if leg.gone:
            return None
        if leg.track is not None:
            level = leg.track.level_dbov
        else:
            level = level_dbov(g711.decode(b"".join(leg.heard), leg.codec_in))
            leg.heard.clear()
        reception = leg.reception
        self._told.measured(
            Measured(leg.name, level, reception.received, reception.lost, reception.jitter_ms, leg.dropped)
        )
        if now - leg.out_at > _QUIET_S:
            leg.stop_relaying_to()
            self._fill(leg, now)
        return max(due + _MEASURE_S, now)
