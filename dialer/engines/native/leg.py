"""One leg of the native engine: the SIP dialog's events in order, and the sound that goes with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from dialer.media.controller import FarEndUnreachable, MediaController, MediaError, RemoteMedia
from dialer.sip import sdp
from dialer.sip.errors import NotAcceptable
from dialer.sip.events import (
    CallAnswered,
    CallConfirmed,
    CallEndCause,
    CallEnded,
    CallProgress,
    CallReoffered,
    InfoDigit,
)
from dialer.telephony import (
    LegAnswered,
    LegDigit,
    LegEarlyMedia,
    LegEnd,
    LegEnded,
    LegEvent,
    LegRinging,
    Sound,
    TelephonyError,
)

log = structlog.get_logger("dialer.engines.native")

DIGITS = frozenset("0123456789*#ABCD")
GIVE_UP_WAITING_S = 2.0  # after a hang-up the leg ends for its owner, whatever the far end does (RFC 3261 section 9.1)

Signal = CallProgress | CallAnswered | CallConfirmed | CallEnded | CallReoffered | InfoDigit

_END_OF_CAUSE = {
    CallEndCause.REMOTE_BYE: LegEnd.REMOTE_HUNG_UP,
    CallEndCause.REMOTE_CANCEL: LegEnd.REMOTE_HUNG_UP,
    CallEndCause.LOCAL_BYE: LegEnd.WE_HUNG_UP,
    CallEndCause.LOCAL_CANCEL: LegEnd.CANCELLED,
    CallEndCause.REFUSED: LegEnd.REFUSED,
    CallEndCause.TIMEOUT: LegEnd.NETWORK_FAILURE,
    CallEndCause.TRANSPORT: LegEnd.NETWORK_FAILURE,
}


class Signalling(Protocol):
    """What a leg asks of the SIP endpoint."""

    def hang_up_call(self, call_id: str) -> None: ...

    def leg_over(self, call_id: str) -> None: ...

    def send_info_digits(self, call_id: str, digits: str) -> None: ...

    def answer_call(self, call_id: str, description: bytes) -> None: ...

    def refuse_call(self, call_id: str, sip_code: int) -> None: ...


class NativeLeg:
    """Implements `dialer.telephony.Leg`. Signals are handled one after the other by the leg's own task (`drive`)."""

    def __init__(
        self,
        call_id: str,
        signalling: Signalling,
        media: MediaController,
        codecs: Sequence[str],
        *,
        signalled_from: str,
    ) -> None:
        self._id = call_id
        self._signalling = signalling
        self._media = media
        self._codecs = codecs
        self._signalled_from = signalled_from
        self._signals: asyncio.Queue[Signal | LegEnded] = asyncio.Queue()
        self._events: asyncio.Queue[LegEvent] = asyncio.Queue()
        self._ended: LegEnded | None = None
        self._rang = False
        self._early = False
        self._early_sdp = b""  # the far end's description from before the answer
        self._asked_end: LegEnd | None = None
        self._asked_phrase = ""
        self._give_up: asyncio.TimerHandle | None = None
        self._ring_timer: asyncio.TimerHandle | None = None
        self.answered = False
        self.takes_events = False  # telephone events (RFC 4733): the far end's last description names them

    @property
    def id(self) -> str:
        return self._id

    @property
    def ended(self) -> LegEnded | None:
        return self._ended

    async def events(self) -> AsyncIterator[LegEvent]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, LegEnded):
                return

    # -- asked by the owner ---------------------------------------------------------------------------------------

    async def hang_up(self) -> None:
        self.end_because(LegEnd.WE_HUNG_UP if self.answered else LegEnd.CANCELLED)

    def end_because(self, end: LegEnd, phrase: str = "") -> None:
        """BYE or CANCEL, and remember why. The first reason is the one that counts."""
        if self._ended is not None or self._asked_end is not None:
            return
        self._asked_end, self._asked_phrase = end, phrase
        loop = asyncio.get_running_loop()
        self._give_up = loop.call_later(GIVE_UP_WAITING_S, self._signals.put_nowait, LegEnded(end, phrase=phrase))
        self._signalling.hang_up_call(self._id)

    def ring_for(self, seconds: float) -> None:
        """Give up (CANCEL) if nobody has answered by then."""
        self._ring_timer = asyncio.get_running_loop().call_later(seconds, self._rang_long_enough)

    def _rang_long_enough(self) -> None:
        if self.answered:
            return
        if self._rang:
            self.end_because(LegEnd.RING_TIMEOUT)
        else:  # a silent trunk must not pass for a client who does not pick up
            self.end_because(LegEnd.NETWORK_FAILURE, "it never rang: nothing came back from the network")

    async def send_digits(self, digits: str) -> None:
        if not digits or not DIGITS.issuperset(digits):
            raise ValueError(f"these are no touch tones: {digits!r}")
        try:
            await self._media.send_digits(self._id, digits)
        except MediaError:  # the far end takes no telephone events: the other way is SIP INFO
            self._signalling.send_info_digits(self._id, digits)

    async def play(self, sound: Sound | Path) -> None:
        try:
            await self._media.play(self._id, sound.value if isinstance(sound, Sound) else str(sound))
        except MediaError as error:
            raise TelephonyError(str(error)) from error

    async def stop_playing(self) -> None:
        await self._media.stop_playing(self._id)

    # -- told by the engine ---------------------------------------------------------------------------------------

    def signal(self, signal: Signal | LegEnded) -> None:
        self._signals.put_nowait(signal)

    def emit(self, event: LegEvent) -> None:
        if self._ended is None:
            self._events.put_nowait(event)

    async def drive(self) -> None:
        """Runs until the leg has ended; then its port is free again."""
        try:
            while self._ended is None:
                signal = await self._signals.get()
                try:
                    await self._handle(signal)
                except MediaError as error:
                    log.error("leg", call=self._id, on="media failed", reason=str(error))
                    self.end_because(LegEnd.MEDIA_LOST, str(error))
        finally:
            for timer in (self._give_up, self._ring_timer):
                if timer is not None:
                    timer.cancel()
            self._signalling.leg_over(self._id)
            await self._media.close_leg(self._id)

    async def _handle(self, signal: Signal | LegEnded) -> None:
        match signal:
            case CallProgress():
                await self._progress(signal)
            case CallAnswered(sdp=description):
                await self._answered(description or self._early_sdp)  # RFC 3261 section 13.2.1: it may have come before
            case CallConfirmed(sdp=description):
                await self._answered(description or self._early_sdp)
            case CallReoffered():
                await self._connect(signal.sdp)
            case InfoDigit():
                self.emit(LegDigit(signal.digit))
            case CallEnded():
                self._end(self._leg_ended(signal))
            case LegEnded():
                self._end(signal)

    async def _progress(self, signal: CallProgress) -> None:
        self._rang = True
        if signal.sdp and await self._connect(signal.sdp) is not None:
            self._early_sdp = signal.sdp
            if not self._early:
                self._early = True
                self.emit(LegEarlyMedia())
        elif signal.sip_code in (180, 181, 182, 183):
            self.emit(LegRinging())

    async def _answered(self, description: bytes) -> None:
        if self._asked_end is not None:
            return  # it crossed our hang-up; the endpoint acknowledges it and says BYE
        remote = await self._connect(description)
        if remote is None:
            log.error("leg", call=self._id, on="answered with no sound that we can have", now="hanging up")
            self.end_because(LegEnd.NETWORK_FAILURE, "the far end's answer holds no sound that we could exchange")
            return
        self.answered = True
        self.emit(LegAnswered(remote.codec))

    async def _connect(self, body: bytes) -> RemoteMedia | None:
        try:
            audio = sdp.read_remote(body, self._codecs)
        except NotAcceptable as error:
            log.warning("leg", call=self._id, on="sdp not understood", reason=str(error))
            return None
        remote = RemoteMedia(
            host=audio.host,
            port=audio.port,
            codec=audio.codec,
            payload_type=audio.payload_type,
            dtmf_payload_type=audio.dtmf_payload_type,
            we_send=audio.we_send,
            we_receive=audio.we_receive,
            signalled_from=self._signalled_from,
        )
        try:
            await self._media.connect_leg(self._id, remote)
        except FarEndUnreachable as error:
            log.warning("leg", call=self._id, on="sound out of reach", reason=str(error))
            return None
        self.takes_events = audio.dtmf_payload_type is not None
        return remote

    def _leg_ended(self, ended: CallEnded) -> LegEnded:
        end = self._asked_end or _END_OF_CAUSE[ended.cause]
        return LegEnded(end, ended.sip_code, self._asked_phrase or ended.phrase, ended.q850, ended.retry_after_s)

    def _end(self, ended: LegEnded) -> None:
        self.emit(ended)
        self._ended = ended
