"""Digest: the vectors of RFC 2617 and RFC 7616, answering and demanding."""

from __future__ import annotations

import hashlib

import pytest

from dialer.sip.auth import NONCE_LIFE_S, DigestClient, DigestServer, Proof, digest_response, strongest_challenges
from dialer.sip.config import RegistrarAccount
from dialer.sip.events import Credentials, Hop, Transport
from dialer.sip.guessing import SECONDS_FOR_ONE_OF_A_NAME, WRONG_OF_A_NAME, WRONG_OF_AN_ADDRESS
from dialer.sip.message import ReceivedRequest, ReceivedResponse, read_message
from tests.dialer.sip.network import wire

PEER = Hop(Transport.UDP, "10.0.0.2", 5060)
USER = Credentials("Mufasa", "Circle of Life")


def ha1(algorithm: str, user: str, realm: str, password: str) -> str:
    hashed = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm]
    return hashed(f"{user}:{realm}:{password}".encode()).hexdigest()


def test_vector_of_rfc_2617_section_3_5() -> None:
    answer = {
        "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093", "uri": "/dir/index.html", "qop": "auth", "nc": "00000001",
        "cnonce": "0a4f113b",
    }  # fmt: skip
    secret = ha1("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life")
    assert digest_response("MD5", secret, "GET", answer) == "6629fae49393a05397450978507c4ef1"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_vectors_of_rfc_7616_section_3_9_1(algorithm: str, expected: str) -> None:
    answer = {
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "uri": "/dir/index.html", "qop": "auth",
        "nc": "00000001", "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    }  # fmt: skip
    secret = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
    assert digest_response(algorithm, secret, "GET", answer) == expected


def challenged(code: int, *challenges: str, source: Hop = PEER) -> ReceivedResponse:
    name = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}[code]
    lines = "\n".join(f"{name}: {challenge}" for challenge in challenges)
    message = read_message(
        wire(f"""SIP/2.0 {code} Prove It
        Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx
        From: <sip:a@b>;tag=1
        To: <sip:a@b>;tag=2
        Call-ID: c
        CSeq: 1 INVITE
        {lines}"""),
        source,
    )
    assert isinstance(message, ReceivedResponse)
    return message


MD5 = 'Digest realm="lab", nonce="n1", algorithm=MD5, qop="auth"'
SHA256 = 'Digest realm="lab", nonce="n1", algorithm=SHA-256, qop="auth"'


def answered(client: DigestClient) -> dict[str, str]:
    return dict(client.headers("INVITE", "sip:x@y", PEER.host))


def test_the_strongest_of_several_challenges_is_taken() -> None:
    for order in ((MD5, SHA256), (SHA256, MD5)):
        client = DigestClient(USER, PEER.host)
        assert client.take_challenge(challenged(407, *order))
        (value,) = answered(client).values()
        assert "algorithm=SHA-256" in value


def test_what_cannot_be_answered_is_passed_over() -> None:
    useless = [
        'Basic realm="lab"', 'Digest realm="lab", nonce="n", algorithm=SHA-512-256',
        'Digest realm="lab", nonce="n", qop="auth-int"', 'Digest realm="lab"',
    ]  # fmt: skip
    assert strongest_challenges(useless, "") == {}
    assert not DigestClient(USER, PEER.host).take_challenge(challenged(401, *useless))


def test_names_of_parameters_are_case_insensitive() -> None:
    assert "lab" in strongest_challenges(['digest REALM="lab", Nonce="n", QOP="auth"'], "")


def test_a_challenge_is_answered_once_and_a_stale_one_twice() -> None:
    client = DigestClient(USER, PEER.host)
    assert client.take_challenge(challenged(401, MD5))
    assert not client.take_challenge(challenged(401, MD5))
    assert client.take_challenge(challenged(401, MD5.replace("n1", "n2") + ", stale=TRUE"))
    assert 'nonce="n2"' in answered(client)["Authorization"]
    assert not client.take_challenge(challenged(401, MD5 + ", stale=true"))
    client.begin()
    assert client.take_challenge(challenged(401, MD5))


def test_the_nonce_count_rises_with_every_request() -> None:
    client = DigestClient(USER, PEER.host)
    client.take_challenge(challenged(401, MD5))
    counts = [answered(client)["Authorization"].split("nc=")[1][:8] for _ in range(3)]
    assert counts == ["00000001", "00000002", "00000003"]


def test_proxy_and_server_are_answered_side_by_side() -> None:
    client = DigestClient(USER, PEER.host)
    assert client.take_challenge(challenged(407, MD5))
    assert client.take_challenge(challenged(401, MD5.replace("lab", "other")))
    assert set(answered(client)) == {"Proxy-Authorization", "Authorization"}


def test_digest_answers_go_only_to_the_peer_whose_credentials_they_are() -> None:
    client = DigestClient(USER, PEER.host)
    assert not client.take_challenge(challenged(401, MD5, source=Hop(Transport.UDP, "10.6.6.6", 5060)))
    assert client.take_challenge(challenged(401, MD5))
    assert client.headers("BYE", "sip:x@y", "10.6.6.6") == []
    assert not DigestClient(None, PEER.host).take_challenge(challenged(401, MD5))
    only = DigestClient(Credentials("u", "p", realm="mine"), PEER.host)
    assert not only.take_challenge(challenged(401, MD5))


