"""The whole service in this process, with a day's plan, for peers that nobody here wrote to talk to.

The operator's clicks are the desk's own calls, as the console makes them; everything below the desk is real.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from config.settings import Settings
from crm.base.organisations import add_organisation
from crm.base.phone_numbers import PhoneNumber
from crm.calls.attempts import Attempt
from crm.calls.recording_facts import Recording, find_recording
from crm.clientele.clients import add_client
from crm.database import Database
from crm.day.day_plan import build
from crm.office.users import Role, add_user, set_headset_password
from crm.preparation.call_lists import list_named
from crm.preparation.campaigns import add_campaign
from crm.wrap_up.outcomes import OutcomeForm
from dialer.app import RunningService, running_service
from dialer.calls.view import CallState, DeskView, LineState
from recordings.store import LocalStore
from tests.peers.addresses import own_address
from tests.peers.fixtures import Factory
from tests.peers.run_baresip import BaresipRun
from tests.peers.run_kamailio import KamailioRun
from tests.peers.tones import write_tone_wav

Address = tuple[str, int]

HEADSET, HEADSET_PASSWORD = "anna", "anna-secret"
REALM = "dialer"
NOON = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday; 12:00 in Moscow
PATIENCE_S = 30.0


def number(ending: int) -> str:
    """A client's number, in the exchange that nobody has."""
    return f"+734200012{ending:02d}"


class Exchange(asyncio.DatagramProtocol):
    """The far side's only address: passes every datagram on by the user part of its request URI, as a carrier does,
    and leaves the bytes as they are (no Via, no Record-Route). OPTIONS it answers itself: sipp takes it for a call.

    `lose`: how many of the first datagrams of each method never arrive; `lost` counts them.
    """

    def __init__(self, routes: Mapping[str, Address], otherwise: Address | None, lose: Mapping[str, int]) -> None:
        self.host = own_address()
        self.port = 0
        self.lost: dict[str, int] = dict.fromkeys(lose, 0)
        self._routes = routes
        self._otherwise = otherwise
        self._lose = lose
        self._caller: Address | None = None
        self._far: Address | None = None
        self._front: asyncio.DatagramTransport | None = None
        self._back: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> Address:
        return self.host, self.port

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """From the caller's side."""
        assert self._back is not None
        assert self._front is not None
        self._caller = addr
        method, uri = data.split(b"\r\n", 1)[0].decode().split()[:2]
        if self.lost.get(method, 0) < self._lose.get(method, 0):
            self.lost[method] += 1
            return
        to = self._routes.get(uri.partition(":")[2].partition("@")[0], self._otherwise)
        if method == "SIP/2.0":
            to = self._far  # the answer to a request of a far end
        if method == "OPTIONS":
            self._front.sendto(_ok(data), addr)
        elif to is not None:
            self._back.sendto(data, to)

    def from_behind(self, data: bytes, addr: Address) -> None:
        """From a far end to the caller's side."""
        self._far = addr
        if self._front is not None and self._caller is not None:
            self._front.sendto(data, self._caller)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, 0))
        self._back, _ = await loop.create_datagram_endpoint(lambda: _Behind(self), local_addr=(self.host, 0))
        self.port = self._front.get_extra_info("sockname")[1]

    def close(self) -> None:
        for transport in (self._front, self._back):
            if transport is not None:
                transport.close()


class _Behind(asyncio.DatagramProtocol):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._exchange.from_behind(data, addr)


def _ok(request: bytes) -> bytes:
    kept = ("via:", "from:", "to:", "call-id:", "cseq:")
    lines = [line for line in request.decode().split("\r\n") if line.lower().startswith(kept)]
    lines = [f"{line};tag=exchange" if line.lower().startswith("to:") else line for line in lines]
    return "\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 0", "", ""]).encode()


@contextlib.asynccontextmanager
async def exchange(
    routes: Mapping[str, Address], *, otherwise: Address | None = None, lose: Mapping[str, int] | None = None
) -> AsyncIterator[Exchange]:
    """An open exchange. `routes`: user part of the request URI to address; the rest goes to `otherwise`."""
    opened = Exchange(routes, otherwise, lose or {})
    await opened.open()
    try:
        yield opened
    finally:
        opened.close()


