"""Calls that we make, shown as ladders: seconds, from, to, message."""

from __future__ import annotations

from textwrap import dedent

import pytest

from dialer.sip.call import read_q850
from dialer.sip.endpoint import Endpoint
from dialer.sip.events import (
    CallAnswered,
    CallEndCause,
    CallEnded,
    CallProgress,
    CallReoffered,
    Credentials,
    SipEvent,
    Transport,
)
from dialer.sip.inside import read_digit
from dialer.sip.sdp import build_offer
from tests.dialer.sip.network import Network, answer_to, header, headers, request_line, title, wire
from tests.dialer.sip.phone import Phone

OFFER = build_offer("10.0.0.1", 16000)
ANSWER = "v=0\no=- 1 1 IN IP4 10.0.0.2\ns=-\nc=IN IP4 10.0.0.2\nt=0 0\nm=audio 4000 RTP/AVP 8\n"
CONTACT = "Contact: <sip:far@10.0.0.2:5060>"


class Line:
    """The dialer, and a scripted trunk."""

    def __init__(self, transport: Transport = Transport.UDP) -> None:
        self.network = Network()
        self.us = self.network.add("us", "10.0.0.1")
        self.trunk = self.network.add_peer("trunk", "10.0.0.2", transport=transport)

    @property
    def endpoint(self) -> Endpoint:
        assert self.us.endpoint is not None
        return self.us.endpoint

    def invite(self, credentials: Credentials | None = None, route: tuple[str, ...] = ()) -> bytes:
        self.endpoint.invite(
            call_id="call", target_uri="sip:100@10.0.0.2", hop=self.trunk.hop, from_uri="sip:me@10.0.0.1", sdp=OFFER,
            now=self.network.now, credentials=credentials, display_name='A "B" C', route=route,
        )  # fmt: skip
        self.network.settle()
        return self.last("INVITE +sdp") if self.trunk.inbox else b""

    def answer(self, request: bytes, code: str, *, tag: str = "far", extra: str = "", body: str = "") -> None:
        self.network.send(self.trunk, self.us, answer_to(request, code, tag=tag, extra=extra, body=body))
        self.network.settle()

    def talk(self) -> bytes:
        invite = self.invite()
        self.answer(invite, "180 Ringing")
        self.answer(invite, "200 OK", extra=CONTACT, body=ANSWER)
        return invite

    def last(self, label: str) -> bytes:
        return [payload for payload in self.trunk.inbox if title(payload) == label][-1]

    def hang_up(self) -> None:
        self.endpoint.hang_up("call", self.network.now)
        self.network.settle()

    @property
    def events(self) -> list[SipEvent]:
        return self.us.events

    def ends(self) -> list[CallEnded]:
        return [event for event in self.events if isinstance(event, CallEnded)]

    def titles(self) -> list[str]:
        """What we sent."""
        return [line.split("trunk  ")[1] for line in self.network.lines if "us -> trunk" in line]


def ladder(text: str) -> str:
    return dedent(text).strip("\n")


def test_a_call_with_early_media_from_ring_to_bye() -> None:
    line = Line()
    invite = line.invite()
    line.answer(invite, "100 Trying", tag="")
    line.answer(invite, "183 Session Progress", extra=CONTACT, body=ANSWER)
    line.answer(invite, "200 OK", extra=CONTACT, body=ANSWER)
    line.hang_up()
    line.answer(line.last("BYE"), "200 OK")
    assert line.network.ladder() == ladder("""
           0.00  us -> trunk  INVITE +sdp
           0.01  trunk -> us  100 INVITE
           0.02  trunk -> us  183 INVITE +sdp
           0.03  trunk -> us  200 INVITE +sdp
           0.04  us -> trunk  ACK
           0.05  us -> trunk  BYE
           0.06  trunk -> us  200 BYE
    """)
    progress, answered, ended = line.events
    assert isinstance(progress, CallProgress)
    assert isinstance(answered, CallAnswered)
    assert progress.sip_code == 183
    assert b"m=audio 4000" in progress.sdp
    assert b"m=audio 4000" in answered.sdp
    assert ended == CallEnded("call", CallEndCause.LOCAL_BYE)


