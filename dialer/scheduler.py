"""What happens by the clock. Every promise is a row; the poll only looks which rows fell due, so nothing is lost when
the service was down at that minute: the next poll finds it.

APScheduler wakes the poll up and holds nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from crm.database import Database
from crm.day import day_plan
from crm.errors import CrmError
from crm.experts import referring
from crm.importing.carrying_on import carry_on, left_under_way
from crm.importing.keeping import breather
from crm.plan import callbacks
from crm.preparation import campaigns
from crm.questionnaires import marking
from dialer.calls.desk import Desk
from dialer.calls.journal import DATABASE_TROUBLE
from dialer.calls.recovery import recover_forgotten, settle_left_recordings
from recordings.store import Store

log = structlog.get_logger("dialer.scheduler")

RECONCILE_EVERY_S = 30
REBUILD_PLAN_EVERY_S = 600
LOOK_FOR_NEW_CLIENTS_EVERY_S = 20
CARRY_IMPORTS_ON_EVERY_S = 5
FILL_REPORTS_EVERY_S = 5
STOP_PATIENCE_S = 5.0


class Scheduler:
    """`poll_s`: seconds between looks at the callbacks; `node`: the name of this service; `region` (ISO 3166-1): that
    of numbers without a country's code in imports."""

    def __init__(
        self,
        database: Database,
        desk: Desk,
        store: Store,
        *,
        node: str,
        poll_s: float,
        clock: Callable[[], datetime],
        region: str = "RU",
    ) -> None:
        self._database = database
        self._desk = desk
        self._store = store
        self._node = node
        self._clock = clock
        self._region = region
        self._stopping = False
        self._running = frozenset({node})  # services on this database, at the last look
        self._looking: set[asyncio.Task[None]] = set()
        self._planned: dict[int, date] = {}
        self._seen: frozenset[int] = frozenset()  # recent changes up to which the plan has been brought
        self._clockwork = AsyncIOScheduler(timezone=ZoneInfo("UTC"))
        self.add(self.poll, every_s=poll_s)
        self.add(self.reconcile, every_s=RECONCILE_EVERY_S)
        self.add(self.rebuild_plan, every_s=REBUILD_PLAN_EVERY_S)
        self.add(self.take_up_new_clients, every_s=LOOK_FOR_NEW_CLIENTS_EVERY_S)
        self.add(self.carry_imports_on, every_s=CARRY_IMPORTS_ON_EVERY_S)
        self.add(self.fill_reports, every_s=FILL_REPORTS_EVERY_S)

    def add(self, job: Callable[[], Awaitable[None]], *, every_s: float) -> None:
        """Look again every so many seconds; a look that is late is made, one that still runs is not made twice."""
        self._clockwork.add_job(
            self._guarded(job),
            "interval",
            seconds=every_s,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,  # late is better than never: the default drops a job that is 1 s late
        )

    async def start(self) -> None:
        """The first look is made here, before anybody signs in."""
        self._running |= await self._database.running_nodes()
        async with self._database.reading() as session:
            self._seen = await day_plan.recent_changes(session, now=self._clock())
        await self.poll()
        self._clockwork.start()

    async def stop(self) -> None:
        """No further look; one that is under way comes to its end, an import to that of its next transaction."""
        self._stopping = True
        if not self._clockwork.running:
            return
        self._clockwork.pause()
        if self._looking:
            await asyncio.wait(set(self._looking), timeout=STOP_PATIENCE_S)
        self._clockwork.shutdown(wait=False)
        await asyncio.sleep(0)  # its shutdown runs in a callback of the loop

    def _guarded(self, job: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            task = asyncio.current_task()
            assert task is not None  # the clockwork runs each look as one
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)
            try:
                await job()
            except DATABASE_TROUBLE as error:
                reason = str(getattr(error, "orig", None) or error)
                log.error("poll failed", job=str(getattr(job, "__name__", job)), reason=reason)

        return run

    async def poll(self) -> None:
        """Callbacks whose minute has come go to the front; a new day gets its plan; idle desks look again. A promise
        waits for nothing: whatever keeps the plan from being built does not keep it."""
        now = self._clock()
        try:
            await self._bring_due(now)
            await self._plan_new_days(now)
        finally:
            await self._desk.wake()

    async def _bring_due(self, now: datetime) -> None:
        async with self._database.transaction() as session:
            await day_plan.free_expired(session, now=now)  # a promise waits for nobody who had its client and went
        async with self._database.transaction() as session:
            due = await callbacks.bring_due(session, now=now)
        lapsed = await self._database.carry_out(lambda session: referring.pass_on_lapsed(session, now=now))
        if lapsed:
            log.info("referrals", on="limit is over", now="passed on", count=len(lapsed))
        for callback_id in due:
            log.info("callback", callback=callback_id, was="open", on="its minute came", now="due")

    async def _plan_new_days(self, now: datetime) -> None:
        async with self._database.reading() as session:
            running = await campaigns.list_campaigns(session)
        for campaign in running:
            today = now.astimezone(ZoneInfo(campaign.time_zone)).date()
            if self._planned.get(campaign.id) == today:
                continue
            async with self._database.reading() as session:  # a look at all clients, that holds no writer up
                built = await day_plan.is_built(session, campaign_id=campaign.id, day=today)
            if not built:
                async with self._database.transaction() as session:
                    added = await day_plan.build(session, campaign_id=campaign.id, day=today, now=now)
                log.info("day plan", campaign=campaign.id, day=today.isoformat(), on="built", added=added)
            self._planned[campaign.id] = today

    async def rebuild_plan(self) -> None:
        """Clients whose turn has come since, for whatever reason, are taken up."""
        self._planned.clear()
        await self.poll()

    async def take_up_new_clients(self) -> None:
        """Rebuild the plan soon after what may bring clients into it. The look is cheap; rebuilding asks for all."""
        async with self._database.reading() as session:
            recent = await day_plan.recent_changes(session, now=self._clock())
        if recent - self._seen:
            await self.rebuild_plan()
        self._seen = recent  # only now: a plan that could not be rebuilt is tried again

    async def carry_imports_on(self) -> None:
        """What is being read, taken in, undone or discarded goes on, whoever began it, and also after a crash."""
        async with self._database.reading() as session:
            left = await left_under_way(session, now=self._clock())
        for import_id in left:
            try:
                found = await carry_on(
                    self._database, import_id, region=self._region, clock=self._clock, stopped=lambda: self._stopping
                )
            except CrmError as refusal:
                log.warning("import stands still", import_id=import_id, reason=refusal.code)
                continue
            log.info(
                "import", import_id=import_id, on="carried on", now=found.under_way or found.state, done=found.done
            )

    async def fill_reports(self) -> None:
        """What is marked for reports is filled in, whoever marked it, and also after a crash."""
        async with self._database.reading() as session:
            left = await marking.being_filled(session)
        for number in left:
            await marking.fill(self._database, number, breathe=breather(self._database), stopped=lambda: self._stopping)
            log.info("questionnaire", questionnaire=number, on="filled in for reports", now="ready")

    async def reconcile(self) -> None:
        """Calls that nobody follows, be it of a service that died, are ended, so that their operators can go on. Every
        answered call has its recording, a known failure or an exemption: what was left over is settled."""
        now = self._clock()
        before, self._running = self._running, await self._database.running_nodes()
        # Missed twice: a service whose connection to the database broke for a moment goes on with its calls.
        others = (before | self._running) - {self._node}
        followed = self._desk.running_attempts()
        for attempt in await recover_forgotten(self._database, now=now, except_nodes=others, except_ids=followed):
            self._desk.take_up(attempt)
        await settle_left_recordings(self._database, self._store, node=self._node, now=now)
