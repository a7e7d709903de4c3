"""The parent's side of the media workers: starts the processes, speaks to them over a socket pair, restarts the dead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class MediaError(Exception):
    """The media part could not do what was asked."""


class NoPortFree(MediaError):
    """No RTP port of the configured range is free."""


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """`host` is the address bound for RTP, `first_port`..`last_port` the range (0, 0: any free port)."""

    host: str = "127.0.0.1"
    first_port: int = 0
    last_port: int = 0
    workers: int = 1


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Where a leg receives: goes into our SDP."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class RemoteMedia:
    """What the far end's SDP said. `payload_type` and `dtmf_payload_type` are the numbers it wants to receive;
    `we_send`/`we_receive` from the direction attribute (a leg that does not send still receives)."""

    host: str
    port: int
    codec: str  # "PCMA" | "PCMU"
    payload_type: int
    dtmf_payload_type: int | None
    we_send: bool = True
    we_receive: bool = True


@dataclass(frozen=True, slots=True)
class DigitReceived:
    leg: str
    digit: str


@dataclass(frozen=True, slots=True)
class LegMeasured:
    """Once a second for each connected leg; the fields as in `dialer.telephony.LegLevels`."""

    leg: str
    level_dbov: float
    received: int
    lost: int
    jitter_ms: float


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """A recording ended by itself: disk full, I/O error. The legs stay bridged."""

    leg: str
    path: Path
    frames: int
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker process died; its legs are gone. A new worker has been started."""

    legs: tuple[str, ...]


MediaEvent = DigitReceived | LegMeasured | RecordingStopped | WorkerDied


@dataclass(frozen=True, slots=True)
class RecordingSummary:
    path: Path
    frames: int
    failure: str = ""


class MediaController:
    """Owner of the worker processes. All methods run in the event loop; unknown or closed legs are ignored."""

    def __init__(self, config: MediaConfig, on_event: Callable[[MediaEvent], None]) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        """Closes recordings properly, ends the workers. Safe to call twice."""
        raise NotImplementedError

    @property
    def worker_pids(self) -> tuple[int, ...]:
        raise NotImplementedError

    async def open_leg(self, leg: str, *, beside: str | None = None) -> LocalMedia:
        """Give `leg` a port, on the worker of leg `beside` if given. Raises `NoPortFree`, `MediaError`."""
        raise NotImplementedError

    async def connect_leg(self, leg: str, remote: RemoteMedia) -> None:
        """Tell the worker where `leg` sends to; may be called again (early media, re-INVITE)."""
        raise NotImplementedError

    async def bridge(self, left: str, right: str) -> None:
        raise NotImplementedError

    async def unbridge(self, leg: str) -> None:
        raise NotImplementedError

    async def start_recording(self, left: str, right: str, path: Path) -> None:
        """Two channels: what arrives from `left` and from `right`. Raises `MediaError` with the reason in words."""
        raise NotImplementedError

    async def stop_recording(self, leg: str) -> RecordingSummary | None:
        raise NotImplementedError

    async def play(self, leg: str, sound: str) -> None:
        """`sound`: a value of `dialer.telephony.Sound`, or the path of an 8 kHz mono 16-bit WAV played once."""
        raise NotImplementedError

    async def stop_playing(self, leg: str) -> None:
        raise NotImplementedError

    async def send_digits(self, leg: str, digits: str) -> None:
        raise NotImplementedError

    async def close_leg(self, leg: str) -> None:
        """Stops a recording of its bridge, frees the port."""
        raise NotImplementedError
