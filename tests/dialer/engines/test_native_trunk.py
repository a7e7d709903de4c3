"""The trunk as it is written in requests: what a provider's server must find there to feel addressed."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from dialer.engines.native import NativeTelephony
from dialer.engines.native.trunk import Trunk
from dialer.sip.events import Hop, OptionsAnswered, Registered, RegistrationFailed, Transport
from tests.dialer.engines.office import build_engine, serving, trunk_settings
from tests.peers.addresses import own_address
from tests.peers.fixtures import Factory

NUMBER = "+73420001201"


def uris(trunk: Trunk) -> list[str]:
    assert trunk.hop is not None
    account = trunk.account(trunk.hop)
    return [trunk.number_uri(NUMBER), trunk.options_uri, account.registrar_uri, account.aor, trunk.caller()]


async def resolved(host: str, port: int, **more: Any) -> Trunk:
    trunk = Trunk(trunk_settings((host, port), user="u", password="p", **more))
    assert await trunk.resolve("127.0.0.1")
    return trunk


async def test_a_port_of_its_own_stands_in_request_lines_and_not_in_addresses_of_people() -> None:
    """RFC 3261 section 19.1.2: without a port 5060 is meant, and a proxy looks for somebody else there."""
    assert uris(await resolved("127.0.0.1", 5080)) == [
        f"sip:{NUMBER}@127.0.0.1:5080", "sip:127.0.0.1:5080", "sip:127.0.0.1:5080", "sip:u@127.0.0.1", "sip:u@127.0.0.1"
    ]  # fmt: skip


@pytest.mark.parametrize(("port", "domain"), [(5060, ""), (5080, "127.0.0.1")])
async def test_the_usual_port_is_left_out_and_a_domain_is_taken_as_it_is(port: int, domain: str) -> None:
    assert uris(await resolved("127.0.0.1", port, domain=domain)) == [
        f"sip:{NUMBER}@127.0.0.1", "sip:127.0.0.1", "sip:127.0.0.1", "sip:u@127.0.0.1", "sip:u@127.0.0.1"
    ]  # fmt: skip


async def test_an_ipv6_address_has_brackets() -> None:
    assert uris(await resolved("2001:db8::5", 5080)) == [
        f"sip:{NUMBER}@[2001:db8::5]:5080", "sip:[2001:db8::5]:5080", "sip:[2001:db8::5]:5080",
        "sip:u@[2001:db8::5]", "sip:u@[2001:db8::5]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "allowed", "seen"),
    [
        ("", (), "+73420001200"),
        ("+73420001201", (), "+73420001201"),
        ("+73420001201", ("+73420001200", "+73420001201"), "+73420001201"),
        ("+73420001209", ("+73420001200", "+73420001201"), "+73420001200"),
    ],
)
async def test_a_number_of_ours_is_shown_that_the_provider_lets_us_show(
    shown: str, allowed: tuple[str, ...], seen: str
) -> None:
    trunk = await resolved("127.0.0.1", 5060, caller_id="+73420001200", caller_ids=allowed)
    assert trunk.caller(shown) == f"sip:{seen}@127.0.0.1"


@pytest.mark.parametrize(
    ("number_format", "number", "dialled"),
    [
        ("+7", NUMBER, NUMBER),
        ("7", NUMBER, "73420001201"),
        ("8", NUMBER, "83420001201"),
        ("8", "+375000001201", "810375000001201"),
        ("7", "+375000001201", "375000001201"),
        ("8", "1201", "1201"),
        ("8", "", ""),
    ],
)
async def test_a_number_is_dialled_the_way_the_provider_wants_it(number_format: str, number: str, dialled: str) -> None:
    trunk = await resolved("127.0.0.1", 5060, number_format=number_format)
    assert trunk.number_uri(number) == f"sip:{dialled}@127.0.0.1"


@pytest.mark.parametrize(("ours", "theirs"), [("0.0.0.0", "192.0.2.5"), ("::", "2001:db8::5")])
async def test_a_name_with_both_kinds_of_address_leads_to_one_that_our_socket_can_send_to(
    monkeypatch: pytest.MonkeyPatch, ours: str, theirs: str
) -> None:
    def both(host: str, port: int, family: int = 0, *_more: Any, **_named: Any) -> list[Any]:
        found = [(socket.AF_INET6, "2001:db8::5"), (socket.AF_INET, "192.0.2.5")]  # in the order of RFC 6724
        return [(kind, socket.SOCK_DGRAM, 17, "", (host, port)) for kind, host in found if family in (0, kind)]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    trunk = Trunk(trunk_settings(("sip.example.ru", 5060)))
    assert await trunk.resolve(ours)
    assert trunk.hop == Hop(Transport.UDP, theirs, 5060)


async def test_a_provider_that_registers_us_and_never_answers_options_is_there() -> None:
    """Some let OPTIONS of customers fall through, against floods; only who answered before can be missed."""
    trunk = await resolved("127.0.0.1", 5060, register=True)
    silence, registered = OptionsAnswered("t", 0), Registered("trunk", 300)
    assert trunk.heard(registered)
    assert not trunk.heard(silence)
    assert trunk.status.ready
    trunk.heard(OptionsAnswered("t", 200))
    assert trunk.heard(silence)
    assert not trunk.status.ready


async def test_a_provider_that_neither_registers_us_nor_answers_options_is_not_there() -> None:
    trunk = await resolved("127.0.0.1", 5060, register=True)
    trunk.heard(OptionsAnswered("t", 0))
    assert not trunk.status.ready
    trunk.heard(Registered("trunk", 300))
    trunk.heard(RegistrationFailed("trunk", 0, "no answer"))
    trunk.heard(OptionsAnswered("t", 0))
    assert not trunk.status.ready
    by_address = await resolved("127.0.0.1", 5060)
    by_address.heard(OptionsAnswered("t", 0))
    assert not by_address.status.ready


async def test_a_provider_that_is_not_asked_is_there_until_a_call_shows_otherwise() -> None:
    assert (await resolved("127.0.0.1", 5060, ask_options=False)).status.ready
    registering = await resolved("127.0.0.1", 5060, ask_options=False, register=True)
    assert not registering.status.ready, "the registration tells"


async def test_a_provider_that_was_silent_is_registered_at_as_soon_as_it_answers_options() -> None:
    trunk = await resolved("127.0.0.1", 5060, register=True)
    trunk.heard(RegistrationFailed("trunk", 403, "Forbidden"))
    assert not trunk.waits_to_register, "asking sooner would change nothing"
    trunk.heard(RegistrationFailed("trunk", 0, "no answer"))
    assert trunk.waits_to_register


async def test_kamailio_on_a_port_of_its_own_answers_our_options(kamailio: Factory) -> None:
    proxy = await kamailio(trunk=(own_address(), 5060))
    engine = build_engine(NativeTelephony, trunk_settings((proxy.host, proxy.port)))
    async with serving(engine) as line:
        await line.trunk(ready=True)
