"""pyVoIP's calls on a network in memory: what is lost, late, doubled or forked."""

from __future__ import annotations

from textwrap import dedent

import pytest

from dialer.sip.events import CallAnswered, CallEndCause, CallEnded, CallProgress, CallReoffered, InfoDigit
from dialer.sip.sdp import build_offer, read_remote
from tests.dialer.engines.pyvoip.line import ANSWER, CONTACT, CREDENTIALS, Line
from tests.dialer.sip.network import answer_to, header, headers, request_line, title


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_call(line: Line) -> None:
    invite = line.talk()
    line.hang_up()
    line.answer(line.last("BYE"), "200 OK")
    assert [type(event) for event in line.events] == [CallProgress, CallAnswered, CallEnded]
    ack, bye = line.last("ACK"), line.last("BYE")
    assert request_line(ack) == "ACK sip:far@10.0.0.2:5060;x=1 SIP/2.0"
    assert request_line(bye) == "BYE sip:far@10.0.0.2:5060;x=1 SIP/2.0"
    for request in (ack, bye):
        assert header(request, "to") == "<sip:100@trunk.test>;tag=far"
        assert header(request, "from") == header(invite, "from")
    assert [header(request, "cseq") for request in (invite, ack, bye)] == ["1 INVITE", "1 ACK", "2 BYE"]
    assert len({header(request, "via") for request in (invite, ack, bye)}) == 3


def test_names_are_never_used_twice(line: Line) -> None:
    other = Line()
    ours, theirs = line.invite(), other.invite()
    assert header(ours, "via") != header(theirs, "via")
    assert header(ours, "from") != header(theirs, "from")
    assert header(ours, "call-id") == "call"


def test_lost_requests_are_sent_again(line: Line) -> None:
    line.network.lose = ["INVITE +sdp", "INVITE +sdp", "BYE", "BYE"]
    line.endpoint.invite(
        call_id="call",
        target_uri="sip:100@trunk.test",
        hop=line.trunk.hop,
        from_uri="sip:me@trunk.test",
        sdp=b"v=0\r\n",
        now=line.network.now,
    )
    line.network.run(2)
    line.answer(line.last("INVITE +sdp"), "200 OK", extra=CONTACT, body=ANSWER)
    line.hang_up()
    line.network.run(2)
    line.answer(line.last("BYE"), "200 OK")
    line.network.run(40)
    assert line.endpoint.settled
    assert line.network.ladder() == dedent("""\
        0.00  us -> trunk  INVITE +sdp  (lost)
        0.50  us -> trunk  INVITE +sdp  (lost)
        1.50  us -> trunk  INVITE +sdp
        2.00  trunk -> us  200 INVITE +sdp
        2.01  us -> trunk  ACK
        2.02  us -> trunk  BYE  (lost)
        2.52  us -> trunk  BYE  (lost)
        3.52  us -> trunk  BYE
        4.02  trunk -> us  200 BYE""")


def test_a_repeated_answer_is_acknowledged_again(line: Line) -> None:
    invite = line.talk()
    line.answer(invite, "200 OK", extra=CONTACT, body=ANSWER)
    first, second = line.got("ACK")
    assert first == second
    assert len([event for event in line.events if isinstance(event, CallAnswered)]) == 1


def test_a_repeated_refusal_is_acknowledged_again(line: Line) -> None:
    invite = line.invite()
    for _ in range(2):
        line.answer(invite, "486 Busy Here")
    first, second = line.got("ACK")
    assert first == second
    assert header(first, "via") == header(invite, "via")
    assert [type(event) for event in line.events] == [CallEnded]


def test_nobody_there(line: Line) -> None:
    line.network.lose = ["INVITE +sdp"] * 20
    line.endpoint.invite(
        call_id="call",
        target_uri="sip:100@trunk.test",
        hop=line.trunk.hop,
        from_uri="sip:me@trunk.test",
        sdp=b"v=0\r\n",
        now=line.network.now,
    )
    line.network.run(40)
    (ended,) = line.events
    assert isinstance(ended, CallEnded)
    assert ended.cause is CallEndCause.TIMEOUT
    assert [entry[:5] for entry in line.network.lines] == [
        "0.00 ",
        "0.50 ",
        "1.50 ",
        "3.50 ",
        "7.50 ",
        "15.50",
        "31.50",
    ]


