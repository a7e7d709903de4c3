"""The headset as its registrar meets it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from dialer.media.tones import silence_frame
from dialer.practice.processes import PracticeHeadset
from dialer.sip.endpoint import RegistrarAccount
from dialer.sip.events import CallAnswered, CallEndCause, CallEnded, HeadsetRegistered, HeadsetUnregistered
from dialer.sip.sdp import read_remote
from tests.peers.addresses import own_address
from tests.peers.ear import Ear, ear_of, rms_db
from tests.peers.fixtures import Factory
from tests.peers.our_side import OurSide
from tests.peers.run_kamailio import KamailioRun


def account(user: str, password: str, realm: str = "dialer") -> RegistrarAccount:
    text = f"{user}:{realm}:{password}".encode()
    return RegistrarAccount(user, hashlib.md5(text).hexdigest(), hashlib.sha256(text).hexdigest())


@asynccontextmanager
async def registered_headset(
    *, tone_hz: float | None = None
) -> AsyncIterator[tuple[OurSide, PracticeHeadset, HeadsetRegistered]]:
    async with OurSide() as registrar:
        registrar.endpoint.set_accounts({"anna": account("anna", "secret")})
        address = (registrar.host, registrar.port)
        process = PracticeHeadset(
            registrar=address, user="anna", password="secret", host=own_address(), tone_hz=tone_hz
        )
        async with process as headset:
            bound = await registrar.until(HeadsetRegistered)
            await headset.registered()
            yield registrar, headset, bound


async def test_it_registers_answers_and_is_heard() -> None:
    async with registered_headset(tone_hz=700.0) as (dialer, headset, bound), ear_of(dialer) as ear:
        assert (bound.headset, bound.hop.host, bound.hop.port) == ("anna", *headset.address)
        call_id = dialer.call("anna", headset.address, media=(dialer.host, ear.port))
        remote = read_remote((await dialer.until(CallAnswered, call_id)).sdp)
        ear.connect(remote)
        ear.play(itertools.repeat(silence_frame("PCMA")))
        sound = await ear.until_heard(100)
        assert int(np.argmax(np.abs(np.fft.rfft(sound[:8000])))) == 700
        assert (await headset.happened("answered"))["call_id"] == call_id
        dialer.hang_up(call_id)
        ended = await headset.happened("ended", call_id=call_id)
        assert ended["cause"] == CallEndCause.REMOTE_BYE.value
        assert ended["packets_out"] >= 100
        assert ended["packets_in"] > 0
        assert ended["heard_dbov"] < -70


async def test_it_hangs_up_when_told() -> None:
    async with registered_headset() as (dialer, headset, _):
        call_id = dialer.call("anna", headset.address)
        await dialer.until(CallAnswered, call_id)
        await headset.happened("answered")
        await headset.hang_up()
        assert (await dialer.until(CallEnded, call_id)).cause is CallEndCause.REMOTE_BYE


async def test_it_is_muted_and_unmuted() -> None:
    async with registered_headset(tone_hz=700.0) as (dialer, headset, _), ear_of(dialer) as ear:
        call_id = dialer.call("anna", headset.address, media=(dialer.host, ear.port))
        await dialer.until(CallAnswered, call_id)
        await headset.mute()
        await headset.until(lambda event: event.get("do") == "mute")
        assert rms_db(await _next_second(ear)) < -70
        await headset.unmute()
        await headset.until(lambda event: event.get("do") == "unmute")
        assert rms_db(await _next_second(ear)) > -20


async def _next_second(ear: Ear) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What comes from now on, without the packets that were on their way."""
    start = len(ear.packets) + 5
    return (await ear.until_heard(start + 25))[start * 160 :]


async def test_it_declines_once_when_told() -> None:
    async with registered_headset() as (dialer, headset, _):
        await headset.decline_next()
        await headset.happened("done")
        first = dialer.call("anna", headset.address)
        assert (await dialer.until(CallEnded, first)).sip_code == 603
        second = dialer.call("anna", headset.address)
        await dialer.until(CallAnswered, second)


async def test_a_second_call_finds_it_busy() -> None:
    async with registered_headset() as (dialer, headset, _):
        first = dialer.call("anna", headset.address)
        await dialer.until(CallAnswered, first)
        second = dialer.call("anna", headset.address)
        assert (await dialer.until(CallEnded, second)).sip_code == 486


async def test_nobody_but_its_registrar_may_call() -> None:
    async with registered_headset() as (_, headset, _), OurSide() as stranger:
        call_id = stranger.call("anna", headset.address)
        assert (await stranger.until(CallEnded, call_id)).sip_code == 403


async def test_stopping_hangs_up_and_unregisters() -> None:
    async with registered_headset() as (dialer, headset, _):
        call_id = dialer.call("anna", headset.address)
        await dialer.until(CallAnswered, call_id)
        assert await headset.stop() == 0
        assert (await dialer.until(CallEnded, call_id)).cause is CallEndCause.REMOTE_BYE
        assert (await dialer.until(HeadsetUnregistered)).headset == "anna"


async def test_a_wrong_password_is_told() -> None:
    async with OurSide() as registrar:
        registrar.endpoint.set_accounts({"anna": account("anna", "secret")})
        address = (registrar.host, registrar.port)
        process = PracticeHeadset(registrar=address, user="anna", password="guess", host=own_address())
        async with process as headset:
            failed = await headset.happened("registration_failed")
            assert failed["sip_code"] in (401, 403)


async def test_nonsense_on_standard_input_is_an_error_and_no_end() -> None:
    async with registered_headset() as (dialer, headset, _):
        await headset.tell({"do": "dance"})
        assert "dance" in (await headset.happened("error"))["reason"]
        call_id = dialer.call("anna", headset.address)
        await dialer.until(CallAnswered, call_id)


def headset_at(registrar: KamailioRun, *, expires_s: int = 60) -> PracticeHeadset:
    return PracticeHeadset(
        registrar=(registrar.host, registrar.port),
        user="anna",
        password=registrar.password_of("anna"),
        host=own_address(),
        expires_s=expires_s,
    )


@pytest.mark.peer
async def test_it_registers_at_kamailio_and_answers_sipp(kamailio: Factory, sipp: Factory) -> None:
    registrar = await kamailio(trunk=(own_address(), 5060))
    async with headset_at(registrar) as headset:
        await headset.registered()
        await registrar.registered("anna")
        options = {"user": "boss", "password": registrar.password_of("boss")}
        caller = await sipp("call_with_digest", target=(registrar.host, registrar.port), service="anna", **options)
        await caller.succeeded()
        ended = await headset.happened("ended")
    assert ended["cause"] == CallEndCause.REMOTE_BYE.value
    assert registrar.complaints() == []


@pytest.mark.peer
async def test_it_registers_with_sha256(kamailio: Factory) -> None:
    registrar = await kamailio(trunk=(own_address(), 5060), sha256=True)
    async with headset_at(registrar) as headset:
        await headset.registered()
        await registrar.registered("anna")


@pytest.mark.peer
async def test_it_refreshes_its_registration(kamailio: Factory) -> None:
    registrar = await kamailio(trunk=(own_address(), 5060))
    async with headset_at(registrar, expires_s=6):
        await registrar.registered("anna", times=2, patience_s=20)
