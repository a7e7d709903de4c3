"""A far end whose description names an address that nothing can be sent to from here: one of the other family."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dialer.telephony import LegAnswered, LegEnd, LegRinging
from tests.dialer.engines.office import Engine, Watched, build_engine, practice_number, serving, trunk_settings
from tests.dialer.sip.by_hand import FarEnd


def elsewhere(far: FarEnd, version: int = 1) -> str:
    return far.description(version=version).replace(f"c=IN IP4 {far.host}", "c=IN IP6 2001:db8::1")


@asynccontextmanager
async def called(engine_class: type[Engine]) -> AsyncIterator[tuple[FarEnd, bytes, Watched]]:
    """The far end, the INVITE that it got, and the leg."""
    async with FarEnd() as far:
        engine = build_engine(engine_class, trunk_settings(far.address))
        async with serving(engine) as line:
            await line.trunk(ready=True)
            leg = await engine.call_client(practice_number(0), call_id=uuid.uuid4().hex, beside=None, ring_timeout_s=30)
            yield far, await far.until("INVITE +sdp"), Watched(leg)


async def test_before_the_answer_it_is_as_good_as_none(engine_class: type[Engine]) -> None:
    async with called(engine_class) as (far, invite, leg):
        far.answer(invite, "183 Session Progress", body=elsewhere(far))
        await leg.until(LegRinging)
        far.answer(invite, "200 OK", body=far.description(version=2))
        await far.until("ACK")
        await leg.until(LegAnswered)


async def test_later_in_the_call_it_is_refused_and_the_call_goes_on(engine_class: type[Engine]) -> None:
    """RFC 3261 section 14.1: a re-INVITE that fails leaves the session as it was."""
    async with called(engine_class) as (far, invite, leg):
        far.answer(invite, "200 OK", body=far.description())
        await far.until("ACK")
        await leg.until(LegAnswered)
        far.ask(invite, "INVITE", 2, body=elsewhere(far, version=2))
        await far.until("488 INVITE")
        far.ask(invite, "ACK", 2)
        far.ask(invite, "BYE", 3)
        await far.until("200 BYE")
        assert (await leg.ended()).end is LegEnd.REMOTE_HUNG_UP


async def test_in_the_answer_it_is_the_networks_failure(engine_class: type[Engine]) -> None:
    async with called(engine_class) as (far, invite, leg):
        far.answer(invite, "200 OK", body=elsewhere(far))
        await far.until("ACK")
        far.answer(await far.until("BYE"), "200 OK")
        ended = await leg.ended()
        assert (ended.end, ended.phrase) == (
            LegEnd.NETWORK_FAILURE, "the far end's answer holds no sound that we could exchange",
        )  # fmt: skip
