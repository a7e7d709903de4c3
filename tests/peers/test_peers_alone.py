"""The peers and the measuring instruments themselves, without anything of the project."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import numpy as np
import pytest

from tests.peers.addresses import free_port, own_address
from tests.peers.fixtures import Factory, require_program
from tests.peers.relay import first_line
from tests.peers.tones import (
    alaw,
    read_wav,
    rms_dbfs,
    snr_db,
    steady_part,
    tone,
    write_raw_alaw,
    write_tone_wav,
)

NUMBER = "+73420001201"


@pytest.mark.parametrize(
    ("far_end", "caller", "far_options", "caller_options"),
    [
        ("answer", "call", {}, {}),
        ("refuse", "call_refused", {"status_line": "486 Busy Here"}, {"code": "486"}),
        ("expect_cancel", "call_given_up", {}, {}),
        ("hang_up_first", "call_until_hung_up", {}, {}),
    ],
)
async def test_sipp_calls_sipp(
    sipp: Factory, far_end: str, caller: str, far_options: dict[str, str], caller_options: dict[str, str]
) -> None:
    far = await sipp(far_end, **far_options)
    near = await sipp(caller, target=(far.host, far.port), service=NUMBER, **caller_options)
    await near.succeeded()
    await far.succeeded()
    assert far.messages()[0].first_line == f"INVITE sip:{NUMBER}@{far.host}:{far.port} SIP/2.0"


def _request(
    method: str, far: tuple[str, int], own: tuple[str, int], *, branch: str, to_tag: str = "", uri: str = ""
) -> bytes:
    uri = uri or f"sip:{NUMBER}@{far[0]}:{far[1]}"
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {own[0]}:{own[1]};branch=z9hG4bK{branch}",
        f"From: <sip:careless@{own[0]}>;tag=careless",
        f"To: <sip:{NUMBER}@{far[0]}>{to_tag}",
        "Call-ID: careless-call",
        f"CSeq: 1 {method}",
        f"Contact: <sip:careless@{own[0]}:{own[1]}>",
        "Max-Forwards: 70",
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _call_carelessly(far: tuple[str, int], *, ack_branch: str, ack_uri: str = "") -> None:
    """INVITE; to the first final response an ACK with this branch and request URI; to a 200 a right BYE, too."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.setblocking(False)
        own.bind((own_address(), 0))
        address = own.getsockname()
        await loop.sock_sendto(own, _request("INVITE", far, address, branch="first"), far)
        while True:
            response = (await asyncio.wait_for(loop.sock_recv(own, 4096), 5)).decode()
            if not response.startswith("SIP/2.0 1"):
                break
        found = re.search(r"^To: [^;\r]*(;tag=\S+)", response, re.MULTILINE)
        assert found
        contact = re.search(r"^Contact: <([^>]+)>", response, re.MULTILINE)
        remote = contact.group(1) if contact else ""
        tag = found.group(1)
        ack = _request("ACK", far, address, branch=ack_branch, to_tag=tag, uri=ack_uri or remote)
        await loop.sock_sendto(own, ack, far)
        if remote:
            bye = _request("BYE", far, address, branch="third", to_tag=tag, uri=remote)
            await loop.sock_sendto(own, bye, far)


@pytest.mark.parametrize(
    ("scenario", "ack_branch", "ack_uri", "right"),
    [
        ("refuse", "first", "", True),
        ("refuse", "second", "", False),
        ("refuse", "first", "sip:elsewhere@127.0.0.1", False),
        ("answer", "second", "", True),
        ("answer", "first", "", False),
        ("answer", "second", "sip:elsewhere@127.0.0.1", False),
    ],
)
async def test_only_the_right_ack_is_accepted(
    sipp: Factory, scenario: str, ack_branch: str, ack_uri: str, right: bool
) -> None:
    far = await sipp(scenario, status_line="486 Busy Here", patience_ms="500", call_ms="2000")
    await _call_carelessly((far.host, far.port), ack_branch=ack_branch, ack_uri=ack_uri)
    assert (await far.finished() == 0) is right


async def test_sipp_calls_sipp_through_kamailio(sipp: Factory, kamailio: Factory) -> None:
    far = await sipp("answer")
    proxy = await kamailio(trunk=(far.host, far.port))
    options = {"user": "dialer", "password": proxy.password_of("dialer")}
    near = await sipp("call_with_digest", target=(proxy.host, proxy.port), service=NUMBER, **options)
    await near.succeeded()
    await far.succeeded()
    assert proxy.complaints() == []
    assert f"sip:{proxy.host}" in far.messages()[0].header("Record-Route")


