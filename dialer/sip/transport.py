"""Sockets for the endpoint: one UDP socket, TCP both ways, one timer. The only module here that does I/O.

The UDP socket is read and written by hand, not through an asyncio transport: asyncio closes its transport when `sendto`
raises, and one datagram with a strange Via would deafen the service. Here no datagram and no failed send can do that.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable

import structlog

from dialer.sip.address import is_ip_address
from dialer.sip.endpoint import Endpoint
from dialer.sip.events import Hop, SipEvent, Transmission, Transport
from dialer.sip.framing import FramingError, StreamFramer

log = structlog.get_logger("dialer.sip")

MAX_DATAGRAM = 65535
DATAGRAMS_A_TURN = 64  # then others have their turn in the event loop
MAX_CONNECTIONS = 512
MAX_CONNECTIONS_OF_A_HOST = 128  # so that one host cannot keep all others out
SILENT_S = 30.0  # for a connection of somebody else's that brings no whole message
UNACKNOWLEDGED_MS = 20_000
KEEP_ALIVE_S = 30
CONNECT_TIMEOUT_S = 10.0
MAX_UNSENT_BYTES = 1 << 20
_BIND_TRIES = 10
_IP_RECVERR = 11  # linux/in.h; the socket module does not name it
_IPV6_RECVERR = 25
_ERRORS_SUPPORTED = sys.platform == "linux"


class SipTransport:
    """Drives `endpoint`: reads, sends, wakes it, and hands its events to `on_event` in the event loop."""

    def __init__(
        self, endpoint: Endpoint, host: str, port: int, *, tcp: bool, on_event: Callable[[SipEvent], None]
    ) -> None:
        """`port` 0 takes any free one (the same for UDP and TCP)."""
        self._endpoint = endpoint
        self._host = host
        self._port = port
        self._tcp = tcp
        self._on_event = on_event
        self._udp: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._connections: dict[tuple[str, int], _Connection] = {}
        self._connecting: dict[Hop, deque[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._pending_events: deque[SipEvent] = deque()
        self._failed_hops: deque[Hop] = deque()
        self._flushing = False

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are bound."""
        return self._host, self._port

    async def start(self) -> None:
        """Bind. Raises `OSError` when the address is in use or not ours."""
        for attempt in range(_BIND_TRIES):
            try:
                await self._bind()
                break
            except OSError:
                # With port 0 the kernel may give a UDP port whose TCP twin is taken: then another one.
                if self._port or not self._tcp or attempt == _BIND_TRIES - 1:
                    raise
        self._endpoint.set_port(self._port)
        log.info("transport", host=self._host, port=self._port, tcp=self._tcp, now="listening")
        self.flush()

    async def stop(self) -> None:
        """Close everything, without ceremony. Safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
            self._udp = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections.values()):
                connection.close()
            self._server = None
        for connection in list(self._connections.values()):
            connection.close()
        self._connections.clear()

    def flush(self) -> None:
        """Send what the endpoint wants sent, hand its events out, set the timer. To be called after every command to
        the endpoint; from within `on_event` it may be left out."""
        if self._flushing:
            return
        self._flushing = True
        try:
            while self._flush_once():
                pass
        finally:
            self._flushing = False
            self._arm()

    def _flush_once(self) -> bool:
        """True if there may be more to do. `on_event` may give commands, and a failed send makes events."""
        transmissions = self._endpoint.transmissions()
        for transmission in transmissions:
            self._send(transmission)
        while self._failed_hops:
            self._endpoint.transport_failed(self._failed_hops.popleft(), self._now())
        self._pending_events.extend(self._endpoint.events())
        if self._pending_events:
            self._on_event(self._pending_events.popleft())
            return True
        return bool(transmissions)

    # --- time

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._endpoint.next_timer()
        if deadline is not None and self._udp is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        try:
            self._endpoint.handle_timers(self._now())
        finally:
            self.flush()

    # --- UDP

    async def _bind(self) -> None:
        family = socket.AF_INET6 if ipaddress.ip_address(self._host).version == 6 else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            _ask_for_errors(udp)
            udp.bind((self._host, self._port))
            port: int = udp.getsockname()[1]
            loop = asyncio.get_running_loop()
            if self._tcp:
                self._server = await loop.create_server(lambda: _Connection(self), self._host, port, family=family)
        except OSError:
            udp.close()
            raise
        self._udp = udp
        self._port = port
        loop.add_reader(udp, self._on_readable, udp)

    def _on_readable(self, udp: socket.socket) -> None:
        try:
            for _ in range(DATAGRAMS_A_TURN):
                try:
                    payload, address = udp.recvfrom(MAX_DATAGRAM)
                except (BlockingIOError, InterruptedError):
                    break
                except OSError:
                    # An ICMP error of an earlier datagram; which one, the error queue tells.
                    break
                self._endpoint.receive(payload, Hop(Transport.UDP, address[0], address[1]), self._now())
            self._failed_hops.extend(_unreachable_hops(udp))
        finally:
            self.flush()

    def _send(self, transmission: Transmission) -> None:
        hop = transmission.hop
        if hop.transport is Transport.TCP:
            self._send_tcp(transmission)
            return
        if self._udp is None:
            return
        if not is_ip_address(hop.host):
            # The socket would look the name up, and everything would stand still meanwhile.
            self._failed_hops.append(hop)
            return
        try:
            self._udp.sendto(transmission.payload, (hop.host, hop.port))
        except (BlockingIOError, InterruptedError):
            pass  # as good as lost on the way: it will be sent again
        except (OSError, OverflowError, ValueError) as fault:
            if getattr(fault, "errno", None) == errno.EMSGSIZE:  # says nothing of the far end: it was never asked
                log.warning("transport", to=hop.host, port=hop.port, on="send", fault="the message is too long for UDP")
                return
            hops = list(_unreachable_hops(self._udp))
            if hops and hop not in hops:
                # Linux reports the error of an earlier datagram at the next send: that one was not sent yet.
                self._failed_hops.extend(hops)
                self._send_once_more(transmission)
                return
            log.warning("transport", to=hop.host, port=hop.port, on="send", fault=str(fault))
            self._failed_hops.append(hop)

    def _send_once_more(self, transmission: Transmission) -> None:
        hop = transmission.hop
        assert self._udp is not None  # only called by _send
        try:
            self._udp.sendto(transmission.payload, (hop.host, hop.port))
        except (BlockingIOError, InterruptedError):
            pass
        except (OSError, OverflowError, ValueError):
            self._failed_hops.append(hop)

    # --- TCP

    def _send_tcp(self, transmission: Transmission) -> None:
        hop = transmission.hop
        connection = self._connections.get((hop.host, hop.port))
        if connection is not None:
            connection.send(transmission.payload)
        elif hop in self._connecting:
            self._connecting[hop].append(transmission.payload)
        elif self._udp is not None:
            self._connecting[hop] = deque([transmission.payload])
            task = asyncio.get_running_loop().create_task(self._connect(hop))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, hop: Hop) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self, ours=True), hop.host, hop.port, local_addr=(self._host, 0)
                )
        except OSError as fault:  # TimeoutError is one
            log.warning("transport", to=hop.host, port=hop.port, on="connect", fault=str(fault))
            del self._connecting[hop]
            self._failed_hops.append(hop)
            self.flush()
            return
        for payload in self._connecting.pop(hop):
            connection.send(payload)

    def connected(self, connection: _Connection) -> bool:
        """False: there are too many already."""
        host = connection.peer[0]
        theirs = [peer for peer, each in self._connections.items() if not each.ours]
        of_host = sum(peer[0] == host for peer in theirs)
        if not connection.ours and (len(theirs) >= MAX_CONNECTIONS or of_host >= MAX_CONNECTIONS_OF_A_HOST):
            return False
        self._connections[connection.peer] = connection
        return True

    def received(self, payload: bytes, peer: tuple[str, int]) -> None:
        try:
            self._endpoint.receive(payload, Hop(Transport.TCP, *peer), self._now())
        finally:
            self.flush()

    def disconnected(self, connection: _Connection) -> None:
        if self._connections.get(connection.peer) is connection:
            del self._connections[connection.peer]
            self._failed_hops.append(Hop(Transport.TCP, *connection.peer))
            self.flush()


class _Connection(asyncio.Protocol):
    """One TCP connection, from either side. One of theirs that says nothing is closed after a while."""

    def __init__(self, owner: SipTransport, *, ours: bool = False) -> None:
        self.ours = ours
        self._owner = owner
        self._deadline: asyncio.TimerHandle | None = None
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self.peer = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # what create_server and create_connection make
        self._transport = transport
        host, port = transport.get_extra_info("peername")[:2]
        self.peer = (host, port)
        if not self._owner.connected(self):
            transport.abort()
            return
        _notice_death(transport.get_extra_info("socket"))
        if not self.ours:
            self._deadline = asyncio.get_running_loop().call_later(SILENT_S, self.close)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._framer.feed(data)
        except FramingError as fault:
            log.warning("transport", source=self.peer[0], on="frame", fault=str(fault))
            self.close()
            return
        if self._framer.pings:
            # One for all that came together, and none for whom does not read them: they would pile up here.
            self._framer.pings = 0
            self.send(b"\r\n")
        if messages and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        for message in messages:
            self._owner.received(message, self.peer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._deadline is not None:
            self._deadline.cancel()
        self._owner.disconnected(self)

    def send(self, payload: bytes) -> None:
        if self._transport is None:
            return
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.close()  # the far end reads no more; connection_lost follows
            return
        self._transport.write(payload)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _notice_death(connection: socket.socket) -> None:
    """A peer or a translator on the way that forgot the connection: without this the kernel tries for a quarter of an
    hour (tcp(7))."""
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEP_ALIVE_S // 3)


def _ask_for_errors(udp: socket.socket) -> None:
    """Have ICMP errors reported on this unconnected socket (ip(7), IP_RECVERR)."""
    if not _ERRORS_SUPPORTED:
        return
    with contextlib.suppress(OSError):
        if udp.family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            udp.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)


def _unreachable_hops(udp: socket.socket) -> list[Hop]:
    """Empty the error queue: where datagrams could not be delivered to."""
    hops: list[Hop] = []
    while _ERRORS_SUPPORTED:
        try:
            _, ancillary, _, address = udp.recvmsg(MAX_DATAGRAM, 512, socket.MSG_ERRQUEUE)
        except OSError:  # BlockingIOError when it is empty
            return hops
        if ancillary and _is_unreachable(ancillary[0][2]):
            hops.append(Hop(Transport.UDP, address[0], address[1]))
    return hops


def _is_unreachable(error: bytes) -> bool:
    """`struct sock_extended_err`: errno, then origin (2 ICMP, 3 ICMPv6), type (3 and 1: unreachable) and code. Of those
    of ICMP only network, host, protocol and port count (RFC 3261 section 18.4): 4 asks for smaller packets."""
    if len(error) < 8:
        return False
    _, origin, kind, code = struct.unpack_from("=IBBB", error)
    return (origin, kind) == (3, 1) or ((origin, kind) == (2, 3) and code <= 3)
