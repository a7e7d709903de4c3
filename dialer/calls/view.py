"""What an operator's page shows of the line and the call: an immutable picture, made anew at every change."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


class LineState(enum.Enum):
    """The operator's own line: the headset, called once and kept up between clients."""

    OFFLINE = "offline"
    CALLING_HEADSET = "calling_headset"
    READY = "ready"
    PAUSED = "paused"  # the line stays up, no client is given
    FAULT = "fault"  # the line dropped, or the headset did not answer; `message` says which


class CallState(enum.Enum):
    """The client's call, from the click to the outcome."""

    NONE = "none"
    DIALLING = "dialling"
    RINGING = "ringing"
    EARLY_MEDIA = "early_media"  # the network speaks before anybody answers
    TALKING = "talking"
    HANGING_UP = "hanging_up"
    WRAP_UP = "wrap_up"


class RecordingState(enum.Enum):
    """Whether what is said now is kept."""

    OFF = "off"
    ON = "on"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell the operator: a code (see `dialer.calls.errors.MESSAGES`) and what it is about."""

    code: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeskView:
    """One operator's desk at one moment. `version` grows with every change, so a stale page can be told apart."""

    operator_id: int
    version: int
    line: LineState
    call: CallState
    since: datetime  # of the present call state, or of the line state when there is no call
    client_id: int | None = None  # the card to show
    entry_id: int | None = None  # the claimed plan entry behind it
    attempt_id: str | None = None
    dialled: str = ""  # E.164 of the running or last attempt
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    result: str | None = None  # of the attempt in wrap-up; a value of crm.calls.attempts.Result
    proposal: str | None = None  # disposition that the network's result proposes
    operator_dbov: float | None = None  # level of the last second, dB relative to full scale
    client_dbov: float | None = None
    silent: str = ""  # "operator" or "client": nothing came from that side for three seconds of talk
    recording: RecordingState = RecordingState.OFF
    headset_registered: bool = False
    trunk_ready: bool = False
    trunk_detail: str = ""
    dialling_stopped: bool = False
    message: Message | None = None
    looks: int = 0  # grows when the card has to be read anew, though the desk has not changed
