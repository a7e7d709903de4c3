"""Our registration at the trunk by pyVoIP, on a network in memory."""

from __future__ import annotations

import pytest

from dialer.sip.endpoint import TrunkAccount
from dialer.sip.events import Registered, RegistrationFailed
from tests.dialer.engines.pyvoip.line import CREDENTIALS, Line
from tests.dialer.sip.network import header, headers, request_line

CHALLENGE = 'WWW-Authenticate: Digest realm="trunk.test", nonce="n", qop="auth", algorithm=MD5'


class Office(Line):
    """`Line` that registers."""

    def __init__(self) -> None:
        super().__init__()
        account = TrunkAccount(
            "trunk", "sip:office@trunk.test", "sip:trunk.test", self.trunk.hop, CREDENTIALS, expires_s=300
        )
        self.endpoint.register(account, self.network.now)
        self.network.settle()

    def registers(self) -> list[bytes]:
        return self.got("REGISTER")

    def answer_latest(self, code: str, extra: str = "") -> None:
        self.answer(self.registers()[-1], code, extra=extra)


@pytest.fixture
def office() -> Office:
    return Office()


def test_registered_with_digest_and_refreshed(office: Office) -> None:
    office.answer_latest("401 Unauthorized", CHALLENGE)
    office.answer_latest("200 OK", "Contact: <sip:office@10.0.0.1:5060>;expires=100, <sip:else@10.0.0.7>;expires=9")
    assert office.events == [Registered("trunk", 100)]
    office.network.run(79)
    assert len(office.registers()) == 2
    office.network.run(1.2)
    first, second, third = office.registers()
    assert request_line(first) == "REGISTER sip:trunk.test SIP/2.0"
    assert not header(first, "authorization")
    assert 'username="office"' in header(second, "authorization")
    assert 'uri="sip:trunk.test"' in header(second, "authorization")
    assert header(third, "expires") == "300"
    # one Call-ID, a growing number, a branch of its own for each (RFC 3261 section 10.2)
    assert len({header(one, "call-id") for one in (first, second, third)}) == 1
    assert [header(one, "cseq") for one in (first, second, third)] == ["1 REGISTER", "2 REGISTER", "3 REGISTER"]
    assert len({header(one, "via") for one in (first, second, third)}) == 3
    assert headers(third, "contact") == ["<sip:office@10.0.0.1:5060>"]


def test_a_wrong_password_is_not_hammered_on(office: Office) -> None:
    office.answer_latest("401 Unauthorized", CHALLENGE)
    office.answer_latest("401 Unauthorized", CHALLENGE)
    assert office.events == [RegistrationFailed("trunk", 401, "Unauthorized")]
    office.network.run(1.5)
    assert len(office.registers()) == 2
    office.network.run(1)
    assert len(office.registers()) == 3
    office.answer_latest("403 Forbidden")
    assert office.events[-1] == RegistrationFailed("trunk", 403, "Forbidden")


def test_nothing_comes_back(office: Office) -> None:
    office.network.run(33)
    assert office.events == [RegistrationFailed("trunk", 0, "")]
    office.network.run(3)
    office.answer_latest("200 OK", "Expires: 60")
    assert office.events[-1] == Registered("trunk", 60)


def test_an_interval_that_is_too_brief_is_lengthened(office: Office) -> None:
    office.answer_latest("423 Interval Too Brief", "Min-Expires: 1800")
    assert header(office.registers()[-1], "expires") == "1800"
    office.answer_latest("200 OK")
    assert office.events == [Registered("trunk", 1800)]


def test_a_registrar_that_is_never_content_is_not_asked_for_ever(office: Office) -> None:
    for _ in range(3):
        office.answer_latest("423 Interval Too Brief", "Min-Expires: 1800")
    assert office.events == [RegistrationFailed("trunk", 423, "Interval Too Brief")]
    assert len(office.registers()) == 2


def test_unregister(office: Office) -> None:
    office.answer_latest("200 OK")
    office.endpoint.unregister("trunk", office.network.now)
    office.network.settle()
    assert header(office.registers()[-1], "expires") == "0"
    office.answer_latest("401 Unauthorized", CHALLENGE)
    assert header(office.registers()[-1], "expires") == "0"
    office.answer_latest("200 OK")
    office.network.run(1000)
    assert len(office.registers()) == 3
    assert office.events == [Registered("trunk", 300)]


def test_what_was_never_registered_is_not_taken_back(office: Office) -> None:
    office.answer_latest("403 Forbidden")
    office.endpoint.unregister("trunk", office.network.now)
    office.network.run(100)
    assert len(office.registers()) == 1
