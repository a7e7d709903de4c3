"""Server transactions in virtual time (RFC 3261 section 17.2, RFC 6026)."""

from __future__ import annotations

import pytest

from dialer.sip.errors import IllegalStep
from dialer.sip.events import Hop, Transport
from dialer.sip.message import ReceivedRequest, read_message
from dialer.sip.server_transaction import ServerState, ServerTransaction, server_key
from tests.dialer.sip.network import wire

UDP = Hop(Transport.UDP, "10.0.0.2", 5060)
TCP = Hop(Transport.TCP, "10.0.0.2", 40000)


def request(method: str, branch: str = ";branch=z9hG4bKone", source: Hop = UDP) -> ReceivedRequest:
    message = read_message(
        wire(f"""
        {method} sip:100@10.0.0.2 SIP/2.0
        Via: SIP/2.0/UDP 10.0.0.1:5060{branch}
        From: <sip:me@10.0.0.1>;tag=f
        To: <sip:100@10.0.0.2>
        Call-ID: c1
        CSeq: 7 {method}
        """),
        source,
    )
    assert isinstance(message, ReceivedRequest)
    return message


def transaction(method: str, source: Hop = UDP) -> ServerTransaction:
    return ServerTransaction(request(method, source=source), source)


def repeats(one: ServerTransaction, until: float) -> list[float]:
    times: list[float] = []
    while (deadline := one.next_timer()) is not None and deadline <= until:
        times += [deadline] * len(one.handle_timers(deadline))
    return times


def test_a_refusal_is_repeated_by_timer_g_until_timer_h() -> None:
    one = transaction("INVITE")
    assert one.respond(b"486", 486, 0.0) == [b"486"]
    assert repeats(one, 100) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert one.state is ServerState.TERMINATED


def test_an_ack_stops_the_refusal_and_timer_i_absorbs_more() -> None:
    one = transaction("INVITE")
    one.respond(b"486", 486, 0.0)
    one.receive_ack(0.2)
    assert one.receive_again(0.3) == []
    assert one.next_timer() == 5.2
    assert repeats(one, 100) == []
    assert one.state is ServerState.TERMINATED


def test_a_repeated_invite_gets_the_last_answer_again() -> None:
    one = transaction("INVITE")
    assert one.receive_again(0.0) == []
    one.respond(b"180", 180, 0.0)
    assert one.receive_again(0.1) == [b"180"]
    one.respond(b"603", 603, 0.2)
    assert one.receive_again(0.3) == [b"603"]


def test_an_accepted_invite_absorbs_repeats_and_sends_what_its_user_repeats() -> None:
    one = transaction("INVITE")
    one.respond(b"200", 200, 0.0)
    assert one.receive_again(0.1) == []
    assert one.respond(b"200", 200, 0.5) == [b"200"]
    assert one.next_timer() == 32.0  # timer L
    one.handle_timers(32.0)
    assert one.respond(b"200", 200, 33.0) == []


def test_other_requests_are_answered_again_until_timer_j() -> None:
    one = transaction("BYE")
    assert one.receive_again(0.0) == []
    one.respond(b"200", 200, 0.0)
    assert one.receive_again(31.0) == [b"200"]
    assert one.next_timer() == 32.0
    one.handle_timers(32.0)
    assert one.state is ServerState.TERMINATED


def test_over_tcp_nothing_is_repeated_and_nothing_lingers() -> None:
    refused = transaction("INVITE", TCP)
    refused.respond(b"486", 486, 0.0)
    assert refused.next_timer() == 32.0  # only timer H
    refused.receive_ack(1.0)
    refused.handle_timers(1.0)
    assert refused.state is ServerState.TERMINATED
    other = transaction("BYE", TCP)
    other.respond(b"200", 200, 0.0)
    other.handle_timers(0.0)
    assert other.state is ServerState.TERMINATED


def test_a_second_final_answer_is_a_fault_of_the_program() -> None:
    one = transaction("BYE")
    one.respond(b"200", 200, 0.0)
    with pytest.raises(IllegalStep):
        one.respond(b"500", 500, 0.1)


def test_ack_and_cancel_are_matched_to_their_invite() -> None:
    invite = server_key(request("INVITE"))
    assert server_key(request("ACK"), "INVITE") == invite
    assert server_key(request("CANCEL"), "INVITE") == invite
    assert server_key(request("CANCEL")) != invite
    assert server_key(request("INVITE", ";branch=z9hG4bKtwo")) != invite


@pytest.mark.parametrize("branch", ["", ";branch=1", ";branch=z9hG4bK"])
def test_without_the_magic_cookie_the_rules_of_rfc_2543_hold(branch: str) -> None:
    assert server_key(request("INVITE", branch)) == server_key(request("ACK", branch), "INVITE")
    assert server_key(request("INVITE", branch))[0] == "2543"