def test_the_network_says_that_nobody_is_there(line: Line) -> None:
    line.invite()
    line.network.fail(line.us, line.trunk.hop)
    (ended,) = line.events
    assert isinstance(ended, CallEnded)
    assert ended.cause is CallEndCause.TRANSPORT


def test_a_ringing_call_does_not_mind_a_lost_datagram_elsewhere(line: Line) -> None:
    line.answer(line.invite(), "180 Ringing")
    line.network.fail(line.us, line.trunk.hop)
    assert [type(event) for event in line.events] == [CallProgress]


def test_cancel_waits_for_a_provisional_response(line: Line) -> None:
    invite = line.invite()
    line.hang_up()
    assert not line.got("CANCEL")
    line.answer(invite, "180 Ringing")
    cancel = line.last("CANCEL")
    assert header(cancel, "via") == header(invite, "via")
    assert header(cancel, "cseq") == "1 CANCEL"
    line.answer(cancel, "200 OK")
    line.answer(invite, "487 Request Terminated")
    assert header(line.last("ACK"), "via") == header(invite, "via")
    assert [getattr(event, "cause", None) for event in line.events] == [CallEndCause.LOCAL_CANCEL]
    assert line.endpoint.settled


def test_cancel_is_one_request_however_often_it_rings(line: Line) -> None:
    invite = line.invite()
    line.hang_up()
    for _ in range(3):
        line.answer(invite, "180 Ringing")
    assert len(line.got("CANCEL")) == 1
    line.answer(line.last("CANCEL"), "200 OK")
    line.answer(invite, "180 Ringing")
    line.network.run(3)
    assert len(line.got("CANCEL")) == 1


def test_a_late_answer_to_a_cancelled_call_is_hung_up(line: Line) -> None:
    invite = line.invite()
    line.answer(invite, "180 Ringing")
    line.hang_up()
    line.network.run(20)
    line.answer(invite, "200 OK", extra=CONTACT, body=ANSWER)
    assert line.got("ACK")
    assert header(line.last("BYE"), "to").endswith(";tag=far")
    assert [event.cause for event in line.events if isinstance(event, CallEnded)] == [CallEndCause.LOCAL_CANCEL]
    assert not [event for event in line.events if isinstance(event, CallAnswered)]


def test_a_cancelled_call_that_nobody_answers_is_forgotten(line: Line) -> None:
    invite = line.invite()
    line.answer(invite, "180 Ringing")
    line.hang_up()
    line.network.run(70)
    assert line.endpoint.settled
    line.answer(invite, "200 OK", extra=CONTACT, body=ANSWER)
    assert not line.got("ACK")
    line.invite()  # the Call-ID is free again
    assert line.endpoint.next_timer() is not None


def test_the_loser_of_a_fork_is_hung_up(line: Line) -> None:
    invite = line.talk()
    line.answer(invite, "200 OK", tag="other", extra="Contact: <sip:other@10.0.0.2:5060>", body=ANSWER)
    bye = line.last("BYE")
    assert request_line(bye) == "BYE sip:other@10.0.0.2:5060 SIP/2.0"
    assert header(bye, "to").endswith(";tag=other")
    line.hang_up()
    assert header(line.last("BYE"), "to").endswith(";tag=far")


def test_a_recorded_route_is_followed(line: Line) -> None:
    proxy = line.network.add_peer("proxy", "10.0.0.9")
    line.talk(extra=f"{CONTACT}\nRecord-Route: <sip:10.0.0.9;lr>, <sip:10.0.0.8;lr>")
    line.hang_up()
    # Record-Route is given from the far end's side: the nearest proxy stands last (RFC 3261 section 12.1.2).
    assert [entry.split("  ")[1] for entry in line.network.lines[-2:]] == ["us -> 10.0.0.8:5060"] * 2
    assert not proxy.inbox


def test_requests_inside_the_call_carry_the_route(line: Line) -> None:
    proxy = line.network.add_peer("proxy", "10.0.0.9")
    line.talk(extra=f"{CONTACT}\nRecord-Route: <sip:10.0.0.8;lr>, <sip:10.0.0.9;lr>")
    line.hang_up()
    ack, bye = proxy.inbox
    for request in (ack, bye):
        assert headers(request, "route") == ["<sip:10.0.0.9;lr>", "<sip:10.0.0.8;lr>"]
        assert " sip:far@10.0.0.2:5060;x=1 " in request_line(request)


