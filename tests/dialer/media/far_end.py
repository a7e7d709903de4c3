"""A far end for media tests: a UDP socket that sends RTP at its pace and keeps what it gets."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable

import numpy as np

from dialer.media import g711, rtp
from dialer.media.controller import LocalMedia, RemoteMedia
from tests.audio import FRAME, Sound, from_pcm, to_pcm


class FarEnd:
    """Use within a running event loop, and `close`."""

    def __init__(self, codec: str = "PCMA", host: str = "127.0.0.1") -> None:
        self.codec = codec
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind((host, 0))
        self.host, self.port = self.sock.getsockname()
        self.packets: list[rtp.RtpPacket] = []
        self.ssrc = secrets.randbits(32)
        self.sequence = 65530  # so that it wraps within a test
        self.timestamp = 0xFFFFFFFF - 3 * FRAME
        self._to: tuple[str, int] | None = None
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.sock, self._read)

    def _read(self) -> None:
        while True:
            try:
                self.packets.append(rtp.parse(self.sock.recv(2048)))
            except BlockingIOError:
                break
            except (ConnectionRefusedError, rtp.RtpError):  # RTCP for the port below, when that is another far end's
                continue
        self._arrived.set()

    def media(self, dtmf: int | None = 101, *, we_send: bool = True, we_receive: bool = True) -> RemoteMedia:
        """As its SDP would say."""
        payload_type = g711.PAYLOAD_TYPES[self.codec]
        return RemoteMedia(self.host, self.port, self.codec, payload_type, dtmf, we_send, we_receive)

    def aim(self, local: LocalMedia) -> None:
        self._to = (local.host, local.port)

    def send(self, payload: bytes, payload_type: int | None = None, *, marker: bool = False) -> None:
        """One packet, now; the sequence and the timestamp go on by a frame."""
        assert self._to is not None
        if payload_type is None:
            payload_type = g711.PAYLOAD_TYPES[self.codec]
        packet = rtp.RtpPacket(payload_type, self.sequence, self.timestamp, self.ssrc, payload, marker)
        self.sock.sendto(rtp.build(packet), self._to)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + FRAME) & 0xFFFFFFFF

    async def talk(self, sound: Sound) -> None:
        """Send `sound` at its pace."""
        codes = g711.encode(to_pcm(sound), self.codec)
        began = self._loop.time()
        for number, at in enumerate(range(0, len(codes), FRAME)):
            await asyncio.sleep(began + number * rtp.FRAME_S - self._loop.time())
            self.send(codes[at : at + FRAME])

    async def until(self, enough: Callable[[list[rtp.RtpPacket]], bool], timeout_s: float = 10) -> None:
        """Wait until the packets that came are `enough`."""
        async with asyncio.timeout(timeout_s):
            while not enough(self.packets):
                self._arrived.clear()
                await self._arrived.wait()

    def heard(self) -> Sound:
        """What its user would hear: sound placed by the timestamps, from the first packet on."""
        audio = [packet for packet in self.packets if packet.payload_type in g711.CODECS]
        first = audio[0].timestamp
        places = [(packet.timestamp - first) & 0xFFFFFFFF for packet in audio]
        sound = np.zeros(max(places) + FRAME)
        for place, packet in zip(places, audio, strict=True):
            samples = from_pcm(g711.decode(packet.payload, g711.CODECS[packet.payload_type]))
            sound[place : place + len(samples)] = samples
        return sound

    def close(self) -> None:
        self._loop.remove_reader(self.sock)
        self.sock.close()
