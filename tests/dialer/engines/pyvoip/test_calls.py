"""pyVoIP's calls, mended, against sipp: each scenario checks branch, tags, URIs and numbers by itself."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import pytest

from dialer.engines.pyvoip.endpoint import PyVoipEndpoint
from dialer.sip.endpoint import EndpointConfig, TrunkAccount
from dialer.sip.events import (
    CallAnswered,
    CallEndCause,
    CallEnded,
    CallProgress,
    Credentials,
    Hop,
    Registered,
    SipEvent,
    Transport,
)
from dialer.sip.sdp import build_offer
from dialer.sip.transport import SipTransport
from tests.peers.addresses import own_address
from tests.peers.run_kamailio import KamailioRun
from tests.peers.run_sipp import SippRun, status_line

pytestmark = pytest.mark.peer

Sipp = Callable[..., Coroutine[Any, Any, SippRun]]
Kamailio = Callable[..., Coroutine[Any, Any, KamailioRun]]
NUMBER = "+73420001201"
CREDENTIALS = Credentials("dialer", KamailioRun.password_of("dialer"))
E = TypeVar("E", bound=SipEvent)


class Caller:
    """An endpoint with its socket, and what its calls told."""

    def __init__(self, host: str) -> None:
        self._told: asyncio.Queue[SipEvent] = asyncio.Queue()
        self.host = host
        self.endpoint = PyVoipEndpoint(
            EndpointConfig(host, 0), ("kamailio.test", CREDENTIALS.username, CREDENTIALS.password)
        )
        self.transport = SipTransport(self.endpoint, host, 0, tcp=False, on_event=self._told.put_nowait)

    def call(
        self, run: SippRun | KamailioRun, *, number: str = "73420001234", credentials: Credentials | None = None
    ) -> str:
        """Returns the Call-ID."""
        call_id = uuid.uuid4().hex
        self.endpoint.invite(
            call_id=call_id,
            target_uri=f"sip:{NUMBER}@{run.host}:{run.port}",
            from_uri="sip:73420000000@dialer.test",
            hop=Hop(Transport.UDP, run.host, run.port),
            sdp=build_offer(self.host, 40000),
            credentials=credentials,
            now=asyncio.get_running_loop().time(),
        )
        self.transport.flush()
        return call_id

    def hang_up(self, call_id: str) -> None:
        self.endpoint.hang_up(call_id, asyncio.get_running_loop().time())
        self.transport.flush()

    async def told(self, kind: type[E]) -> E:
        """The next event of this kind."""
        async with asyncio.timeout(15):
            while True:
                event = await self._told.get()
                if isinstance(event, kind):
                    return event

    def nothing_more(self) -> bool:
        return self._told.empty()


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    caller = Caller(own_address())
    await caller.transport.start()
    yield caller
    await caller.transport.stop()


async def until_acknowledged(run: SippRun) -> None:
    """sipp takes a BYE that follows closely for unexpected; only its message log tells how far it is."""
    async with asyncio.timeout(10):
        while True:
            was_there = any(message.first_line.startswith("ACK ") for message in run.messages())
            await asyncio.sleep(0.2)
            if was_there:
                return


async def test_an_answer_is_acknowledged_and_hung_up(caller: Caller, sipp: Sipp) -> None:
    run = await sipp("answer")
    call_id = caller.call(run)
    assert (await caller.told(CallProgress)).sip_code == 180
    answered = await caller.told(CallAnswered)
    assert b"m=audio" in answered.sdp
    await until_acknowledged(run)
    caller.hang_up(call_id)
    assert (await caller.told(CallEnded)).cause is CallEndCause.LOCAL_BYE
    await run.succeeded()
    assert run.messages()[0].header("Call-ID") == call_id


async def test_the_far_end_hangs_up(caller: Caller, sipp: Sipp) -> None:
    run = await sipp("hang_up_first")
    caller.call(run)
    assert (await caller.told(CallEnded)).cause is CallEndCause.REMOTE_BYE
    await run.succeeded()


@pytest.mark.parametrize("code", [302, 404, 408, 480, 486, 503, 603])
async def test_a_refusal_is_told_with_its_code_and_acknowledged(caller: Caller, sipp: Sipp, code: int) -> None:
    run = await sipp("refuse", status_line=status_line(code))
    caller.call(run)
    ended = await caller.told(CallEnded)
    assert (ended.cause, ended.sip_code) == (CallEndCause.REFUSED, code)
    assert f"{code} {ended.phrase}" == status_line(code)
    await run.succeeded()


async def test_what_a_refusal_adds_is_told(caller: Caller, sipp: Sipp) -> None:
    headers = 'Reason: SIP;cause=480, Q.850;cause=20;text="absent: away"\r\nRetry-After: 120 (later)\r\n'
    run = await sipp("refuse", status_line=status_line(480), headers=headers)
    caller.call(run)
    ended = await caller.told(CallEnded)
    assert (ended.q850, ended.retry_after_s) == (20, 120)
    await run.succeeded()


async def test_cancel_while_it_rings(caller: Caller, sipp: Sipp) -> None:
    run = await sipp("expect_cancel")
    call_id = caller.call(run)
    await caller.told(CallProgress)
    caller.hang_up(call_id)
    assert (await caller.told(CallEnded)).cause is CallEndCause.LOCAL_CANCEL
    await run.succeeded()
    assert caller.nothing_more()


async def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up(caller: Caller, sipp: Sipp) -> None:
    run = await sipp("answer_crosses_cancel", record_route="")
    call_id = caller.call(run)
    await caller.told(CallProgress)
    caller.hang_up(call_id)
    assert (await caller.told(CallEnded)).cause is CallEndCause.LOCAL_CANCEL
    await run.succeeded()
    assert caller.nothing_more()


@pytest.mark.parametrize("sha256", [False, True], ids=["MD5", "SHA-256"])
async def test_through_a_record_routing_proxy_with_digest(
    caller: Caller, sipp: Sipp, kamailio: Kamailio, sha256: bool
) -> None:
    run = await sipp("answer")
    proxy = await kamailio(trunk=(run.host, run.port), sha256=sha256)
    call_id = caller.call(proxy, credentials=CREDENTIALS)
    await caller.told(CallAnswered)
    await until_acknowledged(run)
    caller.hang_up(call_id)
    await run.succeeded()
    assert proxy.complaints() == []
    routed = [line.split("ROUTED ")[1].split()[0] for line in proxy.process.output if "ROUTED" in line]
    assert routed == ["ACK", "BYE"]


async def test_the_far_end_of_a_proxy_hangs_up(caller: Caller, sipp: Sipp, kamailio: Kamailio) -> None:
    run = await sipp("hang_up_first", route="Route:[$recorded_route]\n")
    proxy = await kamailio(trunk=(run.host, run.port))
    caller.call(proxy, credentials=CREDENTIALS)
    assert (await caller.told(CallEnded)).cause is CallEndCause.REMOTE_BYE
    await run.succeeded()
    assert proxy.complaints() == []


async def test_cancel_and_refusal_through_a_proxy(caller: Caller, sipp: Sipp, kamailio: Kamailio) -> None:
    run = await sipp("expect_cancel")
    proxy = await kamailio(trunk=(run.host, run.port))
    call_id = caller.call(proxy, credentials=CREDENTIALS)
    await caller.told(CallProgress)
    caller.hang_up(call_id)
    await run.succeeded()
    busy = await sipp("refuse", status_line=status_line(486), address=(run.host, run.port))
    caller.call(proxy, credentials=CREDENTIALS)
    assert (await caller.told(CallEnded)).cause is CallEndCause.LOCAL_CANCEL
    assert (await caller.told(CallEnded)).sip_code == 486
    await busy.succeeded()
    assert proxy.complaints() == []


async def test_registered_at_kamailio(caller: Caller, kamailio: Kamailio) -> None:
    proxy = await kamailio(trunk=(own_address(), 5060))
    account = TrunkAccount(
        name="trunk",
        aor=f"sip:dialer@{proxy.realm}",
        registrar_uri=f"sip:{proxy.realm}",
        hop=Hop(Transport.UDP, proxy.host, proxy.port),
        credentials=CREDENTIALS,
    )
    caller.endpoint.register(account, asyncio.get_running_loop().time())
    caller.transport.flush()
    assert (await caller.told(Registered)).account == "trunk"
    await proxy.registered("dialer")
    assert proxy.complaints() == []
