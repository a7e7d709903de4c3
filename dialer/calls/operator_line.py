"""The operator's own line: the headset is called once, when the operator goes ready, and stays up between clients."""

from __future__ import annotations

import enum

from dialer.calls.machine import Machine
from dialer.calls.view import LineState


class LineStep(enum.Enum):
    """What can happen to the line."""

    READY_ASKED = "ready asked"
    HEADSET_ANSWERED = "headset answered"
    HEADSET_FAILED = "headset failed"
    LINE_DROPPED = "line dropped"
    PAUSE_ASKED = "pause asked"
    OFFLINE_ASKED = "offline asked"


_S, _E = LineState, LineStep

LINE_STEPS: dict[tuple[LineState, LineStep], LineState] = {
    (_S.OFFLINE, _E.READY_ASKED): _S.CALLING_HEADSET,
    (_S.FAULT, _E.READY_ASKED): _S.CALLING_HEADSET,
    (_S.PAUSED, _E.READY_ASKED): _S.READY,
    (_S.CALLING_HEADSET, _E.HEADSET_ANSWERED): _S.READY,
    (_S.CALLING_HEADSET, _E.HEADSET_FAILED): _S.FAULT,
    (_S.READY, _E.LINE_DROPPED): _S.FAULT,
    (_S.PAUSED, _E.LINE_DROPPED): _S.FAULT,
    (_S.READY, _E.PAUSE_ASKED): _S.PAUSED,
    (_S.CALLING_HEADSET, _E.OFFLINE_ASKED): _S.OFFLINE,
    (_S.READY, _E.OFFLINE_ASKED): _S.OFFLINE,
    (_S.PAUSED, _E.OFFLINE_ASKED): _S.OFFLINE,
    (_S.FAULT, _E.OFFLINE_ASKED): _S.OFFLINE,
}


def new_line_machine(operator_id: int) -> Machine[LineState, LineStep]:
    return Machine("line", LineState.OFFLINE, LINE_STEPS, operator=operator_id)
