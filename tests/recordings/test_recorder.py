"""The recorder against a made-up clock: no time passes in these tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dialer.media import g711
from recordings.recorder import FLUSH_INTERVAL_S, CallRecorder
from tests.audio import FRAME, RATE_HZ, Sound, clicks_each_second, find_clicks, from_pcm, read_wav, snr_db, to_pcm, tone

LEFT, RIGHT = 0, 1
START_S = 1000.0


class Tape:
    """A recorder, fed by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recorder = CallRecorder(path, tables=g711.DECODE, started_s=START_S)
        self._written_s = 0.0

    def push(self, at_s: float, timestamp: int, payload: bytes, *, channel: int = LEFT, codec: str = "PCMA") -> None:
        """A packet that arrives at `at_s` of the recording; blocks are written when they are due."""
        while self._written_s + FLUSH_INTERVAL_S <= at_s:
            self._written_s += FLUSH_INTERVAL_S
            self.recorder.tick(START_S + self._written_s)
        self.recorder.push(channel, timestamp & 0xFFFFFFFF, payload, codec, START_S + at_s)

    def close(self, at_s: float) -> list[Sound]:
        self.recorder.close(START_S + at_s)
        return read_wav(self.path)


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(tmp_path / "call.wav")


def packets(sound: Sound, codec: str = "PCMA") -> list[bytes]:
    codes = g711.encode(to_pcm(sound), codec)
    return [codes[at : at + FRAME] for at in range(0, len(codes), FRAME)]


def as_recorded(sound: Sound, codec: str = "PCMA") -> Sound:
    return from_pcm(g711.decode(g711.encode(to_pcm(sound), codec), codec))


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
@pytest.mark.parametrize("first_timestamp", [0, 0xFFFFFFFF - 20_000])
def test_sound_is_at_its_place_in_its_channel(tape: Tape, codec: str, first_timestamp: int) -> None:
    sound = tone(700, 5)
    for number, payload in enumerate(packets(sound, codec)):
        tape.push(0.1 + number * 0.02, first_timestamp + number * FRAME, payload, channel=RIGHT, codec=codec)
    left, right = tape.close(5.5)
    assert np.array_equal(right[800 : 800 + 40_000], as_recorded(sound, codec))
    assert not left.any()
    assert len(left) == 44_000


def test_both_channels_are_aligned_to_the_start(tape: Tape) -> None:
    left, right = packets(tone(700, 3)), packets(tone(1004, 3))
    for number in range(150):
        tape.push(0.1 + number * 0.02, number * FRAME, left[number])
        tape.push(0.11 + number * 0.02, 77_777 + number * FRAME, right[number], channel=RIGHT)
    heard = tape.close(3.2)
    assert np.array_equal(heard[LEFT][800:24_800], as_recorded(tone(700, 3)))
    assert np.array_equal(heard[RIGHT][880:24_880], as_recorded(tone(1004, 3)))


def test_reordered_doubled_and_delayed_packets_fall_into_their_places(tape: Tape) -> None:
    sound = tone(700, 6)
    random = np.random.default_rng(1)
    arrivals = [
        (number * 0.02 + (0 if number == 0 else random.random() * 0.15), number, payload)
        for number, payload in enumerate(packets(sound))
        for _ in range(1 + int(random.random() < 0.2))
    ]
    for at_s, number, payload in sorted(arrivals):
        tape.push(at_s, number * FRAME, payload)
    left, _ = tape.close(6.5)
    assert np.array_equal(left[: len(sound)], as_recorded(sound))


def test_a_lost_packet_is_silence_and_what_follows_keeps_its_place(tape: Tape) -> None:
    sound = tone(700, 3)
    for number, payload in enumerate(packets(sound)):
        if not 50 <= number < 60:
            tape.push(number * 0.02, number * FRAME, payload)
    left, _ = tape.close(3)
    expected = as_recorded(sound)
    expected[50 * FRAME : 60 * FRAME] = 0
    assert np.max(np.abs(left - expected)) <= 8 / 32768


@pytest.mark.parametrize("jump", [1_000_000, -1_000_000, 12_345, -12_345])
def test_after_a_jump_of_the_timestamp_arrival_says_the_place(tape: Tape, jump: int) -> None:
    for number, payload in enumerate(packets(clicks_each_second(4))):
        tape.push(number * 0.02, number * FRAME + (jump if number >= 100 else 0), payload)
    left, _ = tape.close(4)
    assert [(click.number, round(click.at_s, 2)) for click in find_clicks(left)] == [(n, n + 0.5) for n in range(4)]


def test_a_sender_that_stood_still_goes_on_at_its_arrival(tape: Tape) -> None:
    """Its timestamps do not count the pause."""
    for number, payload in enumerate(packets(clicks_each_second(4))):
        tape.push(number * 0.02 + (3.0 if number >= 100 else 0), number * FRAME, payload)
    left, _ = tape.close(7)
    assert [round(click.at_s, 2) for click in find_clicks(left)] == [0.5, 1.5, 5.5, 6.5]


