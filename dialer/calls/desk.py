"""The operators' desks: what the console asks for, one click at a time, each in one short transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls import attempts, dial_rules
from crm.database import Database
from crm.day import day_plan, skips
from crm.errors import CrmError
from crm.wrap_up import outcomes, undo
from dialer.calls.call import CallStep
from dialer.calls.call_recording import CallRecording
from dialer.calls.cards import Cards
from dialer.calls.desk_rules import DeskRules
from dialer.calls.errors import DeskError, no_line
from dialer.calls.journal import DATABASE_TROUBLE, Journal
from dialer.calls.line_keeper import LineKeeper
from dialer.calls.operator_line import LineStep
from dialer.calls.owned_tasks import OwnedTasks
from dialer.calls.runner import CallPlan, CallRunner
from dialer.calls.seat import Seat
from dialer.calls.seating import Seating
from dialer.calls.view import CallState, DeskView, LineState
from dialer.reasons import of_database
from dialer.telephony import (
    HeadsetChanged,
    HeadsetStatus,
    Leg,
    LineEvent,
    Telephony,
    TrunkStatus,
)
from recordings.store import Store

log = structlog.get_logger("dialer.calls")

WRITE_PATIENCE_S = 4.0


class Desk:
    """All desks of this service."""

    def __init__(
        self,
        database: Database,
        telephony: Telephony,
        store: Store,
        rules: DeskRules,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._telephony = telephony
        self._store = store
        self._rules = rules
        self._clock = clock
        self._seats = Seating(database, telephony, clock)
        self._cards = Cards(database, clock, lease_s=rules.claim_lease_s)
        self._runners: dict[int, CallRunner] = {}
        self._tasks = OwnedTasks()
        self._lines = LineKeeper(
            database, telephony, self._tasks, on_ready=self._present_when_free, on_lost=self._end_call_without_line
        )
        self._stopping = False
        telephony.on_line_event(self._line_event)

    async def start(self) -> None:
        async with self._database.reading() as session:
            self._seats.dialling_stopped = await dial_rules.dialling_stopped(session)

    async def stop(self, deadline_s: float = 8.0) -> None:
        """No new calls; those in progress are hung up and written down; then the operators' lines."""
        self._stopping = True
        runners = list(self._runners.values())
        for runner in runners:
            await runner.hang_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s / 2):
                for runner in runners:
                    await runner.settled.wait()
        for seat in self._seats:
            if seat.line_leg is not None:
                await seat.line_leg.hang_up()
        await self._tasks.drain(deadline_s / 2)

    # -- what a page shows ----------------------------------------------------------------------------------------

    async def view(self, operator_id: int) -> DeskView:
        return (await self._seats.of(operator_id)).view

    async def watch(self, operator_id: int) -> AsyncGenerator[DeskView]:
        """The present view, then every change. Close it (`aclose`) to stop watching."""
        seat = await self._seats.of(operator_id)
        async with contextlib.aclosing(seat.watch()) as views:
            async for view in views:
                yield view

    def trunk(self) -> TrunkStatus:
        """Whether clients can be called."""
        return self._telephony.trunk()

    def headset(self, name: str) -> HeadsetStatus:
        """Whether the headset of that SIP user name is registered here."""
        return self._telephony.headset(name)

    def views(self) -> list[DeskView]:
        """Every desk that has been used since the start, for the manager's wall."""
        return [seat.view for seat in self._seats]

    # -- the line -------------------------------------------------------------------------------------------------

    async def go_ready(self, operator_id: int) -> None:
        """Call the headset unless it is on the line already, then lay the next card on the desk."""
        seat = await self._seats.of(operator_id)
        async with seat.lock:
            self._refuse_when_stopping()
            if seat.line.state in (LineState.CALLING_HEADSET, LineState.READY):
                return
            if seat.line.state is LineState.PAUSED:
                seat.step_line(LineStep.READY_ASKED, message=None)
                await self._cards.present(seat)
                return
            await self._lines.call(seat)

    async def _present_when_free(self, seat: Seat) -> None:
        async with seat.lock:
            await self._cards.present(seat)

    async def _end_call_without_line(self, seat: Seat) -> None:
        runner = self._runners.get(seat.operator_id)
        if runner is not None and seat.in_progress:
            await runner.hang_up()

    async def pause(self, operator_id: int) -> None:
        """The line stays up, no client is given; the claimed one goes back into the plan."""
        seat = await self._seats.of(operator_id)
        async with seat.lock:
            self._refuse_in_call(seat)
            if seat.line.allows(LineStep.PAUSE_ASKED):
                seat.step_line(LineStep.PAUSE_ASKED, message=None)
                await self._cards.give_back(seat)

    async def go_offline(self, operator_id: int) -> None:
        """Hang the headset up and give the claimed client back."""
        seat = await self._seats.of(operator_id)
        async with seat.lock:
            self._refuse_in_call(seat)
            if seat.line.allows(LineStep.OFFLINE_ASKED):
                seat.step_line(LineStep.OFFLINE_ASKED, message=None, operator_dbov=None)
            if seat.line_leg is not None:
                await seat.line_leg.hang_up()
            await self._cards.give_back(seat)

    # -- the call -------------------------------------------------------------------------------------------------

    async def dial(self, operator_id: int, *, client_id: int, phone_number_id: int | None = None) -> str | None:
        """Call the client whose card is in front. Clicking again returns the same attempt: one INVITE. `None` where the
        client must not be called any more, and the next card came."""
        seat = await self._seats.of(operator_id)
        async with seat.lock:
            if seat.in_progress and seat.view.client_id == client_id and seat.view.attempt_id:
                return seat.view.attempt_id
            operator_leg = self._refuse_to_dial(seat, client_id)
            entry_id = seat.view.entry_id
            if entry_id is None:
                raise DeskError("desk.other_client")

            async def opened(session: AsyncSession) -> CallPlan:
                attempt = await attempts.open_attempt(
                    session, plan_entry_id=entry_id, phone_number_id=phone_number_id, operator_id=operator_id,
                    now=self._clock(), node=self._rules.node,
                )  # fmt: skip
                if not attempt.dialled.startswith(self._rules.allowed_prefixes):
                    raise DeskError("desk.number_not_allowed", number=attempt.dialled)  # rolls the attempt back
                return await self._rules.plan_of(session, client_id, attempt)

            try:
                plan = await self._database.carry_out(opened)
            except CrmError as error:
                log.info("dial refused", operator=operator_id, client=client_id, code=error.code)
                if await self._cards.lose(seat, entry_id, error):
                    return None
                raise
            except DATABASE_TROUBLE as error:
                raise DeskError("desk.database_away", reason=of_database(error)) from error
            self._place(seat, operator_leg, plan)
            return plan.attempt_id

    def _refuse_to_dial(self, seat: Seat, client_id: int) -> Leg:
        self._refuse_when_stopping()
        if self._seats.dialling_stopped:
            raise DeskError("desk.dialling_stopped")
        if seat.call.state is CallState.WRAP_UP:
            raise DeskError("desk.wrap_up_pending")
        self._refuse_in_call(seat)
        if seat.line.state is not LineState.READY or seat.line_leg is None or seat.line_leg.ended is not None:
            raise DeskError("desk.not_ready")
        if seat.view.client_id != client_id:
            raise DeskError("desk.other_client")
        if seat.headset_silent and not seat.view.headset_registered:
            raise DeskError("desk.headset_silent")
        trunk = self._telephony.trunk()
        if not trunk.ready:
            raise no_line(trunk.detail)
        return seat.line_leg

    def _place(self, seat: Seat, operator_leg: Leg, plan: CallPlan) -> None:
        rules = self._rules
        journal = Journal(
            self._database, plan.attempt_id, lambda reason: seat.tell("desk.database_trouble", reason=reason)
        )
        recording = CallRecording(
            self._telephony,
            self._store,
            journal,
            plan.attempt_id,
            policy=rules.recording_policy,
            new_key=rules.new_recording_key,
            minimum_free_bytes=rules.minimum_free_bytes,
        )
        runner = CallRunner(
            plan,
            seat=seat,
            operator_leg=operator_leg,
            telephony=self._telephony,
            journal=journal,
            recording=recording,
            clock=self._clock,
        )
        self._runners[seat.operator_id] = runner
        seat.step_call(CallStep.PLACED, attempt_id=plan.attempt_id, dialled=plan.number, message=None)
        self._tasks.start(runner.run(), f"call {plan.attempt_id}")
        self._tasks.start(self._keep_journal(journal, runner), f"journal {plan.attempt_id}")

    async def _keep_journal(self, journal: Journal, runner: CallRunner) -> None:
        try:
            await journal.run()
        finally:
            runner.settled.set()

    async def hang_up(self, operator_id: int) -> None:
        runner = self._runners.get(operator_id)
        if runner is not None and (await self._seats.of(operator_id)).in_progress:
            await runner.hang_up()

    async def send_digits(self, operator_id: int, digits: str) -> None:
        """Touch tones to the client. Raises `ValueError` for what is no tone."""
        runner = self._runners.get(operator_id)
        if runner is not None and (await self._seats.of(operator_id)).in_progress:
            await runner.send_digits(digits)

    async def skip(self, operator_id: int, *, client_id: int, reason: str) -> None:
        """Not this client now: the entry is put aside with the reason, the next card comes. A second press must not put
        aside the next client too."""
        seat = await self._seats.of(operator_id)
        async with seat.lock:
            self._refuse_in_call(seat)
            entry_id = seat.view.entry_id
            if entry_id is None or seat.view.client_id != client_id:
                raise DeskError("desk.other_client")
            await self._database.carry_out(
                lambda session: day_plan.skip(
                    session, entry_id=entry_id, operator_id=operator_id, reason=reason, now=self._clock()
                )
            )
            await self._cards.present(seat)

    async def save_outcome(self, operator_id: int, *, attempt_id: str, form: outcomes.OutcomeForm) -> None:
        """Write the outcome down; the next card comes to the desk. Raises `CrmError` for what the form lacks."""
        seat = await self._seats.of(operator_id)
        async with seat.lock:
            if seat.in_progress:
                raise DeskError("desk.call_in_progress")
            if seat.call.state is not CallState.WRAP_UP or seat.view.attempt_id != attempt_id:
                raise DeskError("desk.stale_attempt")
            runner = self._runners.get(operator_id)
            if runner is not None:
                await self._wait_until_finished(runner)
            await self._database.carry_out(
                lambda session: outcomes.record(
                    session, attempt_id=attempt_id, form=form, author_id=operator_id, now=self._clock()
                )
            )
            self._runners.pop(operator_id, None)
            seat.step_call(CallStep.WRITTEN_DOWN)
            seat.put_card(None, None, seat.view.message)
            await self._cards.present(seat)

    async def undo_outcome(self, operator_id: int, *, attempt_id: str) -> None:
        """Take back what was saved just now: the call is at the desk again with its form, the card in front goes back.
        Raises `CrmError` when that is no longer possible."""
        async with self._between_calls(operator_id):
            attempt = await self._database.carry_out(
                lambda session: undo.undo(
                    session, attempt_id=attempt_id, operator_id=operator_id, now=self._clock(),
                    lease_s=self._rules.claim_lease_s,
                )
            )  # fmt: skip
            log.info("outcome", call=attempt_id, operator=operator_id, was="saved", on="undo asked", now="undone")
            self._seats.take_up(attempt)

    async def undo_skip(self, operator_id: int, *, entry_id: int) -> None:
        """Take back a skip of just now: its card is in front again, the one that came meanwhile goes back to the plan.
        Raises `CrmError` when that is no longer possible."""
        async with self._between_calls(operator_id) as seat:
            if seat.line.state is not LineState.READY:
                raise DeskError("desk.not_ready")
            entry = await self._database.carry_out(
                lambda session: skips.undo_skip(
                    session, entry_id=entry_id, operator_id=operator_id, now=self._clock(),
                    lease_s=self._rules.claim_lease_s,
                )
            )  # fmt: skip
            seat.put_card(entry.client_id, entry.id)

    async def take_client(self, operator_id: int, *, client_id: int) -> None:
        """This client's card is the next one, out of turn; the one in front goes back to the plan. It comes once the
        desk is ready. Raises `CrmError` where somebody else has the client."""
        async with self._between_calls(operator_id) as seat:
            entry = await self._database.carry_out(
                lambda session: day_plan.claim_client(
                    session, client_id=client_id, operator_id=operator_id, now=self._clock(),
                    lease_s=self._rules.claim_lease_s,
                )
            )  # fmt: skip
            if seat.line.state is LineState.READY:
                seat.put_card(entry.client_id, entry.id)

    @contextlib.asynccontextmanager
    async def _between_calls(self, operator_id: int) -> AsyncGenerator[Seat]:
        """The seat, held: nobody is called there, and no outcome is missing."""
        seat = await self._seats.of(operator_id)
        async with seat.lock:
            self._refuse_in_call(seat)
            if seat.call.state is CallState.WRAP_UP:
                raise DeskError("desk.wrap_up_pending")
            yield seat

    async def look_again(self, operator_id: int) -> None:
        """Something on the card was changed by a page: let it be read anew."""
        seat = await self._seats.of(operator_id)
        seat.change(looks=seat.view.looks + 1)

    async def _wait_until_finished(self, runner: CallRunner) -> None:
        """An outcome needs the call's end in the database: nearly always it is there already."""
        try:
            async with asyncio.timeout(WRITE_PATIENCE_S):
                await runner.finished.wait()
        except TimeoutError:
            raise DeskError("desk.end_not_written") from None

    async def settled(self, operator_id: int) -> None:
        """Wait until everything about the last call at this desk is in the database."""
        runner = self._runners.get(operator_id)
        if runner is not None:
            await runner.settled.wait()

    # -- the manager and the scheduler ----------------------------------------------------------------------------

    async def stop_all_dialling(self, user_id: int, *, stopped: bool) -> None:
        """No desk dials until it is switched off again; calls in progress go on."""
        async with self._database.transaction() as session:
            await dial_rules.set_dialling_stopped(session, stopped=stopped, author_id=user_id, now=self._clock())
        self._show_stopped(stopped)

    def _show_stopped(self, stopped: bool) -> None:
        if self._seats.dialling_stopped == stopped:
            return
        self._seats.dialling_stopped = stopped
        log.warning("dialling", was="allowed" if stopped else "stopped", now="stopped" if stopped else "allowed")
        for seat in self._seats:
            seat.change(dialling_stopped=stopped)

    def running_attempts(self) -> frozenset[str]:
        """The attempts that somebody here follows."""
        return frozenset(runner.attempt_id for runner in self._runners.values() if not runner.settled.is_set())

    def take_up(self, attempt: attempts.Attempt) -> None:
        """A call of another service that died: its operator, who is at a desk here by now, writes it down."""
        self._seats.take_up(attempt)

    async def wake(self) -> None:
        """The plan has changed (a callback fell due): idle desks look again; leases of shown cards are renewed. Another
        service on this database may have stopped all dialling."""
        async with self._database.reading() as session:
            self._show_stopped(await dial_rules.dialling_stopped(session))
        for seat in self._seats:
            async with seat.lock:
                await self._cards.look_again(seat)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _refuse_in_call(self, seat: Seat) -> None:
        if seat.in_progress:
            raise DeskError("desk.call_in_progress")

    def _refuse_when_stopping(self) -> None:
        if self._stopping:
            raise DeskError("desk.stopping")

    def _line_event(self, event: LineEvent) -> None:
        for seat in self._seats:
            if not isinstance(event, HeadsetChanged):
                seat.change(trunk_ready=event.status.ready, trunk_detail=event.status.detail)
            elif event.headset == seat.headset:
                seat.change(headset_registered=event.status.registered)
