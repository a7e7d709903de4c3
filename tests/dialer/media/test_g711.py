from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from dialer.media import g711
from tests.audio import snr_db, to_pcm, tone

LIBSNDFILE = {"PCMA": "ALAW", "PCMU": "ULAW"}


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
def test_decodes_as_libsndfile_does(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "codes.raw"
    path.write_bytes(bytes(range(256)))
    expected, _ = soundfile.read(
        path, dtype="int16", format="RAW", subtype=LIBSNDFILE[codec], samplerate=8000, channels=1
    )
    assert g711.decode(bytes(range(256)), codec).tolist() == expected.tolist()


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
def test_codes_every_value_as_libsndfile_does(codec: str, tmp_path: Path) -> None:
    """But for the 127 negative decision levels, which lie on the border of two codes: there either is right."""
    path = tmp_path / "codes.raw"
    linear = np.arange(-32768, 32768).astype(np.int16)
    soundfile.write(path, linear, 8000, format="RAW", subtype=LIBSNDFILE[codec])
    expected = np.frombuffer(path.read_bytes(), np.uint8)
    differs = np.flatnonzero(expected != np.frombuffer(g711.encode(linear, codec), np.uint8))
    assert len(differs) == 127
    assert np.all(linear[differs] < 0)
    values = np.sort(g711.DECODE[codec])
    between = np.searchsorted(values, linear[differs])
    assert len(set(between.tolist())) == 127  # each between another pair of neighbours


@pytest.mark.parametrize(
    ("value", "alaw", "mulaw"),
    [(0, 0xD5, 0xFF), (32767, 0xAA, 0x80), (-32768, 0x2A, 0x00), (-1, 0x55, 0x7F), (1000, 0xFA, 0xCE)],
)
def test_known_codes(value: int, alaw: int, mulaw: int) -> None:
    sample = np.array([value], np.int16)
    assert (g711.encode(sample, "PCMA")[0], g711.encode(sample, "PCMU")[0]) == (alaw, mulaw)


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
def test_codes_survive_decoding_and_coding(codec: str) -> None:
    codes = bytes(code for code in range(256) if (codec, code) != ("PCMU", 0x7F))  # of the two zeros one is chosen
    assert g711.encode(g711.decode(codes, codec), codec) == codes


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
def test_a_tone_keeps_its_quality(codec: str) -> None:
    pcm = to_pcm(tone(1004, 1, 0.5))
    assert snr_db(g711.decode(g711.encode(pcm, codec), codec).astype(np.float64), 1004) > 36


@pytest.mark.parametrize(("source", "target"), [("PCMA", "PCMU"), ("PCMU", "PCMA")])
def test_transcoding_finds_the_nearest_code(source: str, target: str) -> None:
    table = g711.transcode_table(source, target)
    assert table is not None
    before = g711.decode(bytes(range(256)), source).astype(np.int32)
    after = g711.decode(bytes(range(256)).translate(table), target).astype(np.int32)
    assert np.all(np.abs(after - before) <= np.maximum(16, np.abs(before) / 30))
    assert g711.transcode_table(source, source) is None


@pytest.mark.parametrize(("codec", "level"), [("PCMA", 8), ("PCMU", 0)])
def test_silence_is_the_smallest_value(codec: str, level: int) -> None:
    assert g711.decode(g711.silence(codec, 3), codec).tolist() == [level] * 3
