"""Calls that come in, and requests from outside any dialog."""

from __future__ import annotations

import pytest

from dialer.sip.endpoint import Endpoint, EndpointConfig
from dialer.sip.events import CallConfirmed, CallEndCause, CallEnded, CallIncoming, CallReoffered, SipEvent
from dialer.sip.sdp import build_offer
from tests.dialer.sip.network import Network, header, headers, title, wire

ANSWER = build_offer("10.0.0.1", 16000, ["PCMA"])
SDP = "v=0\no=- 1 1 IN IP4 10.0.0.2\ns=-\nc=IN IP4 10.0.0.2\nt=0 0\nm=audio 4000 RTP/AVP 8\n"


class Line:
    """A scripted trunk that calls us."""

    def __init__(self) -> None:
        self.network = Network()
        self.config = EndpointConfig("10.0.0.1", 5060, accept_calls_from=frozenset({"10.0.0.2"}))
        self.us = self.network.add("us", "10.0.0.1", config=self.config)
        self.us.endpoint = self.make_endpoint()
        self.trunk = self.network.add_peer("trunk", "10.0.0.2")

    def make_endpoint(self) -> Endpoint:
        return Endpoint(self.config)

    @property
    def endpoint(self) -> Endpoint:
        assert self.us.endpoint is not None
        return self.us.endpoint

    def send(
        self, method: str, *, branch: str = "1", cseq: int = 1, to_tag: str = "", extra: str = "", body: str = "",
        uri: str = "sip:dialer@10.0.0.1", call_id: str = "in",
    ) -> str:  # fmt: skip
        """The title of the last answer."""
        to = "<sip:dialer@10.0.0.1>" + (f";tag={to_tag}" if to_tag else "")
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{branch}",
            "Record-Route: <sip:10.0.0.2;lr;a>",
            "Record-Route: <sip:10.0.0.3;lr;b>",
            "From: <sip:100@10.0.0.2>;tag=far",
            f"To: {to}",
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
            "Contact: <sip:far@10.0.0.2>",
            *[line.strip() for line in extra.split("\n") if line.strip()],
        ]
        self.network.send(self.trunk, self.us, wire("\n".join(lines) + "\n\n" + body))
        self.network.settle()
        return title(self.trunk.inbox[-1]) if self.trunk.inbox else ""

    def invite(self, branch: str = "1") -> str:
        return self.send("INVITE", branch=branch, extra="Content-Type: application/sdp", body=SDP)

    def act(self, name: str, *arguments: object) -> None:
        getattr(self.endpoint, name)("in", *arguments)
        self.network.settle()

    def talk(self) -> str:
        """The tag that we gave."""
        self.invite()
        self.act("answer", ANSWER, self.network.now)
        tag = header(self.trunk.inbox[-1], "to").split("tag=")[1]
        self.send("ACK", branch="ack", to_tag=tag)
        return tag

    @property
    def events(self) -> list[SipEvent]:
        return self.us.events

    def titles(self) -> list[str]:
        return [title(payload) for payload in self.trunk.inbox]


def test_a_call_rings_is_answered_and_confirmed() -> None:
    line = Line()
    assert line.invite() == "100 INVITE"
    line.act("ring", line.network.now)
    line.act("ring", line.network.now, ANSWER)
    line.act("answer", ANSWER, line.network.now)
    ok = line.trunk.inbox[-1]
    line.send("ACK", branch="ack", to_tag=header(ok, "to").split("tag=")[1])
    line.network.run(40)
    assert line.titles() == ["100 INVITE", "180 INVITE", "183 INVITE +sdp", "200 INVITE +sdp"]
    assert headers(ok, "record-route") == ["<sip:10.0.0.2;lr;a>", "<sip:10.0.0.3;lr;b>"]
    assert header(ok, "contact") == "<sip:dialer@10.0.0.1:5060>"
    incoming, confirmed = line.events
    assert isinstance(incoming, CallIncoming)
    assert (incoming.from_uri, incoming.to_uri) == ("sip:100@10.0.0.2", "sip:dialer@10.0.0.1")
    assert b"m=audio 4000" in incoming.sdp
    assert confirmed == CallConfirmed("in")


def test_a_repeated_invite_is_one_call() -> None:
    line = Line()
    line.invite()
    line.invite()
    line.act("ring", line.network.now)
    line.invite()
    assert line.titles() == ["100 INVITE", "100 INVITE", "180 INVITE", "180 INVITE"]
    assert len(line.events) == 1


def test_the_same_invite_by_another_way_is_merged() -> None:
    line = Line()
    line.invite()
    assert line.invite(branch="other") == "482 INVITE"
    assert len(line.events) == 1