ACCOUNTS = {
    "anna": RegistrarAccount("anna", ha1("MD5", "anna", "lab", "pw"), ha1("SHA-256", "anna", "lab", "pw")),
    "old": RegistrarAccount("old", ha1("MD5", "old", "lab", "pw")),
}


def register(authorization: str, uri: str = "sip:lab") -> ReceivedRequest:
    message = read_message(
        wire(f"""REGISTER {uri} SIP/2.0
        Via: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKx
        From: <sip:anna@lab>;tag=1
        To: <sip:anna@lab>
        Call-ID: c
        CSeq: 1 REGISTER
        {authorization}"""),
        PEER,
    )
    assert isinstance(message, ReceivedRequest)
    return message


def proof(
    server: DigestServer, challenge: str, now: float, user: str = "anna", password: str = "pw", uri: str = "sip:lab"
) -> Proof:
    client = DigestClient(Credentials(user, password), PEER.host)
    assert client.take_challenge(challenged(401, challenge))
    ((name, value),) = client.headers("REGISTER", uri, PEER.host)
    return server.check(register(f"{name}: {value}"), ACCOUNTS, now)[0]


def test_the_right_password_is_good_in_both_algorithms() -> None:
    server = DigestServer("lab", b"secret")
    sha256, md5 = server.challenges(10.0, ["SHA-256", "MD5"], asker=PEER.host)
    assert "SHA-256" in sha256
    assert proof(server, sha256, 11.0) is Proof.GOOD
    assert proof(server, server.challenges(10.0, asker=PEER.host)[0], 11.0, "old") is Proof.GOOD
    assert proof(server, md5, 11.0, password="wrong") is Proof.WRONG
    assert proof(server, md5, 11.0, "nobody") is Proof.WRONG
    assert proof(server, sha256, 11.0, "old") is Proof.WRONG  # has no SHA-256 secret
    assert proof(server, md5, 11.0, uri="sip:elsewhere") is Proof.WRONG


def test_a_nonce_ages_and_only_ours_are_good() -> None:
    server = DigestServer("lab", b"secret")
    (challenge,) = server.challenges(10.0, asker=PEER.host)
    assert proof(server, challenge, 10.0 + NONCE_LIFE_S + 1) is Proof.STALE
    (foreign,) = DigestServer("lab", b"other").challenges(10.0, asker=PEER.host)
    assert proof(server, foreign, 11.0) is Proof.STALE
    assert "stale=true" in server.challenges(10.0, asker=PEER.host, stale=True)[0]


def test_who_guesses_is_slowed_down_and_told_nothing() -> None:
    server = DigestServer("lab", b"secret")
    (challenge,) = server.challenges(10.0, asker=PEER.host)
    guesses = [proof(server, challenge, 11.0, password=f"guess {number}") for number in range(WRONG_OF_A_NAME)]
    assert set(guesses) == {Proof.WRONG}
    assert proof(server, challenge, 11.0, password="one more") is Proof.HELD
    assert proof(server, challenge, 11.0) is Proof.HELD  # the right one says no more than a wrong one
    assert proof(server, challenge, 11.0, "old") is Proof.GOOD  # another telephone behind the same address
    later = 11.5 + SECONDS_FOR_ONE_OF_A_NAME
    assert proof(server, server.challenges(later, asker=PEER.host)[0], later) is Proof.GOOD


def test_many_names_are_guesses_too() -> None:
    server = DigestServer("lab", b"secret")
    (challenge,) = server.challenges(10.0, asker=PEER.host)
    for number in range(WRONG_OF_AN_ADDRESS):
        assert proof(server, challenge, 11.0, f"made-up-{number}") is Proof.WRONG
    assert proof(server, challenge, 11.0, "anna") is Proof.HELD


def test_a_recorded_answer_cannot_be_replayed() -> None:
    server = DigestServer("lab", b"secret")
    (challenge,) = server.challenges(10.0, asker=PEER.host)
    client = DigestClient(Credentials("anna", "pw"), PEER.host)
    client.take_challenge(challenged(401, challenge))
    ((name, first),) = client.headers("REGISTER", "sip:lab", PEER.host)
    ((_, second),) = client.headers("REGISTER", "sip:lab", PEER.host)
    proofs = [server.check(register(f"{name}: {value}"), ACCOUNTS, 11.0)[0] for value in (first, first, second)]
    assert proofs == [Proof.GOOD, Proof.STALE, Proof.GOOD]


@pytest.mark.parametrize(
    "value", ["Digest", "Digest x", "NoOneKnowsThisScheme opaque-data=here", 'Digest realm="x"', ""]
)
def test_strange_authorization_proves_nothing(value: str) -> None:
    assert DigestServer("lab").check(register(f"Authorization: {value}"), ACCOUNTS, 1.0) == (Proof.NONE, "")


def test_a_challenge_is_answered_only_from_where_it_was_asked() -> None:
    """Else somebody could ask from his own address, and answer with the trunk's on the packet: our INVITE would go
    there."""
    server = DigestServer("lab", b"secret")
    (challenge,) = server.challenges(10.0, asker="192.0.2.66")
    assert proof(server, challenge, 11.0) is Proof.STALE
