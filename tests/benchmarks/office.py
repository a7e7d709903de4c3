"""An office for the benchmarks: the whole service on a database whose plan for the day holds many clients.

The clock says half past four in Moscow on the present day: the clients east of Samara stand in the plan before the
others and can no longer be called, as on any working day.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm.base.organisations import Organisation
from crm.base.phone_numbers import PhoneNumber
from crm.clientele.clients import Client
from crm.clientele.groups import GroupMove, MoveCause
from crm.database import Database
from crm.day import day_plan
from crm.group import Group
from crm.office.users import Role, User, add_user, set_headset_password
from crm.preparation.call_lists import ListState, list_named, set_list_state
from crm.preparation.campaigns import add_campaign
from dialer.app import RunningService, running_service
from dialer.engines.native import NativeTelephony
from tests.benchmarks.far_end_process import FarEndProcess

PASSWORD = "practice-makes-perfect"
REALM = "dialer"
ZONES = (
    "Asia/Vladivostok",
    "Asia/Irkutsk",
    "Asia/Novosibirsk",
    "Asia/Yekaterinburg",
    "Europe/Samara",
    "Europe/Moscow",
    "Europe/Moscow",
    "Europe/Moscow",
    "Europe/Kaliningrad",
    "",
)
_GROUPS = (Group.HOT, Group.WARM, Group.COLD, Group.COMPETITOR, Group.ABANDONED, Group.NO_CONTACT)
_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Office:
    """What runs."""

    service: RunningService
    far_end: FarEndProcess
    operators: list[int]
    clients: int
    planned: int
    clock: Callable[[], datetime]

    @property
    def worker_pids(self) -> tuple[int, ...]:
        telephony = self.service.telephony
        assert isinstance(telephony, NativeTelephony), "the settings say so"
        return telephony.worker_pids


def afternoon_clock() -> Callable[[], datetime]:
    """A clock that runs, and began at 16:30 in Moscow today."""
    now = datetime.now(UTC)
    moscow = ZoneInfo("Europe/Moscow")
    offset = datetime.combine(now.astimezone(moscow).date(), time(16, 30), moscow) - now
    return lambda: datetime.now(UTC) + offset


def headset_of(operator: int) -> str:
    return f"headset-{operator}"


async def fill(database: Database, *, clients: int, operators: int, now: datetime) -> tuple[list[int], int]:
    """Ids of the operators, and how many entries the plan of the day got."""
    await database.upgrade()
    async with database.transaction() as session:
        ids = await _add_operators(session, operators, now)
        campaign = await add_campaign(
            session, name="benchmark", now=now, lists_need_approval=True, calls_on_days_off=True
        )
        call_list = await list_named(session, campaign_id=campaign.id, name="benchmark")
        await set_list_state(session, call_list_id=call_list.id, to=ListState.APPROVED, now=now, by="the customer")
        for first in range(1, clients + 1, _BATCH):
            numbers = range(first, min(first + _BATCH, clients + 1))
            await _add_clients(session, numbers, campaign_id=campaign.id, call_list_id=call_list.id, now=now)
    async with database.transaction() as session:
        day = now.astimezone(ZoneInfo(campaign.time_zone)).date()
        planned = await day_plan.build(session, campaign_id=campaign.id, day=day, now=now)
    if database.dialect == "postgresql":
        await _analyse(database)
    return ids, planned


async def _analyse(database: Database) -> None:
    """What the server's own autovacuum does some minutes after so many rows came."""
    async with database.engine.connect() as connection:
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await outside.exec_driver_sql("VACUUM ANALYZE")


async def _add_operators(session: AsyncSession, operators: int, now: datetime) -> list[int]:
    ids, password_hash = [], ""
    for number in range(operators):
        if number:  # the hash is made to be slow: once will do
            user = User(
                login=f"operator-{number}",
                name=f"Operator {number}",
                role=Role.OPERATOR,
                password_hash=password_hash,
                headset=headset_of(number),
                created_at=now,
            )
            session.add(user)
        else:
            user = await add_user(
                session,
                login="operator-0",
                name="Operator 0",
                role=Role.OPERATOR,
                password=PASSWORD,
                now=now,
                headset=headset_of(0),
            )
            password_hash = user.password_hash
        await set_headset_password(session, user=user, password=PASSWORD, realm=REALM)
        ids.append(user.id)
    return ids


async def _add_clients(
    session: AsyncSession, numbers: range, *, campaign_id: int, call_list_id: int, now: datetime
) -> None:
    """One in three has been spoken to before, and is in one of the other groups."""
    organisations: list[dict[str, Any]] = []
    phones, clients, moves = [], [], []
    for number in numbers:
        name = f"ООО «Компания {number}»"
        organisations.append(
            {
                "id": number,
                "name": name,
                "name_folded": name.casefold(),
                "time_zone": ZONES[number % len(ZONES)],
                "created_at": now,
            }
        )
        e164 = f"+7{300 + number // 10_000}000{number % 10_000:04}"
        phones.append({"organisation_id": number, "e164": e164, "raw": e164})
        clients.append(
            {
                "id": number,
                "campaign_id": campaign_id,
                "organisation_id": number,
                "call_list_id": call_list_id,
                "created_at": now,
            }
        )
        if number % 3 == 0:
            moves.append(
                {
                    "client_id": number,
                    "from_group": Group.NEW,
                    "to_group": _GROUPS[number // 3 % len(_GROUPS)],
                    "at": now - timedelta(days=60),
                    "cause": MoveCause.IMPORT,
                }
            )
    await session.execute(insert(Organisation), organisations)
    await session.execute(insert(PhoneNumber), phones)
    await session.execute(insert(Client), clients)
    await session.execute(insert(GroupMove), moves)


@contextlib.asynccontextmanager
async def open_office(
    folder: Path, *, database_url: str, clients: int, operators: int, serve_media: list[tuple[str, int]] | None = None
) -> AsyncIterator[Office]:
    """The service with its trunk up and the headsets of all operators registered. `serve_media`: see `FarEnd.media`."""
    clock = afternoon_clock()
    async with FarEndProcess() as far_end:
        if serve_media is not None:
            await far_end.tell({"do": "media", "addresses": serve_media})
        settings = _settings(folder, database_url, far_end)
        settings.recordings_dir.mkdir(parents=True, exist_ok=True)
        database = Database(settings.database_url)
        try:
            ids, planned = await fill(database, clients=clients, operators=operators, now=clock())
        finally:
            await database.dispose()
        async with running_service(settings, settings_file=folder / "dialer.toml", clock=clock) as service:
            await far_end.register(service.sip_port, [headset_of(number) for number in range(operators)], PASSWORD)
            yield Office(service, far_end, ids, clients, planned, clock)


def _settings(folder: Path, database_url: str, far_end: FarEndProcess) -> Settings:
    return Settings.model_validate(
        {
            "service": {"data_dir": str(folder / "data")},
            "database": {"url": database_url},
            "console": {"port": 0},
            "sip": {"port": 0, "realm": REALM},
            "media": {"first_port": 0, "last_port": 0},
            "trunk": {"host": far_end.host, "port": far_end.port, "caller_id": "+73420000000"},
            "recordings": {"minimum_free_mb": 20, "encrypt": False},
        }
    )
