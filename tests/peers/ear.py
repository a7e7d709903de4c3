"""A caller's ear: an RTP port that keeps what it hears."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import numpy.typing as npt

from dialer.media import g711, rtp
from dialer.practice.sound_port import SoundPort
from tests.peers.our_side import OurSide


class Ear(SoundPort):
    """Keeps what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[rtp.RtpPacket] = []
        self.grew = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        super().datagram_received(data, addr)
        with contextlib.suppress(rtp.RtpError):  # RTCP for the port below
            self.packets.append(rtp.parse(data))
        self.grew.set()

    async def until_heard(self, packets: int, *, patience_s: float = 15.0) -> npt.NDArray[np.float64]:
        """The sound, full scale 1.0, once so many packets have come."""
        async with asyncio.timeout(patience_s):
            while len(self.packets) < packets:
                self.grew.clear()
                await self.grew.wait()
        return self.heard()

    def heard(self) -> npt.NDArray[np.float64]:
        codes = b"".join(packet.payload for packet in self.packets)
        return g711.decode(codes, g711.CODECS[self.packets[0].payload_type]).astype(np.float64) / 32768


@asynccontextmanager
async def ear_of(side: OurSide) -> AsyncIterator[Ear]:
    loop = asyncio.get_running_loop()
    _, ear = await loop.create_datagram_endpoint(Ear, local_addr=(side.host, 0))
    try:
        yield ear
    finally:
        ear.close()


def rms_db(sound: npt.NDArray[np.float64]) -> float:
    return float(20 * np.log10(max(np.sqrt(np.mean(sound**2)), 1e-9)))
