"""The service put together: the only place that builds concrete parts, and takes them down in the opposite order."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from config.settings import Settings
from crm.database import Database, ServiceLock
from crm.offers.sending import Lane
from crm.office import users
from dialer.calls.desk import Desk
from dialer.calls.desk_rules import DeskRules
from dialer.calls.recovery import recover_calls
from dialer.console.app import ConsoleDeps, create_console
from dialer.console.server import console_url, start_console
from dialer.engines.native import NativeTelephony
from dialer.engines.pyvoip import PyVoipTelephony
from dialer.mailing.batch_writer import BatchWriter
from dialer.mailing.inbox import InboxReader
from dialer.mailing.offer_sender import OfferSender
from dialer.mailing.patience import Patience
from dialer.mailing.sender import Mailer
from dialer.office_key import make_key
from dialer.purging import link_rows, purge
from dialer.scheduler import Scheduler
from dialer.sip.endpoint import RegistrarAccount
from dialer.sound_files import is_offices_key, seal_finished
from dialer.telephony import Telephony
from dialer.upkeep import Upkeep
from recordings.sealing import new_wrapped_key
from recordings.store import LocalStore

REFRESH_HEADSETS_S = 5.0
KEEP_LOCK_S = 5.0
CARE_S = 60.0

log = structlog.get_logger("dialer.app")


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class RunningService:
    """What a caller may need of a service that runs."""

    url: str
    database: Database
    desk: Desk
    telephony: Telephony
    store: LocalStore
    sip_port: int


async def headset_accounts(database: Database) -> dict[str, RegistrarAccount]:
    """Every active user's headset may register."""
    async with database.reading() as session:
        rows = await users.list_users(session)
    return {
        user.headset: RegistrarAccount(user.headset, *digests)
        for user in rows
        if user.active and user.headset and (digests := users.headset_digests(user, database.office_key))
    }


async def _refresh_headsets(database: Database, telephony: NativeTelephony) -> None:
    """A headset that was added, changed or taken away counts without a restart."""
    telephony.set_accounts(await headset_accounts(database))


async def _keep_lock(lock: ServiceLock) -> None:
    """A lock that PostgreSQL forgot is taken again, before anybody takes our calls for those of a dead service."""
    if not await lock.keep():
        log.error("service", was="running", on="another service took this database", now="running beside it")


def build_telephony(settings: Settings, accounts: dict[str, RegistrarAccount]) -> NativeTelephony | PyVoipTelephony:
    engine = PyVoipTelephony if settings.sip.engine == "pyvoip" else NativeTelephony
    return engine(settings.sip, settings.media, settings.trunk, accounts)


@contextlib.asynccontextmanager
async def running_service(
    settings: Settings, *, settings_file: Path, clock: Callable[[], datetime] = utc_now
) -> AsyncIterator[RunningService]:
    """The whole service, for as long as the context lasts. Backups keep its `settings_file`, too.

    Raises `crm.errors.AnotherServiceRuns`, `dialer.telephony.PortBusy`, `dialer.console.server.ConsoleError` and
    `recordings.errors.RecordingError` (the folder cannot be written) before anybody could be called.
    """
    async with contextlib.AsyncExitStack() as stack:
        database, lock = await _database_of_ours(stack, settings, clock)
        store = LocalStore(settings.recordings_dir)
        store.check()
        await database.upgrade()
        async with database.transaction() as session:
            await users.close_headsets(session)
        await is_offices_key(database)
        await recover_calls(database, store, node=settings.service.node, now=clock())
        upkeep = Upkeep(database, store, settings, settings_file, clock)
        stack.push_async_callback(upkeep.ended)  # it is waited for when no call is
        telephony = build_telephony(settings, await headset_accounts(database))
        await telephony.start()
        stack.push_async_callback(telephony.stop)
        desk = Desk(database, telephony, store, _rules(settings, database.office_key), clock)
        await desk.start()
        stack.push_async_callback(desk.stop)
        mailer, inbox = await _start_scheduler(stack, settings, database, telephony, desk, store, lock, clock)
        stack.callback(upkeep.break_off)
        deps = ConsoleDeps(
            database=database, desk=desk, store=store, settings=settings, clock=clock, upkeep=upkeep,
            mail_health=mailer.health, inbox_health=inbox.health,
        )  # fmt: skip
        console = create_console(deps)
        runner = await start_console(console, settings.console)
        stack.push_async_callback(runner.cleanup)
        yield RunningService(
            url=console_url(runner, settings.console),
            database=database,
            desk=desk,
            telephony=telephony,
            store=store,
            sip_port=telephony.sip_port,
        )
        log.info("service", was="running", on="stop asked", now="stopping")


