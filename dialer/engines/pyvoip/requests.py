"""Requests that wait for their answer, sent again until it comes (RFC 3261 section 17.1); pyVoIP sends each once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dialer.engines.pyvoip.alarms import Alarm, Alarms
from dialer.engines.pyvoip.message import Address, Message
from dialer.engines.pyvoip.text import MessageText
from dialer.sip.events import CallEndCause
from dialer.sip.timing import PATIENCE, T1, T2, TIMER_D


@dataclass(slots=True)
class _Request:
    payload: bytes
    target: Address
    call_id: str
    is_invite: bool
    on_response: Callable[[Message], None]
    on_failure: Callable[[CallEndCause], None]
    repeat: Alarm
    give_up: Alarm
    answered: bool = False

    def stop_alarms(self) -> None:
        self.repeat.cancel()
        self.give_up.cancel()


class Requests:
    """The requests under way, by branch and method."""

    def __init__(self, alarms: Alarms, transmit: Callable[[bytes, Address], None]) -> None:
        self._alarms = alarms
        self._transmit = transmit
        self._requests: dict[tuple[str, str], _Request] = {}

    @property
    def waiting(self) -> bool:
        """Whether one has no final answer yet."""
        return any(not request.answered for request in self._requests.values())

    def send(
        self,
        text: MessageText,
        target: Address,
        on_response: Callable[[Message], None],
        on_failure: Callable[[CallEndCause], None],
    ) -> None:
        """Send, and again while nothing comes.

        `on_response` gets every response, repeated ones to INVITE too (each repeated final one wants its ACK).
        `on_failure` is called once if none came (TIMEOUT: timers B and F) or none can (TRANSPORT).
        """
        key = (text.branch, text.method)
        self._requests[key] = _Request(
            text.encode(),
            target,
            text.first("Call-ID"),
            text.method == "INVITE",
            on_response,
            on_failure,
            repeat=self._alarms.after(T1, lambda: self._again(key, T1)),
            give_up=self._alarms.after(PATIENCE, lambda: self._fail(key, CallEndCause.TIMEOUT)),
        )
        self._transmit(self._requests[key].payload, target)

    def response(self, message: Message) -> bool:
        """Hand a response to its request; False if there is none."""
        key = (message.text.branch, message.text.method)
        request = self._requests.get(key)
        if request is None or request.call_id != message.call_id:
            return False
        if message.code >= 200 or request.is_invite:
            request.stop_alarms()
        if message.code >= 200 and not request.answered:
            request.answered = True
            if request.is_invite:  # timer D: a repeated final response still finds its request
                self._alarms.after(TIMER_D, lambda: self._requests.pop(key, None))
            else:
                del self._requests[key]
        request.on_response(message)
        return True

    def forget(self, text: MessageText) -> None:
        """Nothing is wanted of this request any more."""
        request = self._requests.pop((text.branch, text.method), None)
        if request is not None:
            request.stop_alarms()

    def unreachable(self, target: Address) -> None:
        """The network says that nobody is there: requests that nothing came back for have failed."""
        for key, request in list(self._requests.items()):
            if request.target == target and not request.give_up.cancelled:
                self._fail(key, CallEndCause.TRANSPORT)

    def _again(self, key: tuple[str, str], waited_s: float) -> None:
        request = self._requests[key]
        self._transmit(request.payload, request.target)
        wait_s = waited_s * 2 if request.is_invite else min(waited_s * 2, T2)
        request.repeat = self._alarms.after(wait_s, lambda: self._again(key, wait_s))

    def _fail(self, key: tuple[str, str], cause: CallEndCause) -> None:
        request = self._requests.pop(key)
        request.stop_alarms()
        request.on_failure(cause)