def test_requests_in_the_dialog_say_what_they_must() -> None:
    line = Line()
    invite = line.talk()
    line.hang_up()
    ack, bye = line.last("ACK"), line.last("BYE")
    assert header(invite, "from").startswith('"A \\"B\\" C" <sip:me@10.0.0.1>;tag=')
    assert header(invite, "call-id") == "call"
    for request, cseq in ((ack, "1 ACK"), (bye, "2 BYE")):
        assert request_line(request).split(" ")[1] == "sip:far@10.0.0.2:5060"
        assert header(request, "to") == "<sip:100@10.0.0.2>;tag=far"
        assert header(request, "from") == header(invite, "from")
        assert header(request, "cseq") == cseq
        assert header(request, "via") != header(invite, "via")


def test_every_repeated_2xx_is_acknowledged_with_the_same_ack() -> None:
    line = Line()
    invite = line.talk()
    line.answer(invite, "200 OK", extra=CONTACT, body=ANSWER)
    line.answer(invite, "200 OK", extra=CONTACT, body=ANSWER)
    acks = [payload for payload in line.trunk.inbox if title(payload) == "ACK"]
    assert len(acks) == 3
    assert len(set(acks)) == 1
    assert sum(isinstance(event, CallAnswered) for event in line.events) == 1


@pytest.mark.parametrize(
    ("code", "phrase"),
    [
        (486, "Busy Here"),
        (404, "Not Found"),
        (480, "Gone"),
        (408, "Late"),
        (603, "Decline"),
        (503, "No"),
        (302, "Moved"),
    ],
)
def test_refusals_are_told_apart_and_acknowledged(code: int, phrase: str) -> None:
    line = Line()
    invite = line.invite()
    extra = 'Retry-After: 17 (busy)\nReason: SIP;cause=1, Q.850 ;text="x";cause=17\nContact: <sip:alt@10.0.0.9>'
    line.answer(invite, f"{code} {phrase}", extra=extra)
    alternative = "sip:alt@10.0.0.9" if code == 302 else ""
    assert line.events == [CallEnded("call", CallEndCause.REFUSED, code, phrase, 17, 17, alternative)]
    ack = line.last("ACK")
    assert header(ack, "via") == header(invite, "via")
    assert request_line(ack) == "ACK sip:100@10.0.0.2 SIP/2.0"
    line.network.run(100)
    assert line.endpoint.next_timer() is None


def test_lost_invites_are_sent_again() -> None:
    line = Line()
    line.network.lose = ["INVITE +sdp", "INVITE +sdp"]
    line.invite()
    line.network.run(2)
    assert line.network.ladder() == ladder("""
       0.00  us -> trunk  INVITE +sdp  (lost)
       0.50  us -> trunk  INVITE +sdp  (lost)
       1.50  us -> trunk  INVITE +sdp
    """)
    assert len(line.trunk.inbox) == 1


def test_lost_byes_are_sent_again() -> None:
    line = Line()
    line.talk()
    line.network.lose = ["BYE", "BYE"]
    line.hang_up()
    line.network.run(2)
    expected = ["INVITE +sdp", "ACK", "BYE  (lost)", "BYE  (lost)", "BYE"]
    assert line.titles() == expected
    line.answer(line.last("BYE"), "200 OK")
    line.network.run(60)
    assert line.titles() == expected
    assert line.endpoint.settled


def test_a_trunk_that_says_nothing_times_out() -> None:
    line = Line()
    line.invite()
    line.network.run(31.9)
    assert line.events == []
    line.network.run(0.2)
    assert line.events == [CallEnded("call", CallEndCause.TIMEOUT)]
    line.network.run(40)
    assert line.endpoint.next_timer() is None


def test_a_trunk_that_cannot_be_reached_is_told_at_once() -> None:
    line = Line()
    line.invite()
    line.network.fail(line.us, line.trunk.hop)
    assert line.events == [CallEnded("call", CallEndCause.TRANSPORT)]


def test_cancel_waits_for_a_provisional() -> None:
    line = Line()
    invite = line.invite()
    line.hang_up()
    assert line.titles() == ["INVITE +sdp"]
    line.answer(invite, "100 Trying", tag="")
    cancel = line.last("CANCEL")
    assert header(cancel, "via") == header(invite, "via")
    assert header(cancel, "cseq") == "1 CANCEL"
    assert header(cancel, "to") == header(invite, "to")
    assert request_line(cancel) == "CANCEL sip:100@10.0.0.2 SIP/2.0"
    line.answer(cancel, "200 OK")
    line.answer(invite, "487 Request Terminated")
    assert line.titles() == ["INVITE +sdp", "CANCEL", "ACK"]
    assert line.events == [CallEnded("call", CallEndCause.LOCAL_CANCEL)]


