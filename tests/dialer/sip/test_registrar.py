"""Headsets that register here."""

from __future__ import annotations

import pytest

from dialer.sip.auth import DigestClient
from dialer.sip.endpoint import RegistrarAccount
from dialer.sip.events import Credentials, HeadsetRegistered, HeadsetUnregistered, Hop, Transport
from tests.dialer.sip.network import header, headers, title, wire
from tests.dialer.sip.phone import ANNA, Phone


def test_a_headset_registers_after_a_challenge_and_is_bound_to_where_it_came_from() -> None:
    phone = Phone()
    answer = phone.register()
    assert [line.split("  ")[-1] for line in phone.network.lines] == [
        "REGISTER", "401 REGISTER", "REGISTER", "200 REGISTER",
    ]  # fmt: skip
    assert header(answer, "contact") == "<sip:anna@10.0.0.5:5062>;expires=120"
    hop = Hop(Transport.UDP, "10.0.0.5", 40000)
    assert phone.us.events == [HeadsetRegistered("anna", "sip:anna@10.0.0.5:5062", hop, 120)]


@pytest.mark.parametrize(
    ("account", "offer_sha256", "algorithms"),
    [
        (ANNA, False, ["MD5"]),
        (ANNA, True, ["SHA-256", "MD5"]),
        (RegistrarAccount("anna", "", ANNA.ha1_sha256), False, ["SHA-256"]),
    ],
)
def test_the_algorithms_that_are_asked_for(
    account: RegistrarAccount, offer_sha256: bool, algorithms: list[str]
) -> None:
    phone = Phone(account=account, offer_sha256=offer_sha256)
    assert title(phone.register()) == "200 REGISTER"
    challenge = next(payload for payload in phone.node.inbox if title(payload) == "401 REGISTER")
    values = headers(challenge, "www-authenticate")
    assert [value.split("algorithm=")[1].split(",")[0] for value in values] == algorithms


def test_a_wrong_password_and_a_wrong_name_are_challenged_again() -> None:
    phone = Phone()
    for credentials in (Credentials("anna", "wrong"), Credentials("nobody", "pw")):
        phone.digest = DigestClient(credentials, "10.0.0.1")
        assert title(phone.register()) == "401 REGISTER"
    assert phone.us.events == []


def test_nobody_registers_for_somebody_else() -> None:
    phone = Phone()
    assert title(phone.register(user="boss")) == "403 REGISTER"
    assert phone.us.events == []


def test_a_stale_nonce_is_told_so_that_the_phone_need_not_ask_its_user() -> None:
    phone = Phone()
    phone.register("Expires: 3600")
    phone.network.run(1000)
    phone.digest.begin()
    assert "stale=true" in header(phone.send("Expires: 3600"), "www-authenticate")
    assert title(phone.register()) == "200 REGISTER"


def test_a_binding_runs_out() -> None:
    phone = Phone()
    phone.register("Expires: 60")
    phone.network.run(59)
    assert len(phone.us.events) == 1
    phone.network.run(2)
    assert phone.us.events[1:] == [HeadsetUnregistered("anna")]


def test_a_refreshed_binding_lives_on() -> None:
    phone = Phone()
    phone.register("Expires: 60")
    phone.network.run(50)
    phone.register("Expires: 60")
    phone.network.run(50)
    assert [type(event) for event in phone.us.events] == [HeadsetRegistered, HeadsetRegistered]


@pytest.mark.parametrize("extra", ["Expires: 0", "Contact-less"])
def test_a_binding_is_removed(extra: str) -> None:
    phone = Phone()
    phone.register()
    contact = None if extra == "Expires: 0" else "<sip:anna@10.0.0.5:5062>;expires=0"
    answer = phone.register("Expires: 0" if contact is None else "", contact=contact)
    assert headers(answer, "contact") == []
    assert phone.us.events[1:] == [HeadsetUnregistered("anna")]


def test_the_star_removes_everything_and_only_with_expires_0() -> None:
    phone = Phone()
    phone.register()
    assert title(phone.register("Expires: 60", contact="*")) == "400 REGISTER"
    assert title(phone.register("Expires: 0", contact="*")) == "200 REGISTER"
    assert phone.us.events[1:] == [HeadsetUnregistered("anna")]