@pytest.mark.parametrize("stall_s", [0.5, 1.1, 1.5, 1.9])
@pytest.mark.parametrize("drained_at_s", [0.0, 0.04])
def test_what_was_held_up_and_comes_in_a_burst_is_in_its_place(tape: Tape, stall_s: float, drained_at_s: float) -> None:
    """The network, or the worker itself, stood still; nothing was lost."""
    sound = clicks_each_second(6)
    payloads = packets(sound)
    rows = np.frombuffer(b"".join(payloads), np.uint8).reshape(len(payloads), FRAME)
    stall_from, track = 2.3, tape.recorder.tracks[LEFT]
    spoken = np.arange(len(payloads)) * 0.02 + 0.02
    held_up = (spoken > stall_from) & (spoken < stall_from + stall_s)
    arrivals = np.where(held_up, stall_from + stall_s, spoken) + START_S
    # The block that falls into the stall is written, with silence, before any of the burst is seen.
    due = [each + stall_s * (each > stall_from) for each in np.arange(0.9, 5, 0.9)]
    first = 0
    for block_at in [*due, 5.9]:
        last = int(np.searchsorted(arrivals, START_S + block_at - drained_at_s, "right"))
        if last > first:
            track.push_many(
                (np.arange(first, last) * FRAME).astype(np.uint32),
                rows[first:last],
                np.full(last - first, FRAME, np.uint16),
                arrivals[first:last],
            )
        first = max(first, last)
        tape.recorder.tick(START_S + block_at)
    left, _ = tape.close(6)
    assert [round(click.at_s, 1) for click in find_clicks(left)] == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]


@pytest.mark.parametrize("parts_per_million", [100, -100])
def test_a_clock_that_runs_wrong_is_followed_for_an_hour(tape: Tape, parts_per_million: int) -> None:
    seconds = 3600
    click, quiet = packets(clicks_each_second(1)), packets(np.zeros(RATE_HZ))
    pace_s = 0.02 * (1 + parts_per_million / 1e6)
    random = np.random.default_rng(2)
    delays_s = random.random(seconds * 50) * 0.008
    for number in range(seconds * 50):
        second, frame = divmod(number, 50)
        payload = (click if second % 60 == 0 else quiet)[frame]
        tape.push(number * pace_s + float(delays_s[number]), number * FRAME, payload)
    left, _ = tape.close(seconds * 1.0002)
    found = find_clicks(left)
    assert len(found) == 60
    for minute, each in enumerate(found):
        assert each.at_s == pytest.approx((minute * 60 + 0.5) * (1 + parts_per_million / 1e6), abs=0.02)


def test_a_first_packet_that_is_late_moves_nothing_out_of_place(tape: Tape) -> None:
    sound = tone(700, 4)
    for number, payload in enumerate(packets(sound)):
        tape.push(max(number * 0.02, 0.05), number * FRAME, payload)
    left, _ = tape.close(4)
    late = int(np.argmax(left != 0)) - int(np.argmax(as_recorded(sound) != 0))
    assert abs(late) <= 40
    assert np.array_equal(left[max(late, 0) :][:30_000], as_recorded(sound)[max(-late, 0) :][:30_000])


def test_packets_given_together_are_placed_as_one_by_one(tmp_path: Path) -> None:
    payloads = packets(tone(700, 2))
    timestamps = (np.arange(100, dtype=np.uint32) * FRAME) + np.uint32(0xFFFFFFFF - 2000)
    arrivals = np.arange(100, dtype=np.float64) * 0.02 + (START_S + 0.1)
    rows = np.zeros((100, 240), np.uint8)
    rows[:, :FRAME] = np.frombuffer(b"".join(payloads), np.uint8).reshape(100, FRAME)
    lengths = np.full(100, FRAME, np.uint16)
    together, single = Tape(tmp_path / "together.wav"), Tape(tmp_path / "single.wav")
    for order in (list(range(50)), [*range(50, 70), *range(75, 90), 72, *range(90, 100)]):
        together.recorder.tracks[LEFT].push_many(timestamps[order], rows[order], lengths[order], arrivals[order])
        for number in order:
            single.recorder.push(LEFT, int(timestamps[number]), payloads[number], "PCMA", float(arrivals[number]))
        for tape in (together, single):
            tape.recorder.tick(float(arrivals[order[-1]]) + 0.01)
    left, alone = together.close(2.2)[LEFT], single.close(2.2)[LEFT]
    assert snr_db(left[1000:9000], 700) > 35
    assert np.array_equal(left, alone)


def test_another_codec_in_mid_call(tape: Tape) -> None:
    before, after = packets(tone(700, 2), "PCMA"), packets(tone(700, 2), "PCMU")
    for number in range(100):
        codec, payload = ("PCMA", before[number]) if number < 60 else ("PCMU", after[number])
        tape.push(number * 0.02, number * FRAME, payload, codec=codec)
    left, _ = tape.close(2)
    assert snr_db(left[:16_000], 700) > 33


def test_the_end_of_the_last_packet_is_kept(tape: Tape) -> None:
    payloads = packets(tone(700, 1))
    for number, payload in enumerate(payloads):
        tape.push(0.5 + number * 0.02, number * FRAME, payload)
    left, _ = tape.close(0.5 + 0.98 + 0.001)
    assert len(left) == 4000 + 8000


def test_levels_are_those_of_the_last_block(tape: Tape) -> None:
    for number, payload in enumerate(packets(tone(700, 0.9, 0.5))):
        tape.push(number * 0.02, number * FRAME, payload)
    tape.recorder.tick(START_S + 0.9)
    left, right = tape.recorder.levels_dbov
    assert left == pytest.approx(-9.03, abs=0.1)
    assert right == -127
    tape.recorder.tick(START_S + 1.8)
    assert tape.recorder.levels_dbov == (-127, -127)
    tape.close(2)


def test_at_most_a_second_is_missing_at_any_moment(tape: Tape) -> None:
    for number, payload in enumerate(packets(tone(700, 5))):
        tape.push(number * 0.02, number * FRAME, payload)
        assert len(read_wav(tape.path)[LEFT]) >= (number * 0.02 - 1) * RATE_HZ
    tape.close(5)
