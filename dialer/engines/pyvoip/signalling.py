"""pyVoIP in the place of the project's own signalling: the surface of `Endpoint` and of its transport, for one engine.

Calls and the registration at the trunk are pyVoIP's. What it has nothing for - headsets that register here, OPTIONS -
stays with `Endpoint`, on the same socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dialer.engines.pyvoip.client import Client
from dialer.engines.pyvoip.phone import Phone
from dialer.engines.pyvoip.registration import Registration
from dialer.engines.pyvoip.requests import Address
from dialer.sip.endpoint import Endpoint, EndpointConfig, TrunkAccount
from dialer.sip.events import Credentials, Hop, SipEvent, Transport

Received = Callable[[bytes, Address], None]

STOP_WAIT_S = 1.0  # for the answers to the last BYE, CANCEL and REGISTER


class PyVoipEndpoint(Endpoint):
    """`Endpoint` with pyVoIP's calls and registration. `now` is not looked at: pyVoIP's part runs on the loop's clock.

    The names with two underscores keep out of the way of what `Endpoint` calls its own parts.
    """

    def __init__(self, config: EndpointConfig, phone: Phone, changed: Callable[[], None]) -> None:
        super().__init__(config)
        self.__phone = phone
        self.__changed = changed
        self.__told: list[SipEvent] = []
        self.__registrations: dict[str, Registration] = {}

    def events(self) -> list[SipEvent]:
        told, self.__told = self.__told, []
        return [*super().events(), *told]

    def invite(
        self,
        *,
        call_id: str,
        target_uri: str,
        hop: Hop,
        from_uri: str,
        sdp: bytes,
        now: float,
        credentials: Credentials | None = None,
        display_name: str = "",
        route: tuple[str, ...] = (),
    ) -> None:
        """Raises `ValueError` when there was a call of that Call-ID within the last half minute."""
        if self.__phone.find(call_id) is not None:
            raise ValueError(f"the Call-ID {call_id} is in use")
        self.__phone.place(
            call_id=call_id,
            target_uri=target_uri,
            from_uri=from_uri,
            target=(hop.host, hop.port),
            sdp=sdp,
            with_password=credentials is not None,
            on_event=self.__tell,
        )

    def hang_up(self, call_id: str, now: float) -> None:
        call = self.__phone.find(call_id)
        if call is not None:
            call.hangup()

    def register(self, account: TrunkAccount, now: float) -> None:
        registration = Registration(self.__phone.sip, account, self.__tell)
        self.__registrations[account.name] = registration
        registration.begin()

    def unregister(self, name: str, now: float) -> None:
        registration = self.__registrations.pop(name, None)
        if registration is not None:
            registration.end()

    def close(self) -> None:
        for registration in self.__registrations.values():
            registration.close()

    def __tell(self, event: SipEvent) -> None:
        self.__told.append(event)
        self.__changed()


class PyVoipTransport:
    """Drives the endpoint over pyVoIP's socket. Event loop only; `client` has the thread."""

    def __init__(
        self,
        make_client: Callable[[Phone, Received], Client],
        config: EndpointConfig,
        on_event: Callable[[SipEvent], None],
    ) -> None:
        self._phone = Phone(lambda phone: make_client(phone, self._receive))
        self._on_event = on_event
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Handle | None = None
        self.endpoint = PyVoipEndpoint(config, self._phone, self._flush_soon)

    @property
    def address(self) -> Address:
        """Host and port that are really bound."""
        return self._phone.sip.address

    async def start(self) -> None:
        """Raises `OSError`."""
        self._phone.start()

    async def stop(self) -> None:
        await self._phone.sip.requests.quiet(STOP_WAIT_S)
        self.endpoint.close()
        for pending in (self._timer, self._flushing):
            if pending is not None:
                pending.cancel()
        self._phone.stop()

    def flush(self) -> None:
        """Send and tell what there is, and set the timer."""
        for transmission in self.endpoint.transmissions():
            self._phone.sip.transmit(transmission.payload, (transmission.hop.host, transmission.hop.port))
        for event in self.endpoint.events():
            self._on_event(event)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.endpoint.next_timer()
        if at is not None:
            self._timer = asyncio.get_running_loop().call_at(at, self._on_time)

    def _flush_soon(self) -> None:
        """Not at once: pyVoIP's part tells in the middle of what it does."""
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flushing = None
        self.flush()

    def _receive(self, payload: bytes, source: Address) -> None:
        hop = Hop(Transport.UDP, *source)
        self.endpoint.receive(payload, hop, asyncio.get_running_loop().time())
        self.flush()

    def _on_time(self) -> None:
        self.endpoint.handle_timers(asyncio.get_running_loop().time())
        self.flush()