def test_a_200_that_crosses_the_cancel_is_acknowledged_and_hung_up() -> None:
    line = Line()
    invite = line.invite()
    line.answer(invite, "180 Ringing")
    line.network.hold = ["CANCEL"]
    line.hang_up()
    line.answer(invite, "200 OK", extra=CONTACT, body=ANSWER)
    line.network.release()
    line.answer(line.last("CANCEL"), "481 Too Late")
    line.answer(line.last("BYE"), "200 OK")
    assert line.network.ladder() == ladder("""
       0.00  us -> trunk  INVITE +sdp
       0.01  trunk -> us  180 INVITE
       0.02  us -> trunk  CANCEL
       0.02  trunk -> us  200 INVITE +sdp
       0.03  us -> trunk  ACK
       0.03  us -> trunk  BYE
       0.05  trunk -> us  481 CANCEL
       0.06  trunk -> us  200 BYE
    """)
    assert line.ends() == [CallEnded("call", CallEndCause.LOCAL_CANCEL)]
    assert not any(isinstance(event, CallAnswered) for event in line.events)


def test_a_200_without_any_provisional_after_hanging_up_is_hung_up() -> None:
    line = Line()
    invite = line.invite()
    line.hang_up()
    line.answer(invite, "200 OK", extra=CONTACT, body=ANSWER)
    assert line.titles() == ["INVITE +sdp", "ACK", "BYE"]


def test_a_cancel_that_nobody_answers_ends_by_itself() -> None:
    line = Line()
    line.answer(line.invite(), "180 Ringing")
    line.hang_up()
    line.network.run(120)
    assert line.ends() == [CallEnded("call", CallEndCause.LOCAL_CANCEL)]
    assert line.endpoint.next_timer() is None
    assert line.endpoint.settled


def test_hanging_up_twice_sends_one_bye() -> None:
    line = Line()
    line.talk()
    line.hang_up()
    line.hang_up()
    assert line.titles().count("BYE") == 1
    assert len(line.ends()) == 1


def test_the_loser_of_a_fork_is_acknowledged_and_hung_up() -> None:
    line = Line()
    invite = line.talk()
    for _ in range(2):
        line.answer(invite, "200 OK", tag="other", extra="Contact: <sip:loser@10.0.0.2:5060>", body=ANSWER)
    bye = line.last("BYE")
    assert request_line(bye) == "BYE sip:loser@10.0.0.2:5060 SIP/2.0"
    assert header(bye, "to") == "<sip:100@10.0.0.2>;tag=other"
    assert line.titles() == ["INVITE +sdp", "ACK", "ACK", "BYE", "ACK"]
    assert line.ends() == []
    line.hang_up()
    assert header(line.last("BYE"), "to") == "<sip:100@10.0.0.2>;tag=far"


def test_a_fork_that_answers_after_the_call_is_over_is_hung_up() -> None:
    line = Line()
    invite = line.talk()
    line.hang_up()
    line.answer(invite, "200 OK", tag="late", extra=CONTACT, body=ANSWER)
    assert header(line.last("BYE"), "to").endswith("tag=late")
    assert line.titles()[-2:] == ["ACK", "BYE"]


def from_trunk(line: Line, method: str, *, cseq: int = 1, extra: str = "", body: str = "", to_tag: str = "") -> str:
    """A request of the trunk's inside the dialog; the code of the answer."""
    invite = line.trunk.inbox[0]
    ours = to_tag or header(invite, "from").split("tag=")[1]
    text = "\n".join(
        part
        for part in [
            f"{method} sip:dialer@10.0.0.1:5060 SIP/2.0",
            f"Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK{method}{cseq}",
            "From: <sip:100@10.0.0.2>;tag=far",
            f"To: <sip:me@10.0.0.1>;tag={ours}",
            "Call-ID: call",
            f"CSeq: {cseq} {method}",
            extra,
        ]
        if part
    )
    line.network.send(line.trunk, line.us, wire(f"{text}\n\n{body}"))
    line.network.settle()
    return title(line.trunk.inbox[-1])


