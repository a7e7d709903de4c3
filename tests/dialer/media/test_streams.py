"""What a far end gets: one continuous stream, whatever it is made of."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import wave
from pathlib import Path

import numpy as np
import pytest

from dialer.media import g711, rtp
from dialer.media.controller import DigitReceived, LegMeasured, MediaError
from tests.audio import RATE_HZ, clicks_each_second, find_clicks, snr_db, to_pcm, tone
from tests.dialer.media.conftest import Media
from tests.dialer.media.far_end import FarEnd


def assert_one_stream(packets: list[rtp.RtpPacket]) -> None:
    """One source, sequence numbers without a gap, timestamps that go forward."""
    assert len({packet.ssrc for packet in packets}) == 1
    for before, after in itertools.pairwise(packets):
        assert (after.sequence - before.sequence) & 0xFFFF == 1
        if before.payload_type in g711.CODECS:
            assert rtp.follows(after.timestamp, before.timestamp, 32)


async def until_heard(end: FarEnd, payload: bytes) -> None:
    await end.until(lambda packets: any(packet.payload == payload for packet in packets))


async def test_a_leg_that_hears_nobody_gets_silence(media: Media) -> None:
    end = await media.leg("operator", "PCMU")
    await end.until(lambda packets: len(packets) >= 20)
    assert_one_stream(end.packets)
    assert {packet.payload for packet in end.packets} == {bytes([0xFF]) * 160}
    steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in itertools.pairwise(end.packets)}
    assert steps == {160}


async def test_many_legs_get_silence_together_and_each_its_own_stream(media: Media) -> None:
    """So many that they are sent in batches; two of them are bridged and one is played to, and fall silent again."""
    codecs = {f"leg {number}": ("PCMA", "PCMU")[number % 2] for number in range(80)}
    ends = {name: await media.leg(name, codec) for name, codec in codecs.items()}
    for end in ends.values():
        await end.until(lambda packets: len(packets) >= 10)
    await media.controller.bridge("leg 0", "leg 2")
    mark = bytes(range(1, 161))
    ends["leg 0"].send(mark)
    await until_heard(ends["leg 2"], mark)
    await media.controller.play("leg 4", "beep")
    await ends["leg 4"].until(lambda packets: len(set(packets[-1].payload)) > 1)
    heard = {name: len(end.packets) for name, end in ends.items()}
    for name, end in ends.items():
        await end.until(lambda packets, enough=heard[name] + 40: len(packets) >= enough)  # type: ignore[misc] # of the loop
    for name, end in ends.items():
        assert_one_stream(end.packets)
        silence = bytes([{"PCMA": 0xD5, "PCMU": 0xFF}[codecs[name]]]) * 160
        assert end.packets[-1].payload == silence
        if name not in ("leg 2", "leg 4"):
            assert {packet.payload for packet in end.packets} == {silence}
            steps = [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in itertools.pairwise(end.packets)]
            assert (min(steps), statistics.mode(steps)) == (160, 160)  # more after a moment without the processor
    assert len({end.packets[0].ssrc for end in ends.values()}) == len(ends)


async def test_the_stream_goes_on_over_clients_sounds_and_digits(media: Media) -> None:
    operator, first = await media.bridge()
    await first.talk(tone(1004, 0.3))
    await media.controller.close_leg("client")
    await media.controller.play("operator", "beep")
    second = await media.leg("second", beside="operator")
    await media.controller.bridge("operator", "second")
    await media.controller.send_digits("operator", "5")
    await second.talk(tone(1004, 0.8))
    mark = bytes(range(1, 161))
    second.send(mark)
    await until_heard(operator, mark)
    assert_one_stream(operator.packets)


async def test_a_bridged_leg_that_gets_nothing_gets_silence(media: Media) -> None:
    """The client's side holds the call, or its sound is lost: the operator's NAT binding and headset stay alive."""
    operator, client = await media.bridge()
    sound = bytes(range(1, 161))
    client.send(sound)
    await until_heard(operator, sound)
    heard = len(operator.packets)
    await operator.until(lambda packets: len(packets) >= heard + 10)
    client.send(bytes(reversed(sound)))
    await until_heard(operator, bytes(reversed(sound)))
    assert_one_stream(operator.packets)


async def test_parted_legs_do_not_hear_each_other(media: Media) -> None:
    operator, client = await media.bridge()
    sound = bytes(range(1, 161))
    client.send(sound)
    await until_heard(operator, sound)
    await media.controller.unbridge("operator")
    secret = bytes(reversed(sound))
    client.send(secret)
    await media.until(LegMeasured, lambda event: event.leg == "client" and event.received == 2)
    assert not any(packet.payload == secret for packet in operator.packets)


async def test_ringback_is_heard_until_it_is_stopped(media: Media) -> None:
    operator, client = await media.bridge()
    await media.controller.play("operator", "ringback")
    beat = asyncio.create_task(client.talk(tone(1004, 1.5)))
    await operator.until(lambda packets: len(packets) >= 45)
    await media.controller.stop_playing("operator")
    await beat
    heard = operator.heard()
    ring = int(np.argmax(np.abs(heard) > 0.05))
    assert snr_db(heard[ring + 400 : ring + 4400], 425) > 30
    assert snr_db(heard[-3200:], 1004) > 30


async def test_a_file_is_played_once(media: Media, tmp_path: Path) -> None:
    path = tmp_path / "consent.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(to_pcm(clicks_each_second(2, 0.1)).tobytes())
    end = await media.leg("client", "PCMU")
    await media.controller.play("client", str(path))
    await end.until(lambda packets: len(packets) >= 130)
    assert [click.number for click in find_clicks(end.heard())] == [0, 1]


async def test_an_unknown_sound_is_refused(media: Media, tmp_path: Path) -> None:
    await media.leg("client")
    with pytest.raises(MediaError, match="no such sound"):
        await media.controller.play("client", "gong")
    with pytest.raises(MediaError, match="cannot be read"):
        await media.controller.play("client", str(tmp_path / "none.wav"))


async def test_digits_are_sent_as_events(media: Media) -> None:
    _, client = await media.bridge()
    await media.controller.send_digits("client", "1#")
    await client.until(lambda packets: sum(packet.payload_type == 101 for packet in packets) == 16)
    events = [packet for packet in client.packets if packet.payload_type == 101]
    for event, packets in ((1, events[:8]), (11, events[8:])):
        assert [packet.marker for packet in packets] == [True] + [False] * 7
        assert len({packet.timestamp for packet in packets}) == 1
        assert [packet.payload[0] for packet in packets] == [event] * 8
        assert [packet.payload[1] >> 7 for packet in packets] == [0] * 5 + [1] * 3
        durations = [int.from_bytes(packet.payload[2:], "big") for packet in packets]
        assert durations == [160, 320, 480, 640, 800, 800, 800, 800]
    assert rtp.follows(events[8].timestamp, events[0].timestamp, 32)


async def test_digits_are_told_once_and_passed_on(media: Media) -> None:
    operator, client = await media.bridge()
    for digit in (5, 5, 10):
        timestamp = client.timestamp
        for step in range(1, 9):
            client.timestamp = timestamp
            end = 0x80 if step > 5 else 0
            client.send(bytes([digit, end | 10]) + (160 * min(step, 5)).to_bytes(2, "big"), 101, marker=step == 1)
        client.timestamp = (timestamp + 2000) & 0xFFFFFFFF
    await media.until(DigitReceived, lambda event: event.digit == "*")
    await operator.until(lambda packets: sum(packet.payload_type == 101 for packet in packets) == 24)
    assert [event.digit for event in media.events if isinstance(event, DigitReceived)] == ["5", "5", "*"]
    passed = [packet for packet in operator.packets if packet.payload_type == 101]
    assert len({packet.timestamp for packet in passed}) == 3


async def test_digits_need_a_far_end_that_takes_them(media: Media) -> None:
    end = media.far_end()
    await media.controller.open_leg("client")
    await media.controller.connect_leg("client", end.media(dtmf=None))
    with pytest.raises(MediaError, match="takes no telephone events"):
        await media.controller.send_digits("client", "1")
    await media.controller.connect_leg("client", end.media(dtmf=96))
    with pytest.raises(MediaError, match="not a touch tone: x"):
        await media.controller.send_digits("client", "1x")


async def test_a_leg_that_only_listens_or_only_speaks(media: Media) -> None:
    operator, client = await media.bridge()
    await media.controller.connect_leg("client", client.media(we_send=False))
    sound = bytes(range(1, 161))
    client.send(sound)
    await until_heard(operator, sound)
    before = len(client.packets)
    operator.send(sound)
    await media.until(LegMeasured, lambda event: event.leg == "operator" and event.received == 1)
    assert not any(packet.payload == sound for packet in client.packets[before:])
    await media.controller.connect_leg("client", client.media(we_receive=False))
    operator.send(sound)
    await until_heard(client, sound)
    client.send(bytes(reversed(sound)))
    await media.until(LegMeasured, lambda event: event.leg == "client" and event.received == 2)
    assert not any(packet.payload == bytes(reversed(sound)) for packet in operator.packets)


async def test_level_and_loss_of_each_leg_are_told(media: Media) -> None:
    _, client = await media.bridge()
    await client.talk(tone(1004, 1.2, amplitude=0.5))
    client.sequence = (client.sequence + 10) & 0xFFFF
    client.timestamp = (client.timestamp + 1600) & 0xFFFFFFFF
    client.send(bytes([0xD5]) * 160)
    told = await media.until(LegMeasured, lambda event: event.leg == "client" and event.lost == 10)
    assert told.received == 61
    levels = [event.level_dbov for event in media.events if isinstance(event, LegMeasured) and event.leg == "client"]
    assert max(levels) == pytest.approx(-9.03, abs=1)
    silent = await media.until(LegMeasured, lambda event: event.leg == "operator")
    assert (silent.level_dbov, silent.received) == (-127, 0)
