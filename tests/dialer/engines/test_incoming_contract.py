"""The engine contract: calls that come in over the trunk."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from dialer.engines.native import NativeTelephony
from dialer.telephony import IncomingLeg, Leg, LegAnswered, LegEnd, LegLevels, LegRinging, Sound
from tests.dialer.engines.office import PATIENCE_S, Engine, Line, Watched, build_engine, trunk_settings
from tests.peers.addresses import free_port, own_address
from tests.peers.relay import LossyRelay, first_line
from tests.peers.run_sipp import SippRun

OUR_NUMBER = "+73420000000"
CALLER = "sipp"
AUDIBLE_DBOV = -60.0

Sipp = Callable[..., Coroutine[Any, Any, SippRun]]


class Office:
    """An engine whose trunk calls in. `far`: the trunk's host."""

    def __init__(self, engine_class: type[Engine], far: str) -> None:
        self.host = own_address()
        self.far = far
        self.engine = build_engine(engine_class, trunk_settings((far, free_port(far))), host=self.host)
        self._came: asyncio.Queue[IncomingLeg] = asyncio.Queue()

    def take_calls(self) -> None:
        self.engine.on_incoming(self._came.put_nowait)

    async def call(self) -> tuple[IncomingLeg, Watched]:
        """The next call that comes in."""
        async with asyncio.timeout(PATIENCE_S):
            leg = await self._came.get()
        return leg, Watched(leg)

    @property
    def nobody_came(self) -> bool:
        return self._came.empty()

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.engine.sip_port


@pytest.fixture
async def office(engine_class: type[Engine]) -> AsyncIterator[Office]:
    office = Office(engine_class, own_address())
    line = Line(office.engine)
    await office.engine.start()
    await line.trunk(ready=False)  # its address is known then, and nobody answers there
    yield office
    await office.engine.stop()


@pytest.fixture
async def caller(office: Office) -> AsyncIterator[Engine]:
    """Another engine, which stands for the trunk and calls the first."""
    trunk = trunk_settings(office.address, caller_id="+73420001200", options_interval_s=3600)
    far = build_engine(NativeTelephony, trunk, host=office.far)
    line = Line(far)
    await far.start()
    await line.trunk(ready=True)
    yield far
    await far.stop()


async def call_in(far: Engine) -> tuple[Leg, Watched]:
    leg = await far.call_client(OUR_NUMBER, call_id=uuid.uuid4().hex, beside=None, ring_timeout_s=30)
    return leg, Watched(leg)


async def test_nobody_takes_calls(office: Office, caller: Engine) -> None:
    _, outgoing = await call_in(caller)
    ended = await outgoing.ended()
    assert (ended.end, ended.sip_code) == (LegEnd.REFUSED, 480)


async def test_a_call_is_answered_and_both_are_heard(office: Office, caller: Engine) -> None:
    office.take_calls()
    far, outgoing = await call_in(caller)
    near, incoming = await office.call()
    assert (near.id, near.caller, near.called) == (far.id, "+73420001200", OUR_NUMBER)
    await outgoing.until(LegRinging)
    assert LegAnswered not in [type(event) for event in outgoing.events]
    await near.answer()
    await incoming.until(LegAnswered)
    await outgoing.until(LegAnswered)
    await far.play(Sound.RINGBACK)
    await near.play(Sound.BUSY)
    rung, busy = [
        [(await side.until(LegLevels, times=times)).level_dbov > AUDIBLE_DBOV for times in (1, 2, 3, 4)]
        for side in (incoming, outgoing)
    ]
    assert any(rung), "0.8 s of each 4 s"
    assert not all(rung)
    assert all(busy)
    await near.hang_up()
    assert (await incoming.ended()).end is LegEnd.WE_HUNG_UP
    assert (await outgoing.ended()).end is LegEnd.REMOTE_HUNG_UP


async def test_the_caller_hangs_up(office: Office, caller: Engine) -> None:
    office.take_calls()
    far, outgoing = await call_in(caller)
    near, incoming = await office.call()
    await near.answer()
    await outgoing.until(LegAnswered)
    await far.hang_up()
    assert (await incoming.ended()).end is LegEnd.REMOTE_HUNG_UP


async def test_the_caller_gives_up(office: Office, caller: Engine) -> None:
    office.take_calls()
    far, outgoing = await call_in(caller)
    near, incoming = await office.call()
    await outgoing.until(LegRinging)
    await far.hang_up()
    assert (await incoming.ended()).end is LegEnd.REMOTE_HUNG_UP
    await near.answer()  # too late, and nothing happens
    assert LegAnswered not in [type(event) for event in incoming.events]


@pytest.mark.parametrize("code", [486, 480, 404])
async def test_a_call_is_refused(office: Office, caller: Engine, code: int) -> None:
    office.take_calls()
    _, outgoing = await call_in(caller)
    near, incoming = await office.call()
    await near.refuse(code)
    ended = await outgoing.ended()
    assert (ended.end, ended.sip_code) == (LegEnd.REFUSED, code)
    assert (await incoming.ended()).end is LegEnd.CANCELLED


