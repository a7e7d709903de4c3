"""Keys that the operator presses on the telephone itself, not on the page, come to the client's switchboard as well."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from dialer.media import rtp
from dialer.media.dtmf import DIGITS, DigitSender
from dialer.sip.sdp import read_remote
from dialer.telephony import LegAnswered, LegDigit
from tests.dialer.engines.office import (
    HEADSET,
    PASSWORD,
    PATIENCE_S,
    Engine,
    Watched,
    build_engine,
    practice_number,
    serving,
    trunk_settings,
)
from tests.dialer.sip.by_hand import FarEnd
from tests.peers.addresses import own_address

EVENTS = ("8 101", "a=rtpmap:101 telephone-event/8000")
NO_EVENTS = ("8", "a=sendrecv")


@dataclass
class Talk:
    """Operator and client, bridged."""

    operator: Watched
    telephone: FarEnd
    to_telephone: bytes  # the INVITE
    client: FarEnd
    to_client: bytes


@pytest.fixture
def sound() -> Iterator[socket.socket]:
    """Where the client hears."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.setblocking(False)
        heard.bind((own_address(), 0))
        yield heard


@asynccontextmanager
async def talking(engine_class: type[Engine], sound: socket.socket, takes: tuple[str, str]) -> AsyncIterator[Talk]:
    """`takes`: the formats in the client's description, and its attribute."""
    host, port = sound.getsockname()
    own = own_address()
    async with FarEnd() as telephone, FarEnd(host) as client:
        engine = build_engine(engine_class, trunk_settings(client.address), host=own)
        async with serving(engine) as line:
            await line.trunk(ready=True)
            await telephone.register(HEADSET, PASSWORD, (own, engine.sip_port))
            await line.headset(HEADSET, registered=True)
            operator = Watched(await engine.call_headset(HEADSET, call_id=uuid.uuid4().hex))
            to_telephone = await telephone.until("INVITE +sdp")
            telephone.answer(to_telephone, "200 OK", body=telephone.description(formats="8 101", media=EVENTS[1]))
            await operator.until(LegAnswered)
            called = Watched(
                await engine.call_client(
                    practice_number(0), call_id=uuid.uuid4().hex, beside=operator.leg, ring_timeout_s=30
                )
            )
            to_client = await client.until("INVITE +sdp")
            formats, attribute = takes
            client.answer(to_client, "200 OK", body=client.description(formats=formats, media=attribute, port=port))
            await called.until(LegAnswered)
            await engine.bridge(operator.leg, called.leg)
            yield Talk(operator, telephone, to_telephone, client, to_client)


async def first_event(sound: socket.socket) -> str:
    """The first key that comes in the sound."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            packet = rtp.parse(await loop.sock_recv(sound, 2048))
            if packet.payload_type == 101:
                return DIGITS[packet.payload[0]]


async def test_by_info_to_a_client_who_takes_events(engine_class: type[Engine], sound: socket.socket) -> None:
    async with talking(engine_class, sound, EVENTS) as talk:
        kind = "Content-Type: application/dtmf-relay"
        talk.telephone.ask(talk.to_telephone, "INFO", 2, extra=kind, body="Signal=7\nDuration=160")
        await talk.telephone.until("200 INFO")
        assert (await talk.operator.until(LegDigit)).digit == "7"
        assert await first_event(sound) == "7"


async def test_in_the_sound_to_a_client_who_takes_none(engine_class: type[Engine], sound: socket.socket) -> None:
    async with talking(engine_class, sound, NO_EVENTS) as talk:
        to = read_remote(talk.to_telephone.partition(b"\r\n\r\n")[2])
        keys = DigitSender()
        keys.queue("3")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
            mouth.bind((talk.telephone.host, talk.telephone.sound_port))
            for sequence in range(8):
                event = keys.step()
                assert event is not None
                packet = rtp.RtpPacket(101, sequence, 160, 77, event.payload, event.marker)
                mouth.sendto(rtp.build(packet), (to.host, to.port))
            info = await talk.client.until("INFO +sdp")
        assert info.partition(b"\r\n\r\n")[2].startswith(b"Signal=3\r\n")
        talk.client.answer(info, "200 OK")
