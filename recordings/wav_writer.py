"""A WAV file that is readable at every moment while it grows, and after its writer was killed.

The two sizes in the header are rewritten with every block, after the samples that they count: whoever opens the file
between two blocks, or after a SIGKILL, finds a whole file that lacks only the block that was not yet written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recordings.disk import in_words
from recordings.errors import RecordingStopped

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
HEADER_BYTES = _HEADER.size
_BYTES_A_SAMPLE = 2
_PCM = 1
_LONGEST_BYTES = 0xFFFFFFFF - HEADER_BYTES


class WavWriter:
    """16-bit PCM. Blocks may overwrite the end of what was written before, for packets that came late.

    Every method but `close` raises `RecordingStopped`; the file then still holds every block written before.
    """

    def __init__(self, path: Path, *, rate: int = 8000, channels: int = 2) -> None:
        """Create `path`, which must not exist: a recording is never overwritten."""
        self.path = path
        self.frames = 0
        self._rate = rate
        self._channels = channels
        self._frame_bytes = channels * _BYTES_A_SAMPLE
        try:
            self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise self._stopped(error) from error
        try:
            self._write(self._header(0), 0)
        except RecordingStopped:
            self.abandon()
            path.unlink(missing_ok=True)
            raise

    def write(self, at_frame: int, samples: npt.NDArray[np.int16]) -> None:
        """Put `samples` (frames x channels, or flat interleaved) at `at_frame`, which is at most `frames`."""
        if at_frame > self.frames:
            raise ValueError(f"a block at frame {at_frame} would leave a hole after frame {self.frames}")
        end = at_frame + samples.size // self._channels
        if end * self._frame_bytes > _LONGEST_BYTES:
            raise self._stopped(OSError(errno.EFBIG, os.strerror(errno.EFBIG)))
        self._write(samples.data, HEADER_BYTES + at_frame * self._frame_bytes)
        if end > self.frames:
            self._write(self._header(end), 0)
            self.frames = end

    def close(self) -> None:
        """Close the file. May be called again. Raises `RecordingStopped` when the disk refuses the last blocks now."""
        if self._file < 0:
            return
        file, self._file = self._file, -1
        try:
            os.close(file)
        except OSError as error:
            raise self._stopped(error) from error

    def abandon(self) -> None:
        """Close after a failure, without the rest of a block that the disk took only in part."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, HEADER_BYTES + self.frames * self._frame_bytes)
        with contextlib.suppress(RecordingStopped):
            self.close()

    @property
    def closed(self) -> bool:
        return self._file < 0

    def _write(self, block: bytes | memoryview, at: int) -> None:
        view = memoryview(block).cast("B")
        try:
            done = os.pwrite(self._file, view, at)
            while done < len(view):  # a nearly full disk takes a part first and refuses then
                done += os.pwrite(self._file, view[done:], at + done)
        except OSError as error:
            raise self._stopped(error) from error

    def _header(self, frames: int) -> bytes:
        sound_bytes = frames * self._frame_bytes
        return _HEADER.pack(
            b"RIFF",
            HEADER_BYTES - 8 + sound_bytes,
            b"WAVE",
            b"fmt ",
            16,
            _PCM,
            self._channels,
            self._rate,
            self._rate * self._frame_bytes,
            self._frame_bytes,
            8 * _BYTES_A_SAMPLE,
            b"data",
            sound_bytes,
        )

    def _stopped(self, error: OSError) -> RecordingStopped:
        return RecordingStopped("file.not_written", path=str(self.path), reason=in_words(error))