async def _database_of_ours(
    stack: contextlib.AsyncExitStack, settings: Settings, clock: Callable[[], datetime]
) -> tuple[Database, ServiceLock]:
    """The database with the right to be its service; `stack` gives both up."""
    database = Database(settings.database_url, make_key(settings))
    stack.push_async_callback(database.dispose)
    lock = await database.acquire_service(
        node=settings.service.node, further_node=settings.service.further_node, now=clock()
    )
    stack.push_async_callback(lock.release)
    return database, lock


async def _start_scheduler(
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    database: Database,
    telephony: Telephony,
    desk: Desk,
    store: LocalStore,
    lock: ServiceLock,
    clock: Callable[[], datetime],
) -> tuple[Mailer, InboxReader]:
    """Callbacks, plans and mail when they are due, and what is done again and again; `stack` ends it."""
    node, poll_s = settings.service.node, settings.scheduler.poll_s
    scheduler = Scheduler(
        database, desk, store, node=node, poll_s=poll_s, clock=clock, region=settings.dialing.region
    )  # fmt: skip
    patience = Patience("mail server")
    mailer = Mailer(
        database, settings.mail, node=node, public_url=settings.console.public_url, clock=clock, patience=patience
    )
    senders = [
        OfferSender(
            database, settings.mail, node=node, materials=settings.materials_dir, clock=clock,
            reads_answers=bool(settings.inbox.host), lane=lane, patience=patience,
        )
        for lane in Lane
    ]  # fmt: skip
    writer = BatchWriter(database, settings.mail, clock=clock, patience=patience)
    scheduler.add(mailer.look, every_s=poll_s)
    inbox = InboxReader(database, settings.inbox, settings.mail, clock=clock)
    for look in (writer.look, *(each.look for each in senders)):
        scheduler.add(look, every_s=poll_s)
    scheduler.add(inbox.look, every_s=settings.inbox.every_s)
    for care in (seal_finished, purge):
        scheduler.add(functools.partial(care, database, store), every_s=CARE_S)
    scheduler.add(functools.partial(link_rows, database), every_s=CARE_S)
    scheduler.add(functools.partial(_keep_lock, lock), every_s=KEEP_LOCK_S)
    if isinstance(telephony, NativeTelephony):
        scheduler.add(functools.partial(_refresh_headsets, database, telephony), every_s=REFRESH_HEADSETS_S)
    await scheduler.start()
    stack.push_async_callback(scheduler.stop)
    stack.callback(mailer.stop)
    for stop in (writer.stop, *(each.stop for each in senders)):
        stack.callback(stop)
    stack.callback(inbox.stop)
    return mailer, inbox


def _rules(settings: Settings, office_key: bytes) -> DeskRules:
    return DeskRules(
        ring_timeout_s=settings.dialing.ring_timeout_s,
        claim_lease_s=settings.dialing.claim_lease_s,
        max_call_s=settings.dialing.max_call_s,
        allowed_prefixes=settings.dialing.allowed_prefixes,
        recording_policy=settings.recordings.policy,
        minimum_free_bytes=settings.recordings.minimum_free_mb * 2**20,
        node=settings.service.node,
        new_recording_key=functools.partial(new_wrapped_key, office_key) if settings.recordings.encrypt else None,
    )


async def serve(
    settings: Settings, *, settings_file: Path, on_ready: Callable[[RunningService], None] | None = None
) -> None:
    """Run until SIGTERM or SIGINT."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    async with running_service(settings, settings_file=settings_file) as service:
        log.info("service", was="starting", on="ready", now="running", url=service.url, sip_port=service.sip_port)
        if on_ready is not None:
            on_ready(service)
        await asked.wait()
