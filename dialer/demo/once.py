"""One whole round without a browser, through the same desk that the pages use: the headset registers, a client is taken
from the plan, called over SIP and RTP, talked to, and written down. What is reported is read back from what was stored.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import soundfile
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.people import people_at
from crm.calls.attempts import Attempt
from crm.calls.recording_facts import Recording, RecordingState
from crm.clientele.clients import Client, time_zone_of
from crm.group import Group
from crm.plan.callbacks import Callback
from crm.plan.spoken_time import parse_when
from crm.preparation.results import OF_THE_CLIENT, Result
from crm.wrap_up.outcomes import Outcome, OutcomeForm
from dialer.app import RunningService
from dialer.calls.desk import Desk
from dialer.calls.view import CallState, DeskView, LineState

TALK_S = 4.0
STEP_TIMEOUT_S = 25.0
RING_S = 20.0  # then the practice client is given up
MOST_CALLS = 8
ANOTHER_FOLDER = "begin anew with --data and another folder"
AUDIBLE_RMS = 0.003  # -50 dB of full scale


class RoundFailed(Exception):
    """A step of the round did not happen; the message says which and why."""


class Watcher:
    """Follows one desk."""

    def __init__(self, desk: Desk, operator_id: int) -> None:
        self._desk = desk
        self._operator_id = operator_id
        self.last: DeskView | None = None

    async def until(
        self, what: str, reached: Callable[[DeskView], bool], timeout_s: float = STEP_TIMEOUT_S
    ) -> DeskView:
        """The present view, or the first later one, for which `reached` holds. Raises `RoundFailed`."""
        views = self._desk.watch(self._operator_id)
        try:
            async with asyncio.timeout(timeout_s):
                async for view in views:
                    self.last = view
                    if reached(view):
                        return view
        except TimeoutError:
            pass
        finally:
            await views.aclose()
        raise RoundFailed(f"{what}: it did not happen; the desk says {_words(self.last)}")


def _words(view: DeskView | None) -> str:
    if view is None:
        return "nothing"
    message = f", {view.message.code} {dict(view.message.params)}" if view.message else ""
    trunk = "" if view.trunk_ready else f", trunk: {view.trunk_detail}"
    return f"line {view.line.value}, call {view.call.value}{message}{trunk}"


async def one_round(service: RunningService, operator_id: int, clock: Callable[[], datetime]) -> str:
    """Call clients of the plan until one talks; returns the id of that attempt. What an earlier round or a person at
    the page left open is written down first, as are the calls that nobody answered. Raises `RoundFailed`, `DeskError`,
    `CrmError`."""
    desk = service.desk
    watcher = Watcher(desk, operator_id)
    view = await watcher.until("headset and trunk", lambda view: view.headset_registered and view.trunk_ready)
    if view.call is CallState.WRAP_UP:
        await _write_down(service, operator_id, view, clock())
    await desk.go_ready(operator_id)
    for _ in range(MOST_CALLS):
        view = await _call_the_next(service, operator_id, watcher)
        if view.call is CallState.TALKING:
            break
        if view.result not in {*OF_THE_CLIENT, Result.CANCELLED}:
            raise RoundFailed(f"the call did not come to the client: {view.result}")
        await _write_down(service, operator_id, view, clock())
    else:
        raise RoundFailed(f"of {MOST_CALLS} clients in a row nobody answered; {ANOTHER_FOLDER}")
    await _talk(watcher)
    await desk.hang_up(operator_id)
    view = await watcher.until("end of the call", lambda view: view.call is CallState.WRAP_UP)
    assert view.attempt_id is not None
    await _write_down(service, operator_id, view, clock())
    await _wait_for_recording(service, view.attempt_id)
    await desk.go_offline(operator_id)
    return view.attempt_id


async def _call_the_next(service: RunningService, operator_id: int, watcher: Watcher) -> DeskView:
    """The desk when the next client of the plan talks, or the call is over."""
    view = await watcher.until(
        "line and card",
        lambda view: view.line is LineState.READY and (view.client_id is not None or _plan_is_over(view)),
    )
    if view.client_id is None:
        raise RoundFailed(f"nobody is left in today's plan of this folder; {ANOTHER_FOLDER}")
    await service.desk.dial(operator_id, client_id=view.client_id)
    try:
        return await watcher.until("answer", _is_answered_or_over, timeout_s=RING_S)
    except RoundFailed:
        await service.desk.hang_up(operator_id)
    return await watcher.until("end of the call", _is_answered_or_over)


def _plan_is_over(view: DeskView) -> bool:
    return view.message is not None and view.message.code == "desk.nothing_to_call"


def _is_answered_or_over(view: DeskView) -> bool:
    return view.call in (CallState.TALKING, CallState.WRAP_UP)


async def _talk(watcher: Watcher) -> None:
    """Stay on the line; a call that ends before its time is no round."""
    try:
        await watcher.until("talk", lambda view: view.call is not CallState.TALKING, timeout_s=TALK_S)
    except RoundFailed:
        return
    raise RoundFailed(f"the call ended before its time; the desk says {_words(watcher.last)}")


async def _write_down(service: RunningService, operator_id: int, view: DeskView, now: datetime) -> None:
    """A talk ends with a callback; nobody there is no contact."""
    assert view.attempt_id is not None
    async with service.database.reading() as session:
        attempt = await session.get_one(Attempt, view.attempt_id)
        client = await session.get_one(Client, attempt.client_id)
        people = await people_at(session, client.organisation_id)
        client_zone = await time_zone_of(session, client)
    form = OutcomeForm(disposition="no_contact")
    if attempt.answered_at is not None:
        words = "завтра в 11"
        form = OutcomeForm(
            disposition="callback",
            person_id=people[0].id if people else None,
            callback_at_local=parse_when(words, now=now, zone=client_zone),
            callback_words=words,
            reason="Менеджер уволился, и больше никто не звонил." if client.group is Group.ABANDONED else "",
            note="Просили набрать завтра утром.",
        )
    async with asyncio.timeout(STEP_TIMEOUT_S):
        await service.desk.save_outcome(operator_id, attempt_id=view.attempt_id, form=form)


async def _wait_for_recording(service: RunningService, attempt_id: str) -> None:
    async with asyncio.timeout(STEP_TIMEOUT_S):
        while True:
            async with service.database.reading() as session:
                found = await session.scalar(select(Recording).where(Recording.attempt_id == attempt_id))
            if found is not None and found.state is not RecordingState.WRITING:
                return
            await asyncio.sleep(0.05)


async def report(session: AsyncSession, attempt_id: str, recordings: Path) -> dict[str, Any]:
    """What is stored of the round, and what its file really holds. `problems` is empty if all of it happened."""
    attempt = await session.get_one(Attempt, attempt_id)
    recording = await session.scalar(select(Recording).where(Recording.attempt_id == attempt_id))
    callback = await session.scalar(select(Callback).where(Callback.made_by_attempt_id == attempt_id))
    path = recordings / recording.key if recording is not None and recording.key else None
    disposition = await _disposition(session, attempt_id)
    found: dict[str, Any] = {
        "attempt": attempt_id,
        "result": attempt.result.value if attempt.result else None,
        "disposition": disposition,
        "talk_seconds": round(attempt.talk_seconds or 0.0, 3),
        "recording": str(path) if path else None,
        "channels": 0,
        "rms": [],
        "sha256": recording.sha256 if recording else "",
        "callback": callback.due_at.isoformat() if callback else None,
    }
    found["problems"] = _problems(found, path, recording)
    return found


async def _disposition(session: AsyncSession, attempt_id: str) -> str | None:
    outcome = await session.scalar(select(Outcome).where(Outcome.attempt_id == attempt_id))
    return str(outcome.disposition) if outcome is not None else None


def _problems(found: dict[str, Any], path: Path | None, recording: Recording | None) -> list[str]:
    problems: list[str] = []
    if found["result"] != "answered":
        problems.append(f"the result is {found['result']}, not answered")
    if found["talk_seconds"] < TALK_S - 0.5:
        problems.append(f"the talk lasted {found['talk_seconds']} s")
    if found["disposition"] is None:
        problems.append("no outcome was stored")
    if found["callback"] is None:
        problems.append("no callback was stored")
    if path is None or recording is None or not recording.playable:
        problems.append("there is no ready recording")
        return problems
    samples, _ = soundfile.read(path, always_2d=True)
    found["channels"] = samples.shape[1]
    found["rms"] = [round(float(value), 6) for value in (samples**2).mean(axis=0) ** 0.5]
    if found["channels"] != 2:
        problems.append(f"the recording has {found['channels']} channels")
    problems += [
        f"nothing is heard on the {side} channel"
        for side, value in zip(("operator's", "client's"), found["rms"], strict=False)
        if value < AUDIBLE_RMS
    ]
    if hashlib.sha256(path.read_bytes()).hexdigest() != found["sha256"]:
        problems.append("the recording is not the file that was stored")
    return problems
