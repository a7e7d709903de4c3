"""A SIP endpoint on one address with its clock and its timer: what the carrier and the headset have in common."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from dialer.practice.sound_port import SoundPort
from dialer.sip import sdp
from dialer.sip.address import bracketed, user_of
from dialer.sip.endpoint import Endpoint, TrunkAccount
from dialer.sip.errors import NotAcceptable
from dialer.sip.events import CallEnded, CallIncoming, SipEvent
from dialer.sip.sdp import RemoteAudio
from dialer.sip.transport import SipTransport

PARTING_S: Final = 2.0


class Line:
    """Passes calls to the endpoint and puts on the wire what comes of them."""

    def __init__(self, endpoint: Endpoint, host: str, port: int, on_event: Callable[[SipEvent], None]) -> None:
        """`port` 0: any free one."""
        self.host = host
        self._endpoint = endpoint
        self._transport = SipTransport(endpoint, host, port, tcp=True, on_event=on_event)

    async def start(self) -> None:
        """Raises `OSError` when the address and port are taken."""
        await self._transport.start()

    async def stop(self) -> None:
        """Close the sockets once the last requests are answered, or after `PARTING_S`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PARTING_S):
                while not self._endpoint.settled:  # noqa: ASYNC110 - a property without an event, at the very end
                    await asyncio.sleep(0.01)
        await self._transport.stop()

    @property
    def port(self) -> int:
        return self._transport.address[1]

    def ring(self, call_id: str, *, early: bytes = b"") -> None:
        """180, or 183 with the description `early`."""
        self._endpoint.ring(call_id, self._now(), early)
        self._transport.flush()

    def answer(self, call_id: str, description: bytes) -> None:
        self._endpoint.answer(call_id, description, self._now())
        self._transport.flush()

    def reject(self, call_id: str, sip_code: int, *, contact_uri: str = "") -> None:
        self._endpoint.reject(call_id, sip_code, self._now(), contact_uri=contact_uri)
        self._transport.flush()

    def hang_up(self, call_id: str) -> None:
        self._endpoint.hang_up(call_id, self._now())
        self._transport.flush()

    def register(self, account: TrunkAccount) -> None:
        self._endpoint.register(account, self._now())
        self._transport.flush()

    def unregister(self, name: str) -> None:
        self._endpoint.unregister(name, self._now())
        self._transport.flush()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class IncomingCall:
    """A call that came in, with its sound. `ended` is set by whoever learns of the end first."""

    def __init__(self, line: Line, invitation: CallIncoming) -> None:
        self.id = invitation.call_id
        self.number = number_in(invitation.request_uri)
        self.caller = user_of(invitation.from_uri)
        self.confirmed = False
        self.end: CallEnded | None = None
        self.ended = asyncio.Event()
        self._line = line
        self.host = f"{bracketed(line.host)}:{line.port}"
        self._offer = invitation.sdp
        self._sound: SoundPort | None = None
        self._description = b""

    @property
    def sound(self) -> SoundPort:
        assert self._sound is not None, "open_sound comes first"
        return self._sound

    @property
    def has_sound(self) -> bool:
        return self._sound is not None

    async def open_sound(self) -> RemoteAudio:
        """Bind an RTP port and get ready to send where the offer says. Raises `NotAcceptable`, `OSError`."""
        port = await SoundPort.open(self._line.host)
        try:
            ours = sdp.build_offer(self._line.host, port.port)
            self._description = sdp.build_answer(self._offer, ours)
            remote = sdp.read_remote(self._offer)
        except NotAcceptable:
            port.close()
            raise
        port.connect(remote)
        self._sound = port
        return remote

    def ring(self, *, early: bool = False) -> None:
        self._line.ring(self.id, early=self._description if early else b"")

    def answer(self) -> None:
        self._line.answer(self.id, self._description)

    def reject(self, sip_code: int, *, contact_uri: str = "") -> None:
        self._line.reject(self.id, sip_code, contact_uri=contact_uri)

    def hang_up(self) -> None:
        self._line.hang_up(self.id)

    def tell_end(self, end: CallEnded) -> None:
        self.end = end
        self.ended.set()

    async def over_within(self, seconds: float | None) -> bool:
        """Whether the call ends within `seconds` (`None`: wait for it). Returns as soon as that is known."""
        try:
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        if self._sound is not None:
            self._sound.close()


def number_in(uri: str) -> str:
    """The user part of a SIP or tel URI: `sip:+73420001234@host;x=y` gives `+73420001234`."""
    _, _, rest = uri.partition(":")
    user = rest.rpartition("@")[0] or rest
    return user.partition(";")[0]
