"""The operators' lines: each headset is called once and its leg is followed until it ends, whoever ends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import uuid4

import structlog

from crm.database import Database
from crm.errors import CrmError
from crm.office import users
from dialer.calls.errors import MESSAGES, DeskError
from dialer.calls.operator_line import LineStep
from dialer.calls.owned_tasks import OwnedTasks
from dialer.calls.seat import Seat
from dialer.reasons import Reason
from dialer.telephony import (
    HeadsetUnavailable,
    Leg,
    LegAnswered,
    LegEnd,
    LegEnded,
    LegLevels,
    Telephony,
    TelephonyError,
)

log = structlog.get_logger("dialer.calls")

_TROUBLE_OF_END = {LegEnd.REMOTE_HUNG_UP: "desk.headset_hung_up", LegEnd.MEDIA_LOST: "desk.media_lost"}
_REASON_OF_CODE = {486: "headset.busy", 600: "headset.busy", 603: "headset.declined"}
_REASON_OF_END = {
    LegEnd.RING_TIMEOUT: "headset.silent",
    LegEnd.CANCELLED: "headset.silent",
    LegEnd.MEDIA_LOST: "headset.no_sound",
}


class LineKeeper:
    """`on_ready` is awaited when a headset has answered, `on_lost` when a line is gone."""

    def __init__(
        self,
        database: Database,
        telephony: Telephony,
        tasks: OwnedTasks,
        *,
        on_ready: Callable[[Seat], Awaitable[None]],
        on_lost: Callable[[Seat], Awaitable[None]],
    ) -> None:
        self._database = database
        self._telephony = telephony
        self._tasks = tasks
        self._on_ready = on_ready
        self._on_lost = on_lost

    async def call(self, seat: Seat) -> None:
        """Call the operator's headset; what comes of it shows on the seat. Raises `DeskError` if there is none."""
        await self._look_up_headset(seat)
        if not seat.headset:
            raise DeskError("desk.no_headset_account")
        seat.step_line(LineStep.READY_ASKED, message=None)
        try:
            leg = await self._telephony.call_headset(seat.headset, call_id=uuid4().hex)
        except HeadsetUnavailable:
            self._failed(seat, "desk.headset_not_registered", headset=seat.headset)
            return
        except TelephonyError as error:
            self._failed(seat, "desk.headset_no_answer", headset=seat.headset, reason=error.reason)
            return
        seat.line_leg = leg
        seat.headset_is_new()
        self._tasks.start(self._follow(seat, leg), f"line {seat.operator_id}")

    async def _look_up_headset(self, seat: Seat) -> None:
        """The administrator may have given the operator another one since."""
        async with self._database.reading() as session:
            user = await users.get_user(session, seat.operator_id)
        seat.headset = user.headset or ""
        seat.change(headset_registered=bool(seat.headset) and self._telephony.headset(seat.headset).registered)

    async def _follow(self, seat: Seat, leg: Leg) -> None:
        ended = LegEnded(LegEnd.NETWORK_FAILURE)
        async for event in leg.events():
            match event:
                case LegAnswered():
                    if seat.line.allows(LineStep.HEADSET_ANSWERED):
                        seat.step_line(LineStep.HEADSET_ANSWERED)
                        await self._lay_card(seat)
                case LegLevels():
                    seat.headset_heard(event.received)
                    seat.heard("operator", event.level_dbov)
                case LegEnded():
                    ended = event
        if seat.line_leg is not leg:
            return  # the operator has a new line already
        seat.line_leg = None
        self._show_end(seat, ended)
        await self._on_lost(seat)

    async def _lay_card(self, seat: Seat) -> None:
        """Whatever is wrong with the plan, the line is followed to its end."""
        try:
            await self._on_ready(seat)
        except CrmError as error:
            log.error("no card", operator=seat.operator_id, code=error.code)
            seat.tell(error.code, **error.params)

    def _show_end(self, seat: Seat, ended: LegEnded) -> None:
        if seat.line.allows(LineStep.HEADSET_FAILED):
            self._failed(seat, "desk.headset_no_answer", headset=seat.headset, reason=_why(ended))
        elif seat.line.allows(LineStep.LINE_DROPPED):
            seat.step_line(LineStep.LINE_DROPPED, operator_dbov=None)
            self._tell(seat, _TROUBLE_OF_END.get(ended.end, "desk.headset_dropped"))

    def _failed(self, seat: Seat, code: str, **params: object) -> None:
        seat.step_line(LineStep.HEADSET_FAILED)
        self._tell(seat, code, **params)

    def _tell(self, seat: Seat, code: str, **params: object) -> None:
        words = MESSAGES[code].format(**params)
        log.warning("headset trouble", operator=seat.operator_id, code=code, reason=words)
        seat.tell(code, **params)


def _why(ended: LegEnded) -> Reason:
    """Why the headset did not take the call."""
    if ended.sip_code in _REASON_OF_CODE:
        return Reason(_REASON_OF_CODE[ended.sip_code])
    if ended.sip_code:
        return Reason("headset.refused", code=ended.sip_code, phrase=ended.phrase)
    return Reason(_REASON_OF_END.get(ended.end, "headset.unreachable"))
