"""Offers, answers, and what the far end says."""

from __future__ import annotations

import pytest

from dialer.sip.errors import NotAcceptable
from dialer.sip.sdp import RemoteAudio, build_answer, build_offer, read_remote

HEAD = "v=0\r\no=- 7 7 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n"


def theirs(*lines: str, head: str = HEAD) -> bytes:
    return (head + "".join(f"{line}\r\n" for line in lines)).encode()


def test_our_offer_can_be_read_back() -> None:
    assert read_remote(build_offer("10.0.0.1", 16000)) == RemoteAudio("10.0.0.1", 16000, "PCMA", 8, 101)
    assert read_remote(build_offer("::1", 16000, ["PCMU"])) == RemoteAudio("::1", 16000, "PCMU", 0, 101)


def test_a_codec_that_we_do_not_have_cannot_be_offered() -> None:
    for codecs in (["G729"], []):
        with pytest.raises(ValueError, match="codecs must be"):
            build_offer("10.0.0.1", 16000, codecs)


def test_two_offers_are_two_origins() -> None:
    assert build_offer("10.0.0.1", 16000) != build_offer("10.0.0.1", 16000)


@pytest.mark.parametrize(
    ("lines", "codec", "payload_type", "dtmf"),
    [
        (("m=audio 4000 RTP/AVP 18 0 8",), "PCMU", 0, None),
        (("m=audio 4000 RTP/AVP 97 96", "a=rtpmap:97 pcma/8000/1", "a=rtpmap:96 telephone-event/8000"), "PCMA", 97, 96),
        (("m=audio 4000 RTP/AVP 8 96", "a=rtpmap:96 telephone-event/48000"), "PCMA", 8, None),
        (("m=video 5000 RTP/AVP 31", "m=audio 4000 RTP/SAVP 8", "m=audio 4000 RTP/AVP 0"), "PCMU", 0, None),
    ],
)
def test_codecs_and_payload_types(lines: tuple[str, ...], codec: str, payload_type: int, dtmf: int | None) -> None:
    assert read_remote(theirs(*lines)) == RemoteAudio("10.0.0.2", 4000, codec, payload_type, dtmf)


@pytest.mark.parametrize(
    ("line", "we_send", "we_receive"),
    [
        ("a=sendrecv", True, True),
        ("a=sendonly", False, True),
        ("a=recvonly", True, False),
        ("a=inactive", False, False),
        ("c=IN IP4 0.0.0.0", False, True),
    ],
)
def test_directions_and_the_old_way_to_hold(line: str, we_send: bool, we_receive: bool) -> None:
    remote = read_remote(theirs("m=audio 4000 RTP/AVP 8", line))
    assert (remote.we_send, remote.we_receive) == (we_send, we_receive)


def test_the_direction_may_stand_above_the_streams() -> None:
    assert not read_remote(theirs("a=sendonly", "m=audio 4000 RTP/AVP 8")).we_send


def test_the_address_of_the_stream_is_stronger() -> None:
    assert read_remote(theirs("m=audio 4000 RTP/AVP 8", "c=IN IP4 10.0.0.9")).host == "10.0.0.9"


@pytest.mark.parametrize(
    "sdp",
    [
        b"",
        b"\xff\xfe",
        b"m=audio x RTP/AVP 8",
        theirs(),
        theirs("m=audio 4000 RTP/AVP 18"),
        theirs("m=audio 0 RTP/AVP 8"),
        theirs("m=audio 70000 RTP/AVP 8"),
        theirs("m=audio 4000 RTP/SAVP 8"),
        theirs("m=video 4000 RTP/AVP 8"),
        theirs("m=audio 4000 RTP/AVP 999", "a=rtpmap:999 PCMA/8000"),
        theirs("m=audio 4000 RTP/AVP 96", "a=rtpmap:96 PCMA/16000"),
        theirs("m=audio 4000 RTP/AVP 8", "a=rtpmap:x PCMA/8000"),
        theirs("m=audio 4000 RTP/AVP 8", "c=IN IP4 224.2.1.1/127"),
        theirs("m=audio 4000 RTP/AVP 8", "c=IN IP4 media.example.com"),
        theirs("m=audio 4000 RTP/AVP 8", head="v=0\r\n"),
    ],
)
def test_what_we_cannot_work_with(sdp: bytes) -> None:
    with pytest.raises(NotAcceptable):
        read_remote(sdp)
    with pytest.raises(NotAcceptable):
        build_answer(sdp, build_offer("10.0.0.1", 16000))


@pytest.mark.parametrize(
    ("offered", "answered"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
)
def test_an_answer_mirrors_the_direction(offered: str, answered: str) -> None:
    answer = build_answer(theirs("m=audio 4000 RTP/AVP 8", f"a={offered}"), build_offer("10.0.0.1", 16000))
    assert f"a={answered}\r\n".encode() in answer


def test_an_answer_takes_their_first_codec_of_ours_with_their_numbers() -> None:
    offer = theirs("m=audio 4000 RTP/AVP 18 0 8 97", "a=rtpmap:97 telephone-event/8000")
    answer = read_remote(build_answer(offer, build_offer("10.0.0.1", 16000)))
    assert answer == RemoteAudio("10.0.0.1", 16000, "PCMU", 0, 97)
    only_alaw = read_remote(build_answer(offer, build_offer("10.0.0.1", 16000, ["PCMA"])))
    assert only_alaw.codec == "PCMA"


def test_other_streams_are_refused_in_their_place() -> None:
    offer = theirs("m=video 5000 RTP/AVP 31 34", "m=audio 4000 RTP/AVP 8", "m=image 6000 udptl t38")
    lines = [
        line for line in build_answer(offer, build_offer("10.0.0.1", 16000)).decode().split("\r\n") if line[:2] == "m="
    ]
    assert lines == ["m=video 0 RTP/AVP 31 34", "m=audio 16000 RTP/AVP 8", "m=image 0 udptl t38"]


def test_the_origin_stays_and_its_version_grows() -> None:
    local = build_offer("10.0.0.1", 16000)
    answer = build_answer(theirs("m=audio 4000 RTP/AVP 8"), local, version_step=2)
    (was,) = [line for line in local.decode().split("\r\n") if line[:2] == "o="]
    (now,) = [line for line in answer.decode().split("\r\n") if line[:2] == "o="]
    assert now == was.replace(" 1 IN ", " 3 IN ")
