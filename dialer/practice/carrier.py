"""The practice carrier: answers every number as `behaviours` says, and keeps account of each call."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from dialer.practice import call_log, performance, voices
from dialer.practice.behaviours import MOVED_TO, Behaviour, behaviour_of
from dialer.practice.line import IncomingCall, Line
from dialer.practice.open_endpoint import OpenEndpoint
from dialer.sip.endpoint import EndpointConfig, RegistrarAccount
from dialer.sip.errors import NotAcceptable
from dialer.sip.events import CallConfirmed, CallEndCause, CallEnded, CallIncoming, InfoDigit, SipEvent

log = structlog.get_logger("dialer.practice")

REALM: Final = "practice"
_BYE_PATIENCE_S: Final = 2.0  # for the answer to a BYE when the carrier stops

_ENDED_BY: Final = {
    CallEndCause.REMOTE_BYE: "caller",
    CallEndCause.LOCAL_BYE: "client",
    CallEndCause.REMOTE_CANCEL: "cancelled",
    CallEndCause.REFUSED: "client",
}


@dataclass(frozen=True, slots=True)
class CarrierOptions:
    """`ring_s` and `talk_s` speed behaviours up (`Behaviour.sped_up`); `accounts` empty: anybody may call."""

    host: str = "127.0.0.1"
    port: int = 0
    log: Path | None = None
    ring_s: float | None = None
    talk_s: float | None = None
    accounts: tuple[RegistrarAccount, ...] = ()


class Client:
    """One call at the carrier: the client who was called, from the INVITE to the line in the log."""

    def __init__(self, call: IncomingCall, behaviour: Behaviour) -> None:
        self.call = call
        self._does = behaviour
        self._invited_at = time.time()
        self._answered_at: float | None = None
        self._answered_s = 0.0
        self._talked_s = 0.0
        self._refused = 0
        self._stopped = False
        self._to_speak: deque[str] = deque()
        self._digits: list[str] = []

    async def live(self) -> call_log.LoggedCall:
        """Do what the behaviour says until the call is over."""
        try:
            await self._act()
        except NotAcceptable as error:
            log.warning("practice call", call=self.call.id, on="offer not understood", reason=str(error))
            self._refuse(488)
        if self._answered_at is not None:
            self._talked_s = asyncio.get_running_loop().time() - self._answered_s
        self.call.close()
        return self._account()

    async def stop(self) -> None:
        """The carrier goes down: hang up."""
        self._stopped = True
        self.call.hang_up()
        await self.call.over_within(_BYE_PATIENCE_S)
        self.call.ended.set()

    def press(self, digit: str) -> None:
        self._digits.append(digit)
        self._to_speak.append(digit)

    async def _act(self) -> None:
        does = self._does
        if does.ring_s != 0:
            self.call.ring()
            if await self.call.over_within(does.ring_s):
                return
        if does.early_s or not does.refuse:
            remote = await self.call.open_sound()
            # a new voice costs a tenth of a second: not in the loop that paces the others
            await asyncio.to_thread(voices.speech_frames, voices.speaker_of(self.call.number), remote.codec)
            self.call.sound.on_digit = self.press
        if does.early_s:
            self.call.ring(early=True)
            self.call.sound.play(performance.announcement(self.call.sound.codec))
            if await self.call.over_within(does.early_s):
                return
        if self.call.ended.is_set():
            return
        if does.refuse:
            self._refuse(does.refuse)
        else:
            await self._talk()

    async def _talk(self) -> None:
        sound = self.call.sound
        self._answered_at = time.time()
        self._answered_s = asyncio.get_running_loop().time()
        sound.play(
            performance.of_client(
                self._does.says, self.call.number, sound.codec, take_heard=sound.take_heard, pressed=self._to_speak
            )
        )
        self.call.answer()
        if not await self.call.over_within(self._does.hang_up_after_s):
            self.call.hang_up()
            # the sound ends with the BYE, the call with its answer
            sound.play(itertools.repeat(None))
            await self.call.ended.wait()

    def _refuse(self, sip_code: int) -> None:
        self._refused = sip_code
        moved = f"sip:{self.call.number[:-2]}{MOVED_TO}@{self.call.host}" if 300 <= sip_code < 400 else ""
        self.call.reject(sip_code, contact_uri=moved)

    def _ended_by(self) -> str:
        if self._refused:
            return "client"
        if self._stopped or self.call.end is None:
            return "lost"
        return _ENDED_BY.get(self.call.end.cause, "lost")

    def _account(self) -> call_log.LoggedCall:
        sound = self.call.sound if self.call.has_sound else None
        return call_log.LoggedCall(
            call_id=self.call.id,
            number=self.call.number,
            behaviour=self._does.name,
            invited_at=self._invited_at,
            answered_at=self._answered_at,
            ended_at=time.time(),
            talk_seconds=self._talked_s,
            packets_in=sound.packets_in if sound else 0,
            packets_out=sound.packets_out if sound else 0,
            heard_dbov=sound.heard_dbov if sound else -127.0,
            digits="".join(self._digits),
            ended_by=self._ended_by(),
            sip_code=self._refused,
            confirmed=self.call.confirmed,
            caller=self.call.caller,
        )


class Carrier:
    """Takes calls until it is stopped. With accounts it also is a registrar and wants digest for every call."""

    def __init__(self, options: CarrierOptions) -> None:
        self._options = options
        config = EndpointConfig(
            host=options.host,
            port=options.port,
            user_agent="practice carrier",
            realm=REALM,
            accounts={account.username: account for account in options.accounts},
        )
        self.line = Line(OpenEndpoint(config), options.host, options.port, self._on_event)
        self._clients: dict[str, Client] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Raises `OSError` when the address and port are taken."""
        await self.line.start()

    async def stop(self) -> None:
        """Hang up every call, write the log, close the socket."""
        if self._clients:
            await asyncio.gather(*(client.stop() for client in list(self._clients.values())))
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        await self.line.stop()

    def _on_event(self, event: SipEvent) -> None:
        match event:
            case CallIncoming():
                self._take(event)
            case CallConfirmed(call_id) if call_id in self._clients:
                self._clients[call_id].call.confirmed = True
            case CallEnded(call_id) if call_id in self._clients:
                self._clients[call_id].call.tell_end(event)
            case InfoDigit(call_id, digit) if call_id in self._clients:
                self._clients[call_id].press(digit)
            case _:
                pass

    def _take(self, invitation: CallIncoming) -> None:
        call = IncomingCall(self.line, invitation)
        behaviour = behaviour_of(call.number).sped_up(ring_s=self._options.ring_s, talk_s=self._options.talk_s)
        client = Client(call, behaviour)
        self._clients[call.id] = client
        log.info("practice call", call=call.id, on="invited", number=call.number, now=behaviour.name)
        task = asyncio.create_task(self._look_after(client), name=f"practice call {call.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_after(self, client: Client) -> None:
        try:
            account = await client.live()
        finally:
            self._clients.pop(client.call.id, None)
        log.info("practice call", call=account.call_id, on=f"ended by {account.ended_by}", now="over")
        if self._options.log is not None:
            call_log.append(self._options.log, account)
