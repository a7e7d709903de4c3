"""Which client's card is in front at a desk: claimed, kept while it is looked at, given back, or lost to what somebody
decided meanwhile. Hold the seat's lock."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import get_organisation
from crm.calls.refusals import REFUSALS
from crm.clientele.clients import get_client
from crm.database import Database
from crm.day import day_plan
from crm.errors import Conflict, CrmError, Finding
from crm.plan.plan_entries import NotYours, get_entry
from dialer.calls.errors import DATABASE_MESSAGES
from dialer.calls.journal import DATABASE_TROUBLE
from dialer.calls.seat import Seat
from dialer.calls.view import CallState, LineState, Message
from dialer.reasons import of_database


class Cards:
    """Those of all desks of this service. `lease_s`: for how long a client is an operator's without a renewal."""

    def __init__(self, database: Database, clock: Callable[[], datetime], *, lease_s: float) -> None:
        self._database = database
        self._clock = clock
        self._lease_s = lease_s

    async def present(self, seat: Seat) -> None:
        """Claim the next client for a ready desk and lay the card in front."""
        if seat.line.state is not LineState.READY or seat.call.state is not CallState.NONE:
            return
        try:
            entry = await self._database.carry_out(
                lambda session: day_plan.claim_next(
                    session, operator_id=seat.operator_id, now=self._clock(), lease_s=self._lease_s
                )
            )
        except (Conflict, *DATABASE_TROUBLE) as error:
            reason = Finding(error.code, **error.params) if isinstance(error, Conflict) else of_database(error)
            seat.put_card(None, None, Message("desk.database_away", {"reason": reason}))
            return
        if entry is not None:
            seat.put_card(entry.client_id, entry.id)
        elif seat.view.client_id is not None or _is_over(seat.view.message):
            seat.put_card(None, None, Message("desk.nothing_to_call"))

    async def look_again(self, seat: Seat) -> None:
        """The plan may have changed: keep the card that somebody looks at, else look for one."""
        if seat.view.entry_id is not None and (seat.watchers or seat.in_progress):
            if not await self._renew(seat) and seat.call.state is CallState.NONE:
                seat.put_card(None, None)  # the lease had run out, and another operator may have the client
                await self.present(seat)
        elif seat.watchers:
            await self.present(seat)

    async def _renew(self, seat: Seat) -> bool:
        async with self._database.transaction() as session:
            return await day_plan.renew(session, operator_id=seat.operator_id, now=self._clock(), lease_s=self._lease_s)

    async def give_back(self, seat: Seat) -> None:
        """The client goes back into the plan, unless an outcome is still to be written down."""
        entry_id = seat.view.entry_id
        if entry_id is None or seat.call.state is CallState.WRAP_UP:
            return
        with contextlib.suppress(Conflict):  # the lease had run out: it is back already
            async with self._database.transaction() as session:
                await day_plan.release(session, entry_id=entry_id, operator_id=seat.operator_id)
        seat.put_card(None, None)

    async def lose(self, seat: Seat, entry_id: int, refused: CrmError) -> bool:
        """Whether since the card was laid something was decided that keeps its client from being called: then the next
        card has come, and says beside it what it was. `False` where something can still be done with the card."""
        gone = isinstance(refused, NotYours)
        if not gone and refused.code not in REFUSALS:
            return False
        try:
            async with self._database.transaction() as session:
                if not gone and not await day_plan.give_up_refused(
                    session, entry_id=entry_id, operator_id=seat.operator_id, now=self._clock()
                ):
                    return False
                name = await _name_of(session, entry_id)
        except (CrmError, *DATABASE_TROUBLE):
            return False  # the refusal itself is told
        message = Message("desk.client_left", {"name": name, "reason": Finding(refused.code, **refused.params)})
        seat.put_card(None, None, message)
        await self.present(seat)
        if seat.view.client_id is not None:
            seat.change(message=message)
        return True


def _is_over(message: Message | None) -> bool:
    """Whether the desk has nothing to say any more: the database has just been written."""
    return message is None or message.code in DATABASE_MESSAGES


async def _name_of(session: AsyncSession, entry_id: int) -> str:
    """The organisation of a plan entry."""
    client = await get_client(session, (await get_entry(session, entry_id)).client_id)
    return (await get_organisation(session, client.organisation_id)).name
