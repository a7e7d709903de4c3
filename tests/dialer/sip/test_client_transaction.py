"""Client transactions in virtual time (RFC 3261 section 17.1, RFC 6026)."""

from __future__ import annotations

import pytest
from aiosipua.message import SipMessage, SipRequest

from dialer.sip.client_transaction import ClientFault, ClientState, ClientTransaction, Output
from dialer.sip.events import Hop, Transport
from dialer.sip.message import ReceivedResponse, read_message
from tests.dialer.sip.network import answer_to, header, headers, request_line, wire

UDP = Hop(Transport.UDP, "10.0.0.2", 5060)
TCP = Hop(Transport.TCP, "10.0.0.2", 5060)


def transaction(method: str, hop: Hop = UDP) -> ClientTransaction:
    request = SipMessage.parse(
        wire(f"""
        {method} sip:100@10.0.0.2 SIP/2.0
        Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKone
        Route: <sip:10.0.0.9;lr>
        Route: <sip:10.0.0.8;lr>
        Max-Forwards: 70
        From: <sip:me@10.0.0.1>;tag=f
        To: <sip:100@10.0.0.2>
        Call-ID: c1
        CSeq: 7 {method}
        """)
    )
    assert isinstance(request, SipRequest)
    return ClientTransaction(request, "z9hG4bKone", hop, 0.0)


def response(one: ClientTransaction, code: str) -> ReceivedResponse:
    message = read_message(answer_to(bytes(one.request), code, tag="t"), UDP)
    assert isinstance(message, ReceivedResponse)
    return message


def sent_at(one: ClientTransaction, until: float) -> list[tuple[float, Output]]:
    """Let timers fire one by one; what came out, and when."""
    seen: list[tuple[float, Output]] = []
    while (deadline := one.next_timer()) is not None and deadline <= until:
        seen += [(deadline, output) for output in one.handle_timers(deadline)]
    return seen


def test_timer_a_doubles_until_timer_b_gives_up() -> None:
    one = transaction("INVITE")
    seen = sent_at(one, 100)
    assert [at for at, output in seen if isinstance(output, bytes)] == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert seen[-1] == (32.0, ClientFault.TIMEOUT)
    assert one.state is ClientState.TERMINATED


def test_timer_e_doubles_to_four_seconds_until_timer_f_gives_up() -> None:
    seen = sent_at(transaction("BYE"), 100)
    times = [at for at, output in seen if isinstance(output, bytes)]
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert seen[-1] == (32.0, ClientFault.TIMEOUT)


def test_after_a_provisional_other_requests_are_repeated_every_four_seconds() -> None:
    one = transaction("BYE")
    one.receive(response(one, "100 Trying"), 0.1)
    times = [at for at, output in sent_at(one, 13) if isinstance(output, bytes)]
    assert times == [0.5, 4.5, 8.5, 12.5]


def test_nothing_is_repeated_over_tcp() -> None:
    assert sent_at(transaction("INVITE", TCP), 100) == [(32.0, ClientFault.TIMEOUT)]
    assert sent_at(transaction("REGISTER", TCP), 100) == [(32.0, ClientFault.TIMEOUT)]


def test_a_provisional_stops_invite_timers() -> None:
    one = transaction("INVITE")
    (output,) = one.receive(response(one, "180 Ringing"), 0.2)
    assert isinstance(output, ReceivedResponse)
    assert one.next_timer() is None


def test_a_cancelled_invite_waits_no_longer_than_32_seconds() -> None:
    one = transaction("INVITE")
    one.receive(response(one, "180 Ringing"), 0.2)
    one.limit(5.0)
    assert sent_at(one, 100) == [(37.0, ClientFault.TIMEOUT)]


def test_a_refusal_is_acknowledged_on_the_transaction_each_time_it_comes() -> None:
    one = transaction("INVITE")
    ack, delivered = one.receive(response(one, "486 Busy Here"), 1.0)
    assert isinstance(ack, bytes)
    assert isinstance(delivered, ReceivedResponse)
    assert request_line(ack) == "ACK sip:100@10.0.0.2 SIP/2.0"
    assert headers(ack, "via") == ["SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKone"]
    assert headers(ack, "route") == ["<sip:10.0.0.9;lr>", "<sip:10.0.0.8;lr>"]
    assert header(ack, "to") == "<sip:100@10.0.0.2>;tag=t"
    assert header(ack, "cseq") == "7 ACK"
    assert one.receive(response(one, "486 Busy Here"), 2.0) == [ack]
    assert one.receive(response(one, "180 Ringing"), 2.0) == []
    assert one.next_timer() == 33.0  # timer D
    one.handle_timers(33.0)
    assert one.state is ClientState.TERMINATED
    assert one.receive(response(one, "486 Busy Here"), 40.0) == []


def test_every_2xx_goes_to_the_user_until_timer_m() -> None:
    one = transaction("INVITE")
    for at in (1.0, 2.0):
        (output,) = one.receive(response(one, "200 OK"), at)
        assert isinstance(output, ReceivedResponse)
    assert one.receive(response(one, "486 Busy Here"), 3.0) == []
    assert one.next_timer() == 33.0
    one.handle_timers(33.0)
    assert one.state is ClientState.TERMINATED


def test_a_repeated_final_response_to_other_requests_is_absorbed() -> None:
    one = transaction("BYE")
    assert len(one.receive(response(one, "200 OK"), 1.0)) == 1
    assert one.receive(response(one, "200 OK"), 1.5) == []
    assert one.next_timer() == 6.0  # timer K


@pytest.mark.parametrize(("method", "code"), [("INVITE", "486 Busy Here"), ("BYE", "200 OK")])
def test_over_tcp_nothing_lingers_after_a_final_response(method: str, code: str) -> None:
    one = transaction(method, TCP)
    one.receive(response(one, code), 1.0)
    one.handle_timers(1.0)
    assert one.state is ClientState.TERMINATED


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_a_transport_error_is_told_once(method: str) -> None:
    one = transaction(method)
    assert one.transport_failed(0.1) == [ClientFault.TRANSPORT]
    assert one.transport_failed(0.2) == []
    assert one.next_timer() is None


def test_a_transport_error_while_it_rings_concerns_something_else() -> None:
    """Figure 5: nothing of an INVITE in Proceeding is being sent. Whoever picks up must be acknowledged."""
    one = transaction("INVITE")
    one.receive(response(one, "180 Ringing"), 0.1)
    assert one.transport_failed(0.2) == []
    assert one.state is ClientState.PROCEEDING
    (answer,) = one.receive(response(one, "200 OK"), 5.0)
    assert isinstance(answer, ReceivedResponse)
    assert answer.code == 200