def test_the_far_end_hangs_up_with_a_cause() -> None:
    line = Line()
    line.talk()
    assert from_trunk(line, "BYE", extra='Reason: Q.850;cause=16;text="Normal"') == "200 BYE"
    assert line.ends() == [CallEnded("call", CallEndCause.REMOTE_BYE, q850=16)]


def test_byes_that_cross_are_both_answered() -> None:
    line = Line()
    line.talk()
    line.network.hold = ["BYE"]
    line.hang_up()
    line.network.hold = []
    assert from_trunk(line, "BYE") == "200 BYE"
    line.network.release()
    line.answer(line.last("BYE"), "481 Gone")
    assert line.ends() == [CallEnded("call", CallEndCause.LOCAL_BYE)]


@pytest.mark.parametrize("ringing", [True, False])
def test_a_bye_that_overtakes_the_200_does_not_leave_the_operator_in_a_dead_call(ringing: bool) -> None:
    line = Line()
    invite = line.invite()
    if ringing:
        line.answer(invite, "180 Ringing")
    assert from_trunk(line, "BYE") == "200 BYE"
    assert line.ends() == []
    line.answer(invite, "200 OK", extra=CONTACT, body=ANSWER)
    assert line.titles()[-1] == "ACK"
    assert line.ends() == [CallEnded("call", CallEndCause.REMOTE_BYE)]
    assert not any(isinstance(event, CallAnswered) for event in line.events)


def test_two_seconds_without_an_answer_to_bye_do_not_keep_the_operator() -> None:
    line = Line()
    line.talk()
    line.hang_up()
    assert line.ends() == [CallEnded("call", CallEndCause.LOCAL_BYE)]
    line.network.run(120)
    assert len(line.ends()) == 1
    assert line.endpoint.next_timer() is None


CHALLENGE = 'Proxy-Authenticate: Digest realm="lab", nonce="n1", algorithm=MD5, qop="auth"'


def test_a_407_is_acknowledged_and_answered_in_a_new_transaction() -> None:
    line = Line()
    first = line.invite(Credentials("alice", "pw"))
    line.answer(first, "407 Prove It", extra=CHALLENGE)
    second = line.last("INVITE +sdp")
    assert line.titles() == ["INVITE +sdp", "ACK", "INVITE +sdp"]
    assert header(second, "cseq") == "2 INVITE"
    assert header(second, "via") != header(first, "via")
    assert header(second, "from") == header(first, "from")
    assert 'username="alice"' in header(second, "proxy-authorization")
    line.answer(second, "200 OK", extra=CONTACT, body=ANSWER)
    ack = line.last("ACK")
    assert header(ack, "cseq") == "2 ACK"
    assert header(ack, "proxy-authorization") == header(second, "proxy-authorization")


def test_wrong_credentials_are_refused_once() -> None:
    line = Line()
    line.answer(line.invite(Credentials("alice", "pw")), "407 Prove It", extra=CHALLENGE)
    line.answer(line.last("INVITE +sdp"), "407 Prove It", extra=CHALLENGE)
    assert line.titles().count("INVITE +sdp") == 2
    assert line.events == [CallEnded("call", CallEndCause.REFUSED, 407, "Prove It")]


def test_a_challenged_bye_is_answered() -> None:
    line = Line()
    line.answer(line.invite(Credentials("alice", "pw")), "200 OK", extra=CONTACT, body=ANSWER)
    line.hang_up()
    line.answer(line.last("BYE"), "407 Prove It", extra=CHALLENGE)
    bye = line.last("BYE")
    assert header(bye, "cseq") == "3 BYE"
    assert 'uri="sip:far@10.0.0.2:5060"' in header(bye, "proxy-authorization")


def test_hanging_up_while_challenged_does_not_call_again() -> None:
    line = Line()
    invite = line.invite(Credentials("alice", "pw"))
    line.hang_up()
    line.answer(invite, "407 Prove It", extra=CHALLENGE)
    assert line.titles() == ["INVITE +sdp", "ACK"]
    assert line.ends() == [CallEnded("call", CallEndCause.LOCAL_CANCEL)]


ROUTES = "Record-Route: <sip:10.0.0.9;lr;ftag=a>, <sip:10.0.0.2;lr>"


