"""The relay: packets from every leg to its peer, with what is heard, played and recorded on the way.

One thread, one epoll, one connected socket for each leg; `traffic.Traffic` sees the packets, this module decides who
hears whom and what is sent besides.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from dialer.media import rtp, tones
from dialer.media.agenda import Agenda
from dialer.media.board import Board
from dialer.media.leg import LEARNING_WINDOW_S, Leg, Remote
from dialer.media.reports import Reports, next_interval_s
from dialer.media.silence import Silence
from dialer.media.taps import Summary, Taps
from dialer.media.traffic import BATCH, Traffic

_LONGEST_WAIT_S = 3600.0
_ROUND_S = 0.001
"""Packets are collected for so long: a batch costs little more than one packet, and nobody hears a millisecond."""
_SHORTEST_REST_S = 0.0002
_MEASURE_S = 1.0
_REPORT_S = 0.05  # figures of several legs go to the parent together
_QUIET_S = 0.5  # a leg that was sent nothing for so long gets silence: NAT bindings and headsets stay alive
_FALLEN_BEHIND_S = 0.2


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
    measured: Callable[[list[Measured]], None]
    recording_stopped: Callable[[str, Summary], None]


class Relay:
    """The legs of one worker."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._epoll = select.epoll()
        self._agenda = Agenda()
        self._board = Board()
        self._traffic = Traffic(self._board, told.digit)
        self._silence = Silence(self._board, self._agenda)
        self.taps = Taps(self._agenda, told.recording_stopped)
        self._others: dict[int, Callable[[int], None]] = {}
        self._measured: list[Measured] = []
        self._reports: dict[Leg, Reports] = {}
        self._stopping = False

    # The loop.

    def watch(self, fd: int, ready: Callable[[int], None], mask: int = select.EPOLLIN) -> None:
        """Call `ready(events)` when `fd` is."""
        if fd in self._others:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)
            self._traffic.cover(fd)
        self._others[fd] = ready

    def run(self) -> None:
        """Until `stop`."""
        poll, agenda, serve = self._epoll.poll, self._agenda, self._traffic.serve
        while not self._stopping:
            wait_s = agenda.next_due - time.monotonic()
            events = poll(-1 if wait_s > _LONGEST_WAIT_S else max(wait_s, 0), BATCH)
            now = time.monotonic()
            while agenda.next_due <= now:
                agenda.run_next(now)
                if time.monotonic() - now > _ROUND_S:
                    break  # packets need not wait for all of them
            if not events:
                continue
            for fd, mask in serve(events, now):
                if fd in self._others:  # else: a leg that an earlier task of this round closed
                    self._others[fd](mask)
            rest_s = now + _ROUND_S - time.monotonic()
            if rest_s > _SHORTEST_REST_S and not self._stopping:
                time.sleep(rest_s)

    def stop(self) -> None:
        self._stopping = True

    def close(self) -> None:
        """Close every recording and socket."""
        self.taps.close_all(time.monotonic())
        for reports in self._reports.values():
            reports.close(time.monotonic())
        for leg in self._board.legs:
            if leg is not None:
                leg.close()
        self._epoll.close()

    # What the parent asks for.

    def open(self, name: str, sock: socket.socket) -> Leg:
        leg = Leg(name, sock, self._board)
        self._traffic.add(leg)
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
            self._traffic.add(leg)
        if not leg.locked and leg.connected_at == now:
            self._traffic.discard(leg)
            self._agenda.add(now + LEARNING_WINDOW_S, lambda due, present: self._window_ends(leg, due, present))
        if first:
            self._agenda.add(now + _MEASURE_S, lambda due, present: self._measure(leg, due, present))
            first_s = next_interval_s(first=True)
            self._agenda.add(now + first_s, lambda due, present: self._report_to_far_end(leg, present))
        self._fill(leg, now)

    def _window_ends(self, leg: Leg, due: float, now: float) -> float | None:
        if leg.gone or leg.locked or leg.address is None or due < leg.connected_at + LEARNING_WINDOW_S:
            return None
        try:
            leg.lock(leg.learned or leg.address)
        except OSError:
            leg.dropped += 1  # unreachable now; the next connect may be better
            return None
        self._traffic.guard(leg, now)
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
        self._traffic.remove(leg)
        self._epoll.unregister(leg.fd)
        reports = self._reports.pop(leg, None)
        if reports is not None:
            reports.close(now)
        leg.close()

    # What is sent each 20 ms, and told each second.

    def _fill(self, leg: Leg, now: float) -> None:
        """Send silence until there is something better."""
        heard = leg.peer is not None and leg.peer.relay_to is leg
        if leg.can_send and not (leg.gone or leg.busy or heard):
            self._silence.begin(leg, now)

    def _speak(self, leg: Leg, now: float) -> None:
        leg.filling = False
        if not leg.speaking:
            leg.speaking = True
            self._agenda.add(now, lambda due, present: self._speak_frame(leg, due, present))

    def _speak_frame(self, leg: Leg, due: float, now: float) -> float | None:
        if leg.gone or not leg.can_send or not leg.busy:
            leg.speaking = False
            self._fill(leg, now)
            return None
        if not leg.digits.idle:
            event = leg.digits.step()
            if event is not None:
                leg.write_event(event, due)
        else:
            leg.write_audio(leg.next_played() or tones.silence_frame(leg.codec_out), due)
        return due + rtp.FRAME_S if now - due < _FALLEN_BEHIND_S else now + rtp.FRAME_S

    def _measure(self, leg: Leg, due: float, now: float) -> float | None:
        if leg.gone:
            return None
        leg.settle_reception()
        level = leg.take_level()
        reception = leg.reception
        if not self._measured:
            self._agenda.add(now + _REPORT_S, self._report)
        self._measured.append(
            Measured(leg.name, level, reception.received, reception.lost, reception.jitter_ms, leg.dropped)
        )
        if now - leg.last_sent_at > _QUIET_S:
            leg.stop_relaying_to()
            self._fill(leg, now)
        return max(due + _MEASURE_S, now)

    def _report_to_far_end(self, leg: Leg, now: float) -> float | None:
        if leg.gone:
            return None
        reports = self._reports.get(leg)
        if reports is None:
            reports = self._reports[leg] = Reports(leg)
        reports.send(now)
        return now + next_interval_s()

    def _report(self, due: float, now: float) -> None:
        measured, self._measured = self._measured, []
        self._told.measured(measured)