def test_too_short_an_interval_is_refused_with_the_least() -> None:
    phone = Phone()
    answer = phone.register("Expires: 5")
    assert title(answer) == "423 REGISTER"
    assert header(answer, "min-expires") == "30"
    assert phone.us.events == []


@pytest.mark.parametrize(
    ("expires", "granted"),
    [("Expires: 99999999", "300"), ("Expires: soon", "300"), ("Expires: 100", "100"), ("", "300")],
)
def test_the_interval_that_is_granted(expires: str, granted: str) -> None:
    assert header(Phone().register(expires), "contact").endswith(f"expires={granted}")


def test_asking_changes_nothing() -> None:
    phone = Phone()
    phone.register()
    assert len(headers(phone.register("", contact=""), "contact")) == 1
    assert len(phone.us.events) == 1


def test_the_latest_contact_is_called_and_the_one_before_comes_back() -> None:
    phone = Phone()
    phone.register()
    phone.call_id = "second"
    phone.register(contact="<sip:anna@10.0.0.5:9>")
    phone.register("Expires: 0", contact="<sip:anna@10.0.0.5:9>")
    uris = [event.contact_uri for event in phone.us.events if isinstance(event, HeadsetRegistered)]
    assert uris == ["sip:anna@10.0.0.5:5062", "sip:anna@10.0.0.5:9", "sip:anna@10.0.0.5:5062"]


def test_a_register_from_the_past_changes_nothing() -> None:
    phone = Phone()
    phone.register()
    phone.cseq = 0
    phone.network.run(40)  # so that it is no retransmission
    phone.digest.begin()
    assert title(phone.send("Expires: 0")) == "500 REGISTER"
    assert len(phone.us.events) == 1


@pytest.mark.parametrize("contact", ["<tel:+7342>", "<sip:anna@10.0.0.5:0>", '"x <sip:a@b>'])
def test_a_contact_that_could_not_be_called_is_refused(contact: str) -> None:
    phone = Phone()
    assert title(phone.register(contact=contact))[0] == "4"
    assert phone.us.events == []


def test_a_lost_connection_ends_its_binding() -> None:
    phone = Phone(transport=Transport.TCP)
    phone.register()
    phone.network.fail(phone.us, phone.node.hop)
    assert phone.us.events[1:] == [HeadsetUnregistered("anna")]


def test_an_account_that_is_taken_away_is_unregistered() -> None:
    phone = Phone()
    phone.register()
    phone.endpoint.set_accounts({"anna": ANNA, "boris": RegistrarAccount("boris", "x")})
    phone.endpoint.set_accounts({})
    assert phone.endpoint.events() == [HeadsetUnregistered("anna")]


def test_a_headset_cannot_dial_out() -> None:
    """Not even with the right password; and an address that nobody registered from learns nothing."""
    phone = Phone()
    assert title(dial(phone, 1)) == "403 INVITE"
    phone.register()
    phone.digest = DigestClient(Credentials("anna", "pw"), "10.0.0.1")
    challenge = dial(phone, 2)
    assert title(challenge) == "401 INVITE"
    assert phone.take_challenge(challenge)
    assert title(dial(phone, 3)) == "403 INVITE"
    assert [type(event) for event in phone.us.events] == [HeadsetRegistered]


def dial(phone: Phone, cseq: int) -> bytes:
    authorization = [f"{name}: {value}" for name, value in phone.digest.headers("INVITE", "sip:1@lab", "10.0.0.1")]
    lines = [
        "INVITE sip:1@lab SIP/2.0",
        f"Via: SIP/2.0/UDP 10.0.0.5:40000;branch=z9hG4bKi{cseq}",
        "From: <sip:anna@10.0.0.1>;tag=p",
        "To: <sip:1@lab>",
        "Call-ID: dial",
        f"CSeq: {cseq} INVITE",
        *authorization,
    ]
    phone.network.send(phone.node, phone.us, wire("\n".join(lines)))
    phone.network.settle()
    return phone.node.inbox[-1]
