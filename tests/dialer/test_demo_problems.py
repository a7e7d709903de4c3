"""`demo --once` exits 0 only if all of it happened: what it finds wrong with a round that did not."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from crm.calls.recording_facts import Recording, RecordingState
from dialer.demo.once import TALK_S, _problems

RATE = 8000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "round.wav", 0.1, 0.1)


def write(path: Path, *levels: float) -> Path:
    time = np.arange(RATE) / RATE
    soundfile.write(path, np.stack([level * np.sin(2 * np.pi * 400 * time) for level in levels], axis=1), RATE)
    return path


def found_in(path: Path, **changes: object) -> dict[str, Any]:
    """What a good round reports, but for `changes`."""
    good = {
        "result": "answered",
        "talk_seconds": TALK_S,
        "disposition": "callback",
        "callback": "2026-11-27T08:00:00+00:00",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    return {**good, **changes}


def ready() -> Recording:
    return Recording(state=RecordingState.READY)


def test_a_good_round_has_no_problems(path: Path) -> None:
    assert _problems(found_in(path), path, ready()) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"result": "busy"}, "the result is busy, not answered"),
        ({"talk_seconds": 3.4}, "the talk lasted 3.4 s"),
        ({"disposition": None}, "no outcome was stored"),
        ({"callback": None}, "no callback was stored"),
        ({"sha256": "0" * 64}, "the recording is not the file that was stored"),
    ],
)
def test_what_did_not_happen_is_said(path: Path, changes: dict[str, object], problem: str) -> None:
    assert _problems(found_in(path, **changes), path, ready()) == [problem]


@pytest.mark.parametrize(
    ("levels", "problem"),
    [
        ((0.1, 0.0), "nothing is heard on the client's channel"),
        ((0.0, 0.1), "nothing is heard on the operator's channel"),
        ((0.1,), "the recording has 1 channels"),
    ],
)
def test_a_channel_without_sound_is_said(tmp_path: Path, levels: tuple[float, ...], problem: str) -> None:
    path = write(tmp_path / "round.wav", *levels)
    assert _problems(found_in(path), path, ready()) == [problem]


@pytest.mark.parametrize("recording", [None, Recording(state=RecordingState.FAILED)])
def test_a_recording_that_is_not_ready_is_said(path: Path, recording: Recording | None) -> None:
    assert _problems(found_in(path), path, recording) == ["there is no ready recording"]
