"""Whatever comes in, pyVoIP's part stays up: RFC 4475, truncations, and mutations of what belongs to a call."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialer.engines.pyvoip.message import Message
from dialer.engines.pyvoip.text import Malformed
from dialer.sip.events import CallAnswered
from tests.dialer.engines.pyvoip.line import ANSWER, CONTACT, Line
from tests.dialer.sip.network import answer_to, title

TORTURE = sorted((Path(__file__).parents[3] / "data" / "sip-torture").glob("*.dat"))


def still_calls(line: Line) -> bool:
    """A new call can be made and is answered."""
    invite = line.invite(call_id="another")
    line.answer(invite, "200 OK", extra=CONTACT, body=ANSWER)
    return any(isinstance(event, CallAnswered) and event.call_id == "another" for event in line.events)


@pytest.mark.parametrize("path", TORTURE, ids=lambda path: path.stem)
def test_torture_messages_and_all_their_beginnings(path: Path) -> None:
    line = Line()
    line.talk()
    payload = path.read_bytes()
    for length in range(len(payload) + 1):
        line.endpoint.receive(payload[:length], line.trunk.hop, line.network.now)
    line.network.settle()
    assert still_calls(line)


def test_all_torture_messages_are_here() -> None:
    assert len(TORTURE) == 49


def test_every_beginning_of_the_answer_to_our_call() -> None:
    line = Line()
    invite = line.invite()
    answer = answer_to(invite, "200 OK", tag="far", extra=CONTACT, body=ANSWER)
    for length in range(len(answer)):
        line.endpoint.receive(answer[:length], line.trunk.hop, line.network.now)
    line.network.settle()
    assert not line.got("ACK")
    line.endpoint.receive(answer, line.trunk.hop, line.network.now)
    line.network.settle()
    assert line.got("ACK")


def test_an_answer_with_another_call_id_is_none() -> None:
    line = Line()
    answer = answer_to(line.invite(), "200 OK", tag="far", extra=CONTACT, body=ANSWER)
    line.network.send(line.trunk, line.us, answer.replace(b"Call-ID: call", b"Call-ID: calm"))
    line.network.settle()
    assert not line.events
    assert not line.got("ACK")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_answers_that_were_tampered_with(data: st.DataObject) -> None:
    line = Line()
    invite = line.invite()
    whole = answer_to(
        invite, data.draw(st.sampled_from(["180 Ringing", "200 OK", "401 Who"])), tag="far", extra=CONTACT
    )
    answer = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 8))):
        answer[data.draw(st.integers(0, len(answer) - 1))] = data.draw(st.integers(0, 255))
    line.endpoint.receive(bytes(answer), line.trunk.hop, line.network.now)
    line.network.run(1)
    assert still_calls(line)


@pytest.mark.parametrize(
    "contact",
    ["<sip:far@10.0.0.2:999999>", "<sip:far@[::1]:5060>", "<tel:+7342>", "<sip:far@no.such.name>", "<>", '"a', "*"],
)
def test_a_contact_that_nothing_can_be_sent_to(contact: str) -> None:
    """The ACK and the BYE then go to where the answer came from."""
    line = Line()
    line.talk(extra=f"Contact: {contact}")
    line.hang_up()
    assert [title(payload) for payload in line.trunk.inbox[-2:]] == ["ACK", "BYE"]


@pytest.mark.parametrize("to", ['"A B" <sip:a@b>', "no uri at all", "<>", "<tel:+7342>", '"<" <sip:a@b>'])
@pytest.mark.parametrize("code", ["200 OK", "486 Busy Here"])
def test_a_to_that_is_not_ours_is_acknowledged_as_it_came(code: str, to: str) -> None:
    line = Line()
    answer = answer_to(line.invite(), code, tag="far", extra=CONTACT)
    changed = answer.replace(b"To: <sip:100@trunk.test>;tag=far", f"To: {to};tag=far".encode())
    line.network.send(line.trunk, line.us, changed)
    line.network.settle()
    assert f"To: {to};tag=far\r\n".encode() in line.last("ACK")


@pytest.mark.parametrize(
    ("header", "value", "attribute"),
    [
        ("To", '"A;tag=no" <sip:a@b;x=1>;p=1;tag=yes;q=2', "to_tag"),
        ("t", "sip:a@b;tag=yes", "to_tag"),
        ("FROM", "<tel:+7342;tag=no>;TAG = yes", "from_tag"),
    ],
)
def test_tags_are_found_wherever_they_stand(header: str, value: str, attribute: str) -> None:
    given_headers = {"From": "<sip:f@g>;tag=f", "To": "<sip:t@u>", "Via": "SIP/2.0/UDP h;branch=z9hG4bKx"}
    given_headers = {name: text for name, text in given_headers.items() if name[0].lower() != header[0].lower()}
    given_headers |= {header: value, "Call-ID": "c", "CSeq": "1  INVITE"}
    lines = "".join(f"{name}:{text}\r\n" for name, text in given_headers.items())
    message = Message(f"SIP/2.0 199 Early Dialog Terminated\r\n{lines}\r\n".encode())
    assert getattr(message, attribute) == "yes"


@pytest.mark.parametrize("missing", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_a_message_without_what_it_needs_is_malformed(missing: str) -> None:
    whole = answer_to(Line().invite(), "486 Busy Here", tag="far")
    lines = [line for line in whole.split(b"\r\n") if not line.startswith(missing.encode() + b":")]
    with pytest.raises(Malformed, match=missing):
        Message(b"\r\n".join(lines))


@pytest.mark.parametrize("code", [183, 299, 399, 432, 499, 599, 699])
def test_codes_that_pyvoip_does_not_know(code: int) -> None:
    message = Message(answer_to(Line().invite(), f"{code} Strange: indeed", tag="far"))
    assert (message.code, message.text.phrase) == (code, "Strange: indeed")