@pytest.mark.parametrize("sha256", [False, True], ids=["MD5", "SHA-256"])
async def test_kamailio_challenges(sipp: Factory, kamailio: Factory, sha256: bool) -> None:
    proxy = await kamailio(trunk=(own_address(), 5060), sha256=sha256)
    # sipp knows MD5 only, so it is asked no more than to take the refusal
    near = await sipp("call_refused", target=(proxy.host, proxy.port), service=NUMBER, code="407")
    await near.succeeded()
    challenge = near.messages()[-2].header("Proxy-Authenticate")
    assert ("SHA-256" in challenge) is sha256
    assert 'qop="auth"' in challenge


async def test_kamailio_refuses_a_wrong_password(sipp: Factory, kamailio: Factory) -> None:
    proxy = await kamailio(trunk=(own_address(), 5060))
    options = {"user": "dialer", "password": "wrong"}
    near = await sipp("call_with_wrong_password", target=(proxy.host, proxy.port), service=NUMBER, **options)
    await near.succeeded()


async def test_kamailio_complains_of_a_bye_without_route(sipp: Factory, kamailio: Factory) -> None:
    far = await sipp("answer", patience_ms="500")
    proxy = await kamailio(trunk=(far.host, far.port))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind((own_address(), 0))
        address = own.getsockname()
        bye = _request("BYE", (proxy.host, proxy.port), address, branch="bye", to_tag=";tag=far")
        own.sendto(bye, (proxy.host, proxy.port))
        assert await proxy.process.wrote("WITHOUT ROUTE")
        own.sendto(
            _request("ACK", (proxy.host, proxy.port), address, branch="a", to_tag=";tag=f"), (proxy.host, proxy.port)
        )
        assert await proxy.process.wrote("STRAY ACK")
    assert len(proxy.complaints()) == 2


async def test_baresip_registers_at_kamailio_and_talks_to_sipp(
    sipp: Factory, kamailio: Factory, baresip: Factory, tmp_path: Path
) -> None:
    far = await sipp("answer_with_tone", tone=write_raw_alaw(tmp_path / "1004.raw", 1004), call_ms="15000")
    proxy = await kamailio(trunk=(far.host, far.port))
    phone = await baresip(
        user="anna",
        password=proxy.password_of("anna"),
        registrar=(proxy.host, proxy.port),
        tone=write_tone_wav(tmp_path / "700.wav", 700),
    )
    await proxy.registered("anna")
    answer = await phone.command("dial", f"sip:{NUMBER}@{proxy.host}:{proxy.port}")
    assert answer["ok"]
    await phone.process.wrote("established")
    await phone.has_heard(2.5)
    await phone.command("hangup")
    await far.succeeded()
    assert snr_db(steady_part(read_wav(phone.heard()[-1])), 1004) > 35
    assert proxy.complaints() == []


async def test_the_relay_loses_what_it_should(lossy_relay: Factory) -> None:
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
    ):
        for one in (far, near):
            one.setblocking(False)
            one.bind((own_address(), 0))
        relay = await lossy_relay(own_address(), far.getsockname(), lose=2, predicate=first_line("^INVITE "))
        for text in (b"INVITE 1", b"OPTIONS", b"INVITE 2", b"INVITE 3"):
            await loop.sock_sendto(near, text, (relay.host, relay.port))
        arrived = [await asyncio.wait_for(loop.sock_recv(far, 100), 5) for _ in range(2)]
        assert arrived == [b"OPTIONS", b"INVITE 3"]
        assert relay.dropped == [b"INVITE 1", b"INVITE 2"]


def test_instruments_measure_what_is_known() -> None:
    clean = tone(1004, 2)
    noise = np.random.default_rng(1).normal(0, 0.003, len(clean))
    assert rms_dbfs(clean) == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.01)
    assert snr_db(clean + noise, 1004) == pytest.approx(20 * np.log10(0.3 / np.sqrt(2) / 0.003), abs=0.3)
    assert snr_db(clean, 700) < -20


def test_alaw_by_known_values() -> None:
    # ITU-T G.711, table 1a: the ends of the range, the smallest steps either way, and the start of a segment
    values = np.array([32767, -32768, 0, -1, 1024]) / 32767
    assert alaw(values) == bytes([0xAA, 0x2A, 0xD5, 0x55, 0xE5])


def test_a_missing_program_is_a_skip_and_in_ci_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("tests.peers.fixtures.shutil.which", lambda *_, **__: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="sip-tester"):
        require_program("sipp")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="sip-tester"):
        require_program("sipp")


def test_addresses_are_ours_alone() -> None:
    first, second = own_address(), own_address()
    assert first != second
    assert first.startswith("127.")
    assert free_port(first) > 0
