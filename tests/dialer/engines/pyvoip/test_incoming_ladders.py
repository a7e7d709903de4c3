"""Calls that pyVoIP takes, on a network in memory: what crosses, what is lost for good, what does not belong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dialer.engines.pyvoip.endpoint import PyVoipEndpoint
from dialer.sip.endpoint import Endpoint
from dialer.sip.events import CallConfirmed, CallEndCause, CallEnded, CallIncoming, CallReoffered, InfoDigit
from tests.dialer.sip.network import header, headers, request_line, title
from tests.dialer.sip.test_incoming_calls import ANSWER, SDP
from tests.dialer.sip.test_incoming_calls import Line as NativeLine


class Line(NativeLine):
    """The scripted trunk of the native engine's tests, which calls pyVoIP."""

    def make_endpoint(self) -> Endpoint:
        return PyVoipEndpoint(self.config, ("10.0.0.2", "office", "secret"))

    def ends(self) -> list[CallEnded]:
        return [event for event in self.events if isinstance(event, CallEnded)]


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.network.run(80)
    assert line.endpoint.settled


def test_a_call_is_answered_acknowledged_and_hung_up(line: Line) -> None:
    assert line.invite() == "100 INVITE"
    line.act("ring", line.network.now)
    line.act("answer", ANSWER, line.network.now)
    ringing, ok = line.trunk.inbox[-2:]
    tag = header(ok, "to").split("tag=")[1]
    line.send("ACK", branch="ack", to_tag=tag)
    line.network.run(40)
    assert line.titles() == ["100 INVITE", "180 INVITE", "200 INVITE +sdp"]
    assert header(ringing, "to") == header(ok, "to")
    assert headers(ok, "record-route") == ["<sip:10.0.0.2;lr;a>", "<sip:10.0.0.3;lr;b>"]
    assert header(ok, "contact") == "<sip:office@10.0.0.1:5060>"
    incoming, confirmed = line.events
    assert isinstance(incoming, CallIncoming)
    assert (incoming.from_uri, incoming.to_uri) == ("sip:100@10.0.0.2", "sip:dialer@10.0.0.1")
    assert confirmed == CallConfirmed("in")
    line.act("hang_up", line.network.now)
    bye = line.trunk.inbox[-1]
    assert request_line(bye) == "BYE sip:far@10.0.0.2 SIP/2.0"
    assert headers(bye, "route") == ["<sip:10.0.0.2;lr;a>", "<sip:10.0.0.3;lr;b>"]
    assert (header(bye, "from"), header(bye, "to")) == (
        f"<sip:dialer@10.0.0.1>;tag={tag}",
        "<sip:100@10.0.0.2>;tag=far",
    )
    assert [end.cause for end in line.ends()] == [CallEndCause.LOCAL_BYE]
    line.network.run(40)


def test_a_repeated_invite_is_one_call(line: Line) -> None:
    line.invite()
    line.invite()
    line.act("ring", line.network.now)
    line.invite()
    assert line.titles() == ["100 INVITE", "100 INVITE", "180 INVITE", "180 INVITE"]
    assert len(line.events) == 1
    line.act("reject", 480, line.network.now)


def test_the_same_invite_by_another_way_is_merged(line: Line) -> None:
    line.invite()
    assert line.invite(branch="other") == "482 INVITE"
    assert len(line.events) == 1
    line.act("reject", 480, line.network.now)


def test_an_answer_that_is_never_acknowledged_is_repeated_and_hung_up(line: Line) -> None:
    line.invite()
    line.act("answer", ANSWER, line.network.now)
    line.network.run(40)
    answers = [payload for payload in line.trunk.inbox if title(payload) == "200 INVITE +sdp"]
    assert len(answers) == 11  # RFC 3261 section 13.3.1.4: after 0.5, 1.5, 3.5 s, then each 4 s for 32 s
    assert len(set(answers)) == 1
    assert any(title(payload) == "BYE" for payload in line.trunk.inbox)
    assert [end.cause for end in line.ends()] == [CallEndCause.TIMEOUT]


def test_hung_up_before_the_ack_the_bye_waits_for_it(line: Line) -> None:
    line.invite()
    line.act("answer", ANSWER, line.network.now)
    tag = header(line.trunk.inbox[-1], "to").split("tag=")[1]
    line.act("hang_up", line.network.now)
    assert not any(title(payload) == "BYE" for payload in line.trunk.inbox)
    line.send("ACK", branch="ack", to_tag=tag)
    assert title(line.trunk.inbox[-1]) == "BYE"
    assert [end.cause for end in line.ends()] == [CallEndCause.LOCAL_BYE]


