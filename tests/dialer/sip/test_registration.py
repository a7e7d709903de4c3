"""Our own registration at a trunk."""

from __future__ import annotations

import pytest

from dialer.sip.endpoint import Endpoint, TrunkAccount
from dialer.sip.events import Credentials, OptionsAnswered, Registered, RegistrationFailed, SipEvent, Transport
from tests.dialer.sip.network import Network, answer_to, header

CHALLENGE = 'WWW-Authenticate: Digest realm="lab", nonce="{}", algorithm=SHA-256, qop="auth"'


class Line:
    """The dialer, and a scripted registrar."""

    def __init__(self, transport: Transport = Transport.UDP) -> None:
        self.network = Network()
        self.us = self.network.add("us", "10.0.0.1")
        self.trunk = self.network.add_peer("trunk", "10.0.0.2", transport=transport)
        credentials = Credentials("alice", "pw")
        self.account = TrunkAccount("main", "sip:alice@lab", "sip:lab", self.trunk.hop, credentials, expires_s=300)

    @property
    def endpoint(self) -> Endpoint:
        assert self.us.endpoint is not None
        return self.us.endpoint

    def register(self) -> None:
        self.endpoint.register(self.account, self.network.now)
        self.network.settle()

    def answer(self, code: str, extra: str = "") -> None:
        self.network.send(self.trunk, self.us, answer_to(self.trunk.inbox[-1], code, tag="t", extra=extra))
        self.network.settle()

    def accept(self, expires_s: int = 300) -> None:
        contact = header(self.trunk.inbox[-1], "contact").split(";expires")[0]
        self.answer("200 OK", f"Contact: <sip:else@10.0.0.8>;expires=7\nContact: {contact};expires={expires_s}")

    @property
    def events(self) -> list[SipEvent]:
        return self.us.events

    def sent(self, name: str) -> list[str]:
        return [header(payload, name) for payload in self.trunk.inbox]


def test_it_registers_through_a_challenge_and_takes_the_expiry_of_its_own_contact() -> None:
    line = Line()
    line.register()
    line.answer("401 Prove It", CHALLENGE.format("n1"))
    line.accept(120)
    assert line.events == [Registered("main", 120)]
    assert line.sent("cseq") == ["1 REGISTER", "2 REGISTER"]
    assert len(set(line.sent("call-id"))) == 1
    assert line.sent("to")[0] == "<sip:alice@lab>"
    assert line.sent("contact")[0] == "<sip:dialer@10.0.0.1:5060>;expires=300"


@pytest.mark.parametrize(
    ("contacts", "granted"),
    [
        # an address translator or a session border controller has written another address in our place
        ("Contact: <sip:dialer@198.51.100.7:31022>;expires=60", 60),
        # the order of parameters and the case of a host mean nothing (RFC 3261 section 19.1.4)
        ("Contact: <sip:a@10.0.0.8>;expires=7\nContact: <sip:dialer@10.0.0.1>;expires=90", 90),
        ("Contact: <sip:dialer@10.0.0.1:5060;ob>;expires=90\nContact: <sip:a@10.0.0.8>;expires=7", 90),
        # none is ours beyond doubt: the earliest end is the safe one
        ("Contact: <sip:b@10.0.0.9>;expires=90\nContact: <sip:a@10.0.0.8>;expires=70\nExpires: 300", 70),
    ],
)
def test_a_registration_is_refreshed_before_what_the_registrar_really_granted(contacts: str, granted: int) -> None:
    line = Line()
    line.register()
    line.answer("200 OK", contacts)
    assert line.events == [Registered("main", granted)]


def test_it_refreshes_in_time_with_the_same_nonce() -> None:
    line = Line()
    line.register()
    line.answer("401 Prove It", CHALLENGE.format("n1"))
    line.accept(300)
    line.network.run(205)
    assert len(line.trunk.inbox) == 2
    line.network.run(6)
    assert "nc=00000002" in line.sent("authorization")[-1]
    line.answer("401 Old", CHALLENGE.format("n2"))  # a registrar that was restarted, and says nothing of stale
    assert 'nonce="n2"' in line.sent("authorization")[-1]
    line.accept(300)
    assert line.events == [Registered("main", 300)] * 2