def trunk_of(carrier: Exchange, proxy: KamailioRun | None = None) -> dict[str, Any]:
    """The settings of the trunk: the exchange itself, or Kamailio before it, which wants registration and digest."""
    if proxy is None:
        return {"host": carrier.host, "port": carrier.port}
    account = {"user": "dialer", "password": proxy.password_of("dialer"), "register": True, "domain": proxy.realm}
    return {"host": proxy.host, "port": proxy.port, **account}


@dataclass
class Whole:
    """The service that runs, and the operator in front of it."""

    service: RunningService
    host: str
    operator: int
    clients: dict[int, str]  # client's id -> number

    @property
    def address(self) -> Address:
        """Where headsets register."""
        return self.host, self.service.sip_port

    # -- the operator -------------------------------------------------------------------------------------------------

    async def until(self, reached: Callable[[DeskView], bool], *, patience_s: float = PATIENCE_S) -> DeskView:
        """The first picture of the desk for which `reached` holds."""
        view = await self.service.desk.view(self.operator)
        try:
            async with (
                asyncio.timeout(patience_s),
                contextlib.aclosing(self.service.desk.watch(self.operator)) as views,
            ):
                async for view in views:
                    if reached(view):
                        return view
        except TimeoutError:
            raise AssertionError(f"the desk never came to what was awaited: {view}") from None
        raise AssertionError("the desk stopped telling")

    async def until_call(self, *states: CallState) -> DeskView:
        return await self.until(lambda view: view.call in states)

    async def ready(self) -> DeskView:
        """The headset is on the line, a card is in front, and the trunk is there."""
        await self.until(lambda view: view.headset_registered and view.trunk_ready)
        await self.service.desk.go_ready(self.operator)
        return await self.until(lambda view: view.line is LineState.READY and view.client_id is not None)

    async def dial(self) -> str:
        """Call the client whose card is in front; returns the attempt's id."""
        view = await self.until(lambda view: view.line is LineState.READY and view.client_id is not None)
        assert view.client_id is not None
        attempt_id = await self.service.desk.dial(self.operator, client_id=view.client_id)
        assert attempt_id is not None
        return attempt_id

    async def number_in_front(self) -> str:
        view = await self.service.desk.view(self.operator)
        assert view.client_id is not None
        return self.clients[view.client_id]

    async def talk(self) -> str:
        """Call the client in front and wait until the call is answered and being recorded."""
        attempt_id = await self.dial()
        await self.until_call(CallState.TALKING)
        await self.until(lambda view: view.recording.value == "on")
        return attempt_id

    async def hang_up(self) -> None:
        await self.service.desk.hang_up(self.operator)

    async def over(self) -> DeskView:
        """The call has ended and everything about it is in the database."""
        view = await self.until_call(CallState.WRAP_UP)
        async with asyncio.timeout(PATIENCE_S):
            await self.service.desk.settled(self.operator)
        return view

    async def write_down(self, attempt_id: str, disposition: str = "no_contact") -> None:
        await self.service.desk.save_outcome(
            self.operator, attempt_id=attempt_id, form=OutcomeForm(disposition=disposition)
        )

    # -- what is stored -----------------------------------------------------------------------------------------------

    async def attempt(self, attempt_id: str) -> Attempt:
        async with self.service.database.reading() as session:
            return await session.get_one(Attempt, attempt_id)

    async def recording(self, attempt_id: str) -> Recording | None:
        async with self.service.database.reading() as session:
            return await find_recording(session, attempt_id)

    async def recording_begun(self, attempt_id: str) -> Recording:
        """The recording's row, as soon as there is one."""
        async with asyncio.timeout(PATIENCE_S):
            while (found := await self.recording(attempt_id)) is None:  # noqa: ASYNC110 - a row gives no event
                await asyncio.sleep(0.02)
        return found

    async def recorded(self, recording: Recording, seconds: float, *, patience_s: float = PATIENCE_S) -> None:
        """Return once the file holds so much (two channels of 16 bits at 8 kHz; a file gives no event)."""
        path = self.recording_path(recording)
        async with asyncio.timeout(patience_s):
            while path.stat().st_size < 44 + seconds * 32000:  # noqa: ASYNC110 - a size, not its contents
                await asyncio.sleep(0.05)

    def recording_path(self, recording: Recording) -> Path:
        return self.service.store.path(recording.key)