async def test_a_call_that_rings_is_hung_up(office: Office, caller: Engine) -> None:
    office.take_calls()
    _, outgoing = await call_in(caller)
    near, incoming = await office.call()
    await near.hang_up()
    assert (await outgoing.ended()).sip_code == 603
    assert (await incoming.ended()).end is LegEnd.CANCELLED


async def test_nobody_but_the_trunk_may_call(office: Office, engine_class: type[Engine]) -> None:
    office.take_calls()
    stranger = build_engine(NativeTelephony, trunk_settings(office.address), host=own_address())
    line = Line(stranger)
    await stranger.start()
    await line.trunk(ready=True)
    _, outgoing = await call_in(stranger)
    assert (await outgoing.ended()).sip_code == 403
    assert office.nobody_came
    await stranger.stop()


async def test_stop_ends_a_call_that_rings(office: Office, caller: Engine) -> None:
    office.take_calls()
    _, outgoing = await call_in(caller)
    _, incoming = await office.call()
    await office.engine.stop()
    assert (await incoming.ended()).end is LegEnd.CANCELLED
    assert (await outgoing.ended()).end is LegEnd.REFUSED


# -- callers that nobody here wrote ------------------------------------------------------------------------------------


async def test_sipp_calls_and_hangs_up(office: Office, sipp: Sipp) -> None:
    office.take_calls()
    run = await sipp("call", address=(office.far, free_port(office.far)), target=office.address, service=OUR_NUMBER)
    near, incoming = await office.call()
    assert near.caller == CALLER
    await near.answer()
    await incoming.until(LegAnswered)
    assert (await incoming.ended()).end is LegEnd.REMOTE_HUNG_UP
    await run.succeeded()


async def test_sipp_is_hung_up(office: Office, sipp: Sipp) -> None:
    office.take_calls()
    run = await sipp(
        "call_until_hung_up", address=(office.far, free_port(office.far)), target=office.address, service=OUR_NUMBER
    )
    near, incoming = await office.call()
    await near.answer()
    await incoming.until(LegAnswered)
    await near.hang_up()
    assert (await incoming.ended()).end is LegEnd.WE_HUNG_UP
    await run.succeeded()


async def test_sipp_gives_up(office: Office, sipp: Sipp) -> None:
    office.take_calls()
    run = await sipp(
        "call_given_up", address=(office.far, free_port(office.far)), target=office.address, service=OUR_NUMBER
    )
    _, incoming = await office.call()
    assert (await incoming.ended()).end is LegEnd.REMOTE_HUNG_UP
    await run.succeeded()


async def test_sipp_calls_without_an_offer(office: Office, sipp: Sipp) -> None:
    """RFC 3261 section 13.3.1.4: the offer is ours, in the 200; the answer comes with the ACK."""
    office.take_calls()
    run = await sipp(
        "call_without_offer", address=(office.far, free_port(office.far)), target=office.address, service=OUR_NUMBER
    )
    near, incoming = await office.call()
    await near.answer()
    assert (await incoming.until(LegAnswered)).codec == "PCMA"
    assert (await incoming.ended()).end is LegEnd.REMOTE_HUNG_UP
    await run.succeeded()


@pytest.mark.parametrize(("pattern", "lose"), [("^INVITE ", 2), ("^SIP/2.0 200", 2), ("^ACK ", 1), ("^BYE ", 2)])
async def test_a_call_survives_losing(
    office: Office, sipp: Sipp, lossy_relay: Callable[..., Coroutine[Any, Any, LossyRelay]], pattern: str, lose: int
) -> None:
    office.take_calls()
    relay = await lossy_relay(office.far, office.address, lose=lose, predicate=first_line(pattern))
    # it talks for longer than it takes until the answer and its ACK have come through
    run = await sipp("call", target=(relay.host, relay.port), service=OUR_NUMBER, talk_ms="2500")
    near, incoming = await office.call()
    await near.answer()
    assert (await incoming.ended()).end is LegEnd.REMOTE_HUNG_UP
    assert LegAnswered in [type(event) for event in incoming.events]
    await run.succeeded()
    assert len(relay.dropped) == lose


async def test_a_refusal_survives_losing(
    office: Office, sipp: Sipp, lossy_relay: Callable[..., Coroutine[Any, Any, LossyRelay]]
) -> None:
    office.take_calls()
    relay = await lossy_relay(office.far, office.address, lose=2, predicate=first_line("^SIP/2.0 486"))
    run = await sipp("call_refused", target=(relay.host, relay.port), service=OUR_NUMBER, code="486")
    near, _ = await office.call()
    await near.refuse(486)
    await run.succeeded()
    assert len(relay.dropped) == 2
