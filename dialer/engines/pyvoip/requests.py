"""Requests that wait for their answer, sent again until it comes (RFC 3261 section 17.1): pyVoIP sends each one once.

Everything here runs in the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from dialer.engines.pyvoip.message import Message
from dialer.engines.pyvoip.text import MessageText

Address = tuple[str, int]

T1_S = 0.5  # RFC 3261 section 17.1.1.1
T2_S = 4.0
GIVE_UP_S = 64 * T1_S  # timers B and F


@dataclass(slots=True)
class _Request:
    payload: bytes
    target: Address
    is_invite: bool
    on_response: Callable[[Message], None]
    on_silence: Callable[[], None]
    answered: bool = False
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    def stop_timers(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()


class Requests:
    """The requests under way, by branch and method."""

    def __init__(self, transmit: Callable[[bytes, Address], bool]) -> None:
        self._transmit = transmit
        self._requests: dict[tuple[str, str], _Request] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()

    def send(
        self,
        text: MessageText,
        target: Address,
        on_response: Callable[[Message], None],
        on_silence: Callable[[], None],
    ) -> None:
        """Send, and again while nothing comes. `on_response` gets every response, repeated ones to INVITE too (each
        repeated final one wants its ACK); `on_silence` is called once, after `GIVE_UP_S`, if there was none."""
        request = _Request(text.encode(), target, text.method == "INVITE", on_response, on_silence)
        key = (text.branch, text.method)
        self._requests[key] = request
        self._quiet.clear()
        loop = asyncio.get_running_loop()
        request.timers.append(loop.call_later(GIVE_UP_S, self._give_up, key))
        if not self._transmit(request.payload, target):
            request.timers.append(loop.call_later(0, self._give_up, key))
            return
        request.timers.append(loop.call_later(T1_S, self._again, key, T1_S))

    def response(self, message: Message) -> bool:
        """Hand a response to its request; False if there is none."""
        key = (message.text.branch, message.text.method)
        request = self._requests.get(key)
        if request is None:
            return False
        if message.code >= 200 or request.is_invite:
            request.stop_timers()
        if message.code >= 200 and not request.answered:
            request.answered = True
            if request.is_invite:  # timer D: a repeated final response still finds its request
                timer = asyncio.get_running_loop().call_later(GIVE_UP_S, self._requests.pop, key, None)
                request.timers.append(timer)
            else:
                del self._requests[key]
            self._tell_quiet()
        request.on_response(message)
        return True

    async def quiet(self, timeout_s: float) -> None:
        """Wait until every request is answered, `timeout_s` at most."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._quiet.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        """Forget everything; no callback comes any more."""
        for request in self._requests.values():
            request.stop_timers()
        self._requests.clear()
        self._quiet.set()

    def _again(self, key: tuple[str, str], waited_s: float) -> None:
        request = self._requests[key]
        self._transmit(request.payload, request.target)
        wait_s = waited_s * 2 if request.is_invite else min(waited_s * 2, T2_S)
        request.timers.append(asyncio.get_running_loop().call_later(wait_s, self._again, key, wait_s))

    def _give_up(self, key: tuple[str, str]) -> None:
        request = self._requests.pop(key)
        request.stop_timers()
        self._tell_quiet()
        request.on_silence()

    def _tell_quiet(self) -> None:
        if all(request.answered for request in self._requests.values()):
            self._quiet.set()
