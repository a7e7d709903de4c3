"""An engine with the practice network around it, and what a test asks of them."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from config.sections import MediaSettings, SipSettings, TrunkSettings
from dialer.engines.native import NativeTelephony
from dialer.engines.pyvoip import PyVoipTelephony
from dialer.practice.processes import PracticeCarrier, PracticeHeadset
from dialer.sip.endpoint import RegistrarAccount
from dialer.telephony import HeadsetChanged, Leg, LegEnded, LegEvent, LineEvent, TrunkChanged, TrunkStatus
from tests.peers.addresses import own_address

Engine = NativeTelephony  # the port, and what the service and the tests need besides: sip_port, worker_pids
ENGINES: dict[str, type[Engine]] = {"native": NativeTelephony, "pyvoip": PyVoipTelephony}

REALM = "dialer"
HEADSET, PASSWORD = "anna", "anna-secret"
HEADSET_TONE_HZ = 700.0
PATIENCE_S = 20.0

E = TypeVar("E", bound=LegEvent)


def account(*, sha256: bool = True) -> RegistrarAccount:
    """The headset that may register. baresip 1.0 gives up where SHA-256 is so much as offered."""
    text = f"{HEADSET}:{REALM}:{PASSWORD}".encode()
    return RegistrarAccount(HEADSET, hashlib.md5(text).hexdigest(), hashlib.sha256(text).hexdigest() if sha256 else "")


def trunk_settings(address: tuple[str, int], **more: Any) -> TrunkSettings:
    return TrunkSettings.model_validate({"host": address[0], "port": address[1], **more})


def build_engine(
    engine: type[Engine], trunk: TrunkSettings | None, *, host: str = "", port: int = 0, sha256: bool = True
) -> Engine:
    """An engine that was not started yet, at an address of its own, with the headset's account."""
    host = host or own_address()
    sip = SipSettings(host=host, port=port, realm=REALM, tcp=False)
    return engine(sip, MediaSettings(host=host, first_port=0, last_port=0), trunk, {HEADSET: account(sha256=sha256)})


def practice_number(ending: int) -> str:
    """The practice client that does what `docs/practice.md` says of this ending."""
    return f"+734200012{ending:02d}"


class Watched:
    """A leg whose events are collected as they come."""

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.events: list[LegEvent] = []
        self._grew = asyncio.Condition()
        self._task = asyncio.create_task(self._collect(), name=f"watching {leg.id}")

    async def _collect(self) -> None:
        async for event in self.leg.events():
            async with self._grew:
                self.events.append(event)
                self._grew.notify_all()

    async def until(self, kind: type[E], *, times: int = 1) -> E:
        """The first (or `times`-th) event of this kind, past or coming."""
        async with asyncio.timeout(PATIENCE_S), self._grew:
            while True:
                found = [event for event in self.events if isinstance(event, kind)]
                if len(found) >= times:
                    return found[times - 1]
                assert not self._task.done(), f"no {kind.__name__} in {self.events}"
                await self._grew.wait()

    async def ended(self) -> LegEnded:
        """How the leg ended, which it says once and last."""
        async with asyncio.timeout(PATIENCE_S):
            await self._task
        ends = [event for event in self.events if isinstance(event, LegEnded)]
        assert len(ends) == 1
        assert self.events[-1] is ends[0]
        assert self.leg.ended == ends[0]
        return ends[0]


class Line:
    """What an engine tells about the trunk and the headsets."""

    def __init__(self, engine: Engine) -> None:
        self.events: list[LineEvent] = []
        self._engine = engine
        self._grew = asyncio.Event()
        engine.on_line_event(self._take)

    def _take(self, event: LineEvent) -> None:
        self.events.append(event)
        self._grew.set()

    async def trunk(self, *, ready: bool) -> TrunkStatus:
        """The trunk's status as soon as it is (not) ready."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._grew.clear()
                told = [event.status for event in self.events if isinstance(event, TrunkChanged)]
                if told and told[-1].ready is ready:
                    assert self._engine.trunk() == told[-1]
                    return told[-1]
                await self._grew.wait()

    async def headset(self, name: str, *, registered: bool) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._grew.clear()
                told = [event for event in self.events if isinstance(event, HeadsetChanged) and event.headset == name]
                if told and told[-1].status.registered is registered:
                    assert self._engine.headset(name) == told[-1].status
                    return
                await self._grew.wait()


class Office:
    """A started engine, a carrier that it calls over, a headset that is registered at it."""

    def __init__(self, engine: Engine, carrier: PracticeCarrier, headset: PracticeHeadset) -> None:
        self.engine = engine
        self.carrier = carrier
        self.headset = headset
        self._watched: list[Watched] = []

    async def operator(self) -> Watched:
        """The headset's leg, still ringing."""
        return self._watch(await self.engine.call_headset(HEADSET, call_id=uuid.uuid4().hex))

    async def client(
        self,
        ending: int,
        *,
        beside: Watched | None = None,
        ring_timeout_s: float = 30,
        call_id: str = "",
        caller_id: str = "",
    ) -> Watched:
        """A call to the practice client of this ending."""
        return self._watch(
            await self.engine.call_client(
                practice_number(ending),
                call_id=call_id or uuid.uuid4().hex,
                beside=beside.leg if beside else None,
                ring_timeout_s=ring_timeout_s,
                caller_id=caller_id,
            )
        )

    def _watch(self, leg: Leg) -> Watched:
        self._watched.append(Watched(leg))
        return self._watched[-1]

    async def tidy(self) -> None:
        """End what a failed test left up; the next one needs the headset."""
        for watched in self._watched:
            await watched.leg.hang_up()
            await watched.ended()
        self._watched.clear()

    async def heard_digits(self, operator: Watched, digits: str) -> None:
        """Wait until the headset has heard as many digits in this call; they are these."""

        def heard() -> str:
            told = [event for event in self.headset.events if event.get("call_id") == operator.leg.id]
            return "".join(event["digit"] for event in told if event["event"] == "digit")

        await self.headset.until(lambda event: len(heard()) >= len(digits))
        assert heard() == digits


@asynccontextmanager
async def serving(engine: Engine) -> AsyncIterator[Line]:
    """The engine started, and stopped at the end; what it tells of trunk and headsets from its first moment."""
    line = Line(engine)
    await engine.start()
    try:
        yield line
    finally:
        await engine.stop()


@asynccontextmanager
async def running_office(engine: type[Engine], folder: Path, **trunk: Any) -> AsyncIterator[Office]:
    """All of it, ended in the opposite order. `trunk`: further settings of the trunk."""
    async with AsyncExitStack() as stack:
        carrier = PracticeCarrier(
            log=folder / "carrier.jsonl",
            host=own_address(),
            ring_s=0.3,
            user=trunk.get("user", ""),
            password=trunk.get("password", ""),
        )
        await stack.enter_async_context(carrier)
        host = own_address()
        telephony = build_engine(engine, trunk_settings(carrier.address, **trunk), host=host)
        line = Line(telephony)
        await telephony.start()
        stack.push_async_callback(telephony.stop)
        headset = PracticeHeadset(
            registrar=(host, telephony.sip_port),
            user=HEADSET,
            password=PASSWORD,
            host=own_address(),
            tone_hz=HEADSET_TONE_HZ,
        )
        await stack.enter_async_context(headset)
        await line.headset(HEADSET, registered=True)
        await line.trunk(ready=True)
        yield Office(telephony, carrier, headset)
