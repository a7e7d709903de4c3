"""Recordings of bridges inside a worker: which legs are recorded into which file, and when blocks are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dialer.media import g711
from dialer.media.agenda import Agenda
from dialer.media.leg import Leg
from recordings.errors import RecordingStopped
from recordings.recorder import FLUSH_INTERVAL_S, CallRecorder

_GOLDEN = 0.6180339887  # successive multiples of it spread evenly over the interval, however many calls there are


@dataclass(frozen=True, slots=True)
class Summary:
    """A recording that is over; `failure` in words, "" if none."""

    path: str
    frames: int
    failure: str = ""


class AlreadyRecorded(Exception):
    """One of the legs is being recorded already."""


@dataclass(slots=True, eq=False)
class _Tap:
    recorder: CallRecorder
    left: Leg
    right: Leg
    over: Summary | None = None


class Taps:
    """All recordings of a worker. `on_stopped(name of the right leg, summary)` is called for one that ended by
    itself."""

    def __init__(self, agenda: Agenda, on_stopped: Callable[[str, Summary], None]) -> None:
        self._agenda = agenda
        self._on_stopped = on_stopped
        self._taps: dict[Leg, _Tap] = {}
        self._phase = 0.0

    def start(self, left: Leg, right: Leg, path: str, now: float) -> None:
        """Record what arrives from `left` and `right`. Raises `RecordingStopped`, `AlreadyRecorded`."""
        for leg in (left, right):
            tap = self._taps.get(leg)
            if tap is not None and tap.over is None:
                raise AlreadyRecorded(f"leg {leg.name} is being recorded into {tap.recorder.path}")
        tap = _Tap(CallRecorder(Path(path), tables=g711.DECODE, started_s=now), left, right)
        for leg, track in zip((left, right), tap.recorder.tracks, strict=True):
            self._taps[leg] = tap
            track.use_codec(leg.codec_in)
            leg.drain_log()  # of what came before, which is not recorded
            leg.track = track
        self._phase = (self._phase + _GOLDEN) % 1

        def write_block(due: float, present: float) -> float | None:
            return self._write_block(tap, due, present)

        self._agenda.add(now + self._phase * FLUSH_INTERVAL_S, write_block)

    def _write_block(self, tap: _Tap, due: float, now: float) -> float | None:
        if tap.over is not None:
            return None
        try:
            self._drain(tap)
            tap.recorder.tick(now)
        except RecordingStopped as error:
            self._on_stopped(tap.right.name, self._fail(tap, error))
            return None
        return max(due + FLUSH_INTERVAL_S, now)

    def stop(self, leg: Leg, now: float) -> Summary | None:
        """Close the recording of `leg`; also tells of one that ended before, once. None if there was none."""
        tap = self._taps.get(leg)
        if tap is None:
            return None
        self._end(tap, now)
        for each in (tap.left, tap.right):
            if self._taps.get(each) is tap:
                del self._taps[each]
        return tap.over

    def leg_closes(self, leg: Leg, now: float) -> None:
        """Close the recording of `leg`, whose other leg can still ask for the summary."""
        tap = self._taps.pop(leg, None)
        if tap is not None:
            self._end(tap, now)

    def close_all(self, now: float) -> None:
        for tap in list(self._taps.values()):
            self._end(tap, now)
        self._taps.clear()

    @staticmethod
    def _drain(tap: _Tap) -> None:
        for leg in (tap.left, tap.right):
            if not leg.gone:
                leg.drain_log()

    def _end(self, tap: _Tap, now: float) -> None:
        if tap.over is not None:
            return
        try:
            self._drain(tap)
            frames = tap.recorder.close(now)
        except RecordingStopped as error:
            self._fail(tap, error)
        else:
            self._over(tap, Summary(str(tap.recorder.path), frames))

    def _fail(self, tap: _Tap, error: RecordingStopped) -> Summary:
        return self._over(tap, Summary(str(tap.recorder.path), tap.recorder.frames, str(error.params["reason"])))

    def _over(self, tap: _Tap, summary: Summary) -> Summary:
        tap.over = summary
        for leg, track in zip((tap.left, tap.right), tap.recorder.tracks, strict=True):
            if leg.track is track:
                leg.track = None
                leg.level_dbov = track.level_dbov
        return summary
