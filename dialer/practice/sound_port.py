"""RTP of one practice call on an asyncio datagram socket: tens of calls, no more (`dialer.media` is for hundreds)."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from dialer.media import g711, rtp
from dialer.media.dtmf import DigitReceiver
from dialer.sip.sdp import RemoteAudio

Frames = Iterator[bytes | None]
"""A frame of 160 G.711 codes for each 20 ms; `None` sends nothing."""

_LATEST_S: Final = 0.2  # when the process was held up for longer, the frames of that time are left out
_HEARD_FRAMES: Final = 50


class SoundPort(asyncio.DatagramProtocol):
    """Receives from the start; sends once `connect` has said where to."""

    def __init__(self) -> None:
        self.packets_in = 0
        self.packets_out = 0
        self.muted = False
        self.on_digit: Callable[[str], None] | None = None
        self._heard: deque[bytes] = deque(maxlen=_HEARD_FRAMES)
        self._energy = 0.0
        self._samples = 0
        self._digits = DigitReceiver()
        self._remote: RemoteAudio | None = None
        self._frames: Frames | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(15)
        self._timestamp = secrets.randbits(31)
        self._due = 0.0
        self._was_silent = True

    @classmethod
    async def open(cls, host: str) -> SoundPort:
        """Bind any free port of `host`. Raises `OSError`."""
        _, port = await asyncio.get_running_loop().create_datagram_endpoint(cls, local_addr=(host, 0))
        return port

    @property
    def port(self) -> int:
        assert self._transport is not None
        number: int = self._transport.get_extra_info("sockname")[1]
        return number

    @property
    def codec(self) -> str:
        assert self._remote is not None
        return self._remote.codec

    @property
    def heard_dbov(self) -> float:
        """RMS of all that was heard, in dB relative to full scale; -127 for silence or nothing."""
        if self._samples == 0 or self._energy == 0:
            return -127.0
        return max(-127.0, float(10 * np.log10(self._energy / self._samples)))

    def connect(self, remote: RemoteAudio) -> None:
        """Send to `remote` from now on; again after a new answer."""
        self._remote = remote

    def play(self, frames: Frames) -> None:
        """Send `frames`, one each 20 ms, instead of what was sent so far. `connect` comes first."""
        self._frames = frames
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._due = loop.time()
            self._timer = loop.call_soon(self._tick)  # type: ignore[assignment]  # either handle can be cancelled

    def take_heard(self) -> bytes | None:
        """The oldest frame that was heard and not taken, for an echo."""
        return self._heard.popleft() if self._heard else None

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()

    # -- sending --------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        late_frames = int((now - self._due) / rtp.FRAME_S)
        if now - self._due > _LATEST_S:
            self._due += late_frames * rtp.FRAME_S
            self._timestamp += late_frames * rtp.FRAME_SAMPLES
        while self._due <= now:
            self._send_frame()
            self._due += rtp.FRAME_S
        self._timer = loop.call_at(self._due, self._tick)

    def _send_frame(self) -> None:
        assert self._frames is not None
        payload = next(self._frames, None)
        remote = self._remote
        if payload is not None and remote is not None and remote.we_send and self._transport is not None:
            if self.muted:
                payload = g711.silence(remote.codec, len(payload))
            packet = rtp.RtpPacket(
                payload_type=remote.payload_type,
                sequence=self._sequence & 0xFFFF,
                timestamp=self._timestamp & 0xFFFFFFFF,
                ssrc=self._ssrc,
                payload=payload,
                marker=self._was_silent,
            )
            self._transport.sendto(rtp.build(packet), (remote.host, remote.port))
            self._sequence += 1
            self.packets_out += 1
        self._was_silent = payload is None
        self._timestamp += rtp.FRAME_SAMPLES

    # -- receiving ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # of a datagram
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            packet = rtp.parse(data)
        except rtp.RtpError:
            return
        remote = self._remote
        if remote is not None and packet.payload_type == remote.dtmf_payload_type:
            digit = self._digits.packet(packet.payload, packet.timestamp)
            if digit is not None and self.on_digit is not None:
                self.on_digit(digit)
            return
        codec = g711.CODECS.get(packet.payload_type)
        if codec is None:
            return
        self.packets_in += 1
        self._heard.append(packet.payload)
        samples = g711.decode(packet.payload, codec).astype(np.float64) / 32768
        self._energy += float(samples @ samples)
        self._samples += len(samples)

    def error_received(self, exc: Exception) -> None:
        """The far end's port is closed (ICMP): it has hung up or is about to say so by SIP."""
