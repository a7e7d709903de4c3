"""One operator's desk in memory: the line, the call, the card in front, and who watches. Nothing here does I/O.

What must survive a crash is in the database; a seat is built again from there (`Desk.seat`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import datetime

import structlog

from dialer.calls.call import CallStep, new_call_machine
from dialer.calls.operator_line import LineStep, new_line_machine
from dialer.calls.view import CallState, DeskView, LineState, Message, RecordingState
from dialer.telephony import Leg

log = structlog.get_logger("dialer.calls")

SILENT_BELOW_DBOV = -70.0
SILENT_AFTER = 3  # measurements, one a second

_SOUND = {
    "": "both are heard",
    "operator": "nothing comes from the operator's microphone: is it muted or unplugged?",
    "client": "nothing comes from the client's side",
}

IN_PROGRESS = frozenset(
    {CallState.DIALLING, CallState.RINGING, CallState.EARLY_MEDIA, CallState.TALKING, CallState.HANGING_UP}
)


class Seat:
    """Holds the picture (`view`) and tells the watchers of every change."""

    def __init__(self, operator_id: int, headset: str, clock: Callable[[], datetime]) -> None:
        self.operator_id = operator_id
        self.headset = headset
        self.lock = asyncio.Lock()  # one click at a time
        self.line = new_line_machine(operator_id)
        self.call = new_call_machine(operator_id)
        self.line_leg: Leg | None = None
        self.watchers = 0
        self._clock = clock
        self._changed = asyncio.Event()
        self._silent_for = {"operator": 0, "client": 0}
        self._received = 0
        self._headset_silent_for = 0
        self.view = DeskView(operator_id, 0, LineState.OFFLINE, CallState.NONE, clock())

    @property
    def in_progress(self) -> bool:
        return self.call.state in IN_PROGRESS

    def change(self, **fields: object) -> None:
        """Show something new. Fields as in `DeskView`."""
        self.view = replace(self.view, version=self.view.version + 1, **fields)  # type: ignore[arg-type] # by name
        self._changed.set()
        self._changed = asyncio.Event()

    def tell(self, code: str, **params: object) -> None:
        self.change(message=Message(code, params))

    def step_line(self, step: LineStep, **fields: object) -> None:
        now = self.line.step(step)
        if self.call.state is CallState.NONE:
            fields.setdefault("since", self._clock())
        self.change(line=now, **fields)

    def step_call(self, step: CallStep, **fields: object) -> None:
        was = self.call.state
        now = self.call.step(step, call=fields.get("attempt_id", self.view.attempt_id))
        if now is not was:
            fields.setdefault("since", self._clock())
        self.change(call=now, **fields)

    def put_card(self, client_id: int | None, entry_id: int | None, message: Message | None = None) -> None:
        """Lay another client's card on the desk (or none), with nothing left of the call before."""
        self._silent_for = {"operator": 0, "client": 0}
        self.change(
            client_id=client_id,
            entry_id=entry_id,
            attempt_id=None,
            dialled="",
            answered_at=None,
            ended_at=None,
            result=None,
            proposal=None,
            operator_dbov=None,
            client_dbov=None,
            silent="",
            recording=RecordingState.OFF,
            message=message,
        )

    def headset_heard(self, received: int) -> None:
        """How many packets came from the headset since the line is up: one that died keeps its line, but says nothing.
        (In a call `heard` tells.)"""
        silent_for = 0 if received != self._received else self._headset_silent_for + 1
        was, self._received, self._headset_silent_for = self.headset_silent, received, silent_for
        if self.headset_silent == was or self.call.state is not CallState.NONE:
            return
        if self.headset_silent:
            log.warning("headset", operator=self.operator_id, was="heard", now="silent: it may be off, or muted")
            self.tell("desk.headset_silent")
        else:
            log.info("headset", operator=self.operator_id, was="silent", now="heard")
            if self.view.message is not None and self.view.message.code == "desk.headset_silent":
                self.change(message=None)

    def headset_is_new(self) -> None:
        self._received = self._headset_silent_for = 0

    @property
    def headset_silent(self) -> bool:
        return self._headset_silent_for >= SILENT_AFTER

    def heard(self, side: str, level_dbov: float) -> None:
        """A second of sound from `side` ("operator" or "client"); in talk, three silent ones are worth a word."""
        silent = self.call.state is CallState.TALKING and level_dbov <= SILENT_BELOW_DBOV
        self._silent_for[side] = self._silent_for[side] + 1 if silent else 0
        silent_side = next((who for who in ("operator", "client") if self._silent_for[who] >= SILENT_AFTER), "")
        if silent_side != self.view.silent:
            log.warning(
                "sound",
                operator=self.operator_id,
                call=self.view.attempt_id,
                was=_SOUND[self.view.silent],
                now=_SOUND[silent_side],
            )
        self.change(silent=silent_side, **{f"{side}_dbov": level_dbov})

    async def watch(self) -> AsyncGenerator[DeskView]:
        """The present picture, then every later one; a slow watcher skips to the newest."""
        self.watchers += 1
        try:
            while True:
                changed = self._changed
                yield self.view
                await changed.wait()
        finally:
            self.watchers -= 1
