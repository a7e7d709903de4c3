from __future__ import annotations

import pytest

from dialer.media.dtmf import DigitReceiver, DigitSender


def steps(digits: str) -> list[tuple[bool, str] | None]:
    sender = DigitSender()
    sender.queue(digits)
    seen: list[tuple[bool, str] | None] = []
    while not sender.idle:
        packet = sender.step()
        seen.append((packet.marker, packet.payload.hex()) if packet else None)
    return seen


def test_a_digit_begins_with_a_marker_runs_on_and_ends_three_times() -> None:
    assert steps("#")[:8] == [
        (True, "0b0a00a0"),
        (False, "0b0a0140"),
        (False, "0b0a01e0"),
        (False, "0b0a0280"),
        (False, "0b0a0320"),
        (False, "0b8a0320"),
        (False, "0b8a0320"),
        (False, "0b8a0320"),
    ]


def test_digits_follow_one_another_after_a_gap() -> None:
    seen = steps("12")
    starts = [at for at, packet in enumerate(seen) if packet is not None and packet[0]]
    assert starts == [0, 12]
    assert seen[8:12] == [None] * 4


@pytest.mark.parametrize("digits", ["12x", " ", "1,2"])
def test_nothing_is_queued_of_digits_that_are_none(digits: str) -> None:
    sender = DigitSender()
    with pytest.raises(ValueError, match="not a touch tone"):
        sender.queue(digits)
    assert sender.idle
    assert sender.step() is None


def event(code: int, duration: int, end: bool = False) -> bytes:
    return bytes([code, 0x8A if end else 0x0A]) + duration.to_bytes(2, "big")


def received(packets: list[tuple[bytes, int]]) -> str:
    receiver = DigitReceiver()
    return "".join(receiver.packet(payload, timestamp) or "" for payload, timestamp in packets)


def test_a_press_is_told_once() -> None:
    press = [(event(5, 160 * n), 1000) for n in range(1, 6)] + [(event(5, 800, end=True), 1000)] * 3
    assert received(press) == "5"
    assert received(press + [(payload, 4000) for payload, _ in press]) == "55"


def test_a_press_is_told_though_all_but_its_end_is_lost() -> None:
    assert received([(event(10, 800, end=True), 1000), (event(11, 800, end=True), 3000)]) == "*#"


def test_a_late_packet_of_the_press_before_is_no_press() -> None:
    assert received([(event(1, 160), 1000), (event(2, 160), 3000), (event(1, 800, end=True), 1000)]) == "12"


def test_timestamps_may_wrap_between_presses() -> None:
    assert received([(event(1, 160), 0xFFFFFF00), (event(2, 160), 1000)]) == "12"


def test_a_key_held_for_long_is_one_press() -> None:
    """RFC 4733 section 2.5.1.3: a new segment with the timestamp where the longest duration ended."""
    assert received([(event(3, 160), 1000), (event(3, 0xFFFF), 1000), (event(3, 160), 1000 + 0xFFFF)]) == "3"


@pytest.mark.parametrize("payload", [b"", b"\x05\x0a\x00", bytes([16, 10, 0, 160]), bytes([255, 10, 0, 160])])
def test_what_is_no_digit_is_not_told(payload: bytes) -> None:
    assert received([(payload, 1000)]) == ""
