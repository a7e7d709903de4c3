"""Several bridges at once: packets that arrive together are taken together, and must not be mixed up."""

from __future__ import annotations

import asyncio
import functools
import itertools
from pathlib import Path

import pytest

from dialer.media import g711, rtp
from dialer.media.controller import LegMeasured
from tests.audio import FRAME, read_wav, snr_db, to_pcm, tone
from tests.dialer.media.conftest import Media
from tests.dialer.media.far_end import FarEnd

SECONDS = 2.0
SAME = (("PCMA", "PCMA"), ("PCMU", "PCMU"), ("PCMA", "PCMA"), ("PCMU", "PCMU"))
MIXED = (("PCMA", "PCMA"), ("PCMU", "PCMU"), ("PCMA", "PCMU"), ("PCMU", "PCMA"))


def pitch_hz(bridge: int, side: int) -> float:
    return 500.0 + 200 * (2 * bridge + side)


async def talk_in_step(ends: list[tuple[FarEnd, bytes]], lose: FarEnd, lost_frame: int) -> None:
    """Every far end's packet at the same moment; one packet of `lose` never arrives."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(round(SECONDS * 50)):
        await asyncio.sleep(began + number * rtp.FRAME_S - loop.time())
        for end, codes in ends:
            payload = codes[number * FRAME : (number + 1) * FRAME]
            if end is lose and number == lost_frame:
                end.sequence = (end.sequence + 1) & 0xFFFF
                end.timestamp = (end.timestamp + FRAME) & 0xFFFFFFFF
            else:
                end.send(payload)


def assert_stream_of(packets: list[rtp.RtpPacket], lost: int) -> None:
    assert len({packet.ssrc for packet in packets}) == 1
    gaps = [(after.sequence - before.sequence) & 0xFFFF for before, after in itertools.pairwise(packets)]
    assert sum(gaps) == len(gaps) + lost
    relayed = [packet for packet in packets if len(set(packet.payload)) > 1]
    for before, after in itertools.pairwise(relayed):
        frames = (after.sequence - before.sequence) & 0xFFFF
        assert (after.timestamp - before.timestamp) & 0xFFFFFFFF == frames * FRAME


def is_complete(leg: str, received: int, event: LegMeasured) -> bool:
    return (event.leg, event.received) == (leg, received)


@pytest.mark.parametrize("every_pair", [SAME, MIXED], ids=["same codecs", "some transcoded"])
async def test_many_bridges_keep_their_sounds_apart(
    media: Media, tmp_path: Path, every_pair: tuple[tuple[str, str], ...]
) -> None:
    bridges: list[tuple[FarEnd, FarEnd]] = []
    ends: list[tuple[FarEnd, bytes]] = []
    for number, codecs in enumerate(every_pair):
        left, right = f"left{number}", f"right{number}"
        pair = await media.leg(left, codecs[0]), await media.leg(right, codecs[1], beside=left)
        await media.controller.bridge(left, right)
        await media.controller.start_recording(left, right, tmp_path / f"{number}.wav")
        bridges.append(pair)
        for side, end in enumerate(pair):
            ends.append((end, g711.encode(to_pcm(tone(pitch_hz(number, side), SECONDS)), end.codec)))
    await talk_in_step(ends, lose=bridges[0][0], lost_frame=10)

    for number, (left_end, right_end) in enumerate(bridges):
        await media.controller.stop_recording(f"left{number}")
        for end, side in ((left_end, 1), (right_end, 0)):
            assert_stream_of(end.packets, lost=int((number, side) == (0, 0)))
            assert snr_db(end.heard()[-8000:-1600], pitch_hz(number, side)) >= 33
        for side, channel in enumerate(read_wav(tmp_path / f"{number}.wav")):
            assert snr_db(channel[6000:12_000], pitch_hz(number, side)) >= 35
    for leg, lost in (("left0", 1), ("left1", 0), ("right3", 0)):
        told = await media.until(LegMeasured, functools.partial(is_complete, leg, round(SECONDS * 50) - lost))
        assert told.lost == lost