def test_any_other_request_by_another_way_is_merged_as_well() -> None:
    line = Line()
    assert line.send("OPTIONS", branch="1") == "200 OPTIONS"
    assert line.send("OPTIONS", branch="2") == "482 OPTIONS"
    assert line.send("OPTIONS", branch="3", cseq=2) == "200 OPTIONS"


def test_a_call_that_comes_back_to_us_is_a_loop() -> None:
    line = Line()
    line.endpoint.invite(
        call_id="in", target_uri="sip:1@10.0.0.2", hop=line.trunk.hop, from_uri="sip:a@b", sdp=SDP.encode(), now=0.0
    )
    assert line.invite() == "482 INVITE"
    assert line.events == []


def test_our_200_is_repeated_until_the_ack() -> None:
    line = Line()
    line.invite()
    line.act("answer", ANSWER, line.network.now)
    line.network.run(4)
    times = [text.split("  ")[0] for text in line.network.lines if "200 INVITE" in text]
    assert times == ["0.02", "0.52", "1.52", "3.52"]
    line.send("ACK", branch="ack", to_tag=header(line.trunk.inbox[-1], "to").split("tag=")[1])
    line.network.run(40)
    assert line.titles().count("200 INVITE +sdp") == 4


def test_without_any_ack_the_call_ends_with_bye() -> None:
    line = Line()
    line.invite()
    line.act("answer", ANSWER, line.network.now)
    line.network.run(33)
    assert line.titles()[-1] == "BYE"
    assert line.events[1:] == [CallEnded("in", CallEndCause.TIMEOUT)]
    line.network.run(100)
    assert line.endpoint.next_timer() is None


def test_hanging_up_before_the_ack_waits_for_it() -> None:
    line = Line()
    line.invite()
    line.act("answer", ANSWER, line.network.now)
    line.act("hang_up", line.network.now)
    assert line.events[1:] == [CallEnded("in", CallEndCause.LOCAL_BYE)]
    assert "BYE" not in line.titles()
    line.send("ACK", branch="ack", to_tag=header(line.trunk.inbox[-1], "to").split("tag=")[1])
    bye = line.trunk.inbox[-1]
    assert title(bye) == "BYE"
    assert headers(bye, "route") == ["<sip:10.0.0.2;lr;a>", "<sip:10.0.0.3;lr;b>"]


def test_we_hang_up_and_they_hang_up() -> None:
    line = Line()
    line.talk()
    line.act("hang_up", line.network.now)
    assert line.titles()[-1] == "BYE"
    assert line.events[-1] == CallEnded("in", CallEndCause.LOCAL_BYE)
    other = Line()
    tag = other.talk()
    assert other.send("BYE", branch="bye", cseq=2, to_tag=tag, extra="Reason: Q.850;cause=31") == "200 BYE"
    assert other.events[-1] == CallEnded("in", CallEndCause.REMOTE_BYE, q850=31)


def test_a_cancel_ends_a_ringing_call() -> None:
    line = Line()
    line.invite()
    line.act("ring", line.network.now)
    line.send("CANCEL")
    assert line.titles() == ["100 INVITE", "180 INVITE", "200 CANCEL", "487 INVITE"]
    assert line.events[1:] == [CallEnded("in", CallEndCause.REMOTE_CANCEL)]
    line.send("ACK")
    line.network.run(100)
    assert line.titles().count("487 INVITE") == 1
    assert line.endpoint.next_timer() is None


def test_a_cancel_that_comes_too_late_changes_nothing() -> None:
    line = Line()
    line.talk()
    assert line.send("CANCEL") == "200 CANCEL"
    assert isinstance(line.events[-1], CallConfirmed)


def test_a_cancel_for_nothing_or_from_a_stranger_is_refused() -> None:
    line = Line()
    assert line.send("CANCEL") == "481 CANCEL"
    line.invite(branch="2")
    stranger = line.network.add_peer("stranger", "10.6.6.6")
    line.network.send(
        stranger,
        line.us,
        wire("""CANCEL sip:dialer@10.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK2
        From: <sip:100@10.0.0.2>;tag=far
        To: <sip:dialer@10.0.0.1>
        Call-ID: in
        CSeq: 1 CANCEL"""),
    )
    line.network.settle()
    assert len(line.events) == 1


def test_a_refusal_is_repeated_until_its_ack() -> None:
    line = Line()
    line.invite()
    line.act("reject", 486, line.network.now)
    line.network.run(2)
    line.send("ACK")
    line.network.run(40)
    assert line.titles() == ["100 INVITE", "486 INVITE", "486 INVITE", "486 INVITE"]
    assert line.events[1:] == [CallEnded("in", CallEndCause.LOCAL_CANCEL, 486)]