def test_requests_follow_the_route_set_of_the_2xx() -> None:
    line = Line()
    line.answer(line.invite(), "200 OK", extra=f"{ROUTES}\nContact: <sip:far@10.0.0.77:5070;x=1>", body=ANSWER)
    line.hang_up()
    for label in ("ACK", "BYE"):
        request = line.last(label)  # came to the first route, not to the Contact
        assert request_line(request).split(" ")[1] == "sip:far@10.0.0.77:5070;x=1"
        assert headers(request, "route") == ["<sip:10.0.0.2;lr>", "<sip:10.0.0.9;lr;ftag=a>"]


def test_a_strict_router_is_put_into_the_request_line() -> None:
    line = Line()
    extra = "Record-Route: <sip:10.0.0.9;lr>, <sip:10.0.0.2>\nContact: <sip:far@10.0.0.77>"
    line.answer(line.invite(), "200 OK", extra=extra, body=ANSWER)
    ack = line.last("ACK")
    assert request_line(ack) == "ACK sip:10.0.0.2 SIP/2.0"
    assert headers(ack, "route") == ["<sip:10.0.0.9;lr>", "<sip:far@10.0.0.77>"]


def test_a_preloaded_route_is_in_invite_cancel_and_ack() -> None:
    line = Line()
    invite = line.invite(route=("<sip:10.0.0.2;lr>",))
    line.answer(invite, "180 Ringing")
    line.hang_up()
    line.answer(invite, "487 Request Terminated")
    for label in ("INVITE +sdp", "CANCEL", "ACK"):
        assert headers(line.last(label), "route") == ["<sip:10.0.0.2;lr>"]


def test_a_call_id_in_use_and_what_is_no_uri_are_refused_at_once() -> None:
    line = Line()
    line.invite()
    with pytest.raises(ValueError, match="already"):
        line.invite()
    with pytest.raises(ValueError, match="not a URI"):
        line.endpoint.invite(
            call_id="x", target_uri="sip:a@b\r\nEvil: 1", hop=line.trunk.hop, from_uri="sip:me@h", sdp=OFFER, now=0.0
        )


def test_tcp_shows_in_via_and_contact() -> None:
    line = Line(Transport.TCP)
    invite = line.invite()
    assert header(invite, "via").startswith("SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK")
    assert header(invite, "contact") == "<sip:dialer@10.0.0.1:5060;transport=tcp>"
    line.network.run(20)
    assert line.titles() == ["INVITE +sdp"]


HELD = ANSWER.replace("4000", "4002") + "a=sendonly\n"


def test_a_re_invite_with_hold_is_answered_with_the_mirrored_direction() -> None:
    line = Line()
    line.talk()
    assert from_trunk(
        line, "INVITE", extra="Contact: <sip:moved@10.0.0.2:5060>\nContent-Type: application/sdp", body=HELD
    )
    answer = line.last("200 INVITE +sdp")
    assert b"a=recvonly" in answer
    assert b"m=audio 16000 RTP/AVP 8\r\n" in answer
    from_trunk(line, "ACK")
    line.network.run(40)
    assert line.titles().count("200 INVITE +sdp") == 1
    assert line.ends() == []
    line.hang_up()
    assert request_line(line.last("BYE")) == "BYE sip:moved@10.0.0.2:5060 SIP/2.0"


def test_each_answer_to_a_re_offer_has_a_higher_version() -> None:
    """RFC 3264 section 8."""
    line = Line()
    line.talk()
    for cseq in (1, 2):
        from_trunk(line, "UPDATE", cseq=cseq, extra="Content-Type: application/sdp", body=HELD)
    versions = [payload.decode().split("o=- ")[1].split(" ")[1] for payload in [OFFER, *line.trunk.inbox[-2:]]]
    assert versions == ["1", "2", "3"]


def test_a_re_invite_that_is_refused_leaves_the_call_as_it_was() -> None:
    line = Line()
    line.talk()
    video = "v=0\no=- 1 2 IN IP4 10.0.0.2\ns=-\nc=IN IP4 10.0.0.2\nt=0 0\nm=video 4000 RTP/AVP 31\n"
    kind = "Content-Type: application/sdp\nContact: <sip:moved@10.0.0.2>"
    assert from_trunk(line, "INVITE", extra=kind, body=video) == "488 INVITE"
    assert from_trunk(line, "ACK") == "488 INVITE"
    assert from_trunk(line, "INVITE", cseq=2, extra="Content-Type: text/plain", body="x=1") == "415 INVITE"
    assert line.ends() == []
    line.hang_up()
    assert request_line(line.last("BYE")) == "BYE sip:far@10.0.0.2:5060 SIP/2.0"


