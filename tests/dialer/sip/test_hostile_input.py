"""Whatever comes in, the endpoint stays up: RFC 4475, truncations, mutations."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialer.sip.endpoint import Endpoint, EndpointConfig
from dialer.sip.events import Hop, Transport
from tests.dialer.sip.network import title, wire

TORTURE = Path(__file__).parents[2] / "data" / "sip-torture"
NAMES = sorted(path.stem for path in TORTURE.glob("*.dat"))
SOURCE = Hop(Transport.UDP, "192.0.2.1", 5060)

# What RFC 4475 asks for. INVITEs come from an accepted address; REGISTERs have to prove who they are.
EXPECTED = {
    "400": "badinv01 clerr insuf ltgtruri lwsruri lwsstart mcl01 mismatch01 mismatch02 multi01 ncl quotbal scalar02",
    "505": "badvers",
    "501": "esc02 intmeth",
    "416": "novelsc unkscm",
    "420": "bext01",
    "415": "invut",
    "405": "mpart01",
    "401": "cparam01 cparam02 dblreq escnull regaut01 regbadct regescrt unksm2",
    "481": "wsinv",  # its To has a tag: it wants a dialog that there is not
    "100": "baddate esc01 escruri inv2543 longreq sdp01",
    "200": "badaspec badbranch baddn lwsdisp semiuri transports trws zeromf",
    "": "bcast bigcode noreason scalarlg unreason",  # responses to nothing
}
BY_NAME = {name: code for code, names in EXPECTED.items() for name in names.split()}


def endpoint() -> Endpoint:
    return Endpoint(EndpointConfig("10.0.0.1", 5060, accept_calls_from=frozenset({SOURCE.host})))


def answers(one: Endpoint, payload: bytes) -> list[str]:
    one.receive(payload, SOURCE, 1.0)
    transmissions = one.transmissions()
    assert all(t.hop.host == SOURCE.host and 0 < t.hop.port < 65536 for t in transmissions)
    return [title(t.payload) for t in transmissions]


def still_works(one: Endpoint) -> bool:
    options = wire("""OPTIONS sip:10.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKprobe
        From: <sip:a@b>;tag=1
        To: <sip:10.0.0.1>
        Call-ID: probe
        CSeq: 1 OPTIONS""")
    return answers(one, options) == ["200 OPTIONS"]


def test_all_torture_messages_are_here() -> None:
    assert len(NAMES) == 49
    assert set(NAMES) == set(BY_NAME)


@pytest.mark.parametrize("name", NAMES)
def test_torture_messages_are_answered_as_the_rfc_asks(name: str) -> None:
    one = endpoint()
    codes = [answer.split(" ")[0] for answer in answers(one, (TORTURE / f"{name}.dat").read_bytes())]
    assert codes == ([BY_NAME[name]] if BY_NAME[name] else [])
    assert still_works(one)


@pytest.mark.parametrize("name", NAMES)
def test_truncated_torture_messages_do_no_harm(name: str) -> None:
    one, payload = endpoint(), (TORTURE / f"{name}.dat").read_bytes()
    for length in range(len(payload)):
        answers(one, payload[:length])
    assert still_works(one)
    one.handle_timers(10_000.0)
    assert still_works(endpoint())


CALL = wire("""INVITE sip:dialer@10.0.0.1 SIP/2.0
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKm;rport
    Record-Route: <sip:192.0.2.1;lr>
    From: "A" <sip:100@192.0.2.1>;tag=far
    To: <sip:dialer@10.0.0.1>
    Call-ID: mutant
    CSeq: 1 INVITE
    Contact: <sip:100@192.0.2.1:5060>
    Max-Forwards: 70
    Content-Type: application/sdp

    v=0
    o=- 1 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 4000 RTP/AVP 8 101
    a=rtpmap:101 telephone-event/8000""")
REGISTER = (
    b"REGISTER sip:dialer SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKr\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\nContact: *\r\nExpires: 0\r\n"
    b'Authorization: Digest username="a", realm="dialer", nonce="1-2-3", uri="sip:dialer", response="x", qop=auth,'
    b' nc=zz, cnonce="\\""\r\n\r\n'
)
EDIT = st.tuples(
    st.floats(0, 1), st.integers(0, 12), st.binary(max_size=8) | st.sampled_from([b"\r\n", b'"', b"<", b";", b","])
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([CALL, REGISTER]), st.lists(EDIT, min_size=1, max_size=6))
def test_mutated_messages_do_no_harm(payload: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    one = endpoint()
    for place, cut, put in edits:
        at = int(place * len(payload))
        payload = payload[:at] + put + payload[at + cut :]
        answers(one, payload)
        for event in one.events():
            call_id = getattr(event, "call_id", "")
            one.answer(call_id, b"v=0\r\n", 1.0)
            one.hang_up(call_id, 1.0)
            one.transmissions()
    one.handle_timers(40.0)
    one.handle_timers(10_000.0)
    one.transmissions()
    assert still_works(one)


def numbered(payload: bytes, number: int) -> bytes:
    return payload.replace(b"z9hG4bKm", b"z9hG4bK%d" % number).replace(b"mutant", b"mutant%d" % number)


def test_a_flood_does_not_fill_the_memory_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialer.sip.endpoint.MAX_SERVER_TRANSACTIONS", 100)
    one = endpoint()
    for number in range(150):
        one.receive(numbered(CALL, number), SOURCE, 1.0)
    assert len(one.events()) == 100
    one.transmissions()
    with_a_tag = CALL.replace(b"INVITE", b"BYE").replace(b"To: <sip:dialer@10.0.0.1>", b"To: <sip:a@b>;tag=made-up")
    assert answers(one, numbered(with_a_tag, 1000)) == []
    for number in range(100):
        one.reject(f"mutant{number}", 480, 1.0)
    one.handle_timers(40.0)
    one.transmissions()
    assert still_works(one)


@pytest.mark.parametrize(
    ("method", "code", "to_tag"),
    [
        ("INVITE", 403, b""),
        ("REGISTER", 401, b""),
        ("OPTIONS", 200, b""),
        ("REFER", 405, b""),
        ("NONSENSE", 501, b""),
        ("CANCEL", 481, b""),
        ("INFO", 481, b""),
        ("BYE", 481, b";tag=made-up"),
        ("INVITE", 481, b";tag=made-up"),
    ],
)
def test_strangers_are_answered_once_and_forgotten(method: str, code: int, to_tag: bytes) -> None:
    """Else a few hundred packets a second would keep headsets from registering, and one INVITE with a forged address
    would send eleven refusals there."""
    one = Endpoint(EndpointConfig("10.0.0.1", 5060))
    stranger = CALL.replace(b"INVITE", method.encode()).replace(b"10.0.0.1>", b"10.0.0.1>" + to_tag)
    for number in range(3):
        assert answers(one, numbered(stranger, number)) == [f"{code} {method}"]
    assert one.next_timer() is None, "something is remembered"


def test_a_via_port_that_no_socket_can_send_to_is_refused_to_the_real_port() -> None:
    one = endpoint()
    one.receive(CALL.replace(b"192.0.2.1:5060;branch", b"192.0.2.1:999999;branch"), SOURCE, 1.0)
    (refusal,) = one.transmissions()
    assert (title(refusal.payload), refusal.hop) == ("400 INVITE", SOURCE)
