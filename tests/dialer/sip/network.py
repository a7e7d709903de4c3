"""A network in memory for endpoints: virtual time, loss by rule, and the wire as a readable ladder."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from dialer.sip.endpoint import Endpoint, EndpointConfig
from dialer.sip.events import Hop, SipEvent, Transport

Edit = Callable[[bytes], bytes]

DELAY_S = 0.01


@dataclass
class Node:
    """An endpoint, or a scripted peer that only collects what it is sent."""

    name: str
    hop: Hop
    endpoint: Endpoint | None = None
    events: list[SipEvent] = field(default_factory=list)
    inbox: list[bytes] = field(default_factory=list)


@dataclass
class Network:
    """`now` is moved by `run`. `lose` lists titles of messages to be lost, each once, e.g. "INVITE" or "200 BYE";
    `hold` keeps messages with these titles back until `release`."""

    now: float = 1000.0
    lose: list[str] = field(default_factory=list)
    hold: list[str] = field(default_factory=list)
    fate: Callable[[], float | None] = lambda: DELAY_S  # how long a message travels, None: it is lost
    lines: list[str] = field(default_factory=list)
    nodes: dict[Hop, Node] = field(default_factory=dict)
    _flight: list[tuple[float, int, Hop, Hop, bytes]] = field(default_factory=list)
    _held: list[tuple[Hop, Hop, bytes]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _started: float = 1000.0

    def add(self, name: str, host: str, port: int = 5060, config: EndpointConfig | None = None) -> Node:
        hop = Hop(Transport.UDP, host, port)
        node = Node(name, hop, Endpoint(config or EndpointConfig(host, port)))
        self.nodes[hop] = node
        return node

    def add_peer(self, name: str, host: str, port: int = 5060, transport: Transport = Transport.UDP) -> Node:
        hop = Hop(transport, host, port)
        node = self.nodes[hop] = Node(name, hop)
        return node

    def send(self, source: Node, target: Node, message: str | bytes) -> None:
        """A scripted peer sends; line ends become CRLF."""
        payload = message if isinstance(message, bytes) else wire(message)
        self._put(source.hop, target.hop, payload)

    def settle(self) -> None:
        """Let everything that can happen without waiting for a timer happen."""
        self.collect()
        while self._flight:
            self._deliver_next()

    def run(self, seconds: float) -> None:
        """Let `seconds` pass."""
        end = self.now + seconds
        self.collect()
        while True:
            timers = [t for n in self.nodes.values() if n.endpoint and (t := n.endpoint.next_timer()) is not None]
            timer = min(timers, default=end + 1)
            arrival = self._flight[0][0] if self._flight else end + 1
            if min(timer, arrival) > end:
                break
            if arrival <= timer:
                self._deliver_next()
            else:
                self.now = max(self.now, timer)
                for node in self.nodes.values():
                    if node.endpoint is not None:
                        node.endpoint.handle_timers(self.now)
                self.collect()
        self.now = end

    def release(self) -> None:
        """Let what was held back travel on."""
        self.hold.clear()
        held, self._held = self._held, []
        for source, target, payload in held:
            self._fly(source, target, payload)
        self.settle()

    def fail(self, node: Node, hop: Hop) -> None:
        assert node.endpoint is not None
        node.endpoint.transport_failed(hop, self.now)
        self.collect()

    def ladder(self) -> str:
        return "\n".join(self.lines)

    def collect(self) -> None:
        for node in list(self.nodes.values()):
            if node.endpoint is None:
                continue
            for transmission in node.endpoint.transmissions():
                self._put(node.hop, transmission.hop, transmission.payload)
            node.events += node.endpoint.events()

    def _put(self, source: Hop, target: Hop, payload: bytes) -> None:
        label = title(payload)
        line = f"{self.now - self._started:.2f}  {self._name(source)} -> {self._name(target)}  {label}"
        if label in self.lose:
            self.lose.remove(label)
            self.lines.append(f"{line}  (lost)")
            return
        self.lines.append(line)
        if label in self.hold:
            self._held.append((source, target, payload))
            return
        self._fly(source, target, payload)

    def _fly(self, source: Hop, target: Hop, payload: bytes) -> None:
        delay_s = self.fate()
        if delay_s is None:
            self.lines[-1] += "  (lost)"
            return
        heapq.heappush(self._flight, (self.now + delay_s, next(self._order), source, target, payload))

    def _deliver_next(self) -> None:
        at, _, source, target, payload = heapq.heappop(self._flight)
        self.now = max(self.now, at)
        node = self.nodes.get(target)
        if node is None:
            return
        if node.endpoint is None:
            node.inbox.append(payload)
        else:
            node.endpoint.receive(payload, source, self.now)
        self.collect()

    def _name(self, hop: Hop) -> str:
        node = self.nodes.get(hop)
        return node.name if node else f"{hop.host}:{hop.port}"


def title(payload: bytes) -> str:
    """`INVITE`, `200 INVITE`; `+sdp` when there is a description."""
    head, _, body = payload.partition(b"\r\n\r\n")
    first, *lines = head.decode(errors="replace").split("\r\n")
    sdp = " +sdp" if body else ""
    if not first.startswith("SIP/2.0 "):
        return first.split(" ")[0] + sdp
    cseq = next((line for line in lines if line.lower().startswith("cseq:")), "")
    return f"{first.split(' ')[1]} {cseq.split(' ')[-1]}{sdp}"


def wire(text: str) -> bytes:
    """A message written as an indented text block; Content-Length is added."""
    head, _, body = text.strip("\n").partition("\n\n")
    lines = [line.strip() for line in head.split("\n")]
    payload = "".join(f"{line.strip()}\r\n" for line in body.split("\n") if line.strip()).encode()
    return "\r\n".join([*lines, f"Content-Length: {len(payload)}", "", ""]).encode() + payload


def header(payload: bytes, name: str) -> str:
    """The first value of a header, by its full name."""
    return next(iter(headers(payload, name)), "")


def headers(payload: bytes, name: str) -> list[str]:
    lines = payload.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return [v.strip() for n, _, v in (line.partition(":") for line in lines) if n.lower() == name.lower()]


def answer_to(request: bytes, code: str, *, tag: str = "", extra: str = "", body: str = "") -> bytes:
    """A scripted peer's response: `code` with its phrase, `extra` header lines."""
    to = header(request, "to")
    lines = [f"SIP/2.0 {code}", *(f"Via: {via}" for via in headers(request, "via")), f"From: {header(request, 'from')}"]
    lines.append(f"To: {to};tag={tag}" if tag and ";tag=" not in to else f"To: {to}")
    lines += [f"Call-ID: {header(request, 'call-id')}", f"CSeq: {header(request, 'cseq')}"]
    lines += [line.strip() for line in extra.strip().split("\n") if line.strip()]
    if body:
        lines.append("Content-Type: application/sdp")
    return wire("\n".join(lines) + "\n\n" + body)


def request_line(payload: bytes) -> str:
    return payload.split(b"\r\n", 1)[0].decode()