def test_a_bye_that_crosses_our_hang_up_before_the_ack(line: Line) -> None:
    line.invite()
    line.act("answer", ANSWER, line.network.now)
    tag = header(line.trunk.inbox[-1], "to").split("tag=")[1]
    line.act("hang_up", line.network.now)
    assert line.send("BYE", branch="bye", cseq=2, to_tag=tag) == "200 BYE"
    assert [end.cause for end in line.ends()] == [CallEndCause.LOCAL_BYE]


def test_a_bye_whose_ack_was_lost(line: Line) -> None:
    line.invite()
    line.act("answer", ANSWER, line.network.now)
    tag = header(line.trunk.inbox[-1], "to").split("tag=")[1]
    assert line.send("BYE", branch="bye", cseq=2, to_tag=tag) == "200 BYE"
    assert [end.cause for end in line.ends()] == [CallEndCause.REMOTE_BYE]
    before = len(line.trunk.inbox)
    line.network.run(40)
    assert len(line.trunk.inbox) == before, "the 200 is repeated no more"


def test_cancelled_while_it_rings(line: Line) -> None:
    line.invite()
    line.act("ring", line.network.now)
    line.send("CANCEL", extra="")
    assert line.titles()[-2:] == ["200 CANCEL", "487 INVITE"]
    assert [end.cause for end in line.ends()] == [CallEndCause.REMOTE_CANCEL]
    line.act("answer", ANSWER, line.network.now)
    assert "200 INVITE +sdp" not in line.titles()


def test_a_cancel_that_crosses_the_answer_changes_nothing(line: Line) -> None:
    tag = line.talk()
    assert line.send("CANCEL") == "200 CANCEL"
    assert not line.ends()
    assert line.send("BYE", branch="bye", cseq=2, to_tag=tag) == "200 BYE"


def test_somebody_elses_cancel_is_refused(line: Line) -> None:
    line.invite()
    assert line.send("CANCEL", branch="guessed") == "481 CANCEL"
    assert not line.ends()
    line.act("reject", 480, line.network.now)


def test_a_refusal_is_repeated_until_it_is_acknowledged(line: Line) -> None:
    line.invite()
    line.act("reject", 486, line.network.now, "Busy Here")
    line.network.run(2)
    refusals = [payload for payload in line.trunk.inbox if title(payload) == "486 INVITE"]
    assert len(refusals) == 3
    line.send("ACK", to_tag=header(refusals[0], "to").split("tag=")[1])
    before = len(line.trunk.inbox)
    line.network.run(40)
    assert len(line.trunk.inbox) == before
    assert [end.cause for end in line.ends()] == [CallEndCause.LOCAL_CANCEL]


def test_a_re_invite_and_a_key_inside_the_call(line: Line) -> None:
    tag = line.talk()
    hold = SDP.replace("m=audio 4000 RTP/AVP 8\n", "m=audio 4000 RTP/AVP 8\na=sendonly\n")
    answered = line.send("INVITE", branch="hold", cseq=2, to_tag=tag, extra="Content-Type: application/sdp", body=hold)
    assert answered == "200 INVITE +sdp"
    assert b"a=recvonly" in line.trunk.inbox[-1]
    line.send("ACK", branch="hold-ack", cseq=2, to_tag=tag)
    assert line.send(
        "INFO", branch="key", cseq=3, to_tag=tag, extra="Content-Type: application/dtmf-relay", body="Signal=5\n"
    ) == "200 INFO"  # fmt: skip
    assert line.send("BYE", branch="bye", cseq=4, to_tag=tag) == "200 BYE"
    kinds = [type(event) for event in line.events]
    assert kinds == [CallIncoming, CallConfirmed, CallReoffered, InfoDigit, CallEnded]


def test_an_answer_to_our_offer_comes_with_the_ack(line: Line) -> None:
    line.send("INVITE")
    line.act("answer", ANSWER, line.network.now)
    tag = header(line.trunk.inbox[-1], "to").split("tag=")[1]
    line.send("ACK", branch="ack", to_tag=tag, extra="Content-Type: application/sdp", body=SDP)
    confirmed = line.events[-1]
    assert isinstance(confirmed, CallConfirmed)
    assert b"m=audio 4000" in confirmed.sdp
    assert line.send("BYE", branch="bye", cseq=2, to_tag=tag) == "200 BYE"


def test_what_the_trunk_may_not_require_is_refused(line: Line) -> None:
    """By `Endpoint`, as for the native engine."""
    assert line.send("INVITE", extra="Require: 100rel") == "420 INVITE"
    assert not line.events


def test_the_call_id_of_a_call_of_ours_is_a_loop(line: Line) -> None:
    line.endpoint.invite(
        call_id="in", target_uri="sip:100@10.0.0.2", hop=line.trunk.hop, from_uri="sip:me@10.0.0.1", sdp=ANSWER,
        now=line.network.now,
    )  # fmt: skip
    line.network.settle()
    assert line.invite(branch="back") == "482 INVITE"
    line.act("hang_up", line.network.now)