@pytest.mark.parametrize(("code", "asks", "answers"), [(401, "WWW", ""), (407, "Proxy", "Proxy-")])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_challenge_is_answered_once(line: Line, code: int, asks: str, answers: str, algorithm: str) -> None:
    challenge = f'{asks}-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm={algorithm}'
    first = line.invite(CREDENTIALS)
    line.answer(first, f"{code} Who are you", extra=challenge)
    second = line.last("INVITE +sdp")
    answer = header(second, f"{answers}Authorization")
    assert f"algorithm={algorithm}" in answer.replace('"', "")
    assert 'uri="sip:100@trunk.test"' in answer
    assert header(second, "cseq") == "2 INVITE"
    assert header(second, "via") != header(first, "via")
    assert (header(second, "from"), header(second, "call-id")) == (header(first, "from"), "call")
    line.answer(second, f"{code} Still no", extra=challenge)
    (ended,) = line.events
    assert isinstance(ended, CallEnded)
    assert (ended.cause, ended.sip_code) == (CallEndCause.REFUSED, code)
    assert [header(ack, "cseq") for ack in line.got("ACK")] == ["1 ACK", "2 ACK"]


def test_the_trunks_password_is_for_the_trunk_only(line: Line) -> None:
    line.answer(line.invite(), "401 Who are you", extra='WWW-Authenticate: Digest realm="r", nonce="n"')
    assert len(line.got("INVITE +sdp")) == 1
    assert isinstance(line.events[-1], CallEnded)


def test_a_challenge_from_elsewhere_is_not_answered(line: Line) -> None:
    elsewhere = line.network.add_peer("elsewhere", "10.0.0.66")
    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n"'
    line.network.send(elsewhere, line.us, answer_to(line.invite(CREDENTIALS), "401 Who", tag="x", extra=challenge))
    line.network.settle()
    assert len(line.got("INVITE +sdp")) == 1
    assert not elsewhere.inbox


def test_a_new_description_of_ours_is_answered_from(line: Line) -> None:
    invite = line.talk()
    line.endpoint.set_local_sdp("call", build_offer("10.0.0.1", 17000))
    answer = line.ask(invite, "UPDATE", extra=CONTACT, body=ANSWER)
    assert read_remote(answer.partition(b"\r\n\r\n")[2]).port == 17000


def test_each_description_of_ours_has_a_higher_version_than_the_one_before(line: Line) -> None:
    """RFC 3264 section 8: with the version that was there before it must be what was there before. A far end that goes
    by that overlooks the hold, and the end of it."""
    invite = line.talk()
    said = [
        invite,
        line.ask(invite, "UPDATE", extra=CONTACT, body=f"{ANSWER}a=sendonly\n"),
        line.ask(invite, "INVITE", extra=CONTACT),
        line.ask(invite, "UPDATE", extra=CONTACT, body=ANSWER),
    ]
    origins = [
        next(each for each in payload.decode().split("\r\n") if each.startswith("o=")).split(" ") for payload in said
    ]
    assert len({origin[1] for origin in origins}) == 1
    assert [origin[2] for origin in origins] == ["1", "2", "3", "4"]
    assert b"a=recvonly" in said[1]
    assert b"a=sendrecv" in said[2]
    assert b"a=sendrecv" in said[3]


def test_the_far_end_hangs_up_and_is_answered_each_time(line: Line) -> None:
    invite = line.talk()
    line.ask(invite, "BYE", extra="Reason: Q.850;cause=16")
    request = [entry for entry in line.network.lines if entry.endswith("trunk -> us  BYE")]
    assert len(request) == 1
    ended = line.events[-1]
    assert isinstance(ended, CallEnded)
    assert (ended.cause, ended.q850) == (CallEndCause.REMOTE_BYE, 16)
    answer = line.last("200 BYE")
    assert header(answer, "to") == header(invite, "from")
    line.hang_up()
    assert not line.got("BYE")