def test_a_re_invite_whose_ack_never_comes_ends_the_call() -> None:
    line = Line()
    line.talk()
    from_trunk(line, "INVITE", extra="Content-Type: application/sdp", body=HELD)
    line.network.run(33)
    assert line.titles().count("200 INVITE +sdp") == 11
    assert line.ends() == [CallEnded("call", CallEndCause.TIMEOUT)]
    assert "BYE" in line.titles()


def test_a_re_invite_without_an_offer_gets_ours() -> None:
    line = Line()
    line.talk()
    assert from_trunk(line, "INVITE") == "200 INVITE +sdp"
    assert b"m=audio 16000 RTP/AVP 8 0 101" in line.trunk.inbox[-1]


def versions_of(*descriptions: bytes) -> list[int]:
    return [int(payload.decode().split("o=- ")[1].split(" ")[1]) for payload in descriptions]


def test_an_offer_of_ours_after_a_hold_has_a_higher_version_than_the_hold() -> None:
    """RFC 3264 section 8: a far end may take a description with an old version for one that it knows already."""
    line = Line()
    line.talk()
    from_trunk(line, "UPDATE", cseq=1, extra="Content-Type: application/sdp", body=HELD)
    held = line.trunk.inbox[-1]
    assert from_trunk(line, "INVITE", cseq=2) == "200 INVITE +sdp"
    offer = line.trunk.inbox[-1]
    from_trunk(line, "ACK", cseq=2)
    from_trunk(line, "UPDATE", cseq=3, extra="Content-Type: application/sdp", body=HELD)
    assert versions_of(OFFER, held, offer, line.trunk.inbox[-1]) == [1, 2, 3, 4]
    assert b"a=sendrecv" in offer


def test_the_answer_to_an_offer_of_ours_comes_with_the_ack() -> None:
    """RFC 3261 section 13.2.1: an exchange that transfers a call offers nothing and says in its ACK where to send."""
    line = Line()
    line.talk()
    from_trunk(line, "INVITE")
    offer = line.trunk.inbox[-1].partition(b"\r\n\r\n")[2]
    moved = ANSWER.replace("4000", "4002")
    for _ in range(2):  # the ACK may come twice
        from_trunk(line, "ACK", extra="Content-Type: application/sdp", body=moved)
    (told,) = [event for event in line.events if isinstance(event, CallReoffered)]
    assert (told.call_id, told.answer) == ("call", offer)
    assert b"m=audio 4002" in told.sdp


def test_a_description_with_the_ack_of_an_answered_offer_is_left_alone() -> None:
    line = Line()
    line.talk()
    from_trunk(line, "INVITE", extra="Content-Type: application/sdp", body=HELD)
    from_trunk(line, "ACK", extra="Content-Type: application/sdp", body=ANSWER.replace("4000", "6666"))
    (told,) = [event for event in line.events if isinstance(event, CallReoffered)]
    assert b"m=audio 4002" in told.sdp


@pytest.mark.parametrize(
    ("method", "extra", "body", "expected"),
    [
        ("UPDATE", "Content-Type: application/sdp", HELD, "200 UPDATE +sdp"),
        ("UPDATE", "", "", "200 UPDATE"),
        ("UPDATE", "Content-Type: application/sdp", "v=0\n", "488 UPDATE"),
        ("OPTIONS", "", "", "200 OPTIONS"),
        ("INFO", "", "", "200 INFO"),
        ("INFO", "Content-Type: text/plain", "hello", "415 INFO"),
        ("REFER", "", "", "405 REFER"),
        ("MESSAGE", "", "", "405 MESSAGE"),
        ("REGISTER", "", "", "405 REGISTER"),
        ("DANCE", "", "", "501 DANCE"),
        ("BYE", "Require: magic", "", "420 BYE"),
    ],
)
def test_requests_inside_the_dialog(method: str, extra: str, body: str, expected: str) -> None:
    line = Line()
    line.talk()
    assert from_trunk(line, method, extra=extra, body=body) == expected
    assert line.ends() == []


