"""The network loses packets; the call works all the same (RFC 3261 section 17)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialer.practice.processes import PracticeCarrier
from dialer.sip.endpoint import TrunkAccount
from dialer.sip.events import CallAnswered, CallEndCause, CallEnded, Credentials, Hop, Registered, Transport
from tests.peers.addresses import free_port, own_address
from tests.peers.fixtures import Factory
from tests.peers.our_side import OurSide
from tests.peers.relay import LossyRelay, first_line
from tests.peers.run_kamailio import REALM
from tests.peers.run_sipp import SippRun, status_line

NUMBER = "+73420001201"


@pytest.fixture
async def our_side() -> AsyncIterator[OurSide]:
    async with OurSide() as side:
        yield side


async def _behind_relay(
    sipp: Factory, lossy_relay: Factory, scenario: str, *, lose: int, pattern: str, **options: str
) -> tuple[SippRun, LossyRelay]:
    """A far end whose every packet goes through a relay: its Contact is the relay's address too."""
    host = own_address()
    address = (host, free_port(host))
    relay: LossyRelay = await lossy_relay(own_address(), address, lose=lose, predicate=first_line(pattern))
    far: SippRun = await sipp(scenario, address=address, contact=f"{relay.host}:{relay.port}", **options)
    return far, relay


@pytest.mark.parametrize(
    ("pattern", "lose"),
    [
        ("^INVITE ", 2),
        ("^BYE ", 2),
        ("^ACK ", 1),
        ("^SIP/2.0 200", 2),
    ],
    ids=["INVITE twice", "BYE twice", "ACK", "200 twice"],
)
async def test_an_answered_call_survives_losing(
    sipp: Factory, lossy_relay: Factory, our_side: OurSide, pattern: str, lose: int
) -> None:
    far, relay = await _behind_relay(sipp, lossy_relay, "answer", lose=lose, pattern=pattern)
    call_id = our_side.call(NUMBER, (relay.host, relay.port))
    await our_side.until(CallAnswered, call_id)
    await far.received("ACK")
    our_side.hang_up(call_id)
    assert (await our_side.until(CallEnded, call_id)).cause is CallEndCause.LOCAL_BYE
    await far.succeeded()
    await our_side.settled()
    assert len(relay.dropped) == lose
    # nothing was told twice
    assert len([event for event in our_side.events if isinstance(event, CallAnswered | CallEnded)]) == 2


@pytest.mark.parametrize(("pattern", "lose"), [("^INVITE ", 2), ("^SIP/2.0 486", 1), ("^ACK ", 1)])
async def test_a_refusal_survives_losing(
    sipp: Factory, lossy_relay: Factory, our_side: OurSide, pattern: str, lose: int
) -> None:
    far, relay = await _behind_relay(
        sipp, lossy_relay, "refuse", lose=lose, pattern=pattern, status_line=status_line(486)
    )
    call_id = our_side.call(NUMBER, (relay.host, relay.port))
    assert (await our_side.until(CallEnded, call_id)).sip_code == 486
    await far.succeeded()
    assert len(relay.dropped) == lose


async def test_cancel_survives_losing(sipp: Factory, lossy_relay: Factory, our_side: OurSide) -> None:
    far, relay = await _behind_relay(sipp, lossy_relay, "expect_cancel", lose=2, pattern="^CANCEL ")
    call_id = our_side.call(NUMBER, (relay.host, relay.port))
    await our_side.provisional(call_id)
    our_side.hang_up(call_id)
    await far.succeeded()
    assert len(relay.dropped) == 2


async def test_registration_survives_losing(kamailio: Factory, lossy_relay: Factory, our_side: OurSide) -> None:
    registrar = await kamailio(trunk=(own_address(), 5060))
    relay = await lossy_relay(
        own_address(), (registrar.host, registrar.port), lose=2, predicate=first_line("^REGISTER ")
    )
    account = TrunkAccount(
        name="trunk",
        aor=f"sip:dialer@{REALM}",
        registrar_uri=f"sip:{REALM}",
        hop=Hop(Transport.UDP, relay.host, relay.port),
        credentials=Credentials("dialer", registrar.password_of("dialer")),
    )
    our_side.endpoint.register(account, our_side.now())
    our_side.flush()
    registered = await our_side.until(Registered)
    assert registered.account == "trunk"
    await registrar.registered("dialer")
    assert len(relay.dropped) == 2


@pytest.mark.parametrize(("pattern", "lose"), [("^ACK ", 1), ("^SIP/2.0 200", 2), ("^INVITE ", 2), ("^BYE ", 2)])
async def test_a_call_that_comes_in_survives_losing(
    sipp: Factory, lossy_relay: Factory, tmp_path: Path, pattern: str, lose: int
) -> None:
    async with PracticeCarrier(log=tmp_path / "calls.jsonl", host=own_address(), ring_s=0.1) as carrier:
        relay = await lossy_relay(own_address(), carrier.address, lose=lose, predicate=first_line(pattern))
        # longer than it takes until the answer and its ACK have come through
        caller = await sipp("call", target=(relay.host, relay.port), service=NUMBER, talk_ms="2500")
        await caller.succeeded()
        logged = await carrier.logged_number(NUMBER)
    assert len(relay.dropped) == lose
    assert (logged.ended_by, logged.confirmed) == ("caller", True)
    assert len(carrier.calls()) == 1


async def test_a_refusal_of_ours_survives_losing(sipp: Factory, lossy_relay: Factory, tmp_path: Path) -> None:
    async with PracticeCarrier(log=tmp_path / "calls.jsonl", host=own_address()) as carrier:
        relay = await lossy_relay(own_address(), carrier.address, lose=2, predicate=first_line("^SIP/2.0 486"))
        busy = f"{NUMBER[:-2]}20"
        caller = await sipp("call_refused", target=(relay.host, relay.port), service=busy, code="486")
        await caller.succeeded()
    assert len(relay.dropped) == 2
