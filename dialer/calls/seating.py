"""The seats of all operators: each built from the database when it is used for the first time since the start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime

from crm.calls import attempts
from crm.database import Database
from crm.office import users
from crm.wrap_up import outcomes
from dialer.calls.call import CallStep
from dialer.calls.seat import Seat
from dialer.calls.view import CallState, Message
from dialer.telephony import Telephony

_MESSAGE_OF_RESULT = {
    attempts.Result.INTERRUPTED: "desk.interrupted",
    attempts.Result.UNCERTAIN: "desk.uncertain",
}


class Seating:
    """Finds or builds seats; iterating gives those that were used."""

    def __init__(self, database: Database, telephony: Telephony, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._telephony = telephony
        self._clock = clock
        self._seats: dict[int, Seat] = {}
        self._building = asyncio.Lock()
        self.dialling_stopped = False

    def __iter__(self) -> Iterator[Seat]:
        return iter(list(self._seats.values()))

    async def of(self, operator_id: int) -> Seat:
        """Raises `NotFound` for an unknown user."""
        seat = self._seats.get(operator_id)
        if seat is not None:
            return seat
        async with self._building:
            if operator_id not in self._seats:
                self._seats[operator_id] = await self._build(operator_id)
            return self._seats[operator_id]

    def take_up(self, unfinished: attempts.Attempt) -> None:
        """Lay a call that has ended elsewhere on its operator's desk, if there is one and nothing else is on it."""
        seat = self._seats.get(unfinished.operator_id)
        if seat is not None and seat.call.state is CallState.NONE:
            _take_up(seat, unfinished)

    async def _build(self, operator_id: int) -> Seat:
        async with self._database.reading() as session:
            user = await users.get_user(session, operator_id)
            unfinished = await attempts.pending_wrap_up(session, operator_id=operator_id)
        seat = Seat(operator_id, user.headset or "", self._clock)
        trunk = self._telephony.trunk()
        seat.change(
            dialling_stopped=self.dialling_stopped,
            trunk_ready=trunk.ready,
            trunk_detail=trunk.detail,
            headset_registered=bool(seat.headset) and self._telephony.headset(seat.headset).registered,
        )
        if unfinished is not None:
            _take_up(seat, unfinished)
        return seat


def _take_up(seat: Seat, unfinished: attempts.Attempt) -> None:
    """A call ended while nobody was there to write it down: a restart, or a page that was closed."""
    result = unfinished.result
    code = _MESSAGE_OF_RESULT.get(result) if result is not None else None
    seat.put_card(unfinished.client_id, unfinished.plan_entry_id)
    seat.step_call(
        CallStep.FOUND_UNFINISHED,
        attempt_id=unfinished.id,
        dialled=unfinished.dialled,
        answered_at=unfinished.answered_at,
        ended_at=unfinished.ended_at,
        result=result.value if result else None,
        proposal=outcomes.propose(result) if result is not None else None,
        message=Message(code) if code else None,
    )