def test_what_belongs_to_no_dialog_is_answered_481() -> None:
    line = Line()
    line.talk()
    for number, method in enumerate(("BYE", "INVITE", "UPDATE", "INFO", "OPTIONS"), 1):
        assert from_trunk(line, method, cseq=number, to_tag="unknown") == f"481 {method}"
    before = len(line.trunk.inbox)
    from_trunk(line, "ACK", cseq=9, to_tag="unknown")
    assert len(line.trunk.inbox) == before
    assert line.ends() == []


def test_a_request_older_than_the_last_is_refused() -> None:
    line = Line()
    line.talk()
    assert from_trunk(line, "OPTIONS", cseq=5) == "200 OPTIONS"
    assert from_trunk(line, "BYE", cseq=4) == "500 BYE"
    assert line.ends() == []


def test_glare_an_offer_while_our_invite_is_under_way() -> None:
    line = Line()
    line.answer(line.invite(), "183 Session Progress", extra=CONTACT)
    assert from_trunk(line, "UPDATE", extra="Content-Type: application/sdp", body=HELD) == "491 UPDATE"
    assert from_trunk(line, "INVITE", cseq=2, extra="Content-Type: application/sdp", body=HELD) == "491 INVITE"
    assert line.ends() == []


def test_digits_by_info_both_ways() -> None:
    line = Line()
    line.talk()
    from_trunk(line, "INFO", cseq=1, extra="Content-Type: application/dtmf-relay", body="Signal=5\nDuration=240")
    from_trunk(line, "INFO", cseq=2, extra="Content-Type: application/dtmf", body="#")
    from_trunk(line, "INFO", cseq=3, extra="Content-Type: application/dtmf-relay", body="Signal= 10")
    from_trunk(line, "INFO", cseq=4, extra="Content-Type: application/dtmf-relay", body="Signal=boom")
    assert [str(event) for event in line.events[-3:]] == [
        "InfoDigit(call_id='call', digit='5', duration_ms=240)",
        "InfoDigit(call_id='call', digit='#', duration_ms=160)",
        "InfoDigit(call_id='call', digit='*', duration_ms=160)",
    ]
    line.endpoint.send_info_digit("call", "7", line.network.now)
    line.network.settle()
    assert line.last("INFO +sdp").endswith(b"Signal=7\r\nDuration=160\r\n")
    with pytest.raises(ValueError, match="not a key"):
        line.endpoint.send_info_digit("call", "77", line.network.now)


@pytest.mark.timeout(60)
def test_a_key_by_info_is_short() -> None:
    """Twenty thousand empty lines before a key stopped all signalling for a minute."""
    line = Line()
    line.talk()
    so_far = len(line.events)
    extra = "Content-Type: application/dtmf-relay"
    assert from_trunk(line, "INFO", cseq=1, extra=extra, body="Signal=5\n" + "x" * 300) == "413 INFO"
    assert line.events[so_far:] == []
    assert read_digit("\n" * 1_000_000 + "x", "application/dtmf-relay") == ("", 0)
    assert read_q850(["Q.850;" * 200_000]) is None


@pytest.mark.parametrize("code", ["481 Gone", "408 Late"])
def test_a_dialog_that_the_far_end_has_forgotten_is_over(code: str) -> None:
    line = Line()
    line.talk()
    line.endpoint.send_info_digit("call", "7", line.network.now)
    line.network.settle()
    line.answer(line.last("INFO +sdp"), code)
    assert [end.cause for end in line.ends()] == [CallEndCause.TIMEOUT]


def test_a_headset_behind_nat_is_spoken_to_where_its_register_came_from() -> None:
    phone = Phone(contact="sip:anna@192.168.1.5:5060")
    phone.register()
    phone.endpoint.invite(
        call_id="h", target_uri="sip:anna@192.168.1.5:5060", hop=phone.node.hop, from_uri="sip:me@10.0.0.1", sdp=OFFER,
        now=phone.network.now,
    )  # fmt: skip
    phone.network.settle()
    invite = phone.node.inbox[-1]
    contact = "Contact: <sip:anna@192.168.1.5:5060>"
    phone.network.send(phone.node, phone.us, answer_to(invite, "200 OK", tag="t", extra=contact, body=ANSWER))
    phone.network.settle()
    assert request_line(phone.node.inbox[-1]) == "ACK sip:anna@192.168.1.5:5060 SIP/2.0"