def test_a_stranger_cannot_hang_up(line: Line) -> None:
    invite = line.talk()
    assert title(line.ask(invite, "BYE", tag="stranger")) == "481 BYE"
    assert not isinstance(line.events[-1], CallEnded)


def test_hold_is_answered_in_kind(line: Line) -> None:
    invite = line.talk()
    hold = ANSWER.replace("IN IP4 10.0.0.2\nt", "IN IP4 10.0.0.3\nt") + "a=sendonly\n"
    answer = line.ask(invite, "INVITE", extra=CONTACT, body=hold)
    assert title(answer) == "200 INVITE +sdp"
    assert b"a=recvonly" in answer
    assert read_remote(answer.partition(b"\r\n\r\n")[2]).port == 16000
    told = line.events[-1]
    assert isinstance(told, CallReoffered)
    assert read_remote(told.sdp).host == "10.0.0.3"


def test_the_answer_to_an_offer_of_ours_comes_with_the_ack(line: Line) -> None:
    """RFC 3261 section 13.2.1: an exchange that transfers a call offers nothing and says in its ACK where to send."""
    invite = line.talk()
    offer = line.ask(invite, "INVITE", extra=CONTACT).partition(b"\r\n\r\n")[2]
    for _ in range(2):  # the ACK may come twice
        line.ask(invite, "ACK", body=ANSWER.replace("4000", "4002"))
    (told,) = [event for event in line.events if isinstance(event, CallReoffered)]
    assert (read_remote(told.sdp).port, told.answer) == (4002, offer)


def test_whether_the_call_is_still_there(line: Line) -> None:
    """RFC 3261 section 11.2; session border controllers ask inside the call, and end it at a refusal."""
    invite = line.talk()
    assert title(line.ask(invite, "OPTIONS")) == "200 OPTIONS"
    refreshed = line.ask(invite, "UPDATE")
    assert title(refreshed) == "200 UPDATE"
    assert header(refreshed, "contact").startswith("<sip:")  # RFC 3311 section 5.2


def test_keys_by_info_go_out_one_after_the_other(line: Line) -> None:
    line.talk()
    for digit in "1#":
        line.endpoint.send_info_digit("call", digit, line.network.now)
    line.network.settle()
    assert [info.partition(b"\r\n\r\n")[2].split(b"\r\n")[0] for info in line.got("INFO +sdp")] == [b"Signal=1"]
    first = line.last("INFO +sdp")
    assert header(first, "content-type") == "application/dtmf-relay"
    assert request_line(first) == "INFO sip:far@10.0.0.2:5060;x=1 SIP/2.0"
    line.answer(first, "200 OK")
    line.network.run(0.1)
    assert len(line.got("INFO +sdp")) == 1, "the first key is not heard to its end yet"
    line.network.run(0.2)
    second = line.last("INFO +sdp")
    assert second.partition(b"\r\n\r\n")[2] == b"Signal=#\r\nDuration=160\r\n"
    line.answer(second, "200 OK")
    line.hang_up()
    line.network.run(40)
    assert [header(bye, "cseq") for bye in line.got("BYE")][:1] == ["4 BYE"]


def test_an_offer_that_we_cannot_take_leaves_the_call_as_it_was(line: Line) -> None:
    invite = line.talk()
    assert title(line.ask(invite, "INVITE", extra=CONTACT, body=ANSWER.replace("AVP 8", "AVP 9"))) == "488 INVITE"
    line.hang_up()
    assert line.got("BYE")


def test_a_repeated_request_gets_the_same_answer(line: Line) -> None:
    invite = line.talk()
    line.network.lose = ["200 INFO"]
    info = "Content-Type: application/dtmf-relay"
    line.ask(invite, "INFO", extra=info, body="Signal=5\nDuration=160\n")
    line.ask(invite, "INFO", extra=info, body="Signal=5\nDuration=160\n")
    assert [event.digit for event in line.events if isinstance(event, InfoDigit)] == ["5"]
    assert line.got("200 INFO")


def test_what_is_not_for_a_call_is_the_endpoints(line: Line) -> None:
    line.network.send(
        line.trunk,
        line.us,
        b"OPTIONS sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
        b"To: <sip:10.0.0.1>\r\nCall-ID: other\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
    )
    line.network.settle()
    assert title(line.trunk.inbox[-1]) == "200 OPTIONS"
