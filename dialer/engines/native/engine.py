"""The native engine: one SIP endpoint on one address, media workers beside it, a leg for each dialog."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import structlog

from config.sections import MediaSettings, SipSettings, TrunkSettings
from dialer.engines.native.incoming import NativeIncomingLeg
from dialer.engines.native.leg import NativeLeg
from dialer.engines.native.trunk import Trunk
from dialer.media.controller import (
    DigitReceived,
    LegMeasured,
    MediaConfig,
    MediaController,
    MediaError,
    MediaEvent,
    RecordingStopped,
    WorkerDied,
)
from dialer.reasons import Reason, advice_for, known, of_bind
from dialer.sip import sdp
from dialer.sip.address import bracketed
from dialer.sip.core import PHRASES
from dialer.sip.endpoint import Endpoint, EndpointConfig, RegistrarAccount
from dialer.sip.events import (
    CallIncoming,
    Credentials,
    HeadsetRegistered,
    HeadsetUnregistered,
    Hop,
    InfoDigit,
    OptionsAnswered,
    Registered,
    RegistrationFailed,
    SipEvent,
    Transport,
)
from dialer.sip.transport import SipTransport
from dialer.telephony import (
    Capability,
    HeadsetChanged,
    HeadsetStatus,
    HeadsetUnavailable,
    IncomingLeg,
    Leg,
    LegDigit,
    LegEnd,
    LegEnded,
    LegLevels,
    LegRecordingFailed,
    LineEvent,
    PortBusy,
    RecordedFacts,
    TelephonyError,
    TrunkChanged,
    TrunkStatus,
)

T = TypeVar("T")
L = TypeVar("L", bound=NativeLeg)

log = structlog.get_logger("dialer.engines.native")

HEADSET_RING_S = 30.0
DRAIN_S = 3.0
SETTLE_S = 2.0
NO_TRUNK = TrunkStatus(False, Reason("trunk.not_set_up"))


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task failed", task=task.get_name(), exc_info=error)


class NativeTelephony:
    """Implements `dialer.telephony.Telephony`."""

    name = "native"
    capabilities = frozenset(Capability)

    def __init__(
        self,
        sip: SipSettings,
        media: MediaSettings,
        trunk: TrunkSettings | None,
        accounts: dict[str, RegistrarAccount],
    ) -> None:
        self._sip = sip
        self._codecs = media.codecs
        self._media_host = media.advertised_host or media.host
        self._trunk = Trunk(trunk) if trunk is not None else None
        config = EndpointConfig(
            host=sip.advertised_host or sip.host, port=sip.port, realm=sip.realm, accounts=dict(accounts)
        )
        self._endpoint = self._make_endpoint(config, trunk)
        tcp = sip.tcp and Capability.TCP in self.capabilities
        self._transport = SipTransport(self._endpoint, sip.host, sip.port, tcp=tcp, on_event=self._sip_event)
        self._media = MediaController(
            MediaConfig(media.host, media.first_port, media.last_port, media.workers), self._media_event
        )
        self._legs: dict[str, NativeLeg] = {}
        self._keys_go_to: dict[str, str] = {}  # from an operator's leg to the client's, while they are bridged
        self._headsets: dict[str, HeadsetRegistered] = {}
        self._listeners: list[Callable[[LineEvent], None]] = []
        self._takes_calls: Callable[[IncomingLeg], None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._keep_trunk: asyncio.Task[None] | None = None
        self._started = False

    def _make_endpoint(self, config: EndpointConfig, trunk: TrunkSettings | None) -> Endpoint:
        """The signalling: where another engine differs from this one."""
        return Endpoint(config)

    @property
    def sip_port(self) -> int:
        """The port that is really bound (the configured one may be 0)."""
        return self._transport.address[1]

    @property
    def worker_pids(self) -> tuple[int, ...]:
        return self._media.worker_pids

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        try:
            await self._transport.start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortBusy(Reason("sip.port_busy", port=self._sip.port, host=self._sip.host)) from error
            raise TelephonyError(
                Reason("sip.cannot_bind", host=self._sip.host, port=self._sip.port, reason=of_bind(error))
            ) from error
        try:
            await self._media.start()
        except (MediaError, OSError) as error:
            await self._transport.stop()
            raise TelephonyError(f"the media workers do not start: {error}") from error
        self._started = True
        if self._trunk is not None:
            self._keep_trunk = asyncio.create_task(self._look_after_trunk(self._trunk), name="trunk")
            self._keep_trunk.add_done_callback(_log_failure)

    async def stop(self) -> None:
        if not self._started:
            return
        self._started = False
        if self._keep_trunk is not None:
            self._keep_trunk.cancel()
            await asyncio.gather(self._keep_trunk, return_exceptions=True)
        for leg in list(self._legs.values()):
            leg.end_because(LegEnd.WE_HUNG_UP if leg.answered else LegEnd.CANCELLED)
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=DRAIN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._trunk is not None and self._trunk.registers:
            self._endpoint.unregister("trunk", self._now())
            self._transport.flush()
        await self._settle()
        await self._media.stop()
        await self._transport.stop()

    async def _settle(self) -> None:
        """BYE, CANCEL and REGISTER are answered before the socket goes, or are given up."""
        patience = asyncio.get_running_loop().time() + SETTLE_S
        while not self._endpoint.settled and asyncio.get_running_loop().time() < patience:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.02)

    # -- lines ----------------------------------------------------------------------------------------------------

    def on_line_event(self, listener: Callable[[LineEvent], None]) -> None:
        self._listeners.append(listener)

    def on_incoming(self, listener: Callable[[IncomingLeg], None]) -> None:
        self._takes_calls = listener

    def trunk(self) -> TrunkStatus:
        return self._trunk.status if self._trunk is not None else NO_TRUNK

    def headset(self, name: str) -> HeadsetStatus:
        bound = self._headsets.get(name)
        return HeadsetStatus(True, bound.contact_uri) if bound is not None else HeadsetStatus(False)

    def set_accounts(self, accounts: dict[str, RegistrarAccount]) -> None:
        """Users' headsets changed."""
        self._endpoint.set_accounts(accounts)
        self._transport.flush()

    async def _look_after_trunk(self, trunk: Trunk) -> None:
        """Find it, register there if it wants that, and ask it again and again whether it is there. While it is not,
        its name is looked up anew: it may have moved. One that is not asked is sent empty lines: else an address
        translator on the way would forget us between two registrations, and nobody's hanging up would come in."""
        found: Hop | None = None
        while True:
            if found is None or not trunk.status.ready:
                if not await trunk.resolve(self._sip.host):
                    self._tell(TrunkChanged(trunk.status))
                elif (hop := self._trunk_hop(trunk)) != found:
                    found = hop
                    self._meet_trunk(trunk, hop)
            if found is not None and trunk.asks_options:
                self._endpoint.send_options(trunk.options_uri, found, self._now())
            elif (
                found is not None and found.transport is Transport.UDP
            ):  # TCP has its own way to notice and to stay open
                self._endpoint.keep_open(found)
            self._transport.flush()
            await asyncio.sleep(trunk.options_interval_s)

    def _meet_trunk(self, trunk: Trunk, hop: Hop) -> None:
        """It is at a new address."""
        self._endpoint.accept_calls_from(frozenset({hop.host}))
        if trunk.registers:
            self._endpoint.register(trunk.account(hop), self._now())  # and keeps registered by itself
        if trunk.status.ready:
            self._tell(TrunkChanged(trunk.status))

    def _trunk_hop(self, trunk: Trunk) -> Hop:
        assert trunk.hop is not None
        return trunk.hop

    def _tell(self, event: LineEvent) -> None:
        for listener in self._listeners:
            listener(event)

    # -- calls ----------------------------------------------------------------------------------------------------

    async def call_headset(self, headset: str, *, call_id: str) -> Leg:
        bound = self._headsets.get(headset)
        if bound is None:
            raise HeadsetUnavailable(f"the headset {headset} is not registered")
        host = self._sip.advertised_host or self._sip.host
        return await self._place(
            call_id,
            target_uri=bound.contact_uri,
            hop=bound.hop,
            from_uri=f"sip:{self._sip.realm}@{bracketed(host)}",
            credentials=None,
            beside=None,
            ring_timeout_s=HEADSET_RING_S,
        )

    async def call_client(
        self, number: str, *, call_id: str, beside: Leg | None, ring_timeout_s: float, caller_id: str = ""
    ) -> Leg:
        trunk = self._trunk
        if trunk is None or trunk.hop is None:
            return self._stillborn(call_id, self.trunk().detail)
        return await self._place(
            call_id,
            target_uri=trunk.number_uri(number),
            hop=trunk.hop,
            from_uri=trunk.caller(caller_id),
            credentials=trunk.credentials,
            beside=beside.id if beside is not None else None,
            ring_timeout_s=ring_timeout_s,
        )

    async def _place(
        self,
        call_id: str,
        *,
        target_uri: str,
        hop: Hop,
        from_uri: str,
        credentials: Credentials | None,
        beside: str | None,
        ring_timeout_s: float,
    ) -> NativeLeg:
        leg = self._new_leg(call_id, signalled_from=hop.host)
        try:
            local = await self._media.open_leg(call_id, beside=beside)
        except MediaError as error:
            leg.signal(LegEnded(LegEnd.MEDIA_LOST, phrase=str(error)))
            return leg
        offer = sdp.build_offer(self._media_host, local.port, self._codecs)
        try:
            self._endpoint.invite(
                call_id=call_id,
                target_uri=target_uri,
                hop=hop,
                from_uri=from_uri,
                sdp=offer,
                now=self._now(),
                credentials=credentials,
            )
        except ValueError as error:  # a number that is none
            leg.signal(LegEnded(LegEnd.NETWORK_FAILURE, phrase=str(error)))
            raise
        self._transport.flush()
        leg.ring_for(ring_timeout_s)
        return leg

    def _new_leg(self, call_id: str, *, signalled_from: str = "") -> NativeLeg:
        if call_id in self._legs:  # its events and its sound would get mixed up with the other's
            raise ValueError(f"there is a call {call_id} already")
        return self._keep(NativeLeg(call_id, self, self._media, self._codecs, signalled_from=signalled_from))

    def _keep(self, leg: L) -> L:
        """Let the leg live until it has ended."""
        self._legs[leg.id] = leg
        task = asyncio.create_task(leg.drive(), name=f"leg {leg.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return leg

    def _take_call(self, invitation: CallIncoming) -> None:
        if self._takes_calls is None or not self._started or invitation.call_id in self._legs:
            self.refuse_call(invitation.call_id, 480)
            return
        self._endpoint.ring(invitation.call_id, self._now())
        self._transport.flush()
        leg = NativeIncomingLeg(invitation, self, self._media, self._codecs, media_host=self._media_host)
        self._takes_calls(self._keep(leg))

    def _stillborn(self, call_id: str, reason: str) -> NativeLeg:
        leg = self._new_leg(call_id)
        leg.signal(LegEnded(LegEnd.NETWORK_FAILURE, phrase=reason))
        return leg

    # what a leg asks (dialer.engines.native.leg.Signalling)

    def hang_up_call(self, call_id: str) -> None:
        self._endpoint.hang_up(call_id, self._now())
        self._transport.flush()

    def leg_over(self, call_id: str) -> None:
        self._legs.pop(call_id, None)
        self._keys_go_to.pop(call_id, None)

    def send_info_digits(self, call_id: str, digits: str) -> None:
        for digit in digits:
            self._endpoint.send_info_digit(call_id, digit, self._now())
        self._transport.flush()

    def answer_call(self, call_id: str, description: bytes) -> None:
        self._endpoint.answer(call_id, description, self._now())
        self._transport.flush()

    def refuse_call(self, call_id: str, sip_code: int) -> None:
        self._endpoint.reject(call_id, sip_code, self._now(), PHRASES.get(sip_code, ""))
        self._transport.flush()

    # -- sound ----------------------------------------------------------------------------------------------------

    async def bridge(self, operator: Leg, client: Leg) -> None:
        await self._asked_of_media(self._media.bridge(operator.id, client.id))
        self._keys_go_to[operator.id] = client.id

    async def unbridge(self, operator: Leg) -> None:
        self._keys_go_to.pop(operator.id, None)
        await self._asked_of_media(self._media.unbridge(operator.id))

    async def start_recording(self, operator: Leg, client: Leg, path: Path) -> None:
        await self._asked_of_media(self._media.start_recording(operator.id, client.id, path))

    async def stop_recording(self, operator: Leg) -> RecordedFacts | None:
        summary = await self._asked_of_media(self._media.stop_recording(operator.id))
        return RecordedFacts(summary.path, summary.frames, known(summary.failure)) if summary is not None else None

    async def _asked_of_media(self, request: Awaitable[T]) -> T:
        try:
            return await request
        except MediaError as error:
            raise TelephonyError(known(str(error))) from error

    # -- what comes in --------------------------------------------------------------------------------------------

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _trunk_heard(self, trunk: Trunk, event: Registered | RegistrationFailed | OptionsAnswered) -> None:
        was = trunk.status
        if isinstance(event, OptionsAnswered) and event.sip_code and trunk.waits_to_register:
            self._endpoint.register(trunk.account(self._trunk_hop(trunk)), self._now())  # it is back
        if trunk.heard(event):
            now = trunk.status
            tell = log.info if now.ready else log.warning
            tell("trunk", was=was.words, on=type(event).__name__, now=now.words, advice=advice_for(now.detail))
            self._tell(TrunkChanged(now))

    def _sip_event(self, event: SipEvent) -> None:
        match event:
            case Registered() | RegistrationFailed() | OptionsAnswered():
                if self._trunk is not None:
                    self._trunk_heard(self._trunk, event)
            case HeadsetRegistered():
                self._headsets[event.headset] = event
                self._tell(HeadsetChanged(event.headset, HeadsetStatus(True, event.contact_uri)))
            case HeadsetUnregistered():
                self._headsets.pop(event.headset, None)
                self._tell(HeadsetChanged(event.headset, HeadsetStatus(False)))
            case CallIncoming():
                self._take_call(event)
            case _:
                leg = self._legs.get(event.call_id)
                if leg is not None:
                    leg.signal(event)
                if isinstance(event, InfoDigit):
                    self._pass_key(event.call_id, event.digit)

    def _media_event(self, event: MediaEvent) -> None:
        match event:
            case DigitReceived():
                self._emit(event.leg, LegDigit(event.digit))
                self._pass_key(event.leg, event.digit, in_the_sound=True)
            case LegMeasured():
                self._emit(event.leg, LegLevels(event.level_dbov, event.received, event.lost, event.jitter_ms))
            case RecordingStopped():
                self._emit(event.leg, LegRecordingFailed(known(event.reason)))
            case WorkerDied():
                log.error("media worker", was="running", on="died", now="replaced", legs=len(event.legs))
                for leg_id in event.legs:
                    if leg_id in self._legs:
                        self._legs[leg_id].end_because(LegEnd.MEDIA_LOST, "a media worker stopped")

    def _pass_key(self, operator_id: str, digit: str, *, in_the_sound: bool = False) -> None:
        """What the operator presses on the telephone itself reaches the client in the way that the client takes. The
        media workers pass on telephone events as they are: only where the client takes none is anything left to do."""
        client = self._legs.get(self._keys_go_to.get(operator_id, ""))
        if client is None or (in_the_sound and client.takes_events):
            return
        task = asyncio.create_task(client.send_digits(digit), name=f"key for {client.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_log_failure)

    def _emit(self, leg_id: str, event: LegDigit | LegLevels | LegRecordingFailed) -> None:
        leg = self._legs.get(leg_id)
        if leg is not None:
            leg.emit(event)
