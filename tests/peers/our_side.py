"""Our endpoint on a socket, as tests use it: every event and message is kept and can be awaited."""

from __future__ import annotations

import asyncio
import uuid
from types import TracebackType
from typing import Self, TypeVar

from dialer.sip import sdp
from dialer.sip.endpoint import Endpoint, EndpointConfig
from dialer.sip.events import CallProgress, Credentials, Hop, SipEvent, Transport
from dialer.sip.transport import SipTransport
from tests.peers.addresses import own_address

Wanted = TypeVar("Wanted", bound=SipEvent)


class OurSide:
    """An endpoint at an address of its own. `trunk` may call it; `messages`: first lines of what went over the wire."""

    def __init__(self, *, trunk: str = "", user_agent: str = "dialer") -> None:
        self.host = own_address()
        self.events: list[SipEvent] = []
        self.messages: list[tuple[str, str]] = []
        config = EndpointConfig(
            host=self.host, port=0, user_agent=user_agent, accept_calls_from=frozenset({trunk} if trunk else ())
        )
        self.endpoint = Endpoint(config, self._trace)
        self._transport = SipTransport(self.endpoint, self.host, 0, tcp=True, on_event=self._on_event)
        self._grew = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._transport.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.stop()

    @property
    def port(self) -> int:
        return self._transport.address[1]

    def flush(self) -> None:
        self._transport.flush()

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()

    def call(
        self,
        number: str,
        target: tuple[str, int],
        *,
        credentials: Credentials | None = None,
        media: tuple[str, int] | None = None,
        transport: Transport = Transport.UDP,
        codecs: tuple[str, ...] = ("PCMA", "PCMU"),
    ) -> str:
        """INVITE `number`; returns the Call-ID. `media`: where we want sound (a port that nobody hears if left out)."""
        call_id = uuid.uuid4().hex
        media = media or (self.host, 9)
        self.endpoint.invite(
            call_id=call_id,
            target_uri=f"sip:{number}@{target[0]}:{target[1]}",
            hop=Hop(transport, *target),
            from_uri=f"sip:dialer@{self.host}",
            sdp=sdp.build_offer(*media, codecs=codecs),
            now=self.now(),
            credentials=credentials,
        )
        self.flush()
        return call_id

    def hang_up(self, call_id: str) -> None:
        self.endpoint.hang_up(call_id, self.now())
        self.flush()

    async def until(self, kind: type[Wanted], call_id: str | None = None, *, patience_s: float = 15.0) -> Wanted:
        """The first event of this kind (of this call), past or coming."""
        async with asyncio.timeout(patience_s):
            while True:
                self._grew.clear()
                for event in self.events:
                    if isinstance(event, kind) and call_id in (None, getattr(event, "call_id", None)):
                        return event
                await self._grew.wait()

    async def provisional(self, call_id: str) -> None:
        """Return once the far end rings."""
        await self.until(CallProgress, call_id)

    async def settled(self, *, patience_s: float = 15.0) -> None:
        """Return once every request of ours has been answered and every answer acknowledged."""
        async with asyncio.timeout(patience_s):
            while not self.endpoint.settled:  # noqa: ASYNC110 - a property without an event
                await asyncio.sleep(0.01)

    def _on_event(self, event: SipEvent) -> None:
        self.events.append(event)
        self._grew.set()

    def _trace(self, payload: bytes, direction: str, hop: Hop, now: float) -> None:
        self.messages.append((direction, payload.split(b"\r\n", 1)[0].decode(errors="replace")))
