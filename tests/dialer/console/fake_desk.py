"""A desk without telephones: the real plan, attempts and outcomes, and calls that do what the test says."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import datetime

from crm.calls import attempts, dial_rules
from crm.database import Database
from crm.day import day_plan, skips
from crm.preparation.results import Result
from crm.wrap_up import outcomes, undo
from crm.wrap_up.outcomes import OutcomeForm
from dialer.calls.errors import DeskError
from dialer.calls.view import CallState, DeskView, LineState, Message, RecordingState
from dialer.telephony import HeadsetStatus, TrunkStatus

LEASE_S = 900


class FakeDesk:
    """What `dialer.console.web.deps.DeskSurface` asks for. `clicks` is everything that pages asked of it."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self.database = database
        self.clock = clock
        self.views: dict[int, DeskView] = {}
        self.clicks: list[tuple[object, ...]] = []
        self.saved: list[OutcomeForm] = []
        self.lines = TrunkStatus(ready=True)
        self._watchers: defaultdict[int, set[asyncio.Queue[DeskView]]] = defaultdict(set)

    # What a test does

    def change(self, operator_id: int, **changes: object) -> DeskView:
        old = self._view(operator_id)
        new = replace(old, version=old.version + 1, **changes)  # type: ignore[arg-type]  # names are the view's own
        self.views[operator_id] = new
        for queue in self._watchers[operator_id]:
            queue.put_nowait(new)
        return new

    async def ring(self, operator_id: int) -> None:
        self.change(operator_id, call=CallState.RINGING, since=self.clock())

    async def answer(self, operator_id: int) -> None:
        view, now = self._view(operator_id), self.clock()
        assert view.attempt_id is not None
        async with self.database.transaction() as session:
            await attempts.mark_invited(session, attempt_id=view.attempt_id, now=now)
            await attempts.mark_answered(session, attempt_id=view.attempt_id, now=now)
        self.change(
            operator_id, call=CallState.TALKING, since=now, answered_at=now, recording=RecordingState.ON,
            operator_dbov=-24.0, client_dbov=-31.0,
        )  # fmt: skip

    async def end(self, operator_id: int, result: Result = Result.ANSWERED, talk_seconds: float | None = None) -> None:
        view, now = self._view(operator_id), self.clock()
        assert view.attempt_id is not None
        if result is Result.ANSWERED and talk_seconds is None:
            talk_seconds = 30.0
        async with self.database.transaction() as session:
            ended = await attempts.finish(
                session, attempt_id=view.attempt_id, result=result, now=now, talk_seconds=talk_seconds
            )
        self.change(
            operator_id, call=CallState.WRAP_UP, since=now, ended_at=now, result=result.value,
            proposal=ended.proposed_disposition, recording=RecordingState.OFF, operator_dbov=None, client_dbov=None,
            silent="",
        )  # fmt: skip

    @property
    def watching(self) -> int:
        return sum(len(queues) for queues in self._watchers.values())

    # What the pages ask for

    async def view(self, operator_id: int) -> DeskView:
        return self._view(operator_id)

    async def watch(self, operator_id: int) -> AsyncGenerator[DeskView]:
        queue: asyncio.Queue[DeskView] = asyncio.Queue()
        self._watchers[operator_id].add(queue)
        try:
            yield self._view(operator_id)
            while True:
                yield await queue.get()
        finally:
            self._watchers[operator_id].discard(queue)

    async def go_ready(self, operator_id: int) -> None:
        self.clicks.append(("ready", operator_id))
        self.change(operator_id, line=LineState.READY, since=self.clock(), message=None)
        await self._present(operator_id)

    async def pause(self, operator_id: int) -> None:
        self.clicks.append(("pause", operator_id))
        await self._give_back(operator_id)
        self.change(operator_id, line=LineState.PAUSED, since=self.clock())

    async def go_offline(self, operator_id: int) -> None:
        self.clicks.append(("offline", operator_id))
        await self._give_back(operator_id)
        self.change(operator_id, line=LineState.OFFLINE, since=self.clock())

    async def dial(self, operator_id: int, *, client_id: int, phone_number_id: int | None = None) -> str:
        self.clicks.append(("dial", operator_id, client_id, phone_number_id))
        view = self._view(operator_id)
        if view.client_id != client_id or view.entry_id is None:
            raise DeskError("desk.other_client")
        if view.attempt_id is not None:
            return view.attempt_id
        async with self.database.transaction() as session:
            attempt = await attempts.open_attempt(
                session,
                plan_entry_id=view.entry_id,
                phone_number_id=phone_number_id,
                operator_id=operator_id,
                now=self.clock(),
            )
        self.change(
            operator_id, call=CallState.DIALLING, since=self.clock(), attempt_id=attempt.id, dialled=attempt.dialled
        )
        return attempt.id

    async def hang_up(self, operator_id: int) -> None:
        self.clicks.append(("hang up", operator_id))
        answered = self._view(operator_id).answered_at is not None
        await self.end(operator_id, Result.ANSWERED if answered else Result.CANCELLED)

    async def send_digits(self, operator_id: int, digits: str) -> None:
        self.clicks.append(("digits", operator_id, digits))

    async def skip(self, operator_id: int, *, client_id: int, reason: str) -> None:
        view = self._view(operator_id)
        if view.client_id != client_id:
            raise DeskError("desk.other_client")
        self.clicks.append(("skip", operator_id, reason))
        entry_id = view.entry_id
        assert entry_id is not None
        async with self.database.transaction() as session:
            await day_plan.skip(session, entry_id=entry_id, operator_id=operator_id, reason=reason, now=self.clock())
        await self._present(operator_id)

    async def save_outcome(self, operator_id: int, *, attempt_id: str, form: OutcomeForm) -> None:
        self.clicks.append(("outcome", operator_id, form.disposition))
        view = self._view(operator_id)
        if view.call is not CallState.WRAP_UP or view.attempt_id != attempt_id:
            raise DeskError("desk.stale_attempt")
        async with self.database.transaction() as session:
            await outcomes.record(session, attempt_id=attempt_id, form=form, author_id=operator_id, now=self.clock())
        self.saved.append(form)
        await self._present(operator_id)

    async def undo_outcome(self, operator_id: int, *, attempt_id: str) -> None:
        self.clicks.append(("undo", operator_id))
        async with self.database.transaction() as session:
            attempt = await undo.undo(
                session, attempt_id=attempt_id, operator_id=operator_id, now=self.clock(), lease_s=LEASE_S
            )
        self.change(
            operator_id, call=CallState.WRAP_UP, since=self.clock(), client_id=attempt.client_id,
            entry_id=attempt.plan_entry_id, attempt_id=attempt.id, dialled=attempt.dialled,
            answered_at=attempt.answered_at, ended_at=attempt.ended_at, result=attempt.result,
        )  # fmt: skip

    async def undo_skip(self, operator_id: int, *, entry_id: int) -> None:
        self.clicks.append(("undo skip", operator_id))
        async with self.database.transaction() as session:
            entry = await skips.undo_skip(
                session, entry_id=entry_id, operator_id=operator_id, now=self.clock(), lease_s=LEASE_S
            )
        self.change(operator_id, client_id=entry.client_id, entry_id=entry.id, message=None)

    async def take_client(self, operator_id: int, *, client_id: int) -> None:
        self.clicks.append(("take", operator_id, client_id))
        async with self.database.transaction() as session:
            entry = await day_plan.claim_client(
                session, client_id=client_id, operator_id=operator_id, now=self.clock(), lease_s=LEASE_S
            )
        self.change(operator_id, client_id=entry.client_id, entry_id=entry.id, message=None)

    async def look_again(self, operator_id: int) -> None:
        self.clicks.append(("look again", operator_id))
        self.change(operator_id, looks=self._view(operator_id).looks + 1)

    async def stop_all_dialling(self, user_id: int, *, stopped: bool) -> None:
        self.clicks.append(("stop all", user_id, stopped))
        async with self.database.transaction() as session:
            await dial_rules.set_dialling_stopped(session, stopped=stopped, author_id=user_id, now=self.clock())
        for operator_id in list(self.views):
            self.change(operator_id, dialling_stopped=stopped)

    def trunk(self) -> TrunkStatus:
        return self.lines

    def headset(self, name: str) -> HeadsetStatus:
        return HeadsetStatus(registered=True, contact=f"sip:{name}@127.0.0.1:5070")

    def _view(self, operator_id: int) -> DeskView:
        if operator_id not in self.views:
            self.views[operator_id] = DeskView(
                operator_id=operator_id,
                version=1,
                line=LineState.OFFLINE,
                call=CallState.NONE,
                since=self.clock(),
                headset_registered=True,
                trunk_ready=True,
            )
        return self.views[operator_id]

    async def _present(self, operator_id: int) -> None:
        async with self.database.transaction() as session:
            entry = await day_plan.claim_next(session, operator_id=operator_id, now=self.clock(), lease_s=LEASE_S)
        self.change(
            operator_id,
            call=CallState.NONE,
            since=self.clock(),
            client_id=entry.client_id if entry else None,
            entry_id=entry.id if entry else None,
            attempt_id=None,
            answered_at=None,
            ended_at=None,
            result=None,
            proposal=None,
            message=None if entry else Message("desk.nothing_to_call"),
        )

    async def _give_back(self, operator_id: int) -> None:
        entry_id = self._view(operator_id).entry_id
        if entry_id is None:
            return
        async with self.database.transaction() as session:
            await day_plan.release(session, entry_id=entry_id, operator_id=operator_id)
        self.change(operator_id, client_id=None, entry_id=None)
