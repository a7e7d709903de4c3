"""What only a far end written by hand says, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from dialer.sip.events import CallAnswered
from tests.dialer.sip.by_hand import FarEnd
from tests.dialer.sip.network import answer_to, header
from tests.peers.our_side import OurSide

NUMBER = "+73420001200"


@pytest_asyncio.fixture
async def far() -> AsyncIterator[FarEnd]:
    async with FarEnd() as far:
        yield far


@pytest_asyncio.fixture
async def our_side() -> AsyncIterator[OurSide]:
    async with OurSide() as side:
        yield side


async def answered(far: FarEnd, our_side: OurSide) -> bytes:
    """The INVITE of a call that talks."""
    call_id = our_side.call(NUMBER, far.address)
    invite = await far.until("INVITE +sdp")
    far.answer(invite, "200 OK", body=far.description())
    await far.until("ACK")
    await our_side.until(CallAnswered, call_id)
    return invite


async def test_keys_by_info_stay_in_order_though_one_is_lost(far: FarEnd, our_side: OurSide) -> None:
    """Sent all at once, the one that was lost comes again behind the others, with a CSeq number that is too low: it is
    refused with 500 (RFC 3261 section 12.2.2), and the switchboard hears another number."""
    invite = await answered(far, our_side)
    for digit in "12#":
        our_side.endpoint.send_info_digit(header(invite, "call-id"), digit, our_side.now())
    our_side.flush()
    lost = await far.until("INFO +sdp")
    heard = []
    for _ in range(3):
        info = await far.until("INFO +sdp")
        heard.append((header(info, "cseq"), info.partition(b"\r\n\r\n")[2].split(b"\r\n")[0].decode()))
        far.answer(info, "200 OK")
    assert heard == [("2 INFO", "Signal=1"), ("3 INFO", "Signal=2"), ("4 INFO", "Signal=#")]
    assert header(lost, "cseq") == "2 INFO"


async def test_a_description_beside_isup_is_found(far: FarEnd, our_side: OurSide) -> None:
    """A gateway to the public network that is set up for exchanges (RFC 3372) answers so; the client has picked up."""
    call_id = our_side.call(NUMBER, far.address)
    invite = await far.until("INVITE +sdp")
    signal = "Content-Type: application/ISUP;version=itu-t92+\nContent-Disposition: signal;handling=optional\n\nx"
    description = far.description()
    body = f"--cut\n{signal}\n--cut\nContent-Type: application/sdp\n\n{description}--cut--\n".replace("\n", "\r\n")
    answer = answer_to(invite, "200 OK", tag="far", extra=f"Contact: <sip:far@{far.host}:{far.port}>")
    head = answer.decode().removesuffix("Content-Length: 0\r\n\r\n")
    far.send(f"{head}Content-Type: multipart/mixed;boundary=cut\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    assert (await our_side.until(CallAnswered, call_id)).sdp.decode() == description.replace("\n", "\r\n")
