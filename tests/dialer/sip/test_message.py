"""The guards around the parser."""

from __future__ import annotations

import pytest

from dialer.sip.address import NameAddress, UriParts, hop_for, read_name_address, read_uri
from dialer.sip.errors import Malformed, Unreadable
from dialer.sip.events import Hop, Transport
from dialer.sip.message import BrokenRequest, ReceivedRequest, read_message, read_via, response_hop, stamped_via

SOURCE = Hop(Transport.UDP, "192.0.2.9", 4711)

GOOD = """OPTIONS sip:a@10.0.0.1 SIP/2.0
Via: SIP/2.0/UDP 10.0.0.2:5062;branch=z9hG4bKx
From: "Bob" <sip:b@10.0.0.2>;tag=1
To: <sip:a@10.0.0.1>
Call-ID: c
CSeq: 1 OPTIONS
Content-Length: 0

"""


def changed(old: str, new: str) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new).replace("\n", "\r\n").encode()


def test_a_good_request_is_read() -> None:
    request = read_message(changed("", ""), SOURCE)
    assert isinstance(request, ReceivedRequest)
    assert (request.method, request.cseq, request.call_id) == ("OPTIONS", 1, "c")
    assert (request.from_uri, request.from_tag, request.to_tag) == ("sip:b@10.0.0.2", "1", "")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("SIP/2.0\nVia", "SIP/3.0\nVia", 505),
        ("sip:a@10.0.0.1 SIP", "<sip:a@10.0.0.1> SIP", 400),
        ("OPTIONS sip", "OPTIONS  sip", 400),
        ("CSeq: 1 OPTIONS", "CSeq: 1 INVITE", 400),
        ("CSeq: 1 OPTIONS", "CSeq: +1 OPTIONS", 400),
        ("CSeq: 1 OPTIONS", "CSeq: 2147483648 OPTIONS", 400),
        ("CSeq: 1 OPTIONS", "CSeq: one OPTIONS", 400),
        ("Call-ID: c", "Call-ID: c\nCall-ID: d", 400),
        ("Call-ID: c\n", "", 400),
        ("Content-Length: 0", "Content-Length: -1", 400),
        ("Content-Length: 0", "Content-Length: 1_0", 400),
        ("Content-Length: 0", "Content-Length: 7", 400),
        ("Content-Length: 0", "Content-Length: 0\nContent-Length: 0", 400),
        ("Content-Length: 0", "Max-Forwards: 256", 400),
        (":5062;", ":999999;", 400),
        (":5062;", ":0;", 400),
        (":5062;", ":99999999999999999999;", 400),
        ("UDP 10.0.0.2", "UDP", 400),
        ('"Bob"', '"Bob', 400),
        ("<sip:b@10.0.0.2>", "<b>", 400),
    ],
)
def test_a_broken_request_is_refused(old: str, new: str, code: int) -> None:
    broken = read_message(changed(old, new), SOURCE)
    assert isinstance(broken, BrokenRequest)
    assert broken.fault.sip_code == code


