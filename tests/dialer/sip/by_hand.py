"""A far end on a socket whose every message the test writes: for what no program can be made to say."""

from __future__ import annotations

import asyncio
import itertools
import re
from types import TracebackType
from typing import Self

from dialer.sip.address import bracketed
from dialer.sip.auth import DigestClient
from dialer.sip.events import Credentials, Hop, Transport
from dialer.sip.message import ReceivedResponse, read_message
from tests.dialer.sip.network import answer_to, header, title, wire
from tests.peers.addresses import own_address


class FarEnd(asyncio.DatagramProtocol):
    """`received` keeps everything that came, `until` waits for more. OPTIONS are answered by themselves, and empty
    lines only noted."""

    def __init__(self, host: str = "") -> None:
        self.host = host or own_address()
        self.port = 0
        self.sound_port = 4000  # nobody hears there, unless the test binds it
        self.received: list[bytes] = []
        self.kept_open = asyncio.Event()  # an empty line came
        self._taken = 0
        self._peer = ("", 0)
        self._grew = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None
        self._branches = itertools.count(1)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, (self.host, 0))
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            self._transport.close()

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._peer = addr[:2]
        if data.startswith(b"OPTIONS "):
            self.send(answer_to(data, "200 OK", tag="here"))
            return
        if not data.strip():
            self.kept_open.set()
            return
        self.received.append(data)
        self._grew.set()

    async def until(self, wanted: str, *, patience_s: float = 15.0) -> bytes:
        """The next message of this title (`INVITE +sdp`, `200 INVITE`) after the last one that was waited for."""
        async with asyncio.timeout(patience_s):
            while True:
                self._grew.clear()
                for at in range(self._taken, len(self.received)):
                    if title(self.received[at]) == wanted:
                        self._taken = at + 1
                        return self.received[at]
                await self._grew.wait()

    async def register(self, user: str, password: str, registrar: tuple[str, int]) -> None:
        """As a headset; returns when it is accepted."""
        self._peer = registrar
        uri = f"sip:{bracketed(registrar[0])}:{registrar[1]}"
        digest = DigestClient(Credentials(user, password), registrar[0])
        for cseq, code in ((1, "401"), (2, "200")):
            lines = [
                f"REGISTER {uri} SIP/2.0",
                f"Via: SIP/2.0/UDP {self._place};branch=z9hG4bKhand{next(self._branches)};rport",
                f"From: <{uri.replace('sip:', f'sip:{user}@')}>;tag=far",
                f"To: <{uri.replace('sip:', f'sip:{user}@')}>",
                "Call-ID: registration",
                f"CSeq: {cseq} REGISTER",
                f"Contact: <sip:{user}@{self._place}>;expires=60",
                *(f"{name}: {value}" for name, value in digest.headers("REGISTER", uri, registrar[0])),
            ]
            self.send(wire("\n".join(lines)))
            answer = read_message(await self.until(f"{code} REGISTER"), Hop(Transport.UDP, *registrar))
            assert isinstance(answer, ReceivedResponse)
            digest.take_challenge(answer)

    def answer(self, request: bytes, code: str, *, extra: str = "", body: str = "") -> None:
        """`code` with its phrase, and where we are."""
        contact = f"Contact: <sip:far@{self._place}>"
        self.send(answer_to(request, code, tag="far", extra=f"{contact}\n{extra}", body=body))

    def ask(self, invite: bytes, method: str, cseq: int, *, extra: str = "", body: str = "") -> None:
        """A request inside the call that `invite` began."""
        target = re.search(r"<([^>]+)>", header(invite, "contact"))
        assert target is not None
        lines = [
            f"{method} {target[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {self._place};branch=z9hG4bKhand{next(self._branches)};rport",
            f"From: {header(invite, 'to')};tag=far",
            f"To: {header(invite, 'from')}",
            f"Call-ID: {header(invite, 'call-id')}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:far@{self._place}>",
            *extra.split("\n"),
            *(["Content-Type: application/sdp"] if body.startswith("v=0") else []),
        ]
        self.send(wire("\n".join(line for line in lines if line) + "\n\n" + body))

    def description(
        self, *, version: int = 1, formats: str = "8", media: str = "a=sendrecv", port: int | None = None
    ) -> str:
        """One audio stream."""
        family = "IP6" if ":" in self.host else "IP4"
        port = self.sound_port if port is None else port
        return (
            f"v=0\no=- 7 {version} IN {family} {self.host}\ns=-\nc=IN {family} {self.host}\nt=0 0\n"
            f"m=audio {port} RTP/AVP {formats}\n{media}\n"
        )

    @property
    def _place(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"

    def send(self, payload: bytes) -> None:
        """To whom the last message came from."""
        assert self._transport is not None
        self._transport.sendto(payload, self._peer)