def test_a_redirection_names_its_target_and_hanging_up_declines() -> None:
    line = Line()
    line.invite()
    line.act("reject", 302, line.network.now, "Elsewhere", "sip:x@10.0.0.9")
    assert header(line.trunk.inbox[-1], "contact") == "<sip:x@10.0.0.9>"
    other = Line()
    other.invite()
    other.act("hang_up", other.network.now)
    assert other.titles()[-1] == "603 INVITE"


def test_a_bye_before_the_answer_ends_the_invite_as_well() -> None:
    line = Line()
    line.invite()
    line.act("ring", line.network.now)
    tag = header(line.trunk.inbox[-1], "to").split("tag=")[1]
    line.send("BYE", branch="bye", cseq=2, to_tag=tag)
    assert line.titles()[-2:] == ["200 BYE", "487 INVITE"]
    assert line.events[1:] == [CallEnded("in", CallEndCause.REMOTE_BYE)]


def test_a_re_invite_moves_the_sound() -> None:
    line = Line()
    tag = line.talk()
    moved = SDP.replace("4000", "4444")
    line.send("INVITE", branch="re", cseq=2, to_tag=tag, extra="Content-Type: application/sdp", body=moved)
    line.send("ACK", branch="reack", cseq=2, to_tag=tag)
    reoffered = line.events[-1]
    assert isinstance(reoffered, CallReoffered)
    assert b"m=audio 4444" in reoffered.sdp
    assert b"m=audio 16000 RTP/AVP 8" in reoffered.answer
    assert b"IN IP4 10.0.0.1" in reoffered.answer
    line.network.run(40)
    assert not any(isinstance(event, CallEnded) for event in line.events)


def test_a_new_local_description_is_answered_from() -> None:
    line = Line()
    tag = line.talk()
    line.act("set_local_sdp", build_offer("10.0.0.1", 17000))
    line.send("INVITE", branch="re", cseq=2, to_tag=tag, extra="Content-Type: application/sdp", body=SDP)
    assert b"m=audio 17000" in line.trunk.inbox[-1]


@pytest.mark.parametrize(
    ("method", "uri", "extra", "expected"),
    [
        ("OPTIONS", "sip:dialer@10.0.0.1", "", "200 OPTIONS"),
        ("BYE", "sip:dialer@10.0.0.1", "", "481 BYE"),
        ("INFO", "sip:dialer@10.0.0.1", "", "481 INFO"),
        ("UPDATE", "sip:dialer@10.0.0.1", "", "481 UPDATE"),
        ("MESSAGE", "sip:dialer@10.0.0.1", "", "405 MESSAGE"),
        ("SUBSCRIBE", "sip:dialer@10.0.0.1", "", "405 SUBSCRIBE"),
        ("DANCE", "sip:dialer@10.0.0.1", "", "501 DANCE"),
        ("OPTIONS", "tel:+7342", "", "416 OPTIONS"),
        ("OPTIONS", "sips:dialer@10.0.0.1", "", "416 OPTIONS"),
        ("INVITE", "sip:dialer@10.0.0.1", "Require: 100rel, magic", "420 INVITE"),
        ("REGISTER", "sip:10.0.0.1", "", "401 REGISTER"),
    ],
)
def test_requests_outside_dialogs(method: str, uri: str, extra: str, expected: str) -> None:
    line = Line()
    assert line.send(method, uri=uri, extra=extra) == expected
    answer = line.trunk.inbox[-1]
    if expected.startswith(("405", "200")):
        assert "INVITE, ACK, CANCEL, BYE" in header(answer, "allow")
    if expected.startswith("420"):
        assert header(answer, "unsupported") == "100rel, magic"
    assert "tag=" in header(answer, "to")
    assert line.events == []


@pytest.mark.parametrize(
    ("extra", "body", "name", "value"),
    [
        ("Content-Type: text/html", "x", "accept", "application/sdp"),
        ("Content-Type: application/sdp\nContent-Encoding: gzip", "x", "accept-encoding", "identity"),
    ],
)
def test_bodies_that_we_cannot_read(extra: str, body: str, name: str, value: str) -> None:
    line = Line()
    assert line.send("INVITE", extra=extra, body=body) == "415 INVITE"
    assert header(line.trunk.inbox[-1], name) == value


def test_nobody_but_the_trunk_may_call() -> None:
    line = Line()
    stranger = line.network.add_peer("stranger", "10.6.6.6")
    text = """INVITE sip:dialer@10.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 10.6.6.6:5060;branch=z9hG4bKs
        From: <sip:100@10.0.0.2>;tag=far
        To: <sip:dialer@10.0.0.1>
        Call-ID: s
        CSeq: 1 INVITE"""
    line.network.send(stranger, line.us, wire(text))
    line.network.settle()
    assert title(stranger.inbox[-1]) == "403 INVITE"
    assert line.events == []