@pytest.mark.parametrize(
    "payload", [b"", b"\r\n\r\n", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0\r\n\r\n", b"\xff" * 90]
)
def test_what_is_no_sip_is_dropped(payload: bytes) -> None:
    with pytest.raises(Unreadable):
        read_message(payload, SOURCE)


def test_a_broken_ack_is_never_answered() -> None:
    with pytest.raises(Unreadable):
        read_message(changed("CSeq: 1 OPTIONS", "CSeq: x").replace(b"OPTIONS", b"ACK"), SOURCE)


def test_without_via_nothing_can_be_answered() -> None:
    with pytest.raises(Unreadable):
        read_message(changed("Via: SIP/2.0/UDP 10.0.0.2:5062;branch=z9hG4bKx\n", ""), SOURCE)


@pytest.mark.parametrize(
    "line", ["SIP/2.0 99 X", "SIP/2.0 700 X", "SIP/2.0 4294967301 X", "SIP/2.0 2_0 X", "SIP/2.0 200OK"]
)
def test_response_codes_out_of_range_are_dropped(line: str) -> None:
    with pytest.raises(Unreadable):
        read_message(changed("OPTIONS sip:a@10.0.0.1 SIP/2.0", line), SOURCE)


def test_a_response_with_two_vias_was_misrouted() -> None:
    second = "branch=z9hG4bKx\nVia: SIP/2.0/UDP 10.0.0.3"
    line = changed("OPTIONS sip:a@10.0.0.1 SIP/2.0", "SIP/2.0 200 OK").replace(b"branch=z9hG4bKx", second.encode())
    with pytest.raises(Unreadable):
        read_message(line, SOURCE)


def test_via_with_folded_blanks() -> None:
    via = read_via("SIP  / 2.0  / TCP     spindle.example.com  : 5061 ;  branch  =   z9hG4bK9 ;rport")
    assert (via.transport, via.host, via.port, via.branch) == ("TCP", "spindle.example.com", 5061, "z9hG4bK9")


@pytest.mark.parametrize(
    ("via", "stamped", "hop"),
    [
        ("h.example", "h.example;branch=b;received=192.0.2.9", Hop(Transport.UDP, "192.0.2.9", 5060)),
        ("192.0.2.9:5070", "192.0.2.9:5070;branch=b", Hop(Transport.UDP, "192.0.2.9", 5070)),
        ("10.1.1.1:5070;rport", "10.1.1.1:5070;rport=4711;branch=b;received=192.0.2.9", SOURCE),
        ("h;maddr=10.9.9.9", "h;maddr=10.9.9.9;branch=b;received=192.0.2.9", Hop(Transport.UDP, "192.0.2.9", 5060)),
    ],
)  # fmt: skip
def test_received_and_rport(via: str, stamped: str, hop: Hop) -> None:
    read = read_via(f"SIP/2.0/UDP {via};branch=b")
    assert stamped_via(read, SOURCE).text() == f"SIP/2.0/UDP {stamped}"
    assert response_hop(read, SOURCE) == hop


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"<a;tag=no>, b" <sip:c@d;x=1>;tag=yes', NameAddress("sip:c@d;x=1", {"tag": "yes"}, "<a;tag=no>, b")),
        ('"a \\" < b"<sip:c@d>', NameAddress("sip:c@d", {}, 'a \\" < b')),
        ("sip:c@d;tag=7", NameAddress("sip:c@d", {"tag": "7"})),
        ("caller<sip:c@d>;tag=323;lr", NameAddress("sip:c@d", {"tag": "323", "lr": None}, "caller")),
        ("< sip:c@d >", NameAddress("sip:c@d", {})),
    ],
)
def test_name_addresses(text: str, expected: NameAddress) -> None:
    assert read_name_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "<>", "bob", '"a <sip:c@d>', "<sip:c@d", "<sip:a b@c>", "<sip:c@d> x", "<<sip:c@d>>"]
)
def test_bad_name_addresses(text: str) -> None:
    with pytest.raises(Malformed):
        read_name_address(text)


def test_uris_with_strange_users() -> None:
    assert read_uri("sip:user;par=u%40x@example.com:5061;transport=TCP?a=b") == UriParts(
        "user;par=u%40x", "example.com", 5061, {"transport": "TCP"}
    )
    assert read_uri("sip:[::1]:5060;lr") == UriParts("", "::1", 5060, {"lr": None})


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:10.0.0.5", Hop(Transport.UDP, "10.0.0.5", 5060)),
        ("sip:10.0.0.5:5070;transport=tcp", Hop(Transport.TCP, "10.0.0.5", 5070)),
        ("sip:10.0.0.7:5080", Hop(Transport.TCP, "10.0.0.7", 5080)),
        ("sip:proxy.example", Hop(Transport.TCP, "10.0.0.7", 5080)),
        ("sip:10.0.0.5:999999", Hop(Transport.TCP, "10.0.0.7", 5080)),
        ("tel:+7342", Hop(Transport.TCP, "10.0.0.7", 5080)),
    ],
)
def test_next_hops(uri: str, expected: Hop) -> None:
    assert hop_for(uri, Hop(Transport.TCP, "10.0.0.7", 5080)) == expected
