"""One call's two voices, put in their places while it lasts and written about once a second.

Places come from RTP timestamps, so loss leaves silence, reordered packets fall where they belong and doubled ones
change nothing. The arrival of a channel's first packet says where its timestamps lie on the recording's clock; when
they jump, arrival says so again. A sender whose clock runs fast or slow is followed sample by sample.

Packets are kept as they came in a ring for each channel and decoded in one go: single frames would cost ten times as
much. Nothing here reads a clock; `arrived_s` and `now_s` are seconds of one monotonic clock.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recordings.errors import RecordingStopped
from recordings.wav_writer import WavWriter

Samples = npt.NDArray[np.int16]
DecodeTables = Mapping[str, Samples]
"""For each codec name 256 samples, indexed by the code."""

RATE_HZ = 8000
FLUSH_INTERVAL_S = 0.9
"""Below a second, so that a writer which is killed a little late still loses less than one."""

SILENCE_DBOV = -127.0

_RING = 5 * RATE_HZ
_BEHIND = 2 * RATE_HZ  # how long a late packet still finds its place
_AHEAD = _RING - _BEHIND
_LONGEST_PAYLOAD = 2048
_FURTHEST_OFFSET = _AHEAD - _LONGEST_PAYLOAD
_LONGEST_BLOCK = 2 * RATE_HZ
_LATEST = float(RATE_HZ)  # samples: a packet this late belongs to a stream that stood still, or to a burst
_EARLIEST = -RATE_HZ / 4  # no packet overtakes the clock: an earlier one belongs to a stream that jumped
_WRAP = 0xFFFFFFFF
_COUNT = np.arange(_RING, dtype=np.uint32)
_SIGN = 0x80000000

_FIRST_TOLERANCE = 40  # 5 ms: how far the first packet's delay may lie off the best one of its window
_TOLERANCE = 80  # 10 ms: drift that is left alone
_JUMP = 240  # 30 ms: more than that is no drift
_STEP = 4  # samples for each window, about 550 ppm
_WINDOWS = 4
_FRESH_WINDOWS = 2  # the first may have begun just before its end
# Without the wrappers of numpy's methods, which cost more than the work.
_least_of, _most_of, _all_of = np.minimum.reduce, np.maximum.reduce, np.logical_and.reduce
_IDLE_LEVEL = 8.5  # the smallest A-law value is 8


@functools.cache
def _recode_table(old: bytes, new: bytes) -> bytes:
    """Codes of one codec as the nearest codes of another; both given as the bytes of their decode tables."""
    have = np.frombuffer(old, np.int16).astype(np.int32)
    want = np.frombuffer(new, np.int16).astype(np.int32)
    nearest: npt.NDArray[np.uint8] = np.abs(have[:, None] - want[None, :]).argmin(axis=1).astype(np.uint8)
    return nearest.tobytes()


def level_dbov(samples: Samples) -> float:
    """RMS in dB relative to full scale; `SILENCE_DBOV` for what is no louder than an idle codec."""
    if not samples.size:
        return SILENCE_DBOV
    wide = samples.astype(np.float32)
    rms = math.sqrt(float(np.dot(wide, wide)) / samples.size)
    return 20 * math.log10(rms / 32768) if rms > _IDLE_LEVEL else SILENCE_DBOV


class Track:
    """One channel: packets in, samples of a stretch of time out. The ring's origin is `written`, the recording's frame
    up to which the file has been written."""

    __slots__ = (
        "_anchored_at",
        "_base_s",
        "_base_timestamp",
        "_codes",
        "_decode",
        "_end",
        "_fresh",
        "_idle",
        "_least_late",
        "_origin",
        "_ring",
        "_tables",
        "_windows",
        "codec",
        "late_by",
        "level_dbov",
        "written",
    )

    def __init__(self, tables: DecodeTables, started_s: float) -> None:
        self._tables = tables
        self.codec = next(iter(tables))
        self._decode = tables[self.codec]
        self._idle = self._idle_code()
        self._ring = bytearray([self._idle]) * _RING
        self._codes = np.frombuffer(self._ring, np.uint8)  # the same bytes
        self.written = 0
        self._origin = 0  # where in the ring `written` lies
        self._base_timestamp = 0  # the RTP timestamp that lies at `written`
        self._base_s = started_s  # the time that lies at `written`
        self._least_late = math.inf  # samples; the least delay since the last block, relative to the anchor
        self._windows: deque[float] | None = None  # None: no anchor
        self._fresh = 0  # for how many windows more the anchor may be wrong by the first packet's own delay
        self._anchored_at = 0  # the frame where the present anchor begins
        self._end = -1  # offset after the newest packet since the last block, -1: none came
        self.late_by = 0  # samples before `written` that must be written again
        self.level_dbov = SILENCE_DBOV

    def push(self, timestamp: int, payload: bytes | bytearray | memoryview, arrived_s: float) -> None:
        """Put `payload` (codes of `codec`, at most 2048) in its place."""
        offset = (timestamp - self._base_timestamp) & _WRAP
        late = (arrived_s - self._base_s) * RATE_HZ - offset
        if offset > _FURTHEST_OFFSET or late > _LATEST or late < _EARLIEST or self._windows is None:
            offset = self._find_place(offset, timestamp, arrived_s)
            late = (arrived_s - self._base_s) * RATE_HZ - offset
        if late < self._least_late:
            self._least_late = late
        self._put(offset, payload)

    def push_many(
        self,
        timestamps: npt.NDArray[np.uint32],
        payloads: npt.NDArray[np.uint8],
        lengths: npt.NDArray[np.uint16],
        arrived_s: npt.NDArray[np.float64],
    ) -> None:
        """As `push` for each row of `payloads` in turn, of which the first `lengths` bytes count.

        Packets that follow one another without a gap are taken in one go, also when they come late in a burst.
        """
        if self._windows is None:
            self._anchor_on(timestamps, arrived_s)
        follows = (timestamps[1:] - timestamps[:-1] == lengths[:-1]) & (lengths[1:] == lengths[:-1])
        if _all_of(follows):
            self._push_run(timestamps, payloads, lengths, arrived_s)
            return
        held_up = self._were_held_up(timestamps, arrived_s)
        ends = [*(np.flatnonzero(~follows) + 1).tolist(), len(timestamps)]
        begin = 0
        for end in ends:
            run = slice(begin, end)
            self._push_run(timestamps[run], payloads[run], lengths[run], arrived_s[run], held_up=held_up)
            begin = end

    def _push_run(
        self,
        timestamps: npt.NDArray[np.uint32],
        payloads: npt.NDArray[np.uint8],
        lengths: npt.NDArray[np.uint16],
        arrived_s: npt.NDArray[np.float64],
        *,
        held_up: bool | None = None,
    ) -> None:
        """Packets of one size that follow one another; `held_up` `None`: it is to be found out."""
        size, total = int(lengths[0]), int(lengths[0]) * len(payloads)
        offset = (int(timestamps[0]) - self._base_timestamp) & _WRAP
        late = (arrived_s - (self._base_s + offset / RATE_HZ)) * RATE_HZ - _COUNT[: len(payloads)] * np.uint32(size)
        least_late, most_late = float(_least_of(late)), float(_most_of(late))
        if offset + total <= _FURTHEST_OFFSET and least_late >= _EARLIEST and most_late <= _LATEST:
            self._least_late = min(self._least_late, least_late)
            self._put_rows(offset, payloads[:, :size])
        elif self._were_held_up(timestamps, arrived_s) if held_up is None else held_up:
            self._put_held_up(offset, payloads[:, :size], arrived_s)
        else:
            for timestamp, payload, arrived in zip(timestamps, payloads, arrived_s, strict=True):
                self.push(int(timestamp), payload[:size].tobytes(), float(arrived))

    def _were_held_up(self, timestamps: npt.NDArray[np.uint32], arrived_s: npt.NDArray[np.float64]) -> bool:
        """Whether the late ones among these come faster than they were spoken: somebody on the way, or this process,
        stood still. A sender that stood still itself goes on at its pace, and is placed by arrival."""
        offsets = (timestamps - np.uint32(self._base_timestamp)).view(np.int32).astype(np.float64)
        late = (arrived_s - self._base_s) * RATE_HZ - offsets
        (too_late,) = np.nonzero(late > _LATEST)
        if not too_late.size or float(late.min()) < _EARLIEST:
            return False
        first = int(too_late[0])
        spoken = offsets[-1] - offsets[first]
        return bool(late[first] - late[-1] >= spoken / 2)

    def _put_held_up(self, offset: int, payloads: npt.NDArray[np.uint8], arrived_s: npt.NDArray[np.float64]) -> None:
        """To their places by timestamp, however late; what is too old to be written again is lost."""
        size = payloads.shape[1]
        if offset >= _SIGN:
            offset -= _WRAP + 1
            lost = min(max(-(-(-offset - _BEHIND) // size), 0), len(payloads))
            offset, payloads, arrived_s = offset + lost * size, payloads[lost:], arrived_s[lost:]
        kept = min((_FURTHEST_OFFSET - offset) // size, len(payloads))
        if kept <= 0:
            return
        self.late_by = max(self.late_by, -offset)
        late = (arrived_s[:kept] - (self._base_s + offset / RATE_HZ)) * RATE_HZ - _COUNT[:kept] * np.uint32(size)
        self._least_late = min(self._least_late, float(_least_of(late)))
        self._put_rows(offset, payloads[:kept])

    def _put_rows(self, offset: int, payloads: npt.NDArray[np.uint8]) -> None:
        """One after the other, from `offset` on."""
        total = payloads.size
        start = (self._origin + offset) % _RING
        if start + total <= _RING:
            self._end = max(self._end, offset + total)
            self._codes[start : start + total].reshape(payloads.shape)[:] = payloads
        else:
            self._put(offset, payloads.tobytes())

    def _put(self, offset: int, payload: bytes | bytearray | memoryview) -> None:
        end = offset + len(payload)
        if end > self._end:
            self._end = end
        start = (self._origin + offset) % _RING
        end = start + len(payload)
        if end <= _RING:
            self._ring[start:end] = payload
        else:
            self._ring[start:] = payload[: _RING - start]
            self._ring[: end - _RING] = payload[_RING - start :]

    def _find_place(self, offset: int, timestamp: int, arrived_s: float) -> int:
        """The offset of a packet that is late, or whose timestamp says nothing (first packet, jump)."""
        now = (arrived_s - self._base_s) * RATE_HZ
        if self._windows is not None and offset >= _SIGN:
            behind = (_WRAP + 1) - offset
            if behind <= _BEHIND and now + behind <= _LATEST:
                self.late_by = max(self.late_by, behind)
                return -behind
        place = min(round(now), _FURTHEST_OFFSET)
        self._anchor(timestamp, place)
        return place

    def _anchor(self, timestamp: int, place: int) -> None:
        self._base_timestamp = (timestamp - place) & _WRAP
        self._windows = deque(maxlen=_WINDOWS)
        self._least_late = math.inf
        self._fresh = _FRESH_WINDOWS
        self._anchored_at = self.written + place

    def _anchor_on(self, timestamps: npt.NDArray[np.uint32], arrived_s: npt.NDArray[np.float64]) -> None:
        """Anchor a stream's first packets on the one that was delayed least, which need not be the very first."""
        after_first = (timestamps - timestamps[0]).astype(np.int64)
        late = (arrived_s - arrived_s[0]) * RATE_HZ - after_first
        least_late = float(late[late > _EARLIEST].min())  # the first itself is late by 0
        now = (float(arrived_s[0]) - self._base_s) * RATE_HZ
        self._anchor(int(timestamps[0]), max(min(round(now + least_late), _FURTHEST_OFFSET), -_BEHIND))

    def restart(self) -> None:
        """The sender began anew (another SSRC): the next packet's arrival is its place."""
        self._windows = None

    def use_codec(self, codec: str) -> None:
        """What is pushed from now on is of `codec`; what still lies in the ring is recoded. Raises `KeyError`."""
        decode = self._tables[codec]
        if decode is self._decode:
            return
        self._codes[:] = np.frombuffer(_recode_table(self._decode.tobytes(), decode.tobytes()), np.uint8)[self._codes]
        self.codec, self._decode = codec, decode
        self._idle = self._idle_code()

    def _idle_code(self) -> int:
        magnitudes = np.abs(self._decode.astype(np.int32) - 0.25)  # of +x and -x the positive one
        return int(magnitudes.argmin())

    @property
    def newest_end(self) -> int:
        """The frame after the newest packet, at least `written`."""
        return self.written + max(self._end, 0)

    def stretch(self, behind: int, count: int) -> Samples:
        """`count` samples from `behind` samples before `written`, and the level of them."""
        if self._end < 0 and not self.late_by:
            self.level_dbov = SILENCE_DBOV
            if behind == 0:
                return np.zeros(count, np.int16)
        start = (self._origin - behind) % _RING
        codes = self._codes[start : start + count]
        if start + count > _RING:
            codes = np.concatenate([codes, self._codes[: start + count - _RING]])
        samples = self._decode.take(codes, mode="wrap")  # no code is out of bounds, and this mode looks for none
        if self._end >= 0:
            self.level_dbov = level_dbov(samples)
        return samples

    def advance(self, count: int) -> None:
        """The file holds `count` samples more: forget what is too old to be corrected, follow the sender's clock."""
        forget = (self._origin - _BEHIND) % _RING
        end = forget + count
        self._codes[forget:end] = self._idle
        self._codes[: max(end - _RING, 0)] = self._idle
        self.written += count
        self._origin = (self._origin + count) % _RING
        self._base_timestamp = (self._base_timestamp + count) & _WRAP
        self._base_s += count / RATE_HZ
        self._end = self._end - count if self._end > count else -1
        self.late_by = 0

    def _move_back(self, samples: int) -> None:
        """Put everything since the anchor `samples` earlier, also what has been written already."""
        start = max(self._anchored_at - self.written, samples - _BEHIND)
        if self._end <= start:
            return
        places = (self._origin + np.arange(start, self._end)) % _RING
        codes = self._codes[places]
        self._codes[places[-samples:]] = self._idle
        self._codes[places - samples] = codes
        self._anchored_at -= samples
        self._end -= samples
        self.late_by = max(self.late_by, samples - start)

    def follow_clock(self) -> None:
        """Move the anchor when the least delay of the last windows says that the sender's clock is another.

        To be called before a block is written.
        """
        least, self._least_late = self._least_late, math.inf
        windows = self._windows
        if windows is None or least == math.inf:
            return
        windows.append(least)
        shift = 0
        if self._fresh:
            self._fresh -= 1
            if least < -_FIRST_TOLERANCE:
                shift = round(least)
                self._move_back(-shift)
        elif len(windows) == _WINDOWS:
            drift = min(windows)
            if abs(drift) > _JUMP:
                shift = round(drift)
            elif abs(drift) > _TOLERANCE:
                excess = min(math.ceil(abs(drift) - _TOLERANCE), _STEP)
                shift = excess if drift > 0 else -excess
        if shift:
            self._shift(shift)

    def _shift(self, samples: int) -> None:
        """Place what comes from now on `samples` later; a short gap repeats the last sample, which makes no click."""
        self._base_timestamp = (self._base_timestamp - samples) & _WRAP
        assert self._windows is not None
        self._windows = deque((late - samples for late in self._windows), _WINDOWS)
        if 0 < samples <= _STEP and self._end > 0:
            for at in range(self._end, self._end + samples):
                self._ring[(self._origin + at) % _RING] = self._ring[(self._origin + at - 1) % _RING]


