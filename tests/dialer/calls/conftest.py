"""A desk on a real database and a real store, with scripted telephony."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm.database import Database
from crm.day.day_plan import build
from crm.office.users import user_by_login
from crm.preparation.campaigns import list_campaigns
from dialer.calls.desk import Desk
from dialer.calls.desk_rules import DeskRules
from dialer.calls.view import CallState, DeskView, LineState
from dialer.demo import seed
from recordings.store import LocalStore
from tests.dialer.calls.scripted import ScriptedTelephony

NOON = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # a Monday; 11:00 in Moscow, 13:00 in Perm

PATIENCE_S = 60.0  # then something that was to come has not


@dataclass
class Office:
    """One operator's world."""

    database: Database
    telephony: ScriptedTelephony
    store: LocalStore
    desk: Desk
    operator: int
    manager: int
    now: datetime = NOON

    def clock(self) -> datetime:
        return self.now

    async def until(self, reached: Callable[[DeskView], bool], operator: int | None = None) -> DeskView:
        """The first view for which `reached` holds."""
        async with asyncio.timeout(PATIENCE_S), aclosing(self.desk.watch(operator or self.operator)) as views:
            async for view in views:
                if reached(view):
                    return view
        raise AssertionError("the desk stopped telling")

    async def until_call(self, state: CallState) -> DeskView:
        return await self.until(lambda view: view.call is state)

    async def ready(self) -> DeskView:
        """The operator is on the line with a card in front."""
        await self.desk.go_ready(self.operator)
        return await self.until(lambda view: view.line is LineState.READY and view.client_id is not None)

    async def dial(self) -> str:
        """Ready, and the card's client is being called."""
        view = await self.ready()
        assert view.client_id is not None
        attempt_id = await self.desk.dial(self.operator, client_id=view.client_id)
        assert attempt_id is not None
        await self.telephony.placed.wait()
        return attempt_id

    def new_desk(self, rules: DeskRules | None = None) -> Desk:
        """A desk as after a restart: nothing in memory."""
        rules = rules or DeskRules(minimum_free_bytes=1)
        return Desk(self.database, self.telephony, self.store, rules, self.clock)


@pytest.fixture
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    async with database.transaction() as session:
        await seed.seed(session, now=NOON, realm="dialer")
        campaign = (await list_campaigns(session))[0]
        await build(session, campaign_id=campaign.id, day=NOON.date(), now=NOON)
    async with database.reading() as session:
        operator = await user_by_login(session, seed.OPERATOR)
        manager = await user_by_login(session, seed.MANAGER)
    assert operator is not None
    assert manager is not None
    store = LocalStore(tmp_path / "recordings")
    store.prepare()
    telephony = ScriptedTelephony()
    desk = Desk(database, telephony, store, DeskRules(minimum_free_bytes=1), lambda: NOON)
    world = Office(database, telephony, store, desk, operator.id, manager.id)
    world.desk = world.new_desk()
    await world.desk.start()
    yield world
    await world.desk.stop()
