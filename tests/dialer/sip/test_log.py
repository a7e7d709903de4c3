"""A call can be replayed from its log, and the log does not say what it should not."""

from __future__ import annotations

import structlog

from tests.dialer.sip.phone import Phone
from tests.dialer.sip.test_outgoing_calls import ANSWER, CONTACT, Line


def test_every_step_of_a_call_is_one_line() -> None:
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as lines:
        line = Line()
        invite = line.invite()
        line.answer(invite, "180 Ringing")
        line.answer(invite, "200 OK", extra=CONTACT, body=ANSWER)
        line.hang_up()
    calls = [f"{entry['was']} -[{entry['on']}]-> {entry['now']}" for entry in lines if entry["event"] == "call"]
    assert calls == ["inviting -[1xx]-> ringing", "ringing -[2xx]-> talking", "talking -[hang_up]-> ended"]


def test_no_secret_is_logged() -> None:
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as lines:
        phone = Phone()
        phone.register()
    text = str(lines)
    assert "headset" in text
    assert "response=" not in text
    assert "nonce" not in text


def test_the_trace_shows_every_message_both_ways() -> None:
    seen: list[tuple[str, str]] = []
    line = Line()
    line.endpoint.on_trace = lambda payload, direction, hop, now: seen.append((direction, hop.host))
    line.answer(line.invite(), "486 Busy Here")
    assert seen == [("out", "10.0.0.2"), ("in", "10.0.0.2"), ("out", "10.0.0.2")]
