"""A telephony whose events the test gives: for orders of events that a real peer cannot be made to produce at will.

Whole calls over real SIP and RTP are in tests/scenarios and tests/peers.
"""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from dialer.telephony import (
    Capability,
    HeadsetChanged,
    HeadsetStatus,
    HeadsetUnavailable,
    IncomingLeg,
    Leg,
    LegAnswered,
    LegEnd,
    LegEnded,
    LegEvent,
    LineEvent,
    RecordedFacts,
    Sound,
    TelephonyError,
    TrunkChanged,
    TrunkStatus,
)


class ScriptedLeg:
    """Emits what the test says."""

    def __init__(self, call_id: str, number: str) -> None:
        self.id = call_id
        self.number = number
        self.ended: LegEnded | None = None
        self.hang_ups = 0
        self.playing: Sound | Path | None = None
        self.digits = ""
        self.ring_timeout_s = 0.0
        self.caller_id = ""
        self.obeys = True  # ends at once when it is hung up
        self._answered = False
        self._events: asyncio.Queue[LegEvent] = asyncio.Queue()

    def emit(self, event: LegEvent) -> None:
        if self.ended is not None:
            return
        self._answered = self._answered or isinstance(event, LegAnswered)
        if isinstance(event, LegEnded):
            self.ended = event
        self._events.put_nowait(event)

    async def events(self) -> AsyncIterator[LegEvent]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, LegEnded):
                return

    async def hang_up(self) -> None:
        self.hang_ups += 1
        if self.obeys:
            self.emit(LegEnded(LegEnd.WE_HUNG_UP if self._answered else LegEnd.CANCELLED))

    async def send_digits(self, digits: str) -> None:
        self.digits += digits

    async def play(self, sound: Sound | Path) -> None:
        self.playing = sound

    async def stop_playing(self) -> None:
        self.playing = None


class ScriptedTelephony:
    """Headsets answer at once; clients do what the test emits on `clients[-1]`."""

    name = "scripted"
    capabilities = frozenset(Capability)

    def __init__(self) -> None:
        self.clients: list[ScriptedLeg] = []
        self.headset_legs: list[ScriptedLeg] = []
        self.registered = True
        self.headset_answers = True
        self.status = TrunkStatus(True)
        self.bridged: list[tuple[str, str]] = []
        self.bridged_once = asyncio.Event()
        self.recording_trouble = ""
        self.recording: Path | None = None
        self.placed = asyncio.Event()
        self._listeners: list[Callable[[LineEvent], None]] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def on_incoming(self, listener: Callable[[IncomingLeg], None]) -> None:
        raise AssertionError("the desk takes no calls")

    def on_line_event(self, listener: Callable[[LineEvent], None]) -> None:
        self._listeners.append(listener)

    def trunk(self) -> TrunkStatus:
        return self.status

    def headset(self, name: str) -> HeadsetStatus:
        return HeadsetStatus(self.registered, f"sip:{name}@127.0.0.1" if self.registered else "")

    def change_trunk(self, status: TrunkStatus) -> None:
        self.status = status
        for listener in self._listeners:
            listener(TrunkChanged(status))

    def change_headset(self, name: str, *, registered: bool) -> None:
        self.registered = registered
        for listener in self._listeners:
            listener(HeadsetChanged(name, self.headset(name)))

    async def call_headset(self, headset: str, *, call_id: str) -> Leg:
        if not self.registered:
            raise HeadsetUnavailable(headset)
        leg = ScriptedLeg(call_id, headset)
        self.headset_legs.append(leg)
        if self.headset_answers:
            leg.emit(LegAnswered("PCMA"))
        return leg

    async def call_client(
        self, number: str, *, call_id: str, beside: Leg | None, ring_timeout_s: float, caller_id: str = ""
    ) -> Leg:
        leg = ScriptedLeg(call_id, number)
        leg.ring_timeout_s, leg.caller_id = ring_timeout_s, caller_id
        self.clients.append(leg)
        self.placed.set()
        return leg

    async def bridge(self, operator: Leg, client: Leg) -> None:
        self.bridged.append((operator.id, client.id))
        self.bridged_once.set()

    async def unbridge(self, operator: Leg) -> None: ...

    async def start_recording(self, operator: Leg, client: Leg, path: Path) -> None:
        if self.recording_trouble:
            raise TelephonyError(self.recording_trouble)
        with wave.open(str(path), "wb") as file:
            file.setparams((2, 2, 8000, 0, "NONE", ""))
            file.writeframes(b"\x00\x10\x00\x20" * 8000)
        self.recording = path

    async def stop_recording(self, operator: Leg) -> RecordedFacts | None:
        path, self.recording = self.recording, None
        return RecordedFacts(path, 8000) if path is not None else None