class CallRecorder:
    """Two tracks into one file. Errors of the disk come out of `tick` and `close` as `RecordingStopped`."""

    def __init__(self, path: Path, *, tables: DecodeTables, started_s: float) -> None:
        """Create the file; frame 0 is `started_s`. Raises `RecordingStopped`."""
        self.path = path
        self.tracks = (Track(tables, started_s), Track(tables, started_s))
        self._started_s = started_s
        self._writer = WavWriter(path, rate=RATE_HZ, channels=2)

    @property
    def frames(self) -> int:
        """How many frames the file holds."""
        return self._writer.frames

    @property
    def levels_dbov(self) -> tuple[float, float]:
        """Of the last block, left and right."""
        left, right = self.tracks
        return left.level_dbov, right.level_dbov

    def push(self, channel: int, rtp_timestamp: int, payload: bytes | memoryview, codec: str, arrived_s: float) -> None:
        """Put one packet of channel 0 (left) or 1 (right) in its place. Raises `KeyError` for an unknown codec."""
        track = self.tracks[channel]
        if codec != track.codec:
            track.use_codec(codec)
        track.push(rtp_timestamp, payload, arrived_s)

    def tick(self, now_s: float) -> None:
        """Write everything up to now. To be called each `FLUSH_INTERVAL_S`.

        Raises `RecordingStopped`; the file is closed then, with what was written before.
        """
        self._write_up_to(round((now_s - self._started_s) * RATE_HZ))

    def close(self, now_s: float) -> int:
        """Write up to now and to the end of the newest packets, close the file; how many frames it holds.

        May be called again. Raises `RecordingStopped` as `tick` does.
        """
        if not self._writer.closed:
            end = max(round((now_s - self._started_s) * RATE_HZ), *(track.newest_end for track in self.tracks))
            self._write_up_to(end)
            self._writer.close()
        return self.frames

    def _write_up_to(self, end: int) -> None:
        left, right = self.tracks
        left.follow_clock()
        right.follow_clock()
        while (count := min(end - left.written, _LONGEST_BLOCK)) > 0:
            behind = min(max(left.late_by, right.late_by), left.written)
            block = np.empty((behind + count, 2), np.int16)
            block[:, 0] = left.stretch(behind, behind + count)
            block[:, 1] = right.stretch(behind, behind + count)
            try:
                self._writer.write(left.written - behind, block)
            except RecordingStopped:
                self._writer.abandon()
                raise
            left.advance(count)
            right.advance(count)
