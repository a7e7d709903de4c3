"""The client's call as the operator lives it: from the click to the outcome."""

from __future__ import annotations

import enum

from dialer.calls.machine import Machine
from dialer.calls.view import CallState


class CallStep(enum.Enum):
    """What can happen to a call."""

    PLACED = "placed"
    RANG = "rang"
    EARLY_SOUND = "early sound"
    ANSWERED = "answered"
    HANG_UP_ASKED = "hang-up asked"
    ENDED = "ended"
    FOUND_UNFINISHED = "found unfinished"  # after a restart: ended, but nobody wrote the outcome down
    WRITTEN_DOWN = "written down"


_S, _E = CallState, CallStep

CALL_STEPS: dict[tuple[CallState, CallStep], CallState] = {
    (_S.NONE, _E.PLACED): _S.DIALLING,
    (_S.NONE, _E.FOUND_UNFINISHED): _S.WRAP_UP,
    (_S.DIALLING, _E.RANG): _S.RINGING,
    (_S.RINGING, _E.RANG): _S.RINGING,  # every fork and every proxy may say so again
    (_S.EARLY_MEDIA, _E.RANG): _S.EARLY_MEDIA,
    (_S.DIALLING, _E.EARLY_SOUND): _S.EARLY_MEDIA,
    (_S.RINGING, _E.EARLY_SOUND): _S.EARLY_MEDIA,
    (_S.EARLY_MEDIA, _E.EARLY_SOUND): _S.EARLY_MEDIA,
    (_S.DIALLING, _E.ANSWERED): _S.TALKING,
    (_S.RINGING, _E.ANSWERED): _S.TALKING,
    (_S.EARLY_MEDIA, _E.ANSWERED): _S.TALKING,
    (_S.DIALLING, _E.HANG_UP_ASKED): _S.HANGING_UP,
    (_S.RINGING, _E.HANG_UP_ASKED): _S.HANGING_UP,
    (_S.EARLY_MEDIA, _E.HANG_UP_ASKED): _S.HANGING_UP,
    (_S.TALKING, _E.HANG_UP_ASKED): _S.HANGING_UP,
    (_S.HANGING_UP, _E.HANG_UP_ASKED): _S.HANGING_UP,
    # what was under way when the operator hung up still arrives; the engine ends the leg whatever it was
    (_S.HANGING_UP, _E.RANG): _S.HANGING_UP,
    (_S.HANGING_UP, _E.EARLY_SOUND): _S.HANGING_UP,
    (_S.HANGING_UP, _E.ANSWERED): _S.HANGING_UP,
    (_S.DIALLING, _E.ENDED): _S.WRAP_UP,
    (_S.RINGING, _E.ENDED): _S.WRAP_UP,
    (_S.EARLY_MEDIA, _E.ENDED): _S.WRAP_UP,
    (_S.TALKING, _E.ENDED): _S.WRAP_UP,
    (_S.HANGING_UP, _E.ENDED): _S.WRAP_UP,
    (_S.WRAP_UP, _E.WRITTEN_DOWN): _S.NONE,
}


def new_call_machine(operator_id: int, state: CallState = CallState.NONE) -> Machine[CallState, CallStep]:
    return Machine("call", state, CALL_STEPS, operator=operator_id)
