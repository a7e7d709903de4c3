from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.media import rtp

packets = st.builds(
    rtp.RtpPacket,
    payload_type=st.integers(0, 127).filter(lambda number: not 72 <= number <= 83),  # with a marker they look like RTCP
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=200),
    marker=st.booleans(),
)


@given(packets)
def test_what_is_built_is_read_back(packet: rtp.RtpPacket) -> None:
    assert rtp.parse(rtp.build(packet)) == packet


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(datagram: bytes) -> None:
    try:
        packet = rtp.parse(datagram)
    except rtp.RtpError:
        return
    assert packet.payload in datagram


def test_contributing_sources_extension_and_padding_are_left_out() -> None:
    sources, extension, payload, padding = bytes(8), b"\xbe\xde\x00\x01" + bytes(4), b"sound", b"\x00\x00\x03"
    datagram = b"\xb2\x08" + bytes(10) + sources + extension + payload + padding
    assert rtp.parse(datagram).payload == payload


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"\x80\x08" + bytes(9), "too few"),
        (b"\x40\x08" + bytes(10), "version"),
        (b"\x80\xc8" + bytes(10), "RTCP"),
        (b"\x8f\x08" + bytes(10), "more than"),
        (b"\x90\x08" + bytes(10), "extension"),
        (b"\x90\x08" + bytes(10) + b"\xbe\xde\xff\xff", "more than"),
        (b"\xa0\x08" + bytes(10) + b"\xff", "more than"),
        (b"\xa0\x08" + bytes(10) + b"\x00", "padding"),
    ],
)
def test_packets_that_are_not_whole_are_refused(datagram: bytes, reason: str) -> None:
    with pytest.raises(rtp.RtpError, match=reason):
        rtp.parse(datagram)


def receive(sequences: list[int]) -> rtp.Reception:
    reception = rtp.Reception()
    for sequence in sequences:
        reception.note(sequence, sequence * 160, sequence * 160.0)
    return reception


def test_the_sequence_is_extended_over_its_wrap() -> None:
    reception = receive([65534, 65535, 0, 1])
    assert reception.extended_highest == 0x10001
    assert (reception.expected, reception.lost) == (4, 0)


def test_a_gap_is_loss_until_the_late_packet_comes() -> None:
    assert receive([65534, 1, 2]).lost == 2
    assert receive([65534, 1, 2, 65535]).lost == 1


def test_late_and_doubled_packets_are_not_the_newest() -> None:
    reception = rtp.Reception()
    assert [reception.note(number, 0, 0.0) for number in (7, 8, 8, 10, 9, 11)] == [True, True, False, True, False, True]


def test_a_restarted_sender_owes_nothing_for_its_jump() -> None:
    reception = receive([1, 2, 3, 30000, 30001, 30003])
    assert (reception.received, reception.expected, reception.lost) == (6, 7, 1)


def test_packets_counted_elsewhere_are_absorbed() -> None:
    reception = receive([65530])
    reception.absorb(10, 4, 0.0, 8.0)
    assert (reception.received, reception.expected, reception.jitter_ms) == (11, 11, 1.0)


def test_jitter_settles_at_the_mean_difference_of_transit_times() -> None:
    """RFC 3550 section 6.4.1: packets alternately 0 and 4 ms (32 samples) late differ by 4 ms each time."""
    reception = rtp.Reception()
    for number in range(400):
        reception.note(number, number * 160, number * 160 + 32.0 * (number % 2))
    assert reception.jitter_ms == pytest.approx(4.0, rel=0.01)


def test_a_jump_of_the_timestamp_is_no_jitter() -> None:
    reception = rtp.Reception()
    reception.note(0, 0xFFFFFFFF, 0.0)
    reception.note(1, 159, 160.0)
    assert reception.jitter_ms == 0


@pytest.mark.parametrize(("newer", "older", "result"), [(1, 0, True), (0, 0xFFFF, True), (0, 1, False), (5, 5, False)])
def test_order_in_a_counter_that_wraps(newer: int, older: int, result: bool) -> None:
    assert rtp.follows(newer, older) is result
