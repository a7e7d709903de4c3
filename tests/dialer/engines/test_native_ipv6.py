"""IPv6 addresses have brackets wherever a URI or a header names a host (RFC 3261 section 25.1, IPv6reference)."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

from dialer.engines.native import NativeTelephony
from dialer.practice.processes import PracticeCarrier, PracticeHeadset
from dialer.telephony import LegAnswered, LegEnd
from tests.dialer.engines.office import (
    HEADSET,
    PASSWORD,
    Watched,
    build_engine,
    practice_number,
    serving,
    trunk_settings,
)
from tests.dialer.sip.by_hand import FarEnd
from tests.dialer.sip.network import header

LOOPBACK = "::1"
BARE = re.compile(rb"(?<![\[:0-9A-Fa-f])::1(?!\])")
"""The address without its brackets, as it may stand in `received` and in descriptions only."""


async def test_a_headset_and_a_client_are_called(tmp_path: Path) -> None:
    async with PracticeCarrier(log=tmp_path / "calls.jsonl", host=LOOPBACK, ring_s=0.1) as carrier:
        engine = build_engine(NativeTelephony, trunk_settings(carrier.address), host=LOOPBACK)
        async with serving(engine) as line:
            registrar = (LOOPBACK, engine.sip_port)
            async with PracticeHeadset(registrar=registrar, user=HEADSET, password=PASSWORD, host=LOOPBACK):
                await line.headset(HEADSET, registered=True)
                await line.trunk(ready=True)
                operator = Watched(await engine.call_headset(HEADSET, call_id=uuid.uuid4().hex))
                await operator.until(LegAnswered)
                client = Watched(
                    await engine.call_client(
                        practice_number(0), call_id=uuid.uuid4().hex, beside=operator.leg, ring_timeout_s=30
                    )
                )
                await client.until(LegAnswered)
                for watched in (client, operator):
                    await watched.leg.hang_up()
                    assert (await watched.ended()).end is LegEnd.WE_HUNG_UP


async def test_what_a_headset_and_a_trunk_read_of_us() -> None:
    async with FarEnd(LOOPBACK) as far:
        engine = build_engine(NativeTelephony, trunk_settings(far.address), host=LOOPBACK)
        async with serving(engine) as line:
            await line.trunk(ready=True)
            await far.register(HEADSET, PASSWORD, (LOOPBACK, engine.sip_port))
            await line.headset(HEADSET, registered=True)
            operator = Watched(await engine.call_headset(HEADSET, call_id=uuid.uuid4().hex))
            invite = await far.until("INVITE +sdp")
            assert header(invite, "from").startswith(f"<sip:dialer@[{LOOPBACK}]>;tag=")
            far.answer(invite, "200 OK", body=far.description())
            await far.until("ACK")
            await operator.until(LegAnswered)
            far.ask(invite, "INVITE", 2, body=far.description(version=2, media="a=inactive", port=0))
            refusal = await far.until("488 INVITE")
            assert header(refusal, "warning") == f'399 [{LOOPBACK}] "no audio over RTP/AVP"'
            far.ask(invite, "BYE", 3)
            assert (await operator.ended()).end is LegEnd.REMOTE_HUNG_UP
            for message in far.received:
                head = message.partition(b"\r\n\r\n")[0].replace(b"received=::1", b"")
                assert not BARE.search(head), head.decode()
