import json
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.errors import BrokenRecording, RangeNotSatisfiable
from recordings.playback import MAX_BUCKETS, ByteRange, parse_range, peaks


def write_wav(path: Path, *channels: list[int]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.array(channels, dtype="<i2").T.tobytes())
    return path


def test_each_bucket_shows_the_lowest_and_highest_sample_of_its_stretch(tmp_path: Path) -> None:
    left = [0] * 100 + [32767, -32768] * 50 + [2560] * 100 + [-2560] * 100
    right = [512] * 400
    outline = peaks(write_wav(tmp_path / "call.wav", left, right), 4)
    assert outline.duration_s == 0.05
    assert outline.channels[0].low == [0, -128, 10, -10]
    assert outline.channels[0].high == [0, 127, 10, -10]
    assert outline.channels[1].low == outline.channels[1].high == [2, 2, 2, 2]


def test_a_single_loud_sample_is_not_lost_wherever_it_is(tmp_path: Path) -> None:
    frames = 8000 * 7 + 3
    for place in (0, 1, 19999, frames - 1):
        left = [0] * frames
        left[place] = 30000
        outline = peaks(write_wav(tmp_path / "click.wav", left, [0] * frames))
        assert max(outline.channels[0].high) == 30000 >> 8
        assert outline.channels[0].high.index(30000 >> 8) == pytest.approx(place * MAX_BUCKETS / frames, abs=1)
        assert max(outline.channels[1].high) == 0


def test_the_overview_of_the_loudest_call_is_under_8_kb(tmp_path: Path) -> None:
    loud = [-32768, 32767] * 4000
    text = json.dumps(peaks(write_wav(tmp_path / "loud.wav", loud, loud)).as_json(), separators=(",", ":"))
    assert len(text) <= 8192
    assert len(json.loads(text)["channels"][1]["low"]) == MAX_BUCKETS


def test_fewer_frames_than_buckets_give_one_bucket_a_frame(tmp_path: Path) -> None:
    outline = peaks(write_wav(tmp_path / "tiny.wav", [256, 512, 768], [0, 0, 0]))
    assert outline.channels[0].low == [1, 2, 3]
    assert peaks(write_wav(tmp_path / "none.wav", [], [])).channels[0].low == []


def test_buckets_have_bounds(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "call.wav", [0], [0])
    for buckets in (0, MAX_BUCKETS + 1):
        with pytest.raises(ValueError, match="buckets"):
            peaks(path, buckets)


def test_what_cannot_be_drawn_is_told(tmp_path: Path) -> None:
    with pytest.raises(BrokenRecording) as caught:
        peaks(tmp_path / "nothing.wav")
    assert caught.value.code == "file.missing"
    (tmp_path / "text.wav").write_text("not a recording")
    with pytest.raises(BrokenRecording) as caught:
        peaks(tmp_path / "text.wav")
    assert caught.value.code == "file.unreadable"


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-499", 0, 499),
        ("bytes=500-999", 500, 999),
        ("bytes=9500-", 9500, 9999),
        ("bytes=-500", 9500, 9999),
        ("bytes=-20000", 0, 9999),
        ("bytes=0-0", 0, 0),
        ("bytes=-1", 9999, 9999),
        ("bytes=9999-10000", 9999, 9999),
        ("bytes=0-", 0, 9999),
        ("Bytes=0-1", 0, 1),
        ("bytes=, 7-9 ,", 7, 9),
        ("bytes=0005-0006", 5, 6),
        ("bytes=1-" + "9" * 6000, 1, 9999),
    ],
)
def test_a_range_that_exists_is_clipped_to_the_recording(header: str, first: int, last: int) -> None:
    found = parse_range(header, 10000)
    assert found == ByteRange(first, last, 10000)
    assert found.length == last - first + 1
    assert found.content_range == f"bytes {first}-{last}/10000"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=abc",
        "bytes=5-4",
        "bytes=0-1,5-4",
        "bytes =0-1",
        "bytes=0 - 1",
        "bytes=+1-2",
        "bytes=1-2-3",
        "bytes=٣-٤",
        "seconds=0-1",
        "bytes=0-1, 5-9",
    ],
)
def test_what_a_server_ignores_gives_the_whole(header: str | None) -> None:
    assert parse_range(header, 10000) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=10000-", 10000),
        ("bytes=10000-10001", 10000),
        ("bytes=-0", 10000),
        ("bytes=0-", 0),
        ("bytes=-0", 0),
        ("bytes=10000-,20000-", 10000),
        ("bytes=" + "9" * 6000 + "-", 10000),
    ],
)
def test_a_range_beyond_the_recording_is_refused_with_its_size(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range(header, size)
    assert caught.value.params == {"size": size}


def test_the_end_of_an_empty_recording_is_all_of_it() -> None:
    assert parse_range("bytes=-5", 0) is None


@given(size=st.integers(0, 50), first=st.none() | st.integers(0, 60), last=st.none() | st.integers(0, 60))
def test_the_bytes_served_are_those_that_were_asked_for_and_exist(
    size: int, first: int | None, last: int | None
) -> None:
    recording = bytes(range(size))
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    if first is None:
        wanted = recording[-last:] if last else b""
    else:
        wanted = recording[first : None if last is None else last + 1]
    try:
        found = parse_range(header, size)
    except RangeNotSatisfiable:
        assert wanted == b""
    else:
        if found is None:
            invalid = (first is None and last is None) or (first is not None and last is not None and last < first)
            assert invalid or size == 0
        else:
            assert recording[found.first : found.last + 1] == wanted
            assert found.length == len(wanted)


@given(header=st.text(max_size=30).map(lambda text: "bytes=" + text) | st.text(max_size=30), size=st.integers(0, 99))
def test_no_header_breaks_the_server(header: str, size: int) -> None:
    try:
        found = parse_range(header, size)
    except RangeNotSatisfiable:
        return
    assert found is None or 0 <= found.first <= found.last < size
