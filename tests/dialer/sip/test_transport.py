"""Real sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from dialer.sip.endpoint import Endpoint, EndpointConfig
from dialer.sip.events import (
    CallAnswered,
    CallConfirmed,
    CallEndCause,
    CallEnded,
    CallIncoming,
    Hop,
    OptionsAnswered,
    SipEvent,
    Transport,
)
from dialer.sip.sdp import build_offer
from dialer.sip.transport import SipTransport
from tests.dialer.sip.network import title, wire
from tests.dialer.sip.test_hostile_input import NAMES, TORTURE

HOST = "127.0.0.1"
SDP = build_offer(HOST, 4000)


class Agent:
    """An endpoint on a socket; its events can be awaited."""

    def __init__(self) -> None:
        self.endpoint = Endpoint(EndpointConfig(HOST, 0, accept_calls_from=frozenset({HOST})))
        self.inbox: asyncio.Queue[SipEvent] = asyncio.Queue()
        self.transport = SipTransport(self.endpoint, HOST, 0, tcp=True, on_event=self.inbox.put_nowait)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def hop(self, transport: Transport) -> Hop:
        return Hop(transport, *self.transport.address)

    def invite(self, hop: Hop) -> None:
        self.endpoint.invite(
            call_id="c", target_uri=f"sip:x@{hop.host}", hop=hop, from_uri="sip:m@h", sdp=SDP, now=self.now
        )
        self.transport.flush()

    def ping(self, hop: Hop) -> None:
        self.endpoint.send_options("sip:x", hop, self.now)
        self.transport.flush()

    async def event(self) -> SipEvent:
        async with asyncio.timeout(10):
            return await self.inbox.get()


@contextlib.asynccontextmanager
async def agents() -> AsyncIterator[tuple[Agent, Agent]]:
    one, two = Agent(), Agent()
    await one.transport.start()
    await two.transport.start()
    try:
        yield one, two
    finally:
        await one.transport.stop()
        await two.transport.stop()


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_call_over_a_real_socket(transport: Transport) -> None:
    async with agents() as (caller, called):
        caller.invite(called.hop(transport))
        incoming = await called.event()
        assert isinstance(incoming, CallIncoming)
        assert incoming.hop.transport is transport
        called.endpoint.answer("c", SDP, called.now)
        called.transport.flush()
        assert isinstance(await caller.event(), CallAnswered)
        assert isinstance(await called.event(), CallConfirmed)
        called.endpoint.hang_up("c", called.now)
        called.transport.flush()
        assert await caller.event() == CallEnded("c", CallEndCause.REMOTE_BYE)


async def test_commands_given_within_an_event_need_no_flush() -> None:
    async with agents() as (caller, called):
        answered = asyncio.Event()

        def answer(event: SipEvent) -> None:
            if isinstance(event, CallIncoming):
                called.endpoint.answer(event.call_id, SDP, called.now)
            elif isinstance(event, CallConfirmed):
                answered.set()

        echo = SipTransport(called.endpoint, HOST, 0, tcp=False, on_event=answer)
        await echo.start()
        try:
            caller.invite(Hop(Transport.UDP, *echo.address))
            async with asyncio.timeout(10):
                await answered.wait()
        finally:
            await echo.stop()


@pytest.mark.parametrize("transport", list(Transport))
async def test_nobody_there_is_told_at_once(transport: Transport) -> None:
    """By ICMP or a refused connection: far sooner than timer F would tell it."""
    async with agents() as (one, gone):
        hop = gone.hop(transport)
        await gone.transport.stop()
        one.ping(hop)
        async with asyncio.timeout(10):
            event = await one.inbox.get()
        assert isinstance(event, OptionsAnswered)
        assert event.sip_code == 0


async def test_a_hop_that_no_socket_can_send_to_fails_alone() -> None:
    async with agents() as (one, two):
        for hop in (Hop(Transport.UDP, HOST, 999999), Hop(Transport.UDP, "host.example", 5060)):
            one.ping(hop)
            event = await one.event()
            assert isinstance(event, OptionsAnswered)
            assert event.sip_code == 0
        one.ping(two.hop(Transport.UDP))
        event = await one.event()
        assert isinstance(event, OptionsAnswered)
        assert event.sip_code == 200


async def test_a_busy_port_is_an_error() -> None:
    async with agents() as (one, _):
        host, port = one.transport.address
        second = SipTransport(Endpoint(EndpointConfig(host, port)), host, port, tcp=True, on_event=lambda event: None)
        with pytest.raises(OSError, match="in use"):
            await second.start()
        await second.stop()


async def test_stopping_twice_does_no_harm() -> None:
    async with agents() as (one, _):
        await one.transport.stop()
        await one.transport.stop()
        one.ping(Hop(Transport.UDP, HOST, 5060))


async def test_the_port_that_was_bound_is_in_via_and_contact() -> None:
    async with agents() as (one, _):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind((HOST, 0))
            peer.setblocking(False)
            one.ping(Hop(Transport.UDP, *peer.getsockname()))
            async with asyncio.timeout(10):
                payload = await asyncio.get_running_loop().sock_recv(peer, 65535)
        port = one.transport.address[1]
        assert f"SIP/2.0/UDP {HOST}:{port};".encode() in payload
        assert f"Contact: <sip:dialer@{HOST}:{port}>".encode() in payload


async def test_every_torture_message_and_truncation_leaves_the_socket_listening() -> None:
    async with agents() as (victim, friend):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
            attacker.bind((HOST, 0))
            for name in NAMES:
                payload = (TORTURE / f"{name}.dat").read_bytes()
                for length in range(1, len(payload) + 1):
                    attacker.sendto(payload[:length], victim.transport.address)
                    if length % 50 == 0:
                        await asyncio.sleep(0)  # let it read, or its buffer overflows
                friend.ping(victim.hop(Transport.UDP))
                event = await friend.event()
                assert isinstance(event, OptionsAnswered), name
                assert event.sip_code == 200, name
            poison = wire("""OPTIONS sip:x SIP/2.0
                Via: SIP/2.0/UDP 127.0.0.1:999999;branch=z9hG4bKpoison
                From: <sip:a@b>;tag=1
                To: <sip:x>
                Call-ID: p
                CSeq: 1 OPTIONS""")
            attacker.sendto(poison, victim.transport.address)
        friend.ping(victim.hop(Transport.UDP))
        event = await friend.event()
        assert isinstance(event, OptionsAnswered)
        assert event.sip_code == 200


async def test_a_stream_in_pieces_a_keep_alive_and_a_broken_frame() -> None:
    async with agents() as (one, _):
        options = wire("""OPTIONS sip:x SIP/2.0
            Via: SIP/2.0/TCP 127.0.0.1:5;branch=z9hG4bKs
            From: <sip:a@b>;tag=1
            To: <sip:x>
            Call-ID: s
            CSeq: 1 OPTIONS""")
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(*one.transport.address)
            writer.write(b"\r\n\r\n")
            assert await reader.readexactly(2) == b"\r\n"
            for at in range(0, len(options), 50):
                writer.write(options[at : at + 50])
                await writer.drain()
            answer = await reader.readuntil(b"\r\n\r\n")
            assert title(answer) == "200 OPTIONS"
            writer.write(b"OPTIONS sip:x SIP/2.0\r\nno length\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def test_a_lost_connection_ends_what_waits_on_it() -> None:
    async with agents() as (one, _):
        connected = asyncio.Event()

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.close()
            connected.set()

        server = await asyncio.start_server(hang_up, HOST, 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            one.ping(Hop(Transport.TCP, host, port))
            event = await one.event()
        assert isinstance(event, OptionsAnswered)
        assert event.sip_code == 0
        assert connected.is_set()


async def test_one_host_cannot_take_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialer.sip.transport.MAX_CONNECTIONS_OF_A_HOST", 2)
    async with agents() as (victim, _), contextlib.AsyncExitStack() as open_ones, asyncio.timeout(10):

        async def connect(source: str) -> bytes:
            reader, writer = await asyncio.open_connection(*victim.transport.address, local_addr=(source, 0))
            open_ones.callback(writer.close)
            writer.write(b"\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                return await reader.read(2)
            return b""

        assert [await connect("127.0.0.2") for _ in range(3)] == [b"\r\n", b"\r\n", b""]
        assert await connect("127.0.0.3") == b"\r\n"


async def test_keep_alives_do_not_pile_up_for_whom_reads_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's buffers are full sooner or later; from then on the answers would wait in our memory."""
    monkeypatch.setattr("dialer.sip.transport.MAX_UNSENT_BYTES", -1)  # they are full
    async with agents() as (victim, _), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*victim.transport.address)
        writer.write(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
