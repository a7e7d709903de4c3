"""The owner of one call: places it, follows its events, and leaves nothing open behind it."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from crm.calls import attempts
from crm.wrap_up import outcomes
from dialer.calls.call import CallStep
from dialer.calls.call_recording import CallRecording
from dialer.calls.journal import Journal
from dialer.calls.result import result_of
from dialer.calls.seat import Seat
from dialer.calls.view import CallState, RecordingState
from dialer.telephony import (
    Leg,
    LegAnswered,
    LegDigit,
    LegEarlyMedia,
    LegEnd,
    LegEnded,
    LegEvent,
    LegLevels,
    LegRecordingFailed,
    LegRinging,
    Sound,
    Telephony,
    TelephonyError,
)

log = structlog.get_logger("dialer.calls")


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What to dial, how long (seconds), and as whom: a number of ours, "" for the trunk's own."""

    attempt_id: str
    number: str
    ring_timeout_s: float
    max_call_s: float
    caller_id: str = ""


class CallRunner:
    """One attempt, from the INVITE to its finished row. `run` never raises for what the network does."""

    def __init__(
        self,
        plan: CallPlan,
        *,
        seat: Seat,
        operator_leg: Leg,
        telephony: Telephony,
        journal: Journal,
        recording: CallRecording,
        clock: Callable[[], datetime],
    ) -> None:
        self._plan = plan
        self._seat = seat
        self._operator_leg = operator_leg
        self._telephony = telephony
        self._journal = journal
        self._recording = recording
        self._clock = clock
        self._leg: Leg | None = None
        self._hang_up_asked = False
        self._answered_s: float | None = None
        self._ringback = False
        self.finished = asyncio.Event()  # set when the attempt's end is committed: an outcome can be written
        self.settled = asyncio.Event()  # set when the recording's facts are, too

    @property
    def attempt_id(self) -> str:
        return self._plan.attempt_id

    async def hang_up(self) -> None:
        """Asked by the operator, the end of the operator's line, or the end of the service."""
        self._hang_up_asked = True
        if self._seat.call.allows(CallStep.HANG_UP_ASKED):
            self._seat.step_call(CallStep.HANG_UP_ASKED)
        if self._leg is not None:
            await self._leg.hang_up()

    async def send_digits(self, digits: str) -> None:
        if self._leg is not None:
            await self._leg.send_digits(digits)

    async def run(self) -> None:
        """Returns when the attempt's row is finished and the recording's facts are stored."""
        ended = LegEnded(LegEnd.MEDIA_LOST, phrase="the call was broken off inside the service")
        try:
            ended = await self._call()
        except TelephonyError as error:
            ended = LegEnded(LegEnd.MEDIA_LOST, phrase=str(error))
        finally:
            if self._leg is not None and self._leg.ended is None:
                await self._leg.hang_up()
            await self._finish(ended)

    async def _call(self) -> LegEnded:
        plan = self._plan
        self._leg = leg = await self._telephony.call_client(
            plan.number, call_id=plan.attempt_id, beside=self._operator_leg, ring_timeout_s=plan.ring_timeout_s,
            caller_id=plan.caller_id,
        )  # fmt: skip
        self._note("invited", attempts.mark_invited)
        if self._hang_up_asked:
            await leg.hang_up()
        ended = LegEnded(LegEnd.NETWORK_FAILURE)
        try:
            async with asyncio.timeout(plan.max_call_s):
                async for event in leg.events():
                    if isinstance(event, LegEnded):
                        ended = event
                    else:
                        await self._follow(event)
        except TimeoutError:
            self._seat.tell("desk.call_too_long")
            await leg.hang_up()
            ended = LegEnded(LegEnd.WE_HUNG_UP, phrase="longest call time reached")
        return ended

    async def _follow(self, event: LegEvent) -> None:
        seat = self._seat
        match event:
            case LegRinging():
                seat.step_call(CallStep.RANG)
                self._note("rang", attempts.mark_ringing)
                await self._play_ringback()
            case LegEarlyMedia():
                seat.step_call(CallStep.EARLY_SOUND)
                await self._stop_ringback()
                if not self._hang_up_asked:
                    await self._bridge()
            case LegAnswered():
                await self._answered()
            case LegLevels():
                seat.heard("client", event.level_dbov)
            case LegRecordingFailed():
                self._recording.broke(event.reason)
                seat.change(recording=RecordingState.FAILED)
                seat.tell("desk.recording_failed", reason=event.reason)
            case LegDigit():
                log.info("digit from the client", call=self._plan.attempt_id)
            case LegEnded():
                raise AssertionError("handled by the caller")

    async def _answered(self) -> None:
        now = self._clock()
        self._answered_s = time.monotonic()
        self._seat.step_call(CallStep.ANSWERED, answered_at=now)
        self._note("answered", attempts.mark_answered)
        await self._stop_ringback()
        if self._hang_up_asked:
            return  # the answer crossed the operator's hang-up; the engine is ending the leg
        await self._bridge()
        trouble = await self._recording.start(self._operator_leg, self._client_leg(), now)
        if trouble is None:
            self._seat.change(recording=RecordingState.ON)
        elif trouble:
            self._seat.change(recording=RecordingState.FAILED)
            self._seat.tell("desk.recording_not_started", reason=trouble)

    def _client_leg(self) -> Leg:
        assert self._leg is not None
        return self._leg

    async def _bridge(self) -> None:
        await self._telephony.bridge(self._operator_leg, self._client_leg())

    async def _play_ringback(self) -> None:
        if self._seat.call.state is CallState.RINGING and not self._ringback:
            self._ringback = True
            await self._operator_leg.play(Sound.RINGBACK)

    async def _stop_ringback(self) -> None:
        if self._ringback:
            self._ringback = False
            await self._operator_leg.stop_playing()

    def _note(self, what: str, mark: Callable[..., object]) -> None:
        self._journal.note(what, functools.partial(mark, attempt_id=self._plan.attempt_id, now=self._clock()))  # type: ignore[arg-type] # mark_* differ only in name

    async def _finish(self, ended: LegEnded) -> None:
        """Whatever fails in here, the operator is freed and the attempt is written down."""
        talk_s = None if self._answered_s is None else time.monotonic() - self._answered_s
        try:
            await self._part()
        finally:
            self._conclude(ended, talk_s)
            try:
                await self._recording.check()
            finally:
                self._journal.close()

    async def _part(self) -> None:
        try:
            await self._stop_ringback()
            await self._recording.stop(self._operator_leg)
            await self._telephony.unbridge(self._operator_leg)
        except TelephonyError as error:  # the media worker is gone, and the sound with it
            log.warning("call", call=self._plan.attempt_id, on="sound was not parted", reason=str(error))

    def _conclude(self, ended: LegEnded, talk_s: float | None) -> None:
        now = self._clock()
        result = result_of(ended, answered=talk_s is not None)
        self.finished = self._journal.note(
            "finished",
            functools.partial(
                attempts.finish,
                attempt_id=self._plan.attempt_id,
                result=result,
                sip_code=ended.sip_code or None,
                phrase=ended.phrase,
                talk_seconds=talk_s,
                now=now,
            ),
        )
        self._seat.step_call(
            CallStep.ENDED,
            ended_at=now,
            result=result.value,
            proposal=outcomes.propose(result),
            client_dbov=None,
            silent="",
            recording=RecordingState.OFF,
        )
        if ended.end is LegEnd.MEDIA_LOST:
            self._seat.tell("desk.media_lost")