@contextlib.asynccontextmanager
async def whole_service(
    folder: Path, database_url: str, *, trunk: Mapping[str, Any], numbers: Sequence[str], codecs: Sequence[str] = ()
) -> AsyncIterator[Whole]:
    """The service on a migrated, empty database, with one operator and these clients in the plan.

    It is always noon at the start: calling hours are not the matter here.
    """
    host = own_address()
    chosen = {"codecs": tuple(codecs)} if codecs else {}
    settings = Settings.model_validate(
        {
            "service": {"data_dir": str(folder / "data")},
            "database": {"url": database_url},
            "console": {"port": 0},
            "sip": {"host": host, "port": 0, "realm": REALM},
            "media": {"host": host, "first_port": 0, "last_port": 0, **chosen},
            "trunk": {"caller_id": "+73420000000", "options_interval_s": 5, **trunk},
            "recordings": {"minimum_free_mb": 1, "encrypt": False},
        }
    )
    settings.data_dir.mkdir()
    LocalStore(settings.recordings_dir).prepare()
    database = Database(settings.database_url)
    operator, clients = await _seed(database, numbers)
    await database.dispose()
    ahead = NOON - datetime.now(UTC)
    async with running_service(
        settings, settings_file=folder / "dialer.toml", clock=lambda: datetime.now(UTC) + ahead
    ) as service:
        yield Whole(service, host, operator, clients)


async def _seed(database: Database, numbers: Sequence[str]) -> tuple[int, dict[int, str]]:
    clients: dict[int, str] = {}
    async with database.transaction() as session:
        operator = await add_user(
            session,
            login=HEADSET,
            name="Анна",
            role=Role.OPERATOR,
            password="anna-at-the-desk",
            now=NOON,
            headset=HEADSET,
        )
        await set_headset_password(session, user=operator, password=HEADSET_PASSWORD, realm=REALM)
        campaign = await add_campaign(
            session,
            name="Вентиляция",
            now=NOON,
            calls_from=time(0),
            calls_until=time(23, 59),
            lists_need_approval=False,
        )
        call_list = await list_named(session, campaign_id=campaign.id, name="Первый")
        for e164 in numbers:
            organisation = await add_organisation(session, name=f"ООО {e164}", now=NOON, time_zone="Europe/Moscow")
            session.add(PhoneNumber(organisation_id=organisation.id, e164=e164, raw=e164))
            client = await add_client(
                session,
                campaign_id=campaign.id,
                organisation_id=organisation.id,
                call_list_id=call_list.id,
                now=NOON - timedelta(days=1),
            )
            clients[client.id] = e164
        await build(session, campaign_id=campaign.id, day=NOON.date(), now=NOON)
        return operator.id, clients


def write_voice(folder: Path, frequency_hz: float) -> Path:
    """What a softphone says: a tone."""
    return write_tone_wav(folder / f"{frequency_hz:.0f}.wav", frequency_hz)


async def headset(baresip: Factory, whole: Whole, voice: Path) -> BaresipRun:
    """baresip as the operator's headset, registering at the service with digest."""
    phone: BaresipRun = await baresip(user=HEADSET, password=HEADSET_PASSWORD, registrar=whole.address, tone=voice)
    return phone


async def softphone(baresip: Factory, called: str, voice: Path) -> BaresipRun:
    """baresip as the client behind the number `called`; it picks up at once."""
    phone: BaresipRun = await baresip(user=called, password="not asked for", tone=voice)
    return phone
