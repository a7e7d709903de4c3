"""Our endpoint calls peers that nobody here wrote, directly and through a record-routing proxy with digest."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from dialer.sip.events import (
    CallAnswered,
    CallEndCause,
    CallEnded,
    CallProgress,
    Credentials,
    Hop,
    OptionsAnswered,
    Transport,
)
from dialer.sip.sdp import read_remote
from tests.peers.addresses import own_address
from tests.peers.fixtures import Factory
from tests.peers.our_side import OurSide
from tests.peers.run_kamailio import KamailioRun
from tests.peers.run_sipp import SippRun, status_line

NUMBER = "+73420001201"
CODES = [486, 404, 480, 408, 603, 503, 302]


@pytest.fixture
async def our_side() -> AsyncIterator[OurSide]:
    async with OurSide() as side:
        yield side


def credentials(proxy: KamailioRun) -> Credentials:
    return Credentials("dialer", proxy.password_of("dialer"))


def dial(side: OurSide, far: SippRun, proxy: KamailioRun | None) -> str:
    """Call `far`, through `proxy` with its digest if there is one."""
    if proxy is None:
        return side.call(NUMBER, (far.host, far.port))
    return side.call(NUMBER, (proxy.host, proxy.port), credentials=credentials(proxy))


# -- answered ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_a_strict_far_end_is_called_and_hung_up_on(
    sipp: Factory, our_side: OurSide, transport: Transport
) -> None:
    far = await sipp("answer", tcp=transport is Transport.TCP)
    call_id = our_side.call(NUMBER, (far.host, far.port), transport=transport)
    answered = await our_side.until(CallAnswered, call_id)
    assert read_remote(answered.sdp).codec == "PCMA"
    our_side.hang_up(call_id)
    assert (await our_side.until(CallEnded, call_id)).cause is CallEndCause.LOCAL_BYE
    await far.succeeded()


@pytest.mark.parametrize("sha256", [False, True], ids=["MD5", "SHA-256"])
async def test_through_kamailio_with_digest(sipp: Factory, kamailio: Factory, our_side: OurSide, sha256: bool) -> None:
    far = await sipp("answer")
    proxy = await kamailio(trunk=(far.host, far.port), sha256=sha256)
    call_id = our_side.call(NUMBER, (proxy.host, proxy.port), credentials=credentials(proxy))
    await our_side.until(CallAnswered, call_id)
    our_side.hang_up(call_id)
    await far.succeeded()
    assert ("in", "SIP/2.0 407 Proxy Authentication Required") in our_side.messages
    assert proxy.complaints() == []
    # ACK and BYE came by the route that the proxy had recorded
    routed = [line.split("ROUTED ")[1].split()[0] for line in proxy.process.output if "ROUTED" in line]
    assert routed == ["ACK", "BYE"]


async def test_through_kamailio_over_tcp(sipp: Factory, kamailio: Factory, our_side: OurSide) -> None:
    far = await sipp("answer")
    proxy = await kamailio(trunk=(far.host, far.port))
    target = (proxy.host, proxy.port)
    call_id = our_side.call(NUMBER, target, credentials=credentials(proxy), transport=Transport.TCP)
    await our_side.until(CallAnswered, call_id)
    our_side.hang_up(call_id)
    await far.succeeded()
    assert proxy.complaints() == []


@pytest.mark.parametrize("through_proxy", [False, True], ids=["directly", "through Kamailio"])
async def test_the_far_end_hangs_up_first(
    sipp: Factory, kamailio: Factory, our_side: OurSide, through_proxy: bool
) -> None:
    far = await sipp("hang_up_first", route="Route:[$recorded_route]\n" if through_proxy else "")
    proxy = await kamailio(trunk=(far.host, far.port)) if through_proxy else None
    call_id = dial(our_side, far, proxy)
    assert (await our_side.until(CallEnded, call_id)).cause is CallEndCause.REMOTE_BYE
    await far.succeeded()
    assert proxy is None or proxy.complaints() == []


async def test_early_media_brings_its_description(sipp: Factory, our_side: OurSide) -> None:
    far = await sipp("early_media")
    call_id = our_side.call(NUMBER, (far.host, far.port))
    progress = await our_side.until(CallProgress, call_id)
    assert progress.sip_code == 183
    assert read_remote(progress.sdp).host == far.host
    await our_side.until(CallAnswered, call_id)
    our_side.hang_up(call_id)
    await far.succeeded()


async def test_a_wrong_password_ends_the_call_with_the_challenge(kamailio: Factory, our_side: OurSide) -> None:
    proxy = await kamailio(trunk=(own_address(), 5060))
    call_id = our_side.call(NUMBER, (proxy.host, proxy.port), credentials=Credentials("dialer", "wrong"))
    assert (await our_side.until(CallEnded, call_id)).sip_code == 407
    await our_side.settled()
    # asked once, answered once, not hammered on
    assert len([line for way, line in our_side.messages if way == "out" and line.startswith("INVITE")]) == 2
    assert proxy.complaints() == []


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
async def test_a_refusal_is_acknowledged_and_told_apart(sipp: Factory, our_side: OurSide, code: int) -> None:
    headers = "Retry-After: 17\nReason: Q.850;cause=21\nContact: <sip:elsewhere@127.0.0.9>\n"
    far = await sipp("refuse", status_line=status_line(code), headers=headers)
    call_id = our_side.call(NUMBER, (far.host, far.port))
    ended = await our_side.until(CallEnded, call_id)
    assert (ended.cause, f"{ended.sip_code} {ended.phrase}") == (CallEndCause.REFUSED, status_line(code))
    assert (ended.q850, ended.retry_after_s) == (21, 17)
    assert ended.contact_uri == ("sip:elsewhere@127.0.0.9" if code == 302 else "")
    await far.succeeded()
    sent = [one.first_line for one in far.messages() if not one.received]
    assert sent.count(f"SIP/2.0 {status_line(code)}") == 1, "acknowledged at once, not when it was repeated"


@pytest.mark.parametrize("code", [486, 603, 302])
async def test_a_refusal_through_kamailio(sipp: Factory, kamailio: Factory, our_side: OurSide, code: int) -> None:
    far = await sipp("refuse", status_line=status_line(code))
    proxy = await kamailio(trunk=(far.host, far.port))
    call_id = our_side.call(NUMBER, (proxy.host, proxy.port), credentials=credentials(proxy))
    assert (await our_side.until(CallEnded, call_id)).sip_code == code
    await far.succeeded()
    await our_side.settled()
    assert proxy.complaints() == []


# -- given up ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("through_proxy", [False, True], ids=["directly", "through Kamailio"])
async def test_cancel_while_it_rings(sipp: Factory, kamailio: Factory, our_side: OurSide, through_proxy: bool) -> None:
    far = await sipp("expect_cancel")
    proxy = await kamailio(trunk=(far.host, far.port)) if through_proxy else None
    call_id = dial(our_side, far, proxy)
    await our_side.until(CallProgress, call_id)
    our_side.hang_up(call_id)
    assert (await our_side.until(CallEnded, call_id)).cause is CallEndCause.LOCAL_CANCEL
    await far.succeeded()
    await our_side.settled()
    assert proxy is None or proxy.complaints() == []


@pytest.mark.parametrize("through_proxy", [False, True], ids=["directly", "through Kamailio"])
async def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up(
    sipp: Factory, kamailio: Factory, our_side: OurSide, through_proxy: bool
) -> None:
    far = await sipp("answer_crosses_cancel", record_route="Record-Route:[$recorded_route]\n" if through_proxy else "")
    proxy = await kamailio(trunk=(far.host, far.port)) if through_proxy else None
    call_id = dial(our_side, far, proxy)
    await our_side.until(CallProgress, call_id)
    our_side.hang_up(call_id)
    await far.succeeded()
    ends = [event for event in our_side.events if isinstance(event, CallEnded)]
    assert [end.cause for end in ends] == [CallEndCause.LOCAL_CANCEL]
    assert not [event for event in our_side.events if isinstance(event, CallAnswered)]
    assert proxy is None or proxy.complaints() == []


async def test_hanging_up_at_once_waits_for_a_provisional(sipp: Factory, our_side: OurSide) -> None:
    far = await sipp("expect_cancel")
    call_id = our_side.call(NUMBER, (far.host, far.port))
    our_side.hang_up(call_id)
    await far.succeeded()
    sent = [line.split()[0] for way, line in our_side.messages if way == "out"]
    assert sent == ["INVITE", "CANCEL", "ACK"]
    assert our_side.messages.index(("out", f"CANCEL sip:{NUMBER}@{far.host}:{far.port} SIP/2.0")) > next(
        index for index, (way, line) in enumerate(our_side.messages) if way == "in" and line.startswith("SIP/2.0 1")
    )


# -- nobody there ------------------------------------------------------------------------------------------------------


async def test_a_trunk_that_is_not_there_is_known_at_once(our_side: OurSide) -> None:
    call_id = our_side.call(NUMBER, (own_address(), 5060))
    ended = await our_side.until(CallEnded, call_id, patience_s=5)
    assert ended.cause is CallEndCause.TRANSPORT


async def test_options_is_answered_by_kamailio(kamailio: Factory, our_side: OurSide) -> None:
    proxy = await kamailio(trunk=(own_address(), 5060))
    hop = Hop(Transport.UDP, proxy.host, proxy.port)
    token = our_side.endpoint.send_options(f"sip:{proxy.host}:{proxy.port}", hop, our_side.now())
    our_side.flush()
    assert await our_side.until(OptionsAnswered) == OptionsAnswered(token, 200)
