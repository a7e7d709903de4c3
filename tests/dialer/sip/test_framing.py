"""Cutting a stream into messages."""

from __future__ import annotations

import pytest

from dialer.sip.framing import MAX_HEAD_BYTES, FramingError, StreamFramer

ONE = b"OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 4\r\n\r\nbody"
TWO = b"BYE sip:a SIP/2.0\r\nl : 0\r\n\r\n"


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_messages_come_out_whole_however_the_stream_is_cut(step: int) -> None:
    framer, stream = StreamFramer(), ONE + TWO + b"\r\n" + ONE
    messages = [m for at in range(0, len(stream), step) for m in framer.feed(stream[at : at + step])]
    assert messages == [ONE, TWO, ONE]


def test_keep_alives_are_counted_and_skipped() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n\r\n\r\n\r\n" + TWO) == [TWO]
    assert framer.pings == 2


@pytest.mark.parametrize(
    "stream",
    [
        b"BYE sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n",
        b"BYE sip:a SIP/2.0\r\nContent-Length: 1\r\nl: 1\r\n\r\nx",
        b"BYE sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        b"BYE sip:a SIP/2.0\r\nContent-Length: 99999999\r\n\r\n",
        b"x" * (MAX_HEAD_BYTES + 1),
    ],
)
def test_a_stream_that_cannot_be_cut_is_given_up(stream: bytes) -> None:
    with pytest.raises(FramingError):
        StreamFramer().feed(stream)
