"""What the console is made of: handed in by `dialer.app`, found by handlers under typed keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from aiohttp import web

from config.settings import ConsoleSettings, ServiceSettings, Settings
from crm.database import Database
from crm.wrap_up.outcomes import OutcomeForm
from dialer.calls.view import DeskView
from dialer.console.web.failure_limit import FailureLimit
from dialer.console.web.metrics import Metrics
from dialer.console.web.static_files import StaticFiles
from dialer.mailing.patience import MailHealth
from dialer.telephony import HeadsetStatus, TrunkStatus
from dialer.upkeep import Upkeep
from recordings.store import Store


class DeskSurface(Protocol):
    """What the pages need of `dialer.calls.desk.Desk`. Refusals are `DeskError` or `CrmError`."""

    async def view(self, operator_id: int) -> DeskView: ...

    def watch(self, operator_id: int) -> AsyncGenerator[DeskView]:
        """First the present picture, then every change; to be closed by whoever watches."""
        ...

    async def go_ready(self, operator_id: int) -> None: ...

    async def pause(self, operator_id: int) -> None: ...

    async def go_offline(self, operator_id: int) -> None: ...

    async def dial(self, operator_id: int, *, client_id: int, phone_number_id: int | None = None) -> str | None: ...

    async def hang_up(self, operator_id: int) -> None: ...

    async def send_digits(self, operator_id: int, digits: str) -> None: ...

    async def skip(self, operator_id: int, *, client_id: int, reason: str) -> None: ...

    async def undo_skip(self, operator_id: int, *, entry_id: int) -> None: ...

    async def save_outcome(self, operator_id: int, *, attempt_id: str, form: OutcomeForm) -> None: ...

    async def undo_outcome(self, operator_id: int, *, attempt_id: str) -> None: ...

    async def take_client(self, operator_id: int, *, client_id: int) -> None: ...

    async def look_again(self, operator_id: int) -> None: ...

    async def stop_all_dialling(self, user_id: int, *, stopped: bool) -> None: ...

    def trunk(self) -> TrunkStatus: ...

    def headset(self, name: str) -> HeadsetStatus: ...


@dataclass(frozen=True, slots=True)
class ConsoleDeps:
    """The parts behind the pages. `clock` gives the present moment, aware of its zone;
    `mail_health` how this service's mail is, `inbox_health` its mailbox; `trying_rules` is
    held by who does."""

    database: Database
    desk: DeskSurface
    store: Store
    settings: Settings
    clock: Callable[[], datetime]
    upkeep: Upkeep
    mail_health: Callable[[], MailHealth] = MailHealth
    inbox_health: Callable[[], MailHealth] = MailHealth
    trying_rules: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def service(self) -> ServiceSettings:
        return self.settings.service

    @property
    def console(self) -> ConsoleSettings:
        return self.settings.console


DEPS = web.AppKey("deps", ConsoleDeps)
FAILURES = web.AppKey("failures", FailureLimit)
METRICS = web.AppKey("metrics", Metrics)
STATIC = web.AppKey("static", StaticFiles)