def test_the_first_two_registers_may_be_lost() -> None:
    line = Line()
    line.network.lose = ["REGISTER", "REGISTER"]
    line.register()
    line.network.run(2)
    line.accept()
    assert line.events == [Registered("main", 300)]


def test_wrong_credentials_are_told_and_tried_again_only_after_a_minute() -> None:
    line = Line()
    line.register()
    line.answer("401 Prove It", CHALLENGE.format("n1"))
    line.answer("401 Unauthorized", CHALLENGE.format("n1"))
    assert line.events == [RegistrationFailed("main", 401, "Unauthorized")]
    line.network.run(58)
    assert len(line.trunk.inbox) == 2
    line.network.run(2.2)
    assert len(line.trunk.inbox) == 3


def test_a_dead_trunk_is_tried_again_with_longer_and_longer_pauses() -> None:
    line = Line()
    line.network.nodes.pop(line.trunk.hop)
    line.register()
    line.network.run(1500)
    failures = [event for event in line.events if isinstance(event, RegistrationFailed)]
    assert {failure.sip_code for failure in failures} == {0}
    assert len(failures) == 9  # 32 s each, and 5 10 20 40 80 160 300 300 s between


def test_a_trunk_that_comes_back_is_registered_at() -> None:
    line = Line()
    line.register()
    line.network.fail(line.us, line.trunk.hop)
    assert line.events == [RegistrationFailed("main", 0, "not reachable")]
    line.network.run(6)
    line.accept()
    assert line.events[-1] == Registered("main", 300)


def test_retry_after_is_respected() -> None:
    line = Line()
    line.register()
    line.answer("503 Busy", "Retry-After: 100")
    line.network.run(99)
    assert len(line.trunk.inbox) == 1
    line.network.run(1.2)
    assert len(line.trunk.inbox) == 2


def test_a_longer_interval_is_asked_for_when_the_trunk_wants_it() -> None:
    line = Line()
    line.register()
    line.answer("423 Too Brief", "Min-Expires: 900")
    assert line.sent("expires") == ["300", "900"]
    line.answer("423 Too Brief", "Min-Expires: 900")
    assert line.events == [RegistrationFailed("main", 423, "Too Brief")]


def test_a_lost_connection_is_registered_over_anew() -> None:
    """A registrar forgets a binding with the connection that it came over (RFC 5626 section 4.4), and then refuses
    calls."""
    line = Line(Transport.TCP)
    line.register()
    line.accept(300)
    line.network.fail(line.us, line.trunk.hop)
    line.network.settle()
    assert line.sent("cseq") == ["1 REGISTER", "2 REGISTER"]
    line.network.fail(line.us, line.trunk.hop)  # while that one waits for its answer: back-off as ever
    line.network.settle()
    assert len(line.trunk.inbox) == 2
    assert isinstance(line.events[-1], RegistrationFailed)


def test_an_unreachable_port_for_a_moment_does_not_touch_a_registration_over_udp() -> None:
    line = Line()
    line.register()
    line.accept(300)
    line.network.fail(line.us, line.trunk.hop)
    line.network.settle()
    assert line.sent("cseq") == ["1 REGISTER"]


def test_unregistering_removes_the_binding_and_stays_silent() -> None:
    line = Line()
    line.register()
    line.accept()
    line.endpoint.unregister("main", line.network.now)
    line.network.settle()
    assert line.sent("expires")[-1] == "0"
    assert not line.endpoint.settled
    line.answer("200 OK")
    assert line.endpoint.settled
    line.network.run(2000)
    assert len(line.trunk.inbox) == 2
    assert line.events == [Registered("main", 300)]


@pytest.mark.parametrize(("code", "expected"), [("200 OK", 200), ("404 Not Found", 404), ("", 0)])
def test_options_is_answered_by_anything_or_by_silence(code: str, expected: int) -> None:
    line = Line()
    token = line.endpoint.send_options("sip:10.0.0.2", line.trunk.hop, line.network.now)
    line.network.settle()
    if code:
        line.answer(code)
    line.network.run(33)
    assert line.events == [OptionsAnswered(token, expected)]
