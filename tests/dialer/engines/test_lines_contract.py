"""The engine contract: start and stop, the port, the trunk, headsets, and what an engine cannot do."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import uuid
from pathlib import Path

import pytest

from dialer.practice.processes import PracticeCarrier, PracticeHeadset
from dialer.telephony import (
    Capability,
    HeadsetStatus,
    LegAnswered,
    LegEnd,
    NotCapable,
    PortBusy,
    TelephonyError,
)
from tests.dialer.engines.office import (
    HEADSET,
    PASSWORD,
    PATIENCE_S,
    Engine,
    Line,
    Watched,
    build_engine,
    practice_number,
    running_office,
    serving,
    trunk_settings,
)
from tests.dialer.sip.by_hand import FarEnd
from tests.peers.addresses import free_port, is_bound, own_address


async def test_start_binds_and_stop_frees(engine_class: type[Engine]) -> None:
    host = own_address()
    port = free_port(host)
    threads = set(threading.enumerate())
    engine = build_engine(engine_class, None, host=host, port=port)
    await engine.start()
    assert is_bound(host, port)
    assert engine.sip_port == port
    assert not engine.trunk().ready
    assert "trunk" in engine.trunk().detail
    pids = engine.worker_pids
    await engine.stop()
    await engine.stop()
    assert not is_bound(host, port)
    # asyncio itself waits for each process in a thread, which may still be on its way out
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert not {name for name in left if "waitpid-" not in name}
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_port_in_use_is_said_in_words(engine_class: type[Engine]) -> None:
    host = own_address()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((host, 0))
        port = other.getsockname()[1]
        engine = build_engine(engine_class, None, host=host, port=port)
        with pytest.raises(PortBusy, match=f"{port}.*in use"):
            await engine.start()
        await engine.stop()


async def test_a_trunk_that_answers_is_ready(engine_class: type[Engine], tmp_path: Path) -> None:
    async with PracticeCarrier(log=tmp_path / "carrier.jsonl", host=own_address()) as carrier:
        engine = build_engine(engine_class, trunk_settings(carrier.address))
        assert not engine.trunk().ready
        line = Line(engine)
        await engine.start()
        assert (await line.trunk(ready=True)).detail == ""
        await engine.stop()


async def test_a_dead_trunk_does_not_stop_the_start_and_is_said_in_words(engine_class: type[Engine]) -> None:
    host = own_address()
    trunk = trunk_settings((host, free_port(host)))
    engine = build_engine(engine_class, trunk)
    line = Line(engine)
    await engine.start()
    status = await line.trunk(ready=False)
    assert f"{trunk.host}:{trunk.port}" in status.detail
    call = Watched(
        await engine.call_client(practice_number(0), call_id=uuid.uuid4().hex, beside=None, ring_timeout_s=60)
    )
    assert (await call.ended()).end is LegEnd.NETWORK_FAILURE
    await engine.stop()


async def test_a_trunk_that_is_silent_is_not_a_client_who_does_not_pick_up(engine_class: type[Engine]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((own_address(), 0))
        engine = build_engine(engine_class, trunk_settings(silent.getsockname()))
        await engine.start()
        call = Watched(
            await engine.call_client(practice_number(0), call_id=uuid.uuid4().hex, beside=None, ring_timeout_s=1)
        )
        assert (await call.ended()).end is LegEnd.NETWORK_FAILURE
        await engine.stop()


async def test_the_way_to_a_trunk_that_is_not_asked_is_kept_open(engine_class: type[Engine]) -> None:
    """RFC 5626 section 4.4.1: behind an address translator the trunk's BYE comes in only while something goes out, and
    a registration is refreshed after minutes."""
    async with FarEnd() as far:
        engine = build_engine(engine_class, trunk_settings(far.address, ask_options=False))
        async with serving(engine):
            async with asyncio.timeout(PATIENCE_S):
                await far.kept_open.wait()
            assert engine.trunk().ready
        assert far.received == []


async def test_a_trunk_that_wants_a_registration(engine_class: type[Engine], tmp_path: Path) -> None:
    account = {"user": "office", "password": "office-secret", "register": True}
    async with running_office(engine_class, tmp_path, **account) as office:
        call = await office.client(37)
        await call.until(LegAnswered)
        assert (await call.ended()).end is LegEnd.REMOTE_HUNG_UP


async def test_a_trunk_that_dies_is_noticed_long_before_the_registration_runs_out(
    engine_class: type[Engine], tmp_path: Path
) -> None:
    async with PracticeCarrier(
        log=tmp_path / "carrier.jsonl", host=own_address(), user="office", password="right"
    ) as carrier:
        registered = trunk_settings(
            carrier.address, user="office", password="right", register=True, options_interval_s=5
        )
        engine = build_engine(engine_class, registered)
        line = Line(engine)
        await engine.start()
        await line.trunk(ready=True)
        carrier.kill()
        assert "no answer" in (await line.trunk(ready=False)).detail
        await engine.stop()


async def test_a_wrong_password_at_the_trunk_is_said_in_words(engine_class: type[Engine], tmp_path: Path) -> None:
    async with PracticeCarrier(
        log=tmp_path / "carrier.jsonl", host=own_address(), user="office", password="right"
    ) as carrier:
        wrong = trunk_settings(carrier.address, user="office", password="wrong", register=True)
        engine = build_engine(engine_class, wrong)
        line = Line(engine)
        await engine.start()
        assert "401" in (await line.trunk(ready=False)).detail or "403" in engine.trunk().detail
        call = Watched(
            await engine.call_client(practice_number(0), call_id=uuid.uuid4().hex, beside=None, ring_timeout_s=10)
        )
        ended = await call.ended()
        assert ended.end is LegEnd.REFUSED
        assert ended.sip_code in (401, 403, 407)
        await engine.stop()


async def test_a_headset_comes_and_goes(engine_class: type[Engine]) -> None:
    host = own_address()
    engine = build_engine(engine_class, None, host=host)
    line = Line(engine)
    await engine.start()
    assert engine.headset(HEADSET) == HeadsetStatus(False)
    async with PracticeHeadset(
        registrar=(host, engine.sip_port), user=HEADSET, password=PASSWORD, host=own_address()
    ) as headset:
        await line.headset(HEADSET, registered=True)
        assert f"{headset.host}:{headset.port}" in engine.headset(HEADSET).contact
    await line.headset(HEADSET, registered=False)
    await engine.stop()


async def test_a_headset_with_a_wrong_password_is_refused(engine_class: type[Engine]) -> None:
    host = own_address()
    engine = build_engine(engine_class, None, host=host)
    await engine.start()
    async with PracticeHeadset(
        registrar=(host, engine.sip_port), user=HEADSET, password="wrong", host=own_address()
    ) as headset:
        await headset.happened("registration_failed")
        assert not engine.headset(HEADSET).registered
    await engine.stop()


async def test_stop_hangs_everything_up(engine_class: type[Engine], tmp_path: Path) -> None:
    async with running_office(engine_class, tmp_path) as office:
        operator = await office.operator()
        client = await office.client(32, beside=operator)
        ringing = await office.client(21, beside=operator)
        await operator.until(LegAnswered)
        await client.until(LegAnswered)
        await office.engine.stop()
        assert (await operator.ended()).end is LegEnd.WE_HUNG_UP
        assert (await client.ended()).end is LegEnd.WE_HUNG_UP
        assert (await ringing.ended()).end is LegEnd.CANCELLED
        assert (await office.carrier.logged(client.leg.id)).ended_by == "caller"
        assert (await office.carrier.logged(ringing.leg.id)).ended_by == "cancelled"
        await office.headset.happened("ended", call_id=operator.leg.id)


async def test_a_killed_media_worker_ends_its_legs_and_the_next_call_works(
    engine_class: type[Engine], tmp_path: Path
) -> None:
    async with running_office(engine_class, tmp_path) as office:
        operator = await office.operator()
        client = await office.client(32, beside=operator)
        await operator.until(LegAnswered)
        await client.until(LegAnswered)
        (pid,) = office.engine.worker_pids
        os.kill(pid, signal.SIGKILL)
        assert (await operator.ended()).end is LegEnd.MEDIA_LOST
        assert (await client.ended()).end is LegEnd.MEDIA_LOST
        assert (await office.carrier.logged(client.leg.id)).ended_by == "caller"
        again = await office.client(37)
        await again.until(LegAnswered)
        assert (await again.ended()).end is LegEnd.REMOTE_HUNG_UP


async def test_a_trunk_over_tcp(engine_class: type[Engine], tmp_path: Path) -> None:
    """Who can do it binds and calls; who cannot refuses at the start, in words."""
    host = own_address()
    engine = build_engine(engine_class, trunk_settings((host, free_port(host)), transport="tcp"))
    if Capability.TCP in engine.capabilities:
        line = Line(engine)
        await engine.start()
        assert not (await line.trunk(ready=False)).ready
        await engine.stop()
        return
    with pytest.raises(NotCapable, match="SIP over TCP") as refusal:
        await engine.start()
    assert (refusal.value.engine, refusal.value.capability) == (engine.name, Capability.TCP)


async def test_an_ipv6_address(engine_class: type[Engine]) -> None:
    """Not a capability of its own, but refused in words as well where it cannot be had."""
    engine = build_engine(engine_class, None, host="::1")
    if engine.name == "pyvoip":
        with pytest.raises(TelephonyError, match="IPv4 only"):
            await engine.start()
    else:
        await engine.start()
        assert engine.sip_port
    await engine.stop()
