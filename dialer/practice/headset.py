"""The practice headset: registers, answers, speaks; told what to do by JSON lines, tells what happens the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from dialer.practice import voices
from dialer.practice.line import IncomingCall, Line
from dialer.practice.performance import looped
from dialer.sip.address import bracketed
from dialer.sip.endpoint import Endpoint, EndpointConfig, TrunkAccount
from dialer.sip.errors import NotAcceptable
from dialer.sip.events import (
    CallEnded,
    CallIncoming,
    Credentials,
    Hop,
    Registered,
    RegistrationFailed,
    SipEvent,
    Transport,
)

Tell = Callable[[dict[str, object]], None]

_ACCOUNT = "headset"
_UNREGISTER_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class HeadsetOptions:
    """`registrar`: IP address and port. `tone_hz` instead of the voice, to measure with. `domain` of its SIP address
    (the registrar's address if empty)."""

    registrar: tuple[str, int]
    user: str
    password: str
    host: str = "127.0.0.1"
    port: int = 0
    domain: str = ""
    tone_hz: float | None = None
    expires_s: int = 60


class Headset:
    """One call at a time; a second one is refused with 486."""

    def __init__(self, options: HeadsetOptions, tell: Tell) -> None:
        self._options = options
        self._tell = tell
        config = EndpointConfig(
            host=options.host,
            port=options.port,
            user_agent="practice headset",
            accept_calls_from=frozenset({options.registrar[0]}),
        )
        self.line = Line(Endpoint(config), options.host, options.port, self._on_event)
        self._call: IncomingCall | None = None
        self._answering: asyncio.Task[None] | None = None
        self._muted = False
        self._declines_next = False
        self._unregistered = asyncio.Event()

    async def start(self) -> None:
        """Bind and register. Raises `OSError` when the address and port are taken."""
        await self.line.start()
        options = self._options
        domain = options.domain or f"{bracketed(options.registrar[0])}:{options.registrar[1]}"
        self.line.register(
            TrunkAccount(
                name=_ACCOUNT,
                aor=f"sip:{options.user}@{domain}",
                registrar_uri=f"sip:{domain}",
                hop=Hop(Transport.UDP, *options.registrar),
                credentials=Credentials(options.user, options.password),
                expires_s=options.expires_s,
            )
        )

    async def stop(self) -> None:
        """Hang up, unregister, close the socket."""
        call = self._call
        if call is not None:
            call.hang_up()
            await call.over_within(_UNREGISTER_PATIENCE_S)
            self._over(call)
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.gather(self._answering, return_exceptions=True)
        self.line.unregister(_ACCOUNT)
        await self.line.stop()

    def do(self, command: object) -> None:
        """One of `hang_up`, `mute`, `unmute`, `decline_next`; anything else is told as an error."""
        match command:
            case "hang_up":
                if self._call is not None:
                    self._call.hang_up()
            case "mute" | "unmute":
                self._muted = command == "mute"
                if self._call is not None and self._call.has_sound:
                    self._call.sound.muted = self._muted
            case "decline_next":
                self._declines_next = True
            case _:
                self._tell({"event": "error", "reason": f"unknown command: {command!r}"})
                return
        self._tell({"event": "done", "do": command})

    # -- what happens ---------------------------------------------------------------------------------------------

    def _on_event(self, event: SipEvent) -> None:
        match event:
            case Registered(expires_s=expires_s):
                self._tell({"event": "registered", "expires_s": expires_s})
            case RegistrationFailed(sip_code=sip_code, phrase=phrase):
                self._tell({"event": "registration_failed", "sip_code": sip_code, "phrase": phrase})
            case CallIncoming():
                self._take(event)
            case CallEnded(call_id) if self._call is not None and self._call.id == call_id:
                self._call.tell_end(event)
                self._over(self._call)
            case _:
                pass

    def _take(self, invitation: CallIncoming) -> None:
        call = IncomingCall(self.line, invitation)
        if self._call is not None:
            call.reject(486)
            return
        self._tell({"event": "call", "call_id": call.id, "from": invitation.from_uri})
        if self._declines_next:
            self._declines_next = False
            call.reject(603)
            self._tell({"event": "declined", "call_id": call.id})
            return
        self._call = call
        self._answering = asyncio.create_task(self._answer(call), name=f"answering {call.id}")

    async def _answer(self, call: IncomingCall) -> None:
        try:
            remote = await call.open_sound()
        except NotAcceptable as error:
            call.reject(488)
            self._call = None
            self._tell({"event": "error", "reason": f"offer not understood: {error}"})
            return
        sound = call.sound
        sound.on_digit = lambda digit: self._tell({"event": "digit", "call_id": call.id, "digit": digit})
        sound.muted = self._muted
        if self._options.tone_hz is not None:
            sound.play(looped(voices.tone_frames(self._options.tone_hz, remote.codec)))
        else:
            sound.play(looped(await asyncio.to_thread(voices.speech_frames, voices.OPERATOR, remote.codec)))
        call.answer()
        self._tell({"event": "answered", "call_id": call.id, "codec": remote.codec})

    def _over(self, call: IncomingCall) -> None:
        if self._call is not call:
            return
        self._call = None
        call.close()
        counted: dict[str, object] = {}
        if call.has_sound:
            sound = call.sound
            counted = {
                "packets_in": sound.packets_in,
                "packets_out": sound.packets_out,
                "heard_dbov": round(sound.heard_dbov, 1),
            }
        cause = call.end.cause.value if call.end is not None else "stopped"
        self._tell({"event": "ended", "call_id": call.id, "cause": cause, **counted})
